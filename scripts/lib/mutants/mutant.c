// SPDX-License-Identifier: GPL-2.0
/* Part of a module with generated faults: which of them are on, and what was executed. */
#include <linux/bitmap.h>
#include <linux/module.h>

#include "mutant.h"

unsigned long testexp_mutants[TESTEXP_MUTANT_WORDS];

/* Numbers of faults, as 17 or 17,33; 0 is none of them. */
static int mutant_set(const char *text, const struct kernel_param *param)
{
	return bitmap_parselist(text, testexp_mutants, TESTEXP_MUTANT_WORDS * BITS_PER_LONG);
}

static const struct kernel_param_ops mutant_ops = {
	.set = mutant_set,
};
module_param_cb(mutant, &mutant_ops, NULL, 0);
MODULE_PARM_DESC(mutant, "Numbers of the faults that are on; 0: none");

unsigned long testexp_sites[TESTEXP_SITE_WORDS];

void testexp_tell_sites(void)
{
	unsigned int i;

	pr_info("testexp-sites: begin\n");
	for (i = 0; i < TESTEXP_SITE_WORDS; i++)
		if (testexp_sites[i])
			pr_info("testexp-sites: %u %lx\n", i, testexp_sites[i]);
}
