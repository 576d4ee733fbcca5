// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: section 1 of the contract holds for every pair of exporter and importer: the result of
 * export, attach, get_pfn and map, a clean detach, and a pin balance of zero (P8). A refusal comes
 * at attach, not later (P3), and every callback that needs the reservation lock runs with the lock
 * held (P7).
 *
 * Method: lib/oracle/truth.hpp has a row for each pair. An importer goes through the row; the
 * results and the exporter's counts are compared, and the kernel log must be silent.
 *
 * Does not see: the columns for the other value of MOVE_NOTIFY (run it on both kernels); failing
 * callbacks (pin_balance); what is pinned while mapped.
 */
#include "fixture.hpp"
#include "truth.hpp"

using namespace testexp;
using truth::Row;

namespace {

/* The table's column for this kernel. */
int column(int with_move_notify, int without) {
    return device().has(TESTEXP_FEAT_MOVE_NOTIFY) ? with_move_notify : without;
}

/* Asks in both forms, with and without max_order. Returns the number of calls. */
std::uint64_t ask_get_pfn(const Row& row, const Importer& importer) {
    const int expected = column(row.get_pfn_y, row.get_pfn_n);
    std::uint64_t asked = 0;

    for (const Form& form : forms)
        for (const std::uint32_t no_order :
             {0U, static_cast<std::uint32_t>(TESTEXP_RESOLVE_NO_ORDER)}) {
            const testexp_result result =
                importer.resolve(0, 1, 1, form.flags | no_order).value()[0];

            asked++;
            if (expected == 0)
                ksft::expect_eq(result.error, 0, "error of get_pfn, " + std::string(form.name));
            else
                expect_refused(result, expected, "get_pfn, " + std::string(form.name));
        }
    return asked;
}

/* What the core holds for the importer while the importer lives. */
void expect_attached(const Row& row, const testexp_stats& stats) {
    ksft::expect_eq(stats.attaches, 1, "attaches");
    ksft::expect_eq(stats.detaches, 0, "detaches before the end");
    ksft::expect_eq(stats.pins, row.pins_at_attach, "pins at attach");
    ksft::expect_eq(stats.maps, row.maps_at_attach, "maps at attach");
    ksft::expect_eq(stats.unpins, 0, "unpins at attach");
}

/* Returns the number of calls that the exporter's get_pfn must have seen. */
std::uint64_t attach_use_detach(const Row& row, const Buffer& buffer) {
    const Result<Importer> importer = device().attach(buffer.fd.get(), row.attach_flags());

    ksft::expect_eq(importer.code(), row.attach, "attach");
    if (!importer)
        return 0;

    expect_attached(row, device().stats(buffer.fd.get()).value());
    const std::uint64_t asked = ask_get_pfn(row, importer.value());

    for (int times = 0; times < 2; times++)
        ksft::expect_eq(importer.value().map().code(), row.map, "map");

    const testexp_stats stats = device().stats(buffer.fd.get()).value();

    ksft::expect_eq(stats.pins - stats.unpins, row.pins_at_attach, "pins held after map");
    return column(row.get_pfn_y, row.get_pfn_n) == 0 ? asked : 0;
}

void row_holds(const Row& row) {
    require_possible(row);
    expect_warnings(0, [&] {
        const Result<Buffer> buffer =
            device().create({.layout = Layout{}.ram(2), .flags = row.create_flags()});

        ksft::expect_eq(buffer.code(), row.create, "create");
        if (!buffer)
            return;

        const std::uint64_t get_pfns = attach_use_detach(row, buffer.value());
        const testexp_stats stats = device().stats(buffer.value().fd.get()).value();

        ksft::expect_eq(stats.pins, column(row.pins_y, row.pins_n), "pins");
        ksft::expect_eq(stats.pins - stats.unpins, row.pins_left, "pins left");
        ksft::expect_eq(stats.maps, row.maps, "maps");
        ksft::expect_eq(stats.unmaps, row.maps, "unmaps");
        ksft::expect_eq(stats.attaches, row.detaches, "attaches");
        ksft::expect_eq(stats.detaches, row.detaches, "detaches");
        ksft::expect_eq(stats.get_pfns, get_pfns, "calls of the exporter's get_pfn");
        if (device().has(TESTEXP_FEAT_MAP_LOCKED))
            ksft::expect_eq(stats.lock_violations, 0, "callbacks without the reservation lock");
    });
}

void make_plan(ksft::Plan& plan) {
    const char* move_notify = device().has(TESTEXP_FEAT_MOVE_NOTIFY) ? "y" : "n";

    for (const Row& row : truth::rows(device().info().features))
        plan.add((row.attach == EINVAL ? "P3.truth[" : "P8.truth[") + row.name() +
                     ",move_notify=" + move_notify + "]",
                 [&] { row_holds(row); });
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
