/* SPDX-License-Identifier: GPL-2.0 */
/* A report for a terminal: no charts, no details. */
#pragma once

#include <string>

#include "document.hpp"

namespace report {

std::string to_text(const Document& document);

} // namespace report
