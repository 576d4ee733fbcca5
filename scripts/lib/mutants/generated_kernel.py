# SPDX-License-Identifier: GPL-2.0
"""Builds a kernel, or the module of an importer, with all generated faults of the lines that the series of a version
adds to the files of kernel_image.FILES."""

import pathlib
import shutil

import build
import core
import generated
import hand_made
import importer_module
import kernel_image
import rules
import schemata
import series
import slots


def version_of(flavour):
    """Returns the version of Linux of a kernel: 7.3 for 7.3-debug, and the default for nomove."""
    return flavour.partition("-")[0] if flavour[0].isdigit() else hand_made.DEFAULT_VERSION


def find(kind, tree, version, command, kdir, wanted):
    """Returns {file: (source, slots, the wanted mutants whose slots are all in lines that the series adds)}.

    tree: has the files with the series; command: the command line that compiled a file for the kernel in kdir.
    """
    found = {}
    for file in kernel_image.FILES[kind]:
        path = pathlib.Path(tree) / file
        source = path.read_text(encoding="utf-8")
        places = slots.find_slots(path, path, slots.clang_arguments(command, kdir))
        found[file] = source, places, generated.only(
            in_lines(source, places, rules.mutants_of(file, source, places),
                     series.added_lines(series.without(tree, file, version), source)), wanted)
    return found


def in_lines(source, places, mutants, lines):
    """Returns the mutants whose slots all begin in these lines."""
    line_of = [source.count("\n", 0, slot.start) + 1 for slot in places]
    return [mutant for mutant in mutants if all(line_of[slot] in lines for slot, _ in mutant.edits)]


def write(found, dropped):
    """Returns ([Generated], {file: text with all faults}, {file: {line: id}}), without the dropped faults."""
    made, texts, lines, first_site = [], {}, {}, 0
    for file, (source, places, mutants) in found.items():
        kept = list(enumerate((mutant for mutant in mutants if mutant.id not in dropped), len(made) + 1))
        texts[file], lines[file], sites = schemata.write(source, places, kept, first_site,
                                                         kernel_image.prelude_of(file))
        first_site += len(sites)
        made += [generated.generated(number, mutant, sites) for number, mutant in kept]
    return made, {file: kernel_image.with_numbers(text, len(made), first_site) for file, text in texts.items()}, lines


def build_kernel(directory, kdir, flavour, command, wanted):
    """Puts the kernel with the faults, and the test module for this kernel, into the directory. Returns ([Generated],
    ids of the refused faults)."""
    found = find("kernel", kdir, version_of(flavour), command, kdir, wanted)
    mutants, dropped, tree = kernel_image.build_image(
        {file: source for file, (source, *_) in found.items()}, lambda dropped: write(found, dropped), directory,
        flavour)
    build.ModuleTree(directory / "tree", tree).build(None, directory / "module")
    return mutants, dropped


def build_importers(directory, kdir, flavour, command, wanted):
    """The same for the module of the importer. The kernel stays the same, and so does the test module."""
    tree = directory / "source"
    importer_module.unpack(version_of(flavour), tree)
    found = find("importers", tree, version_of(flavour), command, kdir, wanted)
    mutants, dropped, faulty = kernel_image.build_accepted(
        lambda dropped: write(found, dropped),
        lambda texts: importer_module.build_module(tree, kdir, texts, directory / "build.log"))
    shutil.copy(faulty, directory)
    shutil.rmtree(tree)
    (directory / "module").mkdir()
    generated.strip(shutil.copy(directory / "plain" / f"{build.MODULE}.ko", directory / "module"))
    return mutants, dropped


def key_of(kind, flavour, kdir, wanted):
    """Returns the name of the directory in the cache, which is made from the contents."""
    python = [pathlib.Path(module.__file__) for module in (series, importer_module, kernel_image)]
    return f"{kind}-" + generated.key(kdir, wanted, pathlib.Path(__file__), *python,
                                      *series.patches(version_of(flavour)))


def prepare(kind, flavour, wanted=None):
    """Returns the build with the wanted faults (None: all faults). kind: kernel or importers."""
    kdir = build.last_line_of("kernel", "build", flavour)
    directory = core.cache_dir() / "mutants" / key_of(kind, flavour, kdir, wanted)
    with core.locked(core.cache_dir() / "mutants" / f".lock-{kind}", f"build of generated faults of the {kind}"):
        if not (directory / "mutants.json").exists():
            shutil.rmtree(directory, ignore_errors=True)
            build.copy_sources(directory / "plain")
            if build.make(kdir, directory / "plain", directory / "plain.log") != 0:
                raise core.Problem(f"the module does not build: {core.last_line(directory / 'plain.log')} "
                                   f"(log: {directory / 'plain.log'})")
            core.say(f"making faults by rules, and building the {kind} with these faults")
            command = generated.compile_command(directory / "plain", "exporter/exporter.c")
            builder = build_importers if kind == "importers" else build_kernel
            made = builder(directory, kdir, flavour, command, wanted)
            generated.keep(directory, key_of(kind, flavour, kdir, wanted), *made)
    faulty = directory / f"{importer_module.MODULE}.ko"
    return generated.Built(f"generated-{kind}", flavour if kind == "importers" else str(directory / "bzImage"),
                           str(directory / "module" / f"{build.MODULE}.ko"), directory, *generated.kept(directory),
                           kind, flavour, str(faulty) if kind == "importers" else "")
