// SPDX-License-Identifier: GPL-2.0
/* Part of a module with generated faults: which of them is on, and what was executed. */
#include <linux/module.h>

#include "mutant.h"

unsigned int testexp_mutant;
module_param_named(mutant, testexp_mutant, uint, 0444);
MODULE_PARM_DESC(mutant, "Number of the fault that is on; 0: none");

unsigned long testexp_sites[TESTEXP_SITE_WORDS];

void testexp_tell_sites(void)
{
	unsigned int i;

	pr_info("testexp-sites: begin\n");
	for (i = 0; i < TESTEXP_SITE_WORDS; i++)
		if (testexp_sites[i])
			pr_info("testexp-sites: %u %lx\n", i, testexp_sites[i]);
}
