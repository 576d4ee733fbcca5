// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: whenever the kernel fails to allocate or to copy in the middle of a call, the call fails
 * with the errno of its row, or succeeds without that memory. Nothing is left half-made (pins,
 * mappings, attachments, buffers, pages, descriptors), and the same call works right afterwards
 * (P8).
 *
 * Method: fail-nth. The first possible failure of a call happens, then the second, and so on until
 * the call meets no failure any more: once with failing slab allocations, once with failing pages,
 * and with failing copies in both; see lib/harness/fault_injection.hpp. The calls are those of the
 * module, and the calls that make a buffer of the system heap and a udmabuf.
 *
 * Does not see: two failures in one call; runs that have to be gathered, each of which takes all
 * memory; VFIO's buffers (importer_fail_nth); leaks of memory, which selftests/run finds.
 */
#include <algorithm>
#include <fstream>
#include <future>
#include <map>
#include <optional>

#include <fcntl.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "call.hpp"
#include "fault_injection.hpp"
#include "fixture.hpp"
#include "foreign_buffer.hpp"
#include "kernel_exporters.hpp"
#include "truth.hpp"

using namespace testexp;

namespace {

/* No call here has so many points. A call that reaches this number makes no progress. */
constexpr unsigned int max_points = 2000;

constexpr std::uint32_t no_device = TESTEXP_ATTACH_NO_DEVICE;
constexpr const char* system_heap_path = "/dev/dma_heap/system";

/* The buffer and the importer that an operation works on. */
struct Shape {
    std::string name;
    Layout layout = Layout{}.ram(2);
    std::uint32_t create_flags = 0;
    std::uint32_t attach_flags = 0;
    std::uint32_t inject = 0;
    bool full_table = false; /* of descriptors, so that the next descriptor needs a larger table */

    bool has_mmio() const {
        return std::ranges::any_of(layout.extents, [](const testexp_extent& extent) {
            return extent.type == TESTEXP_EXTENT_MMIO;
        });
    }
    bool dynamic_exporter() const { return create_flags & TESTEXP_CREATE_DYNAMIC; }
    bool dynamic_importer() const { return attach_flags & TESTEXP_ATTACH_DYNAMIC; }
    bool can_map() const {
        return !(create_flags & TESTEXP_CREATE_NO_MAP) && !(attach_flags & no_device);
    }
    bool can_resolve() const {
        return !(create_flags & TESTEXP_CREATE_NO_GET_PFN) &&
               truth::code_of_get_pfn(device().info().features, create_flags, attach_flags) == 0;
    }

    /* In this case the core maps at attach and uses the mapping again. */
    bool mapped_at_attach() const {
        return device().has(TESTEXP_FEAT_MAPS_AT_ATTACH) && can_map() &&
               dynamic_exporter() != dynamic_importer();
    }
};

/**
 * A mapping of a buffer with page tables of its own: the first access allocates new ones, wherever
 * the kernel puts other mappings.
 */
class LoneMapping {
public:
    LoneMapping(int fd, std::uint64_t nr_pages) : length_(nr_pages * page_bytes()) {
        constexpr std::size_t reach = std::size_t{4}
                                      << 30; /* distance to page tables of other mappings */
        char* room = reserve(2 * reach);

        start_ = mmap(room + reach, length_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
        if (start_ == MAP_FAILED)
            throw std::runtime_error(errno_error("mmap").what);
    }
    LoneMapping(LoneMapping&& other) noexcept
        : start_(std::exchange(other.start_, MAP_FAILED)), length_(other.length_) {}
    LoneMapping& operator=(LoneMapping&& other) noexcept {
        std::swap(start_, other.start_);
        std::swap(length_, other.length_);
        return *this;
    }
    LoneMapping(const LoneMapping&) = delete;
    LoneMapping& operator=(const LoneMapping&) = delete;
    ~LoneMapping() {
        if (start_ != MAP_FAILED)
            munmap(start_, length_);
    }

    /* Does what touching every page would do, but returns an errno. */
    int touch() const { return madvise(start_, length_, MADV_POPULATE_WRITE) < 0 ? errno : 0; }

    std::uint64_t address() const { return user_pointer(start_); }

private:
    /* An address with @length free bytes behind it. */
    static char* reserve(std::size_t length) {
        void* start =
            mmap(nullptr, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        if (start == MAP_FAILED)
            throw std::runtime_error(errno_error("mmap").what);
        munmap(start, length);
        return static_cast<char*>(start);
    }

    void* start_ = MAP_FAILED;
    std::size_t length_;
};

/* Everything that an operation may need. What the operation makes is released with it. */
struct Objects {
    Buffer buffer;
    std::optional<Importer> importer;
    std::optional<LoneMapping> mapping;
    Fd heap;
    Fd udmabuf;
    Fd memory; /* for the udmabuf */
    Fd made;
    std::vector<Fd> fillers;

    /* Buffers for the kernel to write to, allocated before the call begins. */
    std::vector<testexp_result> results = std::vector<testexp_result>(8);
    std::vector<testexp_map_entry> entries = std::vector<testexp_map_entry>(512);
    std::vector<testexp_delivered> delivered = std::vector<testexp_delivered>(64);
    std::vector<testexp_walked> walked = std::vector<testexp_walked>(2);
    testexp_hist hist{};
};

enum Need : std::uint64_t {
    none = 0,
    a_buffer = 1,
    an_importer = 2,
    a_mapping = 4,
    a_table = 8,
    a_heap = 16,    /* and no buffer */
    a_udmabuf = 32, /* and no buffer */
};

/* A call, which must not allocate in user space, because that allocation could fail instead. */
struct Operation {
    const char* name = nullptr;
    std::uint64_t needs = none;
    /* One attempt. Returns 0 or the errno. */
    int (*call)(const Shape& shape, Objects& objects) = nullptr;
    /* Whether some attempt must give ENOMEM. If not, none may. */
    bool (*allocates)(const Shape& shape) = nullptr;
    /* Whether some attempt must give EFAULT, if the kernel can inject it. If not, none may. */
    bool copies = false;
    /* Whether the call maps something for DMA, or unmaps it. */
    bool maps = false;
    /*
     * Another errno that a failed allocation may give, because the kernel does not say why it
     * failed.
     */
    int otherwise = 0;
    /*
     * Whether the object stays if only its answer cannot be copied: another attempt would make it.
     */
    bool keeps = false;
};

bool always(const Shape& /*shape*/) {
    return true;
}

bool never(const Shape& /*shape*/) {
    return false;
}

/* --- The calls ------------------------------------------------------------ */

int open_control(const Shape& /*shape*/, Objects& objects) {
    objects.made.reset(open(TESTEXP_DEVICE_PATH, O_RDWR | O_CLOEXEC));
    return objects.made ? 0 : errno;
}

int info(const Shape& /*shape*/, Objects& /*objects*/) {
    auto request = sized<testexp_info>();

    return errno_of_call(device().fd(), TESTEXP_IOC_INFO, &request);
}

int create(const Shape& shape, Objects& objects) {
    auto request = sized<testexp_create>();

    request.flags = shape.create_flags;
    request.inject = shape.inject;
    request.extents = user_pointer(shape.layout.extents.data());
    request.nr_extents = static_cast<std::uint32_t>(shape.layout.extents.size());

    const int code = errno_of_call(device().fd(), TESTEXP_IOC_CREATE, &request);

    if (code == 0)
        objects.made.reset(request.fd);
    return code;
}

int export_by_heap(const Shape& shape, Objects& objects) {
    dma_heap_allocation_data request{};

    request.len = shape.layout.nr_pages() * page_bytes();
    request.fd_flags = O_RDWR | O_CLOEXEC;

    const int code = errno_of_call(objects.heap.get(), DMA_HEAP_IOCTL_ALLOC, &request);

    if (code == 0)
        objects.made.reset(static_cast<int>(request.fd));
    return code;
}

int export_by_udmabuf(const Shape& shape, Objects& objects) {
    udmabuf_create request{};

    request.memfd = static_cast<std::uint32_t>(objects.memory.get());
    request.flags = UDMABUF_FLAGS_CLOEXEC;
    request.size = shape.layout.nr_pages() * page_bytes();
    objects.made.reset(ioctl(objects.udmabuf.get(), UDMABUF_CREATE, &request));
    return objects.made ? 0 : errno;
}

int stats(const Shape& /*shape*/, Objects& objects) {
    auto request = sized<testexp_stats>();

    request.fd = objects.buffer.fd.get();
    return errno_of_call(device().fd(), TESTEXP_IOC_STATS, &request);
}

int revoke(const Shape& /*shape*/, Objects& objects) {
    auto request = sized<testexp_revoke>();

    request.fd = objects.buffer.fd.get();
    return errno_of_call(device().fd(), TESTEXP_IOC_REVOKE, &request);
}

int attach(const Shape& shape, Objects& objects) {
    auto request = sized<testexp_attach>();

    request.flags = shape.attach_flags;
    request.fd = objects.buffer.fd.get();

    const int code = errno_of_call(device().fd(), TESTEXP_IOC_ATTACH, &request);

    if (code == 0)
        objects.made.reset(request.importer_fd);
    return code;
}

/* The answer is what the wrong call returned; the control must return 0. */
template <testexp_misuse_case which, std::uint32_t flags, int result>
int misuse(const Shape& /*shape*/, Objects& /*objects*/) {
    auto request = sized<testexp_misuse>();

    request.which = which;
    request.flags = flags;

    const int code = errno_of_call(device().fd(), TESTEXP_IOC_MISUSE, &request);

    return code != 0 || request.result == result ? code : -request.result;
}

int resolve_through(int importer_fd, Objects& objects) {
    auto request = sized<testexp_resolve>();

    request.count = objects.results.size();
    request.stride = 1;
    request.results = user_pointer(objects.results.data());

    const int code = errno_of_call(importer_fd, TESTEXP_IOC_RESOLVE, &request);

    return code != 0 ? code : -objects.results.front().error;
}

int resolve(const Shape& /*shape*/, Objects& objects) {
    return resolve_through(objects.importer->fd(), objects);
}

int map_through(int importer_fd, Objects& objects) {
    auto request = sized<testexp_map>();

    request.entries = user_pointer(objects.entries.data());
    request.capacity = static_cast<std::uint32_t>(objects.entries.size());
    return errno_of_call(importer_fd, TESTEXP_IOC_MAP, &request);
}

int map(const Shape& /*shape*/, Objects& objects) {
    return map_through(objects.importer->fd(), objects);
}

int map_kernel(const Shape& /*shape*/, Objects& objects) {
    auto request = sized<testexp_map>();

    request.flags = TESTEXP_MAP_KERNEL;
    return errno_of_call(objects.importer->fd(), TESTEXP_IOC_MAP, &request);
}

/* For paths that need a mapping of the whole buffer. */
std::uint64_t address_for_path(const Objects& objects) {
    return objects.mapping ? objects.mapping->address() : 0;
}

template <testexp_path path> int measure(const Shape& /*shape*/, Objects& objects) {
    auto request = sized<testexp_measure>();

    request.path = path;
    request.ops_per_batch = 1;
    request.warmup_batches = 1;
    request.batches = 2;
    request.nr_pages = 1;
    request.address = address_for_path(objects);
    request.hist = user_pointer(&objects.hist);
    return errno_of_call(objects.importer->fd(), TESTEXP_IOC_MEASURE, &request);
}

template <testexp_path path> int deliver(const Shape& /*shape*/, Objects& objects) {
    auto request = sized<testexp_deliver>();

    request.path = path;
    request.ops = 1;
    request.nr_pages = 1;
    request.address = address_for_path(objects);
    request.capacity = static_cast<std::uint32_t>(objects.delivered.size());
    request.delivered = user_pointer(objects.delivered.data());
    return errno_of_call(objects.importer->fd(), TESTEXP_IOC_DELIVER, &request);
}

/* Pages that nobody has touched. */
int walk(const Shape& /*shape*/, Objects& objects) {
    auto request = sized<testexp_walk>();

    request.flags = TESTEXP_WALK_FAULT_IN;
    request.address = objects.mapping->address();
    request.count = objects.walked.size();
    request.results = user_pointer(objects.walked.data());

    const int code = errno_of_call(device().fd(), TESTEXP_IOC_WALK, &request);

    for (const testexp_walked& page : objects.walked)
        if (code == 0 && page.error != 0)
            return -page.error;
    return code;
}

int map_memory_and_unmap(const Shape& shape, Objects& objects) {
    const std::size_t length = shape.layout.nr_pages() * page_bytes();
    void* start =
        mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, objects.buffer.fd.get(), 0);

    if (start == MAP_FAILED)
        return errno;
    if (munmap(start, length) == 0)
        return 0;

    const int code = errno;

    munmap(start, length); /* the only failure was injected before */
    return code;
}

int fault(const Shape& /*shape*/, Objects& objects) {
    return objects.mapping->touch();
}

/* --- The calls about moves and page tables -------------------------------- */

int restore(const Shape& /*shape*/, Objects& objects) {
    auto request = sized<testexp_restore>();

    request.fd = objects.buffer.fd.get();
    return errno_of_call(device().fd(), TESTEXP_IOC_RESTORE, &request);
}

int move(const Shape& shape, Objects& objects) {
    auto request = sized<testexp_move>();

    request.fd = objects.buffer.fd.get();
    request.extents = user_pointer(shape.layout.extents.data());
    request.nr_extents = static_cast<std::uint32_t>(shape.layout.extents.size());
    return errno_of_call(device().fd(), TESTEXP_IOC_MOVE, &request);
}

template <testexp_fill_mode mode> int fill(const Shape& /*shape*/, Objects& objects) {
    auto request = sized<testexp_fill>();

    request.mode = mode;
    request.count = 2;
    return errno_of_call(objects.importer->fd(), TESTEXP_IOC_FILL, &request);
}

/* For ioctls of an importer that need nothing but their struct. */
template <typename Argument, unsigned long request> int plain(const Shape&, Objects& objects) {
    auto argument = sized<Argument>();

    return errno_of_call(objects.importer->fd(), request, &argument);
}

/* --- The calls about contention ------------------------------------------- */

int contend(const Shape& /*shape*/, Objects& objects) {
    const std::int32_t importer = objects.importer->fd();
    testexp_contender contender{};
    auto request = sized<testexp_contend>();

    contender.role = TESTEXP_ROLE_LOCKED;
    contender.cpu = -1;
    contender.count = 1;
    contender.ops = 1;
    request.importers = user_pointer(&importer);
    request.contenders = user_pointer(&contender);
    request.nr_importers = 1;
    request.nr_contenders = 1;
    request.timeout_ms = TESTEXP_WAIT_MS;

    const int code = errno_of_call(device().fd(), TESTEXP_IOC_CONTEND, &request);

    if (code == 0)
        objects.made.reset(request.contention_fd);
    return code;
}

/* From CONTEND to close in one attempt, because RUN works only once. */
int whole_contention(const Shape& shape, Objects& objects) {
    auto run = sized<testexp_run>();
    auto report = sized<testexp_report>();
    int code = contend(shape, objects);

    if (code != 0)
        return code;
    report.op = user_pointer(&objects.hist);
    code = errno_of_call(objects.made.get(), TESTEXP_IOC_RUN, &run);
    if (code == 0)
        code = errno_of_call(objects.made.get(), TESTEXP_IOC_REPORT, &report);
    objects.made.reset();
    return code;
}

/* Everything in one attempt, including close, as in the life of an importing process. */
int whole_life(const Shape& shape, Objects& objects) {
    int code = create(shape, objects);

    if (code != 0)
        return code;
    objects.buffer.fd = std::move(objects.made);
    code = attach(shape, objects);
    if (code == 0)
        code = map_memory_and_unmap(shape, objects);
    if (code == 0 && shape.can_resolve())
        code = resolve_through(objects.made.get(), objects);
    if (code == 0 && shape.can_map())
        code = map_through(objects.made.get(), objects);
    if (code == 0)
        code = revoke(shape, objects);
    objects.made.reset();
    objects.buffer.fd.reset();
    return code;
}

bool map_allocates(const Shape& shape) {
    return !shape.mapped_at_attach();
}

constexpr Operation op_open{"open", none, open_control, always, true, false};
constexpr Operation op_info{"INFO", none, info, never, true, false};
constexpr Operation op_create{"CREATE", none, create, always, true, false};
/* ioremap() does not say whether memory was missing or the pages are in use. */
constexpr Operation op_create_mmio{"CREATE", none, create, always, true, false, EBUSY};
constexpr Operation op_heap{"heap", a_heap, export_by_heap, always, true, false};
constexpr Operation op_udmabuf{"udmabuf", a_udmabuf, export_by_udmabuf, always, true, false};
constexpr Operation op_stats{"STATS", a_buffer, stats, never, true, false};
constexpr Operation op_revoke{"REVOKE", an_importer, revoke, never, true, false};
constexpr Operation op_attach{"ATTACH", a_buffer, attach, always, true, true};
constexpr Operation op_resolve{"RESOLVE", an_importer, resolve, always, true, false};
constexpr Operation op_map{"MAP", an_importer, map, map_allocates, true, true};
constexpr Operation op_map_kernel{"MAP.kernel", an_importer, map_kernel, always, true, false};
constexpr Operation op_mmap{"mmap", a_buffer, map_memory_and_unmap, always, false, false};
constexpr Operation op_fault{"fault", a_mapping, fault, always, false, false};
constexpr Operation op_move{"MOVE", an_importer, move, always, true, false};
constexpr Operation op_restore{"RESTORE", a_buffer, restore, never, true, false};
constexpr Operation on_importer[] = {
    {"FILL.locked", an_importer | a_table, fill<TESTEXP_FILL_LOCKED>, never, true, false},
    {"FILL.seq_retry", an_importer | a_table, fill<TESTEXP_FILL_SEQ_RETRY>, never, true, false},
    {"FILL.naive", an_importer | a_table, fill<TESTEXP_FILL_NAIVE>, never, true, false},
    {"AUDIT", an_importer | a_table, plain<testexp_audit, TESTEXP_IOC_AUDIT>, never, true, false},
    {"USE", an_importer | a_table, plain<testexp_use, TESTEXP_IOC_USE>, never, true, false},
    {"SIGNAL", an_importer, plain<testexp_signal, TESTEXP_IOC_SIGNAL>, never, true, false},
    {"DESCRIBE", an_importer, plain<testexp_describe, TESTEXP_IOC_DESCRIBE>, never, true, false},
    {"FILL.first", an_importer, fill<TESTEXP_FILL_LOCKED>, always, true, false, 0, true},
    {"CONTEND", an_importer, contend, always, true, false},
    {"CONTEND_to_close", an_importer, whole_contention, always, true, false},
};
constexpr Operation op_life{"life", none, whole_life, always, true, true};
constexpr Operation measures[] = {
    {"MEASURE.get_pfn", an_importer, measure<TESTEXP_PATH_GET_PFN>, always, true, false},
    {"MEASURE.get_pfn_batch", an_importer, measure<TESTEXP_PATH_GET_PFN_BATCH>, always, true,
     false},
    {"MEASURE.sgt_map", an_importer, measure<TESTEXP_PATH_SGT_MAP>, always, true, true},
    {"MEASURE.sgt_cached", an_importer, measure<TESTEXP_PATH_SGT_CACHED>, always, true, true},
    {"MEASURE.phys_list", an_importer, measure<TESTEXP_PATH_PHYS_LIST>, always, true, false},
    {"DELIVER.get_pfn", an_importer, deliver<TESTEXP_PATH_GET_PFN>, always, true, false},
    {"DELIVER.sgt_dma_to_phys", an_importer, deliver<TESTEXP_PATH_SGT_DMA_TO_PHYS>, always, true,
     true},
    {"DELIVER.phys_list", an_importer, deliver<TESTEXP_PATH_PHYS_LIST>, always, true, false},
};
constexpr Operation walks[] = {
    {"WALK", a_buffer | a_mapping, walk, always, true, false},
    {"MEASURE.follow_pfnmap_cold", an_importer | a_mapping,
     measure<TESTEXP_PATH_FOLLOW_PFNMAP_COLD>, always, true, false},
    {"DELIVER.follow_pfnmap_pte", an_importer | a_mapping, deliver<TESTEXP_PATH_FOLLOW_PFNMAP_PTE>,
     always, true, false},
};
constexpr std::uint32_t good_export =
    TESTEXP_EXPORT_PRIV | TESTEXP_EXPORT_RELEASE | TESTEXP_EXPORT_MAP | TESTEXP_EXPORT_UNMAP;
constexpr Operation misuses[] = {
    {"MISUSE.export", none, misuse<TESTEXP_MISUSE_EXPORT, good_export, 0>, always, true, false},
    {"MISUSE.null_pfn", none, misuse<TESTEXP_MISUSE_NULL_PFN, 0, -EINVAL>, always, true, false},
};

/* --- What must be the same after a failed call as before ------------------ */

struct Counts {
    std::map<std::string, std::int64_t> values;

    bool operator==(const Counts&) const = default;

    Counts operator-(const Counts& other) const {
        Counts result = *this;

        for (auto& [name, value] : result.values)
            value -= other.values.at(name);
        return result;
    }
};

void expect_same(const Counts& is, const Counts& must_be, const std::string& when) {
    for (const auto& [name, value] : is.values)
        ksft::expect_eq(value, must_be.values.at(name), std::string(name).append(" ").append(when));
}

/* The charge for the sg_table of a mapping. Each extent of these shapes is a segment. */
std::int64_t sg_table_pages(const Shape& shape) {
    constexpr std::uint64_t scatterlist_bytes = 32;
    std::uint64_t segments = 0;

    for (const testexp_extent& extent : shape.layout.extents)
        segments += extent.repeat;
    return static_cast<std::int64_t>((segments * scatterlist_bytes + page_bytes() - 1) /
                                     page_bytes());
}

Counts count_all(const Shape& shape, const Objects& objects) {
    const testexp_info now = device().read_info().value();
    Counts counts;

    counts.values["nr_buffers"] = now.nr_buffers;
    counts.values["nr_importers"] = now.nr_importers;
    counts.values["used_pages"] = static_cast<std::int64_t>(now.used_pages);
    if (!shape.full_table)
        counts.values["next descriptor"] = next_fd();
    if (objects.buffer.fd) {
        const testexp_stats seen = device().stats(objects.buffer.fd.get()).value();

        counts.values["pins held"] = static_cast<std::int64_t>(seen.pins - seen.unpins);
        const auto mappings = static_cast<std::int64_t>(seen.maps - seen.unmaps);

        if (!(shape.create_flags & TESTEXP_CREATE_CACHE_SGT))
            counts.values["mappings held"] = mappings;
        else /* the core keeps cached mappings, so their charge is no leak */
            counts.values["used_pages"] -= mappings * sg_table_pages(shape);
        counts.values["attachments"] = static_cast<std::int64_t>(seen.attaches - seen.detaches);
        counts.values["lock violations"] = seen.lock_violations;
    }
    return counts;
}

/* --- The sweep ------------------------------------------------------------ */

/* Takes descriptors until the process's table of descriptors is full. */
std::vector<Fd> fill_descriptors() {
    std::ifstream status("/proc/self/status");
    std::vector<Fd> fillers;
    std::string word;
    int size = 0;

    while (status >> word)
        if (word == "FDSize:")
            status >> size;
    status.close();
    if (size == 0)
        ksft::fail("no FDSize in /proc/self/status");

    do
        fillers.emplace_back(dup(device().fd()));
    while (fillers.back() && fillers.back().get() < size - 1);
    if (!fillers.back())
        ksft::fail(errno_error("dup").what);
    return fillers;
}

void prepare_udmabuf(const Shape& shape, Objects& objects) {
    objects.udmabuf.reset(open("/dev/udmabuf", O_RDWR | O_CLOEXEC));
    objects.memory = make_udmabuf_memory({shape.layout.nr_pages() * page_bytes(), false}).value();
}

Objects prepare(const Operation& operation, const Shape& shape) {
    Objects objects;

    if (operation.needs & a_heap)
        objects.heap.reset(open(system_heap_path, O_RDWR | O_CLOEXEC));
    else if (operation.needs & a_udmabuf)
        prepare_udmabuf(shape, objects);
    else if (operation.needs != none)
        objects.buffer =
            device()
                .create(
                    {.layout = shape.layout, .flags = shape.create_flags, .inject = shape.inject})
                .value();
    if (operation.needs & an_importer)
        objects.importer = device().attach(objects.buffer.fd.get(), shape.attach_flags).value();
    if (operation.needs & a_table)
        (void)objects.importer->fill({}).value();
    if (operation.needs & a_mapping)
        objects.mapping.emplace(objects.buffer.fd.get(), objects.buffer.nr_pages);
    if (shape.full_table)
        objects.fillers = fill_descriptors();
    return objects;
}

/* How often each errno came; 0 counts calls that succeeded without the memory. */
using Tally = std::map<int, unsigned int>;

/**
 * In a thread with its own table of descriptors: whether the table has to grow must not depend on
 * earlier attempts.
 */
template <typename Body> auto alone(Body body) {
    return std::async(std::launch::async,
                      [&] {
                          if (unshare(CLONE_FILES) < 0)
                              throw std::runtime_error(errno_error("unshare").what);
                          return body();
                      })
        .get();
}

class Sweep {
public:
    Sweep(const Operation& operation, const Shape& shape) : operation_(operation), shape_(shape) {}

    /* Repeats the call until it meets no failure. Returns the results of the other attempts. */
    Tally run() {
        Tally tally;

        alone([this] { clean_call(); });
        for (unsigned int nth = 1; nth <= max_points; nth++) {
            const std::optional<int> code = alone([this, nth] { return failing_call(nth); });

            if (!code)
                return tally;
            tally[*code]++;
        }
        ksft::fail("still failing after " + std::to_string(max_points) + " points");
    }

private:
    /*
     * Learns the counts after a successful call. It also touches everything the call needs for the
     * first time.
     */
    void clean_call() {
        Objects objects = prepare(operation_, shape_);
        const Counts before = count_all(shape_, objects);

        if (!ksft::expect_eq(operation_.call(shape_, objects), 0, "the call, undisturbed"))
            ksft::fail("so there is nothing to disturb");
        gain_ = count_all(shape_, objects) - before;
    }

    /* Nothing if the call did not meet the failure. */
    std::optional<int> failing_call(unsigned int nth) {
        const NthFault fault;
        const Counts idle = count_all(shape_, {});
        std::optional<int> code;
        {
            Objects objects = prepare(operation_, shape_);
            const Counts before = count_all(shape_, objects);

            fault.arm(nth);
            const int answer = operation_.call(shape_, objects);
            const bool met = fault.disarm();

            judge(nth, answer, before, objects);
            if (met)
                code = answer;
            else
                ksft::expect_eq(answer, 0, "the call, no failure met");
        }
        expect_same(count_all(shape_, {}), idle, at(nth) + ", all closed");
        return code;
    }

    void judge(unsigned int nth, int answer, const Counts& before, Objects& objects) {
        const Counts after = count_all(shape_, objects);

        if (answer == 0) {
            expect_same(after - before, gain_, at(nth) + ", done without, against undisturbed");
            if (operation_.needs & (a_heap | a_udmabuf))
                expect_pfns(objects.made, at(nth) + ", done without");
            return;
        }
        ksft::expect(allowed(answer), at(nth) + ": errno " + std::to_string(answer) +
                                          " is one that this call may return");
        if (operation_.keeps && answer == EFAULT && after != before)
            expect_same(after - before, gain_, at(nth) + ", what it keeps, against undisturbed");
        else
            expect_same(after, before, at(nth) + ", errno " + std::to_string(answer));
        if (ksft::expect_eq(operation_.call(shape_, objects), 0, at(nth) + ", tried again"))
            expect_same(count_all(shape_, objects) - before, gain_, at(nth) + ", tried again");
    }

    /* A buffer that was made has all that get_pfn needs. */
    void expect_pfns(const Fd& made, const std::string& when) const {
        const Importer importer = device().attach(made.get()).value();

        for (const testexp_result& page : importer.resolve(0, shape_.layout.nr_pages()).value())
            ksft::expect_eq(page.error, 0, when + ": error of a page");
    }

    bool allowed(int code) const {
        return ((code == ENOMEM || code == operation_.otherwise) && operation_.allocates(shape_)) ||
               (code == EFAULT && operation_.copies);
    }

    static std::string at(unsigned int nth) { return "point " + std::to_string(nth); }

    const Operation& operation_;
    const Shape& shape_;
    Counts gain_;
};

void require(const Operation& operation, const Shape& shape, const FaultInjection& injection) {
    if (shape.attach_flags & no_device)
        REQUIRE(device().has(TESTEXP_FEAT_NO_DEVICE),
                "the stock kernel refuses device-less importers");
    if (shape.create_flags & TESTEXP_CREATE_NO_MAP)
        REQUIRE(device().has(TESTEXP_FEAT_NO_MAP), "the stock kernel wants map_dma_buf");
    if (operation.needs & a_mapping && operation.call != fault)
        REQUIRE(device().has(TESTEXP_FEAT_WALK), "the kernel has no follow_pfnmap_start()");
    if (shape.has_mmio())
        (void)mmio_bar();
    if (operation.needs & a_heap) {
        (void)system_heap.make();
        REQUIRE(system_heap.has_get_pfn(), "the system heap has no get_pfn in this kernel");
    }
    if (operation.needs & a_udmabuf) {
        (void)udmabuf.make();
        REQUIRE(udmabuf.has_get_pfn(), "udmabuf has no get_pfn in this kernel");
    }
    if (shape.create_flags & TESTEXP_CREATE_CACHE_SGT)
        REQUIRE(device().has(TESTEXP_FEAT_MAPS_AT_ATTACH),
                "since 6.16 exporters have no cache_sgt_mapping");
    if (operation.call == resolve && shape.dynamic_exporter())
        REQUIRE(shape.can_resolve(), "this kernel refuses with ENOENT");
    if (operation.maps && shape.can_map())
        REQUIRE(injection.spares_dma_debug(FaultKind::slab),
                "a failure would switch DMA-API debugging off for good, and this kernel has no "
                "/sys/kernel/slab/*/failslab to prevent it");
    if (!operation.allocates(shape))
        REQUIRE(injection.has_usercopy(), "only copies can fail here, and this kernel has no "
                                          "CONFIG_FAULT_INJECTION_USERCOPY");
}

struct Kind {
    const char* name;
    FaultKind kind;
};

constexpr Kind kinds[] = {{"slab", FaultKind::slab}, {"pages", FaultKind::pages}};

void sweep(const Operation& operation, const Shape& shape, const FaultInjection& injection) {
    require(operation, shape, injection);

    Tally total;
    unsigned int points = 0;

    for (const auto& [name, kind] : kinds) {
        if (operation.maps && shape.can_map() && !injection.spares_dma_debug(kind)) {
            ksft::note(std::string(name) + " left out: DMA-API debugging would not survive it");
            continue;
        }
        injection.select(kind);

        Tally tally = Sweep(operation, shape).run();

        ksft::note(std::string(operation.name) + "[" + shape.name + "], " + name + ": " +
                   std::to_string(tally[ENOMEM]) + " ENOMEM, " + std::to_string(tally[EFAULT]) +
                   " EFAULT, " + std::to_string(tally[0]) + " done without");
        for (const auto& [code, count] : tally) {
            total[code] += count;
            points += count;
        }
    }
    ksft::expect(points > 0, "something failed at all");
    if (operation.allocates(shape))
        ksft::expect(total[ENOMEM] > 0, "a failed allocation was seen");
    if (operation.copies && injection.has_usercopy())
        ksft::expect(total[EFAULT] > 0, "a failed copy was seen");
}

/* --- Shapes --------------------------------------------------------------- */

struct Choice {
    const char* name;
    std::uint32_t flags;
};

constexpr Choice exporters[] = {
    {"static", 0},
    {"cache", TESTEXP_CREATE_CACHE_SGT},
    {"dynamic", TESTEXP_CREATE_DYNAMIC},
    {"get_pfn_only", TESTEXP_CREATE_NO_MAP},
    {"dynamic_get_pfn_only", TESTEXP_CREATE_DYNAMIC | TESTEXP_CREATE_NO_MAP},
    {"map_only", TESTEXP_CREATE_NO_GET_PFN},
    {"dynamic_map_only", TESTEXP_CREATE_DYNAMIC | TESTEXP_CREATE_NO_GET_PFN},
};

constexpr Choice importers[] = {
    {"static", 0},
    {"dynamic", TESTEXP_ATTACH_DYNAMIC},
    {"pinning", TESTEXP_ATTACH_DYNAMIC | TESTEXP_ATTACH_PIN},
    {"static_no_device", TESTEXP_ATTACH_NO_DEVICE},
    {"dynamic_no_device", TESTEXP_ATTACH_DYNAMIC | TESTEXP_ATTACH_NO_DEVICE},
};

/* More extents than a page of scatterlist has segments. */
Shape many_extents(const std::string& name, std::uint32_t create_flags,
                   std::uint32_t attach_flags) {
    return {.name = name + ",extents=150",
            .layout = Layout{}.ram(1, {.repeat = 150}),
            .create_flags = create_flags | TESTEXP_CREATE_SCATTER,
            .attach_flags = attach_flags};
}

/* Every combination that can attach; with pinning only where there is something to pin. */
std::vector<Shape> attachments() {
    std::vector<Shape> shapes;

    for (const Choice& exporter : exporters)
        for (const Choice& importer : importers) {
            if (exporter.flags & TESTEXP_CREATE_NO_GET_PFN && importer.flags & no_device)
                continue; /* attach refuses this */
            if (importer.flags & TESTEXP_ATTACH_PIN && !(exporter.flags & TESTEXP_CREATE_DYNAMIC))
                continue;
            shapes.push_back(
                {.name = std::string("exporter=") + exporter.name + ",importer=" + importer.name,
                 .create_flags = exporter.flags,
                 .attach_flags = importer.flags});
        }
    return shapes;
}

template <typename Predicate>
std::vector<Shape> filtered(std::vector<Shape> shapes, Predicate wanted) {
    std::erase_if(shapes, [&](const Shape& shape) { return !wanted(shape); });
    return shapes;
}

/* Importers of static and dynamic exporters that have all methods. */
std::vector<Shape> common_attachments() {
    return filtered(attachments(), [](const Shape& shape) {
        return shape.create_flags == 0 || shape.create_flags == TESTEXP_CREATE_DYNAMIC;
    });
}

std::vector<Shape> creations() {
    Layout array;

    for (int i = 0; i < 140; i++) /* an argument of more than a page */
        i % 20 == 0 ? array.ram(1) : array.hole(1);

    return {
        {.name = "one_page", .layout = Layout{}.ram(1)},
        {.name = "dynamic", .create_flags = TESTEXP_CREATE_DYNAMIC},
        {.name = "skewed", .layout = Layout{}.ram(3, {.align_order = 4, .skew = 5, .repeat = 4})},
        {.name = "scattered",
         .layout = Layout{}.ram(2, {.repeat = 20}),
         .create_flags = TESTEXP_CREATE_SCATTER},
        {.name = "mixed", .layout = Layout{}.ram(4).hole(9).priv(2).ram(1)},
        {.name = "large_table",
         .layout =
             [] {
                 Layout layout = Layout{}.hole(1);

                 layout.extents[0].repeat = 5000;
                 return layout;
             }()},
        {.name = "large_argument", .layout = array},
        {.name = "aliases", .layout = Layout{}.ram(4).alias(1, 2).alias(0, 1)},
        {.name = "busy", .inject = TESTEXP_INJECT_FENCE},
        {.name = "full_descriptor_table", .full_table = true},
    };
}

/* Each extent is claimed on its own, so a later failure must release the earlier ones. */
std::vector<Shape> mmio_creations() {
    return {{.name = "mmio", .layout = Layout{}.mmio(0, 4)},
            {.name = "mmio_twice_and_ram",
             .layout = Layout{}.ram(2).mmio(0, 4).mmio(8, 4, {.cache = TESTEXP_CACHE_WC})}};
}

/* As many descriptors as root may have, to fill the tables. */
void raise_descriptor_limit() {
    rlimit limit{};
    const bool known = getrlimit(RLIMIT_NOFILE, &limit) == 0;

    limit.rlim_cur = limit.rlim_max;
    if (!known || setrlimit(RLIMIT_NOFILE, &limit) < 0)
        throw std::runtime_error(errno_error("RLIMIT_NOFILE").what);
}

void add_sweeps(ksft::Plan& plan, const FaultInjection& injection) {
    const auto add = [&](const Operation& operation, const std::vector<Shape>& shapes) {
        for (const Shape& shape : shapes)
            plan.add(std::string("P8.fail_nth.") + operation.name +
                         (shape.name.empty() ? "" : "[" + shape.name + "]"),
                     [&, shape] { sweep(operation, shape, injection); });
    };
    const std::vector<Shape> one = {{}};
    const std::vector<Shape> movable = {{.name = "importer=dynamic",
                                         .create_flags = TESTEXP_CREATE_DYNAMIC,
                                         .attach_flags = TESTEXP_ATTACH_DYNAMIC}};
    const std::vector<Shape> fenced = {
        {.name = "importer=fence",
         .create_flags = TESTEXP_CREATE_DYNAMIC,
         .attach_flags = TESTEXP_ATTACH_DYNAMIC | TESTEXP_ATTACH_FENCE}};

    add(op_open, one);
    add(op_info, one);
    add(op_create, creations());
    add(op_create_mmio, mmio_creations());
    /* One page, and chunks of all orders. */
    add(op_heap, {{.name = "pages=1", .layout = Layout{}.ram(1)},
                  {.name = "pages=273", .layout = Layout{}.ram(273)}});
    /* One page, and so many pages that the kernel may vmalloc the orders of the pages. */
    add(op_udmabuf, {{.name = "pages=1", .layout = Layout{}.ram(1)},
                     {.name = "pages=5000", .layout = Layout{}.ram(5000)}});
    add(op_stats, one);
    add(op_revoke, one);
    add(op_revoke, movable);
    add(op_revoke, fenced);
    add(op_restore, movable);
    add(op_move, movable);
    add(op_move,
        {many_extents("importer=dynamic", TESTEXP_CREATE_DYNAMIC, TESTEXP_ATTACH_DYNAMIC)});
    add(op_attach, attachments());
    add(op_attach, {many_extents("exporter=dynamic,importer=static", TESTEXP_CREATE_DYNAMIC, 0),
                    many_extents("exporter=static,importer=dynamic", 0, TESTEXP_ATTACH_DYNAMIC)});
    add(op_attach, {{.name = "full_descriptor_table", .full_table = true}});
    add(op_resolve, one);
    add(op_resolve, movable);
    add(op_map, filtered(attachments(), [](const Shape& shape) { return shape.can_map(); }));
    add(op_map, {many_extents("exporter=static,importer=static", 0, 0)});
    add(op_map_kernel, {{.name = "extents=1"}, many_extents("exporter=static", 0, 0)});
    for (const Operation& operation : measures)
        add(operation, one);
    for (const Operation& operation : walks)
        add(operation, one);
    for (const Operation& operation : on_importer)
        add(operation, one);
    if (device().has(TESTEXP_FEAT_MISUSE))
        for (const Operation& operation : misuses)
            add(operation, one);
    add(op_mmap, one);
    /*
     * MADV_POPULATE_WRITE reports how a fault ended, but not for VM_PFNMAP; there WALK faults in.
     */
    add(op_fault, {{.name = "", .create_flags = TESTEXP_CREATE_SHOW_PAGES}});
    add(op_fault, {many_extents("exporter=static", TESTEXP_CREATE_SHOW_PAGES, 0)});
    add(op_life, common_attachments());
}

void make_plan(ksft::Plan& plan) {
    (void)device();
    share_symbols();
    raise_descriptor_limit();
    try {
        static const FaultInjection injection;

        add_sweeps(plan, injection);
    } catch (const ksft::Skip& none) {
        plan.add("P8.fail_nth", [none] { throw none; });
    }
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
