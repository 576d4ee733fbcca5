// SPDX-License-Identifier: GPL-2.0
/*
 * Pins a buffer of the test exporter, fails to pin another buffer once, makes a file, and sleeps.
 * A signal ends the program, and the kernel then takes the pins back.
 */
#include <fmt/core.h>
#include <unistd.h>

#include <charconv>
#include <cstring>
#include <exception>
#include <fstream>
#include <stdexcept>
#include <vector>

#include "testexp.hpp"

namespace {

constexpr std::uint32_t pinned = TESTEXP_ATTACH_DYNAMIC | TESTEXP_ATTACH_PIN;

testexp::CreateSpec movable_page() {
    testexp::CreateSpec spec;

    spec.flags = TESTEXP_CREATE_DYNAMIC;
    spec.layout.ram(1);
    return spec;
}

void fail_once(const testexp::Device& device) {
    testexp::CreateSpec spec = movable_page();

    spec.inject = TESTEXP_INJECT_PIN;
    if (device.attach(device.create(spec).value().fd.get(), pinned))
        throw std::runtime_error("a pin succeeded that the exporter has to refuse");
}

void pin_and_sleep(unsigned int count, const char* ready) {
    const testexp::Device device = testexp::Device::open().value();
    const testexp::Buffer buffer = device.create(movable_page()).value();
    std::vector<testexp::Importer> importers;

    for (unsigned int i = 0; i < count; i++)
        importers.push_back(device.attach(buffer.fd.get(), pinned).value());
    fail_once(device);
    std::ofstream(ready).put('\n');
    for (;;)
        pause();
}

} // namespace

int main(int argc, char** argv) {
    unsigned int count = 0;

    if (argc != 3 ||
        std::from_chars(argv[1], argv[1] + std::strlen(argv[1]), count).ec != std::errc{}) {
        fmt::print(stderr, "usage: pins COUNT READY\n");
        return 2;
    }
    try {
        pin_and_sleep(count, argv[2]);
    } catch (const std::exception& problem) {
        fmt::print(stderr, "pins: {}\n", problem.what());
    }
    return 1;
}
