/* SPDX-License-Identifier: GPL-2.0 */
/* How many stale PFNs importers held while their buffer moved again and again. */
#pragma once

#include <optional>

#include "document.hpp"
#include "self_tests.hpp"

namespace report {

/**
 * A bar for each case P1.storm[importer=NAME] of move_storm that said "N audited, M stale".
 * Returns nothing when there is no such case. A bar is good only if the case passed and audited
 * something.
 */
std::optional<Bars> storm_bars(const SelfTests& tests);

} // namespace report
