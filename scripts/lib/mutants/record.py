# SPDX-License-Identifier: GPL-2.0
"""Writes the results of a hunt: TAP during the hunt, mutants.json (results/schema.md) at the end."""

import collections
import re
import resource
import threading

import core
import verdicts

# The parts of a kernel log that differ from boot to boot: time stamps, addresses, PFNs, processors and processes.
OF_ONE_BOOT = re.compile(r"\[ *\d+\.\d+\] *|(?:\b0x)?\b(?=[a-f]*\d)[0-9a-f]{5,16}\b|(?<=CPU: )\d+|(?<=PID: )\d+")
SECONDS = re.compile(r"(?<=took )[\d.]+ s")


def of_any_boot(text):
    return SECONDS.sub("some time", OF_ONE_BOOT.sub("", text))


def processor_minutes():
    """Returns the processor time of all child processes, including the guests."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (used.ru_utime + used.ru_stime) / 60


class Record:
    """The verdicts of one hunt. `known`: {name of a known survivor: reason}."""

    def __init__(self, controls, known=None):
        self.expected, self.known = controls, known or {}
        self.controls, self.faults, self.number, self.lock = {}, [], 0, threading.Lock()
        self.by_kernel = collections.Counter()

    def plan(self, faults):
        print("TAP version 13", flush=True)
        print(f"1..{faults + len(self.expected)}", flush=True)

    def line(self, good, text, *comments):
        self.number += 1
        print(f"{'ok' if good else 'not ok'} {self.number} - {text}", flush=True)
        for comment in comments:
            print(f"# {comment}", flush=True)

    def control(self, name, verdict):
        with self.lock:
            good = verdict.verdict == "survived"
            self.controls[name] = verdict
            self.line(good, f"control/{name}",
                      *([] if good else [f"without a fault: {verdict.by or 'no program'}: {verdict.case}"]))

    def fault(self, fault, verdict):
        with self.lock:
            name, took = (f"{fault.kind}/{fault.name}",
                          f" ({verdict.seconds:.0f} s)" if verdict.seconds is not None else "")
            self.faults.append((fault, verdict))
            if verdict.verdict == "killed":
                known = ([f"{fault.name} is a known survivor, but was found: remove its name from `known`"]
                         if fault.name in self.known else [])
                self.line(True, f"{name} # killed by {verdict.by}: {verdict.case}{took}", *known)
            elif verdict.verdict == "survived" and fault.name in self.known:
                self.line(True, f"{name} # SKIP known survivor: {self.known[fault.name]}")
            else:
                what = verdict.case or f"these programs pass: {' '.join(fault.programs) or '(none executes the fault)'}"
                self.line(False, f"{name} # {verdict.verdict}{took}", what, *([fault.text] if fault.text else []))

    def elsewhere(self, fault, place):
        """Reports a fault that has no verdict, because only another kernel shows the difference."""
        with self.lock:
            self.by_kernel[place.kernel] += 1
            self.line(True, f"{fault.kind}/{fault.name} # SKIP only {place.kernel} shows it, with "
                      f"{' '.join(place.programs)}: {place.reason}")

    def missing_controls(self):
        """Reports each control without a verdict as an error: the control has not passed."""
        for name in self.expected:
            if name not in self.controls:
                self.control(name, verdicts.Verdict("error", None, "there is no verdict: the control never ran", None))

    def passed(self):
        good = all(verdict.verdict == "killed" or (verdict.verdict == "survived" and fault.name in self.known)
                   for fault, verdict in self.faults)
        return good and verdicts.controls_passed(self.expected, self.controls)

    def tell_score(self, planned):
        killed = sum(verdict.verdict == "killed" for _, verdict in self.faults)
        print(f"# {killed} of {planned - self.by_kernel.total()} faults found", flush=True)
        for kernel, count in sorted(self.by_kernel.items()):
            print(f"# {count} more have no verdict, because only {kernel} shows them: --kernel {kernel}", flush=True)
        print(f"# {processor_minutes():.1f} processor minutes", flush=True)

    def score(self, known, seed):
        """Returns the contents of mutants.json. known: {kind: number of faults}.

        The contents have no times and no dates, so the same verdicts of the same faults give the same bytes.
        """
        found = sorted(self.faults, key=lambda pair: (pair[0].kind, pair[0].name))
        kinds = []
        for kind in sorted(known):
            names = collections.defaultdict(list)
            for fault, verdict in found:
                if fault.kind == kind:
                    names[verdict.verdict].append(fault.name)
            kinds.append({"kind": kind, "known": known[kind], "tried": sum(map(len, names.values())),
                          "killed": len(names["killed"]), "survived": names["survived"], "errors": names["error"]})
        faults = [{"kind": fault.kind, "name": fault.name, "file": fault.file, "text": fault.text,
                   "flavour": fault.flavour, "verdict": verdict.verdict,
                   "killed_by": verdict.by if verdict.verdict == "killed" else "",
                   "case": of_any_boot(verdict.case or "")}
                  for fault, verdict in found]
        return {"seed": seed, "controls_passed": verdicts.controls_passed(self.expected, self.controls), "kinds": kinds,
                "faults": faults}

    def write(self, directory, known, seed, program):
        directory.mkdir(parents=True, exist_ok=True)
        core.write_json(directory / "mutants.json", self.score(known, seed))
        renew_report(directory, program)


def renew_report(directory, program):
    """Makes the report of a run again, with the score."""
    if not (directory / "report.html").exists():
        return
    if not program.exists():
        core.say(f"the report in {directory} is unchanged, because {program} is not built; scripts/run builds it")
    elif core.call([program, directory]) == 0:
        core.say(f"{directory}/report.html and summary.txt show the score")
