/* SPDX-License-Identifier: GPL-2.0 */
/* For files with generated faults. Kbuild defines TESTEXP_SITE_WORDS and TESTEXP_MUTANT_WORDS. */
#ifndef TESTEXP_MUTANT_H
#define TESTEXP_MUTANT_H

#include <linux/bitops.h>
#include <linux/types.h>

extern unsigned long testexp_mutants[];
extern unsigned long testexp_sites[];

void testexp_tell_sites(void);

/* Whether the fault of this number is on. */
static __always_inline bool testexp_is_on(unsigned int mutant)
{
	return test_bit(mutant, testexp_mutants);
}

/* The same, and notes that a site was executed. */
static __always_inline bool testexp_site(unsigned int site, unsigned int mutant)
{
	if (!test_bit(site, testexp_sites))
		set_bit(site, testexp_sites);
	return testexp_is_on(mutant);
}

#endif
