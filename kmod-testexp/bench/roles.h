/* SPDX-License-Identifier: GPL-2.0 */
/* The roles of contenders. A contender makes one operation of its role at a time. */
#ifndef TESTEXP_ROLES_H
#define TESTEXP_ROLES_H

#include <linux/types.h>

#include "testexp_uapi.h"

struct contender;

int testexp_role_check(const struct testexp_contender *spec);
int testexp_role_begin(struct contender *contender);
void testexp_role_end(struct contender *contender);
int testexp_role_operate(struct contender *contender);
bool testexp_contender_is_over(const struct contender *contender);

#endif /* TESTEXP_ROLES_H */
