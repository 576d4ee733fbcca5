# SPDX-License-Identifier: GPL-2.0
"""Puts faults into the module and into the kernel patch, one at a time, and reports which the self-tests find; see --help.

A module fault is an entry of module-mutants, a kernel fault a patch of kernel/mutants; both name the programs that must find it. Modules are built in
directories that keep their objects, and many are tried in one guest; a kernel is one guest each. The guest's side is hunt(): it tells what it does on its
standard output, line by line, so that a guest that dies takes no verdict with it that it had already.
"""

import argparse
import collections
import concurrent.futures
import hashlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

LIB = pathlib.Path(__file__).resolve().parent
ROOT = LIB.parent.parent
MODULE_SOURCES = ROOT / "kmod-testexp"
MODULE_FAULTS = LIB / "module-mutants"
KERNEL_FAULTS = ROOT / "kernel" / "mutants"
MODULE = "dmabuf_testexp"
WORK = pathlib.Path(os.environ.get("TMPDIR", "/tmp")) / f"dmabuf-pfn-mutants.{os.getpid()}"

# The slowest program takes a tenth of this on two cores without KVM; what takes longer hangs.
PROGRAM_TIMEOUT_S = 180
CASE_TIMEOUT_S = 60
BOOT_TIMEOUT_S = 300
# In between the guest tells that a program ended, unless it hangs as a whole. A debug kernel on a busy machine takes minutes to come up, and to look for leaks.
SILENCE_S = PROGRAM_TIMEOUT_S + 300
DIRTY = 75  # the guest's job: this kernel is in no state for another fault

EPILOG = """\
TAP on standard output: `ok` is a fault that was found, and by what. Before the faults come the controls: the programs on the module and the kernel
without a fault, which must pass, as else no verdict says anything. A fault that changes nothing, does not apply or does not build is an error, not a
find. A kernel that oopses or hangs over its fault is a find too, and the line says so. Faults of the kernel take a tree of 4 GB and minutes at first."""


def say(text):
    print(f"scripts/mutants: {text}", file=sys.stderr, flush=True)


class Mistake(Exception):
    """One line that says what is wrong with a fault itself, or with what builds it."""


# --- processes ---------------------------------------------------------------------------------------------------------------------------------

CHILDREN = set()


def start(command, **options):
    """A process in a session of its own, so that interrupted() ends all that it started."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, **options)
    CHILDREN.add(child)
    return child


def run(command, **options):
    """Waits for it; returns (status, its stdout, its stderr)."""
    with start(command, **options) as child:
        output, errors = child.communicate()
    CHILDREN.discard(child)
    return child.returncode, output, errors


def interrupted(number, _):
    """Ends at once: what the threads wait for is gone, and the work directory is of no use."""
    for child in list(CHILDREN):
        try:
            os.killpg(child.pid, signal.SIGTERM)
        except ProcessLookupError:
            pass
    shutil.rmtree(WORK, ignore_errors=True)
    os._exit(128 + number)


# --- the faults --------------------------------------------------------------------------------------------------------------------------------

# kind: module or kernel; file: what it changes; flavour: the kernel it shows on; edits: [(function or "", old, new)] or [] for a patch.
Fault = collections.namedtuple("Fault", "name kind file text programs flavour edits")

HEADING = re.compile(r"== (?P<name>[a-z0-9-]+) +(?P<file>[\w.]+) +(?P<programs>\w+(?: \w+)*?)(?: kernel=(?P<flavour>\w+))?$")


def read_module_faults(path):
    """The entries of module-mutants; its head says how one looks."""
    faults = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if heading := HEADING.match(line):
            function, last = "", ""
            faults.append(Fault(heading["name"], "module", "kmod-testexp/" + heading["file"], "", heading["programs"].split(),
                                heading["flavour"] or "base", []))
            continue
        if not faults or (line[0] in "-+@" and not faults[-1].text):
            sys.exit(f"scripts/mutants: {path.name}:{number}: no heading or no text before this line")
        fault, mark, rest = faults[-1], line[0], line[1:].strip()
        if mark == "@":
            function = rest
        elif mark == "-" and last == "-":
            fault.edits[-1][1] += "\n" + rest
        elif mark == "-":
            fault.edits.append([function, rest, ""])
        elif mark == "+" and fault.edits:
            fault.edits[-1][2] += line[1:] + "\n"
        else:
            faults[-1] = fault._replace(text=f"{fault.text} {line.strip()}".strip())
        last = mark
    return faults


def read_kernel_fault(path):
    """A patch: text, then `Contract:`, `Found-by:` and perhaps `Kernel:`, then the diff."""
    head = path.read_text().split("\n---\n", 1)[0]
    trailers = dict(re.findall(r"^(Contract|Found-by|Kernel): (.+)$", head, re.MULTILINE))
    if not {"Contract", "Found-by"} <= trailers.keys():
        sys.exit(f"scripts/mutants: {path.name} has no Contract: or no Found-by: before ---")
    text = " ".join(head.split("\n\nContract:")[0].split())
    return Fault(path.stem, "kernel", f"kernel/mutants/{path.name}", text, trailers["Found-by"].split(), trailers.get("Kernel", "base"), [])


def all_faults():
    faults = read_module_faults(MODULE_FAULTS) + [read_kernel_fault(path) for path in sorted(KERNEL_FAULTS.glob("*.patch"))]
    twice = [name for name, count in collections.Counter(fault.name for fault in faults).items() if count > 1]
    if twice:
        sys.exit(f"scripts/mutants: two faults have the name {twice[0]}")
    known = {path.stem for path in (ROOT / "selftests").glob("*.cpp")}
    for fault in faults:
        for program in fault.programs:
            if program not in known:
                sys.exit(f"scripts/mutants: {fault.name}: there is no program {program}")
    return faults


def function_span(text, function):
    """Where the body of a function is: from its name to the closing brace in the first column."""
    match = re.search(rf"^(?![\s/*#])[^;\n]*\b{re.escape(function)}\([^;{{]*\)\s*\{{.*?^\}}", text, re.MULTILINE | re.DOTALL)
    if not match:
        raise Mistake(f"there is no function {function}")
    return match.span()


def apply_edits(text, edits):
    """The text with every edit made. The old text must be there once; how it is broken into lines does not matter."""
    for function, old, new in edits:
        start, end = function_span(text, function) if function else (0, len(text))
        pattern = re.compile(r"\s+".join(re.escape(word) for word in old.split()))
        places = list(pattern.finditer(text, start, end))
        if len(places) != 1:
            raise Mistake(f"`{' '.join(old.split())}` is there {len(places)} times{' in ' + function if function else ''}, not once")
        if places[0].group().split() == new.split():
            raise Mistake("the fault changes nothing")
        text = text[:places[0].start()] + new.strip() + text[places[0].end():]
    return text


def all_fit(faults):
    """Whether every module fault still finds its text; says which do not."""
    fits = True
    for fault in faults:
        try:
            if fault.kind == "module":
                apply_edits((ROOT / fault.file).read_text(), fault.edits)
        except (Mistake, OSError) as why:
            say(f"{fault.name} no longer fits {fault.file}: {why}")
            fits = False
    return fits


# --- building ----------------------------------------------------------------------------------------------------------------------------------


class ModuleTree:
    """A directory where the module is built again and again, so that only what changed is compiled."""

    def __init__(self, directory, kdir):
        self.directory, self.kdir = directory, kdir
        directory.mkdir(parents=True)
        for source in [*MODULE_SOURCES.glob("*.[ch]"), MODULE_SOURCES / "Kbuild"]:
            shutil.copy(source, directory)

    def build(self, fault, target):
        """Puts the module with the fault (None: without) into the directory `target`."""
        target.mkdir()
        name = pathlib.Path(fault.file).name if fault else "Kbuild"
        original = (MODULE_SOURCES / name).read_text() if (MODULE_SOURCES / name).exists() else None
        if original is None:
            raise Mistake(f"there is no {fault.file}")
        try:
            if fault:
                (self.directory / name).write_text(apply_edits(original, fault.edits))
            log = target / "build.log"
            with open(log, "wb") as output:
                # no BTF: no test reads it, and the kernels of mutants have none
                status, *_ = run(["make", "-C", self.kdir, f"M={self.directory}", "KCFLAGS=-Wno-error", "CONFIG_DEBUG_INFO_BTF_MODULES=", "modules"],
                                 stdout=output, stderr=subprocess.STDOUT)
            if status != 0:
                raise Mistake("does not build: " + next((line for line in log.read_text().splitlines() if "error" in line.lower()), "see its log"))
            shutil.copy(self.directory / f"{MODULE}.ko", target)
        finally:
            if fault:
                (self.directory / name).write_text(original)


def run_script(name, *arguments):
    """One of our scripts; returns its last line of output, or makes its last complaint ours."""
    status, output, errors = run([ROOT / "scripts" / name, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if status != 0:
        raise Mistake((errors.strip().splitlines() or [f"scripts/{name} ended with status {status}"])[-1])
    return output.strip().splitlines()[-1]


# --- trying: the guest's side ------------------------------------------------------------------------------------------------------------------


def tell(**event):
    print(json.dumps(event), flush=True)


def first_complaint(ktap, log):
    """What a program found first: a failed case, else what the runner or the module's end had to say."""
    text = ktap.read_text(errors="replace") if ktap.exists() else ""
    for pattern in (r"^not ok \d+ (?:- )?(.*?)(?: *#.*)?$", r"^Bail out! ((?:timed out|kernel log|killed).*)$", r"^Bail out! (.*)$"):
        if match := re.search(pattern, text, re.MULTILINE):
            return match[1]
    match = re.search(r"^failed: (.*)$", log, re.MULTILINE)
    return match[1] if match else None


# What leaves the kernel in doubt: anything it said itself, but a warning, or the module that cannot go.
DOUBT = re.compile(r"kernel log[^:]*: (?!.*WARNING: )|kernel taint|cannot be unloaded")


def try_program(program, module, directory, binaries):
    """Returns the runner's status, what it found, and whether the kernel is good for another fault."""
    done = subprocess.run([ROOT / "selftests" / "run", "--bin", binaries, "--out", directory, "--module", module, "--quick",
                           "--timeout", str(PROGRAM_TIMEOUT_S), program], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                          env={**os.environ, "KSFT_CASE_TIMEOUT": str(CASE_TIMEOUT_S), "KSFT_STOP_AT_FAILURE": "1"})
    log = done.stdout + done.stderr
    (directory / f"{program}.log").write_text(log)
    found = first_complaint(directory / f"{program}.ktap", log) or " ".join(log.strip().splitlines()[-1:])
    return done.returncode, found, not DOUBT.search(log) and not pathlib.Path(f"/sys/module/{MODULE}").exists()


def hunt(jobs, binaries):
    """Tries each (name, module, programs, directory); a control, which has no name, goes on when something fails."""
    for name, module, programs, directory in jobs:
        started, clean = time.monotonic(), True
        os.makedirs(directory, exist_ok=True)
        for program in programs:
            tell(name=name, program=program)
            status, found, clean = try_program(program, module, pathlib.Path(directory), binaries)
            tell(name=name, program=program, status=status, found=found)
            if status or not clean:
                break
        tell(name=name, seconds=round(time.monotonic() - started, 1))
        if not clean:
            return DIRTY
    return 0


# --- trying: the host's side -------------------------------------------------------------------------------------------------------------------

# verdict: killed, survived or error; case: what failed first; seconds: of trying it, without the build
Verdict = collections.namedtuple("Verdict", "verdict killed_by case seconds")


# What scripts/vm says of how a guest ended; not of how it began.
COMPLAINT = re.compile(r"scripts/vm: (?!installing|no usable KVM)")


class Guest:
    """One boot: the jobs that are left, until the guest is at its end or in no state to go on."""

    def __init__(self, kernel, jobs, binaries, work):
        self.kernel, self.jobs, self.binaries, self.work = kernel, jobs, binaries, work
        self.verdicts, self.current, self.started, self.hangs = {}, None, 0.0, False

    def run(self):
        """Returns the verdicts by name; the jobs without one are still to be tried."""
        (self.work / "jobs.json").write_text(json.dumps(self.jobs))
        timeout = BOOT_TIMEOUT_S + sum(PROGRAM_TIMEOUT_S * len(programs) for _, _, programs, _ in self.jobs)
        command = [ROOT / "scripts" / "vm", "--kernel", self.kernel, "--mem", "3072", "--timeout", str(timeout), "--share", self.work,
                   "--console", self.work / "console.txt", "--", "/usr/bin/python3", "-B", __file__, "--hunt", self.work / "jobs.json",
                   "--bin", self.binaries]
        with open(self.work / "vm.log", "w+b") as log:
            with start(command, stdout=subprocess.PIPE, stderr=log, text=True) as guest:
                self.listen(guest)
            CHILDREN.discard(guest)
            log.seek(0)
            complaint = [line for line in log.read().decode(errors="replace").splitlines() if COMPLAINT.match(line)]
        if self.hangs:
            self.judge_end(252, f"the guest hangs: it told nothing for {SILENCE_S} s")
            return self.verdicts
        self.judge_end(guest.returncode, complaint[0].removeprefix("scripts/vm: ") if complaint else f"scripts/vm: status {guest.returncode}")
        return self.verdicts

    def listen(self, guest):
        """Notes what the guest tells, and ends it when that is nothing for too long."""
        watchdog = self.watch(guest)
        for line in guest.stdout:
            watchdog.cancel()
            watchdog = self.watch(guest)
            if line.startswith("{"):
                self.note(json.loads(line))
        watchdog.cancel()

    def watch(self, guest):
        watchdog = threading.Timer(SILENCE_S, self.end, [guest])
        watchdog.daemon = True
        watchdog.start()
        return watchdog

    def end(self, guest):
        self.hangs = True
        try:
            os.killpg(guest.pid, signal.SIGTERM)
        except ProcessLookupError:  # it was faster
            pass

    def note(self, event):
        """What the guest tells: a program begins, a program ended, the fault is done with."""
        name, program = event["name"], event.get("program")
        if "status" in event and name not in self.verdicts:
            if event["status"] == 1 and event["found"]:
                self.verdicts[name] = Verdict("killed", program, event["found"], None)
            elif event["status"]:
                self.verdicts[name] = Verdict("error", program, f"the runner ended with status {event['status']}: {event['found']}", None)
        elif "seconds" in event:
            self.verdicts[name] = self.verdicts.get(name, Verdict("survived", None, None, None))._replace(seconds=event["seconds"])
            self.current = None
        elif program:
            self.started = self.started if self.current and self.current[0] == name else time.monotonic()
            self.current = (name, program)

    def judge_end(self, status, complaint):
        """The guest is over. If it died over a fault, that is this fault's verdict."""
        if self.current and status in (251, 252) and self.current[0] not in self.verdicts:
            what = re.sub(r" \(console: .*", "", complaint)
            self.verdicts[self.current[0]] = Verdict("killed", self.current[1], f"{what} (status {status})", round(time.monotonic() - self.started, 1))
        elif self.current and self.current[0] not in self.verdicts:
            self.verdicts[self.current[0]] = Verdict("error", self.current[1], complaint, None)
        elif not self.verdicts:
            for name, *_ in self.jobs[:1]:
                self.verdicts[name] = Verdict("error", None, complaint, None)


def try_all(kernel, jobs, binaries, work):
    """Boots as often as it takes for every job to get its verdict; yields (name, verdict) after each boot."""
    boots = 0
    while jobs:
        boots += 1
        directory = work / f"boot-{boots}"
        directory.mkdir(parents=True)
        for job in jobs:
            job[3] = str(directory / job[0])
        new = Guest(kernel, jobs, binaries, directory).run()
        yield from new.items()
        jobs = [job for job in jobs if job[0] not in new]
        if jobs:
            say(f"booting again for the other {len(jobs)}")


class Hunt:
    """All chosen faults: builds, tries, and prints the verdicts of a boot when it is over."""

    def __init__(self, faults, seed, options, work):
        self.faults, self.seed, self.options, self.work = faults, seed, options, work
        self.results, self.number, self.lock = [], 0, threading.Lock()
        self.modules = [fault for fault in faults if fault.kind == "module"]
        self.kernels = [fault for fault in faults if fault.kind == "kernel"]

    @staticmethod
    def by_flavour(faults):
        """The faults of each flavour of the kernel, base first."""
        flavours = sorted({fault.flavour for fault in faults}, key=lambda flavour: (flavour != "base", flavour))
        return [(flavour, [fault for fault in faults if fault.flavour == flavour]) for flavour in flavours]

    def plan(self):
        """Every fault, and a control for each flavour of either kind."""
        return len(self.faults) + len(self.by_flavour(self.modules)) + len(self.by_flavour(self.kernels))

    def report(self, fault, verdict):
        with self.lock:
            self.number += 1
            took = f" ({verdict.seconds:.0f} s)" if verdict.seconds is not None else ""
            if verdict.verdict == "killed":
                print(f"ok {self.number} - {fault.kind}/{fault.name} # killed by {verdict.killed_by}: {verdict.case}{took}", flush=True)
            else:
                print(f"not ok {self.number} - {fault.kind}/{fault.name} # {verdict.verdict}{took}", flush=True)
                print(f"# {verdict.case or 'every program of ' + ' '.join(fault.programs) + ' passes'}", flush=True)
            self.results.append((fault, verdict))

    def report_control(self, name, verdict):
        with self.lock:
            self.number += 1
            good = verdict.verdict == "survived"
            print(f"{'ok' if good else 'not ok'} {self.number} - control/{name}", flush=True)
            if not good:
                print(f"# without a fault: {verdict.killed_by or 'no program'}: {verdict.case}", flush=True)
            self.results.append((None, verdict))
            return good

    @staticmethod
    def programs_of(faults):
        return sorted({program for fault in faults for program in fault.programs})

    def build_modules(self, kdir, faults, work):
        """Returns the faults whose module is there; the others have their verdict."""
        trees = [ModuleTree(work / f"tree-{number}", kdir) for number in range(os.cpu_count() or 1)]
        built, started = [], time.monotonic()

        def build(fault):
            tree = trees.pop()
            try:
                tree.build(fault, work / "module" / (fault.name if fault else "control"))
                if fault:
                    built.append(fault)
            except Mistake as mistake:
                if not fault:
                    raise
                self.report(fault, Verdict("error", None, str(mistake), None))
            finally:
                trees.append(tree)
            done = len(list((work / "module").iterdir()))
            if done % 10 == 0:
                say(f"built {done} of {len(faults) + 1} modules, {time.monotonic() - started:.0f} s")

        (work / "module").mkdir()
        with concurrent.futures.ThreadPoolExecutor(len(trees)) as pool:
            list(pool.map(build, [None, *faults]))
        say(f"built {len(built)} modules, {time.monotonic() - started:.0f} s")
        return [fault for fault in faults if fault in built]

    def hunt_modules(self):
        for flavour, faults in self.by_flavour(self.modules):
            work = self.work / flavour
            built = self.build_modules(run_script("kernel", "build", flavour), faults, work)
            jobs = [["control", self.programs_of(faults)]] + [[fault.name, fault.programs] for fault in built]
            jobs = [[name, str(work / "module" / name / f"{MODULE}.ko"), programs, ""] for name, programs in jobs]
            by_name = {fault.name: fault for fault in built}
            for name, verdict in try_all(flavour, jobs, self.options.bin, work / "boots"):
                if name == "control":
                    self.report_control(f"module-{flavour}", verdict)
                else:
                    self.report(by_name[name], verdict)

    def hunt_kernels(self):
        with concurrent.futures.ThreadPoolExecutor(1) as guests:
            for flavour, faults in self.by_flavour(self.kernels):
                self.hunt_flavour(flavour, faults, guests)

    def hunt_flavour(self, flavour, faults, guests):
        """Builds one kernel while the one before it is tried."""
        module = None
        for fault in [None, *faults]:
            name = fault.name if fault else f"control-{flavour}"
            directory = self.work / "kernel" / name
            directory.mkdir(parents=True)
            say(f"building kernel {flavour}: {name}")
            try:
                tree = run_script("kernel", "mutant", str(ROOT / fault.file) if fault else "/dev/null", str(directory / "bzImage"), flavour)
                if not fault:
                    ModuleTree(directory / "tree", tree).build(None, directory / "module")
                    module = str(directory / "module" / f"{MODULE}.ko")
            except Mistake as mistake:
                if fault:
                    self.report(fault, Verdict("error", None, str(mistake), None))
                    continue
                raise
            job = [name, module, fault.programs if fault else self.programs_of(faults), ""]
            guests.submit(self.try_kernel, fault, flavour, job, directory)

    def try_kernel(self, fault, flavour, job, directory):
        ((_, verdict),) = try_all(str(directory / "bzImage"), [job], self.options.bin, directory / "boots")
        (directory / "bzImage").unlink()
        if fault:
            self.report(fault, verdict)
        else:
            self.report_control(f"kernel-{flavour}", verdict)

    def run(self):
        print("TAP version 13", flush=True)
        print(f"1..{self.plan()}", flush=True)
        if self.modules:
            self.hunt_modules()
        if self.kernels:
            self.hunt_kernels()
        return self.summary()

    def summary(self):
        found = [(fault, verdict) for fault, verdict in self.results if fault]
        killed = sum(verdict.verdict == "killed" for _, verdict in found)
        controls = all(verdict.verdict == "survived" for fault, verdict in self.results if not fault)
        print(f"# {killed} of {len(self.faults)} faults found", flush=True)
        if self.options.out:
            text = json.dumps(score(found, controls, self.seed), indent=1)
            (self.options.out / "mutants.json").write_text(text + "\n")
            renew_report(self.options.out, pathlib.Path(self.options.bin).parent / "results" / "results_report")
        return 0 if killed == len(self.faults) and controls else 1


# --- the record --------------------------------------------------------------------------------------------------------------------------------


# What the kernel's log has of one boot only: time stamps, addresses and PFNs, processor and process.
OF_ONE_BOOT = re.compile(r"\[ *\d+\.\d+\] *|(?:\b0x)?\b(?=[a-f]*\d)[0-9a-f]{5,16}\b|(?<=CPU: )\d+|(?<=PID: )\d+")


def score(found, controls, seed):
    """What mutants.json holds, see results/schema.md. No times and no dates: the same faults with the same verdicts give the same bytes."""
    known = collections.Counter(fault.kind for fault in all_faults())
    found = sorted(found, key=lambda pair: (pair[0].kind, pair[0].name))
    kinds = []
    for kind in sorted(known):
        names = {word: [fault.name for fault, verdict in found if fault.kind == kind and verdict.verdict == word] for word in ("killed", "survived", "error")}
        kinds.append({"kind": kind, "known": known[kind], "tried": sum(map(len, names.values())), "killed": len(names["killed"]),
                      "survived": names["survived"], "errors": names["error"]})
    faults = [{"kind": fault.kind, "name": fault.name, "file": fault.file, "text": fault.text, "flavour": fault.flavour, "verdict": verdict.verdict,
               "killed_by": verdict.killed_by or "", "case": OF_ONE_BOOT.sub("", verdict.case or "")} for fault, verdict in found]
    return {"seed": seed, "controls_passed": controls, "kinds": kinds, "faults": faults}


def renew_report(directory, program):
    """The report of a run tells the score from now on."""
    if not (directory / "report.html").exists():
        return
    if not program.exists():
        say(f"the report in {directory} is as before: {program} is not built; scripts/run builds it")
    elif run([program, directory])[0] == 0:
        say(f"{directory}/report.html and summary.txt have the score")


# --- the command -------------------------------------------------------------------------------------------------------------------------------


def list_faults(faults):
    for fault in faults:
        flavour = f" (kernel {fault.flavour})" if fault.flavour != "base" else ""
        print(f"{fault.kind + '/' + fault.name:42} {fault.file.removeprefix('kmod-testexp/') if fault.kind == 'module' else '':12} "
              f"{' '.join(fault.programs)}{flavour}\n    {fault.text}")
    print(f"{len(faults)} faults")


def positive(text):
    value = int(text)
    if value <= 0:
        raise ValueError
    return value


def parse(argv):
    parser = argparse.ArgumentParser(prog="scripts/mutants", epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False,
                                     description="Breaks the module or the kernel patch on purpose, one fault at a time, and reports which the self-tests find.")
    parser.add_argument("--list", action="store_true", help="the faults, what each changes, and the program that must find it")
    parser.add_argument("--only", action="append", metavar="NAME", help="this fault (again for more)")
    parser.add_argument("--kind", choices=["module", "kernel"], help="only faults of the module, or only those of the kernel patch")
    parser.add_argument("--sample", type=positive, metavar="N", help="N of them, chosen at random")
    parser.add_argument("--seed", type=int, help="choose the same ones again (default: a new seed, which is printed)")
    parser.add_argument("--out", type=pathlib.Path, metavar="DIR", help="leave mutants.json there; if scripts/run filled DIR, its report shows it")
    parser.add_argument("--check", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--bin", help=argparse.SUPPRESS)
    parser.add_argument("--hunt", help=argparse.SUPPRESS)  # what runs in the guest
    return parser.parse_args(argv)


def choose(faults, options):
    """The faults to try, and the seed of the sample if they are one."""
    seed = None
    if options.kind:
        faults = [fault for fault in faults if fault.kind == options.kind]
    if options.only:
        wanted = [name.split("/")[-1] for name in options.only]
        for name in wanted:
            if name not in {fault.name for fault in faults}:
                sys.exit(f"scripts/mutants: no fault '{name}'; see --list")
        faults = [fault for fault in faults if fault.name in wanted]
    if options.sample and options.sample < len(faults):
        seed = options.seed if options.seed is not None else random.randrange(1 << 32)
        print(f"# --seed {seed}", flush=True)
        # by a hash, so that with the same seed a new fault changes one of the sample or none
        by_hash = sorted(faults, key=lambda fault: hashlib.sha256(f"{seed} {fault.kind}/{fault.name}".encode()).digest())
        faults = [fault for fault in faults if fault in by_hash[:options.sample]]
    return faults, seed


def main():
    options = parse(sys.argv[1:])
    if options.hunt:
        return hunt(json.loads(pathlib.Path(options.hunt).read_text()), options.bin)
    faults, seed = choose(all_faults(), argparse.Namespace(**{**vars(options), "sample": None if options.check else options.sample}))
    if options.list:
        list_faults(faults)
        return 1
    if options.check:
        return 0 if all_fit(faults) else 1
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    WORK.mkdir()
    try:
        status = Hunt(faults, seed, options, WORK).run()
    except Mistake as mistake:
        say(mistake)
        status = 1
    if status == 0 and "KEEP" not in os.environ:
        shutil.rmtree(WORK)
    else:
        say(f"logs in {WORK}")
    return status


if __name__ == "__main__":
    sys.exit(main())
