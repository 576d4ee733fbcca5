// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: all memory of a buffer goes back to the kernel when the buffer is closed: its pages, the
 * unused rest of its blocks, and blocks that were taken only to find a run longer than a block.
 *
 * Method: each kind of buffer is made and closed so often that the kernel would lack 128 MiB or
 * more if a part of each stayed; MemAvailable is compared before and after.
 *
 * Does not see: a loss of less than a quarter of that; less than a page, which kmemleak finds on
 * the debug kernel.
 */
#include <fstream>
#include <limits>
#include <string>

#include "fixture.hpp"

using namespace testexp;

namespace {

constexpr std::uint64_t enough_kib = 32 << 10;

std::uint64_t available_kib() {
    std::ifstream file("/proc/meminfo");
    std::string name;
    std::uint64_t kib = 0;

    while (file >> name >> kib) {
        if (name == "MemAvailable:")
            return kib;
        file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
    }
    ksft::fail("/proc/meminfo has no MemAvailable");
}

void comes_back(const Layout& layout, int times) {
    REQUIRE(layout.nr_pages() < device().info().max_pages, "max_pages of the module is too small");

    const std::uint64_t before = available_kib();

    for (int i = 0; i < times; i++)
        (void)device().create({.layout = layout}).value();

    const std::uint64_t after = available_kib();

    ksft::expect(after + enough_kib > before,
                 "the memory is free again: " + std::to_string(before) + " KiB before, " +
                     std::to_string(after) + " KiB after");
}

void make_plan(ksft::Plan& plan) {
    const std::uint32_t block_order = device().info().max_page_order;
    const std::uint64_t block = std::uint64_t{1} << block_order;
    const std::uint64_t blocks = std::uint64_t{128} * 256 / block; /* 128 MiB */

    plan.add("memory.returns[part=extent]", [=] {
        comes_back(Layout{}.ram(block, {.align_order = block_order, .repeat = blocks}), 1);
    });
    plan.add("memory.returns[part=last_page]",
             [] { comes_back(Layout{}.ram(1, {.repeat = 4096}), 8); });
    plan.add("memory.returns[part=behind]", [=] {
        comes_back(Layout{}.ram(1, {.align_order = block_order, .repeat = blocks}), 1);
    });
    plan.add("memory.returns[part=before]", [=] {
        comes_back(
            Layout{}.ram(1, {.align_order = block_order, .skew = block - 1, .repeat = blocks}), 1);
    });
    plan.add("memory.returns[part=gathered]", [=] { comes_back(Layout{}.ram(2 * block + 1), 1); });
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
