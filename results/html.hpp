/* SPDX-License-Identifier: GPL-2.0 */
/* A report as one HTML file that needs nothing else, not even JavaScript. */
#pragma once

#include <functional>
#include <string>

#include "document.hpp"
#include "testexp.hpp"

namespace report {

/* Turns a chart into an <svg> element, or says in one line why it cannot. */
using DrawChart = std::function<testexp::Result<std::string>(const Chart&)>;

std::string to_html(const Document& document, const DrawChart& draw);

/* @text with nothing left that HTML would interpret. */
std::string escape_html(const std::string& text);

} // namespace report
