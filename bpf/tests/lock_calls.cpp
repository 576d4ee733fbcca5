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
 *   lock_calls hold MS [N]          a process "holder" holds the lock of a buffer, a process
 *                                   "waiter" with N threads waits for the lock, both at least MS;
 *                                   status 75: the module's fence, and so the hold, ended before
 *                                   all threads waited for MS, so try again
 *   lock_calls crowd N              N threads sleep at once, in hrtimer_nanosleep()
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
#include <thread>
#include <vector>

#include "child.hpp"
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

/* A revoke waits for the importer's fence with the lock held. */
int hold(std::span<char*> words) {
    const int ms = std::atoi(words[0]);
    const int waiters = words.size() > 1 ? std::atoi(words[1]) : 1;
    const testexp::Device device = testexp::Device::open().value();
    testexp::CreateSpec spec;
    spec.layout.ram(16);
    spec.flags = TESTEXP_CREATE_DYNAMIC;
    const testexp::Buffer buffer = device.create(spec).value();
    const testexp::Importer importer =
        device.attach(buffer.fd.get(), TESTEXP_ATTACH_DYNAMIC | TESTEXP_ATTACH_FENCE).value();
    (void)importer.fill({.count = 1}).value();
    const Fd ready = checked(eventfd(0, EFD_CLOEXEC), "eventfd");

    const auto wait = [&] {
        wait_for_fence(importer);
        poll_once(buffer.fd.get());
    };
    Child waiter =
        start("waiter", [&] { in_threads(waiters, wait, [&] { eventfd_write(ready.get(), 1); }); });
    eventfd_t started = 0;
    eventfd_read(ready.get(), &started);
    Child holder = start("holder", [&] { (void)device.revoke(buffer.fd.get()).value(); });
    wait_for_fence(importer);

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
    return status == 0 && !is_held ? EX_TEMPFAIL : status;
}

} // namespace

int main(int argc, char** argv) {
    const std::span words(argv, static_cast<std::size_t>(argc));
    const std::string what = argc > 2 ? argv[1] : "";

    try {
        if (what == "poll" && argc > 3)
            return poll_all(words.subspan(2));
        if (what == "map" && argc > 3)
            return map_all(words.subspan(2));
        if (what == "resolve" && argc > 3)
            return resolve_all(words.subspan(2));
        if (what == "hold")
            return hold(words.subspan(2));
        if (what == "crowd")
            return crowd(words.subspan(2));
        if (what == "attached")
            return stay_attached(words.subspan(2));
        if (what == "sleep")
            return sleep_with(words.subspan(2));
    } catch (const std::exception& problem) {
        fmt::print(stderr, "lock_calls: {}\n", problem.what());
        return 1;
    }
    fmt::print(stderr, "usage: lock_calls poll|map|resolve N EXPORTER... | hold MS [N] | crowd N | "
                       "attached|sleep EXPORTER...\n");
    return 2;
}
