/* SPDX-License-Identifier: GPL-2.0 */
/* Whether an entry of the CPU's page table is the page that get_pfn returns. */
#pragma once

#include <optional>
#include <string>

#include "testexp_uapi.h"

namespace check {

/* What is wrong with the entry; nothing where entry and answer have the same PFN. */
std::optional<std::string> entry_fault(const testexp_result& answer, const testexp_walked& entry);

} // namespace check
