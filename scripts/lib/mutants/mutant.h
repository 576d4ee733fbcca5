/* SPDX-License-Identifier: GPL-2.0 */
/* What the text of a file with generated faults needs; TESTEXP_SITE_WORDS comes from Kbuild. */
#ifndef TESTEXP_MUTANT_H
#define TESTEXP_MUTANT_H

#include <linux/bitops.h>
#include <linux/types.h>

extern unsigned int testexp_mutant;
extern unsigned long testexp_sites[];

void testexp_tell_sites(void);

/* Notes that a site was executed. Return: the fault that is on. */
static __always_inline unsigned int testexp_site(unsigned int site)
{
	if (!test_bit(site, testexp_sites))
		set_bit(site, testexp_sites);
	return testexp_mutant;
}

#endif
