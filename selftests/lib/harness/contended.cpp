// SPDX-License-Identifier: GPL-2.0
#include "contended.hpp"

#include <algorithm>
#include <future>

#include "lifetime.hpp"

namespace testexp {

Contended::Contended(std::size_t nr_buffers, std::uint64_t nr_pages) {
    for (std::size_t i = 0; i < nr_buffers; i++) {
        buffers_.push_back(
            device()
                .create({.layout = Layout{}.ram(nr_pages), .flags = TESTEXP_CREATE_CHECK_LOCK})
                .value());
        importers_.push_back(device().attach(buffers_.back().fd.get()).value());
    }
}

std::vector<int> Contended::importers() const {
    std::vector<int> descriptors;

    for (const Importer& importer : importers_)
        descriptors.push_back(importer.fd());
    return descriptors;
}

testexp_stats Contended::stats(std::size_t buffer) const {
    return device().stats(buffers_[buffer].fd.get()).value();
}

Mapping Contended::map(std::size_t buffer) const {
    return Mapping::map(buffers_[buffer].fd.get(), buffers_[buffer].nr_pages).value();
}

std::uint64_t Contended::get_pfns() const {
    std::uint64_t sum = 0;

    for (std::size_t buffer = 0; buffer < buffers_.size(); buffer++)
        sum += stats(buffer).get_pfns;
    return sum;
}

void Contended::expect_in_order() const {
    for (std::size_t buffer = 0; buffer < buffers_.size(); buffer++) {
        const testexp_stats seen = stats(buffer);
        const std::string which = " of buffer " + std::to_string(buffer);

        /* Before Linux 6.2, map of a static buffer runs without the lock. */
        if (device().has(TESTEXP_FEAT_MAP_LOCKED))
            ksft::expect_eq(seen.lock_violations, 0, "lock violations" + which);
        ksft::expect_eq(seen.maps - seen.unmaps, 0, "mappings held" + which);
        ksft::expect_eq(seen.pins - seen.unpins, 0, "pins held" + which);
        ksft::expect_eq(seen.attaches - seen.detaches, 1, "attachments" + which);
    }
}

void expect_complete(const ContentionSpec& spec, const std::vector<ContenderReport>& reports) {
    for (std::size_t i = 0; i < reports.size(); i++) {
        const testexp_report& counts = reports[i].counts;
        const std::string who = " of contender " + std::to_string(i);

        ksft::expect_eq(counts.error, 0, "error" + who);
        ksft::expect_eq(counts.timeouts, 0, "waits that timed out" + who);
        if (spec.contenders[i].ops != 0)
            ksft::expect_eq(counts.ops, spec.contenders[i].ops, "operations" + who);
        ksft::expect_eq(reports[i].op.count, counts.ops, "operations in the histogram" + who);
    }
}

void expect_gate_kept(const std::vector<ContenderReport>& reports) {
    const auto last = std::ranges::max_element(
        reports, {}, [](const ContenderReport& report) { return report.counts.arrived_ticks; });

    for (std::size_t i = 0; i < reports.size(); i++)
        ksft::expect(reports[i].counts.passed_ticks >= last->counts.arrived_ticks,
                     "contender " + std::to_string(i) +
                         " passed after the last contender had arrived");
}

std::vector<ContenderReport> run_to_the_end(const ContentionSpec& spec) {
    const Contention contention = contend(device(), spec).value();
    std::vector<std::future<int>> joined;

    for (std::uint32_t i = 0; i < spec.contenders.size(); i++)
        if (spec.contenders[i].user)
            joined.push_back(in_thread([&contention, i] { return contention.join(i).code(); }));

    const testexp_run run = contention.run().value();

    for (std::future<int>& result : joined)
        ksft::expect_eq(result.get(), 0, "JOIN");
    ksft::expect_eq(run.expired, 0, "expired");

    std::vector<ContenderReport> reports = contention.reports().value();

    expect_gate_kept(reports);
    expect_complete(spec, reports);
    return reports;
}

} // namespace testexp
