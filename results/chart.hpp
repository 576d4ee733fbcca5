/* SPDX-License-Identifier: GPL-2.0 */
/* Charts are drawn by gnuplot. */
#pragma once

#include <string>

#include "document.hpp"
#include "testexp.hpp"

namespace report {

/**
 * The chart as an <svg> element. The error is one line, also when gnuplot is
 * not installed.
 */
testexp::Result<std::string> draw_svg(const Chart& chart);

/* What gnuplot is told; for tests. */
std::string gnuplot_script(const Chart& chart);

} // namespace report
