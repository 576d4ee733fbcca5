# SPDX-License-Identifier: GPL-2.0
"""Contention counted in instructions.

The guest is sealed: who gets a lock first depends on everything that happens before, so two boots agree only when
nothing at all differs. Of such a guest only the output comes out, and the result is its standard output.
"""
import json
import os
import pathlib

import core

IN_GUEST = 'insmod "$1" && shift && bench_contention "$@" --out /tmp/result >&2; ' \
           'status=$?; cat /tmp/result; exit $status'


def count_contention(kernel, bin_dir, module, file, vm_arguments=(), bench_arguments=(), *, log=None, messages=None):
    """Leaves the result in `file`, or none; returns the guest's status. What the benchmark says goes to the screen,
    or there and into the file `log`, or to the open file `messages` alone."""
    # pylint: disable=too-many-arguments,too-many-positional-arguments
    file, module = pathlib.Path(file), pathlib.Path(module)
    command = core.vm_command(
        kernel, ["sh", "-c", IN_GUEST, "sh", module.name, *bench_arguments], smp=9, timeout=core.GUEST_TIMEOUT_S,
        arguments=[
            "--icount", *vm_arguments, "--sealed", module, "--sealed",
            pathlib.Path(bin_dir) / "bench/bench_contention"
        ])
    unfinished = file.with_name(f".{file.name}.unfinished")
    try:
        with open(unfinished, "wb") as output:
            status = core.call_teed(command, log, stdout=output) if log else core.call(
                command, stdout=output, stderr=messages)
        if status < core.GUEST_NOT_STARTED and is_whole(unfinished):
            os.replace(unfinished, file)
        elif status == 0:
            core.say("the result of bench_contention did not come out of the guest whole")
            status = 1
    finally:
        unfinished.unlink(missing_ok=True)
    return status


def is_whole(path):
    try:
        return bool(json.loads(path.read_text(encoding="utf-8")))
    except ValueError:
        return False
