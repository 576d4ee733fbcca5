# SPDX-License-Identifier: GPL-2.0
"""How long a line of a file may be, and the lines that are longer."""
import fnmatch

C_FILES = ("*.c", "*.h", "*.cpp", "*.hpp")
C_LIMIT = 100
LIMIT = 120
TAB_WIDTH = 8

# These files hold the output of a program, a text from elsewhere, or lines of kernel logs as the kernel prints them.
EXEMPT = ("COPYING", "*.json", "*.patch", "*.png", "*.svg", "results/tests/golden/*", "selftests/unit/corpus/*",
          "selftests/unit/kernel_log_lines.txt")


def matches(name, patterns):
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def columns(line):
    """How wide the line is where a tab goes on to the next multiple of TAB_WIDTH columns."""
    return len(line.expandtabs(TAB_WIDTH))


def long_lines(root, names):
    """["FILE:LINE has N columns, not LIMIT"] for each line that is too long."""
    found = []
    for name in names:
        if matches(name, EXEMPT):
            continue
        limit = C_LIMIT if matches(name, C_FILES) else LIMIT
        lines = (root / name).read_text(encoding="utf-8", errors="replace").split("\n")
        found += [
            f"{name}:{number} has {columns(line)} columns, not {limit}" for number, line in enumerate(lines, 1)
            if columns(line) > limit
        ]
    return found
