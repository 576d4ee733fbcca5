// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: IOMMUFD refuses what it cannot map, with the errno that linux/iommufd.h documents or that
 * the exporter returns: buffers without get_pfn or without attributes, holes, private and revoked
 * pages, wrong ranges and wrong addresses. A refused call leaves nothing behind: no mapping, no
 * attachment, no pin, and no line of a bug in the kernel log (P23).
 *
 * Method: each wrong call has a right call beside it, so a refusal is due to what is wrong. The
 * test exporter counts attachments and pins. Most cases need no device, because an address space
 * without a domain imports a dma-buf too.
 *
 * Does not see: failed allocations (importer_fail_nth); what is in the page table
 * (real_importers).
 */
#include <chrono>
#include <csignal>
#include <limits>
#include <optional>

#include <fcntl.h>
#include <linux/dma-heap.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/time.h>

#include "call.hpp"
#include "dma_device.hpp"
#include "fixture.hpp"
#include "iommufd_importer.hpp"
#include "kernel_exporters.hpp"
#include "kmsg.hpp"
#include "lifetime.hpp"
#include "value_or_skip.hpp"
#include "vfio_uapi.hpp"

using namespace testexp;

namespace {

constexpr std::uint64_t base = std::uint64_t{1} << 36;
constexpr std::uint64_t iova_of_interrupts = 0xfee0'0000; /* of each device on x86 */
constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();

/* An address space that no device uses, and the reader of the kernel's log. */
struct Importing : RequiredImporter {
    Fd iommufd = value_or_skip(open_iommufd());
    AddressSpace space = AddressSpace::make(iommufd.get()).value();
    Kmsg log;
};

void expect_nothing_held(const Importing& importing, int buffer) {
    const testexp_stats stats = device().stats(buffer).value();

    ksft::expect_eq(importing.space.unmap_all().value(), 0, "bytes that a refused call mapped");
    ksft::expect_eq(stats.attaches, stats.detaches, "attachments, against detachments");
    ksft::expect_eq(stats.pins, stats.unpins, "pins, against unpins");
    ksft::expect_eq(stats.lock_violations, 0, "callbacks without the reservation lock");
}

void expect_no_bugs(Importing& importing) {
    for (const std::string& line : importing.log.new_bugs())
        ksft::expect(false, "the kernel log has: " + line);
}

/* --- what the exporter refuses -------------------------------------------- */

struct Wrong {
    const char* name;
    CreateSpec spec;
    int code;
};

std::vector<Wrong> wrong_buffers() {
    return {
        {"no_get_pfn", {.layout = Layout{}.ram(4), .flags = TESTEXP_CREATE_NO_GET_PFN}, EOPNOTSUPP},
        {"no_attrs", {.layout = Layout{}.ram(4), .flags = TESTEXP_CREATE_NO_ATTRS}, EOPNOTSUPP},
        {"hole", {.layout = Layout{}.ram(600, {.align_order = 9}).hole(1).ram(5)}, ENXIO},
        {"hole_first", {.layout = Layout{}.hole(1).ram(5)}, ENXIO},
        {"hole_last", {.layout = Layout{}.ram(5).hole(1)}, ENXIO},
        {"private", {.layout = Layout{}.ram(3).priv(2).ram(1)}, EOPNOTSUPP},
        {"private_only", {.layout = Layout{}.priv(5)}, EOPNOTSUPP},
        /* These exporters pin, so the importer must unpin after the error. */
        {"dynamic_hole",
         {.layout = Layout{}.ram(4).hole(1), .flags = TESTEXP_CREATE_DYNAMIC},
         ENXIO},
        {"dynamic_private",
         {.layout = Layout{}.ram(4).priv(1), .flags = TESTEXP_CREATE_DYNAMIC},
         EOPNOTSUPP},
        {"hole_then_private", {.layout = Layout{}.ram(2).hole(1).priv(1)}, ENXIO},
        {"attach_fails", {.layout = Layout{}.ram(4), .inject = TESTEXP_INJECT_ATTACH}, EPERM},
        {"pin_fails",
         {.layout = Layout{}.ram(4), .flags = TESTEXP_CREATE_DYNAMIC, .inject = TESTEXP_INJECT_PIN},
         ENOSPC},
    };
}

void buffer_is_refused(const Wrong& wrong) {
    Importing importing;
    const Buffer buffer = device().create(wrong.spec).value();
    const Buffer right = device().create({.layout = Layout{}.ram(4)}).value();

    for (int times = 0; times < 3; times++)
        ksft::expect_eq(
            importing.space
                .map({.file = buffer.fd.get(), .length_bytes = bytes_of(buffer.nr_pages)})
                .code(),
            wrong.code, "map");
    expect_nothing_held(importing, buffer.fd.get());
    ksft::expect_eq(
        importing.space.map({.file = right.fd.get(), .length_bytes = bytes_of(4)}).code(), 0,
        "map of a right buffer");
    ksft::expect_eq(importing.space.unmap_all().value(), bytes_of(4), "bytes unmapped");
    expect_no_bugs(importing);
}

/* Any part of a buffer that has neither the hole nor the private page can be mapped. */
void part_without_the_hole() {
    Importing importing;
    const Buffer buffer =
        device().create({.layout = Layout{}.ram(4).hole(1).ram(3).priv(1).ram(2)}).value();
    const auto map = [&](std::uint64_t first, std::uint64_t count) {
        return importing.space
            .map({.file = buffer.fd.get(),
                  .length_bytes = bytes_of(count),
                  .start_bytes = bytes_of(first)})
            .code();
    };

    ksft::expect_eq(map(0, 4), 0, "the pages before the hole");
    ksft::expect_eq(map(5, 3), 0, "the pages behind the hole");
    ksft::expect_eq(map(9, 2), 0, "the pages behind the private page");
    ksft::expect_eq(map(0, 5), ENXIO, "with the hole as the last page");
    ksft::expect_eq(map(4, 4), ENXIO, "with the hole as the first page");
    ksft::expect_eq(map(5, 4), EOPNOTSUPP, "with the private page as the last page");
    ksft::expect_eq(map(8, 3), EOPNOTSUPP, "with the private page as the first page");
    ksft::expect_eq(importing.space.unmap_all().value(), bytes_of(9), "bytes mapped");
    expect_nothing_held(importing, buffer.fd.get());
    expect_no_bugs(importing);
}

void revoked_is_refused(std::uint32_t flags) {
    Importing importing;
    const Buffer buffer = device().create({.layout = Layout{}.ram(4), .flags = flags}).value();
    const MapRequest whole{.file = buffer.fd.get(), .length_bytes = bytes_of(4), .iova = base};

    for (int times = 0; times < 2; times++) {
        (void)device().revoke(buffer.fd.get()).value();
        ksft::expect_eq(importing.space.map(whole).code(), ENODEV, "map of a revoked buffer");
        expect_nothing_held(importing, buffer.fd.get());
        (void)device().restore(buffer.fd.get()).value();
        ksft::expect_eq(importing.space.map(whole).code(), 0, "map of a restored buffer");
        ksft::expect_eq(importing.space.unmap_all().value(), bytes_of(4), "bytes unmapped");
    }
    expect_nothing_held(importing, buffer.fd.get());
    expect_no_bugs(importing);
}

/* The revoke comes after the importer is attached, and before the importer asks for a PFN. */
void revoked_after_attach(std::uint32_t flags) {
    Importing importing;
    const Buffer buffer =
        device()
            .create(
                {.layout = Layout{}.ram(4), .flags = flags, .inject = TESTEXP_INJECT_LATE_ATTACH})
            .value();
    auto mapped = in_thread([&] {
        return importing.space
            .map({.file = buffer.fd.get(), .length_bytes = bytes_of(4), .iova = base})
            .code();
    });

    while (mapped.wait_for(std::chrono::seconds(0)) == std::future_status::timeout &&
           device().stats(buffer.fd.get()).value().attaches == 0)
        sched_yield();
    (void)device().revoke(buffer.fd.get()).value();
    ksft::expect_eq(mapped.get(), ENODEV, "map");
    expect_nothing_held(importing, buffer.fd.get());
    expect_no_bugs(importing);
}

void revoked_bar_is_refused() {
    Importing importing;
    const VfioBinding edu(edu_id);
    std::optional<VfioDevice> vfio = value_or_skip(VfioDevice::open(edu.device()));
    const VfioRange ranges[] = {{bytes_of(2), bytes_of(2)}, {0, bytes_of(2)}};
    const Fd buffer = value_or_skip(vfio->export_dma_buf(0, ranges));
    const MapRequest whole{.file = buffer.get(), .length_bytes = bytes_of(4), .iova = base};

    (void)vfio->set_memory_decode(false).value();
    ksft::expect_eq(importing.space.map(whole).code(), ENODEV, "map while memory decode is off");
    (void)vfio->set_memory_decode(true).value();
    ksft::expect_eq(importing.space.map(whole).code(), 0, "map while memory decode is on");
    ksft::expect_eq(importing.space.unmap_all().value(), bytes_of(4), "bytes unmapped");
    vfio.reset();
    ksft::expect_eq(importing.space.map(whole).code(), ENODEV, "map after the device is closed");
    expect_no_bugs(importing);
}

void foreign_is_refused() {
    Importing importing;
    const Fd buffer = vgem.make();
    const Buffer right = device().create({.layout = Layout{}.ram(1)}).value();

    if (vgem.has_get_pfn())
        ksft::skip("DRM drivers have get_pfn in this kernel");
    ksft::expect_eq(
        importing.space.map({.file = buffer.get(), .length_bytes = page_bytes()}).code(),
        EOPNOTSUPP, "map");
    ksft::expect_eq(
        importing.space.map({.file = right.fd.get(), .length_bytes = page_bytes()}).code(), 0,
        "map of a right buffer");
    expect_no_bugs(importing);
}

/* --- wrong ranges and addresses ------------------------------------------- */

struct WrongRange {
    const char* name;
    std::uint64_t start_bytes;
    std::uint64_t length_bytes;
    std::optional<std::uint64_t> iova;
    int code;
};

/* Of a buffer of 8 pages. Two pages at @base are mapped already. */
std::vector<WrongRange> wrong_ranges() {
    const std::uint64_t page = page_bytes();

    return {
        {"length_0", 0, 0, {}, EINVAL},
        {"length_0_at_the_end", 8 * page, 0, {}, EINVAL},
        {"one_byte_too_long", 0, 8 * page + 1, {}, EINVAL},
        {"one_page_too_long", 0, 9 * page, {}, EINVAL},
        {"part_too_long", 3 * page, 6 * page, {}, EINVAL},
        {"start_at_the_end", 8 * page, page, {}, EINVAL},
        {"start_far_behind", std::uint64_t{1} << 40, page, {}, EINVAL},
        {"start_beyond_32_bits", (std::uint64_t{1} << 32) * page, page, {}, EINVAL},
        {"length_far_too_long", 0, std::uint64_t{1} << 62, {}, EINVAL},
        {"length_2^64-1", 0, most, {}, EOVERFLOW},
        {"end_of_the_range_overflows", most - page + 1, 2 * page, {}, EOVERFLOW},
        {"iova_2^64-1", 0, page, most, EOVERFLOW},
        {"end_of_the_iova_overflows", 0, 2 * page, most - page + 1, EOVERFLOW},
        {"iova_is_taken", 0, 2 * page, base, EEXIST},
        {"iova_begins_before", 0, 2 * page, base - page, EEXIST},
        {"iova_ends_behind", 0, 2 * page, base + page, EEXIST},
        {"iova_contains_another", 0, 4 * page, base - page, EEXIST},
    };
}

void expect_map_is_refused(const AddressSpace& space, const Buffer& buffer,
                           const WrongRange& wrong) {
    ksft::expect_eq(space
                        .map({.file = buffer.fd.get(),
                              .length_bytes = wrong.length_bytes,
                              .start_bytes = wrong.start_bytes,
                              .iova = wrong.iova})
                        .code(),
                    wrong.code, wrong.name);
}

void range_is_refused(const WrongRange& wrong) {
    Importing importing;
    const Buffer buffer = device().create({.layout = Layout{}.ram(8)}).value();
    const Buffer other = device().create({.layout = Layout{}.ram(2)}).value();

    (void)importing.space.map({.file = other.fd.get(), .length_bytes = bytes_of(2), .iova = base})
        .value();
    expect_map_is_refused(importing.space, buffer, wrong);
    ksft::expect_eq(importing.space.unmap_all().value(), bytes_of(2), "bytes of the other buffer");
    expect_nothing_held(importing, buffer.fd.get());
    expect_nothing_held(importing, other.fd.get());
    expect_no_bugs(importing);
}

/* Neighbours of an area do not overlap the area. */
void neighbours_are_mapped() {
    Importing importing;
    const Buffer buffer = device().create({.layout = Layout{}.ram(2)}).value();

    for (const std::uint64_t iova : {base, base - bytes_of(2), base + bytes_of(2)})
        ksft::expect_eq(
            importing.space
                .map({.file = buffer.fd.get(), .length_bytes = bytes_of(2), .iova = iova})
                .code(),
            0, "map at a neighbour");
    ksft::expect_eq(importing.space.unmap_all().value(), bytes_of(6), "bytes unmapped");
    expect_nothing_held(importing, buffer.fd.get());
    expect_no_bugs(importing);
}

void unmap_is_refused() {
    Importing importing;
    const Buffer buffer = device().create({.layout = Layout{}.ram(8)}).value();

    (void)importing.space.map({.file = buffer.fd.get(), .length_bytes = bytes_of(8), .iova = base})
        .value();
    ksft::expect_eq(importing.space.unmap(base, 0).code(), EINVAL, "unmap of nothing");
    ksft::expect_eq(importing.space.unmap(base, most).code(), EOVERFLOW, "unmap of 2^64-1 bytes");
    ksft::expect_eq(importing.space.unmap(base + bytes_of(8), bytes_of(8)).code(), ENOENT,
                    "unmap behind the end");
    ksft::expect_eq(importing.space.unmap(base + page_bytes(), page_bytes()).code(), ENOENT,
                    "unmap of a page in the middle");
    ksft::expect_eq(importing.space.unmap_all().value(), bytes_of(8), "bytes unmapped");
    expect_nothing_held(importing, buffer.fd.get());
    expect_no_bugs(importing);
}

/* The number of a descriptor of a dma-buf that is open no longer. */
int closed_descriptor() {
    const Buffer buffer = device().create({.layout = Layout{}.ram(2)}).value();

    return buffer.fd.get();
}

/* Arguments that AddressSpace::map() never passes. */
void arguments_are_refused() {
    Importing importing;
    const Buffer buffer = device().create({.layout = Layout{}.ram(2)}).value();
    auto right = sized<uapi::AddressSpaceMapFile>();

    right.flags = uapi::map_readable;
    right.ioas_id = importing.space.id();
    right.fd = buffer.fd.get();
    right.length = bytes_of(2);

    const auto code_with = [&](auto change) {
        uapi::AddressSpaceMapFile argument = right;

        change(argument);
        return errno_of_call(importing.iommufd.get(), uapi::address_space_map_file, &argument);
    };

    ksft::expect_eq(code_with([](auto& argument) { argument.flags = 0; }), EINVAL, "no access");
    for (int bit = 3; bit < 32; bit++)
        ksft::expect_eq(code_with([=](auto& argument) { argument.flags |= 1U << bit; }), EOPNOTSUPP,
                        "unknown flag " + std::to_string(bit));
    ksft::expect_eq(code_with([](auto& argument) { argument.ioas_id = 0xffff; }), ENOENT,
                    "an unknown address space");
    ksft::expect_eq(code_with([](auto& argument) { argument.fd = -1; }), EBADF, "no descriptor");
    ksft::expect_eq(code_with([](auto& argument) { argument.fd = closed_descriptor(); }), EBADF,
                    "a closed descriptor");
    expect_nothing_held(importing, buffer.fd.get());
    ksft::expect_eq(code_with([](auto&) {}), 0, "the right call");
    ksft::expect_eq(importing.space.unmap_all().value(), bytes_of(2), "bytes unmapped");
    expect_nothing_held(importing, buffer.fd.get());
    expect_no_bugs(importing);
}

/* A copy is the second way to map a dma-buf. Its source is 4 pages at @base. */
void copy_is_refused() {
    Importing importing;
    const Buffer buffer = device().create({.layout = Layout{}.ram(4)}).value();
    const AddressSpace& space = importing.space;
    const auto code_of = [&](std::uint64_t source, std::uint64_t bytes, std::uint64_t iova) {
        return space.copy(space, source, bytes, iova).code();
    };
    const std::uint64_t there = base + bytes_of(100);

    (void)space.map({.file = buffer.fd.get(), .length_bytes = bytes_of(4), .iova = base}).value();
    ksft::expect_eq(code_of(base, 0, there), EINVAL, "copy of nothing");
    ksft::expect_eq(code_of(base, bytes_of(5), there), ENOENT, "a page more than is mapped");
    ksft::expect_eq(code_of(base - page_bytes(), bytes_of(2), there), ENOENT,
                    "from a page before the mapping on");
    ksft::expect_eq(code_of(there, page_bytes(), there), ENOENT, "copy of what is not mapped");
    ksft::expect_eq(code_of(base, most, there), EOVERFLOW, "copy of 2^64-1 bytes");
    ksft::expect_eq(code_of(most - page_bytes(), bytes_of(2), there), EOVERFLOW,
                    "the end of the source overflows");
    ksft::expect_eq(code_of(base, bytes_of(2), most - page_bytes() + 1), EOVERFLOW,
                    "the end of the copy overflows");
    ksft::expect_eq(code_of(base, bytes_of(4), base + bytes_of(3)), EEXIST,
                    "the addresses are taken");
    ksft::expect_eq(code_of(base, bytes_of(4), there), 0, "the right copy");
    ksft::expect_eq(space.unmap_all().value(), bytes_of(8), "bytes unmapped");
    expect_nothing_held(importing, buffer.fd.get());
    expect_no_bugs(importing);
}

/*
 * linux/iommufd.h does not say that WRITEABLE needs a file that is open for writing. For a memfd
 * the kernel does not look at the mode, and so for a dma-buf.
 */
void mode_of_the_file_does_not_matter() {
    Importing importing;
    const Fd heap(open("/dev/dma_heap/system", O_RDWR | O_CLOEXEC));
    dma_heap_allocation_data request{
        .len = page_bytes(), .fd = 0, .fd_flags = O_RDONLY | O_CLOEXEC, .heap_flags = 0};

    if (!heap || !system_heap.has_get_pfn())
        ksft::skip("this kernel has no system heap with get_pfn");
    if (ioctl(heap.get(), DMA_HEAP_IOCTL_ALLOC, &request) < 0)
        ksft::fail(errno_error("DMA_HEAP_IOCTL_ALLOC").what);

    const Fd buffer(static_cast<int>(request.fd));

    ksft::expect_eq(fcntl(buffer.get(), F_GETFL) & O_ACCMODE, O_RDONLY, "mode of the descriptor");
    for (const Access access : {Access::read, Access::write, Access::read_write}) {
        ksft::expect_eq(
            importing.space
                .map({.file = buffer.get(), .length_bytes = page_bytes(), .access = access})
                .code(),
            0, "map");
        ksft::expect_eq(importing.space.unmap_all().value(), page_bytes(), "bytes unmapped");
    }
    expect_no_bugs(importing);
}

/* --- parts of pages ------------------------------------------------------- */

/*
 * An address space without a domain maps any range of bytes. A domain maps whole pages only, so an
 * address space that maps a part of a page cannot get a domain.
 */
void parts_of_pages() {
    Importing importing;
    const Buffer buffer = device().create({.layout = Layout{}.ram(4)}).value();
    const std::pair<std::uint64_t, std::uint64_t> parts[] = {
        {100, 10}, {4000, 200}, {bytes_of(4) - 1, 1}, {0, bytes_of(4) - 1}, {1, bytes_of(3)},
    };

    for (const auto& [start, length] : parts) {
        const auto mapped = importing.space.map({.file = buffer.fd.get(),
                                                 .length_bytes = length,
                                                 .start_bytes = start,
                                                 .iova = base + start % page_bytes()});

        ksft::expect_eq(mapped.code(), 0,
                        "bytes " + std::to_string(start) + "+" + std::to_string(length));
        ksft::expect_eq(importing.space.unmap_all().value(), length, "bytes unmapped");
    }
    expect_nothing_held(importing, buffer.fd.get());
    expect_no_bugs(importing);
}

void parts_of_pages_in_a_domain() {
    Importing importing;
    const EduBehindIommu edu;
    const AddressSpace space = AddressSpace::make(edu.iommufd()).value();
    const Buffer buffer = device().create({.layout = Layout{}.ram(4)}).value();
    const auto code_of = [&](std::uint64_t start, std::uint64_t length, std::uint64_t iova) {
        return space
            .map({.file = buffer.fd.get(),
                  .length_bytes = length,
                  .start_bytes = start,
                  .iova = iova})
            .code();
    };

    ksft::expect_eq(code_of(512, page_bytes(), base + 512), 0, "without a domain");
    ksft::expect_eq(Attached::attach(edu.device().fd(), space.id()).code(), EADDRINUSE,
                    "attach while a part of a page is mapped");
    ksft::expect_eq(space.unmap_all().value(), page_bytes(), "bytes unmapped");

    ksft::expect_eq(code_of(0, page_bytes(), iova_of_interrupts), 0, "without a domain");
    ksft::expect_eq(Attached::attach(edu.device().fd(), space.id()).code(), EADDRINUSE,
                    "attach while the IOVA of the interrupts is taken");
    ksft::expect_eq(space.unmap_all().value(), page_bytes(), "bytes unmapped");

    const Attached attached = Attached::attach(edu.device().fd(), space.id()).value();

    ksft::expect_eq(code_of(512, page_bytes(), base), EINVAL, "start within a page");
    ksft::expect_eq(code_of(0, 512, base), EINVAL, "length less than a page");
    ksft::expect_eq(code_of(0, page_bytes(), base + 512), EINVAL, "IOVA within a page");
    ksft::expect_eq(code_of(0, page_bytes(), iova_of_interrupts), EINVAL, "IOVA of the interrupts");
    edu.expect_table({}, "after the refused calls");
    ksft::expect_eq(code_of(0, page_bytes(), base), 0, "a whole page");
    ksft::expect_eq(space.unmap_all().value(), page_bytes(), "bytes unmapped");
    expect_nothing_held(importing, buffer.fd.get());
    expect_no_bugs(importing);
}

/* A refused call changes nothing in a page table that has a mapping. */
void refusal_leaves_the_table() {
    Importing importing;
    const EduBehindIommu edu;
    const AddressSpace space = AddressSpace::make(edu.iommufd()).value();
    const Attached attached = Attached::attach(edu.device().fd(), space.id()).value();
    const Subject right = make_subject({.layout = Layout{}.ram(600, {.align_order = 9})});
    const auto leaves = expected_leaves(base, right.oracle.pages());

    (void)space
        .map({.file = right.buffer.fd.get(),
              .length_bytes = bytes_of(right.buffer.nr_pages),
              .iova = base})
        .value();
    for (const Wrong& wrong : wrong_buffers()) {
        const Buffer buffer = device().create(wrong.spec).value();

        ksft::expect_eq(space
                            .map({.file = buffer.fd.get(),
                                  .length_bytes = bytes_of(buffer.nr_pages),
                                  .iova = base + bytes_of(right.buffer.nr_pages)})
                            .code(),
                        wrong.code, wrong.name);
        edu.expect_table(leaves, wrong.name);
        expect_nothing_held(importing, buffer.fd.get());
    }
    for (const WrongRange& wrong : wrong_ranges()) {
        const Buffer buffer = device().create({.layout = Layout{}.ram(8)}).value();

        expect_map_is_refused(space, buffer, wrong);
        edu.expect_table(leaves, wrong.name);
        expect_nothing_held(importing, buffer.fd.get());
    }
    expect_no_bugs(importing);
}

/* --- signals -------------------------------------------------------------- */

volatile std::sig_atomic_t nr_signals = 0;

/*
 * SIGPROF comes again and again while this object lives. A program that a profiler watches gets
 * SIGPROF like this.
 */
class Profiled {
public:
    Profiled() {
        struct sigaction action {};

        action.sa_handler = [](int) { nr_signals = nr_signals + 1; }; /* without SA_RESTART */
        if (sigaction(SIGPROF, &action, nullptr) < 0)
            throw std::runtime_error(errno_error("sigaction").what);
        if (!set_period(1000))
            throw std::runtime_error(errno_error("setitimer").what);
    }
    Profiled(const Profiled&) = delete;
    Profiled& operator=(const Profiled&) = delete;
    ~Profiled() { (void)set_period(0); }

private:
    static bool set_period(suseconds_t microseconds) {
        const itimerval period = {.it_interval = {.tv_sec = 0, .tv_usec = microseconds},
                                  .it_value = {.tv_sec = 0, .tv_usec = microseconds}};

        return setitimer(ITIMER_PROF, &period, nullptr) == 0;
    }
};

/* Only a signal that kills the process may end a map: linux/iommufd.h has no EINTR for it. */
void signals_end_no_map() {
    constexpr int enough = 20;
    constexpr std::uint64_t nr_runs = 16000; /* so that a map takes longer than a tick */
    Importing importing;
    const Buffer buffer = device()
                              .create({.layout = Layout{}.ram(1, {.repeat = nr_runs}),
                                       .flags = TESTEXP_CREATE_SCATTER})
                              .value();
    std::optional<Profiled> profiled(std::in_place);

    for (int seen = 0; seen < enough;) {
        const int before = nr_signals;
        const int code =
            importing.space.map({.file = buffer.fd.get(), .length_bytes = bytes_of(nr_runs)})
                .code();

        seen += nr_signals != before;
        if (!ksft::expect_eq(code, 0, "map, while signals come"))
            return;
        ksft::expect_eq(importing.space.unmap_all().value(), bytes_of(nr_runs), "bytes unmapped");
    }
    profiled.reset();
    expect_nothing_held(importing, buffer.fd.get());
    expect_no_bugs(importing);
}

void make_plan(ksft::Plan& plan) {
    (void)device();
    (void)has_pfn_importer(); /* this also loads the drivers, once for all cases */
    for (const Wrong& wrong : wrong_buffers())
        plan.add(std::string("P23.refused[buffer=") + wrong.name + "]",
                 [=] { buffer_is_refused(wrong); });
    plan.add("P23.refused[buffer=vgem]", foreign_is_refused);
    plan.add("P23.refused[buffer=revoked]", [] { revoked_is_refused(TESTEXP_CREATE_REVOCABLE); });
    plan.add("P23.refused[buffer=revoked_movable]",
             [] { revoked_is_refused(TESTEXP_CREATE_REVOCABLE | TESTEXP_CREATE_DYNAMIC); });
    plan.add("P23.refused[buffer=revoked_after_attach]",
             [] { revoked_after_attach(TESTEXP_CREATE_REVOCABLE); });
    plan.add("P23.refused[buffer=movable_revoked_after_attach]",
             [] { revoked_after_attach(TESTEXP_CREATE_REVOCABLE | TESTEXP_CREATE_DYNAMIC); });
    plan.add("P23.refused[buffer=revoked_bar]", revoked_bar_is_refused);
    plan.add("P23.part_without_the_hole", part_without_the_hole);
    for (const WrongRange& wrong : wrong_ranges())
        plan.add(std::string("P23.refused[range=") + wrong.name + "]",
                 [=] { range_is_refused(wrong); });
    plan.add("P23.neighbours", neighbours_are_mapped);
    plan.add("P23.refused_unmap", unmap_is_refused);
    plan.add("P23.refused_arguments", arguments_are_refused);
    plan.add("P23.refused_copy", copy_is_refused);
    plan.add("P23.mode_of_the_file", mode_of_the_file_does_not_matter);
    plan.add("P23.signals_end_no_map", signals_end_no_map);
    plan.add("P23.parts_of_pages", parts_of_pages);
    plan.add("P23.parts_of_pages_in_a_domain", parts_of_pages_in_a_domain);
    plan.add("P23.refused_leaves_the_table", refusal_leaves_the_table);
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
