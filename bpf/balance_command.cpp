// SPDX-License-Identifier: GPL-2.0
/*
 * dmabuf-lat balance: whether each attachment, pin and mapping of a dma-buf was taken back, by the
 * calls of the exporters' own callbacks.
 */
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <thread>
#include <utility>

#include "balance_probe.hpp"
#include "exporter_watch.hpp"
#include "kallsyms.hpp"
#include "subcommands.hpp"
#include "tracing.hpp"

namespace latency {
namespace {

struct Options {
    TraceOptions trace;
    std::string exporter; /* empty: all */
};

/*
 * The module fills an ops table for each buffer, so its callbacks are known only while it has a
 * buffer. Returns nothing where the module is not loaded.
 */
std::optional<testexp::Buffer> buffer_of_module() {
    const auto device = testexp::Device::open();
    testexp::CreateSpec spec;

    if (!device)
        return std::nullopt;
    spec.flags = TESTEXP_CREATE_DYNAMIC;
    spec.layout.ram(1);
    auto buffer = device.value().create(spec);
    if (!buffer)
        return std::nullopt;
    return std::move(buffer).value();
}

/* The probe, and the watch that finds callbacks which come after tracing began. */
struct Subject {
    std::optional<ExporterWatch> exporters;
    std::optional<BalanceProbe> probe;
    std::set<std::uint64_t> seen; /* addresses of the callbacks that have a probe */
};

testexp::Status start(Subject& subject) {
    const auto ours = buffer_of_module();
    std::ifstream text("/proc/kallsyms");
    const Kallsyms kallsyms(text);
    std::vector<Callback> callbacks;

    auto exporters = ExporterWatch::attach(std::nullopt, kallsyms.ops_tables());
    if (!exporters)
        return exporters.error();
    subject.exporters = std::move(exporters).value();
    for (const Callback& callback : subject.exporters->callbacks())
        if (is_balanced(callback) && subject.seen.insert(callback.function).second)
            callbacks.push_back(callback);

    auto probe = BalanceProbe::attach(callbacks);
    if (!probe)
        return probe.error();
    subject.probe = std::move(probe).value();
    return std::monostate{};
}

std::vector<BufferBalance> wanted(std::vector<BufferBalance> buffers, const std::string& exporter) {
    if (!exporter.empty())
        std::erase_if(buffers, [&](const BufferBalance& buffer) {
            return buffer.counts.exporter != exporter;
        });
    return buffers;
}

bool is_level(const BufferBalance& buffer) {
    return std::ranges::equal(buffer.counts.done, buffer.counts.undone);
}

/*
 * The kernel takes some things back late, for instance after the last process has ended. On a busy
 * machine that takes seconds. What is still held after 20 s is never taken back.
 */
void wait_until_level(const Subject& subject, const std::string& exporter) {
    using std::chrono::steady_clock;
    const auto begin = steady_clock::now();
    bool is_said = false;

    while (!std::ranges::all_of(wanted(subject.probe->read().buffers, exporter), is_level)) {
        const auto waited = steady_clock::now() - begin;
        if (waited > std::chrono::seconds(20))
            return;
        if (waited > std::chrono::seconds(1) && !std::exchange(is_said, true))
            complain("not balanced yet; waiting up to 20 s for what the kernel takes back late");
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
}

struct Totals {
    std::uint64_t buffers = 0;
    std::uint64_t done = 0;
    std::uint64_t failed = 0;
    std::uint64_t undone = 0;
};

/* Prints a row for each exporter and each pair of callbacks that was called. */
void print_table(const std::vector<BufferBalance>& buffers) {
    std::map<std::pair<std::string, int>, Totals> rows;

    for (const BufferBalance& buffer : buffers)
        for (int pair = 0; pair < BALANCE_PAIRS; pair++) {
            const auto& [size, done, failed, undone, exporter] = buffer.counts;
            if (done[pair] + failed[pair] + undone[pair] == 0)
                continue;
            Totals& row = rows[{exporter, pair}];
            row.buffers++;
            row.done += done[pair];
            row.failed += failed[pair];
            row.undone += undone[pair];
        }
    fmt::print(stderr, "{:<24} {:<28} {:>8} {:>9} {:>9} {:>9}\n", "exporter", "callbacks",
               "buffers", "done", "failed", "undone");
    for (const auto& [key, row] : rows) {
        const auto& [does, undoes] = balance_pairs[key.second];
        fmt::print(stderr, "{:<24} {:<28} {:>8} {:>9} {:>9} {:>9}\n", key.first,
                   fmt::format("{}, {}", does, undoes), row.buffers, row.done, row.failed,
                   row.undone);
    }
}

void name_unlevel(const BufferBalance& buffer) {
    for (int pair = 0; pair < BALANCE_PAIRS; pair++) {
        const std::uint64_t done = buffer.counts.done[pair];
        const std::uint64_t undone = buffer.counts.undone[pair];
        if (done != undone)
            complain(fmt::format("buffer {} of {}, {} bytes: {} calls of {} succeeded, and {} was "
                                 "called {} times",
                                 buffer.inode, buffer.counts.exporter, buffer.counts.size, done,
                                 balance_pairs[pair].does, balance_pairs[pair].undoes, undone));
    }
}

/* Names the callbacks without a probe. Returns whether there is one. */
bool name_late(const Subject& subject, const std::string& exporter) {
    bool is_late = false;

    for (const Callback& callback : subject.exporters->callbacks()) {
        if (!is_balanced(callback) || subject.seen.contains(callback.function) ||
            (!exporter.empty() && callback.exporter != exporter))
            continue;
        complain(fmt::format("{} of {} came after tracing began, so its calls are not counted",
                             callback.op, callback.exporter));
        is_late = true;
    }
    if (const std::uint64_t nr = subject.exporters->nr_too_many(); nr != 0) {
        complain(fmt::format("{} callbacks of exporters are too many, and are not counted", nr));
        is_late = true;
    }
    return is_late;
}

/* No histograms on success, nothing when the counts do not show that everything was taken back. */
std::optional<Histograms> judge(Subject& subject, const std::string& exporter) {
    constexpr std::size_t most_named = 10;

    wait_until_level(subject, exporter);
    subject.probe->stop();
    const BalanceReport report = subject.probe->read();
    const auto buffers = wanted(report.buffers, exporter);
    bool is_proved = !name_late(subject, exporter);

    print_table(buffers);
    if (report.lost != 0) {
        complain(fmt::format("{}{} calls were lost, so the counts prove nothing",
                             report.lost_is_exact ? "" : "at least ", report.lost));
        is_proved = false;
    } else if (!report.lost_is_exact) {
        complain(
            "this kernel does not count the calls that kprobes miss, so the counts prove nothing");
        is_proved = false;
    }
    if (buffers.empty()) {
        complain("no callback was called, so nothing was judged");
        return std::nullopt;
    }
    const auto unlevel = std::ranges::count_if(buffers, [](const auto& b) { return !is_level(b); });
    std::size_t named = 0;
    for (const BufferBalance& buffer : buffers)
        if (!is_level(buffer) && named++ < most_named)
            name_unlevel(buffer);
    complain(fmt::format("{} of {} buffers are not balanced", unlevel, buffers.size()));
    return is_proved && unlevel == 0 ? std::optional(Histograms{}) : std::nullopt;
}

int run_balance(const Options& options) {
    Subject subject;

    check(options.trace);
    return trace(options.trace,
                 {.what = "the balance of attachments, pins and mappings",
                  .start = [&] { return start(subject); },
                  .finish = [&](const auto&) { return judge(subject, options.exporter); }});
}

} // namespace

void add_balance(CLI::App& app, const std::vector<std::string>& command, Run& run) {
    const auto options = std::make_shared<Options>();
    CLI::App* balance = app.add_subcommand(
        "balance", "Whether each attachment, pin and mapping of a dma-buf was taken back");

    options->trace.command = command;
    balance->footer("Counts the calls of the exporters' callbacks for each dma-buf, of all "
                    "processes, until COMMAND\nends (its status is passed on), for --duration, or "
                    "until Ctrl-C. Exit status 1: a buffer is not\nbalanced, nothing was counted, "
                    "or calls may be missing: calls were lost, a callback came after\ntracing "
                    "began, or the kernel does not count missed calls (before 6.7). The verdict "
                    "that a buffer is not\nbalanced comes after 20 s: what is taken back until "
                    "then counts.");
    balance->add_option("--exporter", options->exporter,
                        "Judge only the buffers of this exporter, by its name in bufinfo");
    declare_end(*balance, options->trace);
    balance->callback([options, &run] { run = [options] { return run_balance(*options); }; });
}

} // namespace latency
