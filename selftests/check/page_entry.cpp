// SPDX-License-Identifier: GPL-2.0
#include "page_entry.hpp"

#include <sstream>

namespace check {

std::optional<std::string> entry_fault(const testexp_result& answer, const testexp_walked& entry) {
    std::ostringstream text;

    if (answer.error)
        text << "get_pfn gives error " << answer.error;
    else if (entry.error)
        text << "the page table has no entry: error " << entry.error;
    else if (entry.pfn != answer.pfn)
        text << "the page table has PFN 0x" << std::hex << entry.pfn << ", and get_pfn says 0x"
             << answer.pfn;
    else
        return std::nullopt;
    return text.str();
}

} // namespace check
