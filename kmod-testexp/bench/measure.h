/* SPDX-License-Identifier: GPL-2.0 */
/* MEASURE and DELIVER: resolve through an importer in one ioctl, to time it or to see the results. */
#ifndef TESTEXP_MEASURE_H
#define TESTEXP_MEASURE_H

#include "ioctl.h"

/* To be served by the descriptor of an importer, which is the owner of each call. */
extern const struct testexp_ioctls measure_ioctls;

#endif /* TESTEXP_MEASURE_H */
