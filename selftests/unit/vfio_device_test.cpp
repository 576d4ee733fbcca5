// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: a device that VFIO cannot give to this process is refused in one line that says why, and
 * what to do.
 * Method: directories that look like those of the kernel.
 * It cannot see: whether VFIO gives a device to anybody.
 */
#include <cerrno>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "scratch.hpp"
#include "vfio_device.hpp"

namespace {

using namespace testexp;
namespace fs = std::filesystem;

class VfioDeviceTest : public testing::Test {
protected:
    void SetUp() override {
        paths_ = {.devices = scratch_.path / "devices", .dev = scratch_.path / "dev"};
        fs::create_directories(paths_.devices / name);
        fs::create_directories(paths_.dev / "vfio/devices");
    }

    void bind(const std::string& cdev) const {
        fs::create_directories(paths_.devices / name / "vfio-dev" / cdev);
    }

    /* The code of the error; and the text must say this. */
    int refusal(const std::string& device, const std::string& text) const {
        const auto opened = VfioDevice::open(device, paths_);

        if (opened)
            return 0;
        EXPECT_NE(opened.error().what.find(text), std::string::npos) << opened.error().what;
        EXPECT_EQ(opened.error().what.find('\n'), std::string::npos) << opened.error().what;
        return opened.code();
    }

    static constexpr const char* name = "0000:00:11.0";
    Scratch scratch_;
    VfioPaths paths_;
};

TEST_F(VfioDeviceTest, ADeviceThatIsNotThere) {
    EXPECT_EQ(refusal("0000:00:1f.7", "0000:00:1f.7, which is not there"), EOPNOTSUPP);
}

TEST_F(VfioDeviceTest, ADeviceWithoutDriver) {
    EXPECT_EQ(refusal(name, "no driver; say scripts/lib/guest/vfio-bind 0000:00:11.0"), EOPNOTSUPP);
}

TEST_F(VfioDeviceTest, ADeviceWithAnotherDriver) {
    fs::create_symlink("../../drivers/e1000e", paths_.devices / name / "driver");
    EXPECT_EQ(refusal(name, "the driver e1000e"), EOPNOTSUPP);
}

TEST_F(VfioDeviceTest, NoIommufd) {
    bind("vfio0");
    std::ofstream(paths_.dev / "vfio/devices/vfio0");
    EXPECT_EQ(refusal(name, "dev/iommu, which is not there"), EOPNOTSUPP);
}

TEST_F(VfioDeviceTest, ADeviceNodeThatIsNone) {
    bind("noiommu-vfio0");
    std::ofstream(paths_.dev / "vfio/devices/noiommu-vfio0");
    std::ofstream(paths_.dev / "iommu");
    EXPECT_EQ(refusal(name, "cannot bind the device to /dev/iommu"), ENOTTY);
}

/* The same directories: open() takes the character device, and open_by_group() the group. */
TEST_F(VfioDeviceTest, TheGroupOnlyWhereTheCallerAsksForTheGroup) {
    bind("vfio0");
    std::ofstream(paths_.dev / "vfio/devices/vfio0");
    std::ofstream(paths_.dev / "iommu");
    fs::create_directory_symlink("../../groups/7", paths_.devices / name / "iommu_group");
    EXPECT_EQ(refusal(name, "cannot bind the device to /dev/iommu"), ENOTTY);

    const auto opened = VfioDevice::open_by_group(name, paths_);

    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.code(), EOPNOTSUPP);
    EXPECT_NE(opened.error().what.find("dev/vfio/7, which is not there"), std::string::npos)
        << opened.error().what;
}

/* Only this refusal may become a skip: another EPERM is a failure. */
TEST_F(VfioDeviceTest, EpermIsALackOnlyWhereUnsafeInterruptsAreNotAllowed) {
    const fs::path parameters = scratch_.path / "module/iommufd/parameters";
    const auto code_of = [&](int number) {
        errno = number;
        return vfio_refusal("no", name, "iommufd", paths_).code;
    };

    paths_.modules = scratch_.path / "module";
    EXPECT_EQ(code_of(EPERM), EPERM);
    fs::create_directories(parameters);
    std::ofstream(parameters / "allow_unsafe_interrupts") << "Y\n";
    EXPECT_EQ(code_of(EPERM), EPERM);
    std::ofstream(parameters / "allow_unsafe_interrupts") << "N\n";
    EXPECT_EQ(code_of(EPERM), EOPNOTSUPP);
    EXPECT_EQ(code_of(EBUSY), EBUSY);
}

TEST_F(VfioDeviceTest, NeitherDeviceNodeNorGroup) {
    bind("vfio0");
    EXPECT_EQ(refusal(name, "an IOMMU for 0000:00:11.0"), EOPNOTSUPP);
    fs::create_directory_symlink("../../groups/7", paths_.devices / name / "iommu_group");
    EXPECT_EQ(refusal(name, "dev/vfio/7, which is not there"), EOPNOTSUPP);
}

TEST_F(VfioDeviceTest, AGroupWithoutIommu) {
    bind("vfio0");
    fs::create_directories(scratch_.path / "7");
    std::ofstream(scratch_.path / "7/name") << "vfio-noiommu\n";
    fs::create_directory_symlink(scratch_.path / "7", paths_.devices / name / "iommu_group");
    EXPECT_EQ(refusal(name, "dev/vfio/noiommu-7, which is not there"), EOPNOTSUPP);
}

} // namespace
