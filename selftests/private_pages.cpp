// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: private pages, which no CPU may access, are available neither by mmap, nor by vmap, nor by
 * map (P15), nor by get_pfn. RAM in the same buffer is still available by mmap. Synthetic pages are
 * available by get_pfn alone, and pages of MMIO neither by vmap nor by map.
 *
 * Method: each way is tried and must be refused with its errno, or with SIGBUS where only the
 * access can be refused. Each way works on another buffer, so a refusal is due to the pages. The
 * synthetic PFNs name memory of the machine, so a wrong mapping of these PFNs would succeed.
 *
 * Does not see: other ways to the memory, such as /dev/mem.
 */
#include <cerrno>
#include <csignal>
#include <initializer_list>

#include "fixture.hpp"

using namespace testexp;

namespace {

struct Objects {
    Buffer buffer;
    Importer importer;
};

Objects make(const Layout& layout, std::uint32_t create_flags = 0, std::uint32_t attach_flags = 0) {
    Buffer buffer = device().create({.layout = layout, .flags = create_flags}).value();
    Importer importer = device().attach(buffer.fd.get(), attach_flags).value();

    return {std::move(buffer), std::move(importer)};
}

const Layout all_private = Layout{}.priv(4);
const Layout some_private = Layout{}.ram(2).priv(1).ram(1);
const Layout all_synthetic = Layout{}.synthetic(0x200, 4);
const Layout some_synthetic = Layout{}.ram(2).synthetic(0x200, 1).ram(1);

void no_mmap(const Layout& layout) {
    const Objects objects = make(layout);

    ksft::expect_eq(Mapping::map(objects.buffer.fd.get(), 4).code(), EOPNOTSUPP, "mmap");
}

/* Page 2 of @layout is the only page that is not RAM. */
void no_access_by_mmap(const Layout& layout, std::uint32_t flags) {
    const Objects objects = make(layout, flags);
    const Mapping mapping = Mapping::map(objects.buffer.fd.get(), 4).value();
    constexpr int signals[] = {0, 0, SIGBUS, 0};

    for (std::uint64_t page = 0; page < 4; page++)
        ksft::expect_eq(signal_of_reading(mapping.bytes().data() + page * page_bytes()),
                        signals[page], "signal when page " + std::to_string(page) + " is read");
}

/* A fault that a system call makes finds no page either. */
void no_entry_by_walk() {
    REQUIRE(device().has(TESTEXP_FEAT_WALK), "the kernel has no follow_pfnmap_start()");

    const Objects objects = make(some_synthetic);
    const Mapping mapping = Mapping::map(objects.buffer.fd.get(), 4).value();
    const auto walked = device().walk(mapping.bytes().data(), 4, TESTEXP_WALK_FAULT_IN).value();

    for (std::size_t page = 0; page < 4; page++)
        ksft::expect_eq(walked[page].error, page == 2 ? -EFAULT : 0,
                        "WALK of page " + std::to_string(page));
}

void no_vmap(std::initializer_list<Layout> layouts) {
    for (const Layout& layout : layouts)
        ksft::expect_eq(make(layout).importer.map_kernel().code(), EINVAL,
                        "vmap of " + layout.describe());

    ksft::expect_eq(make(Layout{}.ram(4)).importer.map_kernel().code(), 0, "vmap of RAM");
}

void no_map(std::initializer_list<Layout> layouts) {
    for (const Layout& layout : layouts)
        ksft::expect_eq(make(layout).importer.map().code(), EOPNOTSUPP,
                        "map of " + layout.describe());
    ksft::expect_eq(make(Layout{}.ram(4)).importer.map().code(), 0, "map of RAM");
}

/* Only an importer that can reach other devices may attach to MMIO, so RAM gets the same kind. */
Objects make_for_peers(const Layout& layout) {
    return make(layout, TESTEXP_CREATE_DYNAMIC, TESTEXP_ATTACH_DYNAMIC);
}

void neither_vmap_nor_map_of_mmio() {
    (void)mmio_bar();
    for (const Layout& layout : {Layout{}.mmio(0, 2), Layout{}.ram(2).mmio(0, 1)}) {
        const Objects objects = make_for_peers(layout);

        ksft::expect_eq(objects.importer.map_kernel().code(), EINVAL, "vmap, " + layout.describe());
        ksft::expect_eq(objects.importer.map().code(), EOPNOTSUPP, "map, " + layout.describe());
    }

    const Objects ram = make_for_peers(Layout{}.ram(2));

    ksft::expect_eq(ram.importer.map().code(), 0, "map of RAM");
    ksft::expect_eq(ram.importer.map_kernel().code(), 0, "vmap of RAM");
}

void no_pfn() {
    const Objects objects = make(some_private);

    for (const Form& form : forms) {
        const auto answers = objects.importer.resolve(0, 4, 1, form.flags).value();

        expect_refused(answers[2], EOPNOTSUPP, "the private page");
        for (const std::size_t page : {0U, 1U, 3U})
            ksft::expect_eq(answers[page].error, 0, "RAM");
    }
}

void make_plan(ksft::Plan& plan) {
    (void)device();
    plan.add("P15.private_has_no_mmap", [] { no_mmap(all_private); });
    plan.add("P15.private_has_no_access_by_mmap", [] { no_access_by_mmap(some_private, 0); });
    plan.add("P15.private_has_no_vmap", [] { no_vmap({all_private, some_private}); });
    plan.add("P15.private_has_no_map", [] { no_map({all_private, some_private}); });
    plan.add("P15.private_has_no_pfn", no_pfn);
    plan.add("abi.synthetic_has_no_mmap", [] { no_mmap(all_synthetic); });
    plan.add("abi.synthetic_has_no_access_by_mmap[flags=none]",
             [] { no_access_by_mmap(some_synthetic, 0); });
    plan.add("abi.synthetic_has_no_access_by_mmap[flags=SHOW_PAGES]",
             [] { no_access_by_mmap(some_synthetic, TESTEXP_CREATE_SHOW_PAGES); });
    plan.add("abi.synthetic_has_no_entry_by_walk", no_entry_by_walk);
    plan.add("abi.synthetic_has_no_vmap", [] { no_vmap({all_synthetic, some_synthetic}); });
    plan.add("abi.synthetic_has_no_map", [] { no_map({all_synthetic, some_synthetic}); });
    plan.add("abi.mmio_has_neither_vmap_nor_map", neither_vmap_nor_map_of_mmio);
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
