/* SPDX-License-Identifier: GPL-2.0 */
/* As much of the kernel's header as memory.h needs. Other threads run between two operations. */
#ifndef SHIM_LINUX_ATOMIC_H
#define SHIM_LINUX_ATOMIC_H

#include <linux/types.h>

typedef struct {
	s64 counter;
} atomic64_t;

#ifdef __cplusplus
extern "C" {
#endif

/* Defined by the test: does what other threads do before an operation. */
void others_run(atomic64_t *v);

#ifdef __cplusplus
}
#endif

static inline s64 atomic64_read(atomic64_t *v)
{
	others_run(v);
	return v->counter;
}

static inline s64 atomic64_add_return(s64 i, atomic64_t *v)
{
	others_run(v);
	return v->counter += i;
}

static inline void atomic64_sub(s64 i, atomic64_t *v)
{
	others_run(v);
	v->counter -= i;
}

static inline bool atomic64_try_cmpxchg(atomic64_t *v, s64 *old, s64 new_value)
{
	others_run(v);
	if (v->counter == *old) {
		v->counter = new_value;
		return true;
	}
	*old = v->counter;
	return false;
}

#endif /* SHIM_LINUX_ATOMIC_H */
