# SPDX-License-Identifier: GPL-2.0
"""Puts faults into the module, the kernel patch, the exporters and the importers, one at a time, and reports which
faults the self-tests find; see --help."""

import argparse
import collections
import hashlib
import os
import pathlib
import random
import shutil
import sys
import tempfile

sys.path.insert(1, str(pathlib.Path(__file__).resolve().parent.parent / "suite"))
import core  # pylint: disable=wrong-import-position
import generated  # pylint: disable=wrong-import-position
import generated_kernel  # pylint: disable=wrong-import-position
import hand_made  # pylint: disable=wrong-import-position
import hunt_generated  # pylint: disable=wrong-import-position
import hunt_hand_made  # pylint: disable=wrong-import-position
import names  # pylint: disable=wrong-import-position
from schedule import default_jobs  # pylint: disable=wrong-import-position

EPILOG = """\
Prints TAP on standard output. `ok` means that a fault was found, and the line names the program that found the fault.
The controls run first: the same programs without a fault. The controls must pass; otherwise the verdicts mean nothing.
A fault that changes nothing, does not apply or does not build is an error. A fault that makes the kernel oops is found.
After a timeout, a stall that the kernel reports, or a lost guest, the fault is tried again, alone and with more time. A
fault that hangs is found only if it hangs twice in the same program, and if this program without the fault took at most
a tenth of the limit. The first fault of the kernel needs a source tree of 4 GB and some minutes.

With --generated, rules make the faults. The results stay in the cache, so an interrupted hunt continues.
docs/mutation.md has the details."""


GENERATED_ON = "; ".join(f"{kind}: {', '.join(kernels)}" for kind, kernels in generated.FLAVOURS.items())


def parse(argv):
    parser = core.Parser(prog="scripts/mutants", epilog=EPILOG,
                         description="Breaks the module, the kernel patch, an exporter or an importer on purpose, one "
                         "fault at a time, and reports which faults the self-tests find.")
    parser.add_argument("--list", action="store_true",
                        help="list the faults, what each fault changes, and the programs that must find the fault")
    parser.add_argument("--generated", action="store_true",
                        help="try faults that rules make, instead of the faults that were made by hand")
    parser.add_argument("--only", action="append", metavar="NAME",
                        help="try this fault (repeat the option for more faults)")
    parser.add_argument("--kind", choices=["module", "kernel", "exporters", "importers"],
                        help="try only the faults of the module, of the kernel patch, of the kernel's exporters "
                        "(udmabuf, the system heap, vfio-pci), or of its importer iommufd (default: all; with "
                        "--generated: module)")
    parser.add_argument("--kernel", metavar="FLAVOUR",
                        help="try the faults on this version of Linux: each version has its own faults of the kernel "
                        f"patch ({', '.join(hand_made.versions())}; default: {hand_made.DEFAULT_VERSION}, or the "
                        "newest that has faults of --kind). With "
                        f"--generated: try all faults on this kernel ({GENERATED_ON}; the first is the default), or, "
                        "on any other kernel, the faults that only this kernel shows, as the file `known` says")
    parser.add_argument("--sample", type=core.positive, metavar="N", help="try N faults, chosen at random")
    parser.add_argument("--seed", type=int, help="choose the same sample again (default: a new seed, which is printed)")
    parser.add_argument("--budget", type=core.positive, metavar="SEC",
                        help="limit the seconds of programs for each generated fault, the fastest programs first; "
                        "each survivor names the programs that were left out (default: no limit)")
    parser.add_argument("--jobs", type=core.positive, metavar="N", default=default_jobs(),
                        help="run N guests side by side (here %(default)s: one more than there are processors, but at "
                        "most one for each 6 GiB of memory)")
    parser.add_argument("--out", type=core.named_path, metavar="DIR",
                        help="write mutants.json to DIR; a report that scripts/run wrote to DIR then shows the score")
    parser.add_argument("--check", action="store_true",
                        help="try no fault: check whether the faults fit the sources and the options are valid")
    parser.add_argument("--bin", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.seed is not None and not options.sample:
        parser.error("--seed goes only with --sample")
    if options.generated:
        check_generated(parser, options)
        return options
    if options.budget:
        parser.error("--budget goes only with --generated")
    if options.kernel not in (None, *hand_made.versions()):
        parser.error(f"no faults for the kernel '{options.kernel}'; there are: {' '.join(hand_made.versions())}")
    options.kernel = options.kernel or default_version(options.kind)
    return options


def default_version(kind):
    """Returns the version of Linux whose faults are tried where the user names none. Not each version has each kind."""
    directory = hand_made.PATCHES.get(kind, ("", None))[0]
    having = [version for version in hand_made.versions() if (hand_made.KERNEL_FAULTS / version / directory).is_dir()]
    if hand_made.DEFAULT_VERSION in having:
        return hand_made.DEFAULT_VERSION
    return max(having, key=lambda version: [int(number) for number in version.split(".")])


def check_generated(parser, options):
    """Checks the options of --generated, and completes them."""
    options.kind = options.kind or "module"
    if options.kind not in generated.FLAVOURS:
        parser.error(f"--generated has no faults of {options.kind}; say --kind {' or '.join(generated.FLAVOURS)}")
    options.kernel = options.kernel or generated.FLAVOURS[options.kind][0]
    if (version := generated_kernel.version_of(options.kernel)) not in hand_made.versions():
        parser.error(f"no kernel '{options.kernel}': there is no series for Linux {version}; there are: "
                     f"{' '.join(hand_made.versions())}")
    for name in options.only or ():
        if why := names.why_unknown(name, options.kind, options.kernel):
            parser.error(f"no generated fault '{name}': {why}")


def choose(faults, options):
    """Returns the faults made by hand that the options choose."""
    if options.kind:
        faults = [fault for fault in faults if fault.kind == options.kind]
        if not faults:
            raise core.Problem(f"there are no {options.kind} faults for Linux {options.kernel}; name another version "
                               f"with --kernel: {' '.join(hand_made.versions())}")
    if options.only:
        wanted = [name.split("/")[-1] for name in options.only]
        for name in wanted:
            if name not in {fault.name for fault in faults}:
                raise core.Problem(f"no fault '{name}'; see --list")
        faults = [fault for fault in faults if fault.name in wanted]
    if options.sample and options.sample < len(faults):
        # The order is by a hash: with the same seed, a new fault replaces at most one fault of the sample.
        by_hash = sorted(faults, key=lambda fault: hashlib.sha256(
            f"{options.seed} {fault.kind}/{fault.name}".encode()).digest())
        faults = [fault for fault in faults if fault in by_hash[:options.sample]]
    return faults


def list_faults(faults, version):
    for fault in faults:
        flavour = f" (kernel {fault.flavour})" if fault.flavour != version else ""
        print(f"{fault.kind + '/' + fault.name:42} "
              f"{fault.file.removeprefix('kmod-testexp/') if fault.kind == 'module' else '':22} "
              f"{' '.join(fault.programs)}{flavour}\n    {fault.text}")
    print(f"{len(faults)} faults", flush=True)


def count(faults):
    """Returns {kind: number of its faults}."""
    return dict(collections.Counter(fault.kind for fault in faults))


def hunt(options, faults, work):
    """Returns (record, {kind: number of faults})."""
    if not options.generated:
        chosen = choose(faults, options)
        return hunt_hand_made.Hunt(chosen, options.bin, work, options.jobs).run(), count(faults)
    built = hunt_generated.prepare(options.kind, options.kernel)
    by_rule = hunt_generated.Hunt(built, options, hunt_generated.binaries_of(options.bin), work)
    record = by_rule.run()
    for line in by_rule.summary():
        print(f"# {line}", flush=True)
    return record, {built.kind: len(by_rule.all)}


def try_faults(options, faults):
    sampled = options.sample and not options.only
    if sampled and options.seed is None:
        options.seed = random.randrange(1 << 32)
    if sampled:
        print(f"# --seed {options.seed}", flush=True)
    if options.out:
        (options.out / "mutants.json").unlink(missing_ok=True)  # or an interrupted hunt would leave an earlier score
    work = pathlib.Path(tempfile.mkdtemp(prefix="dmabuf-pfn-mutants."))
    keep = True
    try:
        record, known = hunt(options, faults, work)
        record.tell_score()
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
    faults = hand_made.all_faults(hand_made.DEFAULT_VERSION if options.generated else options.kernel)
    if options.out:
        options.out = core.made_directory(options.out)
    if options.check:
        choose(faults, argparse.Namespace(**{
            **vars(options), "sample": None,
            **({"only": None, "kind": None} if options.generated else {})}))
        hunt_generated.read_known()
        return 0 if hand_made.all_fit(faults) else 1
    if options.list:
        if options.generated:
            hunt_generated.list_faults(hunt_generated.prepare(options.kind, options.kernel))
        else:
            list_faults(choose(faults, options), options.kernel)
        return 0
    return try_faults(options, faults)


if __name__ == "__main__":
    core.set_name("scripts/mutants")
    sys.exit(core.run_main(main, sys.argv[1:]))
