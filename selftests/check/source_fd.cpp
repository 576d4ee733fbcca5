// SPDX-License-Identifier: GPL-2.0
/* A dma-buf that the caller's process left open: dmabuf-check --fd 5 5<&9 */
#include "dma_buf_fd.hpp"

#include <fcntl.h>

#include "words.hpp"

namespace check {

namespace {

Source make(const std::string& argument, const Settings&) {
    const std::uint64_t number = number_of(argument, "a file descriptor");
    const int fd = number > INT32_MAX ? -1 : fcntl(static_cast<int>(number), F_DUPFD_CLOEXEC, 3);

    if (fd < 0)
        throw std::runtime_error("descriptor " + argument + " is not open in this process");

    Source source;

    source.buffer = testexp::Fd(fd);
    source.name = exporter_of(fd, "descriptor " + argument);
    return source;
}

} // namespace

const SourceKind fd_source = {"fd", "N", "the dma-buf that is open as descriptor N", make};

} // namespace check
