// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: get_pfn may be called on any exporter. Where the system heap, udmabuf and vgem do not know
 * get_pfn, they refuse a device-less importer at attach (P3), refuse get_pfn with -EINVAL (P10),
 * and otherwise work as before. Where these exporters have get_pfn, each importer gets the PFN that
 * the DMA address tells (P17), and map refuses a device-less importer (P9). None of this prints a
 * WARNING.
 *
 * Method: each importer attaches, asks in both forms, maps and detaches, twice. scripts/test also
 * runs this under panic_on_warn, where a WARNING ends the guest.
 *
 * Does not see: other exporters (GPUs, cameras); their pin counts; buffers of more than one page
 * (real_exporters).
 */
#include "fixture.hpp"
#include "kernel_exporters.hpp"

using namespace testexp;

namespace {

struct Row {
    const KernelExporter& exporter;
    bool dynamic;
    bool device;
};

constexpr Row rows[] = {
    {system_heap, false, true}, {system_heap, true, true}, {system_heap, false, false},
    {system_heap, true, false}, {udmabuf, false, true},    {udmabuf, true, true},
    {udmabuf, false, false},    {udmabuf, true, false},    {vgem, false, true},
    {vgem, true, true},         {vgem, false, false},      {vgem, true, false},
};

/* 0 or the positive errno of each step. */
struct Expected {
    int attach;
    int get_pfn;
    int map;
};

Expected expected_of(const Row& row) {
    if (row.exporter.has_get_pfn())
        return {0, 0, row.device ? 0 : EINVAL};
    return {row.device ? 0 : EINVAL, EINVAL, 0};
}

/* The buffer has one page, so the two pages behind the end are refused. Returns the PFN, or 0. */
std::uint64_t ask_for_pages(const Expected& expected, const Importer& importer) {
    std::uint64_t pfn = 0;

    for (const Form& form : forms)
        for (const std::uint32_t no_order :
             {0U, static_cast<std::uint32_t>(TESTEXP_RESOLVE_NO_ORDER)}) {
            const std::string name = std::string("get_pfn, ") + form.name;
            const auto results = importer.resolve(0, 3, 1, form.flags | no_order).value();

            expect_refused(results.at(1), EINVAL, name);
            expect_refused(results.at(2), EINVAL, name);
            if (expected.get_pfn != 0) {
                expect_refused(results.at(0), expected.get_pfn, name);
                continue;
            }
            ksft::expect_eq(results.at(0).error, 0, name);
            ksft::expect_eq(results.at(0).max_order, no_order ? TESTEXP_UNTOUCHED_ORDER : 0,
                            name + ", max_order");
            ksft::expect(pfn == 0 || pfn == results.at(0).pfn, name + " gives the same PFN");
            pfn = results.at(0).pfn;
        }
    return pfn;
}

void attach_ask_map_detach(const Row& row, const Fd& buffer) {
    const Expected expected = expected_of(row);
    const Result<Importer> importer =
        device().attach(buffer.get(), (row.dynamic ? TESTEXP_ATTACH_DYNAMIC : 0U) |
                                          (row.device ? 0U : TESTEXP_ATTACH_NO_DEVICE));

    ksft::expect_eq(importer.code(), expected.attach, "attach");
    if (!importer)
        return;

    (void)ask_for_pages(expected, importer.value());
    for (int times = 0; times < 2; times++) {
        const auto segments = importer.value().map();
        const std::uint64_t pfn = ask_for_pages(expected, importer.value());

        ksft::expect_eq(segments.code(), expected.map, "map");
        if (segments && expected.get_pfn == 0 && dma_kind() == DmaKind::direct)
            ksft::expect_eq(pfn, segments.value().at(0).dma_address / page_bytes(),
                            "pfn, against the DMA address");
    }
}

void row_holds(const Row& row) {
    if (!row.device)
        REQUIRE(device().has(TESTEXP_FEAT_NO_DEVICE),
                "the stock kernel refuses device-less importers");
    const Fd buffer = row.exporter.make();

    expect_warnings(0, [&] {
        for (int times = 0; times < 2; times++)
            attach_ask_map_detach(row, buffer);
    });
}

/* The symbols of vgem come with its module. */
void load_vgem() {
    try {
        (void)vgem.make();
    } catch (const ksft::Skip&) {
        return; /* this machine has no vgem, and the cases say so */
    }
}

void make_plan(ksft::Plan& plan) {
    (void)device();
    load_vgem();
    share_symbols();
    for (const Row& row : rows)
        plan.add(std::string(row.device ? "P10" : "P3") + ".foreign[exporter=" + row.exporter.name +
                     ",importer=" + (row.dynamic ? "dynamic" : "static") +
                     ",device=" + (row.device ? "yes]" : "no]"),
                 [&] { row_holds(row); });
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
