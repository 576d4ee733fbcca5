# SPDX-License-Identifier: GPL-2.0
"""Builds the module iommufd with many faults. A parameter of the module switches faults on, so one guest of the usual
kernel can try one fault after the other.

The kernel of the hunt has iommufd as a module. So a hunt builds this module from the source package and the series, and
builds no kernel.
"""

import os
import subprocess

import build
import core
import series

MODULE = "iommufd"
DIRECTORY = f"drivers/iommu/{MODULE}"
SOURCES = "drivers/iommu"  # the module includes headers from there


def unpack(version, tree):
    """Puts the source of the module with the series into the directory `tree`."""
    tarball = core.script("kernel", "source", version)
    package = tarball.name.removesuffix(".tar.xz")
    tree.mkdir()
    if core.call(["tar", "-C", tree, "--strip-components=1", "-xf", tarball, "--wildcards",
                  "--no-wildcards-match-slash", f"{package}/{SOURCES}/*.h", f"{package}/{DIRECTORY}"]) != 0:
        raise core.Problem(f"cannot unpack {DIRECTORY} of {tarball} to {tree}; is the disk full?")
    # git must not take a repository around the directory for the one that the patch is for
    environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(tree.parent)}
    for patch in series.patches(version):
        if core.call(["git", "apply", f"--include={SOURCES}/*", patch], cwd=tree, env=environment,
                     stderr=subprocess.DEVNULL) != 0:
            raise core.Problem(f"{patch.relative_to(core.ROOT)} does not apply to {DIRECTORY} of {tarball}")


def build_module(tree, kdir, texts, log):
    """Builds the module with these texts of its files; returns its path. tree: what unpack() filled."""
    for name, text in texts.items():
        (tree / name).write_text(text, encoding="utf-8")
    if build.make(kdir, tree / DIRECTORY, log) != 0:
        raise build.Mistake(f"{MODULE} does not build (log: {log})")
    return tree / DIRECTORY / f"{MODULE}.ko"
