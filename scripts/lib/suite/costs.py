# SPDX-License-Identifier: GPL-2.0
"""What each path costs in instructions on a kernel, against the kernel's reference file in the repository."""
import json
import os
import sys
import tempfile

import core
import exporters
import importers

REFERENCES = core.ROOT / "results/reference"
IN_GUEST = 'module=$1 prepare=$2; shift 2; $prepare; insmod "$module" && exec "$@"'
MOVED = 1  # of results_compare
EPILOG = """\
exit status: 0 nothing moved by more than 2 %, 1 a path moved or nothing could be counted, 2 not comparable: the
reference is of another kernel or compiler, 3 the reference or the counts cannot be read."""


def reference_of(kernel):
    """The reference file of a kernel. Its name has the kernel's name with the version."""
    return REFERENCES / f"icount-{core.FULL_NAMES.get(kernel, kernel)}.json"


def parse(arguments):
    text = "Counts the instructions of each path in a guest (the quick preset), and compares them with the reference " \
           f"file of the kernel, {REFERENCES.relative_to(core.ROOT)}/icount-KERNEL.json."
    parser = core.Parser(prog="scripts/costs", epilog=EPILOG, description=text,
                         usage="scripts/costs [--kernel KERNEL] [--update|--no-compare] [--out DIR]")
    parser.add_argument("--kernel", help="a kernel that scripts/kernel list names (default: what scripts/kernel "
                        "default prints)")
    parser.add_argument("--update", action="store_true", help="make the counts the reference; commit the file together "
                        "with the change that moved them")
    parser.add_argument("--no-compare", action="store_true", help="count only")
    parser.add_argument("--out", type=core.named_path, metavar="DIR",
                        help="keep bench-icount.json there, and bench-import.json, which has all buffers that iommufd "
                        "maps (default: nothing is kept)")
    options = parser.parse_args(arguments)
    if options.update and options.no_compare:
        parser.error("--update and --no-compare exclude each other")
    options.kernel = options.kernel or core.default_kernel()
    if options.kernel == "running" or "/" in options.kernel:
        parser.error(f"--kernel {options.kernel}: only a kernel that scripts/kernel list names has a reference file")
    core.check_kernel(options.kernel)
    options.kernel = core.SHORT_NAMES.get(options.kernel, options.kernel)
    options.reference = reference_of(options.kernel)
    if not (options.update or options.no_compare or options.reference.exists()):
        parser.error(f"kernel {options.kernel} has no {options.reference.relative_to(core.ROOT)}; make one with "
                     "--update, or count only, with --no-compare")
    return options


def count_in_guest(kernel, prepare, command, results, guest=()):
    """Runs a benchmark in a guest that counts instructions; returns the JSON that the benchmark leaves in the file
    `results`. prepare: a program that prepares the guest, or "". guest: more options of scripts/vm."""
    words = ["sh", "-c", IN_GUEST, "sh", core.module_for(kernel), prepare, *command, "--out", results]
    status = core.call(core.vm_command(kernel, words, timeout=core.GUEST_TIMEOUT_S, share=results.parent,
                                       arguments=["--icount", *guest]), stdout=sys.stderr)
    if status != 0:
        raise core.Problem(f"instructions were not counted (status {status}); see above")
    return json.loads(results.read_text(encoding="utf-8"))


def count(kernel, out):
    """Leaves bench-icount.json in the directory; returns where user space is built."""
    for program in ["bench_resolve"] + ["bench_import"] * importers.are_measured(kernel):
        core.build_userspace(program)
    built = core.build_userspace("results_compare")
    core.kernel_tree(kernel)
    os.environ.update(DMABUF_PFN_REVISION=core.revision(), DMABUF_PFN_FLAVOUR=kernel)
    prepare, more = (exporters.PREPARE, exporters.arguments()) if exporters.are_measured(kernel) else ("", [])
    results = out / "bench-icount.json"
    document = count_in_guest(kernel, prepare, [built / "bench/bench_resolve", "--quick", *more], results)
    if exporters.are_measured(kernel):
        document = exporters.without_one_boot(document)
    if importers.are_measured(kernel):
        more = importers.without_one_boot(
            count_in_guest(kernel, importers.PREPARE, [built / "bench/bench_import", *importers.arguments()],
                           out / "bench-import.json", importers.GUEST))
        document["benchmarks"] += more["benchmarks"]
    core.write_json(results, document)
    return built


def main(arguments):
    options = parse(arguments)
    core.need("userspace", "kernel", "module", "vm", "python")
    with tempfile.TemporaryDirectory(prefix="dmabuf-costs.") as work:
        out = core.made_directory(options.out or work)
        for name in ("bench-icount.json", "bench-import.json"):
            (out / name).unlink(missing_ok=True)
        built = count(options.kernel, out)
        if options.no_compare:
            return 0
        status = core.call([built / "results/results_compare", *["--update"] * options.update, options.reference, out])
    if status == MOVED:
        core.say(f"if this is wanted, run scripts/costs --kernel {options.kernel} --update and commit the file with "
                 "the change that did it")
    return status
