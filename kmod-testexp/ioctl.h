/* SPDX-License-Identifier: GPL-2.0 */
/* The rules of the ABI that every ioctl shares, applied in one place. */
#ifndef TESTEXP_IOCTL_H
#define TESTEXP_IOCTL_H

#include <linux/types.h>

/**
 * struct testexp_call - one ioctl being served
 * @owner: the object of the descriptor: an importer or a contention, NULL on control
 * @args: kernel copy of the caller's struct; members that the caller does not know are 0
 * @user_args: address of the caller's struct
 * @user_size: size of the struct as the caller knows it, in bytes
 * @size: size of the struct as the module knows it, in bytes
 */
struct testexp_call {
	void *owner;
	void *args;
	void __user *user_args;
	u32 user_size;
	u32 size;
};

/**
 * struct testexp_ioctl - one row of a table of ioctls
 * @cmd: TESTEXP_IOC_*
 * @size: size of the argument struct now
 * @min_size: size of the argument struct in its first version
 * @flags: known bits of the struct's flags
 * @serve: does the work; calls testexp_respond() if the struct has results
 */
struct testexp_ioctl {
	unsigned int cmd;
	u32 size;
	u32 min_size;
	u32 flags;
	int (*serve)(struct testexp_call *call);
};

/**
 * struct testexp_ioctls - a table of ioctls
 * @rows: its rows
 * @nr_rows: how many rows it has
 */
struct testexp_ioctls {
	const struct testexp_ioctl *rows;
	size_t nr_rows;
};

/* @_last: the last member that the first version of the struct had. */
#define TESTEXP_IOCTL(_cmd, _struct, _last, _flags, _serve) {		\
	.cmd = (_cmd),							\
	.size = sizeof(_struct),					\
	.min_size = offsetofend(_struct, _last),			\
	.flags = (_flags),						\
	.serve = (_serve),						\
}

long testexp_ioctl(const struct testexp_ioctls *table, void *owner, unsigned int cmd,
		   void __user *user_args);
int testexp_respond(const struct testexp_call *call);

#endif /* TESTEXP_IOCTL_H */
