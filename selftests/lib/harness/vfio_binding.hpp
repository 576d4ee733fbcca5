/* SPDX-License-Identifier: GPL-2.0 */
/* A PCI device that nobody uses, for VFIO. */
#pragma once

#include <string>

#include "pci.hpp"

namespace testexp {

/*
 * Loads vfio-pci and iommufd, where they are modules. A call in the plan of a program loads the
 * modules once for all cases.
 */
void load_vfio();

/*
 * While the object exists, vfio-pci drives the first device of this kind that has no driver, and
 * whose BAR the module has not claimed.
 */
class VfioBinding {
public:
    /* Skips where there is no such device, or where VFIO refuses the device. */
    explicit VfioBinding(const PciId& id);
    ~VfioBinding();
    VfioBinding(const VfioBinding&) = delete;
    VfioBinding& operator=(const VfioBinding&) = delete;

    const std::string& device() const { return device_; }
    PciBar bar(int number) const;

private:
    std::string directory() const { return "/sys/bus/pci/devices/" + device_; }
    void unbind() const;

    std::string device_;
};

} // namespace testexp
