/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A process that has a VFIO device open. Each law runs in a process of its own, which could not
 * close the device for good, because this process would still have the device open. So the device
 * is in a process that closes the device when a law asks for this.
 */
#pragma once

#include <functional>
#include <utility>

#include "child.hpp"
#include "vfio_device.hpp"

namespace check {

enum class VfioRequest : char { reset, decode_off, decode_on, close };

class VfioKeeper {
public:
    explicit VfioKeeper(testexp::VfioDevice device);

    /* Any process may call this, one at a time. Throws std::runtime_error on failure. */
    void ask(VfioRequest request) const;

    /* A descriptor of the device for this process. The device stays open until it is closed. */
    testexp::Fd device() const;

private:
    using Ends = std::pair<testexp::Fd, testexp::Fd>; /* of a socket: ours, and the keeper's */

    VfioKeeper(testexp::VfioDevice device, Ends ends);

    int device_number_; /* of the descriptor in the process */
    testexp::Fd socket_;
    testexp::Child process_;
};

} // namespace check
