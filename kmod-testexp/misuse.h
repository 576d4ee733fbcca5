/* SPDX-License-Identifier: GPL-2.0 */
/* Calls that no correct driver makes, to test how the core reports them. */
#ifndef TESTEXP_MISUSE_H
#define TESTEXP_MISUSE_H

#include <linux/device.h>
#include <linux/types.h>

#include "testexp_uapi.h"

bool testexp_misuse_allowed(void);
int testexp_misuse_run(struct testexp_misuse *args, struct device *dev);

#endif /* TESTEXP_MISUSE_H */
