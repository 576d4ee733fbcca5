# SPDX-License-Identifier: GPL-2.0
"""Builds the module with a fault, in directories that keep their object files."""

import pathlib
import shutil
import subprocess

import core
import guest
from hand_made import Mistake, apply_edits

MODULE_SOURCES = core.ROOT / "kmod-testexp"
MODULE = guest.MODULE


def module_sources():
    """Returns the source files of the module, relative to MODULE_SOURCES."""
    return sorted(path.relative_to(MODULE_SOURCES)
                  for path in [*MODULE_SOURCES.rglob("*.[ch]"), MODULE_SOURCES / "Kbuild"])


def copy_sources(directory):
    for source in module_sources():
        (directory / source).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(MODULE_SOURCES / source, directory / source)


def make(kdir, directory, log, *arguments):
    """Runs make for the module in `directory`; returns the status of make.

    The module has no BTF, because no test reads BTF and the kernels with a fault have none.
    """
    return core.call_logged(["make", "-C", kdir, f"M={directory}", "KCFLAGS=-Wno-error",
                             "CONFIG_DEBUG_INFO_BTF_MODULES=", *arguments, "modules"], log)


def last_line_of(name, *arguments):
    """Runs scripts/NAME; returns its last line of output. A failure raises Mistake with the last line of errors."""
    with core.child([core.SCRIPTS / name, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                    text=True) as process:
        output, errors = process.communicate()
    if process.returncode != 0:
        raise Mistake((errors.strip().splitlines() or [f"scripts/{name} ended with status {process.returncode}"])[-1])
    return output.strip().splitlines()[-1]


class ModuleTree:
    """A directory where the module is built repeatedly, so make compiles only the files that changed."""

    def __init__(self, directory, kdir):
        self.directory, self.kdir = directory, kdir
        copy_sources(directory)

    def build(self, fault, target):
        """Puts the module with the fault (None: without a fault) into the directory `target`."""
        target.mkdir()
        name = pathlib.Path(fault.file).relative_to("kmod-testexp") if fault else "Kbuild"
        if not (MODULE_SOURCES / name).exists():
            raise Mistake(f"there is no {fault.file}")
        original = (MODULE_SOURCES / name).read_text()
        try:
            if fault:
                (self.directory / name).write_text(apply_edits(original, fault.edits))
            log = target / "build.log"
            if make(self.kdir, self.directory, log) != 0:
                raise Mistake("does not build: " + next(
                    (line for line in log.read_text().splitlines() if "error" in line.lower()), "see its log"))
            shutil.copy(self.directory / f"{MODULE}.ko", target)
        finally:
            if fault:
                (self.directory / name).write_text(original)
