# SPDX-License-Identifier: GPL-2.0
"""What the kernel console of a guest says about its kernel, and the exit status that follows."""

import re
import time

from common import KERNEL_BUG, LOST

import kernel_bugs

# Guards against a kernel that does not print to its console. The last line arrives within a second; ten on a busy
# machine.
CONSOLE_TIMEOUT_S = 100
CONSOLE_END = b"dmabuf-vm: end"


def kernel_bug(console):
    """The first line of the console that says the kernel is broken, or else that a checker of the kernel has stopped,
    or None. Announced bugs do not count."""
    lines = console.read_text(errors="replace").splitlines() if console.exists() else []
    bugs = list(kernel_bugs.bugs_in(lines))
    return next((bug for bug in bugs if kernel_bugs.NOT_JUDGED not in bug), bugs[0] if bugs else None)


def console_is_whole(console, commands=1):
    """Whether QEMU has written the line with which the guest ends each of so many commands. Waits for this line."""
    deadline = time.monotonic() + CONSOLE_TIMEOUT_S
    while console.read_bytes().count(CONSOLE_END) < commands:
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.02)
    return True


NOT_WHOLE = (f"the end of the guest's console has not arrived within {CONSOLE_TIMEOUT_S} s, so nobody knows what its "
             "kernel reported")


def is_emulators(bug, console):
    """Whether the emulator made this bug: an int3 that the processor executed is not in memory.

    The kernel patches its code by means of int3. A processor that an emulator runs in a thread of its own may execute
    such an int3 after the kernel has replaced it, and the kernel knows nothing of an int3 there. The line `Code:` of
    the oops shows the memory, and <> marks the byte after the int3.
    """
    if not re.search(r"\bint3: 0000 \[#1\]", bug):
        return False
    text = console.read_text(errors="replace")
    found = re.search(r"\bCode: .*?(\w\w) <", text[text.index(bug):])
    return bool(found) and found[1] != "cc"


def judge(status, lost, console, parallel=False):
    """Returns the exit status, and a line for the user when this is not the command's own status.

    `lost` says why `status` is None. `parallel` says that an emulator ran several processors at the same time.
    """
    bug = kernel_bug(console)
    if bug and parallel and is_emulators(bug, console):
        return LOST, ("no verdict, because the emulator failed: a processor executed an int3 that the kernel had "
                      f"replaced before: {bug} (console: {console})")
    if bug:
        return KERNEL_BUG, f"kernel bug in the guest: {bug} (console: {console})"
    if status is None:
        tail = "".join(f"\n  | {line}" for line in console.read_text(errors="replace").splitlines()[-5:])
        return LOST, f"{lost} (console: {console}){tail}"
    return status, ""
