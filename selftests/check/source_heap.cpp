// SPDX-License-Identifier: GPL-2.0
/* A buffer of a dma-buf heap. */
#include <filesystem>

#include <fcntl.h>
#include <linux/dma-heap.h>
#include <sys/ioctl.h>

#include "source.hpp"
#include "words.hpp"

namespace check {

using namespace testexp;

namespace {

const std::string heaps = "/dev/dma_heap/";

std::string names_of_heaps() {
    std::error_code error;
    std::string names;

    for (const auto& entry : std::filesystem::directory_iterator(heaps, error))
        names += " " + entry.path().filename().string();
    return names.empty() ? " none (CONFIG_DMABUF_HEAPS)" : names;
}

Fd open_heap(const std::string& name) {
    Fd heap(open((heaps + name).c_str(), O_RDWR | O_CLOEXEC));

    if (!heap && errno == ENOENT)
        throw std::runtime_error("no heap '" + name + "'; there are:" + names_of_heaps());
    if (!heap)
        throw std::runtime_error(errno_error(heaps + name).what);
    return heap;
}

Source make(const std::string& argument) {
    const std::vector<std::string> words = split(argument);

    if (words.size() != 2)
        throw std::runtime_error("--heap needs NAME,SIZE, for example system,2M");

    const std::uint64_t nr_pages = pages_of(words[1]);
    const Fd heap = open_heap(words[0]);
    dma_heap_allocation_data request{};

    request.len = nr_pages * page_bytes();
    request.fd_flags = O_RDWR | O_CLOEXEC;
    if (ioctl(heap.get(), DMA_HEAP_IOCTL_ALLOC, &request) < 0)
        throw std::runtime_error(errno_error("heap " + words[0] + ", " + size_text(nr_pages)).what);

    Source source;

    source.name = "heap " + words[0] + ", " + size_text(nr_pages);
    source.buffer = Fd(static_cast<int>(request.fd));
    source.exporter_class = ExporterClass{};
    source.has_distinct_pages = true;
    source.may_write = true;
    return source;
}

} // namespace

const SourceKind heap_source = {"heap", "NAME,SIZE", "a buffer of /dev/dma_heap/NAME", make};

} // namespace check
