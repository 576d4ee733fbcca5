# SPDX-License-Identifier: GPL-2.0
"""The kernel's own dma-buf tests, on the stock kernel and on a patched one: they must say the same.

The tests are those of the source package: two programs of kselftest, and DMABUF_SELFTESTS, which is built as a module
for each kernel because neither has it.
"""
import contextlib
import hashlib
import pathlib
import re
import shutil
import sys
import tempfile

import core

sys.path.append(str(core.LIB / "guest"))
import kernel_tests  # pylint: disable=wrong-import-position

SOURCE = "linux-source-6.12"
TARBALL = pathlib.Path(f"/usr/src/{SOURCE}.tar.xz")
SUITES = ["st-dma-fence", "st-dma-fence-chain", "st-dma-fence-unwrap", "st-dma-resv"]
KSELFTEST = "tools/testing/selftests"
WANTED = [
    *(f"{KSELFTEST}/{name}" for name in ("dmabuf-heaps", "drivers/dma-buf", "kselftest.h")),
    *(f"drivers/dma-buf/{name}"
      for name in ("selftest.c", "selftest.h", "selftests.h", *(f"{suite}.c" for suite in SUITES))),
    "include/uapi/drm/drm.h", "include/uapi/drm/drm_mode.h"
]
# an emulated processor is long over dma_fence_chain/wait_backward, which is no stall
PATIENT = "rcupdate.rcu_cpu_stall_timeout=300 watchdog_thresh=60"
TEXT = """\
Runs kselftest's dmabuf-heaps and drivers/dma-buf and the kernel's DMABUF_SELFTESTS in a guest of the stock kernel and
in one of FLAVOUR (default base), and compares case by case. DIR (default: nothing is kept) gets regression.json, which
results_report shows, and the output of all tests in regression/."""


def kbuild():
    objects = " ".join(f"{name}.o" for name in ["selftest", *SUITES])
    return f"obj-m := dmabuf_selftests.o\ndmabuf_selftests-y := {objects}\n"


def compile_programs(source):
    """What kselftest's Makefiles do, but with the C library's headers; of DRM it has none."""
    tests = source / KSELFTEST
    drm = ["-D__user=", "-idirafter", source / "include/uapi"]
    for name, path, options in (("dmabuf-heap", "dmabuf-heaps/dmabuf-heap.c", drm), ("udmabuf",
                                                                                     "drivers/dma-buf/udmabuf.c", [])):
        if core.call(["gcc", "-O2", "-Wall", "-static", *options, "-o", source / name, tests / path]) != 0:
            raise core.Problem(f"the kernel's test {name} does not build in {source}")


def programs():
    """The directory with the sources and the two programs built from them; made once for each version of the source
    package."""
    version = core.capture(["dpkg-query", "-W", SOURCE])[1]
    key = hashlib.sha256((version + pathlib.Path(__file__).read_text(encoding="utf-8")).encode()).hexdigest()[:12]
    source = core.cache_dir() / "regression" / key
    with core.locked(source.parent / f"{key}.lock", "build of the kernel's tests"):
        if not (source / "done").exists():
            source.mkdir(parents=True, exist_ok=True)
            if core.call(
                ["tar", "-C", source, "--strip-components=1", "-xf", TARBALL, *(f"{SOURCE}/{name}"
                                                                                for name in WANTED)]) != 0:
                raise core.Problem(f"cannot unpack the tests of {TARBALL} to {source}")
            compile_programs(source)
            (source / "done").touch()
    return source


def build_module(source, tree, work):
    """dmabuf_selftests.ko for the kernel of this tree."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="module.", dir=work))
    shutil.copytree(source / "drivers/dma-buf", directory, dirs_exist_ok=True)
    (directory / "Kbuild").write_text(kbuild(), encoding="utf-8")
    log = directory / "build.log"
    if core.call_logged(["make", "-C", tree, f"M={directory}", "modules"], log) != 0:
        errors = [line for line in log.read_text(errors="replace").splitlines() if "error" in line]
        raise core.Problem(f"DMABUF_SELFTESTS do not build for {tree}: {(errors or [core.last_line(log)])[0]}")
    return directory / "dmabuf_selftests.ko"


class Regression:
    """Both runs, and where they are kept."""

    def __init__(self, options, work):
        self.options, self.work = options, pathlib.Path(work)
        self.out = core.made_directory(options.out or self.work / "out")
        self.logs = core.made_directory(self.out / "regression")
        self.trees = {flavour: self.tree(flavour) for flavour in ("stock", options.kernel)}
        # a case that one of the two kernels is not configured for says nothing about the patches
        self.hugepages = ["--hugepages"] * all(has_hugepages(tree) for tree in self.trees.values())
        self.source = programs()

    @staticmethod
    def tree(flavour):
        """Where a module can be built for it."""
        core.kernel_tree(flavour)
        return core.script("kernel", "path", flavour)

    def run(self, kernel, side, hidden=""):
        """Leaves SIDE.txt, one line for each case; returns its path."""
        module = build_module(self.source, self.trees[kernel], self.work)
        core.say(f"the kernel's own tests on {kernel}")
        result = self.logs / f"{side}.txt"
        command = [
            "/usr/bin/python3", "-B", core.LIB / "guest/kernel_tests.py", "--bin", self.source, "--module", module,
            "--out", result, "--hide", hidden, *self.hugepages
        ]
        with open(self.logs / f"{side}-output.txt", "wb") as output:
            status = core.call(
                core.vm_command(kernel, command, mem=4096, timeout=core.GUEST_TIMEOUT_S, share=self.logs,
                                console=self.logs / f"{side}-console.txt", arguments=["--append", PATIENT]),
                stdout=output)
        if status != 0:
            raise core.Problem(f"the tests did not get to their end on {kernel} (status {status}); see {self.logs}")
        return result

    def compare(self):
        names = ("stock", self.options.kernel)
        document = kernel_tests.comparison(self.run("stock", "stock"),
                                           self.run(self.options.kernel, "patched", self.options.hide or ""), names)
        core.write_json(self.out / "regression.json", document)
        kernel_tests.print_comparison(document)
        return 1 if document["faults"] else 0


def has_hugepages(tree):
    with contextlib.suppress(OSError):
        return re.search(r"^CONFIG_HUGETLBFS=y", (tree / ".config").read_text(encoding="utf-8"),
                         re.MULTILINE) is not None
    return False


def parse(arguments):
    parser = core.Parser(prog="scripts/regression",
                         usage="scripts/regression [--kernel FLAVOUR] [--out DIR] [--hide FILE]", description=TEXT,
                         epilog="exit status: 0 the results are the same, 1 they differ or something could not run.")
    parser.add_argument("--kernel", default="base", metavar="FLAVOUR")
    parser.add_argument("--out", type=core.named_path, metavar="DIR")
    parser.add_argument(
        "--hide", type=core.named_path, metavar="FILE",
        help="remove this file (say, /dev/udmabuf) in the second guest: shows that a difference is found")
    options = parser.parse_args(arguments)
    if options.kernel == "running":
        raise core.Problem("--kernel running: the tests need a guest; name a flavour or a kernel tree")
    if options.kernel == "stock":
        raise core.Problem("--kernel stock: the tests on stock are what the other kernel is compared with; name another")
    core.check_kernel(options.kernel)
    return options


def main(arguments):
    options = parse(arguments)
    steps = ["python", "sources", "module", "stock", "vm"]
    core.need(*steps, *["kernel"] * (not options.kernel.startswith("stock") and "/" not in options.kernel))
    with tempfile.TemporaryDirectory(prefix="dmabuf-regression.") as work:
        return Regression(options, work).compare()
