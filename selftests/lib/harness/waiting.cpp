// SPDX-License-Identifier: GPL-2.0
#include "waiting.hpp"

#include <csignal>
#include <fstream>
#include <sstream>
#include <thread>

#include <sys/syscall.h>
#include <unistd.h>

#include "call.hpp"

namespace testexp {

namespace {

Layout layout_of(const Hold& hold) {
    return Layout{}.ram(hold.nr_pages, {.align_order = hold.align_order});
}

void do_nothing(int /*signal*/) {
}

/* Without SA_RESTART, so that a signal ends the call visibly. */
void install_handler() {
    struct sigaction action = {};

    action.sa_handler = do_nothing;
    if (sigaction(SIGUSR1, &action, nullptr) < 0)
        ksft::fail(errno_error("sigaction").what);
}

} // namespace

/* The file says "running" for a task that does not sleep, and -1 for a task outside a call. */
bool is_asleep_in_call(pid_t task) {
    std::ifstream file("/proc/" + std::to_string(task) + "/syscall");
    std::string line;

    if (!std::getline(file, line))
        return false;

    std::istringstream words(line);
    long number = -1;
    std::string descriptor;
    std::string request;

    if (!(words >> number >> descriptor >> request))
        return false;
    return number == SYS_close ||
           (number == SYS_ioctl && _IOC_TYPE(std::stoul(request, nullptr, 0)) == TESTEXP_IOC_MAGIC);
}

Caller::Caller(std::function<int()> call) {
    std::future<pid_t> started = started_.get_future();

    install_handler();
    result_ = in_thread([this, call = std::move(call)] {
        started_.set_value(static_cast<pid_t>(syscall(SYS_gettid)));
        return call();
    });
    task_ = started.get();
}

bool Caller::wait_until_asleep() const {
    while (!has_ended()) {
        if (is_asleep_in_call(task_))
            return true;
        std::this_thread::sleep_for(limits::look_again);
    }
    return false;
}

void Caller::interrupt() const {
    (void)syscall(SYS_tgkill, getpid(), task_, SIGUSR1);
}

bool Caller::has_ended() const {
    return result_.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
}

HeldLock::HeldLock(const Hold& hold)
    : hold_(hold), buffer_(device()
                               .create({.layout = layout_of(hold),
                                        .flags = TESTEXP_CREATE_DYNAMIC | hold.create_flags})
                               .value()),
      fenced_(
          device().attach(buffer_.fd.get(), TESTEXP_ATTACH_DYNAMIC | TESTEXP_ATTACH_FENCE).value()),
      importer_(attach()), holder_(in_thread([this] { return take_lock(); })) {
    /* is_held() tells whether the fence has expired. */
    (void)wait_for(fenced_, POLLPRI, holder_);
}

Importer HeldLock::attach() const {
    Importer importer = device().attach(buffer_.fd.get(), hold_.attach_flags).value();

    if (hold_.mapped_by_kernel)
        (void)importer.map_kernel().value();
    return importer;
}

int HeldLock::take_lock() const {
    return hold_.by_revoke ? device().revoke(buffer_.fd.get()).code() : move();
}

int HeldLock::move() const {
    return device().move(buffer_.fd.get(), layout_of(hold_)).code();
}

/* Another move may have added a fence of its own. */
bool HeldLock::is_held() const {
    return happens(fenced_, POLLPRI) && is_running(holder_);
}

void HeldLock::release() {
    (void)fenced_.signal().value();
    ksft::expect_eq(holder_.get(), 0, hold_.by_revoke ? "REVOKE" : "MOVE");
}

HeldMapping::HeldMapping(const Importer& importer)
    : room_(Mapping::map(lock_.buffer().fd.get(), 1).value()), mapper_([this, &importer] {
          args_.size = sizeof(args_);
          args_.entries = address_of(room_);
          args_.capacity = most_segments;
          return errno_of_call(importer.fd(), TESTEXP_IOC_MAP, &args_);
      }),
      asleep_(mapper_.wait_until_asleep()) {
}

void HeldMapping::release() {
    lock_.release();
    ksft::expect_eq(mapper_.result(), 0, "MAP");
}

/* move_notify, which a revoke calls, ends the pause. */
Pause::Pause(std::uint32_t timeout_ms)
    : buffer_(device().create({.layout = Layout{}.ram(1)}).value()),
      importer_(device().attach(buffer_.fd.get(), TESTEXP_ATTACH_DYNAMIC).value()),
      filler_(in_thread([this, timeout_ms] {
          return importer_.fill({.mode = TESTEXP_FILL_NAIVE, .pause_ms = timeout_ms / 2}).code();
      })) {
    (void)wait_for(importer_, POLLIN, filler_);
}

Pause::~Pause() {
    (void)device().revoke(buffer_.fd.get()).code();
}

} // namespace testexp
