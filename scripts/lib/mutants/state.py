# SPDX-License-Identifier: GPL-2.0
"""Keeps the verdicts of generated faults: one line of JSON for each fault, written at once. So an interrupted hunt
can continue.

The verdict "passed" means that a fault passed its fast programs, and its slow programs were not tried yet.

A line is valid while the programs behind the verdict, and what judges the programs, are the same. For a fault that was
found, this is the program that found it, with those before it in its group. For a survivor, these are all programs that
were tried.
"""

import hashlib
import json


def fingerprint(path, judge):
    """Returns a hash of the program's contents and of `judge`, or None if there is no program."""
    try:
        return hashlib.sha256(path.read_bytes() + judge).hexdigest()[:16]
    except OSError:
        return None


class Lines:
    """A file of JSON lines. An interrupted hunt may leave a damaged line, which is ignored."""

    def __init__(self, path):
        self.path = path

    def read(self):
        rows = []
        if self.path.exists():
            for line in self.path.read_text(encoding="utf-8").splitlines():
                try:
                    rows.append(json.loads(line))
                except ValueError:
                    continue
        return rows

    def add(self, row):
        with open(self.path, "a+b") as file:
            file.seek(0, 2)
            if file.tell():
                file.seek(-1, 2)
                if file.read(1) != b"\n":  # a hunt was interrupted in the middle of this line
                    file.write(b"\n")
            file.write(json.dumps(row).encode() + b"\n")


class State:
    """programs: the time of each program without a fault, and the sites that it executed. verdicts: of faults."""

    def __init__(self, directory, fingerprints):
        self.fingerprints = fingerprints
        self.program_lines, self.verdict_lines = (Lines(directory / "programs.jsonl"),
                                                  Lines(directory / "verdicts.jsonl"))
        self.programs = {row["program"]: row for row in self.program_lines.read()
                         if row["fingerprint"] == fingerprints.get(row["program"])}
        self.verdicts = {row["id"]: row for row in self.verdict_lines.read() if self.holds(row)}

    def holds(self, row):
        return all(self.fingerprints.get(program) == digest for program, digest in row["programs"].items())

    def add_program(self, program, seconds, longest, sites):
        """seconds: the time of all cases; longest: the time of the longest case."""
        row = {"program": program, "fingerprint": self.fingerprints[program], "seconds": seconds, "longest": longest,
               "sites": sites}
        self.program_lines.add(row)
        self.programs[program] = row

    def add_verdict(self, mutant, verdict, tried):
        """Records a verdict, except an error: a fault with an error is tried again."""
        if verdict.verdict == "error":
            return
        programs = [*verdict.before, verdict.by] if verdict.verdict == "killed" else tried
        row = {"id": mutant, "verdict": verdict.verdict, "by": verdict.by, "case": verdict.case,
               "seconds": verdict.seconds,
               "tried": tried[:tried.index(verdict.by) + 1] if verdict.by in tried else tried,
               "programs": {program: self.fingerprints[program] for program in programs}}
        self.verdict_lines.add(row)
        self.verdicts[mutant] = row
