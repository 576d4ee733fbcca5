/* SPDX-License-Identifier: GPL-2.0 */
/* From a run directory to the report as data. */
#pragma once

#include "document.hpp"
#include "run_dir.hpp"

namespace report {

Document make_document(const RunDir& run);

} // namespace report
