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


def score_of(pairs):
    """Returns the score in words: the killed faults, divided by all. pairs: [(fault, verdict)] from Record.counted().

    A fault without a verdict counts as not found, and so does a fault that only another kernel shows. The truth may be
    higher then, and the words say so. The number is rounded down, so only 100.0 % means all.
    """
    counts = collections.Counter(verdict.verdict for _, verdict in pairs)
    if not counts:
        return "none"
    return (f"{'at least ' if counts['error'] or counts['elsewhere'] else ''}"
            f"{1000 * counts['killed'] // counts.total() / 10:.1f} %")


class Record:
    """The verdicts of one hunt. `known`: {name of a known survivor: reason}. `equivalent`: names of faults that count
    for no score."""

    def __init__(self, controls, known=None, equivalent=()):
        self.expected, self.known, self.equivalent = controls, known or {}, equivalent
        self.controls, self.faults, self.number, self.lock = {}, [], 0, threading.Lock()
        self.by_kernel, self.planned, self.revision = collections.Counter(), [], core.revision()

    def plan(self, faults):
        """Begins the TAP. faults: all faults that this hunt tries."""
        self.planned = faults
        print("TAP version 13", flush=True)
        print(f"1..{len(faults) + len(self.expected)}", flush=True)

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
        """Reports a fault that survived here, because only another kernel shows the difference."""
        with self.lock:
            self.by_kernel[place.kernel] += 1
            why = f"only {place.kernel} shows it, with {' '.join(place.programs)}: {place.reason}"
            self.faults.append((fault, verdicts.Verdict("elsewhere", None, why, None)))
            self.line(True, f"{fault.kind}/{fault.name} # SKIP {why}")

    def missing(self):
        """Reports each control and each planned fault without a verdict as an error, so nothing vanishes."""
        for name in self.expected:
            if name not in self.controls:
                self.control(name, verdicts.Verdict("error", None, "there is no verdict: the control never ran", None))
        tried = {fault.name for fault, _ in self.faults}
        for fault in self.planned:
            if fault.name not in tried:
                self.fault(fault, verdicts.Verdict("error", None, "there is no verdict: the fault was never tried",
                                                   None))

    def passed(self):
        good = all(verdict.verdict in ("killed", "elsewhere")
                   or (verdict.verdict == "survived" and fault.name in self.known) for fault, verdict in self.faults)
        return good and self.controls_passed()

    def counted(self, kind=None):
        """Returns [(fault, verdict)] of the faults that are not equivalent, of one kind or of all kinds."""
        return [(fault, verdict) for fault, verdict in self.sorted()
                if kind in (None, fault.kind) and fault.name not in self.equivalent]

    def sorted(self):
        return sorted(self.faults, key=lambda pair: (pair[0].kind, pair[0].name))

    def controls_passed(self):
        return verdicts.controls_passed(self.expected, self.controls)

    def tell_score(self):
        counted = self.counted()
        counts = collections.Counter(verdict.verdict for _, verdict in counted)
        score = score_of(counted) if self.controls_passed() else "none, because a control did not pass"
        print(f"# score: {score}; {counts['killed']} of {counts.total()} faults found, {counts['error']} without a "
              "verdict", flush=True)
        for kernel, count in sorted(self.by_kernel.items()):
            print(f"# {count} were not found here, because only {kernel} shows them: --kernel {kernel}", flush=True)
        print(f"# {processor_minutes():.1f} processor minutes", flush=True)

    def score(self, known, seed):
        """Returns the contents of mutants.json. known: {kind: number of faults}.

        The contents have no times and no dates, so the same verdicts of the same faults at the same revision give the
        same bytes.
        """
        kinds = []
        for kind in sorted(known):
            counted, names = self.counted(kind), collections.defaultdict(list)
            score = score_of(counted) if self.controls_passed() else "none"
            for fault, verdict in counted:
                names[verdict.verdict].append(fault.name)
            kinds.append({"kind": kind, "known": known[kind], "tried": len(counted), "killed": len(names["killed"]),
                          "score": score, "survived": names["survived"], "errors": names["error"],
                          "elsewhere": names["elsewhere"]})
        faults = [{"kind": fault.kind, "name": fault.name, "file": fault.file, "text": fault.text,
                   "flavour": fault.flavour, "verdict": verdict.verdict,
                   "killed_by": verdict.by if verdict.verdict == "killed" else "",
                   "case": of_any_boot(verdict.case or "")}
                  for fault, verdict in self.sorted()]
        return {"revision": self.revision, "seed": seed, "controls_passed": self.controls_passed(), "kinds": kinds,
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
