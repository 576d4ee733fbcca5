# SPDX-License-Identifier: GPL-2.0
"""Builds a kernel with all generated faults of the lines that kernel/patches/6.12 adds to dma-buf.c."""

import difflib
import pathlib
import re
import shutil
import subprocess
import tempfile

import build
import core
import generated
import kernel_image
import rules
import schemata
import slots
from kernel_image import SUBJECT

SERIES = core.ROOT / "kernel" / "patches" / "6.12"


def patches():
    """Returns the patches of the series, in their order."""
    names = [line.split("#")[0].strip() for line in (SERIES / "series").read_text().splitlines()]
    return [SERIES / name for name in names if name]


def part_of(patch, subject):
    """Returns the part of a patch that changes one file."""
    parts = re.split(r"^(?=diff --git )", patch.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return "".join(part.split("\n-- \n")[0] + "\n" for part in parts if part.startswith(f"diff --git a/{subject} "))


def without_series(path):
    """Returns the text of SUBJECT without the patches of the series."""
    with tempfile.TemporaryDirectory() as work:
        copy = pathlib.Path(work) / SUBJECT
        copy.parent.mkdir(parents=True)
        shutil.copy(path, copy)
        for patch in reversed(patches()):
            if part := part_of(patch, SUBJECT):
                done = subprocess.run(["patch", "-R", "-p1", "-s", "-f", "-d", work], input=part, capture_output=True,
                                      text=True, check=False)
                if done.returncode != 0:
                    raise core.Problem(f"{patch.name} cannot be reverted in {path}: {done.stdout.strip()}")
        return copy.read_text(encoding="utf-8")


def added_lines(old, new):
    """Returns the numbers of the new lines; the first line is 1."""
    added = set()
    for tag, _, _, start, end in difflib.SequenceMatcher(
            None, old.splitlines(), new.splitlines(), autojunk=False).get_opcodes():
        if tag in ("insert", "replace"):
            added.update(range(start + 1, end + 1))
    return added


def find(kdir, command, wanted):
    """Returns (source, slots, the wanted mutants whose slots are all in added lines)."""
    path = pathlib.Path(kdir) / SUBJECT
    source = path.read_text(encoding="utf-8")
    places = slots.find_slots(path, path, slots.clang_arguments(command, kdir))
    added = added_lines(without_series(path), source)
    lines = [source.count("\n", 0, slot.start) + 1 for slot in places]
    return source, places, [mutant for mutant in generated.only(rules.mutants_of("dma-buf.c", source, places), wanted)
                            if all(lines[slot] in added for slot, _ in mutant.edits)]


def write(source, places, mutants):
    """Returns ([Generated], {SUBJECT: the text with all faults}, {SUBJECT: {line: id}})."""
    text, lines, sites = schemata.write(source, places, list(enumerate(mutants, 1)), 0, kernel_image.PRELUDE)
    made = [generated.generated(number, mutant, sites) for number, mutant in enumerate(mutants, 1)]
    return made, {SUBJECT: kernel_image.with_numbers(text, len(made), len(sites))}, {SUBJECT: lines}


def build_image(found, directory, flavour):
    """Builds the image; returns what kernel_image.build_image() returns."""
    source, places, mutants = found

    def without(dropped):
        return write(source, places, [mutant for mutant in mutants if mutant.id not in dropped])

    return kernel_image.build_image({SUBJECT: source}, without, directory, flavour)


def prepare(flavour=generated.FLAVOUR, wanted=None):
    """Returns the kernel with the wanted faults (None: all faults), and the module for this kernel."""
    kdir = build.last_line_of("kernel", "build", flavour)
    key = generated.key(kdir, wanted, pathlib.Path(__file__), pathlib.Path(kernel_image.__file__), *patches())
    directory = core.cache_dir() / "mutants" / f"kernel-{key}"
    with core.locked(core.cache_dir() / "mutants" / ".lock-kernel", "build of a kernel with generated faults"):
        if not (directory / "mutants.json").exists():
            shutil.rmtree(directory, ignore_errors=True)
            build.copy_sources(directory / "plain")
            if build.make(kdir, directory / "plain", directory / "plain.log") != 0:
                raise core.Problem(f"the module does not build: {core.last_line(directory / 'plain.log')} "
                                   f"(log: {directory / 'plain.log'})")
            core.say("making faults by rules, and building a kernel with these faults")
            command = generated.compile_command(directory / "plain", "exporter/exporter.c")
            mutants, dropped, tree = build_image(find(kdir, command, wanted), directory, flavour)
            build.ModuleTree(directory / "tree", tree).build(None, directory / "module")
            generated.keep(directory, mutants, dropped)
    module = str(directory / "module" / f"{build.MODULE}.ko")
    return generated.Built("generated-kernel", str(directory / "bzImage"), module, directory,
                           *generated.kept(directory), "kernel", flavour)
