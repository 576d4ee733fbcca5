// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: get_pfn gives a page of MMIO the PFN that the page has in the BAR, with the exact
 * max_order (P17, P18), also beside RAM, holes and private pages (P12).
 *
 * Method: a PCI BAR without a driver (the module's parameter mmio_bar). Every page is compared with
 * the BAR's address in sysfs. What is written through the BAR's file in sysfs is read through mmap
 * of the buffer, and the other way round.
 *
 * Does not see: a device; this BAR is backed by memory.
 */
#include <vector>

#include <fcntl.h>

#include "fixture.hpp"
#include "kernel_lookup.hpp"

using namespace testexp;

namespace {

constexpr Kind write_combined{.cache = TESTEXP_CACHE_WC};
constexpr Kind for_peers{.cache = TESTEXP_CACHE_UC, .attributes = TESTEXP_EXTENT_P2P};

struct Named {
    const char* name;
    Layout layout;
};

/* Needs 1024 pages of a BAR. @pages: number of pages that the BAR has. */
std::vector<Named> layouts(std::uint64_t pages) {
    return {
        {"whole_bar", Layout{}.mmio(0, pages)},
        {"all_but_the_ends", Layout{}.mmio(1, pages - 2)},
        {"first_and_last_page", Layout{}.mmio(pages - 1, 1).mmio(0, 1)},
        {"off_by_one", Layout{}.hole(1).mmio(0, 512)},
        {"congruent", Layout{}.hole(5).mmio(5, 1000)},
        {"coalescing", Layout{}.mmio(0, 100).mmio(100, 156)},
        {"reversed", Layout{}.mmio(256, 256).mmio(0, 256)},
        {"gap", Layout{}.mmio(0, 128).hole(128).mmio(256, 256)},
        {"repeats", Layout{}.mmio(16, 16, {.repeat = 31})},
        {"cache_border", Layout{}.mmio(0, 512).mmio(512, 512, write_combined)},
        {"attribute_border", Layout{}.mmio(0, 512).mmio(512, 512, for_peers)},
        {"among_others",
         Layout{}.ram(5).mmio(8, 3).hole(2).mmio(13, 3).priv(1).synthetic(17, 4).mmio(21, 5)},
    };
}

void agrees_with_sysfs(const Layout& layout, const CreateSpec& spec) {
    REQUIRE(device().has(TESTEXP_FEAT_NO_DEVICE),
            "a stock kernel has no importer for MMIO that does not map it");

    (void)mmio_bar();

    const Subject subject = make_subject(layout, device().create(spec).value());
    const Importer importer =
        device().attach(subject.buffer.fd.get(), attach_flags_for(layout)).value();

    for (const Form& form : forms)
        expect_truth(importer, subject, form);
}

/* Repeats in descending order give the same answers as extents that are listed in that order. */
void scattered() {
    Layout as_named;

    for (const std::uint64_t at : {48U, 32U, 16U, 0U})
        as_named.mmio(at, 16);
    agrees_with_sysfs(
        as_named, {.layout = Layout{}.mmio(0, 16, {.repeat = 4}), .flags = TESTEXP_CREATE_SCATTER});
}

/* The BAR's file in sysfs, mapped from page @at on. Skips where nobody may map it. */
Mapping map_bar(std::uint64_t at, std::uint64_t nr_pages) {
    const Fd file(open(mmio_bar().resource_path().c_str(), O_RDWR | O_CLOEXEC));

    if (!file)
        ksft::skip(errno_error("the BAR's file in sysfs").what);

    Result<Mapping> mapping = Mapping::map(file.get(), nr_pages, at);

    if (!mapping)
        ksft::skip("the kernel maps no BAR that a driver has claimed: " + mapping.error().what);
    return std::move(mapping).value();
}

volatile std::uint64_t& first_word(const Mapping& mapping, std::uint64_t page) {
    return *reinterpret_cast<volatile std::uint64_t*>(mapping.bytes().data() + page * page_bytes());
}

/* Writes a word into each page of one mapping and reads it through the other. */
void expect_same_bytes(const Mapping& written, const Mapping& read, std::uint64_t signature) {
    const std::uint64_t nr_pages = written.bytes().size() / page_bytes();

    for (std::uint64_t page = 0; page < nr_pages; page++)
        first_word(written, page) = signature + page;
    for (std::uint64_t page = 0; page < nr_pages; page++)
        ksft::expect_eq(first_word(read, page), signature + page,
                        "word in page " + std::to_string(page));
}

void same_bytes(std::uint64_t at, std::uint64_t nr_pages) {
    (void)mmio_bar();
    const Buffer buffer = device().create({.layout = Layout{}.mmio(at, nr_pages)}).value();
    const Mapping through_buffer = Mapping::map(buffer.fd.get(), nr_pages).value();
    const Mapping through_sysfs = map_bar(at, nr_pages);

    expect_same_bytes(through_sysfs, through_buffer, 0x1d0c0000);
    expect_same_bytes(through_buffer, through_sysfs, 0x7e570000);
}

/* A BAR has no struct pages, so SHOW_PAGES is refused, whatever else the buffer contains. */
void shows_no_pages() {
    (void)mmio_bar();
    for (const Layout& layout : {Layout{}.mmio(0, 4), Layout{}.ram(2).mmio(0, 1)})
        ksft::expect_eq(
            device().create({.layout = layout, .flags = TESTEXP_CREATE_SHOW_PAGES}).code(), EINVAL,
            "CREATE with SHOW_PAGES of " + layout.describe());
    ksft::expect_eq(device().read_info().value().nr_buffers, 0, "nr_buffers");
}

void make_plan(ksft::Plan& plan) {
    const std::uint64_t pages = device().info().mmio_pages;

    for (const Named& named : layouts(pages))
        plan.add(std::string("P17.mmio_agrees[witness=sysfs,layout=") + named.name + "]", [=] {
            REQUIRE(mmio_bar().bytes >= 1024 * page_bytes(), "the BAR is too small");
            agrees_with_sysfs(named.layout, {.layout = named.layout});
        });
    plan.add("P17.mmio_agrees[witness=sysfs,layout=scattered]", scattered);
    plan.add("P22.mmio_shows_no_pages", shows_no_pages);
    for (const std::uint64_t at : {std::uint64_t{0}, std::uint64_t{7}})
        plan.add("P17.mmio_agrees[witness=bytes,page=" + std::to_string(at) + "]",
                 [=] { same_bytes(at, 257); });
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
