// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: a buffer that shows the same pages at two places resolves at both places to the same PFNs
 * (P22), each with the max_order of its place (P18). The exporter makes such a buffer only on
 * request.
 *
 * Method: ALIAS extents, and MMIO that is named twice, compared with the CPU's page table and
 * sysfs. A word written at one place is read at the other.
 *
 * Does not see: pages in two buffers, which must not exist (P22.pages_are_its_own).
 */
#include <cerrno>
#include <vector>

#include "fixture.hpp"
#include "kernel_lookup.hpp"

using namespace testexp;

namespace {

struct Named {
    const char* name;
    Layout layout;
};

std::vector<Named> layouts() {
    return {
        {"twice", Layout{}.ram(8, {.align_order = 3}).alias(0, 8)},
        {"off_by_one", Layout{}.ram(8, {.align_order = 3}).hole(1).alias(0, 8)},
        {"a_part", Layout{}.ram(16, {.align_order = 4}).alias(3, 5)},
        {"page_by_page_reversed",
         Layout{}.ram(4, {.align_order = 2}).alias(3, 1).alias(2, 1).alias(1, 1).alias(0, 1)},
        {"continues", Layout{}.ram(8, {.align_order = 3}).alias(0, 4).alias(4, 4)},
        {"of_an_alias", Layout{}.ram(4, {.align_order = 2}).alias(0, 4).alias(4, 4)},
        {"behind_a_hole", Layout{}.hole(3).ram(5).hole(8).alias(3, 5).ram(2)},
    };
}

void same_pfns(const Layout& layout) {
    const Subject subject = make_subject({.layout = layout});
    const Importer importer = device().attach(subject.buffer.fd.get()).value();

    for (const Form& form : forms)
        expect_truth(importer, subject, form);
}

volatile std::byte& first_byte(const Mapping& mapping, std::uint64_t page) {
    return *reinterpret_cast<volatile std::byte*>(mapping.bytes().data() + page * page_bytes());
}

void same_bytes() {
    const Buffer buffer = device().create({.layout = Layout{}.ram(4).alias(1, 3)}).value();
    const Mapping mapping = Mapping::map(buffer.fd.get(), 7).value();

    for (std::uint64_t page = 0; page < 4; page++)
        first_byte(mapping, page) = static_cast<std::byte>(page + 1);
    for (std::uint64_t page = 4; page < 7; page++)
        ksft::expect_eq(static_cast<int>(first_byte(mapping, page)), page - 2,
                        "byte of page " + std::to_string(page));
}

void mmio_twice() {
    REQUIRE(device().has(TESTEXP_FEAT_NO_DEVICE),
            "a stock kernel has no importer for MMIO that does not map it");
    (void)mmio_bar();

    const Subject subject = make_subject({.layout = Layout{}.mmio(0, 16).mmio(0, 16).mmio(8, 8)});
    const Importer importer =
        device().attach(subject.buffer.fd.get(), attach_flags_for(subject.layout)).value();

    for (const Form& form : forms)
        expect_truth(importer, subject, form);
}

/* A move could not tell which of the two places to copy. */
void no_move() {
    const Buffer buffer =
        device().create({.layout = Layout{}.ram(8), .flags = TESTEXP_CREATE_DYNAMIC}).value();

    ksft::expect_eq(device().move(buffer.fd.get(), Layout{}.ram(4).alias(0, 4)).code(), EINVAL,
                    "MOVE to a layout with an alias");
    ksft::expect_eq(device().move(buffer.fd.get(), Layout{}.ram(4).ram(4)).code(), 0,
                    "MOVE to a layout without an alias");
}

/*
 * A TiB of places for 16 MiB: an array of all places alone would take 2 GiB. Buffer and importer
 * are dynamic, so that attach does not map the same pages 65,536 times.
 */
void no_kernel_mapping_beyond_memory() {
    constexpr std::uint64_t ram_pages = 4096;
    Layout layout = Layout{}.ram(ram_pages, {.align_order = 0});

    for (int i = 1; i < 65536; i++)
        layout.alias(0, ram_pages);

    const Buffer buffer =
        device().create({.layout = layout, .flags = TESTEXP_CREATE_DYNAMIC}).value();
    const Importer importer = device().attach(buffer.fd.get(), TESTEXP_ATTACH_DYNAMIC).value();
    const std::uint64_t used = device().read_info().value().used_pages;

    ksft::expect_eq(importer.map_kernel().code(), ENOMEM, "KERNEL");
    ksft::expect_eq(device().read_info().value().used_pages, used,
                    "used_pages after the refused MAP");
}

void make_plan(ksft::Plan& plan) {
    (void)device();
    for (const Named& named : layouts())
        plan.add(std::string("P18.alias[layout=") + named.name + "]",
                 [=] { same_pfns(named.layout); });
    plan.add("P22.alias_has_the_same_bytes", same_bytes);
    plan.add("P18.alias_of_mmio", mmio_twice);
    plan.add("P22.alias_cannot_be_moved_to", no_move);
    plan.add("abi.no_kernel_mapping_beyond_memory", no_kernel_mapping_beyond_memory);
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
