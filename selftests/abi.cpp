// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: the module's ioctl ABI is as testexp_uapi.h says. Each bad input gives its own errno and
 * changes nothing, objects live exactly as long as their descriptors, and only root may use the
 * device.
 *
 * Method: raw ioctls, each next to one that differs only in the bad field and is accepted; INFO's
 * counts before and after.
 *
 * Does not see: two callers at once; failures of the kernel's own allocations.
 */
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <sstream>
#include <vector>

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "call.hpp"
#include "child.hpp"
#include "contend.hpp"
#include "fixture.hpp"
#include "kernel_exporters.hpp"
#include "module.hpp"

using namespace testexp;

namespace {

constexpr std::uint64_t u64_max = std::numeric_limits<std::uint64_t>::max();
constexpr int nobody = 65534;

/* A kernel address. */
constexpr std::uint64_t bad_pointer = 0xffff800000000000;

/* A page of memory that is followed by an inaccessible page. */
unsigned char* page_before_a_guard() {
    const std::size_t page = page_bytes();
    void* pages =
        mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (pages == MAP_FAILED || mprotect(static_cast<unsigned char*>(pages) + page, page, PROT_NONE))
        ksft::fail(errno_error("guard page").what);
    return static_cast<unsigned char*>(pages);
}

/* --- One good call of each ioctl, for the bad ones to differ from --------- */

const testexp_extent one_page = Layout{}.ram(1).extents[0];

constexpr std::uint32_t good_export =
    TESTEXP_EXPORT_PRIV | TESTEXP_EXPORT_RELEASE | TESTEXP_EXPORT_MAP | TESTEXP_EXPORT_UNMAP;

/* A buffer with an importer, and memory for the good calls to write to. */
struct Objects {
    Buffer buffer = device().create({.layout = Layout{}.ram(4)}).value();
    Importer importer = device().attach(buffer.fd.get()).value();
    Buffer movable =
        device().create({.layout = Layout{}.ram(1), .flags = TESTEXP_CREATE_DYNAMIC}).value();
    std::vector<testexp_result> results = std::vector<testexp_result>(64);
    std::vector<testexp_delivered> delivered = std::vector<testexp_delivered>(64);
    std::vector<testexp_map_entry> entries = std::vector<testexp_map_entry>(64);
    std::vector<testexp_walked> walked = std::vector<testexp_walked>(1);
    testexp_hist hist{};
    std::int32_t contended = importer.fd();
    testexp_contender contender = {.role = TESTEXP_ROLE_HOLD,
                                   .flags = 0,
                                   .path = 0,
                                   .cpu = -1,
                                   .first = 0,
                                   .count = 1,
                                   .ops = 1,
                                   .hold_ticks = 0,
                                   .idle_ticks = 0,
                                   .address = 0};
    /* The contention is over, because its only contender never joined. */
    Contention contention = testexp::contend(device(), {.importers = {importer.fd()},
                                                        .contenders = {{.ops = 1, .user = true}},
                                                        .timeout_ms = 1})
                                .value();
    testexp_run run_before = contention.run().value();

    testexp_info info() const { return sized<testexp_info>(); }
    testexp_create create() const {
        auto argument = sized<testexp_create>();

        argument.extents = user_pointer(&one_page);
        argument.nr_extents = 1;
        return argument;
    }
    testexp_stats stats() const {
        auto argument = sized<testexp_stats>();

        argument.fd = buffer.fd.get();
        return argument;
    }
    testexp_revoke revoke() const {
        auto argument = sized<testexp_revoke>();

        argument.fd = buffer.fd.get();
        return argument;
    }
    testexp_restore restore() const {
        auto argument = sized<testexp_restore>();

        argument.fd = movable.fd.get();
        return argument;
    }
    testexp_move move() const {
        auto argument = sized<testexp_move>();

        argument.fd = movable.fd.get();
        argument.extents = user_pointer(&one_page);
        argument.nr_extents = 1;
        return argument;
    }
    testexp_attach attach() const {
        auto argument = sized<testexp_attach>();

        argument.fd = buffer.fd.get();
        return argument;
    }
    testexp_misuse misuse() const {
        auto argument = sized<testexp_misuse>();

        argument.which = TESTEXP_MISUSE_EXPORT;
        argument.flags = good_export;
        return argument;
    }
    testexp_resolve resolve() const {
        auto argument = sized<testexp_resolve>();

        argument.count = 4;
        argument.stride = 1;
        argument.results = user_pointer(results.data());
        return argument;
    }
    testexp_map map() const {
        auto argument = sized<testexp_map>();

        argument.entries = user_pointer(entries.data());
        argument.capacity = static_cast<std::uint32_t>(entries.size());
        return argument;
    }
    testexp_measure measure() const {
        auto argument = sized<testexp_measure>();

        argument.path = TESTEXP_PATH_GET_PFN;
        argument.ops_per_batch = 10;
        argument.batches = 3;
        argument.nr_pages = 4;
        argument.hist = user_pointer(&hist);
        return argument;
    }
    testexp_deliver deliver() const {
        auto argument = sized<testexp_deliver>();

        argument.path = TESTEXP_PATH_GET_PFN;
        argument.nr_pages = 4;
        argument.ops = 4;
        argument.capacity = static_cast<std::uint32_t>(delivered.size());
        argument.delivered = user_pointer(delivered.data());
        return argument;
    }
    testexp_fill fill() const {
        auto argument = sized<testexp_fill>();

        argument.count = 4;
        return argument;
    }
    testexp_audit audit() const { return sized<testexp_audit>(); }
    testexp_use use() const { return sized<testexp_use>(); }
    testexp_describe describe() const { return sized<testexp_describe>(); }
    testexp_walk walk() const {
        auto argument = sized<testexp_walk>();

        argument.address = user_pointer(walked.data()) & ~(page_bytes() - 1);
        argument.count = 1;
        argument.results = user_pointer(walked.data());
        return argument;
    }
    testexp_signal signal() const { return sized<testexp_signal>(); }
    testexp_contend contend() const {
        auto argument = sized<testexp_contend>();

        argument.importers = user_pointer(&contended);
        argument.contenders = user_pointer(&contender);
        argument.nr_importers = 1;
        argument.nr_contenders = 1;
        argument.timeout_ms = 1;
        return argument;
    }
    testexp_join join() const { return sized<testexp_join>(); }
    testexp_run run() const { return sized<testexp_run>(); }
    testexp_report report() const {
        auto argument = sized<testexp_report>();

        argument.op = user_pointer(&hist);
        return argument;
    }
};

/* The descriptor that an ioctl is sent to. */
enum class On : std::uint64_t { control, importer, contention };

int descriptor(const Objects& objects, On on) {
    switch (on) {
    case On::importer:
        return objects.importer.fd();
    case On::contention:
        return objects.contention.fd();
    default:
        return device().fd();
    }
}

/* An ioctl as a row: its good argument as bytes, and the descriptor to send it to. */
struct Call {
    const char* name = nullptr;
    unsigned long request = 0;
    On on = On::control;
    std::vector<unsigned char> (*good)(const Objects&) = nullptr;
    std::size_t known_flags = 0; /* bits of flags that have a meaning */
    std::size_t first_size = 0;  /* size of the struct's first version, if the struct has grown */
    int answer = 0;              /* result of the good argument */
};

template <typename Argument> std::vector<unsigned char> bytes_of(const Argument& argument) {
    std::vector<unsigned char> bytes(sizeof(argument));

    std::memcpy(bytes.data(), &argument, sizeof(argument));
    return bytes;
}

constexpr Call calls[] = {
    {"INFO", TESTEXP_IOC_INFO, On::control, [](const Objects& o) { return bytes_of(o.info()); }, 0,
     offsetof(testexp_info, poison_violations)},
    {"CREATE", TESTEXP_IOC_CREATE, On::control,
     [](const Objects& o) { return bytes_of(o.create()); }, TESTEXP_CREATE_FLAGS},
    {"STATS", TESTEXP_IOC_STATS, On::control, [](const Objects& o) { return bytes_of(o.stats()); },
     0, offsetof(testexp_stats, moves)},
    {"REVOKE", TESTEXP_IOC_REVOKE, On::control,
     [](const Objects& o) { return bytes_of(o.revoke()); }, 0},
    {"RESTORE", TESTEXP_IOC_RESTORE, On::control,
     [](const Objects& o) { return bytes_of(o.restore()); }, 0},
    {"MOVE", TESTEXP_IOC_MOVE, On::control, [](const Objects& o) { return bytes_of(o.move()); },
     TESTEXP_MOVE_FLAGS},
    {"ATTACH", TESTEXP_IOC_ATTACH, On::control,
     [](const Objects& o) { return bytes_of(o.attach()); }, TESTEXP_ATTACH_FLAGS},
    {"MISUSE", TESTEXP_IOC_MISUSE, On::control,
     [](const Objects& o) { return bytes_of(o.misuse()); }, TESTEXP_EXPORT_FLAGS},
    {"RESOLVE", TESTEXP_IOC_RESOLVE, On::importer,
     [](const Objects& o) { return bytes_of(o.resolve()); }, TESTEXP_RESOLVE_FLAGS},
    {"MAP", TESTEXP_IOC_MAP, On::importer, [](const Objects& o) { return bytes_of(o.map()); },
     TESTEXP_MAP_FLAGS},
    {"MEASURE", TESTEXP_IOC_MEASURE, On::importer,
     [](const Objects& o) { return bytes_of(o.measure()); }, 0, offsetof(testexp_measure, mode)},
    {"DELIVER", TESTEXP_IOC_DELIVER, On::importer,
     [](const Objects& o) { return bytes_of(o.deliver()); }, 0},
    {"FILL", TESTEXP_IOC_FILL, On::importer, [](const Objects& o) { return bytes_of(o.fill()); },
     TESTEXP_FILL_FLAGS},
    {"AUDIT", TESTEXP_IOC_AUDIT, On::importer, [](const Objects& o) { return bytes_of(o.audit()); },
     0, offsetof(testexp_audit, asked)},
    {"USE", TESTEXP_IOC_USE, On::importer, [](const Objects& o) { return bytes_of(o.use()); },
     TESTEXP_USE_FLAGS},
    {"DESCRIBE", TESTEXP_IOC_DESCRIBE, On::importer,
     [](const Objects& o) { return bytes_of(o.describe()); }, TESTEXP_DESCRIBE_FLAGS},
    {"WALK", TESTEXP_IOC_WALK, On::control, [](const Objects& o) { return bytes_of(o.walk()); },
     TESTEXP_WALK_FLAGS},
    {"SIGNAL", TESTEXP_IOC_SIGNAL, On::importer,
     [](const Objects& o) { return bytes_of(o.signal()); }, 0},
    {"CONTEND", TESTEXP_IOC_CONTEND, On::control,
     [](const Objects& o) { return bytes_of(o.contend()); }, 0},
    {"JOIN", TESTEXP_IOC_JOIN, On::contention, [](const Objects& o) { return bytes_of(o.join()); },
     0, 0, EBUSY},
    {"RUN", TESTEXP_IOC_RUN, On::contention, [](const Objects& o) { return bytes_of(o.run()); }, 0,
     0, EBUSY},
    {"REPORT", TESTEXP_IOC_REPORT, On::contention,
     [](const Objects& o) { return bytes_of(o.report()); }, 0},
};

void set_size(std::vector<unsigned char>& bytes, std::size_t size) {
    const auto value = static_cast<std::uint32_t>(size);

    std::memcpy(bytes.data(), &value, sizeof(value));
}

void set_flags(std::vector<unsigned char>& bytes, std::uint32_t flags) {
    std::memcpy(bytes.data() + sizeof(flags), &flags, sizeof(flags));
}

/* The rules that the ABI has for all ioctls. */
void common_rules(const Call& call) {
    if (call.request == TESTEXP_IOC_MISUSE)
        REQUIRE(device().has(TESTEXP_FEAT_MISUSE), "load the module with allow_misuse=1");
    if (call.request == TESTEXP_IOC_WALK)
        REQUIRE(device().has(TESTEXP_FEAT_WALK), "the kernel has no follow_pfnmap_start()");

    const Objects objects;
    const int fd = descriptor(objects, call.on);
    const auto good = [&] { return call.good(objects); };
    const auto send = [&](std::vector<unsigned char> bytes) {
        return errno_of_call(fd, call.request, bytes.data());
    };
    const std::size_t size = good().size();
    std::vector<unsigned char> bytes = good();

    const std::size_t first_size = call.first_size != 0 ? call.first_size : size;

    for (const std::size_t shorter :
         {std::size_t{0}, std::size_t{4}, std::size_t{8}, first_size - 1}) {
        set_size(bytes, shorter);
        ksft::expect_eq(send(bytes), EINVAL, "size " + std::to_string(shorter));
    }

    bytes = good();
    bytes.resize(size + 24);
    set_size(bytes, bytes.size());
    bytes.back() = 1;
    ksft::expect_eq(send(bytes), E2BIG, "unknown tail that is not zero");

    bytes = good();
    bytes.resize(page_bytes() + 1);
    set_size(bytes, bytes.size());
    ksft::expect_eq(send(bytes), E2BIG, "struct larger than a page");

    for (int bit = 0; bit < 32; bit++) {
        const std::uint32_t flag = 1U << bit;

        if (call.known_flags & flag)
            continue;
        bytes = good();
        set_flags(bytes, flag);
        ksft::expect_eq(send(bytes), EOPNOTSUPP, "flag " + std::to_string(bit));
    }

    ksft::expect_eq(errno_of_call(fd, call.request, nullptr), EFAULT, "no struct at all");
    // NOLINTNEXTLINE(performance-no-int-to-ptr)
    ksft::expect_eq(errno_of_call(fd, call.request, reinterpret_cast<void*>(bad_pointer)), EFAULT,
                    "struct at an address that is not the caller's");

    /* The controls come last, because they may change something. */
    bytes = good();
    bytes.resize(size + 24);
    set_size(bytes, bytes.size());
    ksft::expect_eq(send(bytes), call.answer, "unknown tail of zeros");
    bytes = good();
    bytes.resize(page_bytes());
    set_size(bytes, bytes.size());
    ksft::expect_eq(send(bytes), call.answer, "unknown tail of zeros up to a page");
    bytes = good();
    set_size(bytes, first_size);
    std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(first_size), bytes.end(), 0x5a);
    ksft::expect_eq(errno_of_call(fd, call.request, bytes.data()), call.answer,
                    "the struct's first version");
    ksft::expect_eq(
        std::count(bytes.begin() + static_cast<std::ptrdiff_t>(first_size), bytes.end(), 0x5a),
        size - first_size, "bytes behind it that are as they were");
    ksft::expect_eq(send(good()), call.answer, "the good call");
}

/* The last byte of the struct cannot be read. */
void half_readable(const Call& call) {
    const Objects objects;
    const std::vector<unsigned char> good = call.good(objects);
    unsigned char* argument = page_before_a_guard() + page_bytes() - good.size() + 1;

    std::memcpy(argument, good.data(), good.size() - 1);
    ksft::expect_eq(errno_of_call(descriptor(objects, call.on), call.request, argument), EFAULT,
                    "struct that ends behind readable memory");
}

/* --- What a failed call leaves alone -------------------------------------- */

/* Fills @answer with bytes that no call returns. */
template <typename T> void spoil(T& answer) {
    std::memset(&answer, 0x5a, sizeof(answer));
}

/*
 * Makes a call that must fail with @code. Beforehand the fields that a good call writes, @outputs,
 * get values that no call returns: the call must leave them, and the rest of the struct, alone.
 */
template <typename Argument, typename... Output>
void expect_untouched(int fd, unsigned long request, Argument argument, int code,
                      const std::string& what, Output Argument::*... outputs) {
    (spoil(argument.*outputs), ...);

    const std::vector<unsigned char> before = bytes_of(argument);

    ksft::expect_eq(errno_of_call(fd, request, &argument), code, what);
    ksft::expect(bytes_of(argument) == before, "the struct is as it was: " + what);
}

/* @good as @change leaves it: an argument that is wrong in one field. */
template <typename Argument, typename Change> Argument with(Argument good, Change change) {
    change(good);
    return good;
}

/* The control device refuses these after it has checked what all calls have in common. */
void failed_control_changes_nothing() {
    const Objects objects;
    const int control = device().fd();
    const Buffer revocable =
        device().create({.layout = Layout{}.ram(1), .flags = TESTEXP_CREATE_REVOCABLE}).value();
    const testexp_extent empty{};
    const std::int32_t no_importer = revocable.fd.get();

    expect_untouched(control, TESTEXP_IOC_INFO,
                     with(objects.info(), [](auto& a) { a.reserved = 1; }), EINVAL,
                     "INFO, reserved", &testexp_info::abi_version, &testexp_info::features,
                     &testexp_info::importer_device);
    expect_untouched(control, TESTEXP_IOC_CREATE,
                     with(objects.create(), [&](auto& a) { a.extents = user_pointer(&empty); }),
                     EINVAL, "CREATE of an empty extent", &testexp_create::nr_pages,
                     &testexp_create::fd);
    expect_untouched(control, TESTEXP_IOC_STATS,
                     with(objects.stats(), [&](auto& a) { a.fd = control; }), EINVAL,
                     "STATS of no buffer", &testexp_stats::pins, &testexp_stats::get_pfns,
                     &testexp_stats::lock_violations);
    expect_untouched(control, TESTEXP_IOC_ATTACH,
                     with(objects.attach(), [&](auto& a) { a.fd = revocable.fd.get(); }),
                     EOPNOTSUPP, "ATTACH that the exporter refuses", &testexp_attach::importer_fd);
    expect_untouched(
        control, TESTEXP_IOC_CONTEND,
        with(objects.contend(), [&](auto& a) { a.importers = user_pointer(&no_importer); }), EINVAL,
        "CONTEND of no importer", &testexp_contend::contention_fd);
    if (device().has(TESTEXP_FEAT_MISUSE))
        expect_untouched(control, TESTEXP_IOC_MISUSE,
                         with(objects.misuse(),
                              [](auto& a) {
                                  a.which = TESTEXP_MISUSE_CASES;
                                  a.flags = 0;
                              }),
                         EINVAL, "MISUSE of an unknown case", &testexp_misuse::result);
}

/* Calls of an importer that meet a hole; what a call found before the hole is lost with it. */
void failed_importer_changes_nothing() {
    Objects objects;
    const Buffer buffer = device().create({.layout = Layout{}.ram(2).hole(2)}).value();
    const Importer importer = device().attach(buffer.fd.get()).value();

    spoil(objects.hist);
    for (testexp_delivered& entry : objects.delivered)
        spoil(entry);
    for (testexp_map_entry& entry : objects.entries)
        spoil(entry);

    const std::vector<unsigned char> hist = bytes_of(objects.hist);
    const std::vector<unsigned char> delivered = bytes_of(objects.delivered[0]);
    const std::vector<unsigned char> entry = bytes_of(objects.entries[0]);

    expect_untouched(importer.fd(), TESTEXP_IOC_FILL, objects.fill(), ENXIO, "FILL",
                     &testexp_fill::installed, &testexp_fill::retries, &testexp_fill::notified);
    expect_untouched(importer.fd(), TESTEXP_IOC_MEASURE, objects.measure(), ENXIO, "MEASURE",
                     &testexp_measure::ops, &testexp_measure::pages, &testexp_measure::ticks,
                     &testexp_measure::min_batch_ticks, &testexp_measure::clock_cost_ticks);
    expect_untouched(importer.fd(), TESTEXP_IOC_DELIVER, objects.deliver(), ENXIO, "DELIVER",
                     &testexp_deliver::nr_delivered);
    expect_untouched(importer.fd(), TESTEXP_IOC_DELIVER,
                     with(objects.deliver(),
                          [](auto& a) {
                              a.capacity = 1;
                              a.ops = 2;
                          }),
                     ENOSPC, "DELIVER without room", &testexp_deliver::nr_delivered);
    expect_untouched(importer.fd(), TESTEXP_IOC_MAP, objects.map(), EOPNOTSUPP, "MAP");
    expect_untouched(importer.fd(), TESTEXP_IOC_DESCRIBE,
                     with(objects.describe(), [](auto& a) { a.pgoff = 4; }), EINVAL, "DESCRIBE",
                     &testexp_describe::first, &testexp_describe::nr_pages,
                     &testexp_describe::type);

    ksft::expect(bytes_of(objects.hist) == hist, "the histogram of MEASURE is as it was");
    ksft::expect(bytes_of(objects.delivered[0]) == delivered, "the array of DELIVER is as it was");
    ksft::expect(bytes_of(objects.entries[0]) == entry, "the array of MAP is as it was");
}

void failed_contention_changes_nothing() {
    const Objects objects;
    const Contention early = contend(device(), {.importers = {objects.importer.fd()},
                                                .contenders = {{.ops = 1, .user = true}}})
                                 .value();

    expect_untouched(objects.contention.fd(), TESTEXP_IOC_RUN, objects.run(), EBUSY, "second RUN",
                     &testexp_run::ticks, &testexp_run::expired);
    expect_untouched(early.fd(), TESTEXP_IOC_REPORT, objects.report(), EBUSY, "REPORT before RUN",
                     &testexp_report::error, &testexp_report::ops, &testexp_report::done_ticks);
}

/* The flags of a contender are not those of the struct that has the ioctl's size. */
void contender_flags() {
    Objects objects;
    testexp_contend argument = objects.contend();

    objects.contender.flags = TESTEXP_CONTENDER_FLAGS + 1;
    ksft::expect_eq(errno_of_call(device().fd(), TESTEXP_IOC_CONTEND, &argument), EOPNOTSUPP,
                    "unknown flag of a contender");
    objects.contender.flags = 0;
    ksft::expect_eq(errno_of_call(device().fd(), TESTEXP_IOC_CONTEND, &argument), 0,
                    "the good call");
    (void)Fd(argument.contention_fd);
}

/* --- Wrong descriptors ---------------------------------------------------- */

void unknown_ioctls() {
    const Objects objects;
    testexp_info info = objects.info();

    for (const int fd : {device().fd(), objects.importer.fd(), objects.contention.fd()}) {
        ksft::expect_eq(errno_of_call(fd, _IO(TESTEXP_IOC_MAGIC, 0x1f), &info), ENOTTY,
                        "unknown number");
        ksft::expect_eq(errno_of_call(fd, _IO(TESTEXP_IOC_MAGIC, 0xff), &info), ENOTTY,
                        "unknown number");
        ksft::expect_eq(errno_of_call(fd, _IO('x', 0), &info), ENOTTY, "unknown magic");
        ksft::expect_eq(errno_of_call(fd, _IOR(TESTEXP_IOC_MAGIC, 0, int), &info), ENOTTY,
                        "size in number");
    }
}

void wrong_kind_of_descriptor() {
    const Objects objects;

    for (const Call& call : calls) {
        std::vector<unsigned char> bytes = call.good(objects);
        const std::string name = call.name;

        for (const On other : {On::control, On::importer, On::contention})
            if (other != call.on)
                ksft::expect_eq(
                    errno_of_call(descriptor(objects, other), call.request, bytes.data()), ENOTTY,
                    name + " on another kind");
        ksft::expect_eq(errno_of_call(objects.buffer.fd.get(), call.request, bytes.data()), ENOTTY,
                        name + " on a buffer");
    }
}

void not_a_buffer() {
    const Objects objects;
    const Fd file(open("/dev/null", O_RDWR | O_CLOEXEC));
    const std::pair<const char*, int> wrong[] = {
        {"control", device().fd()}, {"importer", objects.importer.fd()}, {"/dev/null", file.get()}};

    for (const auto& [name, fd] : wrong) {
        ksft::expect_eq(device().attach(fd).code(), EINVAL, std::string("ATTACH to ") + name);
        ksft::expect_eq(device().stats(fd).code(), EINVAL, std::string("STATS of ") + name);
        ksft::expect_eq(device().revoke(fd).code(), EINVAL, std::string("REVOKE of ") + name);
        ksft::expect_eq(device().restore(fd).code(), EINVAL, std::string("RESTORE of ") + name);
        ksft::expect_eq(device().move(fd, Layout{}.ram(1)).code(), EINVAL,
                        std::string("MOVE of ") + name);
    }
    for (const int fd : {-1, 1 << 20}) {
        ksft::expect_eq(device().attach(fd).code(), EBADF, "ATTACH to no descriptor");
        ksft::expect_eq(device().stats(fd).code(), EBADF, "STATS of no descriptor");
        ksft::expect_eq(device().revoke(fd).code(), EBADF, "REVOKE of no descriptor");
        ksft::expect_eq(device().restore(fd).code(), EBADF, "RESTORE of no descriptor");
        ksft::expect_eq(device().move(fd, Layout{}.ram(1)).code(), EBADF, "MOVE of no descriptor");
    }
}

void foreign_buffer() {
    const Fd buffer = system_heap_buffer();
    const bool has_get_pfn = system_heap.has_get_pfn();

    ksft::expect_eq(device().stats(buffer.get()).code(), EINVAL, "STATS");
    ksft::expect_eq(device().revoke(buffer.get()).code(), EINVAL, "REVOKE");
    ksft::expect_eq(device().restore(buffer.get()).code(), EINVAL, "RESTORE");
    ksft::expect_eq(device().move(buffer.get(), Layout{}.ram(1)).code(), EINVAL, "MOVE");

    const Importer importer = device().attach(buffer.get()).value();

    ksft::expect_eq(importer.fill({}).code(), has_get_pfn ? 0 : EINVAL, "FILL");
    ksft::expect_eq(importer.audit().value().entries, has_get_pfn ? 1 : 0, "entries of AUDIT");
    ksft::expect_eq(importer.audit().value().stale, 0, "stale entries of AUDIT");
    ksft::expect_eq(importer.use(0).code(), EINVAL, "USE");
    ksft::expect_eq(importer.describe(0).code(), EINVAL, "DESCRIBE");
}

/* --- CREATE --------------------------------------------------------------- */

struct BadExtents {
    const char* name;
    Layout layout;
    int code;
};

std::vector<BadExtents> bad_extents() {
    const testexp_info& info = device().info();
    const std::uint64_t max_pages = std::uint64_t{1} << info.max_page_order;
    const auto typed = [](std::uint32_t type, std::uint32_t align_order, std::uint64_t skew) {
        Layout layout = Layout{}.ram(1, {.align_order = align_order, .skew = skew});

        layout.extents[0].type = type;
        return layout;
    };
    const auto changed = [](Layout layout, const auto& change) {
        change(layout.extents[0]);
        return layout;
    };
    const Layout ram = Layout{}.ram(1);
    const std::uint64_t last_pfn = (std::uint64_t{1} << TESTEXP_PFN_BITS) - 1;
    const int no_mmio = info.mmio_pages != 0 ? ENXIO : ENODEV;
    Layout many_mmio;
    const auto repeated_holes = [](std::uint64_t nr_pages, std::uint64_t repeat) {
        Layout layout = Layout{}.hole(nr_pages);

        layout.extents[0].repeat = repeat;
        return layout;
    };

    for (int i = 0; i <= TESTEXP_MAX_MMIO_EXTENTS; i++)
        many_mmio.mmio(0, 1);

    std::vector<BadExtents> bad{
        {"no_extents", Layout{}, EINVAL},
        {"no_pages", Layout{}.ram(0), EINVAL},
        {"no_pages_of_hole", Layout{}.hole(0), EINVAL},
        {"no_repeat", Layout{}.ram(1, {.repeat = 0}), EINVAL},
        {"bad_second", Layout{}.ram(1).ram(0), EINVAL},
        {"unknown_type", typed(TESTEXP_EXTENT_TYPES, 0, 0), EINVAL},
        {"unknown_type_far", typed(~0U, 0, 0), EINVAL},
        {"too_long_far", Layout{}.ram(u64_max), EINVAL},
        {"align_too_large", Layout{}.ram(1, {.align_order = TESTEXP_MAX_ALIGN_ORDER + 1}), EINVAL},
        {"align_64", Layout{}.ram(1, {.align_order = 64}), EINVAL},
        {"align_far", Layout{}.ram(1, {.align_order = ~0U}), EINVAL},
        {"skew_too_large", Layout{}.ram(1, {.align_order = 3, .skew = 8}), EINVAL},
        {"skew_far", Layout{}.ram(1, {.align_order = 3, .skew = u64_max}), EINVAL},
        {"skew_without_align", Layout{}.ram(1, {.skew = 1}), EINVAL},
        {"aligned_hole", typed(TESTEXP_EXTENT_HOLE, 1, 0), EINVAL},
        {"aligned_synthetic", typed(TESTEXP_EXTENT_SYNTHETIC, 1, 0), EINVAL},
        {"skewed_alias", typed(TESTEXP_EXTENT_ALIAS, 2, 1), EINVAL},
        {"placed_ram", changed(ram, [](auto& e) { e.at = 1; }), EINVAL},
        {"placed_hole", changed(Layout{}.hole(1), [](auto& e) { e.at = 1; }), EINVAL},
        {"placed_private", changed(Layout{}.priv(1), [](auto& e) { e.at = 1; }), EINVAL},
        {"unknown_cache", Layout{}.synthetic(0, 1, {.cache = TESTEXP_CACHE_MODES}), EINVAL},
        {"unknown_attribute", Layout{}.synthetic(0, 1, {.attributes = 4}), EINVAL},
        {"mmio_as_mmio", Layout{}.mmio(0, 1, {.attributes = TESTEXP_EXTENT_AS_MMIO}), EINVAL},
        {"ram_as_mmio", changed(ram, [](auto& e) { e.attributes = TESTEXP_EXTENT_AS_MMIO; }),
         EINVAL},
        {"uncached_ram", changed(ram, [](auto& e) { e.cache = TESTEXP_CACHE_UC; }), EINVAL},
        {"ram_for_peers", changed(ram, [](auto& e) { e.attributes = 1; }), EINVAL},
        {"uncached_hole", changed(Layout{}.hole(1), [](auto& e) { e.cache = 1; }), EINVAL},
        {"synthetic_over_the_end", Layout{}.synthetic(last_pfn, 2), EINVAL},
        {"synthetic_behind_the_end", Layout{}.synthetic(last_pfn + 1, 1), EINVAL},
        {"synthetic_far", Layout{}.synthetic(u64_max, 1), EINVAL},
        {"synthetic_repeats_over_the_end",
         Layout{}.synthetic(last_pfn - 4, 2, {.cache = TESTEXP_CACHE_WB, .repeat = 3}), EINVAL},
        {"cached_mmio", Layout{}.mmio(0, 1, {.cache = TESTEXP_CACHE_WB}), EINVAL},
        {"mmio_over_the_end", Layout{}.mmio(0, info.mmio_pages + 1), no_mmio},
        {"mmio_behind_the_end", Layout{}.mmio(info.mmio_pages, 1), no_mmio},
        {"mmio_repeats_over_the_end", Layout{}.mmio(0, 1, {.repeat = info.mmio_pages + 1}),
         no_mmio},
        {"alias_of_nothing", Layout{}.alias(0, 1).ram(1), EINVAL},
        {"alias_of_itself", Layout{}.ram(1).alias(1, 1), EINVAL},
        {"alias_from_behind", Layout{}.ram(1).alias(3, 1), EINVAL},
        {"alias_of_hole", Layout{}.hole(1).alias(0, 1), EINVAL},
        {"alias_of_synthetic", Layout{}.synthetic(1, 1).alias(0, 1), EINVAL},
        {"alias_over_the_end", Layout{}.ram(2).alias(1, 2), EINVAL},
        {"alias_over_a_border", Layout{}.ram(2).hole(1).ram(1).alias(1, 2), EINVAL},
        {"skewed_private", typed(TESTEXP_EXTENT_PRIVATE, 0, 1), EINVAL},
        {"product_wraps", repeated_holes(std::uint64_t{1} << 40, std::uint64_t{1} << 40), EINVAL},
        {"sum_wraps", Layout{}.hole(u64_max).hole(2), EINVAL},
        {"sum_wraps_late", Layout{}.hole(2).hole(u64_max), EINVAL},
        {"bytes_wrap", Layout{}.hole(std::uint64_t{1} << 52), EINVAL},
        {"bytes_negative", Layout{}.hole(std::uint64_t{1} << 51), EINVAL},
        /* Holes, because as many pages of RAM would exceed the other limit as well. */
        {"too_many_extents", repeated_holes(1, info.max_extents + 1ULL), ENOSPC},
        {"too_many_extents_far", Layout{}.ram(1, {.repeat = std::uint64_t{1} << 40}), ENOSPC},
        {"too_many_mmio_extents", many_mmio, ENOSPC},
        {"too_many_pages_at_once", Layout{}.ram(info.max_pages + 1), ENOSPC},
        {"too_many_pages", Layout{}.ram(max_pages, {.repeat = info.max_pages / max_pages + 1}),
         ENOSPC},
    };

    if (info.mmio_pages == 0)
        bad.push_back({"mmio_without_a_bar", Layout{}.mmio(0, 1), ENODEV});
    return bad;
}

/* CREATE fails and keeps nothing. */
void create_refuses(const CreateSpec& spec, int code) {
    const testexp_info before = device().read_info().value();

    ksft::expect_eq(device().create(spec).code(), code, "CREATE");

    const testexp_info after = device().read_info().value();

    ksft::expect_eq(after.nr_buffers, before.nr_buffers, "nr_buffers");
    ksft::expect_eq(after.used_pages, before.used_pages, "used_pages");
}

void create_fields() {
    const Objects objects;
    const auto with = [&](auto&& change) {
        testexp_create argument = objects.create();

        change(argument);
        const int code = errno_of_call(device().fd(), TESTEXP_IOC_CREATE, &argument);

        if (code == 0)
            close(argument.fd);
        return code;
    };

    ksft::expect_eq(with([](auto&) {}), 0, "the good call");
    ksft::expect_eq(with([](auto& a) { a.reserved = 1; }), EINVAL, "reserved");
    ksft::expect_eq(with([](auto& a) { a.nr_extents = 0; }), EINVAL, "nr_extents 0");
    ksft::expect_eq(with([](auto& a) { a.nr_extents = ~0U; }), ENOSPC, "nr_extents too many");

    /* One more than the limit is refused before anything is copied. */
    const auto one_too_many = [](testexp_create& a) {
        a.nr_extents = device().info().max_extents + 1;
        a.extents = bad_pointer;
    };

    ksft::expect_eq(with(one_too_many), ENOSPC, "nr_extents one too many");
    ksft::expect_eq(with([](auto& a) { a.inject = TESTEXP_INJECT_ALL + 1; }), EINVAL, "inject");
    ksft::expect_eq(with([](auto& a) { a.extents = 0; }), EFAULT, "extents NULL");
    ksft::expect_eq(with([](auto& a) { a.extents = bad_pointer; }), EFAULT, "extents");
    ksft::expect_eq(with([](auto& a) { a.extents = u64_max; }), EFAULT, "extents at the end");
}

struct Contradiction {
    const char* name;
    std::uint32_t flags;
};

constexpr Contradiction contradictions[] = {
    {"no_map+no_get_pfn", TESTEXP_CREATE_NO_MAP | TESTEXP_CREATE_NO_GET_PFN},
    {"cache+dynamic", TESTEXP_CREATE_CACHE_SGT | TESTEXP_CREATE_DYNAMIC},
    {"cache+no_map", TESTEXP_CREATE_CACHE_SGT | TESTEXP_CREATE_NO_MAP},
    {"huge+show_pages", TESTEXP_CREATE_HUGE | TESTEXP_CREATE_SHOW_PAGES},
};

/* NO_ATTRS takes get_pfn_attrs away, and nothing else. */
void create_without_attrs() {
    const Layout layout = Layout{}.ram(1).synthetic(0x1000, 1, {.cache = TESTEXP_CACHE_WC});
    const Buffer buffer =
        device().create({.layout = layout, .flags = TESTEXP_CREATE_NO_ATTRS}).value();
    const Importer importer = device().attach(buffer.fd.get()).value();
    const Buffer with_attrs = device().create({.layout = layout}).value();
    const Importer beside = device().attach(with_attrs.fd.get()).value();

    ksft::expect_eq(importer.resolve(1, 1).value()[0].error, 0, "get_pfn");
    ksft::expect_eq(importer.describe(1, TESTEXP_DESCRIBE_ATTRS).code(), EOPNOTSUPP,
                    "DESCRIBE with ATTRS");
    ksft::expect_eq(importer.describe(1).value().cache, TESTEXP_CACHE_WC, "cache mode");
    ksft::expect_eq(beside.describe(1, TESTEXP_DESCRIBE_ATTRS).code(),
                    device().has(TESTEXP_FEAT_PFN_ATTRS) ? 0 : EOPNOTSUPP,
                    "DESCRIBE with ATTRS, of a buffer without the flag");
    ksft::expect_eq(device()
                        .create({.layout = layout,
                                 .flags = TESTEXP_CREATE_NO_ATTRS | TESTEXP_CREATE_NO_GET_PFN})
                        .code(),
                    0, "NO_ATTRS with NO_GET_PFN");
}

/* The module copies the answer out before it installs the descriptor. */
void read_only_struct(const Call& call) {
    const Objects objects;
    const std::vector<unsigned char> good = call.good(objects);
    const testexp_info before = device().read_info().value();
    void* page =
        mmap(nullptr, page_bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (page == MAP_FAILED)
        ksft::fail("mmap");
    std::memcpy(page, good.data(), good.size());
    if (mprotect(page, page_bytes(), PROT_READ) < 0)
        ksft::fail("mprotect");

    const int next = next_fd();

    ksft::expect_eq(errno_of_call(descriptor(objects, call.on), call.request, page), EFAULT,
                    "a struct that cannot be written");

    const testexp_info after = device().read_info().value();

    ksft::expect_eq(after.nr_buffers, before.nr_buffers, "nr_buffers");
    ksft::expect_eq(after.nr_importers, before.nr_importers, "nr_importers");
    ksft::expect_eq(after.used_pages, before.used_pages, "used_pages");
    ksft::expect_eq(next_fd(), next, "the next descriptor");
}

/* Fills the table of descriptors until it is destroyed. */
class FullTable {
public:
    FullTable() {
        if (getrlimit(RLIMIT_NOFILE, &before_) < 0)
            ksft::fail(errno_error("getrlimit").what);

        /* All lower numbers are taken when the next one is the last filler's number plus 1. */
        rlimit none = before_;

        do
            fillers_.emplace_back(dup(device().fd()));
        while (next_fd() != fillers_.back().get() + 1);
        none.rlim_cur = static_cast<rlim_t>(fillers_.back().get()) + 1;
        if (setrlimit(RLIMIT_NOFILE, &none) < 0)
            ksft::fail(errno_error("setrlimit").what);
    }
    FullTable(const FullTable&) = delete;
    FullTable& operator=(const FullTable&) = delete;
    ~FullTable() { (void)setrlimit(RLIMIT_NOFILE, &before_); }

private:
    rlimit before_{};
    std::vector<Fd> fillers_;
};

/*
 * A call that finds no free descriptor number leaves nothing behind. The same call succeeds once a
 * number is free.
 */
void full_descriptor_table(const Call& call) {
    const Objects objects;
    const testexp_info before = device().read_info().value();
    std::vector<unsigned char> argument = call.good(objects);

    {
        const FullTable full;

        ksft::expect_eq(dup(device().fd()), -1, "dup()");
        ksft::expect_eq(errno_of_call(descriptor(objects, call.on), call.request, argument.data()),
                        EMFILE, "no descriptor left");
    }

    const testexp_info after = device().read_info().value();
    const int next = next_fd();

    ksft::expect_eq(after.nr_buffers, before.nr_buffers, "nr_buffers");
    ksft::expect_eq(after.nr_importers, before.nr_importers, "nr_importers");
    ksft::expect_eq(after.used_pages, before.used_pages, "used_pages");
    argument = call.good(objects);
    ksft::expect_eq(errno_of_call(descriptor(objects, call.on), call.request, argument.data()), 0,
                    "with room for a descriptor");
    ksft::expect_eq(close(next), 0, "close() of the new descriptor");
    ksft::expect_eq(device().read_info().value().used_pages, before.used_pages,
                    "used_pages after that");
}

/* As many extents as INFO allows, where each repeat counts, and as many pages. */
void largest_that_is_allowed() {
    const testexp_info& info = device().info();
    CreateSpec most{.layout = Layout{}.hole(1)};

    most.layout.extents[0].repeat = info.max_extents;
    ksft::expect_eq(device().create(most).code(), 0, "max_extents extents");
    ksft::expect_eq(
        device().create({.layout = Layout{}.ram(std::uint64_t{1} << info.max_page_order)}).code(),
        0, "an extent of 2^max_page_order pages");
}

/* The last value that each limit of an extent allows; the next value is in bad_extents(). */
void extents_at_their_limits() {
    const testexp_info& info = device().info();
    const std::uint64_t last_pfn = (std::uint64_t{1} << TESTEXP_PFN_BITS) - 1;
    const auto create = [](const Layout& layout) {
        return device().create({.layout = layout}).code();
    };
    Layout aligned = Layout{}.ram(1, {.align_order = TESTEXP_MAX_ALIGN_ORDER}).hole(1);
    Layout many_mmio;

    ksft::expect_eq(create(Layout{}.ram(1, {.align_order = 3, .skew = 7})), 0, "the largest skew");
    ksft::expect_eq(create(Layout{}.synthetic(last_pfn, 1)), 0, "the last PFN");
    ksft::expect_eq(
        create(Layout{}.synthetic(last_pfn - 5, 2, {.cache = TESTEXP_CACHE_WB, .repeat = 3})), 0,
        "repeats up to the last PFN");
    ksft::expect_eq(create(Layout{}.hole((std::uint64_t{1} << 51) - 1)), 0, "the most bytes");
    ksft::expect_eq(create(Layout{}.ram(2).alias(1, 1)), 0, "an alias of the last page");

    /* No machine has such a page, so the next extent is refused, with another errno. */
    aligned.extents[1].repeat = info.max_extents + 1ULL;
    ksft::expect_eq(create(aligned), ENOSPC, "the largest alignment");

    if (info.mmio_pages == 0)
        return;
    for (int i = 0; i < TESTEXP_MAX_MMIO_EXTENTS; i++)
        many_mmio.mmio(0, 1);
    ksft::expect_eq(create(many_mmio), 0, "the most extents of MMIO");
    ksft::expect_eq(create(Layout{}.mmio(info.mmio_pages - 1, 1)), 0, "the last page of the BAR");
}

/*
 * max_pages limits the pages of all buffers together. When a buffer is closed, others can have its
 * pages.
 */
void limit_of_all_buffers() {
    const testexp_info& info = device().info();
    const std::uint64_t before = device().read_info().value().used_pages;
    std::vector<Buffer> buffers;

    buffers.reserve(3);
    ksft::expect_eq(before, 0, "used_pages before");
    for (int i = 0; i < 3; i++)
        buffers.push_back(device().create({.layout = Layout{}.ram(1024)}).value());

    const std::uint64_t used = device().read_info().value().used_pages;

    ksft::expect(used >= 3072 && used < 3072 + 64,
                 "used_pages counts the buffers: " + std::to_string(used));
    /* Without those buffers, this one would fit. */
    const CreateSpec too_much{
        .layout =
            Layout{}.ram(512, {.align_order = 0, .skew = 0, .repeat = info.max_pages / 512 - 2})};

    ksft::expect_eq(device().create(too_much).code(), ENOSPC, "CREATE over the limit");
    buffers.clear();
    ksft::expect_eq(device().read_info().value().used_pages, before, "used_pages after");
}

/* --- STATS, REVOKE, INFO, MISUSE ------------------------------------------ */

void reserved_fields() {
    const Objects objects;
    testexp_info info = objects.info();
    testexp_revoke revoke = objects.revoke();
    testexp_restore restore = objects.restore();
    testexp_move move = objects.move();
    testexp_signal signal = objects.signal();
    testexp_describe describe = objects.describe();
    testexp_run run = objects.run();
    testexp_join join = objects.join();

    info.reserved = 1;
    describe.reserved = 1;
    ksft::expect_eq(errno_of_call(objects.importer.fd(), TESTEXP_IOC_DESCRIBE, &describe), EINVAL,
                    "DESCRIBE");
    run.reserved = 1;
    join.reserved = 1;
    ksft::expect_eq(errno_of_call(objects.contention.fd(), TESTEXP_IOC_RUN, &run), EINVAL, "RUN");
    ksft::expect_eq(errno_of_call(objects.contention.fd(), TESTEXP_IOC_JOIN, &join), EINVAL,
                    "JOIN");
    revoke.reserved = 1;
    restore.reserved = 1;
    move.reserved = 1;
    signal.reserved = 1;
    ksft::expect_eq(errno_of_call(device().fd(), TESTEXP_IOC_RESTORE, &restore), EINVAL, "RESTORE");
    ksft::expect_eq(errno_of_call(device().fd(), TESTEXP_IOC_MOVE, &move), EINVAL, "MOVE");
    ksft::expect_eq(errno_of_call(objects.importer.fd(), TESTEXP_IOC_SIGNAL, &signal), EINVAL,
                    "SIGNAL");
    ksft::expect_eq(errno_of_call(device().fd(), TESTEXP_IOC_INFO, &info), EINVAL, "INFO");
    ksft::expect_eq(errno_of_call(device().fd(), TESTEXP_IOC_REVOKE, &revoke), EINVAL, "REVOKE");
    ksft::expect_eq(objects.importer.resolve(0, 1).value()[0].error, 0, "not revoked");
}

void misuse_range() {
    ksft::expect_eq(device().misuse(TESTEXP_MISUSE_CASES).code(), EINVAL, "unknown case");
    if (!device().has(TESTEXP_FEAT_MISUSE))
        ksft::expect_eq(device().misuse(TESTEXP_MISUSE_EXPORT, good_export).code(), EPERM,
                        "not allowed");
    ksft::expect_eq(device().misuse(TESTEXP_MISUSE_NULL_ATTACH, good_export).code(), EINVAL,
                    "flags of another case");
}

void info_is_plausible() {
    const testexp_info& info = device().info();

    ksft::expect_eq(info.abi_version, TESTEXP_ABI_VERSION, "abi_version");
    ksft::expect_eq(std::uint64_t{1} << info.page_shift, page_bytes(), "page size");
    ksft::expect(info.max_extents > 0 && info.max_pages > 0, "INFO has limits");
    ksft::expect(info.clock_khz > 0, "the clock has a frequency");
    for (const char* symbol : {info.get_pfn_symbol, info.get_pfn_unlocked_symbol})
        ksft::expect(*symbol != 0 && memchr(symbol, 0, TESTEXP_SYMBOL_LEN) != nullptr,
                     "the symbol is a string");
    ksft::expect_eq(std::string(info.get_pfn_symbol),
                    device().has(TESTEXP_FEAT_NATIVE) ? "dma_buf_get_pfn" : "testexp_get_pfn",
                    "get_pfn_symbol");
}

std::string content_of(const char* path) {
    std::ifstream file(path);

    return {std::istreambuf_iterator<char>(file), {}};
}

/* The number after @name in a file of lines such as "MemTotal:  3042220 kB". */
std::uint64_t number_in(const char* path, const std::string& name) {
    const std::string text = content_of(path);
    const std::size_t found = text.find(name);

    if (found == std::string::npos)
        ksft::fail(std::string(path) + " has no " + name);
    return std::stoull(text.substr(found + name.size()));
}

/* INFO about the machine agrees with what the kernel says elsewhere. */
void info_is_true() {
    const testexp_info& info = device().info();
    const std::uint64_t memory = number_in("/proc/meminfo", "MemTotal:") * 1024 / page_bytes();
    std::istringstream words(content_of("/proc/buddyinfo"));
    std::string line;
    std::uint64_t orders = 0;

    /* "Node 0, zone DMA", followed by a count for each order. */
    std::getline(words, line);
    words.str(line.substr(line.find("zone")));
    for (std::string word; words >> word;)
        orders++;
    ksft::expect_eq(info.max_page_order, orders - 3, "max_page_order");

    /* The parameter's default. The kernel's memory may have changed by a few pages since. */
    ksft::expect(info.max_pages > memory / 100 * 74 && info.max_pages < memory / 100 * 76,
                 "max_pages is three quarters of " + std::to_string(memory) + ": " +
                     std::to_string(info.max_pages));
}

/* Whether the running kernel is at least this version. */
bool kernel_is_at_least(int version, int patchlevel) {
    utsname names{};
    int major = 0;
    int minor = 0;
    char dot = 0;

    (void)uname(&names);
    std::istringstream(names.release) >> major >> dot >> minor;
    return std::pair(major, minor) >= std::pair(version, patchlevel);
}

/* Features that user space can check elsewhere. */
void features_are_true() {
    const auto expect = [](std::uint32_t feature, bool there, const char* what) {
        ksft::expect_eq(device().has(feature), there, what);
    };
    const bool native = kernel_has_symbol("dma_buf_get_pfn");
    const std::string misuse =
        content_of("/sys/module/" TESTEXP_DEVICE_NAME "/parameters/allow_misuse");

    expect(TESTEXP_FEAT_NATIVE, native, "NATIVE");
    expect(TESTEXP_FEAT_NO_DEVICE, native, "NO_DEVICE");
    expect(TESTEXP_FEAT_NO_MAP, native, "NO_MAP");
    expect(TESTEXP_FEAT_MAP_LOCKED, kernel_is_at_least(6, 2), "MAP_LOCKED");
    expect(TESTEXP_FEAT_WALK, kernel_has_symbol("follow_pfnmap_start"), "WALK");
    expect(TESTEXP_FEAT_PFN_ATTRS, kernel_has_symbol("dma_buf_get_pfn_attrs"), "PFN_ATTRS");
    expect(TESTEXP_FEAT_NO_NOTIFY, kernel_has_symbol("dma_buf_invalidate_mappings"), "NO_NOTIFY");
    expect(TESTEXP_FEAT_REVOKE_UNMAPS, kernel_has_symbol("dma_buf_invalidate_mappings"),
           "REVOKE_UNMAPS");
    expect(TESTEXP_FEAT_LOCKDEP, access("/sys/module/lockdep/parameters/prove_locking", F_OK) == 0,
           "LOCKDEP");
    expect(TESTEXP_FEAT_KASAN, kernel_has_symbol("kasan_report"), "KASAN");
    expect(TESTEXP_FEAT_MISUSE, misuse == "Y\n", "MISUSE");
    /* On x86-64 a kernel with transparent huge pages can map PFNs by a PMD leaf. */
#ifdef __x86_64__
    expect(TESTEXP_FEAT_HUGE, kernel_is_at_least(6, 12) && kernel_has_symbol("vmf_insert_pfn_pmd"),
           "HUGE");
#endif
    ksft::expect_eq(
        device().create({.layout = Layout{}.ram(1), .flags = TESTEXP_CREATE_HUGE}).code(),
        device().has(TESTEXP_FEAT_HUGE) ? 0 : EOPNOTSUPP, "CREATE with HUGE, as INFO says");
}

/* --- RESOLVE and MAP ------------------------------------------------------ */

void resolve_fields() {
    const Objects objects;
    const auto with = [&](auto&& change) {
        testexp_resolve argument = objects.resolve();

        change(argument);
        return errno_of_call(objects.importer.fd(), TESTEXP_IOC_RESOLVE, &argument);
    };

    ksft::expect_eq(with([](auto&) {}), 0, "the good call");
    ksft::expect_eq(with([](auto& a) { a.count = 0; }), EINVAL, "count 0");
    ksft::expect_eq(with([](auto& a) { a.stride = 0; }), EINVAL, "stride 0");
    ksft::expect_eq(with([](auto& a) { a.pgoff = u64_max; }), EOVERFLOW, "pgoff + count wraps");
    ksft::expect_eq(with([](auto& a) { a.stride = u64_max; }), EOVERFLOW, "count * stride wraps");
    ksft::expect_eq(with([](auto& a) {
                        a.pgoff = 1;
                        a.count = 2;
                        a.stride = u64_max;
                    }),
                    EOVERFLOW, "pgoff + stride wraps");
    ksft::expect_eq(with([](auto& a) {
                        a.pgoff = u64_max;
                        a.count = 1;
                        a.stride = u64_max;
                    }),
                    0, "the last possible pgoff");
    ksft::expect_eq(with([](auto& a) { a.results = 0; }), EFAULT, "results NULL");
    ksft::expect_eq(with([](auto& a) { a.results = bad_pointer; }), EFAULT, "results");
    ksft::expect_eq(with([](auto& a) {
                        a.results = user_pointer(page_before_a_guard());
                        a.count = std::uint64_t{1} << 62;
                    }),
                    EFAULT, "results too short");
}

void map_fields() {
    const Buffer buffer =
        device()
            .create({.layout = Layout{}.ram(1, {.repeat = 100}), .flags = TESTEXP_CREATE_SCATTER})
            .value();
    const Importer importer = device().attach(buffer.fd.get()).value();
    std::vector<testexp_map_entry> entries(100,
                                           {.dma_address = 7, .length_bytes = 7, .link_pfn = 7});
    auto argument = sized<testexp_map>();

    argument.entries = user_pointer(entries.data());
    argument.capacity = 99;
    ksft::expect_eq(errno_of_call(importer.fd(), TESTEXP_IOC_MAP, &argument), ENOSPC,
                    "capacity too small");
    ksft::expect_eq(argument.nr_entries, 100, "nr_entries");

    ksft::expect_eq(errno_of_call(importer.fd(), TESTEXP_IOC_MAP, &argument), EINVAL,
                    "nr_entries not 0");

    argument.capacity = 100;
    argument.nr_entries = 0;
    ksft::expect_eq(errno_of_call(importer.fd(), TESTEXP_IOC_MAP, &argument), 0,
                    "capacity just enough");
    ksft::expect_eq(argument.nr_entries, 100, "nr_entries");
    for (const testexp_map_entry& entry : entries)
        ksft::expect_eq(entry.length_bytes, page_bytes(), "length_bytes");

    argument.nr_entries = 0;
    argument.entries = bad_pointer;
    ksft::expect_eq(errno_of_call(importer.fd(), TESTEXP_IOC_MAP, &argument), EFAULT, "entries");

    ksft::expect_eq(importer.map_kernel().code(), 0, "KERNEL");
    ksft::expect_eq(importer.map_kernel().code(), 0, "KERNEL again");
    argument.flags = TESTEXP_MAP_KERNEL;
    argument.nr_entries = 1;
    ksft::expect_eq(errno_of_call(importer.fd(), TESTEXP_IOC_MAP, &argument), EINVAL,
                    "KERNEL with nr_entries not 0");

    const testexp_stats stats = device().stats(buffer.fd.get()).value();

    ksft::expect_eq(stats.unmaps, stats.maps, "unmaps, against maps");
}

/* A segment that is too long for swiotlb: the exporter has made the sg_table, and frees it. */
void failed_map_leaves_nothing() {
    REQUIRE(dma_kind() == DmaKind::swiotlb, "the kernel was not booted with swiotlb=force");

    const Buffer buffer =
        device().create({.layout = Layout{}.ram(512, {.align_order = 9})}).value();
    const Importer importer = device().attach(buffer.fd.get()).value();
    const std::uint64_t used = device().read_info().value().used_pages;

    ksft::expect_eq(importer.map().code(), EIO, "MAP");
    ksft::expect_eq(device().read_info().value().used_pages, used, "used_pages");
    ksft::expect_eq(device().stats(buffer.fd.get()).value().maps, 0, "maps");
    ksft::expect_eq(device().revoke(buffer.fd.get()).code(), 0, "REVOKE");
}

/* KERNEL compares its mapping with the buffer page by page, and fails where they differ. */
void kernel_mapping_has_its_pages(const Layout& layout) {
    const Buffer buffer =
        device().create({.layout = layout, .flags = TESTEXP_CREATE_SCATTER}).value();

    ksft::expect_eq(device().attach(buffer.fd.get()).value().map_kernel().code(), 0, "KERNEL");
}

void plan_kernel_mappings(ksft::Plan& plan) {
    const struct {
        const char* name;
        Layout layout;
    } rows[] = {
        {"one_extent", Layout{}.ram(16)},
        {"pages", Layout{}.ram(1, {.repeat = 16})},
        {"mixed_orders", Layout{}.ram(1).ram(4, {.align_order = 2, .repeat = 3}).ram(7)},
    };

    for (const auto& row : rows)
        plan.add(std::string("abi.kernel_mapping_has_its_pages[layout=") + row.name + "]",
                 [layout = row.layout] { kernel_mapping_has_its_pages(layout); });
}

/* --- DESCRIBE and WALK ---------------------------------------------------- */

void describe_fields() {
    const Buffer buffer = device().create({.layout = Layout{}.hole(3).ram(4).priv(1)}).value();
    const Importer importer = device().attach(buffer.fd.get()).value();
    const testexp_describe last_of_ram = importer.describe(6).value();

    ksft::expect_eq(last_of_ram.first, 3, "first");
    ksft::expect_eq(last_of_ram.nr_pages, 4, "nr_pages");
    ksft::expect_eq(last_of_ram.type, TESTEXP_EXTENT_RAM, "type");
    ksft::expect_eq(last_of_ram.cache, TESTEXP_CACHE_WB, "cache");
    ksft::expect_eq(last_of_ram.attributes, 0, "attributes");
    ksft::expect_eq(importer.describe(7).value().type, TESTEXP_EXTENT_PRIVATE, "the last page");
    ksft::expect_eq(importer.describe(8).code(), EINVAL, "the page behind the end");
    ksft::expect_eq(importer.describe(u64_max).code(), EINVAL, "the last possible pgoff");
    (void)device().revoke(buffer.fd.get()).value();
    ksft::expect_eq(importer.describe(6).code(), ENODEV, "when revoked");
    ksft::expect_eq(importer.describe(8).code(), EINVAL, "behind the end, when revoked");
}

void walk_fields() {
    REQUIRE(device().has(TESTEXP_FEAT_WALK), "the kernel has no follow_pfnmap_start()");

    const Objects objects;
    const auto with = [&](auto&& change) {
        testexp_walk argument = objects.walk();

        change(argument);
        return errno_of_call(device().fd(), TESTEXP_IOC_WALK, &argument);
    };
    const std::uint64_t page = page_bytes();

    ksft::expect_eq(with([](auto&) {}), 0, "the good call");
    ksft::expect_eq(with([](auto& a) { a.count = 0; }), EINVAL, "count 0");
    ksft::expect_eq(with([](auto& a) { a.address++; }), EINVAL, "address inside a page");
    ksft::expect_eq(with([](auto& a) { a.count = u64_max; }), EOVERFLOW, "count * page wraps");
    ksft::expect_eq(with([=](auto& a) { a.count = u64_max / page; }), EOVERFLOW,
                    "address + length wraps");
    ksft::expect_eq(with([=](auto& a) {
                        a.address = -page;
                        a.count = 1;
                    }),
                    EOVERFLOW, "the last possible page");
    ksft::expect_eq(with([](auto& a) { a.results = 0; }), EFAULT, "results NULL");
    ksft::expect_eq(with([](auto& a) { a.results = bad_pointer; }), EFAULT, "results");
}

/* The answer for each page, with and without fault-in. */
void walk_answers() {
    REQUIRE(device().has(TESTEXP_FEAT_WALK), "the kernel has no follow_pfnmap_start()");

    const Layout layout = Layout{}.ram(1).hole(1);
    const Buffer buffer = device().create({.layout = layout}).value();
    const Buffer mixedmap =
        device().create({.layout = layout, .flags = TESTEXP_CREATE_SHOW_PAGES}).value();
    const Mapping mapping = Mapping::map(buffer.fd.get(), 2).value();
    const Mapping other = Mapping::map(mixedmap.fd.get(), 2).value();
    const Mapping readable = Mapping::map(buffer.fd.get(), 1).value();
    const auto walk = [](const std::byte* address, std::uint32_t flags = 0) {
        return device().walk(address, 1, flags).value()[0];
    };
    const auto refused = [&](const testexp_walked& walked, int code, const char* what) {
        ksft::expect_eq(walked.error, -code, what);
        ksft::expect_eq(walked.pfn, 0, std::string("PFN: ") + what);
    };
    const std::byte* ram = mapping.bytes().data();
    const std::byte* hole = ram + page_bytes();

    refused(walk(nullptr), EFAULT, "where nothing is mapped");
    // NOLINTNEXTLINE(performance-no-int-to-ptr)
    refused(walk(reinterpret_cast<const std::byte*>(bad_pointer)), EFAULT, "the kernel's");
    refused(walk(other.bytes().data(), TESTEXP_WALK_FAULT_IN), EINVAL, "VM_MIXEDMAP");
    refused(walk(ram), EFAULT, "before the page was touched");
    refused(walk(hole, TESTEXP_WALK_FAULT_IN), EFAULT, "a page that faults with SIGBUS");

    ksft::expect_eq(mprotect(readable.bytes().data(), page_bytes(), PROT_READ), 0, "mprotect");
    refused(walk(readable.bytes().data(), TESTEXP_WALK_FAULT_IN), EFAULT,
            "FAULT_IN, which is for writing, of a page that is only readable");

    const testexp_walked found = walk(ram, TESTEXP_WALK_FAULT_IN);

    ksft::expect_eq(found.error, 0, "with FAULT_IN");
    ksft::expect(found.pfn != 0, "there is a PFN");
    ksft::expect_eq(walk(ram).pfn, found.pfn, "PFN without FAULT_IN, of a page that is mapped");
}

/* --- MEASURE -------------------------------------------------------------- */

void measure_fields() {
    const Objects objects;
    const auto with = [&](auto&& change) {
        testexp_measure argument = objects.measure();

        change(argument);
        return errno_of_call(objects.importer.fd(), TESTEXP_IOC_MEASURE, &argument);
    };

    ksft::expect_eq(with([](auto&) {}), 0, "the good call");
    ksft::expect_eq(with([](auto& a) { a.path = TESTEXP_PATHS; }), EINVAL, "unknown path");
    ksft::expect_eq(with([](auto& a) { a.path = ~0U; }), EINVAL, "unknown path");
    ksft::expect_eq(with([](auto& a) { a.ops_per_batch = 0; }), EINVAL, "ops_per_batch 0");
    ksft::expect_eq(with([](auto& a) { a.ops_per_batch = TESTEXP_MAX_OPS_PER_BATCH + 1; }), EINVAL,
                    "ops_per_batch too many");
    ksft::expect_eq(with([](auto& a) { a.ops_per_batch = TESTEXP_MAX_OPS_PER_BATCH; }), 0,
                    "the most ops_per_batch");
    ksft::expect_eq(with([](auto& a) { a.batches = 0; }), EINVAL, "batches 0");
    ksft::expect_eq(with([](auto& a) { a.nr_pages = 0; }), EINVAL, "nr_pages 0");
    ksft::expect_eq(with([](auto& a) { a.nr_pages = 5; }), EINVAL, "window behind the end");
    ksft::expect_eq(with([](auto& a) { a.pgoff = 4; }), EINVAL, "window at the end");
    ksft::expect_eq(with([](auto& a) { a.pgoff = 1; }), EINVAL, "window over the end");
    /* A path that asks for no page: with another path the core would refuse the window as well. */
    ksft::expect_eq(with([](auto& a) {
                        a.pgoff = 1;
                        a.path = TESTEXP_PATH_EMPTY;
                    }),
                    EINVAL, "window over the end, no page asked for");
    ksft::expect_eq(with([](auto& a) { a.pgoff = u64_max; }), EINVAL, "window that wraps");
    ksft::expect_eq(with([](auto& a) { a.mode = TESTEXP_MODES; }), EINVAL, "unknown mode");
    ksft::expect_eq(with([](auto& a) { a.sequence = TESTEXP_SEQUENCES; }), EINVAL,
                    "unknown sequence");
    ksft::expect_eq(with([](auto& a) { a.stride = 1; }), EINVAL, "a stride for FORWARD");
    for (const std::uint64_t stride : {std::uint64_t{0}, std::uint64_t{5}, u64_max})
        ksft::expect_eq(with([stride](auto& a) {
                            a.sequence = TESTEXP_SEQUENCE_STRIDED;
                            a.stride = stride;
                        }),
                        EINVAL, "STRIDED by " + std::to_string(stride));
    ksft::expect_eq(with([](auto& a) {
                        a.sequence = TESTEXP_SEQUENCE_STRIDED;
                        a.stride = 4;
                    }),
                    0, "STRIDED by nr_pages");
    ksft::expect_eq(with([](auto& a) {
                        a.sequence = TESTEXP_SEQUENCE_RANDOM;
                        a.nr_pages = 3;
                    }),
                    EINVAL, "RANDOM, not a power of two");
    for (const Path& path : paths)
        if (!path.any_sequence)
            ksft::expect_eq(with([&path](auto& a) {
                                a.sequence = TESTEXP_SEQUENCE_RANDOM;
                                a.path = path.id;
                            }),
                            EINVAL, std::string("RANDOM, path ") + path.name);
    for (const Path& path : paths)
        if (!path.needs_mapping())
            ksft::expect_eq(with([&path](auto& a) {
                                a.address = page_bytes();
                                a.path = path.id;
                            }),
                            EINVAL, std::string("address without use, path ") + path.name);
    ksft::expect_eq(with([](auto& a) { a.hist = bad_pointer; }), EFAULT, "hist");
    ksft::expect_eq(with([](auto& a) { a.hist = 0; }), 0, "no hist");
}

void deliver_fields() {
    Objects objects;
    const auto with = [&](auto&& change) {
        testexp_deliver argument = objects.deliver();

        change(argument);
        return errno_of_call(objects.importer.fd(), TESTEXP_IOC_DELIVER, &argument);
    };

    ksft::expect_eq(with([](auto&) {}), 0, "the good call");
    ksft::expect_eq(with([](auto& a) { a.path = TESTEXP_PATHS; }), EINVAL, "unknown path");
    ksft::expect_eq(with([](auto& a) { a.sequence = TESTEXP_SEQUENCES; }), EINVAL,
                    "unknown sequence");
    ksft::expect_eq(with([](auto& a) { a.stride = 1; }), EINVAL, "a stride for FORWARD");
    ksft::expect_eq(with([](auto& a) { a.nr_pages = 5; }), EINVAL, "window behind the end");
    ksft::expect_eq(with([](auto& a) { a.address = page_bytes(); }), EINVAL, "address without use");
    ksft::expect_eq(with([](auto& a) { a.ops = 0; }), EINVAL, "ops 0");
    ksft::expect_eq(with([](auto& a) { a.ops = TESTEXP_MAX_OPS_PER_BATCH + 1; }), EINVAL,
                    "ops too many");
    ksft::expect_eq(with([](auto& a) { a.capacity = 0; }), EINVAL, "capacity 0");
    ksft::expect_eq(with([](auto& a) { a.capacity = TESTEXP_MAX_DELIVERED + 1; }), EINVAL,
                    "capacity too large");
    ksft::expect_eq(with([](auto& a) { a.capacity = 3; }), ENOSPC, "no room");
    ksft::expect_eq(with([](auto& a) { a.capacity = 4; }), 0, "just enough room");
    /* One operation of these delivers the whole buffer, which is one extent. */
    for (const testexp_path path : {TESTEXP_PATH_PHYS_LIST, TESTEXP_PATH_SGT_MAP}) {
        const auto deliver = [&](std::uint32_t ops) {
            return with([=](auto& a) {
                a.path = path;
                a.ops = ops;
                a.capacity = 1;
            });
        };

        ksft::expect_eq(deliver(2), ENOSPC, "no room, path " + std::to_string(path));
        ksft::expect_eq(deliver(1), 0, "just enough room, path " + std::to_string(path));
    }
    objects.delivered.resize(TESTEXP_MAX_DELIVERED);
    ksft::expect_eq(with([](auto& a) { a.ops = TESTEXP_MAX_OPS_PER_BATCH; }), 0,
                    "the most operations and the most room");
    ksft::expect_eq(with([](auto& a) { a.reserved = 1; }), EINVAL, "reserved");
    ksft::expect_eq(with([](auto& a) { a.delivered = bad_pointer; }), EFAULT, "delivered");
}

/* MEASURE returns the errors of the path's calls. */
void measure_passes_errors_on() {
    const Buffer buffer = device().create({.layout = Layout{}.hole(2).ram(1)}).value();
    const Importer importer = device().attach(buffer.fd.get()).value();
    const Buffer blind =
        device().create({.layout = Layout{}.ram(1), .flags = TESTEXP_CREATE_NO_GET_PFN}).value();
    const Importer without = device().attach(blind.fd.get()).value();

    for (const testexp_path path : {TESTEXP_PATH_EXPORTER_OP, TESTEXP_PATH_GET_PFN,
                                    TESTEXP_PATH_GET_PFN_STRIDE, TESTEXP_PATH_GET_PFN_BATCH}) {
        ksft::expect_eq(importer.measure({.path = path, .nr_pages = 3}).code(), ENXIO, "a hole");
        ksft::expect_eq(importer.measure({.path = path, .nr_pages = 1, .pgoff = 2}).code(), 0,
                        "a window behind the hole");
        ksft::expect_eq(without.measure({.path = path}).code(), EINVAL, "no get_pfn");
        ksft::expect_eq(without.measure({.path = path, .warmup_batches = 0}).code(), EINVAL,
                        "no get_pfn, no warm-up");
    }
    ksft::expect_eq(importer.measure({.path = TESTEXP_PATH_SGT_MAP, .nr_pages = 3}).code(),
                    EOPNOTSUPP, "map of a hole");
    ksft::expect_eq(importer.measure({.path = TESTEXP_PATH_EMPTY}).code(), 0, "baseline");
}

/* The contract's number of calls: one for each block, not one for each page. */
void stride_makes_few_calls(std::uint32_t order) {
    const std::uint64_t blocks = quick() ? 16 : 64;
    const std::uint64_t nr_pages = blocks << order;
    const Layout layout = Layout::uniform(nr_pages * page_bytes(), order);
    const Buffer buffer =
        device().create({.layout = layout, .flags = TESTEXP_CREATE_SCATTER}).value();
    const Importer importer = device().attach(buffer.fd.get()).value();
    const Measurement measured = importer
                                     .measure({.path = TESTEXP_PATH_GET_PFN_STRIDE,
                                               .nr_pages = nr_pages,
                                               .ops_per_batch = static_cast<std::uint32_t>(blocks),
                                               .batches = 3,
                                               .warmup_batches = 0})
                                     .value();

    ksft::expect_eq(measured.totals.pages, 3 * nr_pages, "pages delivered by three rounds");
    ksft::expect_eq(device().stats(buffer.fd.get()).value().get_pfns, 3 * blocks,
                    "calls of get_pfn");
}

/* A window may begin and end within a block: no page outside the window is delivered. */
void stride_keeps_to_the_window() {
    const Buffer buffer = device()
                              .create({.layout = Layout{}.ram(8, {.align_order = 3, .repeat = 2}),
                                       .flags = TESTEXP_CREATE_SCATTER})
                              .value();
    const Importer importer = device().attach(buffer.fd.get()).value();
    const auto pages_of_first = [&](std::uint64_t batches) {
        return importer
            .measure({.path = TESTEXP_PATH_GET_PFN_STRIDE,
                      .nr_pages = 10,
                      .pgoff = 2,
                      .ops_per_batch = 1,
                      .batches = batches,
                      .warmup_batches = 0})
            .value()
            .totals.pages;
    };

    ksft::expect_eq(pages_of_first(1), 6, "pages of the first block, from pgoff on");
    ksft::expect_eq(pages_of_first(2), 10, "pages of the second block, as far as the window goes");
    ksft::expect_eq(pages_of_first(3), 16, "pages of the first block again");
}

/* --- MOVE, FILL, ATTACH --------------------------------------------------- */

void move_fields() {
    const Objects objects;
    const std::uint64_t before = device().read_info().value().used_pages;
    const auto with = [&](auto&& change) {
        testexp_move argument = objects.move();

        change(argument);
        return errno_of_call(device().fd(), TESTEXP_IOC_MOVE, &argument);
    };
    const auto move = [&](const Layout& layout) {
        return device().move(objects.movable.fd.get(), layout).code();
    };

    ksft::expect_eq(with([](auto& a) { a.nr_extents = 0; }), EINVAL, "nr_extents 0");
    ksft::expect_eq(with([](auto& a) { a.nr_extents = ~0U; }), ENOSPC, "nr_extents too many");
    ksft::expect_eq(with([](auto& a) { a.extents = 0; }), EFAULT, "extents NULL");
    ksft::expect_eq(with([](auto& a) { a.extents = bad_pointer; }), EFAULT, "extents");
    ksft::expect_eq(with([](auto& a) { a.timeout_ms = TESTEXP_WAIT_MS + 1; }), EINVAL,
                    "timeout_ms");
    ksft::expect_eq(with([&](auto& a) { a.fd = objects.buffer.fd.get(); }), EINVAL,
                    "a buffer that is not dynamic");
    for (const BadExtents& bad : bad_extents())
        ksft::expect_eq(move(bad.layout), bad.code, bad.name);
    ksft::expect_eq(move(Layout{}.ram(2)), EINVAL, "too many pages");
    ksft::expect_eq(move(Layout{}.hole(1)), EINVAL, "another type");
    ksft::expect_eq(move(Layout{}.synthetic(1, 1)), EINVAL, "another type with PFNs");
    ksft::expect_eq(device().stats(objects.movable.fd.get()).value().moves, 0, "moves");
    ksft::expect_eq(device().read_info().value().used_pages, before, "used_pages");

    ksft::expect_eq(with([](auto& a) { a.timeout_ms = TESTEXP_WAIT_MS; }), 0, "longest timeout");
    ksft::expect_eq(device().stats(objects.movable.fd.get()).value().moves, 1, "moves after one");
}

/* The kinds must be those of the buffer page by page, wherever the extents have their borders. */
void move_compares_kinds() {
    const std::uint64_t pfn = std::uint64_t{1} << 40;
    const Kind uncached{.cache = TESTEXP_CACHE_UC};
    const Kind for_peers{.cache = TESTEXP_CACHE_WB, .attributes = TESTEXP_EXTENT_P2P};
    const Buffer buffer = device()
                              .create({.layout = Layout{}.synthetic(pfn, 3).synthetic(pfn + 8, 1),
                                       .flags = TESTEXP_CREATE_DYNAMIC})
                              .value();
    const auto move = [&](const Layout& layout) {
        return device().move(buffer.fd.get(), layout).code();
    };

    ksft::expect_eq(move(Layout{}.synthetic(pfn, 4, uncached)), EINVAL, "another cache mode");
    ksft::expect_eq(move(Layout{}.synthetic(pfn, 4, for_peers)), EINVAL, "other attributes");
    for (std::uint64_t odd = 0; odd < 4; odd++) {
        Layout cache, attributes, type;

        for (std::uint64_t pgoff = 0; pgoff < 4; pgoff++) {
            cache.synthetic(pfn + pgoff, 1, pgoff == odd ? uncached : Kind{TESTEXP_CACHE_WB});
            attributes.synthetic(pfn + pgoff, 1, pgoff == odd ? for_peers : Kind{TESTEXP_CACHE_WB});
            pgoff == odd ? type.hole(1) : type.synthetic(pfn + pgoff, 1);
        }

        const std::string page = " of page " + std::to_string(odd);

        ksft::expect_eq(move(cache), EINVAL, "another cache mode" + page);
        ksft::expect_eq(move(attributes), EINVAL, "other attributes" + page);
        ksft::expect_eq(move(type), EINVAL, "another type" + page);
    }
    ksft::expect_eq(device().stats(buffer.fd.get()).value().moves, 0, "moves");
    ksft::expect_eq(move(Layout{}.synthetic(pfn, 1).synthetic(pfn + 16, 3)), 0, "other borders");
    ksft::expect_eq(move(Layout{}.synthetic(pfn, 3)), EINVAL, "fewer pages");
}

void fill_fields() {
    const Objects objects;
    const auto with = [&](auto&& change) {
        testexp_fill argument = objects.fill();

        change(argument);
        return errno_of_call(objects.importer.fd(), TESTEXP_IOC_FILL, &argument);
    };

    ksft::expect_eq(with([](auto& a) { a.mode = TESTEXP_FILL_MODES; }), EINVAL, "unknown mode");
    ksft::expect_eq(with([](auto& a) { a.mode = ~0U; }), EINVAL, "unknown mode");
    ksft::expect_eq(with([](auto& a) { a.count = 0; }), EINVAL, "count 0");
    ksft::expect_eq(with([](auto& a) { a.count = 5; }), EINVAL, "count behind the end");
    ksft::expect_eq(with([](auto& a) { a.pgoff = 4; }), EINVAL, "pgoff at the end");
    ksft::expect_eq(with([](auto& a) { a.pgoff = 1; }), EINVAL, "pgoff + count over the end");
    ksft::expect_eq(with([](auto& a) { a.pgoff = u64_max; }), EINVAL, "pgoff that wraps");
    ksft::expect_eq(with([](auto& a) { a.count = u64_max; }), EINVAL, "count that wraps");
    ksft::expect_eq(with([](auto& a) { a.pause_ms = 1; }), EINVAL, "pause_ms without PAUSE");
    ksft::expect_eq(with([](auto& a) { a.flags = TESTEXP_FILL_PAUSE; }), EINVAL, "pause_ms 0");
    ksft::expect_eq(with([](auto& a) {
                        a.flags = TESTEXP_FILL_PAUSE;
                        a.pause_ms = TESTEXP_WAIT_MS + 1;
                    }),
                    EINVAL, "pause_ms too long");
    ksft::expect_eq(objects.importer.audit().value().entries, 0, "entries");
    ksft::expect_eq(with([](auto&) {}), 0, "the good call");
    ksft::expect_eq(objects.importer.audit().value().entries, 4, "entries after the FILL");
}

/* The importer's table has a maximal size, even for a longer buffer, and its memory is charged. */
void table_limit() {
    const std::uint64_t before = device().read_info().value().used_pages;
    {
        const Buffer buffer =
            device().create({.layout = Layout{}.hole(std::uint64_t{1} << 40).ram(1)}).value();
        const Importer importer = device().attach(buffer.fd.get()).value();
        const std::uint64_t with_buffer = device().read_info().value().used_pages;

        ksft::expect_eq(importer.fill({.pgoff = TESTEXP_TABLE_PAGES - 1}).code(), ENXIO,
                        "the last page that has a place");
        ksft::expect_eq(importer.fill({.pgoff = TESTEXP_TABLE_PAGES}).code(), EINVAL,
                        "the page behind the last");
        ksft::expect(device().read_info().value().used_pages > with_buffer, "the table is charged");
    }
    ksft::expect_eq(device().read_info().value().used_pages, before, "used_pages after");
}

void attach_flags() {
    const Objects objects;
    const std::uint32_t dynamic = TESTEXP_ATTACH_DYNAMIC;

    for (const std::uint32_t flag :
         {TESTEXP_ATTACH_FENCE, TESTEXP_ATTACH_PIN, TESTEXP_ATTACH_NO_P2P, TESTEXP_ATTACH_ASK}) {
        ksft::expect_eq(device().attach(objects.movable.fd.get(), flag).code(), EINVAL,
                        "without DYNAMIC");
        ksft::expect_eq(device().attach(objects.movable.fd.get(), flag | dynamic).code(), 0,
                        "with DYNAMIC");
    }
    ksft::expect_eq(device().attach(objects.movable.fd.get(), TESTEXP_ATTACH_NO_NOTIFY).code(),
                    EINVAL, "NO_NOTIFY without DYNAMIC");
    for (const std::uint32_t flag :
         {TESTEXP_ATTACH_FENCE, TESTEXP_ATTACH_NO_P2P, TESTEXP_ATTACH_ASK})
        ksft::expect_eq(
            device()
                .attach(objects.movable.fd.get(), TESTEXP_ATTACH_NO_NOTIFY | dynamic | flag)
                .code(),
            EINVAL, "NO_NOTIFY with a flag that needs the callback");
    ksft::expect_eq(
        device().attach(objects.movable.fd.get(), TESTEXP_ATTACH_NO_NOTIFY | dynamic).code(),
        device().has(TESTEXP_FEAT_NO_NOTIFY) ? 0 : EOPNOTSUPP, "NO_NOTIFY with DYNAMIC");

    const testexp_result not_asked = objects.importer.audit().value().asked;

    ksft::expect_eq(not_asked.pfn, TESTEXP_UNTOUCHED_PFN, "PFN of the callback, without ASK");
    ksft::expect_eq(not_asked.error, 0, "error of the callback, without ASK");
}

/* --- Lifetime and rights -------------------------------------------------- */

void importer_keeps_the_buffer() {
    const testexp_info before = device().read_info().value();
    {
        Buffer buffer = device().create({.layout = Layout{}.ram(3)}).value();
        const Importer importer = device().attach(buffer.fd.get()).value();
        const std::uint64_t pfn = importer.resolve(0, 1).value()[0].pfn;

        buffer.fd.reset();
        ksft::expect_eq(device().read_info().value().nr_buffers, before.nr_buffers + 1,
                        "nr_buffers");
        ksft::expect_eq(importer.resolve(0, 1).value()[0].pfn, pfn, "pfn");
    }
    const testexp_info after = device().read_info().value();

    ksft::expect_eq(after.nr_buffers, before.nr_buffers, "nr_buffers after");
    ksft::expect_eq(after.nr_importers, before.nr_importers, "nr_importers after");
    ksft::expect_eq(after.used_pages, before.used_pages, "used_pages after");
}

/* Each descriptor has a reference of the module, so nobody can unload the module beneath it. */
void descriptors_hold_the_module() {
    const std::uint64_t before = module_references();
    {
        const Device control = Device::open().value();
        ksft::expect_eq(module_references(), before + 1, "references with a control descriptor");

        const Buffer buffer = device().create({.layout = Layout{}.ram(1)}).value();
        ksft::expect_eq(module_references(), before + 2, "references with a buffer");

        const Importer importer = device().attach(buffer.fd.get()).value();
        ksft::expect_eq(module_references(), before + 3, "references with an importer");

        const Contention contention =
            contend(device(), {.importers = {importer.fd()}, .contenders = {{.ops = 1}}}).value();
        ksft::expect_eq(module_references(), before + 4, "references with a contention");
    }
    ksft::expect_eq(module_references(), before, "references when all are closed");
}

void private_mapping_is_refused() {
    const Buffer buffer = device().create({.layout = Layout{}.ram(2)}).value();
    const auto code = [&](int how) {
        void* pages =
            mmap(nullptr, 2 * page_bytes(), PROT_READ | PROT_WRITE, how, buffer.fd.get(), 0);

        return pages == MAP_FAILED ? errno : munmap(pages, 2 * page_bytes());
    };

    ksft::expect_eq(code(MAP_PRIVATE), EINVAL, "MAP_PRIVATE");
    ksft::expect_eq(code(MAP_SHARED), 0, "MAP_SHARED");
}

/* A mapping keeps the buffer and its bytes, too. */
void mapping_keeps_the_buffer() {
    Buffer buffer = device().create({.layout = Layout{}.ram(2)}).value();
    const Mapping mapping = Mapping::map(buffer.fd.get(), 2).value();

    mapping.bytes()[page_bytes()] = std::byte{42};
    buffer.fd.reset();
    ksft::expect_eq(device().read_info().value().nr_buffers, 1, "nr_buffers");
    ksft::expect_eq(std::to_integer<int>(mapping.bytes()[page_bytes()]), 42, "byte");
}

void pages_are_zeroed() {
    for (int times = 0; times < 2; times++) {
        const Buffer buffer = device().create({.layout = Layout{}.ram(64)}).value();
        const Mapping mapping = Mapping::map(buffer.fd.get(), 64).value();

        for (std::byte& byte : mapping.bytes()) {
            if (byte != std::byte{0})
                ksft::fail("a new buffer shows bytes of an old one");
            byte = std::byte{0xaa};
        }
    }
}

void descriptors_are_close_on_exec() {
    const Objects objects;

    ksft::expect(fcntl(objects.buffer.fd.get(), F_GETFD) & FD_CLOEXEC, "buffer is close-on-exec");
    ksft::expect(fcntl(objects.importer.fd(), F_GETFD) & FD_CLOEXEC, "importer is close-on-exec");
}

template <typename Body> int status_of_child(Body body) {
    return Child(body).wait();
}

/* Stays root, so that the permissions of the device node do not matter. */
void drop_cap_sys_admin() {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3]{};

    if (syscall(SYS_capget, &header, data) < 0)
        _exit(255);
    data[CAP_TO_INDEX(CAP_SYS_ADMIN)].effective &= ~CAP_TO_MASK(CAP_SYS_ADMIN);
    if (syscall(SYS_capset, &header, data) < 0)
        _exit(255);
}

void others_are_refused() {
    const auto errno_of_open = [] {
        const Result<Device> opened = Device::open();

        return opened.code();
    };
    const int as_nobody = status_of_child([&] {
        if (setgid(nobody) < 0 || setuid(nobody) < 0)
            return 255;
        return errno_of_open() == EACCES ? 0 : 1;
    });

    ksft::expect_eq(as_nobody, 0,
                    "exit status of another user's attempt: EACCES, because the node is 0600");

    const int without_capability = status_of_child([&] {
        drop_cap_sys_admin();
        return errno_of_open() == EPERM ? 0 : 1;
    });

    ksft::expect_eq(without_capability, 0, "exit status of root's attempt without CAP_SYS_ADMIN");
}

void killed_process_leaves_nothing() {
    const testexp_info before = device().read_info().value();
    const int status = status_of_child([] {
        const Device own = Device::open().value();
        const Buffer buffer = own.create({.layout = Layout{}.ram(100)}).value();
        const Importer importer = own.attach(buffer.fd.get()).value();
        const Mapping mapping = Mapping::map(buffer.fd.get(), 100).value();

        mapping.bytes()[0] = std::byte{1};
        kill(getpid(), SIGKILL);
        return 0;
    });
    const testexp_info after = device().read_info().value();

    ksft::expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "the process was killed");
    ksft::expect_eq(after.nr_buffers, before.nr_buffers, "nr_buffers");
    ksft::expect_eq(after.nr_importers, before.nr_importers, "nr_importers");
    ksft::expect_eq(after.used_pages, before.used_pages, "used_pages");
}

/* A measurement that would take for ever ends when its process is killed. */
void killed_measurement_ends() {
    const testexp_info before = device().read_info().value();
    const int status = status_of_child([] {
        const Objects objects;
        testexp_measure argument = objects.measure();

        argument.batches = u64_max;
        /* By default the signal kills: during the call, or before it on a slow machine. */
        alarm(1);
        return errno_of_call(objects.importer.fd(), TESTEXP_IOC_MEASURE, &argument);
    });

    ksft::expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM, "the process was killed");
    ksft::expect_eq(device().read_info().value().nr_importers, before.nr_importers, "nr_importers");
}

void make_plan(ksft::Plan& plan) {
    (void)device();
    share_symbols();
    plan.add("abi.info", info_is_plausible);
    plan.add("abi.info_is_true", info_is_true);
    plan.add("abi.features_are_true", features_are_true);
    for (const Call& call : calls) {
        const std::string parameter = std::string("[ioctl=") + call.name + "]";

        plan.add("abi.size_and_flags" + parameter, [&] { common_rules(call); });
        plan.add("abi.half_readable" + parameter, [&] { half_readable(call); });
    }
    for (const Call& call : calls)
        if (call.request == TESTEXP_IOC_CREATE || call.request == TESTEXP_IOC_ATTACH ||
            call.request == TESTEXP_IOC_CONTEND) {
            plan.add(std::string("abi.read_only_struct[ioctl=") + call.name + "]",
                     [&] { read_only_struct(call); });
            plan.add(std::string("abi.full_descriptor_table[ioctl=") + call.name + "]",
                     [&] { full_descriptor_table(call); });
        }
    plan.add("abi.failed_call_changes_nothing[on=control]", failed_control_changes_nothing);
    plan.add("abi.failed_call_changes_nothing[on=importer]", failed_importer_changes_nothing);
    plan.add("abi.failed_call_changes_nothing[on=contention]", failed_contention_changes_nothing);
    plan.add("abi.contender_flags", contender_flags);
    plan.add("abi.unknown_ioctl", unknown_ioctls);
    plan.add("abi.wrong_descriptor", wrong_kind_of_descriptor);
    plan.add("abi.not_a_buffer", not_a_buffer);
    plan.add("abi.foreign_buffer", foreign_buffer);
    plan.add("abi.reserved", reserved_fields);
    plan.add("abi.misuse_range", misuse_range);

    for (const BadExtents& bad : bad_extents())
        plan.add(std::string("abi.create_refuses[extents=") + bad.name + "]",
                 [=] { create_refuses({.layout = bad.layout}, bad.code); });
    for (const Contradiction& bad : contradictions)
        plan.add(std::string("abi.create_refuses[flags=") + bad.name + "]",
                 [&] { create_refuses({.layout = Layout{}.ram(1), .flags = bad.flags}, EINVAL); });
    plan.add("abi.create_fields", create_fields);
    plan.add("abi.create_without_attrs", create_without_attrs);
    plan.add("abi.largest_that_is_allowed", largest_that_is_allowed);
    plan.add("abi.extents_at_their_limits", extents_at_their_limits);
    plan.add("abi.limit_of_all_buffers", limit_of_all_buffers);

    plan.add("abi.resolve_fields", resolve_fields);
    plan.add("abi.map_fields", map_fields);
    plan.add("abi.failed_map_leaves_nothing[behind=swiotlb]", failed_map_leaves_nothing);
    plan_kernel_mappings(plan);
    plan.add("abi.describe_fields", describe_fields);
    plan.add("abi.walk_fields", walk_fields);
    plan.add("abi.walk_answers", walk_answers);
    plan.add("abi.measure_fields", measure_fields);
    plan.add("abi.deliver_fields", deliver_fields);
    plan.add("abi.measure_passes_errors_on", measure_passes_errors_on);
    for (const std::uint32_t order : {0U, 4U, 9U})
        plan.add("abi.stride_calls[order=" + std::to_string(order) + "]",
                 [=] { stride_makes_few_calls(order); });

    plan.add("abi.stride_window", stride_keeps_to_the_window);
    plan.add("abi.move_fields", move_fields);
    plan.add("abi.move_compares_kinds", move_compares_kinds);
    plan.add("abi.fill_fields", fill_fields);
    plan.add("abi.table_limit", table_limit);
    plan.add("abi.attach_flags", attach_flags);

    plan.add("abi.descriptors_hold_the_module", descriptors_hold_the_module);
    plan.add("abi.importer_keeps_the_buffer", importer_keeps_the_buffer);
    plan.add("abi.mapping_keeps_the_buffer", mapping_keeps_the_buffer);
    plan.add("abi.private_mapping_is_refused", private_mapping_is_refused);
    plan.add("abi.pages_are_zeroed", pages_are_zeroed);
    plan.add("abi.close_on_exec", descriptors_are_close_on_exec);
    plan.add("abi.others_are_refused", others_are_refused);
    plan.add("abi.killed_process_leaves_nothing", killed_process_leaves_nothing);
    plan.add("abi.killed_measurement_ends", killed_measurement_ends);
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
