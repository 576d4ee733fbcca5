// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: CREATE and ATTACH no longer use their object once its descriptor works, because another
 * thread may close the descriptor at that moment.
 *
 * Method: one thread makes objects, and another thread keeps closing the number that the next
 * object will get. INFO's counts show that everything is gone. KASAN, on the debug kernel, reports
 * accesses after the end of an object.
 *
 * Does not see: accesses between two closes.
 */
#include <atomic>
#include <functional>
#include <thread>

#include <fcntl.h>
#include <unistd.h>

#include "call.hpp"
#include "fixture.hpp"

using namespace testexp;

namespace {

constexpr int rounds = 20;

/* Closes a descriptor number again and again. */
class Closer {
public:
    explicit Closer(int fd)
        : thread_([this, fd] {
              while (!stop_) {
                  (void)close(fd);
                  std::this_thread::yield(); /* there may be only one processor */
              }
          }) {}
    Closer(const Closer&) = delete;
    Closer& operator=(const Closer&) = delete;
    ~Closer() {
        stop_ = true;
        thread_.join();
    }

private:
    std::atomic<bool> stop_ = false;
    std::thread thread_;
};

/* @make returns the descriptor's number, which may already be closed, or -1. */
void closed_at_once(const std::function<int()>& make) {
    const testexp_info before = device().read_info().value();
    const int fd = next_fd();

    {
        const Closer closer(fd);

        for (int i = 0; i < rounds; i++) {
            ksft::expect_eq(make(), fd, "the number of the descriptor");
            while (fcntl(fd, F_GETFD) >= 0)
                std::this_thread::yield();
        }
    }

    const testexp_info after = device().read_info().value();

    ksft::expect_eq(after.nr_buffers, before.nr_buffers, "buffers left");
    ksft::expect_eq(after.nr_importers, before.nr_importers, "importers left");
    ksft::expect_eq(after.used_pages, before.used_pages, "pages still charged");
}

int create() {
    const testexp_extent extent = Layout{}.ram(1).extents[0];
    auto args = sized<testexp_create>();

    args.extents = user_pointer(&extent);
    args.nr_extents = 1;
    return errno_of_call(device().fd(), TESTEXP_IOC_CREATE, &args) != 0 ? -1 : args.fd;
}

int attach(const Buffer& buffer) {
    auto args = sized<testexp_attach>();

    args.fd = buffer.fd.get();
    return errno_of_call(device().fd(), TESTEXP_IOC_ATTACH, &args) != 0 ? -1 : args.importer_fd;
}

void make_plan(ksft::Plan& plan) {
    (void)device();
    plan.add("closed_at_once[ioctl=create]", [] { closed_at_once(create); });
    plan.add("closed_at_once[ioctl=attach]", [] {
        const Buffer buffer = device().create({.layout = Layout{}.ram(1)}).value();

        closed_at_once([&] { return attach(buffer); });
    });
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
