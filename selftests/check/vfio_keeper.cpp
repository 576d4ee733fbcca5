// SPDX-License-Identifier: GPL-2.0
#include "vfio_keeper.hpp"

#include <cerrno>
#include <memory>
#include <optional>
#include <stdexcept>

#include <sys/syscall.h>
#include <unistd.h>

namespace check {

using namespace testexp;

namespace {

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

/* Only the other process may use the result. The last copy of the result closes the device. */
AskedProcess::Fulfil fulfil_with(VfioDevice device) {
    const auto kept = std::make_shared<std::optional<VfioDevice>>(std::move(device));

    return [kept](char request) { return fulfil(*kept, static_cast<VfioRequest>(request)); };
}

} // namespace

/* This process closes the device here. The other process has its own descriptor. */
VfioKeeper::VfioKeeper(VfioDevice device)
    : device_number_(device.fd()), process_(fulfil_with(std::move(device))) {
}

Fd VfioKeeper::device() const {
    const Fd process(static_cast<int>(syscall(SYS_pidfd_open, process_.pid(), 0)));
    Fd device(static_cast<int>(syscall(SYS_pidfd_getfd, process.get(), device_number_, 0)));

    if (!device)
        throw std::runtime_error(errno_error("pidfd_getfd of the VFIO device").what);
    return device;
}

} // namespace check
