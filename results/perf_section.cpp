// SPDX-License-Identifier: GPL-2.0
/* What perf counted and sampled for each path. */
#include "perf.hpp"
#include "sections.hpp"

namespace report {

std::optional<Section> perf_section(RunDir& run) {
    const auto perf = read_part<Perf>(run, "perf.json", Absence::is_usual, parse_perf);

    /* perf needs a package and a run of its own, so nobody misses it. */
    if (!perf)
        return Section{"perf", {Paragraph{"Not taken: scripts/run --perf takes it.", Tone::plain}}};
    return Section{"perf", perf_blocks(*perf), false, unmeasured(*perf)};
}

} // namespace report
