// SPDX-License-Identifier: GPL-2.0
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/uaccess.h>

#include "ioctl.h"
#include "testexp_uapi.h"

/* Room for any argument struct that an ioctl takes. The largest is struct testexp_info. */
union testexp_any_args {
	struct {
		u32 size;
		u32 flags;
	};
	struct testexp_info info;
	struct testexp_create create;
	struct testexp_stats stats;
	struct testexp_measure measure;
};

static const struct testexp_ioctl *testexp_find_ioctl(const struct testexp_ioctls *table,
						      unsigned int cmd)
{
	size_t i;

	for (i = 0; i < table->nr_rows; i++)
		if (table->rows[i].cmd == cmd)
			return table->rows + i;
	return NULL;
}

/**
 * testexp_ioctl - check size and flags of an ioctl, then serve it
 * @table: the ioctls of this kind of descriptor
 * @owner: passed to the function that serves the ioctl
 * @cmd: number of the ioctl, from user space
 * @user_args: pointer to its argument struct, from user space
 *
 * Return: what the serving function returned, or -ENOTTY, -EFAULT, -EINVAL, -E2BIG or
 * -EOPNOTSUPP as testexp_uapi.h says. A wait that a signal interrupted ends with -EINTR:
 * the system call is not restarted.
 */
long testexp_ioctl(const struct testexp_ioctls *table, void *owner, unsigned int cmd,
		   void __user *user_args)
{
	const struct testexp_ioctl *row = testexp_find_ioctl(table, cmd);
	union testexp_any_args args;
	struct testexp_call call = {
		.owner = owner,
		.args = &args,
		.user_args = user_args,
	};
	int ret;

	if (!row)
		return -ENOTTY;
	if (WARN_ON_ONCE(row->size > sizeof(args)))
		return -EINVAL;

	if (get_user(call.user_size, (u32 __user *)user_args))
		return -EFAULT;
	if (call.user_size < row->min_size)
		return -EINVAL;
	call.size = row->size;

	/* copy_struct_from_user() reads every byte of the unknown tail, so the size is limited. */
	if (call.user_size > PAGE_SIZE)
		return -E2BIG;
	ret = copy_struct_from_user(&args, row->size, user_args, call.user_size);
	if (ret)
		return ret;
	if (args.flags & ~row->flags)
		return -EOPNOTSUPP;

	ret = row->serve(&call);
	return ret == -ERESTARTSYS ? -EINTR : ret;
}

/* Copies the part of the struct back that the caller knows. Return: 0 or -EFAULT. */
int testexp_respond(const struct testexp_call *call)
{
	u32 size = min(call->user_size, call->size);

	return copy_to_user(call->user_args, call->args, size) ? -EFAULT : 0;
}
