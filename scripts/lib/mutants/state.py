# SPDX-License-Identifier: GPL-2.0
"""What is known of generated faults already: a line of JSON for each, added as soon as it is known, so that a hunt that was cut goes on from there.
The verdict "passed" is of a fault that is not through: so far it was tried with its fast programs.

A line counts as long as the programs that made it are the same: of a fault that was found, the program that found it; of one that survived, all that were
tried.
"""

import hashlib
import json


def fingerprint(path):
    """A program by its content."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except OSError:
        return None


class Lines:
    """A file of JSON lines. The last line of one that was cut may be damaged; it is left out."""

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
                if file.read(1) != b"\n":  # of a run that was cut in the middle of it
                    file.write(b"\n")
            file.write(json.dumps(row).encode() + b"\n")


class State:
    """programs: what each program executed without a fault, and how long it took. verdicts: of faults."""

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
        """seconds: of all cases, longest: of the case that took most."""
        row = {"program": program, "fingerprint": self.fingerprints[program], "seconds": seconds, "longest": longest,
               "sites": sites}
        self.program_lines.add(row)
        self.programs[program] = row

    def add_verdict(self, mutant, verdict, tried):
        """An error is not kept: it is tried again."""
        if verdict.verdict == "error":
            return
        programs = [verdict.by] if verdict.verdict == "killed" else tried
        row = {"id": mutant, "verdict": verdict.verdict, "by": verdict.by, "case": verdict.case,
               "seconds": verdict.seconds,
               "tried": tried[:tried.index(verdict.by) + 1] if verdict.by in tried else tried,
               "programs": {program: self.fingerprints[program] for program in programs}}
        self.verdict_lines.add(row)
        self.verdicts[mutant] = row
