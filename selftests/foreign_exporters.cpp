// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: get_pfn may be called on any exporter. The system heap and udmabuf do not know get_pfn:
 * they refuse a device-less importer at attach (P3), refuse get_pfn with -EINVAL (P10), and
 * otherwise work as before. None of this prints a WARNING.
 *
 * Method: each importer attaches, asks in both forms, maps and detaches, twice. scripts/test also
 * runs this under panic_on_warn, where a WARNING ends the guest.
 *
 * Does not see: other exporters (GPUs, cameras); their pin counts.
 */
#include "fixture.hpp"

using namespace testexp;

namespace {

struct Row {
    const char* exporter;
    Fd (*make)();
    bool dynamic;
    bool device;
    int attach; /* 0 or a positive errno; never: the step is not reached */
    int get_pfn;
    int map;
};

constexpr int never = -1;

// clang-format off
constexpr Row rows[] = {
/*   exporter       buffer              dynamic device attach  get_pfn map */
    {"system_heap", system_heap_buffer, false,  true,  0,      EINVAL, 0},
    {"system_heap", system_heap_buffer, true,   true,  0,      EINVAL, 0},
    {"system_heap", system_heap_buffer, false,  false, EINVAL, never,  never},
    {"system_heap", system_heap_buffer, true,   false, EINVAL, never,  never},
    {"udmabuf",     udmabuf_buffer,     false,  true,  0,      EINVAL, 0},
    {"udmabuf",     udmabuf_buffer,     true,   true,  0,      EINVAL, 0},
    {"udmabuf",     udmabuf_buffer,     false,  false, EINVAL, never,  never},
    {"udmabuf",     udmabuf_buffer,     true,   false, EINVAL, never,  never},
};
// clang-format on

void expect_get_pfn_refused(const Row& row, const Importer& importer) {
    for (const Form& form : forms)
        for (const std::uint32_t no_order :
             {0U, static_cast<std::uint32_t>(TESTEXP_RESOLVE_NO_ORDER)})
            for (const testexp_result& result :
                 importer.resolve(0, 3, 1, form.flags | no_order).value())
                expect_refused(result, row.get_pfn, std::string("get_pfn, ") + form.name);
}

void attach_ask_map_detach(const Row& row, const Fd& buffer) {
    const Result<Importer> importer =
        device().attach(buffer.get(), (row.dynamic ? TESTEXP_ATTACH_DYNAMIC : 0U) |
                                          (row.device ? 0U : TESTEXP_ATTACH_NO_DEVICE));

    ksft::expect_eq(importer.code(), row.attach, "attach");
    if (!importer)
        return;

    expect_get_pfn_refused(row, importer.value());
    for (int times = 0; times < 2; times++) {
        ksft::expect_eq(importer.value().map().code(), row.map, "map");
        expect_get_pfn_refused(row, importer.value());
    }
}

void row_holds(const Row& row) {
    if (!row.device)
        REQUIRE(device().has(TESTEXP_FEAT_NO_DEVICE),
                "the stock kernel refuses device-less importers");
    const Fd buffer = row.make();

    expect_warnings(0, [&] {
        for (int times = 0; times < 2; times++)
            attach_ask_map_detach(row, buffer);
    });
}

void make_plan(ksft::Plan& plan) {
    (void)device();
    for (const Row& row : rows)
        plan.add(std::string(row.attach == 0 ? "P10" : "P3") + ".foreign[exporter=" + row.exporter +
                     ",importer=" + (row.dynamic ? "dynamic" : "static") +
                     ",device=" + (row.device ? "yes]" : "no]"),
                 [&] { row_holds(row); });
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
