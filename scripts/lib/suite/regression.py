# SPDX-License-Identifier: GPL-2.0
"""The kernel's own dma-buf tests, on a kernel without the series and on a patched one: they must say the same, except
for what the series mends.

upstream_tests.py builds the tests, from the source package of the kernel's version.
"""
import pathlib
import re
import sys
import tempfile

import core
import kernels
import upstream_tests

sys.path.append(str(core.LIB / "guest"))
import kernel_tests  # pylint: disable=wrong-import-position

# QEMU's IOMMU does not remap interrupts, and without these options neither iommufd nor VFIO's own container takes a
# device.
UNSAFE_INTERRUPTS = "iommufd.allow_unsafe_interrupts=1 vfio_iommu_type1.allow_unsafe_interrupts=1"
TEXT = """\
Runs the kernel's own dma-buf tests in a guest of a kernel without the series and in one of FLAVOUR, and compares case
by case. FLAVOUR is compared with FLAVOUR-upstream, and a flavour of 6.12 with the stock kernel. Which tests there are
depends on the version and on the configuration of both kernels: udmabuf, dmabuf-heap, the tests of fences
(DMABUF_SELFTESTS, or kunit on 7.3-debug), dmabuf_iter of the BPF self-tests, the vfio self-tests, and iommufd with its
mock device (7.3-debug). DIR (default: nothing is kept) gets regression.json, which results_report shows, and the output
of all tests in regression/."""
EPILOG = """\
exit status: 0 the results are the same, 1 they differ or something could not run. A case that fails on both kernels is
named: the series did not cause this failure. A case that fails only without the series is named and counted as mended
by the series: this difference is right."""


def version_of(kernel):
    """The Linux version whose tests run on this kernel. A name without a version is one of 6.12."""
    numbers = re.match(r"\d+\.\d+", kernel)
    return numbers[0] if numbers else kernels.OLDER


def without_series(kernel):
    """The kernel that this kernel is compared with."""
    return "stock" if version_of(kernel) == kernels.OLDER else f"{kernel}-upstream"


class Regression:
    """Both runs, and where they are kept."""

    def __init__(self, options, work):
        self.options, self.work = options, pathlib.Path(work)
        self.out = core.made_directory(options.out or self.work / "out")
        (self.out / "regression.json").unlink(missing_ok=True)
        self.logs = core.made_directory(self.out / "regression")
        self.kernels = (without_series(options.kernel), options.kernel)
        self.trees = {kernel: self.tree(kernel) for kernel in self.kernels}
        self.source = upstream_tests.unpacked(version_of(options.kernel))
        self.suites = self.chosen(upstream_tests.suites_for(self.source, self.trees.values()))
        upstream_tests.build_programs(self.source, self.suites)
        if "dmabuf_iter" in self.names():
            upstream_tests.build_iterator(self.source, self.trees[options.kernel])

    @staticmethod
    def tree(kernel):
        """Where a module can be built for it."""
        core.kernel_tree(kernel)
        return core.script("kernel", "path", kernel)

    def chosen(self, suites):
        """The suites that --suite names, or all."""
        names = [suite.name for suite in suites]
        for name in self.options.suite:
            if name not in names:
                raise core.Problem(f"--suite {name}: not on {' and '.join(self.kernels)}; there are: {' '.join(names)}")
        return [suite for suite in suites if suite.name in self.options.suite or not self.options.suite]

    def names(self):
        return [suite.name for suite in self.suites]

    def arguments(self, kernel):
        """What kernel_tests.py gets in the guest."""
        arguments = ["--bin", self.source / "bin", "--suites", ",".join(self.names())]
        if "DMABUF_SELFTESTS" in self.names():
            arguments += ["--module", upstream_tests.build_module(self.source, self.trees[kernel], self.work)]
        # a case that one of the two kernels is not configured for says nothing about the patches
        if all(upstream_tests.has_options(tree, ["HUGETLBFS"]) for tree in self.trees.values()):
            arguments += ["--hugepages"]
        return arguments

    def run(self, kernel, side, hidden=""):
        """Leaves SIDE.txt, one line for each case; returns its path."""
        arguments = self.arguments(kernel)
        core.say(f"the kernel's own tests on {kernel}")
        result = self.logs / f"{side}.txt"
        command = [
            "/usr/bin/python3", "-B", core.LIB / "guest/kernel_tests.py", *arguments, "--out", result, "--hide", hidden
        ]
        devices = ["--iommu"] * any(suite.iommu for suite in self.suites)
        with open(self.logs / f"{side}-output.txt", "wb") as output:
            status = core.call(
                core.vm_command(kernel, command, mem=4096, timeout=core.GUEST_TIMEOUT_S, share=self.logs,
                                console=self.logs / f"{side}-console.txt",
                                arguments=[*devices, "--append", UNSAFE_INTERRUPTS]),
                stdout=output)
        if status != 0:
            raise core.Problem(f"the tests did not get to their end on {kernel} (status {status}); see {self.logs}")
        return result

    def compare(self):
        before, after = self.kernels
        runs = self.run(before, "before"), self.run(after, "patched", self.options.hide or "")
        document = kernel_tests.comparison(*runs, self.kernels, self.names())
        core.write_json(self.out / "regression.json", document)
        kernel_tests.print_comparison(document)
        return 1 if document["faults"] else 0


def parse(arguments):
    parser = core.Parser(prog="scripts/regression",
                         usage="scripts/regression [--kernel FLAVOUR] [--suite NAME]... [--out DIR] [--hide FILE]",
                         description=TEXT, epilog=EPILOG)
    parser.add_argument("--kernel", default="base", metavar="FLAVOUR", help="the patched kernel (default: 6.12)")
    parser.add_argument("--suite", action="append", default=[], metavar="NAME", choices=sorted(kernel_tests.RUNS),
                        help="only these tests (again for more): " + " ".join(sorted(kernel_tests.RUNS)))
    parser.add_argument("--out", type=core.named_path, metavar="DIR", help="keep the results there")
    parser.add_argument(
        "--hide", type=core.named_path, metavar="FILE",
        help="remove this file (say, /dev/udmabuf) in the second guest: shows that a difference is found")
    options = parser.parse_args(arguments)
    if options.kernel == "running" or "/" in options.kernel:
        raise core.Problem(f"--kernel {options.kernel}: name a flavour of scripts/kernel")
    if options.kernel.startswith("stock") or options.kernel.endswith("-upstream"):
        raise core.Problem(f"--kernel {options.kernel}: this kernel does not have the series; name one that has it")
    core.check_kernel(options.kernel)
    core.check_kernel(without_series(options.kernel))
    return options


def main(arguments):
    options = parse(arguments)
    steps = ["python", "module", "regression", "vm", "kernel"]
    core.need(*steps, *["sources", "stock"] * (without_series(options.kernel) == "stock"))
    with tempfile.TemporaryDirectory(prefix="dmabuf-regression.") as work:
        return Regression(options, work).compare()
