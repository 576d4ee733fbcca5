# SPDX-License-Identifier: GPL-2.0
"""Runs commands in QEMU guests; see --help. The guest's side is ../guest/guest-init."""

import os
import signal
import subprocess
import sys

import kept
import once
from common import LOST, NO_START, core, say
from options import parse


def run_here(options):
    """--kernel running: there is no guest. The programs that run find out for themselves what the clock is worth."""
    command = options.command if os.geteuid() == 0 else ["sudo", "-E", *options.command]
    try:
        # in our own session: sudo may have to ask on the terminal
        with core.child(command, core.SELF_TESTS_END_S, stdin=None, start_new_session=False) as process:
            code = process.wait(options.timeout)
    except subprocess.TimeoutExpired:
        say(f"{options.command[0]} timed out after {options.timeout} s")
        return LOST
    except OSError as error:
        say(f"{options.command[0]}: {error.strerror}")
        return 127
    return code if code >= 0 else 128 - code


def run(options):
    if options.list:
        return kept.list_all()
    if options.stop:
        return kept.stop_all()
    if options.kernel == "running":
        return run_here(options)
    return kept.run(options) if options.keep else once.run(options)


def interrupted(number, _):
    raise SystemExit(128 + number)


def main():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, interrupted)
    try:
        return run(parse(sys.argv[1:]))
    except core.Problem as reason:
        if not isinstance(reason, core.Said):
            say(reason)
    except OSError as error:
        say(f"{error.filename or 'cannot start'}: {error.strerror}")
    return NO_START


if __name__ == "__main__":
    sys.exit(main())
