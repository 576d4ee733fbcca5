// SPDX-License-Identifier: GPL-2.0
/*
 * Compares what resolving costs in two runs, or in a reference file and a run.
 * Instruction counts are exact: a path whose count moved was changed by somebody. For times, the
 * program says whether chance explains the difference.
 */
#include <cmath>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "conditions.hpp"
#include "format.hpp"
#include "output_file.hpp"
#include "reference.hpp"
#include "testexp.hpp"
#include "times.hpp"

namespace {

namespace fs = std::filesystem;

enum Status { the_same = 0, moved = 1, not_comparable = 2, bad_input = 3 };

struct Options {
    std::string before;
    std::string after;
    double tolerance_percent = 2;
    bool update = false;
    bool kernels = false;
};

/* What one of the two has. */
struct Side {
    std::optional<report::Counts> counts;
    std::optional<report::Bench> times;
};

int complain(const std::string& what) {
    fmt::print(stderr, "results_compare: {}\n", what);
    return bad_input;
}

/* Throws with one line. */
void load_file(const fs::path& path, Side& side) {
    std::ifstream file(path);

    if (!file)
        throw std::runtime_error(testexp::errno_error("cannot read " + path.string()).what);
    try {
        const auto json = nlohmann::json::parse(file);

        if (json.contains("cases")) {
            side.counts = report::parse_reference(json);
            return;
        }

        report::Bench bench = report::parse_bench(json);

        if (bench.context_or("clock", "invalid") == "icount")
            side.counts = report::counts_of(bench);
        else
            side.times = std::move(bench);
    } catch (const nlohmann::json::parse_error& error) {
        throw std::runtime_error(
            fmt::format("{}: malformed JSON at byte {}", path.string(), error.byte));
    } catch (const std::exception& error) {
        throw std::runtime_error(
            fmt::format("{}: not what results/schema.md says: {}", path.string(), error.what()));
    }
}

/* A run directory, or one of the files that it or results/reference may hold. */
Side load_side(const fs::path& from) {
    Side side;

    if (!fs::is_directory(from)) {
        load_file(from, side);
        return side;
    }
    for (const char* name : {"bench-icount.json", "bench.json"}) {
        if (fs::exists(from / name))
            load_file(from / name, side);
    }
    if (!side.counts && !side.times)
        throw std::runtime_error(from.string() +
                                 ": neither bench-icount.json nor bench.json in it");
    return side;
}

Status refuse(const char* what, const std::vector<std::string>& reasons) {
    fmt::print("{}: not comparable\n", what);
    for (const std::string& reason : reasons)
        fmt::print("  {}\n", reason);
    return not_comparable;
}

void show(const char* what, const std::vector<report::Change>& changes) {
    for (const report::Change& change : changes) {
        if (change.counter.empty())
            fmt::print("{:<6} {}\n", what, change.name);
        else
            fmt::print("{:<6} {} {}: {} -> {}{}\n", what, change.name, change.counter,
                       report::show_number(change.before), report::show_number(change.after),
                       change.before && change.after && *change.before > 0
                           ? fmt::format(" ({:+.2f} %)", 100 * (*change.after / *change.before - 1))
                           : "");
    }
}

Status judge_counts(const report::Counts& before, const report::Counts& after,
                    double tolerance_percent) {
    if (const auto reasons = report::differing_context(before, after); !reasons.empty())
        return refuse("instructions", reasons);

    const report::CountChanges changes = report::compare_counts(before, after, tolerance_percent);

    if (changes.same == 0 && !changes.any())
        return refuse("instructions", {"no case was counted"});
    show("moved", changes.moved);
    show("new", changes.added);
    show("gone", changes.gone);
    fmt::print(
        "instructions: {} cases the same within {} %; {} counters moved, {} cases new, {} gone\n",
        changes.same, tolerance_percent, changes.moved.size(), changes.added.size(),
        changes.gone.size());
    return changes.any() ? moved : the_same;
}

/* Shows what each case takes on two kernels. Nothing is judged: two kernels differ. */
Status show_kernels(const report::Counts& before, const report::Counts& after) {
    if (const auto reasons = report::differing_context(before, after, report::Kernels::two);
        !reasons.empty())
        return refuse("instructions of two kernels", reasons);

    constexpr const char* row = "{:>20} {:>20} {:>12} {:>9}  {}\n";
    std::size_t shared = 0;
    const std::vector<report::Change> cases = report::side_by_side(before, after);

    fmt::print("instructions per operation, fastest batch\n");
    fmt::print(row, report::kernel_of(before), report::kernel_of(after), "difference", "%", "case");
    for (const report::Change& change : cases) {
        const bool has_both = change.before && change.after;

        shared += has_both ? 1 : 0;
        fmt::print(row, report::show_number(change.before), report::show_number(change.after),
                   has_both ? fmt::format("{:+.2f}", *change.after - *change.before) : "",
                   has_both && *change.before > 0
                       ? fmt::format("{:+.1f}", 100 * (*change.after / *change.before - 1))
                       : "",
                   change.name);
    }
    fmt::print("{} cases on both kernels, {} on one kernel only\n", shared, cases.size() - shared);
    return the_same;
}

/* What makes the times of one side doubtful, in a line. */
void show_conditions(const char* side, const report::Bench& bench) {
    const auto conditions =
        report::judge_conditions({bench.context.begin(), bench.context.end()}, std::nullopt);
    std::vector<std::string> words;

    for (const report::Condition& condition : conditions.noisy)
        words.push_back(condition.name + " " + condition.found);
    if (!words.empty())
        fmt::print("noisy conditions {}: {}\n", side, fmt::join(words, ", "));
}

Status judge_times(const report::Bench& before, const report::Bench& after,
                   double tolerance_percent) {
    if (const auto reasons = report::why_no_times(before, after); !reasons.empty())
        return refuse("times", reasons);

    const auto changes = report::compare_times(before, after);
    const auto added = report::timed_only_in(after, before);
    const auto gone = report::timed_only_in(before, after);
    const bool same_cases = added.empty() && gone.empty();

    if (changes.empty())
        return refuse("times", {"no case was measured in both"});

    std::size_t real = 0;
    const std::size_t wanted = report::processes_for(changes.size());
    std::size_t fewest = wanted;

    show_conditions("before", before);
    show_conditions("after", after);
    fmt::print("median of the means of the processes, in {} per operation\n",
               before.context_or("unit", "ticks"));
    for (const report::TimeChange& change : changes) {
        const bool is_real = change.is_real(tolerance_percent);

        real += is_real ? 1 : 0;
        fewest = std::min({fewest, change.before_count, change.after_count});
        fmt::print(
            "{:<6} {}: {} -> {}, ratio {:.3f} (95 %: {:.3f} to {:.3f}), effect {} ({:+.2f}), "
            "p {:.2g}, n {} and {}\n",
            is_real ? "moved" : "", change.name, report::show_number(change.before),
            report::show_number(change.after), change.after / change.before, change.ratio.low,
            change.ratio.high, report::effect_name(change.delta), change.delta, change.p,
            change.before_count, change.after_count);
    }
    for (const std::string& name : added)
        fmt::print("{:<6} {}\n", "new", name);
    for (const std::string& name : gone)
        fmt::print("{:<6} {}\n", "gone", name);
    if (const std::size_t too_few = report::count_too_few(changes);
        real == 0 && same_cases && too_few != 0)
        return refuse(
            "times",
            {fmt::format("{} of {} cases need more processes: with {} in a run, no difference of "
                         "these cases can be shown; take at least {}: bench_resolve --processes",
                         too_few, changes.size(), fewest, wanted)});
    fmt::print("times: {} of {} cases moved by more than {} % with p < 0.05 (Mann-Whitney, Holm); "
               "{} cases new, {} gone\n",
               real, changes.size(), tolerance_percent, added.size(), gone.size());
    if (fewest < wanted)
        fmt::print("some cases were measured in {} processes only; take at least {}: bench_resolve "
                   "--processes\n",
                   fewest, wanted);
    return real != 0 || !same_cases ? moved : the_same;
}

int compare(const Options& options) {
    const Side before = load_side(options.before);
    const Side after = load_side(options.after);
    std::optional<Status> counts;
    std::optional<Status> times;

    if (options.kernels)
        return before.counts && after.counts
                   ? show_kernels(*before.counts, *after.counts)
                   : refuse("instructions of two kernels", {"one side has no instruction counts"});
    if (before.counts && after.counts)
        counts = judge_counts(*before.counts, *after.counts, options.tolerance_percent);
    else if ((before.counts || after.counts) && before.times && after.times)
        fmt::print("instructions: not comparable, because only one of the two has counts\n");
    if (before.times && after.times)
        times = judge_times(*before.times, *after.times, options.tolerance_percent);
    if (!counts && !times)
        return refuse("nothing", {"one has instruction counts only, the other times only"});
    /* a pair that cannot be compared matters only if there is no other */
    if (counts.value_or(not_comparable) == not_comparable)
        return times.value_or(not_comparable);
    if (times == not_comparable)
        fmt::print("the times were not judged; the status is that of the counts\n");
    return counts == moved || times == moved ? moved : the_same;
}

int update(const Options& options) {
    const auto counts = load_side(options.after).counts;

    if (!counts || counts->cases.empty())
        return complain(options.after +
                        " has no case with instruction counts; nothing was written");
    (void)testexp::write_file(options.before, report::reference_text(*counts)).value();
    fmt::print("{} now holds the {} cases of {}\n", options.before, counts->cases.size(),
               options.after);
    return the_same;
}

int run_program(int argc, char** argv) {
    CLI::App app("Compares what resolving costs in two runs, case by case: instruction counts, "
                 "and times where they mean something.");
    Options options;

    app.add_option("BEFORE", options.before, "a reference file, or like AFTER")->required();
    app.add_option("AFTER", options.after, "a run directory, or a bench*.json of one")->required();
    app.add_option("--tolerance", options.tolerance_percent, "how far a case may move")
        ->type_name("PERCENT")
        ->check(CLI::NonNegativeNumber)
        ->capture_default_str();
    app.add_flag("--update", options.update,
                 "make BEFORE the reference file of what was counted in AFTER");
    app.add_flag("--kernels", options.kernels,
                 "BEFORE and AFTER are of two kernels: show the instruction counts of both side by "
                 "side, and judge nothing")
        ->excludes("--update");
    app.footer(
        "Exit status: 0 nothing moved; 1 a case moved, is new or is gone; 2 the two are not "
        "comparable: another kernel (without --kernels), configuration, compiler, preset or "
        "processor, too few processes, or no case in both; 3 bad input. With --kernels: 0 the "
        "table was printed, 2 and 3 as above.");
    try {
        app.parse(argc, argv);
        /* CLI11 takes nan for a number that is not negative. */
        if (std::isnan(options.tolerance_percent))
            throw CLI::ValidationError("--tolerance", "nan is no number of percent");
        return options.update ? update(options) : compare(options);
    } catch (const CLI::Success& success) {
        return app.exit(success);
    } catch (const CLI::ParseError& error) {
        return complain(std::string(error.what()) + "; see --help");
    } catch (const std::runtime_error& error) {
        return complain(error.what());
    }
}

} // namespace

int main(int argc, char** argv) {
    try {
        return run_program(argc, argv);
    } catch (const std::exception& error) {
        /* no fmt here: it may throw too */
        std::fprintf(stderr, "results_compare: %s\n", error.what());
        return bad_input;
    }
}
