# SPDX-License-Identifier: GPL-2.0
"""The part of scripts/run on the kernel under test, in a guest or on this machine: self-tests, benchmark, probes.

Each part leaves its file in --out. A part that fails is named, and the next part runs. Only the host's side writes
missing.txt: the job may be root where the host's side is not, and may be lost at any time. The job writes what it could
not do to job-NAME.json, which is whole after each part.
"""
import contextlib
import json
import os
import pathlib
import select
import subprocess
import sys
import threading

import core
import exporters

sys.path.append(str(core.ROOT / "selftests"))
import kernel_bugs  # pylint: disable=wrong-import-position
import module  # pylint: disable=wrong-import-position

NOTHING_TESTED = 4  # of selftests/run
NOTHING_MEASURED = 4  # of the benchmarks, and of a tracer of a benchmark
EPILOG = """\
tests       env.json, env-after.json, ktap/, bench.json, latency.json, timeline.json, dmesg.txt, kernel-log.json;
            with --perf also perf.json and perf/
icount      bench-icount.json and probe-icount.json; for a guest started with --icount
contention  bench-contention.json only; up to nine threads, each wants a processor of its own. A guest is sealed and
            has no job: see contention.py
Each job leaves job-NAME.json, which says whether the job ended, and what could not be done.
exit status: 0 all passed and measured, 1 a test failed, the kernel reported a bug, or a part is missing"""


def account_path(out, name):
    """Where a job says what it could not do: {"complete": bool, "missing": ["what: why", ...]}."""
    return out / f"job-{name}.json"


class LogFollower:
    """Follows the kernel's log into dmesg.txt while the job runs, and judges it in the end. Lines
    that were logged before the job do not count.

    The thread sleeps until the kernel logs something, so the thread does not disturb a benchmark.
    """

    def __init__(self, out, device="/dev/kmsg"):
        self.out, self.device = out, device
        self.why, self.lines = "", []
        self.stop = os.pipe()
        self.thread = threading.Thread(target=self.follow, daemon=True)

    def __enter__(self):
        # a second job on the same machine goes on where the first one ended
        self.fresh = not (self.out / "dmesg.txt").exists()
        # pylint: disable-next=consider-using-with
        self.file = open(self.out / "dmesg.txt", "a", encoding="utf-8")
        try:
            self.fd = os.open(self.device, os.O_RDONLY | os.O_NONBLOCK)
        except OSError as error:
            self.fd, self.why = None, f"{self.device}: {error.strerror}"
            return self
        self.lines = self.read() if self.fresh else self.skip()
        self.write(self.lines)
        self.lines = []
        self.thread.start()
        return self

    def __exit__(self, *_):
        os.close(self.stop[1])
        if self.fd is not None:
            self.thread.join()
            os.close(self.fd)
        with contextlib.suppress(OSError):  # write() has said it
            self.file.close()
        os.close(self.stop[0])

    def skip(self):
        os.lseek(self.fd, 0, os.SEEK_END)
        return []

    def write(self, lines):
        """Lines that cannot be written, as on a full disk, are judged all the same, but the verdict is not whole."""
        try:
            self.file.writelines(line + "\n" for line in lines)
            self.file.flush()
        except OSError as error:
            self.why = f"dmesg.txt cannot be written: {error.strerror}"

    def follow(self):
        while True:
            ready = select.select([self.fd, self.stop[0]], [], [])[0]
            lines = self.read()
            self.lines += lines
            self.write(lines)
            if self.stop[0] in ready:
                return

    def read(self):
        """The lines that are there, as dmesg prints them."""
        lines = []
        while True:
            try:
                record = os.read(self.fd, 8192)
            except BlockingIOError:
                return lines
            except BrokenPipeError:  # some were overwritten before they were read
                self.why = "lines were lost: the kernel logged more than its buffer holds"
                continue
            except OSError as error:
                self.why = f"{self.device}: {error.strerror}"
                return lines
            if not record:
                return lines
            lines.append(printed(record.decode(errors="replace")))

    def verdict(self):
        """What kernel-log.json holds, this job's part of it."""
        verdict = {"judged": True, "why": "", "bugs": [], "announced": 0}
        if self.lines:
            verdict = kernel_bugs.judge_text("".join(line + "\n" for line in self.lines))
        return verdict | ({"judged": False, "why": self.why} if self.why else {})


def printed(record):
    """A record of /dev/kmsg, `priority,number,microseconds,flags;text`, as dmesg prints it."""
    head, _, text = record.partition(";")
    time_us = int(head.split(",")[2])
    return f"[{time_us // 1000000:5}.{time_us % 1000000:06}] {text.split(chr(10), 1)[0]}"


def joined(first, second):
    """The verdicts of two jobs in one."""
    return {
        "judged": first["judged"] and second["judged"],
        "why": "; ".join(filter(None, dict.fromkeys([first["why"], second["why"]]))),
        "bugs": first["bugs"] + second["bugs"], "announced": first["announced"] + second["announced"]
    }


def describe_end(name, status, log):
    """Why a part is missing whose program ended with this status."""
    if status == NOTHING_MEASURED:
        return f"nothing was measured: {core.last_line(log)}"
    return f"{name} ended with status {status}: {core.last_line(log)}"


class Job:
    """The parts of one job, and what became of them."""

    def __init__(self, name, options):
        self.name, self.bin, self.module, self.out = name, options.bin, options.module, options.out
        self.quick = ["--quick"] * options.quick
        self.quick_tests = [] if options.full_tests else self.quick
        self.perf = options.perf
        self.exporters = exporters.arguments() if options.exporters else []
        self.status = 0
        self.lost = []
        self.tell(False)

    def tell(self, complete):
        core.write_json(account_path(self.out, self.name), {"complete": complete, "missing": self.lost})

    def missing(self, what, why):
        """For the report: never left out in silence."""
        core.say(f"{what}: {why}")
        self.lost.append(f"{what}: {why}")
        self.tell(False)
        self.status = 1

    def part(self, name, what, *command):
        """Runs a part of the job; its output goes to the screen and to NAME.log."""
        core.say(what)
        log = self.out / f"{name}.log"
        try:
            status = core.call_teed(command, log)
        except OSError as error:
            self.missing(what, f"{error.filename or pathlib.Path(command[0]).name}: {error.strerror}")
            return
        if status != 0:
            self.missing(what, describe_end(pathlib.Path(command[0]).name, status, log))

    # --- the module ---------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def loaded_module(self):
        """Loads the module without parameters, and unloads it afterwards. Yields whether the module was loaded."""
        loaded = self.load()
        try:
            yield loaded
        finally:
            if loaded:
                self.unload()

    def load(self):
        if os.path.exists(f"/sys/module/{module.NAME}") and run_quietly(["rmmod", module.NAME]):
            self.missing("module", f"an older {module.NAME} is in use; close what uses it")
            return False
        if error := run_quietly(["insmod", self.module]):
            self.missing("module", f"{error}; what the kernel said is in dmesg.txt or the console")
            return False
        return True

    def unload(self):
        for fault in module.unload():
            self.missing("module", fault)

    # --- the jobs -----------------------------------------------------------------------------------------------------

    def benchmark(self, name, what, *arguments):
        """Leaves NAME.json."""
        if self.exporters:
            exporters.prepare()
        self.part(name, what, self.bin / "bench/bench_resolve", *self.quick, *self.exporters, *arguments, "--out",
                  self.out / f"{name}.json")

    def self_tests(self):
        core.say("self-tests")
        log = self.out / "selftests.log"
        command = [
            core.ROOT / "selftests/run", "--bin", self.bin / "selftests", "--out", self.out / "ktap", "--module",
            self.module, *self.quick_tests
        ]
        status = core.call_teed(command, log, patience_s=core.SELF_TESTS_END_S)
        self.status = self.status or int(status != 0)
        if status == NOTHING_TESTED:
            self.missing("self-tests", "nothing was tested")
        elif not is_complete(self.out / "ktap/tests.json"):
            self.missing("self-tests", f"selftests/run did not come to its end: status {status}: {core.last_line(log)}")

    def processes(self):
        """Nine on hardware, where times are worth something, each with buffers of its own; two in an emulated short
        run, so that the code for several processes is run."""
        if read_json(self.out / "env.json").get("clock") == "tsc":
            return 9
        return 2 if self.quick else 1

    def probes(self):
        """Short benchmarks under probes: of single calls, and of locks that are fought for. What probes cost is in
        the report, so the plain runs go without."""
        traced = self.out / "bench-traced.json"
        calls = [
            self.bin / "bench/bench_resolve", "--quick", "--benchmark_filter=/size:2097152/order:[09]/iterations",
            "--out", traced
        ]
        locks = [self.bin / "bench/bench_contention", "--quick", "--out", traced]
        lat, lat_bt, latency = self.bin / "bpf/dmabuf-lat", self.bin / "bpf/dmabuf-lat-bt", self.out / "latency.json"
        self.part("latency", "latency with BPF", lat, "calls", "--out", latency, "--", *calls)
        self.part("locks", "reservation locks with BPF", lat, "locks", "--append", "--out", latency, "--timeline",
                  self.out / "timeline.json", "--", *locks)
        self.part("latency-bt", "latency with bpftrace", lat_bt, "calls", "--append", "--out", latency, "--", *calls)
        self.part("locks-bt", "reservation locks with bpftrace", lat_bt, "locks", "--append", "--out", latency, "--",
                  *locks)
        traced.unlink(missing_ok=True)

    def tests(self):
        self.self_tests()
        with self.loaded_module() as loaded:
            if not loaded:
                return
            environment, bench = self.bin / "bench/bench_env", self.bin / "bench/bench_resolve"
            self.part("env", "environment", environment, "--out", self.out / "env.json")
            self.benchmark("bench", "benchmark", "--processes", self.processes())
            self.part("env-after", "environment after the benchmark", environment, "--out", self.out / "env-after.json")
            self.probes()
            if self.perf:
                self.part("perf", "perf", core.LIB / "guest/perf", "--bench", bench, "--out", self.out)

    def icount(self):
        with self.loaded_module() as loaded:
            if loaded:
                self.benchmark("bench-icount", "instruction counts")
                self.part("bench-probe", "cost of probes", self.bin / "bench/bench_probe", "--out",
                          self.out / "probe-icount.json")

    def contention(self):
        with self.loaded_module() as loaded:
            if loaded:
                self.part("bench-contention", "contention", self.bin / "bench/bench_contention", *self.quick, "--out",
                          self.out / "bench-contention.json")

    # --- the kernel's log ---------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def watched_kernel(self):
        """What the kernel says meanwhile goes to dmesg.txt, and its bugs to kernel-log.json, however the job ends."""
        log = LogFollower(self.out)
        try:
            with log:
                yield
        finally:
            self.judge(log.verdict())

    def judge(self, verdict):
        path = self.out / "kernel-log.json"
        if not verdict["judged"]:
            self.missing("kernel log", f"not judged: {verdict['why']}")
        for bug in verdict["bugs"]:
            core.say(f"kernel bug: {bug}")
            self.status = 1
        earlier = read_json(path)
        core.write_json(path, joined(earlier, verdict) if earlier else verdict)


def is_complete(path):
    return read_json(path).get("complete") is True


def read_json(path):
    """The object in a file; an empty one where there is none or the file is damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def run_quietly(command):
    """What went wrong, or None."""
    status, said = core.capture(command, stderr=subprocess.STDOUT)
    return None if status == 0 else said.strip() or f"{command[0]} failed with status {status}"


def parse(arguments):
    parser = core.Parser(prog="scripts/lib/suite job", epilog=EPILOG, description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("name", choices=["tests", "icount", "contention"])
    parser.add_argument("--bin", type=pathlib.Path, required=True, metavar="DIR", help="where user space is built")
    parser.add_argument("--module", type=pathlib.Path, required=True, metavar="KO")
    parser.add_argument("--out", type=pathlib.Path, required=True, metavar="DIR")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--full-tests", action="store_true", help="the self-tests are not quick")
    parser.add_argument("--perf", action="store_true")
    parser.add_argument("--exporters", action="store_true", help="measure the kernel's own exporters, too")
    return parser.parse_args(arguments)


def main(arguments):
    core.set_name("scripts/run")
    options = parse(arguments)
    job = Job(options.name, options)
    # of an icount guest the console is the log: following it would be counted
    with contextlib.nullcontext() if options.name == "icount" else job.watched_kernel():
        getattr(job, options.name)()
    job.tell(True)
    return job.status
