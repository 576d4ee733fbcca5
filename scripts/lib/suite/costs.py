# SPDX-License-Identifier: GPL-2.0
"""What each path costs in instructions on the patched kernel, held against the reference file in the repository."""
import os
import sys
import tempfile

import core

REFERENCE = core.ROOT / "results/reference/icount-6.12.json"
IN_GUEST = 'insmod "$1" && exec "$2" --quick --out "$3"'
MOVED = 1  # of results_compare
EPILOG = """\
exit status: 0 nothing moved by more than 2 %, 1 a path moved or nothing could be counted, 2 not comparable: the
reference is of another kernel or compiler."""


def parse(arguments):
    text = "Counts the instructions of each path in a guest of base (the quick preset), and compares them with " \
           f"{REFERENCE.relative_to(core.ROOT)}."
    parser = core.Parser(prog="scripts/costs", epilog=EPILOG, description=text,
                         usage="scripts/costs [--update|--no-compare] [--out DIR]")
    parser.add_argument("--update", action="store_true", help="make the counts the reference; commit the file together "
                        "with the change that moved them")
    parser.add_argument("--no-compare", action="store_true", help="count only")
    parser.add_argument("--out", type=core.named_path, metavar="DIR",
                        help="keep bench-icount.json there (default: it is not kept)")
    options = parser.parse_args(arguments)
    if options.update and options.no_compare:
        parser.error("--update and --no-compare exclude each other")
    return options


def count(out):
    """Leaves bench-icount.json in the directory; returns where user space is built."""
    core.build_userspace("bench_resolve")
    built = core.build_userspace("results_compare")
    core.kernel_tree("base")
    module = core.module_for("base")
    os.environ.update(DMABUF_PFN_REVISION=core.revision(), DMABUF_PFN_FLAVOUR="base")
    command = ["sh", "-c", IN_GUEST, "sh", module, built / "bench/bench_resolve", out / "bench-icount.json"]
    status = core.call(
        core.vm_command("base", command, timeout=core.GUEST_TIMEOUT_S, share=out, arguments=["--icount"]),
        stdout=sys.stderr)
    if status != 0:
        raise core.Problem(f"instructions were not counted (status {status}); see above")
    return built


def main(arguments):
    options = parse(arguments)
    core.need("userspace", "kernel", "module", "vm", "python")
    with tempfile.TemporaryDirectory(prefix="dmabuf-costs.") as work:
        out = core.made_directory(options.out or work)
        built = count(out)
        if options.no_compare:
            return 0
        status = core.call([built / "results/results_compare", *["--update"] * options.update, REFERENCE, out])
    if status == MOVED:
        core.say("if this is wanted, run scripts/costs --update and commit the file with the change that did it")
    return status
