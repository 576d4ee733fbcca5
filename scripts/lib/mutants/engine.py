# SPDX-License-Identifier: GPL-2.0
"""The host's side of a hunt: boots guests until every job has its verdict."""

import collections
import contextlib
import json
import os
import pathlib
import re
import signal
import threading

import core
import guest as guest_side
import verdicts

HERE = pathlib.Path(__file__).resolve().parent
MODULE = guest_side.MODULE

# A program that prints no line for so long is ended, and a case that takes so long. The slowest takes a tenth of this on two cores without KVM. What hits a
# limit is tried again with AGAIN times as much.
PROGRAM_LIMIT_S = 180
CASE_LIMIT_S = 60
AGAIN = 4
BOOT_LIMIT_S = 300
# Beyond the limit of a program: a debug kernel on a busy machine takes minutes to come up, and to look for leaks.
SILENCE_S = 300

# programs: [(names, seconds without a line, seconds of a case or None for its own limit)], the names of one entry for one run of selftests/run; control: no
# fault; sites: tell which sites were executed; mutants: numbers of generated faults, which `where` ("module" or "kernel") is told to switch on
Job = collections.namedtuple("Job", "name module programs control sites mutants where",
                             defaults=(False, False, (), None))


def complaint(log):
    """The line in which scripts/vm says how the guest ended, or ""."""
    lines = [line.removeprefix("scripts/vm: ") for line in log.splitlines() if line.startswith("scripts/vm: ")]
    return re.sub(r" \(console: .*", "", lines[-1]) if lines else ""


def limited(programs):
    return [([program], PROGRAM_LIMIT_S, CASE_LIMIT_S) for program in programs]


def one_by_one(programs):
    """The same with an entry for each program, and more time."""
    return [([name], limit * AGAIN, case_limit and case_limit * AGAIN) for names, limit, case_limit in programs
            for name in names]


class Guest:
    """One boot, and what it told of its jobs."""

    def __init__(self, kernel, jobs, binaries, work, ended=lambda job, attempt: None):
        self.kernel, self.jobs, self.binaries, self.work, self.ended = kernel, jobs, binaries, work, ended
        self.silence = max(limit for job in jobs for _, limit, _ in job.programs) + SILENCE_S
        self.runs, self.current, self.done, self.silent = collections.defaultdict(list), None, set(), False

    def run(self):
        """Returns {name: Attempt} of the jobs that were begun; `ended` was told of each whose end was regular."""
        self.work.mkdir(parents=True)
        jobs = [{**job._asdict(), "directory": str(self.work / job.name), "binaries": str(self.binaries)}
                for job in self.jobs]
        core.write_json(self.work / "jobs.json", jobs)
        limit = BOOT_LIMIT_S + sum(len(names) for job in self.jobs for names, *_ in job.programs) * self.silence
        command = core.vm_command(self.kernel, ["/usr/bin/python3", "-B", HERE / "guest.py", self.work / "jobs.json"],
                                  timeout=limit, share=self.work, console=self.work / "console.txt")
        with open(self.work / "vm.log", "w+b") as log:
            with core.child(command, stdout=-1, stderr=log, text=True, errors="replace") as guest:
                self.listen(guest)
                guest.wait()
            log.seek(0)
            said = complaint(log.read().decode(errors="replace"))
        return self.attempts(guest.returncode, said)

    def listen(self, guest):
        """Notes what the guest tells, and ends it when that is nothing for too long."""
        watchdog = self.watch(guest)
        for line in guest.stdout:
            watchdog.cancel()
            watchdog = self.watch(guest)
            with contextlib.suppress(ValueError):
                if line.startswith("{"):
                    self.note(json.loads(line))
        watchdog.cancel()

    def watch(self, guest):
        watchdog = threading.Timer(self.silence, self.end, [guest])
        watchdog.daemon = True
        watchdog.start()
        return watchdog

    def end(self, guest):
        self.silent = True
        with contextlib.suppress(ProcessLookupError):  # it was faster
            os.killpg(guest.pid, signal.SIGTERM)

    def note(self, event):
        """Programs begin, they ended, or a job has ended."""
        name = event.pop("job")
        if "begins" in event:
            self.current = (name, event["begins"])
        elif "ends" in event:
            self.done.add(name)
            self.current = None
            job = next(job for job in self.jobs if job.name == name)
            self.ended(job, verdicts.Attempt(self.runs[name], (), None, ""))
        else:
            self.runs[name].append(event)

    def attempts(self, status, said):
        if status == core.GUEST_NOT_STARTED:
            raise core.Problem(f"the guest could not start: {said or self.work / 'vm.log'}")
        found = {name: verdicts.Attempt(self.runs[name], (), None, "") for name in self.done}
        if self.silent:
            end, what = "silent", f"the guest told nothing for {self.silence} s"
        elif status == core.GUEST_BUG:
            end, what = "bug", said or core.GUEST_ENDS[status]
        elif "timed out" in said:
            end, what = "silent", said
        else:
            end, what = "lost", said or f"scripts/vm ended with status {status}"
        # a guest that ends between two jobs has cost none of them its verdict
        name, names = self.current or (None, [])
        if name is None and not found:
            name = self.jobs[0].name
        if name is not None and name not in self.done:
            ended = self.runs[name] and self.runs[name][-1]["names"] == names
            found[name] = verdicts.Attempt(self.runs[name], () if ended else tuple(names), end, what)
        return found


class Engine:
    """Tries jobs on one kernel. `report(job, verdict)` is told of each verdict as soon as there is one."""

    def __init__(self, kernel, binaries, work, report, right=None, seen=lambda job, attempt: None, again=True):
        """right: (kernel, module) without a fault, for those faults that are tried again; None: the same, as a parameter makes the fault. seen: is told of
        each attempt that gave a verdict. again: try once more what has no verdict; else that is an error at once."""
        self.kernel, self.binaries, self.work, self.report = kernel, binaries, work, report
        self.right, self.seen, self.again = right, seen, again
        self.boots, self.doubtful = 0, []

    def boot(self, jobs, ended=lambda job, attempt: None, kernel=None):
        self.boots += 1
        return Guest(kernel or self.kernel, jobs, self.binaries, self.work / f"boot-{self.boots}", ended).run()

    def settle(self, job, attempt):
        """Reports what is clear, and keeps the rest for later."""
        verdict = verdicts.first_verdict(attempt)
        if verdict:
            self.seen(job, attempt)
            self.report(job, verdict)
        elif self.again:
            self.doubtful.append((job, attempt))
        else:
            self.report(job, verdicts.Verdict(
                "error", next(iter(verdicts.stopped_in(attempt)), None), verdicts.what_of(attempt), None))

    def run(self, jobs):
        left = list(jobs)
        while left:
            told = set()

            def ended(job, attempt, told=told):
                told.add(job.name)
                self.settle(job, attempt)

            attempts = self.boot(left, ended)
            for job in left:
                if job.name in attempts and job.name not in told:
                    self.settle(job, attempts[job.name])
            left = [job for job in left if job.name not in attempts]
            if left:
                core.say(f"booting again for the other {len(left)}")
        doubtful, self.doubtful = self.doubtful, []
        for job, first in doubtful:
            self.try_again(job, first)

    def try_again(self, job, first):
        """Alone, in a fresh guest, with more time; a fault after the same program without it."""
        core.say(f"{job.name}: no verdict ({verdicts.what_of(first)}); once more, alone")
        programs = one_by_one(job.programs)
        if job.control:
            second = self.boot([job._replace(programs=programs)]).get(job.name)
            verdict = second and verdicts.first_verdict(second)
            if verdict:
                self.seen(job, second)
            self.report(job, verdict or verdicts.Verdict(
                "error", next(iter(verdicts.stopped_in(first)), None), verdicts.twice(first, second), None))
            return
        doubted = verdicts.stopped_in(first) or [programs[0][0][0]]
        while programs[0][0][0] not in doubted:
            del programs[0]
        kernel, module = self.right or (self.kernel, job.module)
        control = Job("control-of-it", module, [entry for entry in programs if entry[0][0] in doubted], True,
                      where=job.where)
        fault = job._replace(programs=programs)
        if kernel == self.kernel:
            attempts = self.boot([control, fault])
        else:
            attempts = {**self.boot([control], kernel=kernel), **self.boot([fault])}
        silence = max(limit for _, limit, _ in programs) + SILENCE_S
        self.report(job, verdicts.second_verdict(first, attempts.get(control.name), attempts.get(job.name), silence))
