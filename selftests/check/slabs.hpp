/* SPDX-License-Identifier: GPL-2.0 */
/* /proc/slabinfo: how many objects of each slab cache the kernel uses. */
#pragma once

#include <istream>

#include "growth.hpp"

namespace check {

/* "objects of the slab cache NAME" for each cache, without those that the kernel frees late. */
Usage parse_slabs(std::istream& lines);

/* Empty where the kernel has no /proc/slabinfo, or does not give it to this process. */
Usage read_slabs();

} // namespace check
