# SPDX-License-Identifier: GPL-2.0
"""The guest's side of a hunt: runs the programs of each job on the module with the job's faults.

It prints a line for each event, so the host keeps the results of a guest that dies. The host decides whether an outcome
is a verdict (verdicts.py).
"""

import importlib.machinery
import importlib.util
import json
import os
import pathlib
import re
import subprocess
import sys
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parents[3]
SELFTESTS = ROOT / "selftests"
sys.path.append(str(SELFTESTS))
import kernel_bugs  # pylint: disable=wrong-import-position

MODULE = "dmabuf_testexp"
LOADED = "dmabuf_testex*"  # the module, and the copy that load_rules loads
MODULES = pathlib.Path("/sys/module")
# {where the faults are: the module whose parameters switch the faults on at any time}. A fault of the test module is
# switched on when the module is loaded.
SWITCHES = {"kernel": "dma_buf", "importers": "iommufd"}
DIRTY = 75  # the state of the kernel is in doubt, so the next fault needs a new guest
# How long selftests/run waits for a program after SIGKILL. The default is longer, but a program that hangs is tried
# again, alone.
KILL_S = 20

# No clock of a guest's kernel reports a stall sooner: PATIENT in vm/machine.py, and hung_task_s of the program
# contention.
STALL_S = 60

TIMED_OUT = re.compile(r"timed out after (\d+) s")
UNKILLABLE = re.compile(r"([\w-]+) cannot be killed, so it hangs in the kernel")
# The module with the fault cannot be loaded. A module that is still there from a program before is no such evidence,
# and neither is a guest without memory.
REFUSED = re.compile(r"cannot load (?!.*(?:File exists|Cannot allocate memory))")
CHECK = re.compile(r"dmabuf-check\[(.*)\]")
# A failed expectation counts even if the case times out later.
EXPECTATION = re.compile(r"not so: |: is .*, must be ")
# An announcement without an end follows from the end of a program that was killed, so it is no evidence beside a
# timeout.
KERNEL_LOG = re.compile(r"kernel log(?!.*(?:were announced without an end|within what a test had announced))")
# These complaints leave the kernel in doubt: a message in its log that is not a warning, a taint, or a module that
# cannot be unloaded.
DOUBT = re.compile(r"kernel log[^:]*: (?!.*WARNING: )|kernel taint|cannot be unloaded")


def tell(**event):
    print(json.dumps(event), flush=True)


def check_of(program):
    """Returns the arguments of a dmabuf-check, which a job names as `dmabuf-check[ARGUMENTS]`; None for a self-test."""
    match = CHECK.fullmatch(program)
    return match and match[1]


def program_of(name):
    """Returns the program of a name that may end in a guest: PROGRAM@GUEST."""
    return name.partition("@")[0]


def complaints(tests):
    """Returns (failed cases, faults) of a tests.json, in their order.

    A failed case is (program, case, reason). A fault is (program or "", "", description).
    """
    cases, faults = [], []
    for program in tests["programs"]:
        cases += [(program["name"], case["name"], case.get("reason") or "")
                  for case in program["cases"] if case["verdict"] == "failed"]
        faults += [(program["name"], "", fault) for fault in program["faults"]]
    return cases, faults + [("", "", fault) for fault in tests["faults"]]


def is_no_evidence(text):
    """Returns whether a complaint says only that something was not seen."""
    return kernel_bugs.NOT_JUDGED in text and not EXPECTATION.search(text)


def outcome(word, found="", program="", case="", limit=None):
    return {"outcome": word, "found": found, "program": program, "case": case, "limit": limit}


def judge(tests, status, output):
    """Returns the outcome of some programs.

    tests: the tests.json of selftests/run, or None. status, output: the exit status and the output of selftests/run.

    passed: every case passed or was skipped. skipped: every case was skipped. failed: the programs found a fault. hung:
    the only failures are timeouts and reports of the kernel's clocks. broken: there is no result, or it only says what
    was not judged. `program` is the first program that did not pass, if known.
    """
    words = (output.strip().splitlines() or [""])[-1]
    if stuck := tests and next(filter(None, map(UNKILLABLE.match, tests["faults"])), None):
        return outcome("hung", stuck[0], stuck[1])
    if refused := tests and next(filter(REFUSED.match, tests["faults"]), None):
        return outcome("failed", refused.splitlines()[0])
    if tests is None or not tests.get("complete"):
        return outcome("broken", f"selftests/run ended with status {status} and left no whole tests.json: {words}")
    cases, faults = complaints(tests)
    if not cases and not faults:
        if tests.get("leaks", {}).get("switched_off"):
            return outcome("broken", kernel_bugs.NOT_JUDGED + "kmemleak is switched off, so leaks were not found")
        if tests["failed"] or status not in (0, 4):
            return outcome("broken",
                           f"selftests/run ended with status {status}, and its tests.json has no failure: {words}")
        return outcome("passed" if tests["passed"] else "skipped")
    unseen = [(program, text) for program, _, text in cases + faults if is_no_evidence(text)]
    cases, faults = ([one for one in some if not is_no_evidence(one[2])] for some in (cases, faults))
    if not cases and not faults:
        program, text = unseen[0]
        return outcome("broken", text, program)
    late = hangs(cases, faults)
    clear = [(program, case) for program, case, reason in cases
             if not TIMED_OUT.search(reason) or EXPECTATION.search(reason)]
    clear += [(program, fault) for program, _, fault in faults
              if KERNEL_LOG.match(fault) and not kernel_bugs.is_stall(fault)]
    if clear or not late:
        program, found = (clear or [(program, fault) for program, _, fault in faults])[0]
        return outcome("failed", found, program)
    # Other complaints, such as objects that are left, follow from the end of the killed program.
    program, found, case, limit = late[0]
    return outcome("hung", found, program, case, limit)


def hangs(cases, faults):
    """Returns [(program, what, case or "", limit in seconds)] of the complaints that say only that something hung."""
    late = [(program, f"{case or 'the program'} {match[0]}", case, int(match[1]))
            for program, case, reason in cases + faults if (match := TIMED_OUT.search(reason))]
    return late + [(program, fault, "", STALL_S) for program, _, fault in faults
                   if KERNEL_LOG.match(fault) and kernel_bugs.is_stall(fault)]


def read_tests(path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def numbers_of(job):
    """Returns the numbers of the job's faults as the parameter `mutant` expects them; 0 means no fault."""
    return ",".join(map(str, job["mutants"])) or "0"


def parameters_of(where):
    """Returns the directory of the parameters that switch faults on, or None for the test module."""
    return MODULES / SWITCHES[where] / "parameters" if where in SWITCHES else None


def load_faulty(job):
    """Loads the kernel's module with the faults, so no program loads the right one. Its parameters are those of the
    kernel's command line, as for modprobe."""
    name = SWITCHES.get(job["where"])
    if job["faulty"] and not (MODULES / name).exists():
        words = pathlib.Path("/proc/cmdline").read_text(encoding="utf-8").split()
        subprocess.run(["insmod", job["faulty"], *(word.removeprefix(f"{name}.") for word in words
                                                   if word.startswith(f"{name}."))], check=True)


def switch_on(job):
    """Switches the faults of the kernel or of a module of the kernel on."""
    if parameters := parameters_of(job["where"]):
        (parameters / "sites").write_text("0")
        (parameters / "mutant").write_text(numbers_of(job))
    elif job["sites"]:
        subprocess.run(["dmesg", "--clear"], check=False)


def switch_off(job):
    if parameters := parameters_of(job["where"]):
        (parameters / "mutant").write_text("0")


def executed_sites(where):
    """Returns the sites that the kernel or the module reported, or None if there is no report. A copy of the module
    that was refused, or unloaded, reports its sites as well."""
    if parameters := parameters_of(where):
        words = (parameters / "sites").read_text().replace(",", "")
        return [bit for bit in range(len(words) * 4) if int(words, 16) >> bit & 1]
    log = subprocess.run(["dmesg"], capture_output=True, text=True, errors="replace", check=False).stdout
    if "testexp-sites: begin" not in log:
        return None
    words = re.findall(r"testexp-sites: (\d+) ([0-9a-f]+)$", log, re.MULTILINE)
    return sorted({int(word) * 64 + bit for word, bits in words for bit in range(64) if int(bits, 16) >> bit & 1})


def with_names_of_job(tests, named):
    """Gives the programs in a tests.json the names that the job has for them. named: {name in tests.json: name}."""
    for program in (tests or {}).get("programs", []):
        program["name"] = named.get(program["name"], program["name"])
    return tests


def times_of(tests):
    """Returns {name: seconds} of each program and of each case; a case has the name "program/case"."""
    times = {}
    for program in (tests or {}).get("programs", []):
        times[program["name"]] = program.get("seconds")
        times.update({f"{program['name']}/{case['name']}": case.get("seconds") for case in program["cases"]})
    return times


class Runner:
    """Loads selftests/run once and runs it in a fork each time.

    On an emulated processor the start of Python takes longer than most programs run.
    """

    def __init__(self):
        sys.path.insert(0, str(SELFTESTS))  # before this directory, which has a module `verdicts` as well
        loader = importlib.machinery.SourceFileLoader("selftests_run", str(SELFTESTS / "run"))
        self.program = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
        loader.exec_module(self.program)
        self.program.limits.KILL_S = KILL_S

    def arguments_of(self, names):
        """Returns (the words that make selftests/run run these programs, {name in tests.json: name})."""
        words, named = [], {}
        for name in names:
            arguments = check_of(name)
            if arguments is None:
                words.append(program_of(name))
                named[program_of(name)] = name
            else:
                words += ["--check", arguments]
                named.update(dict.fromkeys(self.program.checks_of([arguments]), name))
        return words, named

    def run(self, words, environment, log):
        """Runs selftests/run with its output in the file `log`; returns its exit status."""
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            self.be(words, environment, log)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    def be(self, words, environment, log):
        """Becomes selftests/run in the child process; does not return."""
        status = 1
        try:
            output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            for source, target in ((os.open(os.devnull, os.O_RDONLY), 0), (output, 1), (output, 2)):
                os.dup2(source, target)
            os.environ.update(environment)
            sys.argv = [str(SELFTESTS / "run"), *words]
            status = self.program.run_command()
        except SystemExit as end:
            status = end.code
            if isinstance(status, str):
                print(status, file=sys.stderr)
        except BaseException:  # pylint: disable=broad-exception-caught
            # A child that returned from here would go on with the work of its parent.
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status if isinstance(status, int) else 1)


def try_programs(runner, job, names, limit, case_limit, directory):
    """Runs some programs; returns the outcome from judge() with the times of the programs."""
    words = ["--bin", job["binaries"], "--out", str(directory), "--module", job["module"], "--quick",
             "--timeout", str(limit)]
    if job["where"] == "module":
        words += ["--parameter", f"mutant={numbers_of(job)}"]
    environment = {"KSFT_STOP_AT_FAILURE": "1", **job["environment"]}
    if case_limit:
        environment["KSFT_CASE_TIMEOUT"] = str(case_limit)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "tests.json").unlink(missing_ok=True)
    programs, named = runner.arguments_of(names)
    log, started = directory / f"{next(iter(named), names[0])}.log", time.monotonic()
    status = runner.run([*words, *programs], environment, log)
    seconds = round(time.monotonic() - started, 1)
    output = log.read_text(errors="replace") if log.exists() else ""
    tests = with_names_of_job(read_tests(directory / "tests.json"), named)
    verdict, still = judge(tests, status, output), bool(list(pathlib.Path("/sys/module").glob(LOADED)))
    if still and verdict["outcome"] in ("passed", "skipped"):
        verdict.update(outcome="broken", found="selftests/run left the module loaded and did not report it")
    if verdict["program"] not in names:
        verdict["program"] = names[-1]
    return {**verdict, "names": names, "seconds": seconds, "times": times_of(tests),
            "clean": not still and not DOUBT.search(output)}


def hunt(jobs):
    """Tries each job. A control continues after a failure, because each of its programs counts."""
    runner = Runner()
    for number, job in enumerate(jobs):
        load_faulty(job)
        if number == 0 and job["before"]:
            subprocess.run(job["before"], shell=True, check=True, stdout=sys.stderr)
        clean = True
        for names, limit, case_limit in job["programs"]:
            tell(job=job["name"], begins=names)
            switch_on(job)
            run = try_programs(runner, job, names, limit, case_limit, pathlib.Path(job["directory"]))
            switch_off(job)
            clean = run.pop("clean")
            tell(job=job["name"], sites=executed_sites(job["where"]) if job["sites"] else None, **run)
            if not clean or (run["outcome"] not in ("passed", "skipped") and not job["control"]):
                break
        tell(job=job["name"], ends=True)
        if not clean:
            return DIRTY
    return 0


if __name__ == "__main__":
    sys.exit(hunt(json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))))
