// SPDX-License-Identifier: GPL-2.0
#include "vfio_binding.hpp"

#include <cstdio>
#include <fstream>

#include <unistd.h>

#include "child.hpp"
#include "fixture.hpp"
#include "ksft.hpp"

namespace testexp {

namespace {

void write_to(const std::string& path, const std::string& text) {
    std::ofstream(path) << text;
}

std::string name_of(const PciId& id) {
    char name[16];

    std::snprintf(name, sizeof(name), "%04x:%04x", id.vendor, id.device);
    return name;
}

/* The module may have claimed a BAR, see the parameter mmio_bar. VFIO cannot use such a device. */
std::string device_of_module() {
    const std::string bar = testexp::device().info().mmio_bar;

    return bar.substr(0, bar.find('/'));
}

} // namespace

void load_vfio() {
    static const bool is_loaded = [] {
        Result<Child> modprobe = Child::execute({"modprobe", "-aq", "vfio-pci", "iommufd"});

        return modprobe && modprobe.value().wait() == 0;
    }();

    (void)is_loaded; /* where modprobe fails, the modules may be built in */
}

VfioBinding::VfioBinding(const PciId& id)
    : device_(find_free_device(id, "/sys/bus/pci/devices", device_of_module())) {
    REQUIRE(!device_.empty(), "this machine has no PCI device " + name_of(id) +
                                  " without a driver, and whose BAR the module does not use");
    load_vfio();
    write_to(directory() + "/driver_override", "vfio-pci");
    write_to("/sys/bus/pci/drivers_probe", device_);
    if (access((directory() + "/vfio-dev").c_str(), F_OK) != 0) {
        unbind(); /* skip() throws, so the destructor does not run */
        ksft::skip("vfio-pci does not take the device " + device_ +
                   ": it needs an IOMMU (scripts/vm --iommu)");
    }
}

VfioBinding::~VfioBinding() {
    unbind();
}

PciBar VfioBinding::bar(int number) const {
    return find_bar(device_ + "/" + std::to_string(number)).value();
}

void VfioBinding::unbind() const {
    write_to(directory() + "/driver/unbind", device_);
    write_to(directory() + "/driver_override", "\n");
}

} // namespace testexp
