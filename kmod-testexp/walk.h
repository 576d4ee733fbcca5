/* SPDX-License-Identifier: GPL-2.0 */
/* PFNs from the caller's page table: how they are had without get_pfn. */
#ifndef TESTEXP_WALK_H
#define TESTEXP_WALK_H

#include "testexp_uapi.h"

int walk_run(const struct testexp_walk *args);

#endif /* TESTEXP_WALK_H */
