# SPDX-License-Identifier: GPL-2.0
"""The options of scripts/vm."""

import argparse
import os
import pathlib
import re

from common import CannotStart, core

IDLE_S = 600
MOST_PROCESSORS = 64  # CONFIG_NR_CPUS of kernel/config/base.config
LEAST_MIB = 256

DESCRIPTION = """\
Runs CMD as root in a guest, in the same directory. The guest sees this file system read-only. What the guest writes
goes to a tmpfs and is lost at its end."""

EPILOG = """\
Examples:
  scripts/vm --shell                                         a prompt in the guest
  scripts/vm --shell -- insmod "$(scripts/module)"           a prompt in the guest with the test module loaded
  scripts/vm --gdb -- insmod "$(scripts/module)"             a kernel that waits for gdb
  scripts/vm --keep -- dmesg                                 the guest stays and takes the next command within a second

Exit status: the status of CMD; 250 could not start (no QEMU, no kernel, bad option), 251 the guest panicked or its
kernel reported a bug, 252 the guest was lost (QEMU died) or timed out; 130 after Ctrl-C.
Tests announce the kernel messages that they provoke, in lines that they write to /dev/kmsg. A WARNING between
`expect-warning: begin` and `expect-warning: end` is no bug. Between `expect-splat: begin TEXT` and `expect-splat: end`
there must be one report with TEXT, which is no bug.
CMD finds in DMABUF_PFN_CLOCK what the clock of its guest is worth: icount (instructions) or invalid (TCG). Under KVM
the variable is not set, and bench_env --clock judges the clock inside the guest.
CMD also gets its caller's variables TESTEXP_* and KSFT_*, which tell self-tests what to do."""


def parser():
    made = core.Parser(prog="scripts/vm", description=DESCRIPTION, epilog=EPILOG)
    made.add_argument("--kernel", metavar="FLAVOUR|running|PATH",
                      help="a flavour of scripts/kernel, this machine without a guest, a bzImage, or a kernel build "
                      "tree (default: what scripts/kernel default prints). running ignores --smp, --mem and --share")
    made.add_argument("--smp", type=core.positive, default=None, metavar="N",
                      help="processors (default 2; 1 with --icount)")
    made.add_argument("--mem", type=core.positive, default=2048, metavar="M", help="memory in MiB (default 2048)")
    made.add_argument("--icount", action="store_true",
                      help="count instructions: each instruction of any processor advances the TSC by one")
    made.add_argument("--parallel", action="store_true",
                      help="the processors of an emulated guest run at the same time, in a thread each; otherwise they "
                      "take turns. Needs QEMU 8.1 or later. The kernel boots with one processor. CMD loads its "
                      "modules, and then calls /run/vm/start-processors. From then on CMD must not make the kernel "
                      "patch its code (tracing, probes), as QEMU fails then")
    made.add_argument("--qemu", metavar="backports|PROGRAM",
                      help="another QEMU than the machine's. backports: where the machine's QEMU is older than 8.1, "
                      "that of Debian's backports, which is unpacked in the cache and not installed; --parallel then "
                      "finds it there")
    made.add_argument("--iommu", action="store_true",
                      help="an Intel IOMMU, and behind it the device edu (0000:00:10.0), a device with a BAR of 4 GiB "
                      "(0000:00:11.0), and a device with a BAR of 64 MiB that can be reset (0000:01:00.0). "
                      "scripts/lib/guest/vfio-bind gives them to VFIO, which also needs "
                      "--append iommufd.allow_unsafe_interrupts=1")
    made.add_argument("--igb", action="store_true",
                      help="with --iommu: Intel's network device 82576 (0000:00:08.0), which copies pages by DMA. "
                      "Needs QEMU 8.0 or later")
    made.add_argument("--p2p", action="store_true",
                      help="a processor that the kernel trusts with DMA between devices (AMD, family 23), and the "
                      "device edu (0000:00:10.0). Such a guest is emulated even where KVM works")
    made.add_argument("--append", default="", metavar="S", help="more words for the kernel command line")
    made.add_argument("--sealed", type=core.named_path, action="append", default=[], metavar="FILE",
                      help="the guest sees nothing of this machine but FILE (again for more) in /sealed, the libraries "
                      "that FILE needs, and busybox. It has no device that works at the host's pace. With --icount, "
                      "two such guests that do the same execute the same instructions")
    made.add_argument("--share", type=core.named_path, action="append", default=[], metavar="DIR",
                      help="a directory that the guest may really write to (again for more)")
    made.add_argument("--timeout", type=core.positive, default=3600, metavar="SEC",
                      help="give up after this time (default 3600)")
    made.add_argument("--console", type=core.named_path, metavar="FILE", help="keep the kernel console here")
    made.add_argument("--shell", action="store_true", help="open a shell in the guest, after CMD if there is one")
    made.add_argument("--gdb", action="store_true",
                      help="stop the kernel before its first instruction, print the command that attaches gdb, and run "
                      "CMD if there is one. Without CMD the guest stays until Ctrl-C")
    made.add_argument("--keep", action="store_true",
                      help="keep the guest after CMD, and reuse a kept guest that was started with the same options. "
                      "Each command sees the files of this machine as they are now. A guest whose kernel reported a "
                      "bug, or in which CMD left a module loaded, is not reused")
    made.add_argument("--idle", type=core.positive, metavar="SEC",
                      help="with --keep: the guest ends by itself when it has had no command for SEC (default "
                      f"{IDLE_S})")
    made.add_argument("--list", action="store_true", help="list the kept guests")
    made.add_argument("--stop", action="store_true", help="end all kept guests")
    made.add_argument("command", nargs=argparse.REMAINDER, metavar="-- CMD...")
    return made


def parse(argv):
    made = parser()
    options = made.parse_args(argv)
    if options.command[:1] == ["--"]:
        del options.command[0]
    if options.list or options.stop:
        check_alone(options, made)
        return options
    options.kernel = options.kernel or core.default_kernel("--likely")
    options.smp = options.smp or (1 if options.icount else 2)
    check(options)
    options.idle = options.idle or IDLE_S
    options.sealed = [checked_file(name) for name in options.sealed]
    options.share = [checked_share(directory) for directory in options.share]
    return options


def check_alone(options, made):
    """Refuses whatever stands beside --list or --stop."""
    changed = [name for name, value in vars(options).items() if value != made.get_default(name) and value != []]
    if len(changed) > 1:
        raise CannotStart("--list and --stop go with no other option and no command")


def total_memory_mib():
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20


def check_machine(options):
    """Refuses a machine that QEMU cannot build, or that no kernel boots on."""
    if options.smp > MOST_PROCESSORS:
        raise CannotStart(f"--smp {options.smp}: a guest has {MOST_PROCESSORS} processors at most")
    if options.mem < LEAST_MIB:
        raise CannotStart(f"--mem {options.mem}: a guest needs {LEAST_MIB} MiB or more")
    if options.mem > total_memory_mib():
        raise CannotStart(f"--mem {options.mem}: this machine has {total_memory_mib()} MiB")


def check(options):
    """Refuses options that make no sense together."""
    interactive = [name for name in ("shell", "gdb") if getattr(options, name)]
    check_machine(options)
    if options.idle and not options.keep:
        raise CannotStart("--idle is for --keep: without --keep the guest ends with CMD")
    if not options.command and not interactive:
        raise CannotStart("no command; say scripts/vm [options] -- CMD...")
    if options.command[:1] == [""]:
        raise CannotStart("the command is an empty word; say scripts/vm [options] -- CMD...")
    if options.kernel == "running":
        for name in (*interactive, "keep", "icount", "iommu", "p2p", "sealed", "parallel", "qemu", "console",
                     "append"):
            if getattr(options, name):
                raise CannotStart(f"--{name} is for a guest; --kernel running has none")
    for name in interactive:
        if options.sealed or options.keep:
            raise CannotStart(f"--{name} goes neither with --sealed nor with --keep")
    if options.keep and (options.sealed or options.console):
        raise CannotStart("--keep goes neither with --sealed nor with --console")
    if options.parallel and (options.icount or options.sealed or options.keep):
        raise CannotStart("--parallel goes neither with --icount nor with --sealed nor with --keep")
    if options.parallel and options.smp < 2:
        raise CannotStart("--parallel needs two processors or more; say --smp 2")
    if options.igb and not options.iommu:
        raise CannotStart("--igb needs --iommu: the device is behind the IOMMU")
    if options.qemu == "":
        raise CannotStart("--qemu: the name is empty; say backports, or name a program")
    if options.sealed and options.share:
        raise CannotStart("--share does not go with --sealed: only the output of a sealed guest comes out")


def checked_file(path):
    if not path.is_file():
        raise CannotStart(f"--sealed {path}: no such file")
    return path


def checked_share(directory):
    path = directory.resolve()
    if not path.is_dir():
        raise CannotStart(f"--share {directory}: no such directory")
    if path == pathlib.Path("/") or re.search(r"[\t\n,]", str(path)):
        raise CannotStart(f"--share {directory}: the directory must not be / and have no comma or tab in its name")
    return path
