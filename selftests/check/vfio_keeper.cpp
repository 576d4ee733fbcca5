// SPDX-License-Identifier: GPL-2.0
#include "vfio_keeper.hpp"

#include <array>
#include <cerrno>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace check {

using namespace testexp;

namespace {

constexpr std::string_view done = "done";
constexpr std::size_t longest_answer = 512;

std::pair<Fd, Fd> make_socket() {
    std::array<int, 2> ends{};

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) < 0)
        throw std::runtime_error(errno_error("socketpair").what);
    return {Fd(ends[0]), Fd(ends[1])};
}

Status fulfil(std::optional<VfioDevice>& device, VfioRequest request) {
    if (!device)
        return Error{EBADF, "the VFIO device is closed already"};
    switch (request) {
    case VfioRequest::reset:
        return device->reset();
    case VfioRequest::decode_off:
        return device->set_memory_decode(false);
    case VfioRequest::decode_on:
        return device->set_memory_decode(true);
    case VfioRequest::close:
        device.reset();
        return std::monostate{};
    }
    return Error{EINVAL, "no such request"};
}

/* Runs in the new process until the other end of the socket is closed. */
int keep(std::optional<VfioDevice> device, const Fd& socket) {
    VfioRequest request{};

    while (recv(socket.get(), &request, sizeof(request), 0) == sizeof(request)) {
        const Status status = fulfil(device, request);
        const std::string_view answer = status ? done : std::string_view(status.error().what);

        if (send(socket.get(), answer.data(), answer.size(), MSG_NOSIGNAL) < 0)
            return 1;
    }
    return 0;
}

} // namespace

VfioKeeper::VfioKeeper(VfioDevice device) : VfioKeeper(std::move(device), make_socket()) {
}

/* The constructor closes the device here at its end. The other process has its own descriptor. */
VfioKeeper::VfioKeeper(VfioDevice device, Ends ends)
    : device_number_(device.fd()), socket_(std::move(ends.first)), process_([&] {
          socket_.reset();
          return keep(std::move(device), ends.second);
      }) {
}

Fd VfioKeeper::device() const {
    const Fd process(static_cast<int>(syscall(SYS_pidfd_open, process_.pid(), 0)));
    Fd device(static_cast<int>(syscall(SYS_pidfd_getfd, process.get(), device_number_, 0)));

    if (!device)
        throw std::runtime_error(errno_error("pidfd_getfd of the VFIO device").what);
    return device;
}

void VfioKeeper::ask(VfioRequest request) const {
    std::string answer(longest_answer, '\0');

    if (send(socket_.get(), &request, sizeof(request), MSG_NOSIGNAL) != sizeof(request))
        throw std::runtime_error(errno_error("the process with the VFIO device").what);

    const ssize_t length = recv(socket_.get(), answer.data(), answer.size(), 0);

    if (length <= 0)
        throw std::runtime_error("the process with the VFIO device has ended");
    answer.resize(static_cast<std::size_t>(length));
    if (answer != done)
        throw std::runtime_error(answer);
}

} // namespace check
