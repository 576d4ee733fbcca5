// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: the module refuses a wrong parameter with the right errno, the kernel log names the
 * parameter and says what is wrong, and nothing is left of the module that was refused.
 *
 * Method: loads a copy of the loaded module. The copy has another name of the same length, so that
 * the kernel takes both. Without a BAR the copy loads, and refuses extents of MMIO.
 *
 * Does not see: a reference to a PCI device that is not dropped; the longest segment that a PCI
 * device may have, which sysfs does not tell. Skips when the file of the loaded
 * module is not known: selftests/run names the file in TESTEXP_MODULE, and kselftest puts the file
 * beside this program.
 */
#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "call.hpp"
#include "fixture.hpp"
#include "kmsg.hpp"
#include "limits.hpp"
#include "module.hpp"

using namespace testexp;

namespace {

const std::string copy_name = "dmabuf_testex2";

std::string variable(const char* name) {
    const char* text = std::getenv(name);

    return text ? text : "";
}

/* The file of the loaded module, with another name in the place of the module's name. */
std::string image_of_copy() {
    const std::string name = TESTEXP_DEVICE_NAME;
    const std::string told = variable("TESTEXP_MODULE");
    const std::string path = told.empty() ? module_path() : told;

    REQUIRE(access(path.c_str(), R_OK) == 0, "the file of the loaded module is not known");

    std::ifstream file(path, std::ios::binary);
    std::string image(std::istreambuf_iterator<char>(file), {});

    for (std::size_t at = image.find(name); at != std::string::npos; at = image.find(name, at))
        image.replace(at, name.size(), copy_name);
    return image;
}

/* Loads the copy. Returns 0 or the errno. */
int load_copy(const std::string& parameters) {
    const std::string image = image_of_copy();
    const std::string all = variable("TESTEXP_MODULE_PARAMETERS") + " " + parameters;

    return syscall(SYS_init_module, image.data(), image.size(), all.c_str()) < 0 ? errno : 0;
}

/* The release of a descriptor of the copy may come a moment after close(). */
bool unload_copy() {
    for (int times = 0; times < 100; times++) {
        if (syscall(SYS_delete_module, copy_name.c_str(), O_NONBLOCK) == 0)
            return true;
        std::this_thread::sleep_for(limits::look_again);
    }
    return false;
}

/* @parameter: NAME=VALUE; @more: parameters that are right */
void refused(const std::string& parameter, int code, const std::string& reason,
             const std::string& more = "") {
    const std::filesystem::path own_device = "/sys/devices/platform/" + copy_name;
    const std::string line = parameter + ": " + reason;
    Kmsg log;
    const int result = load_copy(more + " " + parameter);
    const std::vector<std::string> said = log.new_lines();

    ksft::expect_eq(result, code, parameter);
    if (result == 0)
        unload_copy();
    ksft::expect(
        std::any_of(said.begin(), said.end(),
                    [&](const std::string& one) { return one.find(line) != std::string::npos; }),
        "the kernel log says \"" + line + "\"");
    ksft::expect(!std::filesystem::exists(own_device), "the device of the copy is gone");
}

/* The sysfs name of a PCI device that has a driver. */
std::string device_with_driver() {
    for (const auto& entry : std::filesystem::directory_iterator("/sys/bus/pci/devices"))
        if (std::filesystem::exists(entry.path() / "driver"))
            return entry.path().filename();
    ksft::skip("no PCI device has a driver");
}

std::string bar(const std::string& number) {
    return "mmio_bar=" + mmio_bar().device + "/" + number;
}

void no_number_of_bar() {
    refused("mmio_bar=" + mmio_bar().device, EINVAL, "must look like 0000:00:11.0/2");
}

/* The module that is loaded uses the BAR. Nothing of the BAR is taken from this module. */
void bar_in_use() {
    const std::uint64_t pages = device().info().mmio_pages;

    refused("mmio_bar=" + mmio_bar().device + "/" + std::to_string(mmio_bar().number), EBUSY,
            "a driver uses this BAR; unbind the driver first");
    ksft::expect_eq(device().read_info().value().mmio_pages, pages, "pages of the BAR");
    ksft::expect_eq(device().create({.layout = Layout{}.mmio(0, 1)}).code(), 0,
                    "create a buffer in the BAR");
}

/* A BAR that is refused is free again, so the next load names the same reason. */
void small_bar() {
    for (int times = 0; times < 2; times++)
        refused(bar("0"), ENXIO, "the BAR has no memory, or less than a page");
}

/* How many address bits the device may use for DMA, and for coherent DMA. */
std::string dma_bits(const std::string& device) {
    const std::filesystem::path directory = "/sys/bus/pci/devices/" + device;
    std::string bits;
    std::string coherent_bits;

    std::ifstream(directory / "dma_mask_bits") >> bits;
    std::ifstream(directory / "consistent_dma_mask_bits") >> coherent_bits;
    return bits + " " + coherent_bits;
}

const std::string all_bits = "64 64";

/* The device of the BAR has no driver, so importers may attach it. It still has its own masks. */
std::string device_to_borrow() {
    const std::string device = mmio_bar().device;

    REQUIRE(dma_bits(device) != all_bits, "the device of the BAR has 64-bit masks already");
    return device;
}

void refused_gives_back() {
    const std::string device = device_to_borrow();
    const std::string before = dma_bits(device);

    refused("mmio_bar=nonsense", EINVAL, "must look like 0000:00:11.0/2",
            "importer_device=" + device);
    ksft::expect_eq(dma_bits(device), before, "DMA masks after the load was refused");
}

void unloaded_gives_back() {
    const std::string device = device_to_borrow();
    const std::string before = dma_bits(device);

    if (!ksft::expect_eq(load_copy("importer_device=" + device), 0, "load"))
        return;
    ksft::expect_eq(dma_bits(device), all_bits, "DMA masks while the module has the device");
    ksft::expect(unload_copy(), "unload");
    ksft::expect_eq(dma_bits(device), before, "DMA masks after the unload");
}

/* Makes a buffer of one page. Returns 0 or the errno. */
int create_page(int fd, std::uint32_t type, std::uint32_t cache) {
    testexp_extent extent{};
    testexp_create args{};

    extent.nr_pages = 1;
    extent.repeat = 1;
    extent.type = type;
    extent.cache = cache;
    args.size = sizeof(args);
    args.nr_extents = 1;
    args.extents = reinterpret_cast<std::uintptr_t>(&extent);
    if (const int error = errno_of_call(fd, TESTEXP_IOC_CREATE, &args); error != 0)
        return error;
    close(args.fd);
    return 0;
}

/* Without a BAR the module loads, says so in INFO, and has no pages of MMIO. */
void no_bar() {
    if (!ksft::expect_eq(load_copy(""), 0, "load without parameters"))
        return;
    {
        const Fd copy(open(("/dev/" + copy_name).c_str(), O_RDWR | O_CLOEXEC));
        testexp_info info{};

        info.size = sizeof(info);
        ksft::expect_eq(ioctl(copy.get(), TESTEXP_IOC_INFO, &info), 0, "INFO");
        ksft::expect_eq(info.mmio_pages, 0, "pages of the BAR");
        ksft::expect_eq(std::string(info.mmio_bar), std::string(), "name of the BAR");
        ksft::expect_eq(create_page(copy.get(), TESTEXP_EXTENT_MMIO, TESTEXP_CACHE_UC), ENODEV,
                        "create a buffer of MMIO");
        ksft::expect_eq(create_page(copy.get(), TESTEXP_EXTENT_RAM, TESTEXP_CACHE_WB), 0,
                        "create a buffer of RAM");
    }
    ksft::expect(unload_copy(), "unload");
}

void make_plan(ksft::Plan& plan) {
    (void)device();
    for (const char* name : {"nonsense", "0000:00:11", "0000:100:11.0/2", "0000:00:20.0/2",
                             "0000:00:11.8/2", "0000:00:11.0:2", "0000:00:11.0/x"})
        plan.add(std::string("load.bad_name[parameter=mmio_bar,name=") + name + "]", [=] {
            refused(std::string("mmio_bar=") + name, EINVAL, "must look like 0000:00:11.0/2");
        });
    for (const char* name : {"nonsense", "0000:00:11.0/2"})
        plan.add(std::string("load.bad_name[parameter=importer_device,name=") + name + "]", [=] {
            refused(std::string("importer_device=") + name, EINVAL, "must look like 0000:00:10.0");
        });
    plan.add("load.no_such_device[parameter=mmio_bar]",
             [] { refused("mmio_bar=ffff:ff:1f.7/0", ENODEV, "no such device"); });
    plan.add("load.no_such_device[parameter=importer_device]",
             [] { refused("importer_device=ffff:ff:1f.7", ENODEV, "no such device"); });
    plan.add("load.device_has_driver", [] {
        refused("importer_device=" + device_with_driver(), EBUSY,
                "the device has a driver; unbind the driver first");
    });
    plan.add("load.device_has_its_masks_again[after=refused]", refused_gives_back);
    plan.add("load.device_has_its_masks_again[after=unload]", unloaded_gives_back);
    plan.add("load.no_number_of_bar", no_number_of_bar);
    for (const char* number : {"-2147483648", "-1", "6", "2147483647"})
        plan.add(std::string("load.no_such_bar[number=") + number + "]", [=] {
            refused(bar(number), ENXIO, "the BAR has no memory, or less than a page");
        });
    plan.add("load.small_bar", small_bar);
    plan.add("load.bar_in_use", bar_in_use);
    plan.add("load.more_pages_than_memory",
             [] { refused("max_pages=1000000000000", EINVAL, "this machine has fewer pages"); });
    plan.add("load.no_bar", no_bar);
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
