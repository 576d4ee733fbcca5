# SPDX-License-Identifier: GPL-2.0
"""Builds the kernel's own dma-buf tests from a source package of Linux: the programs of kselftest once for all kernels
of a version, and the rest for each kernel."""
import contextlib
import dataclasses
import hashlib
import inspect
import pathlib
import re
import shutil
import tempfile

import core

KSELFTEST = "tools/testing/selftests"
BPF_TESTS = f"{KSELFTEST}/bpf"
# The build of the programs, of the headers for user space and of the modules needs these files.
WANTED = [
    "Makefile", "Kbuild", "scripts", "include", "usr", "arch/x86", "tools/arch", "tools/include", "tools/scripts",
    "tools/lib/bpf", KSELFTEST, "drivers/dma-buf", "drivers/iommu/iommufd", "drivers/dma/idxd", "drivers/dma/ioat",
    "drivers/net/ethernet/intel/igb"
]
SELFTESTS = ["st-dma-fence", "st-dma-fence-chain", "st-dma-fence-unwrap", "st-dma-resv"]
# The functions of the open iterator. Type information of pahole 1.24 does not say that they are for BPF programs.
ITERATOR = """
#define KFUNC __attribute__((section(".ksyms"), weak))
extern int bpf_iter_dmabuf_new(struct bpf_iter_dmabuf *it) KFUNC;
extern struct dma_buf *bpf_iter_dmabuf_next(struct bpf_iter_dmabuf *it) KFUNC;
extern void bpf_iter_dmabuf_destroy(struct bpf_iter_dmabuf *it) KFUNC;
"""


@dataclasses.dataclass(frozen=True)
class Suite:
    """Tests that scripts/lib/guest/kernel_tests.py knows by this name."""
    name: str
    directory: str  # of the source; a source without this directory or file has no such tests
    options: tuple  # that a kernel must have, as y or m
    program: bool = True  # kselftest's Makefile in the directory builds it
    iommu: bool = False  # needs a guest with an IOMMU


VFIO = ("VFIO_PCI", "VFIO_DEVICE_CDEV", "IOMMUFD")
SUITES = [
    Suite("udmabuf", f"{KSELFTEST}/drivers/dma-buf", ("UDMABUF",)),
    Suite("dmabuf-heap", f"{KSELFTEST}/dmabuf-heaps", ("DMABUF_HEAPS_SYSTEM",)),
    Suite("DMABUF_SELFTESTS", "drivers/dma-buf/selftest.c", ("MODULES",), program=False),
    Suite("kunit", "drivers/dma-buf", ("DMABUF_KUNIT_TEST",), program=False),
    Suite("dmabuf_iter", f"{BPF_TESTS}/prog_tests/dmabuf_iter.c", ("BPF_SYSCALL", "DEBUG_INFO_BTF"), program=False),
    *(Suite(name, f"{KSELFTEST}/iommu", ("IOMMUFD_TEST",)) for name in ("iommufd", "iommufd_fail_nth")),
    *(Suite(name, f"{KSELFTEST}/vfio", VFIO, iommu=True)
      for name in ("vfio_dma_mapping_test", "vfio_dma_mapping_mmio_test", "vfio_iommufd_setup_test",
                   "vfio_pci_device_test")),
]


def has_options(tree, options):
    config = ""
    with contextlib.suppress(OSError):
        config = (tree / ".config").read_text(encoding="utf-8")
    return all(re.search(f"^CONFIG_{option}=[ym]$", config, re.MULTILINE) for option in options)


def suites_for(source, trees):
    """The suites that the source has, and that all kernels are configured for."""
    return [
        suite for suite in SUITES
        if (source / suite.directory).exists() and all(has_options(tree, suite.options) for tree in trees)
    ]


# --- the source -------------------------------------------------------------------------------------------------------


def build_headers(source):
    """The headers for user space."""
    log = source / "build.log"
    if core.call_logged(["make", "-C", source, "ARCH=x86", "headers"], log) != 0:
        raise core.Problem(f"the kernel's headers for user space are not made: {first_error(log)} (log: {log})")


def build_programs(source, suites):
    """What kselftest's Makefiles build for these suites."""
    log = source / "build.log"
    for directory in dict.fromkeys(suite.directory for suite in suites if suite.program):
        with locked(source):
            status = core.call_logged(["make", "-C", source / directory, f"OUTPUT={source / 'bin'}"], log)
        if status != 0:
            raise core.Problem(f"the kernel's tests in {directory} do not build: {first_error(log)} (log: {log})")


def locked(source):
    """Another run builds nothing in this directory during the block."""
    return core.locked(source.parent / f"{source.name}.lock", "build of the kernel's tests")


def first_error(log):
    errors = [line for line in log.read_text(errors="replace").splitlines() if "error" in line]
    return (errors or [core.last_line(log)])[0]


def unpacked(version):
    """The directory with the sources and the headers, made once for each version of the source package. The programs go
    into its directory bin."""
    tarball = core.script("kernel", "source", version)
    package = tarball.name.removesuffix(".tar.xz")
    text = f"{package} {tarball.stat().st_mtime_ns} {WANTED} {inspect.getsource(build_headers)}"
    source = core.cache_dir() / "regression" / f"{version}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    with locked(source):
        if not (source / "done").exists():
            shutil.rmtree(source, ignore_errors=True)
            (source / "bin").mkdir(parents=True)
            if core.call(["tar", "-C", source, "--strip-components=1", "-xf", tarball,
                          *(f"{package}/{name}" for name in WANTED)]) != 0:
                raise core.Problem(f"cannot unpack the tests of {tarball} to {source}; is the disk full?")
            build_headers(source)
            (source / "done").touch()
    return source


# --- for one kernel ---------------------------------------------------------------------------------------------------


def kbuild():
    objects = " ".join(f"{name}.o" for name in ["selftest", *SELFTESTS])
    return f"obj-m := dmabuf_selftests.o\ndmabuf_selftests-y := {objects}\n"


def build_module(source, tree, work):
    """dmabuf_selftests.ko for the kernel of this tree."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="module.", dir=work))
    shutil.copytree(source / "drivers/dma-buf", directory, dirs_exist_ok=True)
    (directory / "Kbuild").write_text(kbuild(), encoding="utf-8")
    log = directory / "build.log"
    if core.call_logged(["make", "-C", tree, f"M={directory}", "modules"], log) != 0:
        raise core.Problem(f"DMABUF_SELFTESTS do not build for {tree}: {first_error(log)}")
    return directory / "dmabuf_selftests.ko"


def build_iterator(source, tree):
    """The BPF self-test dmabuf_iter as a program of its own, with the type information of a kernel."""
    with locked(source):
        build_iterator_alone(source, tree)
        # in place at once: a guest of another run may read the program
        (source / "dmabuf_iter/program").rename(source / "bin/dmabuf_iter")


def build_iterator_alone(source, tree):
    work = source / "dmabuf_iter"
    (work / "bpf").mkdir(parents=True, exist_ok=True)
    for name in ("bpf_helpers.h", "bpf_core_read.h"):
        shutil.copy(source / "tools/lib/bpf" / name, work / "bpf")
    for output, command in (
        ("bpf/bpf_helper_defs.h", ["python3", source / "scripts/bpf_doc.py", "--header", "--file",
                                   source / "include/uapi/linux/bpf.h"]),
        ("vmlinux.h", ["bpftool", "btf", "dump", "file", tree / "vmlinux", "format", "c"])):
        made(command, work / output)
    with open(work / "vmlinux.h", "a", encoding="utf-8") as header:
        header.write(ITERATOR)
    made(["clang", "-g", "-O2", "-target", "bpf", "-mcpu=v3", "-fms-extensions", "-Wno-microsoft-anon-tag",
          "-D__TARGET_ARCH_x86", "-I", work, "-c", source / BPF_TESTS / "progs/dmabuf_iter.c", "-o", work / "part.o"])
    made(["bpftool", "gen", "object", work / "whole.o", work / "part.o"])
    made(["bpftool", "gen", "skeleton", work / "whole.o", "name", "dmabuf_iter"], work / "dmabuf_iter.skel.h")
    made(["gcc", "-D_GNU_SOURCE", "-O2", "-I", work, "-I", core.LIB / "upstream",
          source / BPF_TESTS / "prog_tests/dmabuf_iter.c", "-o", work / "program", "-lbpf", "-lelf", "-lz"])


def made(command, output=None):
    """Runs a command, with its output in a file."""
    status, text = core.capture(command)
    if status != 0:
        raise core.Problem(f"the kernel's test dmabuf_iter does not build: {command[0]} ended with status {status}")
    if output:
        output.write_text(text, encoding="utf-8")
