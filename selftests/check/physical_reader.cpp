// SPDX-License-Identifier: GPL-2.0
#include "physical_reader.hpp"

#include "ksft.hpp"

namespace check {

PhysicalReader physical_reader_or_skip() {
    for (const auto& make : {kcore_reader})
        if (std::optional<PhysicalReader> reader = make())
            return *std::move(reader);
    ksft::skip("nothing here reads memory at a physical address (needs CONFIG_PROC_KCORE)");
}

} // namespace check
