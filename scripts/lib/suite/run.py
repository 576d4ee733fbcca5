# SPDX-License-Identifier: GPL-2.0
"""The main job, the host's side: get what is missing, build, boot, self-test, benchmark, probe, report. What runs on
the kernel under test is job.py."""
import contextlib
import json
import os
import pathlib
import threading
import time

import contention
import core
import exporters
import job
import kernel_bugs
import kernels
import only
import regression
import schedule

TEXT = """\
Builds what is missing, runs self-tests, benchmark and probes on a real kernel, and writes a report.

--kernel 7.3        Linux 7.3 with the get_pfn patches, in a guest (default; the first build takes 12 to 36 minutes).
                    Where the source of 7.3 cannot be had, the default is 6.12
         6.12       Linux 6.12 with the get_pfn patches, in a guest
         stock      the newest kernel that this Debian has, in a guest: no kernel to build
         stock-6.1  the same with the 6.1 that Debian 12 comes with
         stock-7.3  the same with the 7.3 of Debian 13's backports
         running    this machine as it is, no guest: loads the module here, needs root and the kernel's headers
         TREE       a built kernel tree, in a guest
--tune              with running: governor performance, turbo and SMT off, clocksource tsc while it measures
                    (scripts/lib/tune). Without --tune nothing of the machine is changed
--perf              also counts with perf stat and samples with perf record, path by path. The report names what the
                    machine has no counter for
--quick             a short form of everything. Only the kernel's own tests are left out: without --quick, 6.12
                    compares them with stock, and 7.3 with 7.3-upstream (scripts/regression)
--full-tests        with --quick: the self-tests at full bounds all the same
--beside KERNEL     the report shows the instruction counts beside those of another kernel: KERNEL is 6.12 or another
                    version in results/reference (which has counts of --quick), a run directory, or a file of one
--out DIR           where the results go (default: out/<kernel>-<time> in this directory); DIR must be new or empty
--only TEST[:CASE]  runs only this self-test, or its cases with CASE in their names, in which '*' stands for any text
                    (again for more). Builds what changed, prints the test's KTAP as it comes, and takes seconds. The
                    log is out/only/TEST.ktap, which the next run writes anew. There are no benchmarks and no report
--check ARGUMENTS   runs only dmabuf-check with these arguments, for example --check "--udmabuf 2M" (again for more).
                    The logs are out/only/dmabuf-check_ARGUMENTS.ktap; docs/dmabuf-check.md
--keep              with --only and --check: keeps the guest, so that the next run boots no guest (scripts/vm --keep).
                    The guest ends after ten minutes without a run. scripts/vm --list shows the guest, --stop ends it

DIR holds summary.txt, report.html, and the results that both are made from; results/schema.md names the files. The
mutation score is no part of a run: scripts/mutants --out DIR adds it to the report.
Exit status: 0 all passed and measured, 1 a test failed or something could not be measured (summary.txt says what),
130 interrupted. With running, missing instruction counts make the report INCOMPLETE and leave the status 0. With --only
and --check also: 4 nothing was tested, 250 to 252 as scripts/vm has them."""

SHORTER = r"TESTEXP_(QUICK|BATCHES)|KSFT_(CASES|STOP_AT_FAILURE)"  # variables that leave tests out of a run
INTERRUPTED = 130
TESTS_CONSOLE = "console.txt"  # of the guest of the job tests
BESIDE = "beside.json"  # the report knows the name
COMPARED = ("base", kernels.NEWEST)  # a full run of these kernels also has the kernel's own tests


class Run:
    """One run directory, and what becomes of the run. This side alone writes missing.txt."""

    def __init__(self, options):
        self.kernel, self.out = options.kernel, options.out
        self.here = options.kernel == "running"
        self.quick, self.perf = ["--quick"] * options.quick, ["--perf"] * options.perf
        self.full_tests = ["--full-tests"] * options.full_tests
        self.tune = [core.LIB / "tune", "--"] if options.tune else []
        self.compare = options.kernel in COMPARED and not options.quick
        self.steps = 6 if self.here else 8 if self.compare else 7
        self.step_number, self.started = 0, time.monotonic()
        self.status, self.lost, self.noting = 0, [], threading.Lock()
        self.buggy = []  # consoles of guests whose kernel reported a bug
        self.bin = self.module = None

    def step(self, text):
        self.step_number += 1
        core.say(f"step {self.step_number} of {self.steps}, {core.elapsed(time.monotonic() - self.started)}: {text}")

    def missing(self, line):
        """`what: why`, for the report."""
        core.say(line)
        self.note(line)

    def note(self, line, is_failure=True):
        with self.noting:
            self.lost.append(line)
            self.status = self.status or int(is_failure)
            try:
                core.write_whole(self.out / "missing.txt", "".join(f"{line}\n" for line in self.lost))
            except OSError as error:
                core.say(f"missing.txt cannot be written: {error.strerror}")

    def keep_beside(self, text):
        """The report finds the counts of the other kernel in the run directory."""
        if text:
            core.write_whole(self.out / BESIDE, text)

    # --- before anything is measured ----------------------------------------------------------------------------------

    def needs(self):
        """The steps of deps.sh, all in one go and before any of them begins."""
        steps = ["userspace", "native", "results", "module", "python"]
        steps += [] if self.here else ["vm"]
        steps += ["perf"] if self.perf else []
        if self.here or "/" in self.kernel:
            return steps
        if self.kernel.startswith("stock"):
            return [*steps, self.kernel]
        if not self.compare:
            return [*steps, "kernel"]
        return [*steps, "kernel", "regression", *["stock"] * (regression.without_series(self.kernel) == "stock")]

    def prepare(self):
        """Kernels are got or built beside user space: downloading and unpacking leave the processors idle."""
        self.step("what this machine must have")
        core.need(*self.needs())
        self.step(f"user space and kernel {self.kernel}")
        builds = [lambda: core.build_userspace("job")]
        if not self.here and "/" not in self.kernel:
            builds.append(lambda: core.kernel_tree(self.kernel))
        self.bin = core.together(*builds)[0]
        self.step("module")
        self.module = core.module_for(self.kernel)

    # --- on the kernel under test -------------------------------------------------------------------------------------

    def job_command(self, name, *arguments):
        return [
            "/usr/bin/python3", "-B", core.LIB / "suite", "job", name, "--bin", self.bin, "--module", self.module,
            "--out", self.out, *self.quick, *self.full_tests, *["--exporters"] * exporters.are_measured(self.kernel),
            *arguments
        ]

    def run_job(self, name, *arguments, console="", **machine):
        """One job, where the kernel under test is, and what it has to say. `machine` is for the guest only."""
        command, status = self.job_command(name, *arguments), INTERRUPTED
        try:
            if self.here:
                status = self.as_root([*core.ALONE_HERE, *self.tune, *command])
            else:
                status = core.call(
                    core.vm_command(self.kernel, command, share=self.out, timeout=core.GUEST_TIMEOUT_S,
                                    console=self.out / console, **machine))
        finally:
            self.take_account(name, status, console)

    def as_root(self, command):
        """Runs a command of this machine as root; what it leaves in the run directory is the user's."""
        named = [
            f"{name}={value}" for name, value in os.environ.items()
            if name.startswith(("TESTEXP_", "KSFT_", "DMABUF_PFN_"))
        ]
        if os.geteuid() == 0:
            return core.call(["env", *named, *command], patience_s=core.SELF_TESTS_END_S)
        # in our own session: sudo may have to ask on the terminal, and Ctrl-C there is for the job too
        try:
            return core.call(["sudo", "env", *named, *command], patience_s=core.SELF_TESTS_END_S,
                             start_new_session=False)
        finally:
            if core.call(["sudo", "chown", "-R", f"{os.geteuid()}:{os.getegid()}", self.out],
                         start_new_session=False) != 0:
                core.say(f"what root made in {self.out} stays root's: sudo chown failed")

    def take_account(self, name, status, console=""):
        """Records what a job could not do, and whether the job came to its end."""
        path = job.account_path(self.out, name)
        account = job.read_json(path)
        for line in account.get("missing", []):
            self.note(line)
        if not self.guest_end(f"the job {name}", status, console) and not account.get("complete"):
            self.missing(
                f"the job {name}: {'did not come to its end' if account else 'did not begin'}, status {status}")
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        self.status = self.status or int(status != 0)

    def guest_end(self, what, status, console):
        """Whether the status says how the guest ended, not how the job ended. Such an end is recorded as missing."""
        if self.here or status not in core.GUEST_ENDS:
            return False
        if status == core.GUEST_BUG:
            self.buggy.append(console)
        self.missing(f"{what}: {core.GUEST_ENDS[status]}; see the lines above and {console}")
        return True

    def judge_consoles(self):
        """Adds the bugs that only consoles show to kernel-log.json. The job tests has a judge of its own, which sees
        neither the boot nor what follows the job. All guests have ended now, so nobody else writes the file."""
        path = self.out / "kernel-log.json"
        whole = job.read_json(path)
        try:
            for console in self.buggy:
                verdict = kernel_bugs.judge_text((self.out / console).read_text(errors="replace"))
                if console == TESTS_CONSOLE and whole:
                    verdict |= {"bugs": [bug for bug in verdict["bugs"] if bug not in whole["bugs"]], "announced": 0}
                whole = job.joined(whole, verdict) if whole else verdict
            if self.buggy:
                core.write_json(path, whole)
        except OSError as error:
            self.missing(f"kernel log: {error.filename}: {error.strerror}")

    def measure(self):
        """An emulated guest keeps one processor busy, and its times mean nothing: then the other guests run beside
        the first."""
        if not self.here and not os.access("/dev/kvm", os.R_OK | os.W_OK) and schedule.default_jobs() > 1:
            core.together(self.tests, self.counts)
        else:
            self.tests()
            self.counts()

    def tests(self):
        self.step("self-tests, benchmark and probes")
        self.run_job("tests", *self.perf, console=TESTS_CONSOLE, smp=2, mem=4096)

    def counts(self):
        """What is not timed."""
        self.icount()
        self.contention()
        if self.compare:
            self.regression()

    def icount(self):
        if self.here:
            # no hardware has these counts, so their absence says nothing about this machine or its kernel
            line = "instruction counts: need an emulated machine: run once more with a kernel in a guest"
            core.say(line)
            self.note(line, is_failure=False)
            return
        self.step("instruction counts")
        self.run_job("icount", console="console-icount.txt", arguments=["--icount"])

    def contention(self):
        """Where processors are missing, the benchmark says so case by case."""
        self.step("contention")
        if self.here:
            self.run_job("contention")
            return
        console, log = "console-contention.txt", self.out / "bench-contention.log"
        status = contention.count_contention(self.kernel, self.bin, self.module, self.out / "bench-contention.json",
                                             ["--console", self.out / console], self.quick, log=log)
        if not self.guest_end("contention", status, console) and status != 0:
            self.missing(f"contention: {job.describe_end('bench_contention', status, log)}")
        self.status = self.status or int(status != 0)

    def regression(self):
        self.step(f"the kernel's own tests, here and on {regression.without_series(self.kernel)}")
        if core.call([core.SCRIPTS / "regression", "--kernel", self.kernel, "--out", self.out]) != 0:
            self.status = self.status or 1
        if not (self.out / "regression.json").exists():
            self.missing("the kernel's own tests: did not run on both kernels; see regression/")

    # --- the report ---------------------------------------------------------------------------------------------------

    def report(self):
        status = core.call([self.bin / "results/results_report", self.out])
        self.status = self.status or int(status != 0)
        if (self.out / "report.html").exists():
            core.say(f"report: {self.out}/report.html and {self.out}/summary.txt")
        else:
            core.say(f"there is no report: results_report ended with status {status}; the results are in {self.out}")

    def all(self):
        """Measures, and makes the report, also when the run was interrupted."""
        try:
            self.measure()
        except KeyboardInterrupt:
            self.missing("the rest: the run was interrupted")
            self.status = INTERRUPTED
        except (core.Problem, OSError) as problem:
            self.missing(f"the rest: {problem}")
        self.judge_consoles()
        if self.status != INTERRUPTED:
            self.step("report")
        self.report()
        with contextlib.suppress(FileNotFoundError):
            print((self.out / "summary.txt").read_text(encoding="utf-8"), end="", flush=True)
        return self.status


def text_of_counts(path):
    try:
        text = path.read_text(encoding="utf-8")
        if {"cases", "benchmarks"}.isdisjoint(json.loads(text)):
            raise ValueError("it has neither cases nor benchmarks")
    except (OSError, TypeError, ValueError) as error:
        raise core.Problem(f"--beside {path}: no instruction counts in it: {error}") from error
    return text


def counts_of(name):
    """The text of the file of --beside, or a problem."""
    places = [core.ROOT / f"results/reference/icount-{name}.json", pathlib.Path(name) / "bench-icount.json",
              pathlib.Path(name)]
    for place in places:
        if place.is_file():
            return text_of_counts(place)
    known = sorted(path.stem.removeprefix("icount-") for path in places[0].parent.glob("icount-*.json"))
    raise core.Problem(f"--beside {name}: no instruction counts there; name {' or '.join(known)}, a run directory with "
                       "bench-icount.json, or such a file")


def parse(arguments):
    parser = core.Parser(
        prog="scripts/run", description=TEXT, add_help=False,
        usage="scripts/run [--kernel 7.3|6.12|stock|stock-6.1|stock-7.3|running|TREE] [--tune] [--perf]\n"
        "                   [--quick] [--out DIR] [--full-tests] [--beside KERNEL|DIR|FILE]\n"
        "       scripts/run --only TEST[:CASE]... [--keep] [--kernel KERNEL] [--quick] [--out DIR]\n"
        "       scripts/run --check ARGUMENTS... [--keep] [--kernel KERNEL] [--quick] [--out DIR]")
    parser.add_argument("--kernel", help=core.argparse.SUPPRESS)
    parser.add_argument("--out", type=core.named_path, help=core.argparse.SUPPRESS)
    parser.add_argument("--beside", type=core.named_path, help=core.argparse.SUPPRESS)
    parser.add_argument("--only", action="append", default=[], help=core.argparse.SUPPRESS)
    parser.add_argument("--check", action="append", default=[], help=core.argparse.SUPPRESS)
    for flag in ("--quick", "--full-tests", "--perf", "--tune", "--keep"):
        parser.add_argument(flag, action="store_true", help=core.argparse.SUPPRESS)
    parser.add_argument("-h", "--help", action="help", help=core.argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.tune and options.kernel != "running":
        raise core.Problem("--tune is for --kernel running; a guest has nothing to tune")
    if options.full_tests and not options.quick:
        raise core.Problem("--full-tests goes with --quick; without --quick all bounds are full")
    options.few = options.only or options.check
    if options.few and (options.perf or options.tune or options.beside or options.full_tests):
        raise core.Problem("--only and --check run tests; --perf, --tune, --beside and --full-tests are for whole runs")
    if options.beside:
        options.beside = counts_of(options.beside)
    if options.keep and (not options.few or options.kernel == "running"):
        raise core.Problem("--keep is for --only and --check in a guest")
    if options.only:
        only.programs_of(options.only)
    options.kernel = options.kernel or core.default_kernel()
    core.check_kernel(options.kernel)
    options.kernel = core.SHORT_NAMES.get(options.kernel, options.kernel)
    if "-debug" in f"-{options.kernel}" and "/" not in options.kernel and not options.few:
        raise core.Problem(f"kernel {options.kernel} is for self-tests, as its costs mean nothing; name tests with "
                           "--only, or run scripts/test " + core.FULL_NAMES.get(options.kernel, options.kernel))
    if "/" in options.kernel:
        options.kernel = os.path.realpath(options.kernel)
    return options


def new_directory(options):
    if options.few and not options.out:
        return core.made_directory(core.ROOT / "out/only")
    name = pathlib.Path(options.kernel).name
    out = core.made_directory(options.out or core.ROOT / "out" / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}")
    if any(out.iterdir()):
        raise core.Problem(f"{out} is not empty; results are never overwritten, name a new directory with --out")
    return out


def main(arguments):
    options = parse(arguments)
    if not options.few:
        core.ignore_variables(SHORTER)
    options.out = new_directory(options)
    os.environ.update(DMABUF_PFN_REVISION=core.revision(), DMABUF_PFN_FLAVOUR=pathlib.Path(options.kernel).name)
    if options.few:
        return only.only(options)
    run = Run(options)
    run.keep_beside(options.beside)
    run.prepare()
    return run.all()
