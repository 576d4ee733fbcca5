// SPDX-License-Identifier: GPL-2.0
/*
 * dmabuf-lat locks: who waits for the reservation locks of dma-bufs, and who holds
 * them.
 */
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstdio>
#include <memory>
#include <span>

#include "lock_probe.hpp"
#include "output_file.hpp"
#include "subcommands.hpp"
#include "timeline.hpp"
#include "tracing.hpp"

namespace latency {
namespace {

struct Options {
    TraceOptions trace;
    LockOptions locks;
    std::string timeline;
    std::uint32_t timeline_mib = 16;
};

struct ByName {
    const char* name;
    lock_by by;
};

constexpr ByName by_names[] = {
    {"buffer", LOCKS_BY_BUFFER}, {"process", LOCKS_BY_PROCESS}, {"stack", LOCKS_BY_STACK}};

const char* name_of(lock_by by) {
    return by_names[by].name;
}

struct Kind {
    lock_hist which;
    const char* name;
};

constexpr Kind kinds[] = {{LOCK_WAIT, "dma_resv wait"},
                          {LOCK_CONTENDED, "dma_resv contended"},
                          {LOCK_HOLD, "dma_resv hold"}};

/* With tracepoints alone, nobody sees a wait without contention, or when a hold began. */
constexpr Kind contended_kinds[] = {{LOCK_CONTENDED, "dma_resv contended"},
                                    {LOCK_HOLD, "dma_resv hold, contended part"}};

std::span<const Kind> kinds_of(Mode mode) {
    return mode == Mode::tracepoint ? std::span<const Kind>(contended_kinds)
                                    : std::span<const Kind>(kinds);
}

/* What was lost of one kind, as far as it is known whose it was: nobody's. */
void add_losses(testexp::NamedHistogram& histogram, lock_hist which, lock_hist wait,
                const LockReport& report) {
    const lock_counts& counts = report.counts;

    if (which == wait) {
        histogram.lost = counts.slots_full + report.missed.hits;
        histogram.unmatched = counts.unmatched_waits;
    } else if (which == LOCK_HOLD) {
        histogram.lost = report.missed.hits;
        histogram.unmatched = counts.unmatched_holds;
    }
    if (!report.missed.exact)
        histogram.labels["lost_is"] = "at_least";
}

/* The sum over all groups first, with the losses; then each group. */
Histograms to_histograms(const LockReport& report, lock_by by, Mode mode,
                         const testexp::Environment& environment) {
    Histograms histograms;

    for (const Kind& kind : kinds_of(mode)) {
        auto all = named(kind.name, tool_name, std::string(mode_name(mode)), environment);
        for (const LockGroup& group : report.groups)
            testexp::merge(all.hist, group.hists[kind.which]);
        add_losses(all, kind.which, kinds_of(mode).front().which, report);
        if (!report.cuts.empty())
            all.labels["cut"] = fmt::format("{}", fmt::join(report.cuts, "; "));
        histograms.push_back(std::move(all));
    }
    for (const LockGroup& group : report.groups) {
        for (const Kind& kind : kinds_of(mode)) {
            if (group.hists[kind.which].count == 0)
                continue;
            auto one = named(kind.name, tool_name, std::string(mode_name(mode)), environment);
            one.hist = group.hists[kind.which];
            one.labels[name_of(by)] = group.who;
            histograms.push_back(std::move(one));
        }
    }
    return histograms;
}

void print_blames(const LockReport& report) {
    constexpr std::size_t most = 20;

    if (report.blames.empty())
        return;
    fmt::print(stderr, "\nwho waited, on the slow path, for whom (longest in all first)\n");
    fmt::print(stderr, "{:>9} {:>13} {:>11}  waiter | holder\n", "count", "total", "max");
    for (std::size_t i = 0; i < report.blames.size() && i < most; i++) {
        const LockBlame& blame = report.blames[i];
        fmt::print(stderr, "{:>9} {:>13} {:>11}  {} | {}\n", blame.stats.count,
                   blame.stats.total_ns, blame.stats.max_ns, blame.waiter, blame.holder);
    }
    if (report.blames.size() > most)
        fmt::print(stderr, "{} more\n", report.blames.size() - most);
}

/* All counts that are not zero. */
void print_counts(const LockReport& report) {
    const lock_counts& counts = report.counts;
    const std::pair<const char*, std::uint64_t> rows[] = {
        {"trylocks that found the lock taken", counts.try_failed},
        {"locks refused with EDEADLK", counts.deadlocks},
        {"waits that a signal ended", counts.interrupted},
        {"dma-bufs not watched, as there are more than --max-buffers", counts.buffers_full},
        {"takings of a lock counted under \"all others\", as there are more than --max-groups",
         counts.others},
        {"stacks that could not be kept", counts.stacks_lost},
        {"contended waits whose pair could not be kept", counts.pairs_lost},
        {"events that did not fit into the timeline", counts.events_lost},
        {"probe hits that the kernel dropped", report.missed.hits},
    };

    fmt::print(stderr, "\n{} dma-bufs at the end\n", report.nr_buffers);
    for (const auto& [what, count] : rows)
        if (count != 0)
            fmt::print(stderr, "{} {}\n", count, what);
}

class LockTracing {
public:
    explicit LockTracing(const Options& options) : options_(options) {}

    testexp::Status start() {
        std::vector<std::string> lost;

        if (!options_.timeline.empty()) {
            auto file = testexp::OutputFile::open(options_.timeline);
            if (!file)
                return file.error();
            file_.emplace(std::move(file).value());
        }
        auto probe = LockProbe::attach(options_.locks, lost);
        for (const std::string& line : lost)
            complain(line);
        if (!probe)
            return probe.error();
        probe_.emplace(std::move(probe).value());
        return std::monostate{};
    }

    std::optional<Histograms> finish(const testexp::Environment& environment) {
        probe_->stop();
        const auto report = probe_->read();
        if (!report) {
            complain(report.error().what);
            return std::nullopt;
        }
        const auto histograms =
            to_histograms(report.value(), options_.locks.by, probe_->mode(), environment);
        fmt::print(stderr, "{}", table(histograms));
        print_blames(report.value());
        print_counts(report.value());
        if (!file_)
            return histograms;
        const auto written =
            file_->commit(timeline_text(report.value().events, report.value().counts.events_lost));
        if (!written)
            complain(written.error().what);
        return written ? std::optional(histograms) : std::nullopt;
    }

private:
    const Options& options_;
    std::optional<LockProbe> probe_;
    std::optional<testexp::OutputFile> file_;
};

/* "PID:FD" */
std::optional<DescriptorOf> parse_descriptor(const std::string& text) {
    DescriptorOf of;
    const char* const end = text.data() + text.size();
    const auto pid = std::from_chars(text.data(), end, of.pid);

    if (pid.ec != std::errc{} || pid.ptr == end || *pid.ptr != ':')
        return std::nullopt;
    const auto fd = std::from_chars(pid.ptr + 1, end, of.fd);
    if (fd.ec != std::errc{} || fd.ptr != end || of.pid <= 0 || of.fd < 0)
        return std::nullopt;
    return of;
}

void declare_locks(CLI::App& app, Options& options) {
    LockOptions& locks = options.locks;
    std::vector<std::string> names;

    declare(app, options.trace);
    for (const ByName& row : by_names)
        names.emplace_back(row.name);
    app.add_option_function<std::string>(
           "--by",
           [&locks](const std::string& name) {
               locks.by = std::ranges::find(by_names, name, &ByName::name)->by;
           },
           "Tell apart by buffer, process or stack")
        ->check(CLI::IsMember(names));
    app.add_option_function<std::string>(
        "--buffer",
        [&locks](const std::string& text) {
            locks.buffers.descriptor = parse_descriptor(text);
            if (!locks.buffers.descriptor)
                throw CLI::ValidationError("--buffer", "say PID:FD, not " + text);
        },
        "Only the dma-buf that is descriptor FD of process PID now (PID:FD)");
    app.add_option("--exporter", locks.buffers.exporter,
                   "Only dma-bufs of this exporter, as bufinfo in debugfs calls it")
        ->excludes("--buffer");
    app.add_option("--max-buffers", locks.buffers.max_buffers, "How many can be watched at once")
        ->check(CLI::Range(1, 1 << 20))
        ->capture_default_str();
    app.add_option("--max-groups", locks.max_groups,
                   "How many buffers, processes or stacks have histograms of their own; 23 KiB "
                   "a CPU each")
        ->check(CLI::Range(2, 4096))
        ->capture_default_str();
    app.add_option("--timeline", options.timeline,
                   "Write each wait and hold to this file, for ui.perfetto.dev");
    app.add_option("--timeline-mib", options.timeline_mib,
                   "MiB for the events of --timeline, a power of two; events that find no room are "
                   "lost, and counted")
        ->check(CLI::Range(1, 1024))
        ->capture_default_str()
        ->needs("--timeline");
}

int run_locks(Options& options) {
    LockOptions& locks = options.locks;

    check(options.trace);
    if (locks.buffers.exporter.size() >= LOCK_NAME_BYTES)
        throw CLI::ValidationError("--exporter", "the name is too long");
    if (std::popcount(options.timeline_mib) != 1)
        throw CLI::ValidationError("--timeline-mib", "must be a power of two");
    locks.filter_tgid = options.trace.filter_pid;
    locks.buffers.mode = options.trace.mode;
    if (!options.timeline.empty())
        locks.timeline_bytes = std::size_t{options.timeline_mib} << 20;

    LockTracing tracing(options);
    return trace(options.trace,
                 {.what = "reservation locks",
                  .start = [&] { return tracing.start(); },
                  .finish = [&](const auto& where) { return tracing.finish(where); }});
}

} // namespace

void add_locks(CLI::App& app, const std::vector<std::string>& command, Run& run) {
    const auto options = std::make_shared<Options>();
    CLI::App* locks =
        app.add_subcommand("locks", "Wait for and hold of the reservation locks of dma-bufs");

    options->trace.command = command;
    declare_locks(*locks, *options);
    locks->callback([options, &run] { run = [options] { return run_locks(*options); }; });
}

} // namespace latency
