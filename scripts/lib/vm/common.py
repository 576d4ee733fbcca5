# SPDX-License-Identifier: GPL-2.0
"""What all files of scripts/vm share."""

import pathlib
import sys

LIB = pathlib.Path(__file__).resolve().parent.parent
sys.path += [str(LIB / "suite"), str(LIB.parent.parent / "selftests")]
import core  # pylint: disable=wrong-import-position

NO_START, KERNEL_BUG, LOST = core.GUEST_NOT_STARTED, core.GUEST_BUG, core.GUEST_LOST
core.set_name("scripts/vm")
say = core.say


class CannotStart(core.Problem):
    """One line that says why there is no guest. The exit status is NO_START."""


def cache():
    """Where scripts/vm keeps what it can make again."""
    return core.cache_dir() / "vm"
