// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: CONTEND does what it promises. No contender starts before the last one has arrived. Each
 * contender makes its operations, or ends when the contention ends. The numbers add up, each bad
 * input has its errno, and a killed thread or process leaves nothing behind and nobody waiting.
 *
 * Method: the exporter counts the same calls on its side; the time stamps of all contenders are
 * compared; processes are killed after the exporter has seen calls.
 *
 * Does not see: where in an operation a thread was killed.
 */
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include <linux/dma-buf.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bufinfo.hpp"
#include "child.hpp"
#include "contended.hpp"
#include "lifetime.hpp"
#include "limits.hpp"
#include "waiting.hpp"

using namespace testexp;

namespace {

constexpr std::uint64_t never = ~std::uint64_t{0};

/* A contender without a limit pauses between operations; otherwise it starves the others. */
Contender locked(std::uint64_t ops, bool user = false) {
    return {.role = TESTEXP_ROLE_LOCKED,
            .ops = ops,
            .idle_ticks = ops == 0 ? 10000U : 0U,
            .user = user};
}

/* --- Roles ---------------------------------------------------------------- */

/*
 * The exporter counts importers that allow peer-to-peer: the importer itself, and each attachment
 * that the role makes.
 */
void attaches_as_its_importer(std::uint32_t attach_flags, bool allows_p2p) {
    constexpr std::uint64_t ops = 10;
    const Buffer buffer = device().create({.layout = Layout{}.ram(4)}).value();
    const Importer importer = device().attach(buffer.fd.get(), attach_flags).value();
    const ContentionSpec spec{.importers = {importer.fd()},
                              .contenders = {{.role = TESTEXP_ROLE_ATTACH, .ops = ops}}};
    const Contention contention = contend(device(), spec).value();

    ksft::expect_eq(contention.run().code(), 0, "RUN");

    const testexp_stats stats = device().stats(buffer.fd.get()).value();

    ksft::expect_eq(stats.attaches, ops + 1, "attaches");
    ksft::expect_eq(stats.p2p_attaches, allows_p2p ? ops + 1 : 0, "attaches with allow_peer2peer");
}

/* --- The gate ------------------------------------------------------------- */

/* The kernel's threads arrive long before the last contender and must not have done anything. */
void gate_waits_for_the_last(std::uint32_t nr_threads) {
    const Contended contended(1);
    ContentionSpec spec{.importers = contended.importers()};

    spec.contenders.assign(nr_threads, locked(10));
    spec.contenders.push_back(locked(10, true));

    const Contention contention = contend(device(), spec).value();
    auto run = in_thread([&] { return contention.run().value(); });

    ksft::expect(still_running(run), "RUN waits for the contender of user space");
    ksft::expect_eq(contended.get_pfns(), 0, "calls before the last contender arrived");
    ksft::expect_eq(contention.report(0).code(), EBUSY, "REPORT before the end");
    ksft::expect_eq(contention.join(nr_threads).code(), 0, "JOIN");
    ksft::expect_eq(run.get().expired, 0, "expired");

    const std::vector<ContenderReport> reports = contention.reports().value();

    expect_gate_kept(reports);
    expect_complete(spec, reports);
    ksft::expect_eq(contended.get_pfns(), 10 * (nr_threads + 1), "calls after the end");
}

/* The gate also waits for the caller of RUN. */
void gate_waits_for_run() {
    const Contended contended(1);
    const Contention contention =
        contend(device(), {.importers = contended.importers(), .contenders = {locked(10, true)}})
            .value();
    auto joined = in_thread([&] { return contention.join(0).code(); });

    ksft::expect(still_running(joined), "JOIN waits for RUN");
    ksft::expect_eq(contended.get_pfns(), 0, "calls before RUN");
    ksft::expect_eq(contention.run().code(), 0, "RUN");
    ksft::expect_eq(joined.get(), 0, "JOIN");
    ksft::expect_eq(contended.get_pfns(), 10, "calls after RUN");
}

void gate_gives_up() {
    const Contended contended(1);
    const ContentionSpec spec{.importers = contended.importers(),
                              .contenders = {locked(10), locked(10, true)},
                              .timeout_ms = 100};
    const Contention contention = contend(device(), spec).value();
    const testexp_run run = contention.run().value();

    ksft::expect_eq(run.expired, 1, "expired");
    ksft::expect_eq(run.ticks, 0, "ticks");
    ksft::expect_eq(contention.report(0).value().counts.error, -ETIMEDOUT, "error at the gate");
    ksft::expect_eq(contention.report(0).value().counts.passed_ticks, 0, "passed_ticks");
    ksft::expect_eq(contention.report(1).value().counts.arrived_ticks, 0,
                    "arrived_ticks of the contender that never came");
    ksft::expect_eq(contention.join(1).code(), EBUSY, "JOIN after the end");
    ksft::expect_eq(contended.get_pfns(), 0, "calls");

    const Contention early = contend(device(), spec).value();

    ksft::expect_eq(early.join(1).code(), ETIMEDOUT, "JOIN without RUN");
    ksft::expect_eq(early.join(1).code(), EBUSY, "JOIN as a contender that has joined before");
}

/* --- The end -------------------------------------------------------------- */

void ends_with_the_limited() {
    const Contended contended(1);
    const std::vector<ContenderReport> reports =
        run_to_the_end({.importers = contended.importers(),
                        .contenders = {locked(0), locked(20), locked(40), locked(0, true)}});
    std::uint64_t ops = 0;

    for (const ContenderReport& report : reports)
        ops += report.counts.ops;
    ksft::expect_eq(contended.get_pfns(), ops, "calls the exporter has seen");
    contended.expect_in_order();
}

void ends_by_the_clock() {
    const Contended contended(1);
    const std::uint64_t ticks = device().info().clock_khz * 20;
    const ContentionSpec spec{.importers = contended.importers(),
                              .contenders = {locked(0), locked(0, true)},
                              .run_ticks = ticks};
    const Contention contention = contend(device(), spec).value();
    auto joined = in_thread([&] { return contention.join(1).code(); });
    const testexp_run run = contention.run().value();

    ksft::expect_eq(joined.get(), 0, "JOIN");
    ksft::expect_eq(run.expired, 0, "expired");
    ksft::expect(run.ticks >= ticks, "the contention lasted as long as it should, " +
                                         std::to_string(run.ticks) + " of " +
                                         std::to_string(ticks) + " ticks");
    for (const ContenderReport& report : contention.reports().value())
        ksft::expect_eq(report.counts.error, 0, "error");
}

/* A failing operation ends its contender, but not the others. */
void error_ends_one() {
    const Contended good(1);
    const Buffer hole = device().create({.layout = Layout{}.hole(4).ram(1)}).value();
    const Importer importer = device().attach(hole.fd.get()).value();
    std::vector<int> importers = good.importers();

    importers.push_back(importer.fd());

    const Contention contention =
        contend(device(),
                {.importers = importers,
                 .contenders = {locked(10), {.role = TESTEXP_ROLE_LOCKED, .first = 1, .ops = 10}}})
            .value();

    ksft::expect_eq(contention.run().value().expired, 0, "expired");
    ksft::expect_eq(contention.report(0).value().counts.ops, 10,
                    "operations of the good contender");
    ksft::expect_eq(contention.report(1).value().counts.error, -ENXIO,
                    "error of the other contender");
    ksft::expect_eq(contention.report(1).value().counts.ops, 0,
                    "operations of the other contender");
}

/* A path that cannot begin is an error of its contender, which still arrives at the gate. */
void error_at_the_beginning() {
    REQUIRE(device().has(TESTEXP_FEAT_WALK), "the kernel has no follow_pfnmap_start()");

    const Contended contended(1);
    const Contender walker{
        .role = TESTEXP_ROLE_RESOLVE, .path = TESTEXP_PATH_FOLLOW_PFNMAP_PTE, .ops = 10};
    const Contention contention =
        contend(device(), {.importers = contended.importers(), .contenders = {locked(10), walker}})
            .value();

    ksft::expect_eq(contention.run().value().expired, 0, "expired");
    ksft::expect_eq(contention.report(0).value().counts.ops, 10,
                    "operations of the good contender");
    ksft::expect_eq(contention.report(1).value().counts.error, -EFAULT,
                    "error of the other contender");
}

/* --- The numbers ---------------------------------------------------------- */

void histograms_add_up() {
    constexpr std::uint64_t hold = 50000;
    const Contended contended(3);
    const std::vector<ContenderReport> reports = run_to_the_end(
        {.importers = contended.importers(),
         .contenders = {{.count = 3, .ops = 30, .hold_ticks = hold},
                        {.role = TESTEXP_ROLE_LOCKED, .count = 2, .ops = 30, .hold_ticks = hold},
                        {.role = TESTEXP_ROLE_FENCE_ADD, .ops = 30, .hold_ticks = hold}}});

    for (const ContenderReport& report : reports) {
        ksft::expect_eq(report.wait.count, 30, "waits");
        ksft::expect_eq(report.hold.count, 30, "holds");
        ksft::expect(report.op.min >= hold, "an operation lasts at least as long as its hold");
        ksft::expect(report.op.sum >= report.wait.sum + report.hold.sum,
                     "an operation is its wait, its hold and more");
        ksft::expect(report.counts.retries >= report.counts.backoffs || report.counts.backoffs == 0,
                     "a contender that backed off held a lock");
    }
    ksft::expect(reports[0].hold.min >= hold && reports[1].hold.min >= hold, "locks were held");
    ksft::expect_eq(reports[1].counts.pages, 60, "pages");
    ksft::expect_eq(reports[0].counts.pages, 0, "pages of a contender that only holds");
}

/* The core takes the lock, so these roles have neither waits nor holds. */
void mapped_and_attached_for_hold_ticks() {
    constexpr std::uint64_t hold = 50000;
    const Contended contended(1);
    const std::vector<ContenderReport> reports = run_to_the_end(
        {.importers = contended.importers(),
         .contenders = {{.role = TESTEXP_ROLE_MAP, .ops = 30, .hold_ticks = hold},
                        {.role = TESTEXP_ROLE_ATTACH, .ops = 30, .hold_ticks = hold}}});

    for (const ContenderReport& report : reports) {
        ksft::expect(report.op.min >= hold, "an operation lasts at least as long as its hold");
        ksft::expect_eq(report.wait.count + report.hold.count, 0, "waits and holds");
    }
}

/* The contender that ends last is the first of the list. */
void numbers_of_a_slow_contender() {
    constexpr std::uint64_t ops = 10, idle = 1000000;
    const Contended contended(1);
    const Contention contention =
        contend(device(), {.importers = contended.importers(),
                           .contenders = {{.role = TESTEXP_ROLE_RESOLVE,
                                           .path = TESTEXP_PATH_GET_PFN,
                                           .ops = ops,
                                           .idle_ticks = idle},
                                          {.role = TESTEXP_ROLE_FENCE_WAIT, .ops = ops}}})
            .value();
    const testexp_run run = contention.run().value();
    const std::vector<ContenderReport> reports = contention.reports().value();
    const ContenderReport& resolver = reports[0];
    const std::uint64_t ticks = resolver.counts.done_ticks - resolver.counts.passed_ticks;

    ksft::expect_eq(resolver.counts.error, 0, "error of RESOLVE");
    ksft::expect_eq(resolver.counts.pages, ops, "pages");
    ksft::expect_eq(resolver.wait.count, 0, "waits of RESOLVE");
    ksft::expect_eq(reports[1].wait.count, ops, "waits of FENCE_WAIT");
    ksft::expect(ticks >= (ops - 1) * idle,
                 "it spins between its operations, " + std::to_string(ticks) + " ticks in all");
    ksft::expect(run.ticks >= ticks, "RUN counts until the last contender has ended, " +
                                         std::to_string(run.ticks) + " ticks");
}

/* A file that is readable when all fences of the buffer have signalled. Skips without the ioctl. */
Fd fences_of(const Buffer& buffer) {
    dma_buf_export_sync_file args = {.flags = DMA_BUF_SYNC_WRITE, .fd = -1};

    if (ioctl(buffer.fd.get(), DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &args) < 0)
        ksft::skip(errno_error("EXPORT_SYNC_FILE").what);
    return Fd(args.fd);
}

bool have_signalled(const Fd& fences) {
    pollfd entry{.fd = fences.get(), .events = POLLIN, .revents = 0};

    if (poll(&entry, 1, 0) < 0)
        throw std::runtime_error(errno_error("poll").what);
    return entry.revents != 0;
}

/*
 * FENCE_ADD keeps its fence for hold_ticks, so many readings find a fence that has not signalled.
 * The other readings come while the contender has no processor. Few readings see the fence of a
 * contender that signals before it holds.
 */
void fence_is_kept() {
    REQUIRE(sysconf(_SC_NPROCESSORS_ONLN) > 1, "needs two processors");

    constexpr int readings = 200;
    const Buffer buffer = device().create({.layout = Layout{}.ram(4)}).value();
    const Importer importer = device().attach(buffer.fd.get()).value();
    const Contention contention =
        contend(device(), {.importers = {importer.fd()},
                           .contenders = {{.role = TESTEXP_ROLE_FENCE_ADD,
                                           .hold_ticks = TESTEXP_MAX_HOLD_TICKS}},
                           .run_ticks = never})
            .value();
    int pending = 0;

    (void)fences_of(buffer); /* skips before RUN begins */

    Caller run([&] { return contention.run().code(); });

    while (!run.has_ended() && have_signalled(fences_of(buffer)))
        std::this_thread::sleep_for(limits::look_again);
    for (int i = 0; i < readings; i++) {
        pending += have_signalled(fences_of(buffer)) ? 0 : 1;
        std::this_thread::sleep_for(limits::look_again);
    }
    run.interrupt();
    ksft::expect_eq(run.result(), EINTR, "RUN after a signal");
    ksft::expect(pending > readings / 10,
                 "many readings find a fence that has not signalled, " + std::to_string(pending));
}

/* The kernel lists the fences of a buffer, also those that have signalled. */
void fence_is_added() {
    const Buffer buffer = device().create({.layout = Layout{}.ram(4)}).value();
    const Importer importer = device().attach(buffer.fd.get()).value();
    struct stat status = {};
    bool is_this_buffer = false;
    unsigned int fences = 0;

    (void)run_to_the_end(
        {.importers = {importer.fd()}, .contenders = {{.role = TESTEXP_ROLE_FENCE_ADD, .ops = 1}}});
    if (fstat(buffer.fd.get(), &status) < 0)
        ksft::fail(errno_error("fstat").what);
    for (const std::string& line : bufinfo_lines()) {
        if (const auto listed = listed_buffer(line))
            is_this_buffer = listed->inode == status.st_ino;
        fences += is_this_buffer && line.starts_with("\tread fence:") ? 1 : 0;
    }
    ksft::expect_eq(fences, 1, "fences of the buffer that readers add");
}

/* The directories in /proc of the kernel's threads that are contenders. */
std::vector<std::filesystem::path> threads_of_the_kernel() {
    std::vector<std::filesystem::path> threads;

    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
        std::string name;

        std::getline(std::ifstream(entry.path() / "comm"), name);
        if (name.starts_with("testexp/"))
            threads.push_back(entry.path());
    }
    return threads;
}

/* The processors on which the thread may run, as a list. */
std::string allowed_cpus(const std::filesystem::path& thread) {
    std::ifstream status(thread / "status");
    std::string word;

    while (status >> word)
        if (word == "Cpus_allowed_list:" && status >> word)
            return word;
    return "";
}

/* A thread that has ended may be visible for a moment. */
void wait_until_threads_are_gone() {
    while (!threads_of_the_kernel().empty())
        std::this_thread::sleep_for(limits::look_again);
}

/*
 * The only thread makes operations, so it has been bound. A signal ends the contention, which has
 * no end of its own.
 */
void runs_only_on(int cpu) {
    const Contended contended(1);
    Contender bound = locked(0);

    bound.cpu = cpu;
    wait_until_threads_are_gone();

    const Contention contention =
        contend(device(),
                {.importers = contended.importers(), .contenders = {bound}, .run_ticks = never})
            .value();
    Caller run([&] { return contention.run().code(); });

    while (contended.get_pfns() == 0 && !run.has_ended())
        std::this_thread::sleep_for(limits::look_again);

    const std::vector<std::filesystem::path> threads = threads_of_the_kernel();

    ksft::expect_eq(threads.size(), 1, "threads of the kernel");
    for (const std::filesystem::path& thread : threads)
        ksft::expect_eq(allowed_cpus(thread), std::to_string(cpu), "processors of the thread");
    run.interrupt();
    ksft::expect_eq(run.result(), EINTR, "RUN after a signal");
}

/* A kernel thread runs on the processor it is bound to; without a binding it may run on any. */
void bound_to_a_cpu() {
    const Contended contended(1);

    for (int cpu = 0; cpu < sysconf(_SC_NPROCESSORS_ONLN); cpu++) {
        (void)run_to_the_end({.importers = contended.importers(),
                              .contenders = {{.ops = 10, .cpu = cpu}, {.ops = 10, .cpu = 0}}});
        runs_only_on(cpu);
    }
    contended.expect_in_order();
}

/* --- Signals that do not kill --------------------------------------------- */

/* The other contender never comes, so that only the signal can end these two calls. */
void signal_ends_the_call(bool in_run) {
    const Contended contended(1);
    const Contention contention =
        contend(device(), {.importers = contended.importers(),
                           .contenders = {locked(1, true), locked(1, true)}})
            .value();
    Caller caller([&] { return in_run ? contention.run().code() : contention.join(0).code(); });

    (void)caller.wait_until_asleep();
    caller.interrupt();
    ksft::expect_eq(caller.result(), EINTR, in_run ? "RUN" : "JOIN");
    /* The end of RUN ends the contention. */
    ksft::expect_eq(contention.report(0).code(), in_run ? 0 : EBUSY, "REPORT");
}

/* --- Wake-ups ------------------------------------------------------------- */

/* The timeout of contentions that must end much earlier. */
constexpr std::uint32_t timeout_ms = 4000;

/* The contender ends while RUN sleeps. */
void run_ends_at_once() {
    const Contended contended(1);

    until_seen([&] {
        const Pause pause(timeout_ms);
        const Contention contention =
            contend(device(), {.importers = contended.importers(),
                               .contenders = {{.ops = 1, .hold_ticks = TESTEXP_MAX_HOLD_TICKS}},
                               .timeout_ms = timeout_ms})
                .value();

        ksft::expect_eq(contention.run().code(), 0, "RUN");
        return pause.lasts();
    });
}

/* The contention ends while JOIN waits at the gate for a contender that never comes. */
void join_ends_at_once() {
    const Contended contended(1);

    until_seen([&] {
        const Pause pause(timeout_ms);
        const Contention contention =
            contend(device(), {.importers = contended.importers(),
                               .contenders = {locked(1, true), locked(1, true)},
                               .timeout_ms = timeout_ms})
                .value();
        Caller join([&] { return contention.join(0).code(); });

        (void)join.wait_until_asleep();

        Caller run([&] { return contention.run().code(); });

        (void)run.wait_until_asleep();
        run.interrupt();

        const int code = run.result();

        ksft::expect_eq(join.result(), ETIMEDOUT, "JOIN");

        const bool seen = pause.lasts();

        if (seen)
            ksft::expect_eq(code, EINTR, "RUN");
        return seen;
    });
}

/* --- Bad input ------------------------------------------------------------ */

struct Bad {
    const char* name;
    void (*change)(ContentionSpec& spec);
    int code;
};

const Bad bad_specs[] = {
    {"no importers", [](ContentionSpec& s) { s.importers.clear(); }, EINVAL},
    {"too many importers",
     [](ContentionSpec& s) { s.importers.resize(TESTEXP_MAX_CONTENDED + 1, s.importers[0]); },
     EINVAL},
    {"not an importer", [](ContentionSpec& s) { s.importers[0] = device().fd(); }, EINVAL},
    {"no descriptor", [](ContentionSpec& s) { s.importers[0] = -1; }, EBADF},
    {"no contenders", [](ContentionSpec& s) { s.contenders.clear(); }, EINVAL},
    {"too many contenders",
     [](ContentionSpec& s) { s.contenders.resize(TESTEXP_MAX_CONTENDERS + 1, s.contenders[0]); },
     EINVAL},
    {"no timeout", [](ContentionSpec& s) { s.timeout_ms = 0; }, EINVAL},
    {"timeout too long", [](ContentionSpec& s) { s.timeout_ms = TESTEXP_MAX_RUN_MS + 1; }, EINVAL},
    {"never ends", [](ContentionSpec& s) { s.contenders[0].ops = 0; }, EINVAL},
    {"unknown role", [](ContentionSpec& s) { s.contenders[0].role = TESTEXP_ROLES; }, EINVAL},
    {"unknown path",
     [](ContentionSpec& s) {
         s.contenders[0] = {.role = TESTEXP_ROLE_RESOLVE, .path = TESTEXP_PATHS, .ops = 1};
     },
     EINVAL},
    {"path without use", [](ContentionSpec& s) { s.contenders[0].path = TESTEXP_PATH_GET_PFN; },
     EINVAL},
    {"address without use", [](ContentionSpec& s) { s.contenders[0].address = 4096; }, EINVAL},
    {"address that the path does not use",
     [](ContentionSpec& s) {
         s.contenders[0] = {
             .role = TESTEXP_ROLE_RESOLVE, .path = TESTEXP_PATH_GET_PFN, .ops = 1, .address = 4096};
     },
     EINVAL},
    {"empty set", [](ContentionSpec& s) { s.contenders[0].count = 0; }, EINVAL},
    {"set beyond the importers", [](ContentionSpec& s) { s.contenders[0].count = 3; }, EINVAL},
    {"last of the set beyond the importers",
     [](ContentionSpec& s) {
         s.contenders[0].first = 1;
         s.contenders[0].count = 2;
     },
     EINVAL},
    {"first beyond the importers", [](ContentionSpec& s) { s.contenders[0].first = 2; }, EINVAL},
    {"set that wraps", [](ContentionSpec& s) { s.contenders[0].count = 0xffffffff; }, EINVAL},
    {"set for a role that has none",
     [](ContentionSpec& s) { s.contenders[0] = {.role = TESTEXP_ROLE_MAP, .count = 2, .ops = 1}; },
     EINVAL},
    {"one buffer twice",
     [](ContentionSpec& s) {
         s.importers[1] = s.importers[0];
         s.contenders[0].count = 2;
     },
     EINVAL},
    {"hold too long",
     [](ContentionSpec& s) { s.contenders[0].hold_ticks = TESTEXP_MAX_HOLD_TICKS + 1; }, EINVAL},
    {"pause too long",
     [](ContentionSpec& s) { s.contenders[0].idle_ticks = TESTEXP_MAX_HOLD_TICKS + 1; }, EINVAL},
    {"CPU -2", [](ContentionSpec& s) { s.contenders[0].cpu = -2; }, EINVAL},
    {"no such CPU", [](ContentionSpec& s) { s.contenders[0].cpu = 1 << 20; }, ENXIO},
    {"user bound to a CPU",
     [](ContentionSpec& s) {
         s.contenders[0].cpu = 0;
         s.contenders[0].user = true;
     },
     EINVAL},
};

/* The good input runs; each other input is wrong in one point. None of them keeps a reference. */
void refuses_bad_input() {
    const Contended contended(2);
    const ContentionSpec good{.importers = contended.importers(), .contenders = {{.ops = 1}}};

    (void)run_to_the_end(good);

    const std::uint64_t used = device().read_info().value().used_pages;

    for (const Bad& bad : bad_specs) {
        ContentionSpec spec = good;

        bad.change(spec);
        ksft::expect_eq(contend(device(), spec).code(), bad.code, bad.name);
    }
    ksft::expect_eq(device().read_info().value().used_pages, used, "used_pages");
}

/* Two importers of one buffer have one lock. */
void refuses_one_lock_twice() {
    const Buffer buffer = device().create({.layout = Layout{}.ram(4)}).value();
    const Importer one = device().attach(buffer.fd.get()).value();
    const Importer other = device().attach(buffer.fd.get()).value();
    ContentionSpec spec{.importers = {one.fd(), other.fd()},
                        .contenders = {{.ops = 1}, {.first = 1, .ops = 1}}};

    (void)run_to_the_end(spec);
    spec.contenders[0].count = 2;
    ksft::expect_eq(contend(device(), spec).code(), EINVAL, "a set with one lock twice");
}

void accepts_the_largest_values() {
    const Contended contended(1);
    const std::vector<int> importers(TESTEXP_MAX_CONTENDED, contended.importers()[0]);

    (void)run_to_the_end({.importers = importers,
                          .contenders = {{.first = TESTEXP_MAX_CONTENDED - 1,
                                          .ops = 2,
                                          .hold_ticks = TESTEXP_MAX_HOLD_TICKS,
                                          .idle_ticks = TESTEXP_MAX_HOLD_TICKS}},
                          .timeout_ms = TESTEXP_MAX_RUN_MS});
}

/* Takes a processor off line, until the object ends. Skips where that is not possible. */
class OfflineCpu {
public:
    explicit OfflineCpu(int cpu)
        : file_("/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/online") {
        REQUIRE(is_online() && set('0'),
                "no processor " + std::to_string(cpu) + " that can be taken off line");
    }
    ~OfflineCpu() { (void)set('1'); }
    OfflineCpu(const OfflineCpu&) = delete;
    OfflineCpu& operator=(const OfflineCpu&) = delete;

private:
    bool is_online() const {
        char state = 0;

        return std::ifstream(file_) >> state && state == '1';
    }

    bool set(char state) const {
        std::ofstream file(file_);

        return static_cast<bool>(file << state << std::flush);
    }

    std::string file_;
};

void refuses_an_offline_cpu() {
    const Contended contended(1);
    const ContentionSpec spec{.importers = contended.importers(),
                              .contenders = {{.ops = 1, .cpu = 1}}};

    {
        const OfflineCpu offline(1);

        ksft::expect_eq(contend(device(), spec).code(), ENXIO, "CONTEND while it is off line");
    }
    ksft::expect_eq(contend(device(), spec).code(), 0, "CONTEND when it is on line again");
}

void each_once() {
    const Contended contended(1);
    const Contention contention = contend(device(), {.importers = contended.importers(),
                                                     .contenders = {{.ops = 1}, {.ops = 1}}})
                                      .value();

    ksft::expect_eq(contention.report(0).code(), EBUSY, "REPORT before RUN");
    ksft::expect_eq(contention.join(0).code(), EINVAL, "JOIN for a thread of the kernel");
    ksft::expect_eq(contention.join(2).code(), EINVAL, "JOIN for an unknown contender");
    ksft::expect_eq(contention.run().code(), 0, "RUN");
    ksft::expect_eq(contention.run().code(), EBUSY, "second RUN");
    ksft::expect_eq(contention.report(2).code(), EINVAL, "REPORT of an unknown contender");
    ksft::expect_eq(contention.report(1).code(), 0, "REPORT");
}

/* --- The killer ----------------------------------------------------------- */

/* Kills a child that runs @body, after @under_way is true. @body never returns. */
template <typename Body, typename UnderWay> void kill_in(Body body, UnderWay under_way) {
    Child child([&body] {
        body();
        return 1;
    });

    while (!child.has_ended() && !under_way(child.pid()))
        std::this_thread::sleep_for(limits::look_again);
    child.kill();
    ksft::expect_eq(signal_of(child.wait()), SIGKILL, "the signal that ended the process");
}

/*
 * A RUN is under way, with a holder that the victim waits for most of the time. The run lasts until
 * the victim is killed, however busy the machine is.
 */
void killed_waiter(testexp_role role) {
    constexpr std::uint64_t ops = 1000;
    const Contended contended(1);
    const ContentionSpec spec{
        .importers = contended.importers(),
        .contenders = {
            {.role = TESTEXP_ROLE_LOCKED, .ops = ops, .hold_ticks = 1000000},
            {.role = role,
             .path = role == TESTEXP_ROLE_RESOLVE ? TESTEXP_PATH_GET_PFN : testexp_path{},
             .user = true}}};
    const Contention contention = contend(device(), spec).value();
    std::future<testexp_run> run;

    kill_in([&] { (void)contention.join(1); },
            [&](pid_t) {
                /* Not before the fork: a child has only the thread that forked. */
                if (!run.valid())
                    run = in_thread([&] { return contention.run().value(); });
                return contended.get_pfns() > 2;
            });
    ksft::expect_eq(run.get().expired, 0, "expired");
    ksft::expect_eq(contention.report(0).value().counts.ops, ops,
                    "operations of the other contender");
    ksft::expect_eq(contention.report(1).value().counts.error, -EINTR, "error of the victim");
    contended.expect_in_order();
}

bool sleeps(pid_t process) {
    std::ifstream file("/proc/" + std::to_string(process) + "/stat");
    std::string number;
    std::string name;
    std::string state;

    return file >> number >> name >> state && state == "S";
}

/* Nothing shows that the child waits at the gate; it suffices that it has arrived there. */
void killed_at_the_gate() {
    const Contended contended(1);
    const ContentionSpec spec{.importers = contended.importers(),
                              .contenders = {locked(10), locked(10, true), locked(10, true)}};
    const Contention contention = contend(device(), spec).value();

    kill_in([&] { (void)contention.join(1); }, sleeps);

    auto joined = in_thread([&] { return contention.join(2).code(); });

    (void)contention.run().value();
    ksft::expect_eq(joined.get(), 0, "JOIN of the other");
    ksft::expect_eq(contention.report(0).value().counts.ops, 10,
                    "operations of the other contender");
    ksft::expect_eq(contention.report(1).value().counts.ops, 0, "operations of the victim");
}

/* The caller of RUN is killed, and all threads end with it. The descriptor is still open here. */
void killed_run() {
    const Contended contended(1);
    const Contention contention =
        contend(device(), {.importers = contended.importers(),
                           .contenders = {locked(0),
                                          {.hold_ticks = 100000, .idle_ticks = 10000},
                                          {.idle_ticks = 10000, .cpu = 0}},
                           .run_ticks = never})
            .value();

    kill_in([&] { (void)contention.run(); }, [&](pid_t) { return contended.get_pfns() > 10; });
    wait_until_threads_are_gone();
    ksft::expect(contention.report(0).value().counts.ops > 0,
                 "the report has the operations until the kill");
    contended.expect_in_order();
}

/* Nobody calls RUN. Closing the descriptor ends everything. */
void closed_without_run() {
    const testexp_info before = device().read_info().value();

    {
        const Contended contended(2);
        const Contention contention =
            contend(device(), {.importers = contended.importers(), .contenders = {locked(10)}})
                .value();

        ksft::expect(device().read_info().value().used_pages > before.used_pages + 32,
                     "the results are charged");
    }
    ksft::expect_eq(device().read_info().value().used_pages, before.used_pages, "used_pages");
    ksft::expect_eq(device().read_info().value().nr_importers, before.nr_importers, "nr_importers");
}

void make_plan(ksft::Plan& plan) {
    (void)device();
    for (const std::uint32_t nr_threads : {1U, 2U, 8U, 63U})
        plan.add("contend.gate_waits_for_the_last[threads=" + std::to_string(nr_threads) + "]",
                 [=] { gate_waits_for_the_last(nr_threads); });
    plan.add("contend.gate_waits_for_run", gate_waits_for_run);
    plan.add("P13.contender_attaches_as_its_importer[importer=static]",
             [] { attaches_as_its_importer(0, false); });
    plan.add("P13.contender_attaches_as_its_importer[importer=no_peer2peer]", [] {
        attaches_as_its_importer(TESTEXP_ATTACH_DYNAMIC | TESTEXP_ATTACH_NO_P2P, false);
    });
    plan.add("P13.contender_attaches_as_its_importer[importer=peer2peer]",
             [] { attaches_as_its_importer(TESTEXP_ATTACH_DYNAMIC, true); });
    plan.add("contend.gate_gives_up", gate_gives_up);
    plan.add("contend.ends_with_the_limited", ends_with_the_limited);
    plan.add("contend.ends_by_the_clock", ends_by_the_clock);
    plan.add("contend.error_ends_one", error_ends_one);
    plan.add("contend.error_at_the_beginning", error_at_the_beginning);
    plan.add("contend.histograms_add_up", histograms_add_up);
    plan.add("contend.mapped_and_attached_for_hold_ticks", mapped_and_attached_for_hold_ticks);
    plan.add("contend.numbers_of_a_slow_contender", numbers_of_a_slow_contender);
    plan.add("contend.fence_is_added", fence_is_added);
    plan.add("contend.fence_is_kept", fence_is_kept);
    plan.add("contend.bound_to_a_cpu", bound_to_a_cpu);
    plan.add("contend.signal_ends_the_call[call=RUN]", [] { signal_ends_the_call(true); });
    plan.add("contend.signal_ends_the_call[call=JOIN,at=gate]",
             [] { signal_ends_the_call(false); });
    plan.add("contend.ends_at_once[call=RUN]", run_ends_at_once);
    plan.add("contend.ends_at_once[call=JOIN,at=gate]", join_ends_at_once);
    plan.add("contend.refuses_bad_input", refuses_bad_input);
    plan.add("contend.refuses_one_lock_twice", refuses_one_lock_twice);
    plan.add("contend.refuses_an_offline_cpu", refuses_an_offline_cpu);
    plan.add("contend.accepts_the_largest_values", accepts_the_largest_values);
    plan.add("contend.each_once", each_once);
    plan.add("contend.killed_waiter[role=resolve]", [] { killed_waiter(TESTEXP_ROLE_RESOLVE); });
    plan.add("contend.killed_waiter[role=hold]", [] { killed_waiter(TESTEXP_ROLE_HOLD); });
    plan.add("contend.killed_waiter[role=fence_add]",
             [] { killed_waiter(TESTEXP_ROLE_FENCE_ADD); });
    plan.add("contend.killed_at_the_gate", killed_at_the_gate);
    plan.add("contend.killed_run", killed_run);
    plan.add("contend.closed_without_run", closed_without_run);
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
