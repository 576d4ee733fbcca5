# SPDX-License-Identifier: GPL-2.0
"""Self-tests in a guest, for the legs."""
import dataclasses
import os
import pathlib
import re

import core
import exporters


# The last line of scripts/vm --qemu backports where the mirror has no such suite.
NO_BACKPORTS = re.compile(r": \S+ has no \S+-backports for .* does not have a Release file")


@dataclasses.dataclass
class Ended:
    """A guest at its end: its exit status, its log, and the places of its results."""
    status: int
    log: pathlib.Path
    ktap: pathlib.Path
    console: pathlib.Path

    @property
    def lacks_qemu(self):
        """Whether the guest asked for the QEMU of Debian's backports, and there are none."""
        return self.status == core.GUEST_NOT_STARTED and bool(NO_BACKPORTS.search(core.last_line(self.log)))


def self_tests(checks, name, kernel, programs=(), *, cases="", preset="", short=None, environment=None, more=(),
               arguments=(), before="", **vm):
    """Runs self-tests in a guest of their own, all of them unless programs are named. `short` is --quick (as the
    leg's form says); `cases` is KSFT_CASES; `more` and `arguments` are options of selftests/run and of scripts/vm;
    `before` is a command of the shell that runs in the guest before them."""
    log = checks.log(name)
    share = checks.directory / log.stem
    share.mkdir(exist_ok=True)
    core.kernel_tree(kernel)
    words = [
        core.ROOT / "selftests/run", "--bin",
        core.userspace_dir(preset) / "selftests", "--out", share / "ktap", "--module",
        core.module_for(kernel), *more
    ]
    if checks.quick if short is None else short:
        words.append("--quick")
    if before:
        words = ["sh", "-c", f'{before} && exec "$@"', "sh", *words]
    command = core.vm_command(kernel, [*words, *programs], **vm, share=share, console=share / "console.txt",
                              arguments=arguments)
    variables = {"DMABUF_PFN_FLAVOUR": kernel, **({"KSFT_CASES": cases} if cases else {}), **(environment or {})}
    status = core.call_logged(command, log, env={**os.environ, **variables})
    return Ended(status, log, share / "ktap", share / "console.txt")


def judged(checks, name, kernel, programs=(), **options):
    """Runs self-tests as self_tests() does, and counts their results. A guest that lacks its QEMU is skipped."""
    ended = self_tests(checks, name, kernel, programs, **options)
    if ended.lacks_qemu:
        checks.skips(name, core.last_line(ended.log))
    else:
        checks.self_tests(name, ended.ktap, ended.status, ended.log)
    return ended


def tap_with_module(checks, name, kernel, program, *arguments):
    """A program that prints TAP, in a guest that has the module."""
    prepare = exporters.PREPARE if exporters.are_measured(kernel) else ""
    load = ["sh", "-c", '$3; insmod "$1" && exec "$2"', "sh", core.module_for(kernel), program, prepare]
    checks.tap(name, core.vm_command(kernel, load, arguments=arguments))
