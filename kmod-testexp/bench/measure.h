/* SPDX-License-Identifier: GPL-2.0 */
/* MEASURE times how an importer resolves; DELIVER returns what the same code resolved. */
#ifndef TESTEXP_MEASURE_H
#define TESTEXP_MEASURE_H

#include "ioctl.h"

/* Ioctls for the descriptor of an importer. The owner of each call is that importer. */
extern const struct testexp_ioctls testexp_measure_ioctls;

#endif /* TESTEXP_MEASURE_H */
