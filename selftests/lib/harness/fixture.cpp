// SPDX-License-Identifier: GPL-2.0
#include "fixture.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <random>

#include <fcntl.h>
#include <linux/dma-heap.h>
#include <linux/magic.h>
#include <linux/udmabuf.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "child.hpp"
#include "environment.hpp"
#include "kmsg.hpp"
#include "module.hpp"
#include "truth.hpp"

namespace testexp {

namespace {

/* Bits of an entry of /proc/self/pagemap; see Documentation/admin-guide/mm/pagemap.rst. */
constexpr std::uint64_t pagemap_present = std::uint64_t{1} << 63;
constexpr std::uint64_t pagemap_pfn = (std::uint64_t{1} << 55) - 1;

[[noreturn]] void throw_errno(const std::string& what) {
    throw std::runtime_error(errno_error(what).what);
}

Fd open_or_skip(const char* path) {
    Fd fd(open(path, O_RDWR | O_CLOEXEC));

    if (!fd)
        ksft::skip(errno_error(std::string("no such exporter here: ") + path).what);
    return fd;
}

std::vector<std::uint64_t> read_pagemap(const std::byte* start, std::uint64_t nr_pages) {
    const Fd pagemap(open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
    std::vector<std::uint64_t> entries(nr_pages);
    auto* target = reinterpret_cast<char*>(entries.data());
    std::size_t left = nr_pages * sizeof(std::uint64_t);
    auto offset = static_cast<off_t>(reinterpret_cast<std::uintptr_t>(start) / page_bytes() *
                                     sizeof(std::uint64_t));

    if (!pagemap)
        throw_errno("/proc/self/pagemap");
    while (left != 0) {
        const ssize_t got = pread(pagemap.get(), target, left, offset);

        if (got <= 0)
            throw_errno("read /proc/self/pagemap");
        target += got;
        offset += got;
        left -= static_cast<std::size_t>(got);
    }
    return entries;
}

/* A page must be mapped to have an entry in the pagemap. */
void touch(const std::byte* page) {
    (void)*reinterpret_cast<const volatile std::byte*>(page);
}

using IsWanted = std::function<bool(std::size_t)>;

/*
 * The PFNs of the pages for which @is_wanted. Other pages may raise SIGBUS when they are accessed.
 * A VM_PFNMAP mapping has no PFNs in the pagemap.
 */
std::vector<std::uint64_t> read_pfns(const Mapping& mapping, const IsWanted& is_wanted) {
    const std::byte* start = mapping.bytes().data();
    const std::uint64_t nr_pages = mapping.bytes().size() / page_bytes();

    for (std::uint64_t page = 0; page < nr_pages; page++)
        if (is_wanted(page))
            touch(start + page * page_bytes());

    std::vector<std::uint64_t> entries = read_pagemap(start, nr_pages);

    for (std::uint64_t page = 0; page < nr_pages; page++) {
        if (is_wanted(page) &&
            (!(entries[page] & pagemap_present) || !(entries[page] & pagemap_pfn)))
            ksft::fail("pagemap has no PFN for page " + std::to_string(page));
        entries[page] &= pagemap_pfn;
    }
    return entries;
}

/* The same, read from the page table itself. Nothing if the mapping is not VM_PFNMAP. */
std::optional<std::vector<std::uint64_t>> walk_pfns(const Mapping& mapping,
                                                    const IsWanted& is_wanted) {
    const std::uint64_t nr_pages = mapping.bytes().size() / page_bytes();
    std::vector<std::uint64_t> pfns(nr_pages);
    const std::vector<testexp_walked> walked =
        device().walk(mapping.bytes().data(), nr_pages, TESTEXP_WALK_FAULT_IN).value();

    for (std::uint64_t page = 0; page < nr_pages; page++) {
        if (walked[page].error == -EINVAL)
            return std::nullopt;
        if (is_wanted(page) && walked[page].error != 0)
            ksft::fail("WALK of page " + std::to_string(page) + " gave " +
                       std::to_string(walked[page].error));
        pfns[page] = walked[page].pfn;
    }
    return pfns;
}

std::vector<std::uint64_t> find_pfns(const Mapping& mapping, const IsWanted& is_wanted) {
    if (!device().has(TESTEXP_FEAT_WALK))
        return read_pfns(mapping, is_wanted);

    const auto walked = walk_pfns(mapping, is_wanted);

    return walked ? *walked : read_pfns(mapping, is_wanted);
}

/* Gives each RAM page its PFN. */
void read_ram(int buffer_fd, std::vector<Page>& pages) {
    const Mapping mapping = Mapping::map(buffer_fd, pages.size()).value();
    const auto is_ram = [&](std::size_t pgoff) { return pages[pgoff].type == TESTEXP_EXTENT_RAM; };
    const std::vector<std::uint64_t> pfns = find_pfns(mapping, is_ram);

    for (std::size_t pgoff = 0; pgoff < pages.size(); pgoff++)
        if (is_ram(pgoff))
            pages[pgoff].pfn = pfns[pgoff];
}

/* Gives each MMIO page its PFN, from the BAR's address in sysfs. */
void read_mmio(const Layout& layout, std::vector<Page>& pages) {
    const std::uint64_t bar_pfn = mmio_bar().start / page_bytes();
    std::uint64_t pgoff = 0;

    for (const testexp_extent& extent : layout.extents)
        for (std::uint64_t i = 0; i < extent.nr_pages * extent.repeat; i++, pgoff++)
            if (extent.type == TESTEXP_EXTENT_MMIO)
                pages[pgoff].pfn = bar_pfn + extent.at + i;
}

std::vector<Page> read_truth(const Layout& layout, int buffer_fd, std::vector<Page> pages) {
    const auto has = [&](std::uint32_t type) {
        return std::any_of(pages.begin(), pages.end(),
                           [=](const Page& page) { return page.type == type; });
    };

    if (has(TESTEXP_EXTENT_RAM) && has(TESTEXP_EXTENT_MMIO))
        REQUIRE(device().has(TESTEXP_FEAT_WALK),
                "only the page table gives the PFNs of RAM in a buffer with MMIO");
    if (has(TESTEXP_EXTENT_RAM))
        read_ram(buffer_fd, pages);
    if (has(TESTEXP_EXTENT_MMIO))
        read_mmio(layout, pages);
    return pages;
}

/*
 * The right max_order follows from the PFNs, wherever they are. So the PFNs, too, must be where the
 * layout wants them.
 */
void expect_placed(const Layout& layout, const Oracle& oracle) {
    std::uint64_t pgoff = 0;

    for (const testexp_extent& extent : layout.extents)
        for (std::uint64_t i = 0; i < extent.repeat; i++, pgoff += extent.nr_pages) {
            const std::uint64_t pfn = oracle.pages()[pgoff].pfn;

            if (extent.type == TESTEXP_EXTENT_RAM &&
                pfn % (std::uint64_t{1} << extent.align_order) != extent.skew)
                ksft::fail("PFN " + std::to_string(pfn) + " of page " + std::to_string(pgoff) +
                           " of " + layout.describe() + " is not " + std::to_string(extent.skew) +
                           " modulo 2^" + std::to_string(extent.align_order));
        }
}

Device open_device() {
    Result<Device> result = Device::open();

    if (!result)
        ksft::skip(result.error().what);
    return std::move(result).value();
}

/* Loads the module if it is not loaded and is built beside this program. */
std::optional<LoadedModule> bring_module() {
    const std::string path = module_path();

    if (access(TESTEXP_DEVICE_PATH, F_OK) == 0 || access(path.c_str(), R_OK) != 0)
        return std::nullopt;

    Result<LoadedModule> module = LoadedModule::load(path);

    if (module.code() == EPERM)
        ksft::skip(module.error().what + ", needs root (CAP_SYS_MODULE)");
    return std::move(module).value();
}

/* The device, and the module if this program loaded it. */
class Session {
public:
    Session() : module_(bring_module()), device_(open_device()) {}
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    /* Reports a module that cannot be unloaded, because the next program would find it loaded. */
    ~Session() {
        device_.reset();
        if (!module_)
            return;

        const Status unloaded = module_->unload();

        if (unloaded)
            return;
        std::printf("Bail out! %s\n", unloaded.error().what.c_str());
        (void)std::fflush(stdout);
        _exit(EXIT_FAILURE);
    }

    const Device& device() const { return *device_; }

private:
    std::optional<LoadedModule> module_;
    std::optional<Device> device_;
};

} // namespace

const Device& device() {
    static const Session session;

    return session.device();
}

bool quick() {
    return std::getenv("TESTEXP_QUICK") != nullptr;
}

std::optional<std::uint64_t> number_from_environment(const char* name) {
    const char* const text = std::getenv(name);
    char* end = nullptr;

    if (!text)
        return std::nullopt;
    errno = 0;

    const std::uint64_t value = std::strtoull(text, &end, 0);

    if (errno || *text < '0' || *text > '9' || *end != '\0')
        ksft::fail(std::string(name) + "=" + text + " is not a number from 0 to 2^64 - 1");
    return value;
}

std::uint64_t seed() {
    static constexpr std::uint64_t otherwise = 1;
    static const std::uint64_t value = [] {
        const char* const text = std::getenv("TESTEXP_SEED");

        if (text && std::strcmp(text, "random") == 0)
            return std::uint64_t{std::random_device{}()};
        return number_from_environment("TESTEXP_SEED").value_or(otherwise);
    }();
    return value;
}

PciBar mmio_bar() {
    REQUIRE(device().info().mmio_pages != 0,
            "no BAR for MMIO: load the module with mmio_bar, or name one in TESTEXP_MMIO_BAR");

    const std::optional<PciBar> bar = find_bar(device().info().mmio_bar);

    if (!bar)
        ksft::fail(std::string("sysfs has no BAR ") + device().info().mmio_bar);
    return *bar;
}

bool is_debug_kernel() {
    return (device().info().features & (TESTEXP_FEAT_KASAN | TESTEXP_FEAT_LOCKDEP)) != 0;
}

DmaKind dma_kind() {
    const std::string dma = read_environment(device().info()).dma;

    if (dma == "iommu")
        return DmaKind::iommu;
    return dma == "swiotlb" ? DmaKind::swiotlb : DmaKind::direct;
}

void require_direct_dma() {
    REQUIRE(dma_kind() == DmaKind::direct, "DMA addresses are no PFNs behind an IOMMU or swiotlb");
}

void require_path(const Path& path) {
    if (path.needs_mapping())
        REQUIRE(device().has(TESTEXP_FEAT_WALK), "the kernel has no follow_pfnmap_start()");
    REQUIRE(device().has(path.features()), "the kernel cannot map PFNs by PMDs");
}

std::uint64_t address_for(const Path& path, const Mapping& mapping) {
    return path.needs_mapping() ? address_of(mapping) : 0;
}

std::uint32_t reference_flags(const Layout& layout) {
    const bool has_mmio =
        std::any_of(layout.extents.begin(), layout.extents.end(), [](const testexp_extent& extent) {
            return extent.type == TESTEXP_EXTENT_MMIO;
        });

    return device().has(TESTEXP_FEAT_WALK) || has_mmio ? 0 : TESTEXP_CREATE_SHOW_PAGES;
}

Subject make_subject(const CreateSpec& spec) {
    CreateSpec seen = spec;

    seen.flags |= reference_flags(spec.layout);
    return make_subject(spec.layout, device().create(seen).value());
}

Subject make_subject(const Layout& layout, Buffer buffer) {
    std::vector<Page> pages = pages_of(layout);

    ksft::expect_eq(buffer.nr_pages, pages.size(), "nr_pages of " + layout.describe());
    Oracle oracle(read_truth(layout, buffer.fd.get(), std::move(pages)));

    expect_placed(layout, oracle);
    return {layout, std::move(buffer), std::move(oracle)};
}

std::vector<std::uint64_t> pfns_behind(const Mapping& mapping) {
    return find_pfns(mapping, [](std::size_t) { return true; });
}

std::vector<std::uint64_t> pfns_in_pagemap(const Mapping& mapping) {
    return read_pfns(mapping, [](std::size_t) { return true; });
}

void expect_truth(const Importer& importer, const Subject& subject, const Form& form) {
    const std::uint64_t count = subject.oracle.nr_pages() + 2;
    const std::vector<testexp_result> answers = importer.resolve(0, count, 1, form.flags).value();

    for (std::uint64_t pgoff = 0; pgoff < count; pgoff++) {
        const testexp_result expected = subject.oracle.expected(pgoff);

        if (!same(answers[pgoff], expected))
            ksft::record_failure("pgoff " + std::to_string(pgoff) + " of " +
                                     subject.layout.describe() + ", " + form.name + ": is " +
                                     describe(answers[pgoff]) + ", must be " + describe(expected),
                                 __FILE__, __LINE__);
    }
}

void require_possible(const truth::Row& row) {
    if (const char* obstacle = row.obstacle(device().info().features))
        ksft::skip(obstacle);
}

void expect_refused(const testexp_result& result, int code, const std::string& what) {
    const testexp_result expected = refusal(-code);

    if (!same(result, expected))
        ksft::record_failure(what + ": is " + describe(result) + ", must be " + describe(expected),
                             __FILE__, __LINE__);
}

int signal_of_reading(const std::byte* address) {
    Child reader([address] {
        touch(address);
        return 0;
    });

    return signal_of(reader.wait());
}

void expect_warnings(unsigned int count, const std::function<void()>& body) {
    Kmsg log;

    body();
    ksft::expect_eq(log.new_warnings(), count, "WARNINGs in the kernel log");
}

Fd system_heap_buffer() {
    const Fd heap = open_or_skip("/dev/dma_heap/system");
    dma_heap_allocation_data request{};

    request.len = page_bytes();
    request.fd_flags = O_RDWR | O_CLOEXEC;
    if (ioctl(heap.get(), DMA_HEAP_IOCTL_ALLOC, &request) < 0)
        throw_errno("DMA_HEAP_IOCTL_ALLOC");
    return Fd(static_cast<int>(request.fd));
}

Fd udmabuf_buffer() {
    const Fd control = open_or_skip("/dev/udmabuf");
    const Fd memory(memfd_create("testexp", MFD_ALLOW_SEALING | MFD_CLOEXEC));
    udmabuf_create request{};

    if (!memory || ftruncate(memory.get(), static_cast<off_t>(page_bytes())) < 0 ||
        fcntl(memory.get(), F_ADD_SEALS, F_SEAL_SHRINK) < 0)
        throw_errno("memfd");

    request.memfd = static_cast<std::uint32_t>(memory.get());
    request.flags = UDMABUF_FLAGS_CLOEXEC;
    request.size = page_bytes();

    Fd buffer(ioctl(control.get(), UDMABUF_CREATE, &request));

    if (!buffer)
        throw_errno("UDMABUF_CREATE");
    return buffer;
}

namespace {

/* Makes sure that this file system is mounted there: if it is not, mounts it for this process. */
void mount_for_this_process(const char* type, const char* path, long magic) {
    struct statfs where = {};

    if (statfs(path, &where) == 0 && where.f_type == magic)
        return;
    if (unshare(CLONE_NEWNS) < 0 ||
        mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0 ||
        mount(type, path, type, 0, nullptr) < 0)
        ksft::skip(errno_error(std::string("cannot mount ") + type).what);
}

} // namespace

void mount_debugfs() {
    mount_for_this_process("debugfs", "/sys/kernel/debug", DEBUGFS_MAGIC);
}

void mount_tracefs() {
    mount_for_this_process("tracefs", "/sys/kernel/tracing", TRACEFS_MAGIC);
}

} // namespace testexp
