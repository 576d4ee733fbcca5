# SPDX-License-Identifier: GPL-2.0
"""Reads the series of patches for a version of Linux, and tells which lines of a file the series adds."""

import difflib
import pathlib
import re
import shutil
import subprocess
import tempfile

import core


def patches(version):
    """Returns the paths of the patches of this version, in their order."""
    directory = core.ROOT / "kernel/patches" / version
    names = [line.split("#")[0].strip() for line in (directory / "series").read_text(encoding="utf-8").splitlines()]
    return [directory / name for name in names if name]


def part_of(patch, file):
    """Returns the part of a patch that changes one file."""
    parts = re.split(r"^(?=diff --git )", patch.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return "".join(part.split("\n-- \n")[0] + "\n" for part in parts if part.startswith(f"diff --git a/{file} "))


def text_of(version, file):
    """Returns what all patches of this version change in one file."""
    return "".join(part_of(patch, file) for patch in patches(version))


def without(tree, file, version):
    """Returns the text of a file of this kernel tree without the patches of this version."""
    with tempfile.TemporaryDirectory() as work:
        copy = pathlib.Path(work) / file
        copy.parent.mkdir(parents=True)
        shutil.copy(pathlib.Path(tree) / file, copy)
        for patch in reversed(patches(version)):
            if part := part_of(patch, file):
                done = subprocess.run(["patch", "-R", "-p1", "-s", "-f", "-d", work], input=part, capture_output=True,
                                      text=True, check=False)
                if done.returncode != 0:
                    raise core.Problem(f"{patch.name} cannot be reverted in {file} of {tree}: {done.stdout.strip()}")
        return copy.read_text(encoding="utf-8")


def added_lines(old, new):
    """Returns the numbers of the new lines; the first line is 1."""
    added = set()
    for tag, _, _, start, end in difflib.SequenceMatcher(
            None, old.splitlines(), new.splitlines(), autojunk=False).get_opcodes():
        if tag in ("insert", "replace"):
            added.update(range(start + 1, end + 1))
    return added
