# SPDX-License-Identifier: GPL-2.0
"""Puts faults into the module and into the kernel patch, one at a time, and reports which the self-tests find; see --help."""

import argparse
import hashlib
import os
import pathlib
import random
import shutil
import sys
import tempfile

sys.path.insert(1, str(pathlib.Path(__file__).resolve().parent.parent / "suite"))
import core  # pylint: disable=wrong-import-position
import hand_made  # pylint: disable=wrong-import-position
import hunt_generated  # pylint: disable=wrong-import-position
import hunt_hand_made  # pylint: disable=wrong-import-position

EPILOG = """\
TAP on standard output: `ok` is a fault that was found, and by what. Before the faults come the controls: the programs on the module and the kernel
without a fault, which must pass, as else no verdict says anything. A fault that changes nothing, does not apply or does not build is an error, not a
find. A kernel that oopses over its fault is a find. A limit in time or a lost guest is none: the fault is tried once more, alone and with more time. Only what
hangs twice, where the same program took a tenth of the limit without the fault, is found. Faults of the kernel take a tree of 4 GB and minutes at first.

--generated makes faults by rule instead; what was found out is kept under the cache, so a hunt that was cut goes on. docs/mutation.md says more."""


def positive(text):
    value = int(text)
    if value <= 0:
        raise ValueError
    return value


def parse(argv):
    parser = core.Parser(prog="scripts/mutants", epilog=EPILOG,
                         description="Breaks the module or the kernel patch on purpose, one fault at a time, and "
                         "reports which the self-tests find.")
    parser.add_argument("--list", action="store_true",
                        help="the faults, what each changes, and the program that must find it")
    parser.add_argument("--generated", action="store_true",
                        help="faults made by rules, many in one build, instead of those that were thought of")
    parser.add_argument("--only", action="append", metavar="NAME", help="this fault (again for more)")
    parser.add_argument("--kind", choices=["module", "kernel"],
                        help="only faults of the module, or only those of the kernel patch (default both; "
                        "of generated ones the module)")
    parser.add_argument("--sample", type=positive, metavar="N", help="N of them, chosen at random")
    parser.add_argument("--seed", type=int, help="choose the same ones again (default: a new seed, which is printed)")
    parser.add_argument("--budget", type=positive, metavar="SEC",
                        help="try a generated fault with so many seconds of programs at most, the fastest first; "
                        "the rest is named (default: all programs)")
    parser.add_argument("--out", type=pathlib.Path, metavar="DIR",
                        help="leave mutants.json there; if scripts/run filled DIR, its report shows it")
    parser.add_argument("--check", action="store_true",
                        help="try nothing: see whether the faults fit the sources and the options make sense")
    parser.add_argument("--bin", help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def choose(faults, options):
    """The faults that were thought of and are to be tried."""
    if options.kind:
        faults = [fault for fault in faults if fault.kind == options.kind]
    if options.only:
        wanted = [name.split("/")[-1] for name in options.only]
        for name in wanted:
            if name not in {fault.name for fault in faults}:
                raise core.Problem(f"no fault '{name}'; see --list")
        faults = [fault for fault in faults if fault.name in wanted]
    if options.sample and options.sample < len(faults):
        # by a hash, so that with the same seed a new fault changes one of the sample or none
        by_hash = sorted(faults, key=lambda fault: hashlib.sha256(
            f"{options.seed} {fault.kind}/{fault.name}".encode()).digest())
        faults = [fault for fault in faults if fault in by_hash[:options.sample]]
    return faults


def list_faults(faults):
    for fault in faults:
        flavour = f" (kernel {fault.flavour})" if fault.flavour != "base" else ""
        print(f"{fault.kind + '/' + fault.name:42} "
              f"{fault.file.removeprefix('kmod-testexp/') if fault.kind == 'module' else '':22} "
              f"{' '.join(fault.programs)}{flavour}\n    {fault.text}")
    print(f"{len(faults)} faults", flush=True)


def count(faults, kinds):
    return {kind: sum(fault.kind == kind for fault in faults) for kind in kinds}


def hunt(options, faults, work):
    """Returns (record, how many faults of each kind there are, how many were to be tried)."""
    if not options.generated:
        chosen = choose(faults, options)
        return hunt_hand_made.Hunt(chosen, options.bin, work).run(), count(faults, ("kernel", "module")), len(chosen)
    built = hunt_generated.prepare(options.kind)
    generated = hunt_generated.Hunt(built, options, hunt_generated.binaries_of(options.bin), work)
    record = generated.run()
    for line in generated.summary():
        print(f"# {line}", flush=True)
    return record, {built.kind: len(generated.all)}, len(generated.chosen)


def try_faults(options, faults):
    sampled = options.sample and not options.only
    if sampled and options.seed is None:
        options.seed = random.randrange(1 << 32)
    if sampled:
        print(f"# --seed {options.seed}", flush=True)
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
    work = pathlib.Path(tempfile.mkdtemp(prefix="dmabuf-pfn-mutants."))
    keep = True
    try:
        record, known, planned = hunt(options, faults, work)
        record.tell_score(planned)
        if options.out:
            seed = options.seed if sampled and options.sample < sum(known.values()) else None
            record.write(options.out, known, seed, pathlib.Path(options.bin).parent / "results" / "results_report")
        keep = not record.passed()
        return 1 if keep else 0
    except hand_made.Mistake as mistake:
        raise core.Problem(str(mistake)) from mistake
    finally:
        if keep or "KEEP" in os.environ:
            core.say(f"logs in {work}")
        else:
            shutil.rmtree(work)


def main(argv):
    options = parse(argv)
    faults = hand_made.all_faults()
    if options.check:
        choose(faults, argparse.Namespace(**{
            **vars(options), "sample": None, "only": None if options.generated else options.only}))
        hunt_generated.read_known()
        return 0 if hand_made.all_fit(faults) else 1
    if options.list:
        if options.generated:
            hunt_generated.list_faults(hunt_generated.prepare(options.kind))
        else:
            list_faults(choose(faults, options))
        return 0
    return try_faults(options, faults)


if __name__ == "__main__":
    core.set_name("scripts/mutants")
    sys.exit(core.run_main(main, sys.argv[1:]))
