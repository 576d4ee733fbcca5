# SPDX-License-Identifier: GPL-2.0
"""Is every line of the contract tested? Reads the tables of docs/contract-tests.md.

A row's last column names tests: `pattern` (any run) or `flavour:pattern` (a run of that kernel), where * stands for anything. A row holds when each of
its patterns is met by a case that passed. A case that failed or was skipped does not count, and a pattern that no case has is a wrong table.
"""
import fnmatch
import re


def rows(text):
    """Yields (line of the contract, patterns) of every table row that names tests."""
    for line in text.splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        patterns = re.findall(r"`([^`]+)`", cells[-1]) if len(cells) >= 2 else []
        if patterns:
            yield cells[0].replace("`", ""), patterns


def unmet(patterns, runs):
    """Those patterns that no case meets. `runs` has the cases that passed, by flavour."""
    return [pattern for pattern in patterns if not _meets(pattern, runs)]


def _meets(pattern, runs):
    """Whether a case that passed has this name; brackets are meant as they stand."""
    flavour, colon, name = pattern.partition(":")
    if not colon or flavour not in runs:
        flavour, name = None, pattern
    glob = re.compile(fnmatch.translate(name.replace("[", "[[]")))
    return any(glob.match(case) for run, cases in runs.items() if flavour in (None, run) for case in cases)
