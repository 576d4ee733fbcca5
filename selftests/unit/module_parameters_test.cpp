// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: the module is loaded only with what this machine allows: no provoked WARNING where
 * WARNINGs may end in a panic, and no BAR of a device that has a driver.
 */
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "module_parameters.hpp"
#include "scratch.hpp"

namespace {

class ModuleParameters : public testing::Test {
protected:
    void SetUp() override {
        files_ = {.panic_on_warn = scratch_.path / "panic_on_warn",
                  .warn_limit = scratch_.path / "warn_limit",
                  .command_line = scratch_.path / "cmdline",
                  .pci_devices = scratch_.path / "devices"};
        std::filesystem::create_directories(files_.pci_devices);
        write(files_.panic_on_warn, "0");
        write(files_.command_line, "console=ttyS0 quiet");
        unsetenv("TESTEXP_ALLOW_MISUSE");
        unsetenv("TESTEXP_MMIO_BAR");
        unsetenv("TESTEXP_IMPORTER_DEVICE");
    }

    static void write(const std::filesystem::path& path, const std::string& text) {
        std::ofstream(path) << text << '\n';
    }

    void add(const std::string& name, const std::string& vendor, const std::string& device) const {
        std::filesystem::create_directories(files_.pci_devices / name);
        write(files_.pci_devices / name / "vendor", vendor);
        write(files_.pci_devices / name / "device", device);
    }

    std::string parameters() const { return testexp::module_parameters(files_); }

    Scratch scratch_;
    testexp::MachineFiles files_;
};

TEST_F(ModuleParameters, NoMisuseWhereAWarningIsAPanic) {
    EXPECT_EQ(parameters(), " allow_misuse=1");
    write(files_.panic_on_warn, "1");
    EXPECT_EQ(parameters(), "");
    std::filesystem::remove(files_.panic_on_warn);
    EXPECT_EQ(parameters(), "") << "a kernel that does not say";
}

TEST_F(ModuleParameters, NoMisuseWhereManyWarningsAreAPanic) {
    write(files_.warn_limit, "0");
    EXPECT_EQ(parameters(), " allow_misuse=1");
    for (const char* limit : {"1", "10000", ""}) {
        write(files_.warn_limit, limit);
        EXPECT_EQ(parameters(), "") << limit;
    }
}

TEST_F(ModuleParameters, NoMisuseWhereTheTaintOfAWarningIsAPanic) {
    for (const char* word : {"panic_on_taint=200", "panic_on_taint=0x200",
                             "panic_on_taint=0x3ff,nousertaint", "panic-on-taint=ffffffff"}) {
        write(files_.command_line, std::string("quiet ") + word + " panic=5");
        EXPECT_EQ(parameters(), "") << word;
    }
    for (const char* word :
         {"panic_on_taint=20", "panic_on_taint=0x1df,nousertaint", "panic_on_taint=", "200"}) {
        write(files_.command_line, std::string("quiet ") + word + " panic=5");
        EXPECT_EQ(parameters(), " allow_misuse=1") << word;
    }
}

TEST_F(ModuleParameters, MisuseAsTheUserSays) {
    setenv("TESTEXP_ALLOW_MISUSE", "0", 1);
    EXPECT_EQ(parameters(), "");
    write(files_.panic_on_warn, "1");
    setenv("TESTEXP_ALLOW_MISUSE", "1", 1);
    EXPECT_EQ(parameters(), " allow_misuse=1");
}

TEST_F(ModuleParameters, TheFirstIvshmemThatNoDriverHas) {
    add("0000:00:02.0", "0x8086", "0x1110");
    add("0000:00:03.0", "0x1af4", "0x1000");
    add("0000:00:04.0", "0x1af4", "0x1110");
    std::filesystem::create_directories(files_.pci_devices / "0000:00:04.0" / "driver");
    EXPECT_EQ(parameters(), " allow_misuse=1");
    add("0000:00:06.0", "0x1af4", "0x1110");
    add("0000:00:05.0", "0x1af4", "0x1110");
    EXPECT_EQ(parameters(), " allow_misuse=1 mmio_bar=0000:00:05.0/2");
}

TEST_F(ModuleParameters, WhatTheUserNames) {
    add("0000:00:05.0", "0x1af4", "0x1110");
    setenv("TESTEXP_MMIO_BAR", "0000:01:00.0/0", 1);
    EXPECT_EQ(parameters(), " allow_misuse=1 mmio_bar=0000:01:00.0/0");
    setenv("TESTEXP_MMIO_BAR", "", 1);
    EXPECT_EQ(parameters(), " allow_misuse=1");
    setenv("TESTEXP_IMPORTER_DEVICE", "0000:00:10.0", 1);
    EXPECT_EQ(parameters(), " allow_misuse=1 importer_device=0000:00:10.0");
}

} // namespace
