# SPDX-License-Identifier: GPL-2.0
"""The host's side of a hunt: boots guests until every job has a verdict."""

import collections
import contextlib
import functools
import itertools
import json
import os
import pathlib
import re
import signal
import threading

import core
import guest as guest_side
import kernel_bugs
import verdicts

HERE = pathlib.Path(__file__).resolve().parent
MODULE = guest_side.MODULE

# A program that prints no line for PROGRAM_LIMIT_S is ended, and so is a case that takes CASE_LIMIT_S. On two cores
# without KVM the slowest case (P18.run[order=18]) takes 12 to 28 s. A job that hits a limit is tried again with AGAIN
# times the limit, which is ten times what the slowest case takes.
PROGRAM_LIMIT_S = 180
CASE_LIMIT_S = 60
AGAIN = 5
BOOT_LIMIT_S = 300
# This time is added to the limit of a program: a debug kernel on a busy machine takes minutes to boot and to search for
# leaks.
SILENCE_S = 300

# programs: [(names, limit in seconds between two lines, limit in seconds of a case)]; one run of selftests/run has the
#     programs of one entry; None as the limit of a case means the case's own limit
# control: the job has no fault
# sites: report which sites were executed
# mutants: the numbers of the faults to switch on, in the test module or elsewhere, as `where` says (guest.SWITCHES)
# faulty: the file of the kernel's module that has the faults, or ""
# before: a command of the shell that a guest runs once, before its first programs; environment: of the programs
Job = collections.namedtuple("Job", "name module programs control sites mutants where faulty before environment",
                             defaults=(False, False, (), None, "", "", {}))


def complaint(log):
    """Returns the line in which scripts/vm says how the guest ended, or ""."""
    lines = [line.removeprefix("scripts/vm: ") for line in log.splitlines() if line.startswith("scripts/vm: ")]
    return re.sub(r" \(console: .*", "", lines[-1]) if lines else ""


def limited(programs):
    return [([program], PROGRAM_LIMIT_S, CASE_LIMIT_S) for program in programs]


def one_by_one(programs):
    """Returns an entry for each single program, with more time."""
    return [([name], limit * AGAIN, case_limit and case_limit * AGAIN) for names, limit, case_limit in programs
            for name in names]


def patient(programs, took):
    """Returns the programs with twice the time that a hang has to take where the program takes `took` seconds."""
    least = round(2 * verdicts.TENTH * took)
    return [(names, max(limit, least), case_limit and max(case_limit, least)) for names, limit, case_limit in programs]


class Guest:
    """One boot of a guest, and the results of the jobs that ran in it."""

    def __init__(self, kernel, jobs, binaries, work, ended=lambda job, attempt: None, arguments=()):
        """arguments: more options of scripts/vm."""
        self.kernel, self.jobs, self.binaries, self.work, self.ended = kernel, jobs, binaries, work, ended
        self.arguments = arguments
        self.silence = max(limit for job in jobs for _, limit, _ in job.programs) + SILENCE_S
        self.console = work / "console.txt"
        self.console_at = 0  # the length of the console when the current programs began
        self.runs, self.current, self.done, self.silent = collections.defaultdict(list), None, set(), False

    def run(self):
        """Returns {name: Attempt} of the jobs that began. Calls `ended` for each job that ends regularly, at once."""
        self.work.mkdir(parents=True)
        jobs = [{**job._asdict(), "directory": str(self.work / job.name), "binaries": str(self.binaries)}
                for job in self.jobs]
        core.write_json(self.work / "jobs.json", jobs)
        limit = BOOT_LIMIT_S + sum(len(names) for job in self.jobs for names, *_ in job.programs) * self.silence
        command = core.vm_command(self.kernel, ["/usr/bin/python3", "-B", HERE / "guest.py", self.work / "jobs.json"],
                                  timeout=limit, share=self.work, console=self.console,
                                  arguments=self.arguments)
        with open(self.work / "vm.log", "w+b") as log:
            with core.child(command, stdout=-1, stderr=log, text=True, errors="replace") as guest:
                self.listen(guest)
                guest.wait()
            log.seek(0)
            said = complaint(log.read().decode(errors="replace"))
        return self.attempts(guest.returncode, said)

    def listen(self, guest):
        """Records the guest's events. Ends a guest that prints no line for too long."""
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
        with contextlib.suppress(ProcessLookupError):  # the guest has ended already
            os.killpg(guest.pid, signal.SIGTERM)

    def note(self, event):
        """Records an event: programs begin, programs ended, or a job ended."""
        name = event.pop("job")
        if "begins" in event:
            self.current = (name, event["begins"])
            self.console_at = self.console.stat().st_size if self.console.exists() else 0
        elif "ends" in event:
            self.done.add(name)
            self.current = None
            job = next(job for job in self.jobs if job.name == name)
            self.ended(job, verdicts.Attempt(self.runs[name], (), None, ""))
        else:
            self.runs[name].append(event)

    def new_bug(self):
        """Returns the first bug on the console since the current programs began, or "". A stall is returned only if
        there is no other bug. An older bug belongs to the jobs before, and does not say why the guest ended. Older
        lines count only for what they announce."""
        console = self.console.read_bytes() if self.console.exists() else b""
        judge = kernel_bugs.Judge()
        old, new = ([kernel_bugs.message(line) for line in part.decode(errors="replace").splitlines()]
                    for part in (console[:self.console_at], console[self.console_at:]))
        for message in old:
            judge.bug(message)
        bugs = [bug for bug in map(judge.bug, new) if bug and not bug.startswith(kernel_bugs.NOT_JUDGED)]
        return min(bugs, key=kernel_bugs.is_stall, default="")

    def attempts(self, status, said):
        if status == core.GUEST_NOT_STARTED:
            raise core.Problem(f"the guest could not start: {said or self.work / 'vm.log'}")
        found = {name: verdicts.Attempt(self.runs[name], (), None, "") for name in self.done}
        if self.silent:
            end, what = "silent", f"the guest printed nothing for {self.silence} s"
        elif status == core.GUEST_BUG and (bug := self.new_bug()):
            end, what = "bug", f"kernel bug in the guest: {bug}"
        elif "timed out" in said:
            end, what = "silent", said
        else:
            end, what = "lost", said or f"scripts/vm ended with status {status}"
        # When a guest ends between two jobs, both jobs keep their verdicts.
        name, names = self.current or (None, [])
        if name is None and not found:
            name = self.jobs[0].name
        if name is not None and name not in self.done:
            ended = self.runs[name] and self.runs[name][-1]["names"] == names
            found[name] = verdicts.Attempt(self.runs[name], () if ended else tuple(names), end, what)
        return found


class Engine:
    """Tries jobs on one kernel. Calls `report(job, verdict)` for each verdict as soon as the verdict is known.
    Only one thread at a time calls `seen` or `report`."""

    def __init__(self, kernel, binaries, work, report, right=None, seen=lambda job, attempt: None, again=True,
                 arguments=(), guests=1):
        """right: (kernel, module) without a fault, for the control of a fault that is tried again; None: the same
        kernel and module, because a parameter switches the fault on.
        seen: called for each attempt that gave a verdict.
        again: try a job without a verdict once more; otherwise the job's verdict is an error at once.
        arguments: more options of scripts/vm for each guest.
        guests: how many guests run side by side."""
        self.kernel, self.binaries, self.work, self.tell = kernel, binaries, work, report
        self.right, self.look, self.again, self.arguments, self.guests = right, seen, again, arguments, guests
        self.boots, self.doubtful, self.lock = itertools.count(1), collections.deque(), threading.Lock()

    def boot(self, jobs, ended=lambda job, attempt: None, kernel=None):
        return Guest(kernel or self.kernel, jobs, self.binaries, self.work / f"boot-{next(self.boots)}", ended,
                     self.arguments).run()

    def report(self, job, verdict, attempt=None):
        """Passes a verdict on, and the attempt that gave the verdict. A hunt that is stopped gives no verdict, because
        the stop ends the guests."""
        if core.stopped():
            raise core.Stopped
        with self.lock:
            if attempt:
                self.look(job, attempt)
            self.tell(job, verdict)

    def settle(self, job, attempt):
        """Reports the verdict of a job, or keeps a job without a verdict for a second attempt."""
        verdict = verdicts.first_verdict(attempt)
        if verdict:
            self.report(job, verdict, attempt)
        elif self.again:
            self.doubtful.append((job, attempt))
        else:
            self.report(job, verdicts.Verdict(
                "error", next(iter(verdicts.stopped_in(attempt)), None), verdicts.what_of(attempt), None))

    def run(self, jobs):
        """Tries all jobs once, then those without a verdict again."""
        core.together(*(functools.partial(self.run_part, jobs[number::self.guests])
                        for number in range(min(self.guests, len(jobs)))))
        core.together(*[self.try_doubtful] * self.guests)

    def try_doubtful(self):
        """Tries jobs without a verdict again, until there is none left."""
        while pair := self.next_doubtful():
            self.try_again(*pair)

    def next_doubtful(self):
        with self.lock:
            return self.doubtful.popleft() if self.doubtful else None

    def run_part(self, jobs):
        """Boots guests one after the other until each job was tried."""
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
                core.say(f"booting again for the other {len(left)} jobs")

    def try_again(self, job, first):
        """Tries a job once more: alone, in a new guest, with more time. A fault runs after the same program without the
        fault, and has a third attempt if it hangs in another place the second time, or if the machine was slow."""
        programs = one_by_one(job.programs)
        if job.control:
            self.say_again(job, first)
            second = self.boot([job._replace(programs=programs)]).get(job.name)
            verdict = second and verdicts.first_verdict(second)
            self.report(job, verdict or verdicts.Verdict(
                "error", next(iter(verdicts.stopped_in(first)), None), verdicts.twice(first, second), None),
                        second if verdict else None)
            return
        verdict, second, slow = self.beside_control(job, first, programs)
        if slow:
            verdict, *_ = self.beside_control(job, second, patient(programs, slow))
        elif verdicts.hangs_elsewhere(first, second):
            verdict, *_ = self.beside_control(job, second, programs)
        self.report(job, verdict)

    @staticmethod
    def say_again(job, before):
        core.say(f"{job.name}: no verdict ({verdicts.what_of(before)}); trying again, alone")

    def beside_control(self, job, before, programs):
        """Returns the verdict of one more attempt at a fault, the attempt, and slow_seconds(). The attempt begins with
        the program that gave no verdict before; the same program without the fault runs first."""
        self.say_again(job, before)
        doubted = verdicts.stopped_in(before) or [programs[0][0][0]]
        programs = list(itertools.dropwhile(lambda entry: entry[0][0] not in doubted, programs))
        kernel, module = self.right or (self.kernel, job.module)
        control = job._replace(name="control-of-it", module=module, control=True, sites=False, mutants=(),
                               programs=[entry for entry in programs if entry[0][0] in doubted])
        fault = job._replace(programs=programs)
        if kernel == self.kernel:
            attempts = self.boot([control, fault])
        else:
            attempts = {**self.boot([control], kernel=kernel), **self.boot([fault])}
        silence = max(limit for _, limit, _ in programs) + SILENCE_S
        attempt = attempts.get(job.name)
        both = before, attempts.get(control.name), attempt, silence
        return verdicts.second_verdict(*both), attempt, verdicts.slow_seconds(*both)
