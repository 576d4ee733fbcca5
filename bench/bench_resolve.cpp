// SPDX-License-Identifier: GPL-2.0
/*
 * What does it cost to resolve a PFN? Measures each path in the kernel over buffers of
 * several sizes and extent orders. Baselines are an empty loop, the reservation lock alone,
 * and one ioctl. Further cases change the sequence of pages, the number of extents, and the
 * kind of exporter. With --exporter it measures each path over a buffer of another exporter.
 *
 * The module runs the loops and reads the clock; this program chooses what to run. "per_op"
 * is the fastest of many short batches, so it does not depend on other work of the machine.
 * The percentiles do.
 *
 * Not measured: contention (one thread), and what the importer does with the PFN.
 */
#include <algorithm>
#include <memory>

#include "buffers.hpp"
#include "ioctl_cost.hpp"
#include "kernel_case.hpp"
#include "plan.hpp"
#include "program.hpp"

namespace {

using bench::Measure;
using testexp::Measurement;
using testexp::Result;

/* With several repetitions the cases run in a random order, so that each shape comes up again. */
constexpr std::uint64_t kept_buffers_bytes = std::uint64_t{256} << 20;

testexp::Error lacking(const std::string& what) {
    return {ERANGE, bench::requires_prefix + what};
}

/* One measurement of @row, on a buffer that may be there already. */
Result<Measurement> measure_row(bench::Buffers& buffers, const bench::Case& row) {
    const Result<bench::Target> target = buffers.target(row.shape);

    if (!target)
        return target.error();

    testexp::MeasureSpec spec = row.spec;

    /* Another path may run beside the mapping, but takes no address. */
    if (testexp::path_row(spec.path).needs_mapping())
        spec.address = target.value().address;
    return target.value().importer->measure(spec);
}

/* The same on a buffer of another exporter. @found: what was found in that buffer. */
Result<Measurement> measure_foreign(bench::Buffers& buffers, const bench::Case& row, bool icount,
                                    bench::Found& found) {
    const Result<bench::Target> target = buffers.target(row.shape);

    if (!target)
        return target.error();
    found = *target.value().found;
    if (const std::string what = bench::what_is_lacking(row, found, icount); !what.empty())
        return lacking(what);

    Result<Measurement> measured = measure_row(buffers, row);

    if (!measured)
        return bench::explain_measure(row, measured.error());
    return measured;
}

void register_foreign(const testexp::ForeignSpec& exporter, const testexp::Device& device,
                      const std::shared_ptr<bench::Buffers>& buffers, bool icount) {
    for (const bench::Case& row : bench::make_foreign_plan(exporter)) {
        const auto found = std::make_shared<bench::Found>();

        bench::register_case(
            row.name, device,
            [=]() -> Result<Measure> {
                return Measure([=] { return measure_foreign(*buffers, row, icount, *found); });
            },
            [found] { return found->counters(); });
    }
}

void register_rows(const std::vector<bench::Case>& plan, const testexp::Device& device,
                   const std::shared_ptr<bench::Buffers>& buffers, bool icount) {
    for (const bench::Case& row : plan)
        bench::register_case(row.name, device, [buffers, row, icount]() -> Result<Measure> {
            if (icount && !row.needs_for_icount.empty())
                return lacking(row.needs_for_icount);
            return Measure([buffers, row] { return measure_row(*buffers, row); });
        });
}

testexp::Status register_all(const bench::Options& options, const testexp::Device& device,
                             const testexp::Environment& environment) {
    const bool icount = environment.clock == "icount";
    const auto buffers = std::make_shared<bench::Buffers>(device, icount ? 0 : kept_buffers_bytes);
    std::vector<std::string> exporters = options.exporters;

    if (exporters.empty())
        exporters.emplace_back(bench::test_exporter);
    bench::register_case("baseline/ioctl", device, [&device]() -> Result<Measure> {
        return Measure([&device] { return bench::measure_ioctl(device, bench::short_calls()); });
    });
    if (std::ranges::find(exporters, bench::test_exporter) == exporters.end())
        register_rows(bench::make_baselines(), device, buffers, icount);
    for (const std::string& exporter : exporters) {
        if (exporter == bench::test_exporter)
            register_rows(bench::make_plan(*bench::find_preset(options.preset)), device, buffers,
                          icount);
        else
            register_foreign(testexp::parse_foreign(exporter).value(), device, buffers, icount);
    }
    return std::monostate{};
}

} // namespace

int main(int argc, char** argv) {
    return bench::run_program(
        {"bench_resolve",
         "Measures what resolving a PFN costs, path by path.",
         "quick: buffers up to 32 MiB; default: 4 KiB to 1 GiB, a few orders; full: all sizes, "
         "orders and numbers of extents. Each has every path and every question",
         {"quick", "default", "full"},
         register_all,
         true},
        argc, argv);
}
