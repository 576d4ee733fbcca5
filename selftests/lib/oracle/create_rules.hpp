/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What CREATE must answer for any extents and flags, derived from testexp_uapi.h. This code shares
 * nothing with the module.
 */
#pragma once

#include <cstdint>
#include <set>

#include "layout.hpp"
#include "testexp_uapi.h"

namespace testexp {

/*
 * What an ioctl may answer, as positive errnos. A call with several defects may report any of them.
 */
struct Verdict {
    std::set<int> defects;   /* with any of these the call must fail */
    std::set<int> obstacles; /* with these the call may fail */

    bool allows(int error) const {
        if (error == 0)
            return defects.empty();
        return defects.count(error) != 0 || obstacles.count(error) != 0;
    }
};

/*
 * @layout: any extents. A call without extents is the business of call_rules.hpp.
 * @flags: any
 * @info: INFO of the module, for its limits
 */
Verdict verdict_of_create(const Layout& layout, std::uint32_t flags, const testexp_info& info);

} // namespace testexp
