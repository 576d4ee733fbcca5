// SPDX-License-Identifier: GPL-2.0
/*
 * Takes reservation locks a known number of times. A probe must see each of them.
 *
 *   lock_calls poll N EXPORTER...   makes a buffer of each exporter, and polls each buffer N times:
 *                                   N waits, N holds. EXPORTER is testexp, udmabuf, system (the
 *                                   heap), or a name as bench_resolve --exporter has it
 *   lock_calls map N EXPORTER...    attaches to one buffer each once; maps and unmaps each, and
 *                                   begins and ends access by the CPU, each N times
 *   lock_calls resolve N EXPORTER... attaches to one buffer each, and asks for the PFNs of the
 *                                   first N pages, each by one call
 *   lock_calls hold MS [N [EXPORTER]] a process "holder" holds the lock of a buffer, a process
 *                                   "waiter" with N threads waits for the lock, both at least MS.
 *                                   Each thread then polls a buffer of EXPORTER once.
 *                                   status 75: the module's fence, and so the hold, ended before
 *                                   all threads waited for MS, so try again
 *   lock_calls interrupt            a process is killed while it waits for such a lock; status 75
 *                                   as above
 *   lock_calls unseen               such a lock is dropped while the kernel has disarmed all
 *                                   kprobes, and then taken once more; status 75 as above
 *   lock_calls deadlock N           three threads of the kernel take two locks N times each, in a
 *                                   ww context, and back off; prints how often they did; status 75:
 *                                   never, so try again
 *   lock_calls crowd N              N threads sleep at once, in hrtimer_nanosleep()
 *   lock_calls nap                  for each byte from standard input, one thread sleeps once in
 *                                   hrtimer_nanosleep() and ends; then prints a line
 *   lock_calls attached EXPORTER... attaches to one buffer each until standard input ends
 *   lock_calls sleep EXPORTER...    makes one buffer each, prints their descriptors, polls each
 *                                   once for each byte from standard input, until the input ends
 *
 * poll() takes and drops the reservation lock once, whatever the exporter.
 */
#include <fmt/core.h>
#include <linux/dma-buf.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "child.hpp"
#include "contend.hpp"
#include "foreign_buffer.hpp"
#include "testexp.hpp"

namespace {

namespace fs = std::filesystem;
using testexp::Child;
using testexp::Fd;

constexpr std::size_t size_bytes = 64 << 10;

[[noreturn]] void fail(const std::string& what) {
    throw std::runtime_error(testexp::errno_error(what).what);
}

Fd checked(int fd, const char* what) {
    if (fd < 0)
        fail(what);
    return Fd(fd);
}

using Buffer = testexp::ForeignBuffer;

Buffer make_testexp() {
    const testexp::Device device = testexp::Device::open().value();
    testexp::CreateSpec spec;
    Buffer buffer;

    spec.layout.ram(size_bytes >> device.info().page_shift);
    buffer.fd = std::move(device.create(spec).value().fd);
    return buffer;
}

Buffer make(const std::string& exporter) {
    if (exporter == "testexp")
        return make_testexp();
    if (exporter == "udmabuf")
        return testexp::make_udmabuf({.size_bytes = size_bytes}).value();
    if (exporter == "system")
        return testexp::make_heap({.heap = "system", .size_bytes = size_bytes}).value();
    return testexp::make_foreign(testexp::parse_foreign(exporter).value()).value();
}

void poll_once(int fd) {
    pollfd watched = {fd, POLLIN, 0};

    if (poll(&watched, 1, 0) != 1 || !(watched.revents & POLLIN))
        fail("poll");
}

int poll_all(std::span<char*> words) {
    const int count = std::atoi(words[0]);

    for (const char* exporter : words.subspan(1)) {
        Buffer buffer = make(exporter);
        for (int i = 0; i < count; i++)
            poll_once(buffer.fd.get());
        buffer.fd.reset(); /* before the device of VFIO, whose close takes the lock of buffers */
    }
    return 0;
}

void sync(int fd, std::uint64_t flags) {
    dma_buf_sync access{.flags = DMA_BUF_SYNC_RW | flags};

    if (ioctl(fd, DMA_BUF_IOCTL_SYNC, &access))
        fail("DMA_BUF_IOCTL_SYNC");
}

int map_all(std::span<char*> words) {
    const int count = std::atoi(words[0]);
    const testexp::Device device = testexp::Device::open().value();

    for (const char* exporter : words.subspan(1)) {
        const Buffer buffer = make(exporter);
        const testexp::Importer importer = device.attach(buffer.fd.get()).value();
        for (int i = 0; i < count; i++) {
            (void)importer.map().value();
            sync(buffer.fd.get(), DMA_BUF_SYNC_START);
            sync(buffer.fd.get(), DMA_BUF_SYNC_END);
        }
    }
    return 0;
}

/*
 * Asks for the PFNs of the first pages by unlocked calls. The importer is dynamic, because VFIO
 * refuses importers without a callback.
 */
int resolve_all(std::span<char*> words) {
    const auto count = static_cast<std::uint64_t>(std::atoi(words[0]));
    const testexp::Device device = testexp::Device::open().value();

    for (const char* exporter : words.subspan(1)) {
        const Buffer buffer = make(exporter);
        const testexp::Importer importer =
            device.attach(buffer.fd.get(), TESTEXP_ATTACH_DYNAMIC).value();
        for (const testexp_result& page : importer.resolve(0, count).value())
            if (page.error != 0)
                throw std::runtime_error(
                    fmt::format("get_pfn of {}: error {}", exporter, page.error));
    }
    return 0;
}

/* Says when it is attached, and when it no longer is: at the end of the input. */
int stay_attached(std::span<char*> words) {
    const testexp::Device device = testexp::Device::open().value();
    char byte = 0;

    for (const char* exporter : words) {
        const Buffer buffer = make(exporter);
        const testexp::Importer importer = device.attach(buffer.fd.get()).value();
        fmt::print("attached\n");
        std::fflush(stdout);
        while (read(STDIN_FILENO, &byte, 1) == 1) {
        }
    }
    fmt::print("detached\n");
    return 0;
}

int sleep_with(std::span<char*> words) {
    std::vector<Buffer> buffers;
    char byte = 0;

    for (const char* exporter : words) {
        buffers.push_back(make(exporter));
        fmt::print("{}\n", buffers.back().fd.get());
    }
    std::fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) == 1)
        for (const Buffer& buffer : buffers)
            poll_once(buffer.fd.get());
    return 0;
}

Child start(const char* name, const std::function<void()>& work) {
    return Child([name, work] {
        prctl(PR_SET_NAME, name);
        work();
        return 0;
    });
}

/* The part of "PID (NAME) STATE ..." that begins with STATE; a name may hold anything. */
std::string stat_of(const fs::path& task) {
    std::ifstream file(task / "stat");
    std::string text;

    std::getline(file, text);

    const auto end = text.rfind(") ");

    return end == std::string::npos ? "" : text.substr(end + 2);
}

/* The number of the system call that a thread is blocked in, or -1. */
long syscall_of(const fs::path& task) {
    std::ifstream file(task / "syscall");
    long number = -1;

    return file >> number ? number : -1;
}

long count_threads(pid_t process, const std::function<bool(const fs::path&)>& predicate) {
    std::error_code gone;
    long count = 0;

    for (const auto& task :
         fs::directory_iterator("/proc/" + std::to_string(process) + "/task", gone))
        count += predicate(task.path()) ? 1 : 0;
    return count;
}

/* A short pause without hrtimer_nanosleep(), whose calls a test counts. */
void rest() {
    poll(nullptr, 0, 20);
}

/* Each of these threads calls the function once; @started is called when all threads exist. */
void in_threads(
    int count, const std::function<void()>& work, const std::function<void()>& started = [] {}) {
    std::vector<std::jthread> threads;

    threads.reserve(static_cast<std::size_t>(count));
    for (int i = 0; i < count; i++)
        threads.emplace_back(work);
    started();
}

/* A thread that wakes up does not sleep again, so that each thread makes one call. */
int crowd(std::span<char*> words) {
    const int count = std::atoi(words[0]);
    const auto sleeps = [](const fs::path& task) {
        return syscall_of(task) == SYS_nanosleep || syscall_of(task) == SYS_clock_nanosleep;
    };
    const auto sleep = [] {
        const timespec hour = {3600, 0};

        nanosleep(&hour, nullptr);
    };
    struct sigaction wake_up = {};
    std::vector<std::jthread> threads;

    wake_up.sa_handler = [](int) {};
    sigaction(SIGUSR1, &wake_up, nullptr);
    threads.reserve(static_cast<std::size_t>(count));
    for (int i = 0; i < count; i++)
        threads.emplace_back(sleep);
    while (count_threads(getpid(), sleeps) < count)
        rest();
    for (std::jthread& thread : threads)
        pthread_kill(thread.native_handle(), SIGUSR1);
    return 0;
}

/* Waits until a thread holds the lock and waits for the importer. */
void wait_for_fence(const testexp::Importer& importer) {
    pollfd pending = {importer.fd(), POLLPRI, 0};

    if (poll(&pending, 1, -1) != 1)
        fail("no fence came");
}

bool has_fence(const testexp::Importer& importer) {
    pollfd pending = {importer.fd(), POLLPRI, 0};

    return poll(&pending, 1, 0) == 1;
}

/* A revoke of this buffer waits for the importer's fence with the lock held. */
struct Holdable {
    testexp::Device device = testexp::Device::open().value();
    testexp::Buffer buffer = make_buffer(device);
    testexp::Importer importer =
        device.attach(buffer.fd.get(), TESTEXP_ATTACH_DYNAMIC | TESTEXP_ATTACH_FENCE).value();

    Holdable() { (void)importer.fill({.count = 1}).value(); }

    static testexp::Buffer make_buffer(const testexp::Device& device) {
        testexp::CreateSpec spec;

        spec.layout.ram(16);
        spec.flags = TESTEXP_CREATE_DYNAMIC;
        return device.create(spec).value();
    }
};

/* Returns when the holder has the lock. */
Child start_holder(const Holdable& held) {
    Child holder = start("holder", [&] { (void)held.device.revoke(held.buffer.fd.get()).value(); });

    wait_for_fence(held.importer);
    return holder;
}

/* @was_held: the fence did not end by itself. */
int held_status(int status, bool was_held) {
    return status == 0 && !was_held ? EX_TEMPFAIL : status;
}

int hold(std::span<char*> words) {
    const int ms = std::atoi(words[0]);
    const int waiters = words.size() > 1 ? std::atoi(words[1]) : 1;
    const Buffer other = words.size() > 2 ? make(words[2]) : Buffer{};
    const Holdable held;
    const testexp::Importer& importer = held.importer;
    const Fd ready = checked(eventfd(0, EFD_CLOEXEC), "eventfd");

    const auto wait = [&] {
        wait_for_fence(importer);
        poll_once(held.buffer.fd.get());
        if (other.fd)
            poll_once(other.fd.get());
    };
    Child waiter =
        start("waiter", [&] { in_threads(waiters, wait, [&] { eventfd_write(ready.get(), 1); }); });
    eventfd_t started = 0;
    eventfd_read(ready.get(), &started);
    Child holder = start_holder(held);

    const auto waits = [](const fs::path& task) { return stat_of(task).starts_with('D'); };
    bool is_held = true;
    while (is_held && count_threads(waiter.pid(), waits) < waiters) {
        rest();
        is_held = has_fence(importer);
    }
    if (is_held)
        usleep(static_cast<useconds_t>(ms) * 1000);
    is_held = importer.signal().value();

    const int status =
        testexp::exit_status_of(holder.wait()) + testexp::exit_status_of(waiter.wait());
    return held_status(status, is_held);
}

int interrupt(std::span<char*>) {
    const Holdable held;
    Child holder = start_holder(held);
    Child waiter = start("waiter", [&] { (void)held.device.stats(held.buffer.fd.get()).value(); });
    const fs::path task = "/proc/" + std::to_string(waiter.pid());

    while (has_fence(held.importer) &&
           !(syscall_of(task) == SYS_ioctl && stat_of(task).starts_with('S')))
        rest();
    waiter.kill();
    waiter.wait();
    const bool was_held = held.importer.signal().value();
    return held_status(testexp::exit_status_of(holder.wait()), was_held);
}

void arm_kprobes(bool armed) {
    std::ofstream file("/sys/kernel/debug/kprobes/enabled");

    if (!(file << armed << std::flush))
        fail("kprobes/enabled");
}

int unseen(std::span<char*>) {
    const Holdable held;
    Child holder = start_holder(held);

    arm_kprobes(false);
    const bool was_held = held.importer.signal().value();
    const int status = testexp::exit_status_of(holder.wait());
    arm_kprobes(true);
    poll_once(held.buffer.fd.get());
    return held_status(status, was_held);
}

int deadlock(std::span<char*> words) {
    const testexp::Contender both = {
        .count = 2, .ops = static_cast<std::uint64_t>(std::atoi(words[0])), .hold_ticks = 10000};
    const Buffer buffers[] = {make_testexp(), make_testexp()};
    const testexp::Device device = testexp::Device::open().value();
    const testexp::Importer importers[] = {device.attach(buffers[0].fd.get()).value(),
                                           device.attach(buffers[1].fd.get()).value()};
    const testexp::Contention contention =
        testexp::contend(device, {.importers = {importers[0].fd(), importers[1].fd()},
                                  .contenders = {both, both, both}})
            .value();
    std::uint64_t backoffs = 0;

    (void)contention.run().value();
    for (const testexp::ContenderReport& report : contention.reports().value())
        backoffs += report.counts.backoffs;
    fmt::print("{}\n", backoffs);
    return backoffs == 0 ? EX_TEMPFAIL : 0;
}

int nap(std::span<char*>) {
    char byte = 0;

    while (read(STDIN_FILENO, &byte, 1) == 1) {
        in_threads(1, [] {
            const timespec moment = {0, 1};

            nanosleep(&moment, nullptr);
        });
        fmt::print("slept\n");
        std::fflush(stdout);
    }
    return 0;
}

constexpr struct {
    std::string_view name;
    std::size_t min_words; /* behind the name */
    int (*run)(std::span<char*> words);
} commands[] = {
    {"poll", 2, poll_all},
    {"map", 2, map_all},
    {"resolve", 2, resolve_all},
    {"hold", 1, hold},
    {"interrupt", 0, interrupt},
    {"unseen", 0, unseen},
    {"deadlock", 1, deadlock},
    {"crowd", 1, crowd},
    {"nap", 0, nap},
    {"attached", 1, stay_attached},
    {"sleep", 1, sleep_with},
};

} // namespace

int main(int argc, char** argv) {
    const std::span words(argv, static_cast<std::size_t>(argc));
    const std::string_view what = argc > 1 ? argv[1] : "";

    try {
        for (const auto& command : commands)
            if (what == command.name && words.size() >= 2 + command.min_words)
                return command.run(words.subspan(2));
    } catch (const std::exception& problem) {
        fmt::print(stderr, "lock_calls: {}\n", problem.what());
        return 1;
    }
    fmt::print(stderr,
               "usage: lock_calls poll|map|resolve N EXPORTER... | hold MS [N [EXPORTER]] | "
               "interrupt | unseen | deadlock N | crowd N | nap | attached|sleep EXPORTER...\n");
    return 2;
}
