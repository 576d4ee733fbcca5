// SPDX-License-Identifier: GPL-2.0
/* Instruction counts of this run beside those of another kernel, which scripts/run --beside names.
 */
#include <fmt/format.h>

#include "format.hpp"
#include "reference.hpp"
#include "sections.hpp"

namespace report {

namespace {

constexpr const char* title = "Instructions on two kernels";

/* A baseline, or one operation of a path on the simplest buffer. */
bool is_simple(const std::string& name) {
    return name.find('/', name.find('/') + 1) == std::string::npos ||
           name.ends_with("/size:2097152/order:9");
}

Row make_row(const Change& change) {
    const bool has_both = change.before && change.after;

    return {{change.name, show_number(change.before), show_number(change.after),
             has_both ? fmt::format("{:+.2f}", *change.after - *change.before) : "–",
             has_both && *change.before > 0
                 ? fmt::format("{:+.1f}", 100 * (*change.after / *change.before - 1))
                 : "–"},
            Tone::plain};
}

Section show(const Counts& other, const Counts& here) {
    Table simple{"One operation, instructions of the fastest batch",
                 "The clock is icount. Both kernels had the same compilers and the same preset of "
                 "the benchmark.",
                 {{"case", false},
                  {kernel_of(other), true},
                  {kernel_of(here), true},
                  {"difference", true},
                  {"%", true}},
                 {}};
    Table all = simple;

    all.caption = "All cases, instructions of the fastest batch";
    all.placement = Placement::page_only;
    for (const Change& change : side_by_side(other, here)) {
        all.rows.push_back(make_row(change));
        if (is_simple(change.name))
            simple.rows.push_back(all.rows.back());
    }
    return {title, {simple, all}};
}

} // namespace

std::optional<Section> kernels_section(RunDir& run) {
    const auto other = read_part<Counts>(run, "beside.json", Absence::is_usual, parse_counts);

    if (!other)
        return std::nullopt;
    if (!run.icount)
        return Section{title, {Paragraph{"This run counted no instructions.", Tone::warning}}};

    const Counts here = counts_of(*run.icount);
    const auto reasons = differing_context(*other, here, Kernels::two);

    if (reasons.empty())
        return show(*other, here);
    return Section{
        title,
        {Paragraph{"The two sets of counts are not comparable:", Tone::warning}, Excerpt{reasons}}};
}

} // namespace report
