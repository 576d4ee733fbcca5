# SPDX-License-Identifier: GPL-2.0
"""The verdicts of a run and the two files with them: tests.json, which all other tools read, and junit.xml.

results/schema.md describes both.
"""
import dataclasses
import json
import os
import re
import xml.etree.ElementTree as xml

import ktap
from whole_file import write_whole

RUNNING = "running"

# Characters that an XML document cannot contain, not even escaped.
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

JUNIT_COUNTS = {"tests": "testcase", "failures": "failure", "errors": "error", "skipped": "skipped"}


@dataclasses.dataclass
class Program:
    name: str
    running: bool = False
    status: int | None = None
    seconds: float | None = None
    cases: list = dataclasses.field(default_factory=list)  # of ktap.Case
    case_seconds: list = dataclasses.field(default_factory=list)
    faults: list = dataclasses.field(default_factory=list)
    announced: int = 0
    chosen: list = dataclasses.field(default_factory=list)  # the patterns of the only cases that were to run

    def count(self, verdict):
        return sum(case.verdict == verdict for case in self.cases)

    def failed(self):
        """The number of failed cases, plus one if the program has faults."""
        return self.count(ktap.FAILED) + bool(self.faults)

    def verdict(self):
        if self.running:
            return RUNNING
        if self.failed():
            return ktap.FAILED
        return ktap.PASSED if self.count(ktap.PASSED) else ktap.SKIPPED

    def value(self):
        seconds = self.case_seconds or [None] * len(self.cases)
        cases = [{"name": case.name, "verdict": case.verdict, "reason": case.reason, "notes": case.notes,
                  "seconds": time} for case, time in zip(self.cases, seconds, strict=True)]
        return {"name": self.name, "verdict": self.verdict(), "status": self.status, "seconds": self.seconds,
                "cases": cases, "faults": self.faults, "announced": self.announced, "chosen": self.chosen}


@dataclasses.dataclass
class Run:
    planned: list
    quick: bool = False
    kernel: str = "unknown"
    flavour: str | None = None
    complete: bool = False
    programs: list = dataclasses.field(default_factory=list)
    faults: list = dataclasses.field(default_factory=list)
    kernel_log: dict = dataclasses.field(default_factory=dict)
    leaks: dict = dataclasses.field(default_factory=dict)

    def totals(self):
        """Passed, failed, skipped. Each program with faults is one failure, and so is each fault of the run."""
        return (sum(program.count(ktap.PASSED) for program in self.programs),
                sum(program.failed() for program in self.programs) + len(self.faults),
                sum(program.count(ktap.SKIPPED) for program in self.programs))

    def status(self):
        """The exit status. 4 is kselftest's status for a skip: nothing was tested."""
        passed, failed, _ = self.totals()
        return 1 if failed else 0 if passed else ktap.SKIP_STATUS

    def value(self):
        passed, failed, skipped = self.totals()
        return {"version": 1, "complete": self.complete, "quick": self.quick,
                "kernel": self.kernel, "flavour": self.flavour,
                "passed": passed, "failed": failed, "skipped": skipped,
                "programs": [program.value() for program in self.programs], "planned": self.planned,
                "faults": self.faults, "kernel_log": self.kernel_log, "leaks": self.leaks}

    def write(self, directory):
        value = self.value()
        write_whole(os.path.join(directory, "tests.json"), json.dumps(value, indent=1, ensure_ascii=False) + "\n")
        write_whole(os.path.join(directory, "junit.xml"), junit(value))


def _add(parent, tag, **attributes):
    told = {name: NOT_XML.sub("?", str(value)) for name, value in attributes.items() if value is not None}
    return xml.SubElement(parent, tag, told)


def _suite(root, name, seconds=None):
    return _add(root, "testsuite", name=name, time=seconds)


def _error(suite, what, text):
    _add(_add(suite, "testcase", classname=suite.get("name"), name=what), "error", message=text)


def _add_program(root, program):
    suite = _suite(root, program["name"], program["seconds"])
    for case in program["cases"]:
        element = _add(suite, "testcase", classname=program["name"], name=case["name"], time=case["seconds"])
        if case["verdict"] == ktap.FAILED:
            _add(element, "failure", message=case["reason"])
        elif case["verdict"] == ktap.SKIPPED:
            _add(element, "skipped", message=case["reason"])
    if program["faults"]:
        _error(suite, "(program)", "\n".join(program["faults"]))
    if program["verdict"] == RUNNING:
        _error(suite, "(program)", "the program did not end")


def junit(value):
    """The content of tests.json as JUnit XML. Programs that did not end, and programs that did not run, are errors."""
    root = xml.Element("testsuites", name="dmabuf-pfn")
    for program in value["programs"]:
        _add_program(root, program)
    for fault in value["faults"]:
        _error(_suite(root, "(run)"), "(run)", fault)
    if not value["complete"]:
        ran = {program["name"] for program in value["programs"]}
        left = [name for name in value["planned"] if name not in ran]
        _error(_suite(root, "(run)"), "(run)", f"the run did not come to its end; not run: {' '.join(left) or 'none'}")
    for element in [*root, root]:
        for attribute, tag in JUNIT_COUNTS.items():
            element.set(attribute, str(sum(1 for _ in element.iter(tag))))
    xml.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + xml.tostring(root, encoding="unicode") + "\n"
