/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What CREATE has to say to any extents and flags, read from testexp_uapi.h and
 * sharing nothing with the module: the errno of every defect there is.
 */
#pragma once

#include <cstdint>
#include <set>

#include "layout.hpp"
#include "testexp_uapi.h"

namespace testexp {

/* What an ioctl may answer, all errnos positive. Which one it finds first is its own affair. */
struct Verdict {
    std::set<int> defects;   /* for these it must fail */
    std::set<int> obstacles; /* for these it may */

    bool allows(int error) const {
        if (error == 0)
            return defects.empty();
        return defects.count(error) != 0 || obstacles.count(error) != 0;
    }
};

/*
 * @layout: any extents; that there must be one is a rule of the call, see call_rules.hpp
 * @flags: any
 * @info: of the module; its limits count
 */
Verdict verdict_of_create(const Layout& layout, std::uint32_t flags, const testexp_info& info);

} // namespace testexp
