/* SPDX-License-Identifier: GPL-2.0 */
/* MEASURE times how an importer resolves; DELIVER returns what the same code resolved. */
#ifndef TESTEXP_MEASURE_H
#define TESTEXP_MEASURE_H

#include "ioctl.h"

/* To be served by the descriptor of an importer, which is the owner of each call. */
extern const struct testexp_ioctls testexp_measure_ioctls;

#endif /* TESTEXP_MEASURE_H */
