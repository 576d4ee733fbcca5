# SPDX-License-Identifier: GPL-2.0
"""The legs of scripts/test: what each is, what it needs, and what it takes. How it runs is in legs_source.py, legs_kernel.py and legs_count.py.

Minutes are those of two processors without KVM while another leg runs beside this one, with kernels and objects cached.
"""
import dataclasses
from collections.abc import Callable

import legs_count
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
    builds: tuple = ()  # targets of user space, each with its preset
    after: tuple = ()  # legs whose results it reads, where these run as well
    not_beside: tuple = ()  # legs that it disturbs
    by_default: bool = False  # part of a run without a word
    in_all: bool = True  # part of `all`
    may_skip_all: bool = False  # it is no failure when it finds nothing that it could run

    def minutes(self, quick):
        return self.quick_minutes if quick else self.full_minutes


GUEST = ("userspace", "module", "kernel", "vm")
SELFTESTS = (("selftests", ""),)

LEGS = [
    Leg("lint", "style and static checks of scripts, C++, module and patches; of the kernel it needs the built tree of base, for checkpatch, "
        "kernel-doc and the objects of drivers/dma-buf", legs_source.lint, 1, 1,
        needs=("lint", "module", "kernel", "sources", "sparse"), kernels=("base",), by_default=True),
    Leg("native", "unit tests of the pure parts, no kernel needed", legs_source.native, 1, 1,
        needs=("userspace", "native", "results", "export"), builds=(("native", ""),), by_default=True),
    Leg("scripts", f"the tests of scripts/tests; short: without those that boot guests or build ({' '.join(legs_source.LONG_TESTS)})",
        legs_source.scripts, 15, 1, needs=("scripts", "series", "stock", "perf", "mutants", *GUEST), by_default=True),
    Leg("base", "the main job on the patched kernel: self-tests, benchmark, probes, report. Full: the self-tests at full bounds, the whole "
        "benchmark, and the kernel's own tests", legs_kernel.base, 20, 5,
        needs=("native", "results", "perf", "stock", *GUEST), kernels=("base",), by_default=True),
    Leg("stock", "the same on the stock kernel (compat mode); full as base is, but for the kernel's own tests", legs_kernel.stock, 16, 4,
        needs=("native", "results", "stock", *GUEST), kernels=("stock",), not_beside=("base",)),  # each runs two guests at a time
    Leg("nomove", "self-tests on the patched kernel without CONFIG_DMABUF_MOVE_NOTIFY; full: at full bounds", legs_kernel.nomove, 6, 2,
        needs=GUEST, kernels=("nomove",), builds=SELFTESTS),
    Leg("debug", "self-tests under KASAN, lockdep, kmemleak and fault injection, always at short bounds, as KASAN makes them much longer",
        legs_kernel.debug, 6, 6, needs=GUEST, kernels=("debug",), builds=SELFTESTS),
    Leg("portability", "the module for 6.1 and 6.12 headers, user space with clang++, self-tests on Debian 12 as it comes (6.1); full: at full "
        "bounds. Where Debian has no 6.1 any more, that part is skipped", legs_kernel.portability, 8, 4,
        needs=("native", "results", "stock", "sparse", *GUEST), kernels=("stock",), builds=(("all", "clang"),)),
    Leg("fuzz", "unit tests under sanitizers, libFuzzer on layout.c (30,000 inputs; short: 5,000), and the fuzzer of the ioctls on the debug "
        "kernel (8 batches; short: 4)", legs_source.fuzz, 2, 2,
        needs=("native", "results", "fuzz", *GUEST), kernels=("debug",), builds=(("unit", "fuzz"), *SELFTESTS)),
    Leg("regression", "the kernel's own dma-buf tests say the same on the stock and the patched kernel", legs_kernel.regression, 1, 1,
        needs=("sources", "stock", *GUEST), kernels=("stock", "base")),
    Leg("locking", "each call with a wrong lock is reported, one boot of the debug kernel for each", legs_kernel.locking, 5, 5,
        needs=GUEST, kernels=("debug",), builds=SELFTESTS),
    Leg("panic", "exporters that know nothing of get_pfn, under panic_on_warn", legs_kernel.panic, 0.5, 0.5,
        needs=GUEST, kernels=("base",), builds=SELFTESTS),
    Leg("witnesses", "what is no witness for a PFN, behind an IOMMU and swiotlb; a BAR of 4 GiB; RAM of 1 GiB in one piece; full: at full bounds",
        legs_kernel.witnesses, 3, 2, needs=GUEST, kernels=("base",), builds=SELFTESTS),
    Leg("contract", f"each promise of docs/contract.md has a test that passed; reads what the legs {' '.join(CONTRACT_AFTER)} found on this tree",
        legs_kernel.contract, 0.1, 0.1, after=CONTRACT_AFTER),
    Leg("probes", "the BPF tools count exactly, in a guest", legs_kernel.probes, 6, 6,
        needs=("json", *GUEST), kernels=("base",), builds=(("bpf_tests", ""),), by_default=True),
    Leg("icount", "two instruction-count passes agree, with results/reference too, two boots with contention, and the ways of counting; short and "
        "full alike", legs_count.icount, 3, 3,
        needs=("json", *GUEST), kernels=("base",), by_default=True,
        builds=tuple((target, "") for target in ("bench_resolve", "bench_contention", "results_compare", "bpf_tests", "selftests"))),
    Leg("newcomer", "the commands of the README on a Debian 12 and a Debian 13 with nothing but git; whole (half an hour) when named without "
        "--quick, else a short form", legs_source.newcomer, 3, 3, needs=("newcomer",), not_beside=("scripts",)),
    Leg("faults", "ten faults put into the module and twenty that rules make are found by the self-tests (short: three of the ten). The score of "
        "the ten joins the report of base. scripts/mutants tries all", legs_kernel.faults, 6, 1,
        needs=("mutants", *GUEST), kernels=("base",), builds=SELFTESTS, after=("base",), by_default=True),
    Leg("generated", "all faults that rules make of the module: days, and a hunt that was cut goes on (docs/mutation.md); only when named",
        legs_kernel.generated, 3000, 3000, needs=("mutants", *GUEST), kernels=("base",), builds=SELFTESTS, in_all=False),
    Leg("tidy", "clang-tidy on the C++ code, 150 files; only when named", legs_source.tidy, 25, 25,
        needs=("tidy", "userspace", "native", "results"), builds=(("all", ""),), in_all=False),
]
