# SPDX-License-Identifier: GPL-2.0
"""Which QEMU runs a guest."""

import re
import shutil
import subprocess

import initramfs
from common import LIB, CannotStart, cache, core

PROGRAM = "qemu-system-x86_64"
# An older QEMU breaks a kernel whose processors run at the same time.
PARALLEL_FROM = (8, 1)
IGB_FROM = (8, 0)


def need_packages():
    """Gets QEMU and busybox when they are missing."""
    if shutil.which(PROGRAM) and initramfs.BUSYBOX.exists() and shutil.which("setpriv"):
        return
    script = f'me=scripts/vm; . "{LIB}/common.sh"; . "{LIB}/deps.sh"; need vm'
    if subprocess.run(["bash", "-c", script], check=False).returncode != 0:
        raise CannotStart("no QEMU")


def version(program):
    """The version of a QEMU, such as (7, 2)."""
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    except OSError as error:
        raise CannotStart(f"--qemu {program}: {error.strerror}") from error
    found = re.match(r"QEMU emulator version (\d+)\.(\d+)", said)
    if not found:
        raise CannotStart(f"--qemu {program}: this is no QEMU; name a qemu-system-x86_64")
    return int(found[1]), int(found[2])


def is_new(program):
    return version(program) >= PARALLEL_FROM


def in_cache():
    """The QEMU that --qemu backports got before, or None."""
    return next(map(str, (cache().parent / "qemu").glob(f"{12 * '?'}/{PROGRAM}")), None)


def of_backports():
    """The machine's own QEMU where this is new enough, otherwise the QEMU of Debian's backports."""
    if is_new(PROGRAM):
        return PROGRAM
    answer = subprocess.run([LIB / "qemu"], stdout=subprocess.PIPE, text=True, check=False)
    if answer.returncode != 0:
        raise core.Said("no QEMU of backports; see the line above")
    return answer.stdout.strip()


def choose(options):
    """The QEMU that these options ask for. A guest whose processors run at the same time prefers a new one."""
    if options.qemu == "backports":
        program = of_backports()
    elif options.qemu:
        program = options.qemu
        version(program)
    elif options.parallel and not is_new(PROGRAM):
        program = in_cache() or PROGRAM
    else:
        program = PROGRAM
    for option, since in (("parallel", PARALLEL_FROM), ("igb", IGB_FROM)):
        if getattr(options, option) and version(program) < since:
            wanted, found = (".".join(map(str, numbers)) for numbers in (since, version(program)))
            raise CannotStart(f"--{option} needs QEMU {wanted} or later, and {program} is QEMU {found}; say "
                              "--qemu backports")
    return program
