# SPDX-License-Identifier: GPL-2.0
"""Builds a kernel whose dma-buf.c and exporters have many faults. Parameters of the built-in dma_buf switch faults on
and report the executed sites, so one guest can try one fault after the other. importer_module.py does the same for a
module of the kernel, with the parts of this file that both need.
"""

import contextlib
import difflib
import pathlib
import re

import build
import core
import schemata

SUBJECT = "drivers/dma-buf/dma-buf.c"
# {kind of a fault: the files that the fault may change}. The first file of a kind has the parameters. All files of a
# kind are in one image or in one module: the flavour `exporters` has vfio-pci built in.
FILES = {"kernel": (SUBJECT,),
         "exporters": (SUBJECT, "drivers/dma-buf/dma-buf-mapping.c", "drivers/dma-buf/udmabuf.c",
                       "drivers/dma-buf/heaps/system_heap.c", "drivers/vfio/pci/vfio_pci_dmabuf.c"),
         "importers": ("drivers/iommu/iommufd/pages.c", "drivers/iommu/iommufd/io_pagetable.c")}
ROUNDS = 8  # each round compiles without the faults that the compiler refused
# What each file asks: whether a fault is on, and whether it is on at a site, which then counts as executed.
QUESTIONS = """\
static __always_inline bool testexp_is_on(unsigned int mutant)
{
	return test_bit(mutant, testexp_mutants);
}

static __always_inline bool testexp_site(unsigned int site, unsigned int mutant)
{
	if (!test_bit(site, testexp_sites))
		set_bit(site, testexp_sites);
	return testexp_is_on(mutant);
}

"""
PRELUDE = """\
#include <linux/bitmap.h>
#include <linux/bitops.h>
#include <linux/moduleparam.h>
#include <linux/sysfs.h>

unsigned long testexp_mutants[BITS_TO_LONGS(NR_MUTANTS + 1)];
unsigned long testexp_sites[BITS_TO_LONGS(NR_SITES)];

/* The numbers of the faults to switch on: 17, or 17,33; 0 switches all faults off. */
static int testexp_mutant_set(const char *text, const struct kernel_param *param)
{
	return bitmap_parselist(text, testexp_mutants, NR_MUTANTS + 1);
}

static const struct kernel_param_ops testexp_mutant_ops = {
	.set = testexp_mutant_set,
};
module_param_cb(mutant, &testexp_mutant_ops, NULL, 0200);

static int testexp_sites_get(char *buffer, const struct kernel_param *param)
{
	return sysfs_emit(buffer, "%*pb\\n", NR_SITES, testexp_sites);
}

static int testexp_sites_set(const char *text, const struct kernel_param *param)
{
	bitmap_zero(testexp_sites, NR_SITES);
	return 0;
}

static const struct kernel_param_ops testexp_sites_ops = {
	.get = testexp_sites_get,
	.set = testexp_sites_set,
};
module_param_cb(sites, &testexp_sites_ops, NULL, 0600);

""" + QUESTIONS
# The parameter of the first file switches on the faults of the other files as well.
PRELUDE_OF_OTHERS = """\
#include <linux/bitops.h>

extern unsigned long testexp_mutants[];
extern unsigned long testexp_sites[];

""" + QUESTIONS


def sources_in(tree, kind):
    """Returns {path: text without a fault} of the files that a fault of this kind may change.

    tree: what `scripts/kernel mutant --tree` prints.
    """
    sources = {}
    for name in FILES[kind]:
        # scripts/kernel copies a file to `pristine` before the first fault changes the file.
        for path in (pathlib.Path(tree) / name, pathlib.Path(tree) / "pristine" / name):
            with contextlib.suppress(FileNotFoundError):
                sources[name] = path.read_text(encoding="utf-8")
    return sources


def with_numbers(text, mutants, sites=0):
    """Returns the text, which begins with PRELUDE, for so many faults and sites."""
    return text.replace("NR_SITES", str(sites or 1)).replace("NR_MUTANTS", str(mutants))


def prelude_of(path):
    """Returns the prelude of a file, which with_numbers() completes."""
    return PRELUDE if path in [paths[0] for paths in FILES.values()] else PRELUDE_OF_OTHERS


def patch_of(sources, texts):
    """Returns the patch from the sources to the texts; both are {path: text}."""
    return "".join("".join(difflib.unified_diff(sources[path].splitlines(True), text.splitlines(True), f"a/{path}",
                                                f"b/{path}")) for path, text in texts.items())


def build_accepted(write, build_texts):
    """Builds all faults that the compiler accepts.

    write(dropped): returns (faults, {path: text with these faults}, {path: {line: id of the fault in the line}}),
    without the faults whose id is dropped; build_texts(texts): builds; its Mistake names the log. Returns (faults, ids
    of the refused faults, what build_texts returned).
    """
    dropped = set()
    for _ in range(ROUNDS):
        faults, texts, lines = write(dropped)
        try:
            return faults, dropped, build_texts(texts)
        except build.Mistake as mistake:
            log = re.search(r"\(log: (.*)\)$", str(mistake))
            refused = set()
            with contextlib.suppress(OSError):
                refused, _ = schemata.refused(pathlib.Path(log[1]).read_text(errors="replace") if log else "",
                                              {pathlib.Path(path).name: of_file for path, of_file in lines.items()})
            if not refused:
                raise
            dropped |= refused
            core.say(f"the compiler refused {len(refused)} faults; compiling again without them")
    raise core.Problem(f"many faults in one build: it still fails after {ROUNDS} rounds")


def build_image(sources, write, directory, flavour):
    """Puts the image with all faults that the compiler accepts into the directory.

    sources: {path: text} of the files that may have faults; write: as for build_accepted(). Returns (faults, ids of the
    refused faults, kernel tree).
    """
    def build_texts(texts):
        core.write_whole(directory / "faults.patch", patch_of(sources, texts))
        return build.last_line_of("kernel", "mutant", directory / "faults.patch", directory / "bzImage", flavour)

    return build_accepted(write, build_texts)
