# SPDX-License-Identifier: GPL-2.0
"""The legs of scripts/test: what each is, what it needs, and how long it takes. legs_source.py, legs_kernel.py,
legs_exporters.py, legs_importers.py and legs_count.py have how each runs.

Minutes are those of two processors without KVM while three legs run side by side, with kernels and objects cached.
"""
import dataclasses
from collections.abc import Callable

import legs_count
import legs_exporters
import legs_importers
import legs_kernel
import legs_source

CONTRACT_AFTER = tuple(legs_kernel.CONTRACT_RUNS)


@dataclasses.dataclass(frozen=True)
class Leg:
    """A part of the tests that runs on its own. `run` is called with the leg's Checks."""
    name: str
    text: str
    run: Callable
    full_minutes: float
    quick_minutes: float
    needs: tuple = ()  # steps of deps.sh
    kernels: tuple = ()  # got or built before it runs
    full_kernels: tuple = ()  # more of these, which only the full form uses
    builds: tuple = ()  # targets of user space, each with its preset
    after: tuple = ()  # legs whose results it reads, where these run as well
    not_beside: tuple = ()  # legs that this leg disturbs
    by_default: bool = False  # part of a run without a word
    in_all: bool = True  # part of `all`

    def minutes(self, quick):
        return self.quick_minutes if quick else self.full_minutes

    def kernels_of_form(self, quick):
        return self.kernels if quick else self.kernels + self.full_kernels


# The kernels of the legs: the newest kernel is tested in every way. Other flavours run when a user names them.
NEWEST, DEBUG, OLDER = legs_kernel.NEWEST, legs_kernel.DEBUG, legs_kernel.OLDER

GUEST = ("userspace", "module", "kernel", "vm")
SELFTESTS = (("selftests", ""),)

LEGS = [
    Leg("lint", "style and static checks of scripts, C++, module and patches. Needs the built trees of "
        f"{NEWEST} and {OLDER}, for checkpatch, kernel-doc and the objects of the series", legs_source.lint, 2, 2,
        needs=("lint", "module", "kernel", "sources", "sparse"), kernels=(NEWEST, OLDER), by_default=True),
    Leg("native", "unit tests of the parts that need no kernel", legs_source.native, 1, 1,
        needs=("userspace", "native", "results", "export"), builds=(("native", ""),), by_default=True),
    Leg("scripts", "the tests of scripts/tests. Short: without the tests that boot guests or build "
        f"({' '.join(legs_source.LONG_TESTS)})", legs_source.scripts, 22, 1,
        needs=("scripts", "series", "stock", "perf", "mutants", *GUEST), full_kernels=(NEWEST, OLDER),
        by_default=True),
    Leg(NEWEST, "the main job on the newest patched kernel: self-tests, benchmark, probes, report. Full: the "
        "self-tests at full bounds, the whole benchmark, and the kernel's own tests", legs_kernel.newest, 17, 5,
        needs=("native", "results", "perf", *GUEST), kernels=(NEWEST,), by_default=True),
    Leg(DEBUG, "self-tests under KASAN, lockdep, kmemleak and fault injection. The bounds are always short, because "
        "KASAN makes the tests much slower", legs_kernel.debug, 9, 9,
        needs=GUEST, kernels=(DEBUG,), builds=SELFTESTS),
    Leg(f"{NEWEST}-upstream", f"self-tests on {NEWEST} without the series (compat mode). The bounds are always short, "
        "because the leg stock runs the same module at full bounds", legs_kernel.upstream, 4, 4,
        needs=GUEST, kernels=(f"{NEWEST}-upstream",), builds=SELFTESTS),
    Leg(OLDER, "self-tests on the long-term kernel with its series. Full: at full bounds", legs_kernel.older, 6, 4,
        needs=GUEST, kernels=(OLDER,), builds=SELFTESTS),
    Leg(f"{OLDER}-nomove", "self-tests on the long-term kernel without CONFIG_DMABUF_MOVE_NOTIFY. The bounds are "
        f"always short, because the leg {OLDER} runs the same module at full bounds", legs_kernel.nomove, 3, 3,
        needs=GUEST, kernels=(f"{OLDER}-nomove",), builds=SELFTESTS),
    Leg(f"{OLDER}-debug", f"the leg {DEBUG} on the long-term kernel. Only when named", legs_kernel.older_debug, 6, 6,
        needs=GUEST, kernels=(f"{OLDER}-debug",), builds=SELFTESTS, in_all=False),
    Leg("stock", "the main job on the stock kernel (compat mode), without the kernel's own tests. Full: the self-tests "
        "at full bounds too", legs_kernel.stock, 8, 4,
        needs=("native", "results", "stock", *GUEST), kernels=("stock",),
        not_beside=(NEWEST,)),  # each runs two guests at a time
    Leg("portability", f"the module for the headers of Debian's 6.1 and 6.12 (full: {NEWEST}, too), user space with "
        "clang++, self-tests on Debian 12's kernel 6.1. The bounds are always short, because the leg stock runs the "
        "same module at full bounds. The 6.1 part is skipped where Debian has no 6.1", legs_kernel.portability, 8, 4,
        needs=("native", "results", "stock", "sparse", *GUEST), kernels=("stock",), builds=(("all", "clang"),)),
    Leg("fuzz", "unit tests under sanitizers, libFuzzer on layout.c (30,000 inputs; short: 5,000), and the fuzzer of "
        "the ioctls on the debug kernel (8 batches; short: 4)", legs_source.fuzz, 2, 2,
        needs=("native", "results", "fuzz", *GUEST), kernels=(DEBUG,), builds=(("unit", "fuzz"), *SELFTESTS)),
    Leg("regression", f"the kernel's own dma-buf tests have the same results on {NEWEST} as on {NEWEST}-upstream, and "
        f"on {OLDER} as on the stock kernel", legs_kernel.regression, 5, 5,
        needs=("sources", "stock", "regression", *GUEST),
        kernels=(NEWEST, f"{NEWEST}-upstream", "stock", OLDER)),
    Leg("locking", "the kernel reports each call with a wrong lock. Each call has a boot of the debug kernel",
        legs_kernel.locking, 2, 2, needs=GUEST, kernels=(DEBUG,), builds=SELFTESTS),
    Leg("exporters", "dmabuf-check on each exporter that the kernel and QEMU's devices have: udmabuf, the system heap, "
        f"VFIO, vgem, the test exporter, and an example for --from. Full: large buffers on {NEWEST}, small buffers on "
        f"{DEBUG}. Short: small buffers on {NEWEST}", legs_exporters.exporters, 13, 4,
        needs=GUEST, kernels=(NEWEST,), full_kernels=(DEBUG,), builds=SELFTESTS),
    Leg("importers", "IOMMUFD maps dma-bufs of each exporter: the IOMMU's page table, DMA, revokes during DMA, and "
        f"what is refused, in guests with an IOMMU and in a guest without. Gets QEMU from Debian's backports where the "
        f"machine's is older than 8.1. Full: at full bounds, and short on {DEBUG}",
        legs_importers.importers, 12, 6, needs=GUEST, kernels=(NEWEST,), full_kernels=(DEBUG,), builds=SELFTESTS),
    Leg("panic", "exporters without get_pfn, under panic_on_warn", legs_kernel.panic, 0.5, 0.5,
        needs=GUEST, kernels=(NEWEST,), builds=SELFTESTS),
    Leg("witnesses", "values that must not be trusted as PFNs, behind an IOMMU and swiotlb; a BAR of 4 GiB; a "
        "contiguous 1 GiB of RAM. Full: at full bounds", legs_kernel.witnesses, 3, 2,
        needs=GUEST, kernels=(NEWEST,), builds=SELFTESTS),
    Leg("parallel", f"storms, races and contention on two processors that run at the same time, on {NEWEST} and "
        f"{OLDER}. Gets QEMU from Debian's backports where the machine's is older than 8.1. Full: at full bounds. Only "
        "when named, as few runs have shown how often the emulator fails", legs_kernel.parallel, 12, 8, needs=GUEST,
        kernels=(NEWEST, OLDER), in_all=False,
        builds=((" ".join([*legs_kernel.CONCURRENT, "module_parameters"]), ""),)),
    Leg("contract", "each promise of docs/contract.md has a test that passed, and none that failed. Reads the results "
        f"of the legs {' '.join(CONTRACT_AFTER)} on this tree", legs_kernel.contract, 0.1, 0.1, after=CONTRACT_AFTER),
    Leg("probes", f"the BPF tools count exactly, in a guest of {NEWEST}. On {OLDER} too (6 minutes more) when named "
        "without --quick", legs_kernel.probes, 6, 6,
        needs=("json", *GUEST), kernels=(NEWEST,), full_kernels=(OLDER,), by_default=True,
        builds=(("bpf_tests dmabuf-check", ""),)),
    Leg("icount", "two passes that count instructions agree with each other and with results/reference, and so do two "
        "boots with contention. Other ways to count agree too: MEASURE's modes, the kernel's benchmark, BPF. One pass "
        f"on {' '.join(legs_count.OTHER_KERNELS)} agrees with its own reference",
        legs_count.icount, 3, 3, needs=("json", *GUEST), kernels=("base", *legs_count.OTHER_KERNELS), by_default=True,
        builds=tuple((target, "") for target in ("bench_resolve", "bench_contention", "results_compare", "cost_test",
                                                 "selftests"))),
    Leg("newcomer", "the commands of the README on a Debian 12 and a Debian 13 with only git. The long form (half an "
        "hour) when named without --quick, else the short form", legs_source.newcomer, 8, 8,
        needs=("newcomer",), not_beside=("scripts",)),
    Leg("faults", "the self-tests find ten faults of the module that were made by hand, and twenty that rules make "
        f"(short: three of the ten). The score of the ten joins the report of the leg {NEWEST}. scripts/mutants tries "
        "all faults",
        legs_kernel.faults, 24, 1,
        needs=("mutants", *GUEST), kernels=(OLDER,), builds=SELFTESTS, after=(NEWEST,), by_default=True),
    Leg("generated", "all faults of the module that rules make. This takes days, and continues after an interruption "
        "(docs/mutation.md). Only when named", legs_kernel.generated, 3000, 3000,
        needs=("mutants", *GUEST), kernels=(OLDER,), builds=SELFTESTS, in_all=False),
    Leg("tidy", "clang-tidy on the C++ code. Only when named", legs_source.tidy, 25, 25,
        needs=("tidy", "userspace", "native", "results"), builds=(("all", ""),), in_all=False),
]
