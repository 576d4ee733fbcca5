# SPDX-License-Identifier: GPL-2.0
"""Builds the module with all generated faults. The cache keeps the build; its key is made from the contents."""

import collections
import hashlib
import json
import pathlib
import re
import shutil

import build
import core
import rules
import schemata
import slots

HERE = pathlib.Path(__file__).resolve().parent
# {file: the translation unit that includes the file}. The files are the exporter, the importer, their parts, their ABI,
# and of bench/ what MEASURE and the list of addresses do. The loops of the paths, the contenders and the misuse are
# left out, because they are tools of the tests.
FILES = {name: name if name.endswith(".c") else "exporter/layout.c" for name in (
    "exporter/exporter.c", "exporter/layout.c", "exporter/layout.h", "exporter/backing.c", "exporter/runs.c",
    "exporter/memory.c", "exporter/mmio.c", "exporter/fence.c", "importer/importer.c", "importer/table.c",
    "importer/timeline.c", "importer/walk.c", "bench/phys_list.c", "bench/measure.c", "ioctl.c", "main.c")}
INIT, EXIT = "module_init(testexp_init);", "module_exit(testexp_exit);"
# The module reports the executed sites at its end, and when it refuses to be loaded.
TELLERS = {
    INIT: "static int __init mutant_init(void)\n{\n\tint ret = testexp_init();\n\n\tif (ret)\n"
          "\t\ttestexp_tell_sites();\n\treturn ret;\n}\nmodule_init(mutant_init);",
    EXIT: "static void __exit mutant_exit(void)\n{\n\ttestexp_exit();\n\ttestexp_tell_sites();\n}\n"
          "module_exit(mutant_exit);"}
ROUNDS = 8  # each round compiles without the faults that the compiler refused

# number: switches the fault on; sites: the sites of its slots
Generated = collections.namedtuple("Generated", "number id file rule text sites")
# kernel, module: the files to boot and to load; directory: where the results are kept; refused: how many faults the
# compiler refused; where: "module", "kernel" or "importers"; flavour: the flavour of the kernel; faulty: the file of
# the kernel's module that has the faults, or ""
Built = collections.namedtuple("Built", "kind kernel module directory mutants refused where flavour faulty",
                               defaults=("",))

# {where the faults are: the kernels that all these faults are tried on}. The first kernel is the default.
FLAVOURS = {"module": ("base",), "kernel": ("base", "7.3"), "importers": ("7.3",)}


def key(kdir, wanted, *more):
    """Returns a hash of what the build, and so each verdict, depends on: files, and the names of the wanted faults."""
    digest = hashlib.sha256((str(kdir) + " ".join(sorted(wanted or ()))).encode())
    for path in sorted([*(build.MODULE_SOURCES / source for source in build.module_sources()), *more,
                        *(HERE / name for name in (
                            "mutant.c", "mutant.h", "rules.py", "slots.py", "schemata.py", "generated.py"))]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def compile_command(directory, unit):
    """Returns the command line that compiled `unit` in this directory."""
    source = directory / unit
    text = source.with_name(f".{source.stem}.o.cmd").read_text(encoding="utf-8")
    return re.match(r"savedcmd_\S+ := (.*)", text)[1]


def find(directory, kdir, wanted):
    """Returns {file: (source, slots, wanted mutants)} of a directory where the module was built."""
    found = {}
    for file, unit in FILES.items():
        arguments = slots.clang_arguments(compile_command(directory, unit), kdir)
        source = (directory / file).read_text(encoding="utf-8")
        places = slots.find_slots(directory / file, directory / unit, arguments)
        found[file] = source, places, only(rules.mutants_of(file, source, places), wanted)
    return found


def generated(number, mutant, sites):
    return Generated(number, mutant.id, mutant.file, mutant.rule, mutant.text,
                     sorted({sites[slot] for slot, _ in mutant.edits}))


def write_all(found, dropped, directory):
    """Writes every file with its mutants, except the dropped mutants. Returns ([Generated], {file: {line: id}})."""
    mutants, lines, first_site = [], {}, 0
    for file, (source, places, all_mutants) in found.items():
        numbered = [(len(mutants) + place, mutant)
                    for place, mutant in enumerate((mutant for mutant in all_mutants if mutant.id not in dropped), 1)]
        text, lines[pathlib.Path(file).name], sites = schemata.write(source, places, numbered, first_site)
        first_site += len(sites)
        (directory / file).write_text(text, encoding="utf-8")
        mutants += [generated(number, mutant, sites) for number, mutant in numbered]
    main = (directory / "main.c").read_text(encoding="utf-8")
    for line, own in TELLERS.items():
        if main.count(line) != 1:
            raise core.Problem(f"main.c of the module has no `{line}`; generated.py replaces this line")
        main = main.replace(line, own)
    (directory / "main.c").write_text(main, encoding="utf-8")
    kbuild = (build.MODULE_SOURCES / "Kbuild").read_text(encoding="utf-8")
    (directory / "Kbuild").write_text(f"{kbuild}\ndmabuf_testexp-y += mutant.o\n"
                                      f"ccflags-y += -DTESTEXP_SITE_WORDS={first_site // 64 + 1}"
                                      f" -DTESTEXP_MUTANT_WORDS={len(mutants) // 64 + 1}\n", encoding="utf-8")
    return mutants, lines


def only(mutants, wanted):
    """Returns the mutants that are wanted; None: all."""
    return mutants if wanted is None else [mutant for mutant in mutants if mutant.id in wanted]


def compile_all(found, kdir, directory):
    """Compiles until the compiler refuses no fault. Returns ([Generated], ids of the refused faults)."""
    dropped, log = set(), directory / "build.log"
    for name in ("mutant.c", "mutant.h"):
        shutil.copy(HERE / name, directory)
    for _ in range(ROUNDS):
        mutants, lines = write_all(found, dropped, directory)
        if build.make(kdir, directory, log, "-k") == 0:
            return mutants, dropped
        refused, unclear = schemata.refused(log.read_text(errors="replace"), lines)
        if not refused:
            raise core.Problem("the module with generated faults does not build: "
                               f"{(unclear or [core.last_line(log)])[0]} (log: {log})")
        dropped |= refused
        core.say(f"the compiler refused {len(refused)} faults; compiling again without them")
    raise core.Problem(f"the module with generated faults does not build after {ROUNDS} rounds (log: {log})")


def keep(directory, name, mutants, dropped):
    """name: what the directory would be called now; it differs when a source has changed during the build."""
    if directory.name != name:
        raise core.Problem("the sources of the faults changed during the build; run it again")
    core.write_json(directory / "mutants.json",
                    {"refused": sorted(dropped), "mutants": [mutant._asdict() for mutant in mutants]})


def kept(directory):
    """Returns ([Generated], number of refused faults)."""
    document = json.loads((directory / "mutants.json").read_text(encoding="utf-8"))
    return [Generated(**mutant) for mutant in document["mutants"]], len(document["refused"])


def strip(module):
    """Removes the debug information: nine tenths of the file, which each run of a program would load again."""
    if core.call(["strip", "--strip-debug", module]) != 0:
        raise core.Problem(f"strip fails on {module}")


def prepare(flavour, wanted=None):
    """Returns the module with the wanted faults (None: all faults), built for a kernel."""
    kdir = build.last_line_of("kernel", "build", flavour)
    directory = core.cache_dir() / "mutants" / key(kdir, wanted)
    with core.locked(core.cache_dir() / "mutants" / ".lock-module", "build of the module with generated faults"):
        if not (directory / "mutants.json").exists():
            shutil.rmtree(directory, ignore_errors=True)
            core.say("making faults by rules, and building the module with these faults")
            build.copy_sources(directory / "build")
            if build.make(kdir, directory / "build", directory / "plain.log") != 0:
                raise core.Problem(f"the module does not build: {core.last_line(directory / 'plain.log')} "
                                   f"(log: {directory / 'plain.log'})")
            mutants, dropped = compile_all(find(directory / "build", kdir, wanted), kdir, directory / "build")
            shutil.copy(directory / "build" / f"{build.MODULE}.ko", directory)
            strip(directory / f"{build.MODULE}.ko")
            keep(directory, key(kdir, wanted), mutants, dropped)
            shutil.rmtree(directory / "build")
    return Built("generated-module", flavour, str(directory / f"{build.MODULE}.ko"), directory, *kept(directory),
                 "module", flavour)
