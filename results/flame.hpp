/* SPDX-License-Identifier: GPL-2.0 */
#pragma once

#include <string>

#include "document.hpp"

namespace report {

/**
 * The graph as an <svg> element, outermost functions at the bottom: as wide as
 * their share of the samples, in alphabetical order. A function's full name and
 * share are in its <title>, which browsers show under the pointer.
 */
std::string draw_flame_graph(const FlameGraph& graph);

} // namespace report
