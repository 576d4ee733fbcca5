/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A process that has a VFIO device open. Each law runs in a child of dmabuf-check. A child could
 * not close the device for good, because its parent would still have the device open. So a third
 * process has the device, and closes the device when a law asks for this.
 */
#pragma once

#include "asked_process.hpp"
#include "vfio_device.hpp"

namespace check {

enum class VfioRequest : char { reset, decode_off, decode_on, close };

class VfioKeeper {
public:
    explicit VfioKeeper(testexp::VfioDevice device);

    /* Any process may call this, one at a time. Throws std::runtime_error on failure. */
    void ask(VfioRequest request) const { process_.ask(static_cast<char>(request)); }

    /* A descriptor of the device for this process. It keeps the device open, too. */
    testexp::Fd device() const;

private:
    int device_number_; /* number of the device's descriptor in the other process */
    AskedProcess process_;
};

} // namespace check
