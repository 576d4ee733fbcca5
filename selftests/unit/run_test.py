#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Claim: selftests/run judges rightly programs that lie, crash, hang or stop short; shell scripts stand for them."""
import argparse
import contextlib
import glob
import importlib.machinery
import importlib.util
import io
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import unittest.mock
import xml.etree.ElementTree as xml

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.realpath(__file__))
SELFTESTS = os.path.dirname(HERE)
sys.path.append(SELFTESTS)
# pylint: disable=wrong-import-position
import interrupts
import kernel_bugs
import kernel_log
import limits
import module
import verdicts

RUN = os.path.join(SELFTESTS, "run")
HEADER = "echo TAP version 13; echo 1..2; "
FIRST_LINE_S = 10  # in which a fake program prints its lines before it hangs; it takes a fraction of a second

# Name: the script of the program, the end of the last line, words that the output must contain.
CASES = {
    "good": (HEADER + "echo ok 1 a; echo ok 2 b", "2 passed, 0 failed, 0 skipped", ""),
    "skips_one": (HEADER + "echo ok 1 a; echo 'ok 2 b # SKIP no hardware'",
                  "1 passed, 0 failed, 1 skipped", "skipped 1: no hardware"),
    "skips_each": (HEADER + "echo 'ok 1 a # SKIP no hardware'; echo 'ok 2 b # SKIP no module'; exit 4",
                   "0 passed, 0 failed, 2 skipped",
                   "nothing was tested"),
    "skips_each_but_says_0": (HEADER + "echo 'ok 1 a # SKIP no hardware'; echo 'ok 2 b # SKIP no module'",
                              "0 passed, 1 failed, 2 skipped", "exit status 0 does not fit"),
    "skips_all": ("echo TAP version 13; echo '1..0 # SKIP not root'; exit 4",
                  "0 passed, 0 failed, 1 skipped", "skipped 1: not root"),
    "fails": (HEADER + "echo '# because'; echo not ok 1 a; echo ok 2 b; exit 1",
              "1 passed, 1 failed, 0 skipped", "# because"),
    "fails_but_says_0": (HEADER + "echo not ok 1 a; echo ok 2 b",
                         "1 passed, 2 failed, 0 skipped", "exit status 0 does not fit"),
    "passes_but_says_1": (HEADER + "echo ok 1 a; echo ok 2 b; exit 1",
                          "2 passed, 1 failed, 0 skipped", "exit status 1 does not fit"),
    "skips_but_says_0": ("echo TAP version 13; echo '1..0 # SKIP not root'",
                         "0 passed, 1 failed, 1 skipped", "exit status 0 does not fit"),
    "stops_short": (HEADER + "echo ok 1 a", "1 passed, 1 failed, 0 skipped", "1 results, but 2 were planned"),
    "crashes": (HEADER + "echo ok 1 a; kill -SEGV $$", "1 passed, 1 failed, 0 skipped", "killed by signal 11"),
    "too_many": (HEADER + "echo ok 1 a; echo ok 2 b; echo ok 3 c", "3 passed, 1 failed, 0 skipped", "3 results, but 2"),
    "leaves_out": (HEADER + "echo ok 1 a; echo ok 3 b",
                   "2 passed, 1 failed, 0 skipped", "result 3 stands where 2 should"),
    "silent": (":", "0 passed, 1 failed, 0 skipped", "no plan"),
    "no_version": ("echo 1..1; echo ok 1 a", "1 passed, 1 failed, 0 skipped", "no version line"),
    "bails_out": (HEADER + "echo ok 1 a; echo Bail out! tired; exit 1",
                  "1 passed, 1 failed, 0 skipped", "Bail out! tired"),
    "hangs": (HEADER + "echo ok 1 a; sleep 1000", "1 passed, 1 failed, 0 skipped", f"timed out after {FIRST_LINE_S} s"),
    "hangs_without_output": (HEADER + "echo ok 1 a; exec >/dev/null 2>&1; sleep 1000",
                             "1 passed, 1 failed, 0 skipped", f"timed out after {FIRST_LINE_S} s"),
    "half_a_line": (HEADER + "echo ok 1 a; printf 'ok 2 b'",
                    "2 passed, 1 failed, 0 skipped", "the last line was cut off"),
    "two_plans": (HEADER + "echo ok 1 a; echo 1..2; echo ok 2 b",
                  "2 passed, 1 failed, 0 skipped", "the plan is not where it belongs"),
    "two_outputs": (HEADER + "echo ok 1 a; echo ok 2 b; " + HEADER + "echo ok 1 c; echo ok 2 d",
                    "4 passed, 1 failed, 0 skipped", "two programs"),
    "same_name": (HEADER + "echo ok 1 a; echo ok 2 a", "2 passed, 1 failed, 0 skipped", "two cases are called 'a'"),
    "too_early": ("echo not ok 1 z; " + HEADER + "echo ok 1 a; echo ok 2 b",
                  "2 passed, 1 failed, 0 skipped", "before the version line"),
    "no_case": ("echo TAP version 13; echo 1..0", "0 passed, 1 failed, 0 skipped", "no case, and no word of why"),
    "no_number": ("echo TAP version 13; echo 1..1; echo ok 1 a; echo not ok",
                  "1 passed, 1 failed, 0 skipped", "a result whose number is missing or too long: not ok"),
    "endless_number": (f"echo TAP version 13; echo 1..1; echo ok 1 a; echo ok {'1' * 5000}",
                       "1 passed, 1 failed, 0 skipped", "a result whose number is missing or too long: ok 111"),
    "endless_plan": (f"echo TAP version 13; echo 1..{'1' * 5000}; echo ok 1 a",
                     "1 passed, 1 failed, 0 skipped", "no plan"),
    "fails_and_skips": (HEADER + "echo not ok 1 a; echo 'ok 2 b # SKIP no hardware'; exit 4",
                        "0 passed, 2 failed, 1 skipped", "exit status 4 does not"),
    # a process that a program leaves behind holds its output open; the run does not wait for it
    "leaves_a_child": (HEADER + "setsid sleep 1000 & echo $! >$0.child; echo ok 1 a; echo ok 2 b",
                       "2 passed, 0 failed, 0 skipped", ""),
}

# Output of the kselftest runner for one program: the program's lines and the runner's result.
RUNNER = "TAP version 13\n1..1\n# timeout set to 600\n# selftests: dmabuf: a\n{}{} selftests: dmabuf: a{}\n"
GOOD = "# TAP version 13\n# 1..2\n# ok 1 a\n# ok 2 b\n"
BAD = "# TAP version 13\n# 1..2\n# # because\n# not ok 1 a\n# ok 2 b\n"

# Name: the output of the runner, the end of the last line, words that the output must contain.
LOGS = {
    "good": (RUNNER.format(GOOD, "ok 1", ""), "2 passed, 0 failed, 0 skipped", ""),
    "make_talks": ("make: Entering\n" + RUNNER.format(GOOD, "ok 1", "") + "make: Leaving\n",
                   "2 passed, 0 failed, 0 skipped", ""),
    "fails": (RUNNER.format(BAD, "not ok 1", " # exit=1"), "1 passed, 1 failed, 0 skipped", "# because"),
    "inner_fails_only": (RUNNER.format(BAD, "ok 1", ""), "1 passed, 2 failed, 0 skipped", "exit status 0 does not fit"),
    "outer_fails_only": (RUNNER.format(GOOD, "not ok 1", " # exit=1"),
                         "2 passed, 1 failed, 0 skipped", "exit status 1 does not fit"),
    "crashes": (RUNNER.format(GOOD[:-9], "not ok 1", " # exit=139"),
                "1 passed, 1 failed, 0 skipped", "1 results, but 2 were planned"),
    "endless_status": (RUNNER.format(GOOD, "not ok 1", f" # exit={'1' * 5000}"),
                       "2 passed, 1 failed, 0 skipped", "the runner says: exit=111"),
    "times_out": (RUNNER.format(GOOD, "not ok 1", " # TIMEOUT 600 seconds"),
                  "2 passed, 1 failed, 0 skipped", "the runner says: TIMEOUT"),
    "fails_with_0": (RUNNER.format(GOOD, "not ok 1", " # exit=0"),
                     "2 passed, 1 failed, 0 skipped", "the runner says: exit=0"),
    "runner_bails_out": (RUNNER.format(GOOD, "ok 1", "") + "Bail out! no space\n",
                         "2 passed, 1 failed, 0 skipped", "the runner says: Bail out! no space"),
    "make_fails": (RUNNER.format(GOOD, "ok 1", "") + "make[1]: *** [Makefile:7: run_tests] Error 2\n",
                   "2 passed, 1 failed, 0 skipped", "make failed, so tests may be missing: make[1]: *** "),
    "missing": (RUNNER.format("", "not ok 1", ""), "0 passed, 1 failed, 0 skipped", "no version line"),
    "bails_out": (RUNNER.format(GOOD + "# Bail out! leaked\n", "not ok 1", " # exit=1"),
                  "2 passed, 1 failed, 0 skipped", "Bail out! leaked"),
    "skips_without_a_version": (RUNNER.format("# 1..0 # SKIP no root\n", "ok 1", " # SKIP"),
                                "0 passed, 0 failed, 1 skipped", ""),
    "skips": (RUNNER.format("# TAP version 13\n# 1..0 # SKIP not root\n", "ok 1", " # SKIP"),
              "0 passed, 0 failed, 1 skipped", "skipped 1: not root"),
    "stops_short": ("TAP version 13\n1..2\n" + GOOD + "ok 1 selftests: dmabuf: a\n",
                    "2 passed, 1 failed, 0 skipped", "1 programs, but 2"),
    "empty": ("", "0 passed, 1 failed, 0 skipped", "no version line"),
    "no_result": ("# selftests: dmabuf: a\n", "0 passed, 1 failed, 0 skipped", "no result of the kselftest runner"),
    # some runners print a skip with the name after the directive, or without a name
    "skips_named_late": (RUNNER.format("# TAP version 13\n# 1..0 # SKIP not root\n", "ok 1 # SKIP", ""),
                         "0 passed, 0 failed, 1 skipped", "a: 0 passed"),
    "skips_unnamed": ("TAP version 13\n1..2\n# selftests: dmabuf: a\n" + GOOD + "ok 1 selftests: dmabuf: a\n"
                      "# selftests: dmabuf: b\nok 2 # SKIP\n",
                      "2 passed, 0 failed, 1 skipped", "b: 0 passed"),
    "skips_with_a_failure": (RUNNER.format(BAD, "ok 1", " # SKIP"),
                             "1 passed, 2 failed, 0 skipped", "exit status 4 does not fit"),
    "skips_after_a_failure": (RUNNER.format("# not ok 1 x\n", "ok 1", " # SKIP"),
                              "0 passed, 2 failed, 0 skipped", "no version line"),
    "skips_after_a_bailout": (RUNNER.format("# Bail out! leaked\n", "ok 1", " # SKIP"),
                              "0 passed, 1 failed, 0 skipped", "Bail out! leaked"),
    "skips_with_words": (RUNNER.format("# no such device\n", "ok 1", " # SKIP"), "0 passed, 0 failed, 1 skipped", ""),
    "fails_by_directive": ("TAP version 13\n1..3\nok 1 a\nok 2 b # TIMEOUT 45 seconds\nok 3 c # ERROR no device\n",
                           "1 passed, 2 failed, 0 skipped", "ok 3 c # ERROR no device"),
    "one_program": (GOOD.replace("# ", ""), "2 passed, 0 failed, 0 skipped", "log: 2 passed"),
    "parent_hides_a_failure": ("KTAP version 1\n1..1\n  KTAP version 1\n  1..1\n  not ok 1 x\nok 1 suite\n",
                               "0 passed, 2 failed, 0 skipped",
                               "'suite' is ok, but 1 of its cases failed"),
    "parent_fails_alone": ("KTAP version 1\n1..1\n  KTAP version 1\n  1..1\n  ok 1 x\nnot ok 1 suite\n",
                           "1 passed, 1 failed, 0 skipped",
                           "'suite' is not ok, but none of its cases failed"),
    "console_cut": ("[    0.1] TAP version 14\n[    0.1] 1..1\n[    0.1]   # Subtest: s\n[    0.1]   1..1\n"
                    "[    0.1]   ok 1 x\n",
                    "1 passed, 1 failed, 0 skipped", "the test 's' has no result"),
    "console_head_lost": ("[    0.1]     KTAP version 1\n[    0.1]     1..1\n[    0.1]     ok 1 x\n",
                          "1 passed, 1 failed, 0 skipped", "the beginning is lost"),
    "head_lost": ("  KTAP version 1\n  1..1\n  ok 1 x\n", "1 passed, 1 failed, 0 skipped", "the beginning is lost"),
    "console_result_too_early": ("[    0.1]   not ok 1 z\n[    0.1] KTAP version 1\n[    0.1] 1..1\n[    0.1] ok 1 x\n",
                                 "1 passed, 1 failed, 0 skipped", "before the version line"),
    "console_with_a_bug": ("[    0.100000] KTAP version 1\n[    0.100000] 1..1\n[    0.100000] BUG: KASAN: bad\n"
                           "[    0.100000] ok 1 x\n[    0.100000] reboot: System halted\n",
                           "1 passed, 1 failed, 0 skipped",
                           "kernel log: no test announced this: [    0.100000] BUG: KASAN: bad"),
    "one_program_cut": (GOOD.replace("# ", "")[:-10], "1 passed, 1 failed, 0 skipped", "1 results, but 2 were planned"),
}


def wanted_status(totals):
    """The exit status that belongs to the last line of a run."""
    passed, failed = (int(part.split()[0]) for part in totals.split(", ")[:2])
    return 1 if failed else 0 if passed else 4


class ReadTest(unittest.TestCase):
    def test_verdicts(self):
        for name, (log, totals, words) in LOGS.items():
            with self.subTest(name):
                done = subprocess.run([RUN, "--read", "-"], input=log, capture_output=True, text=True, check=False)
                self.assertEqual(done.stdout.splitlines()[-1:], [totals], done.stdout + done.stderr)
                self.assertIn(words, done.stdout)
                self.assertEqual(done.returncode, wanted_status(totals))

    def test_writes_verdicts(self):
        with tempfile.TemporaryDirectory() as directory:
            subprocess.run([RUN, "--read", "-", "--out", directory], input=LOGS["fails"][0], capture_output=True,
                           text=True, check=False)
            value = read_verdicts(directory)
        self.assertEqual((value["complete"], value["passed"], value["failed"]), (True, 1, 1))
        self.assertEqual(value["programs"][0]["cases"][0],
                         {"name": "a", "verdict": "failed", "reason": "because", "notes": ["because"], "seconds": None})


def read_verdicts(directory):
    """Reads tests.json of a run and checks that junit.xml has the same counts."""
    with open(os.path.join(directory, "tests.json"), encoding="utf-8") as file:
        value = json.load(file)
    counts = xml.parse(os.path.join(directory, "junit.xml")).getroot().attrib
    if value["complete"]:
        assert int(counts["failures"]) + int(counts["errors"]) == value["failed"], counts
    assert int(counts["skipped"]) == value["skipped"], counts
    failed = len(value["faults"])
    for program in value["programs"]:
        own = sum(case["verdict"] == "failed" for case in program["cases"]) + bool(program["faults"])
        assert (own > 0) == (program["verdict"] == "failed"), program
        failed += own
    assert value["failed"] == failed, value
    return value


class RunTest(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.directory)
        for path in [RUN, *glob.glob(f"{SELFTESTS}/*.py")]:
            shutil.copy(path, self.directory)
        self.out = os.path.join(self.directory, "ktap")

    def add(self, name, body):
        with open(os.path.join(self.directory, name + ".cpp"), "w", encoding="ascii"):
            pass
        if body is not None:
            path = os.path.join(self.directory, name)
            with open(path, "w", encoding="ascii") as file:
                file.write(f"#!/bin/sh\n{body}\n")
            os.chmod(path, 0o755)

    def command(self, *names):
        """This test also runs where the kernel's log cannot be read."""
        return [os.path.join(self.directory, "run"), "--bin", self.directory, "--out", self.out,
                "--allow-no-kernel-log", *names]

    def run_it(self, *names):
        return subprocess.run(self.command(*names), capture_output=True, text=True, check=False)

    def verdicts(self):
        return read_verdicts(self.out)

    def end_child(self, name):
        path = os.path.join(self.directory, f"{name}.child")
        if os.path.exists(path):
            with open(path, encoding="ascii") as file:
                os.kill(int(file.read()), signal.SIGKILL)

    def test_verdicts(self):
        for name, (body, totals, words) in CASES.items():
            with self.subTest(name):
                self.add(name, body)
                done = self.run_it(name, *[f"--timeout={FIRST_LINE_S}"] * name.startswith("hangs"))
                self.end_child(name)
                self.assertEqual(done.stdout.splitlines()[-1:], [totals], done.stdout + done.stderr)
                self.assertIn(words, done.stdout)
                self.assertEqual(done.returncode, wanted_status(totals))
                self.assertTrue(os.path.exists(os.path.join(self.out, name + ".ktap")))
                value = self.verdicts()
                self.assertEqual("{passed} passed, {failed} failed, {skipped} skipped".format(**value), totals)
                self.assertTrue(value["complete"])
                verdict = {0: "passed", 1: "failed", 4: "skipped"}[done.returncode]
                self.assertEqual(value["programs"][0]["verdict"], verdict)

    def test_what_is_in_tests_json(self):
        self.add("mixed", "echo TAP version 13; echo 1..3; echo '# got 3'; echo '# wanted 4'; echo not ok 1 a; "
                          "echo ok 2 - b; echo 'ok 3 c # SKIP no hardware'; exit 1")
        self.add("stops_short", CASES["stops_short"][0])
        self.run_it()
        value = self.verdicts()
        self.assertEqual((value["version"], value["quick"], value["planned"]), (1, False, ["mixed", "stops_short"]))
        mixed, short = value["programs"]
        self.assertEqual([(case["name"], case["verdict"], case["reason"]) for case in mixed["cases"]],
                         [("a", "failed", "got 3; wanted 4"), ("b", "passed", ""), ("c", "skipped", "no hardware")])
        self.assertEqual((mixed["name"], mixed["status"], mixed["faults"], mixed["announced"]), ("mixed", 1, [], 0))
        self.assertEqual((short["verdict"], short["faults"]), ("failed", ["KTAP: 1 results, but 2 were planned"]))

    def test_notes(self):
        """Each case has what stands before its result, whatever its verdict, but not without bounds."""
        said = "TAP version 13\n1..4\n#  5 audited\n# 0 stale\nok 1 a\nok 2 b\n# bad\nnot ok 3 c\n" + "# long\n" * 20
        cases = load_run().ktap.read(f"{said}# {'x' * 1000}\nok 4 d\n").cases
        self.assertEqual([case.notes for case in cases], [["5 audited", "0 stale"], [], ["bad"], ["long"] * 8])
        cases = load_run().ktap.read(f"TAP version 13\n1..1\n# {'x' * 1000}\nok 1 a\n").cases
        self.assertEqual(cases[0].notes, ["x" * 300])

    def test_short_form(self):
        """tests.json says that the run was short, however the programs were told so."""
        self.add("good", CASES["good"][0])
        for words, environment, quick in (
                ((), {}, False), (("--quick",), {}, True), ((), {"TESTEXP_QUICK": "1"}, True)):
            with unittest.mock.patch.dict(os.environ, environment):
                self.run_it(*words)
            self.assertEqual(self.verdicts()["quick"], quick, (words, environment))

    def test_seconds(self):
        """The time of a case begins with the previous result, and that of the first case with the plan."""
        self.add("good", CASES["good"][0])
        self.run_it()
        program = self.verdicts()["programs"][0]
        seconds = [case["seconds"] for case in program["cases"]]
        self.assertTrue(all(value >= 0 for value in seconds), seconds)
        self.assertLessEqual(sum(seconds), program["seconds"] + 0.1)
        run = load_run()
        output = run.ktap.read("TAP version 13\n# slow to begin\n1..2\n# hm\nok 1 a\nok 2 b\n")
        self.assertEqual(run.case_seconds(output.cases, [1, 5, 6, 7, 8.5, 8.75], output.starts_at), [2.5, 0.25])

    def test_names_of_checks(self):
        """Each run of dmabuf-check has a name of its own, and a file can have this name."""
        checks_of = load_run().checks_of
        self.assertEqual(checks_of(["--udmabuf 2M", "--udmabuf  2M"]), {
            "dmabuf-check_udmabuf_2M": ["dmabuf-check", "--udmabuf", "2M"]})
        alike = checks_of(["--from 'a;b'", "--from 'a b'", "--from a_b", "--from 'a;b'"])
        self.assertEqual([words[2] for words in alike.values()], ["a;b", "a b", "a_b"])
        self.assertIn("dmabuf-check_from_a_b", alike)
        long = checks_of([f"--from '{'x' * 300} {end}'" for end in "12"])
        self.assertEqual(len(long), 2)
        self.assertLess(max(map(len, long)), 200)
        self.assertTrue(all(name.isascii() for name in checks_of(["--from 'größer'"])))

    def has_line(self, name, line):
        """Whether an output file is there and has the line."""
        path = os.path.join(self.out, name)
        if not os.path.exists(path):
            return False
        with open(path, encoding="ascii") as file:
            return line in file.readlines()

    def test_cut_off(self):
        """The machine crashes during a run: the files on the disk must be complete, and must not look like a pass."""
        self.add("a_good", CASES["good"][0])
        self.add("b_hangs", HEADER + "echo ok 1 a; echo $$ >$0.pid; mv $0.pid $0.there; sleep 1000")
        self.add("c_never", CASES["good"][0])
        there = os.path.join(self.directory, "b_hangs.there")
        with subprocess.Popen(self.command(), stdout=subprocess.DEVNULL) as process:
            # selftests/run may read the line later than the program writes it.
            while not (os.path.exists(there) and self.has_line("b_hangs.ktap", "ok 1 a\n")):
                self.assertIsNone(process.poll())
            process.kill()
        with open(there, encoding="ascii") as file:
            os.killpg(int(file.read()), signal.SIGKILL)
        value = self.verdicts()
        self.assertFalse(value["complete"])
        self.assertEqual([(program["name"], program["verdict"]) for program in value["programs"]],
                         [("a_good", "passed"), ("b_hangs", "running")])
        self.assertEqual(value["planned"], ["a_good", "b_hangs", "c_never"])
        with open(os.path.join(self.out, "junit.xml"), encoding="utf-8") as file:
            text = file.read()
        self.assertIn("the program did not end", text)
        self.assertIn("not run: c_never", text)
        self.assertEqual([name for name in os.listdir(self.out) if name.startswith(".")], [])
        with open(os.path.join(self.out, "b_hangs.ktap"), encoding="ascii") as file:
            self.assertEqual(file.read(), "TAP version 13\n1..2\nok 1 a\n")

    def test_interrupted(self):
        self.add("hangs", "echo $$ >$0.child; mv $0.child $0.there; sleep 1000")
        with subprocess.Popen(self.command(), stdout=subprocess.DEVNULL) as process:
            there = os.path.join(self.directory, "hangs.there")
            while not os.path.exists(there):
                self.assertIsNone(process.poll())
            process.terminate()
        self.assertEqual(process.returncode, 130)
        self.assertFalse(self.verdicts()["complete"])
        with open(there, encoding="ascii") as file:
            self.assertRaises(ProcessLookupError, os.kill, int(file.read()), 0)

    def keep_signals(self):
        for number in interrupts.ENDING:
            self.addCleanup(signal.signal, number, signal.getsignal(number))

    def test_interrupted_twice(self):
        """A second signal does not end what is done after the first."""
        self.keep_signals()
        self.assertRaises(KeyboardInterrupt, load_run().interrupt, signal.SIGTERM, None)
        for number in interrupts.ENDING:
            os.kill(os.getpid(), number)

    def test_interrupted_at_the_start(self):
        """A signal that comes while the program is being started ends the program too."""
        run, started, start = load_run(), [], subprocess.Popen

        def signalled_start(*args, **options):
            started.append(start(*args, **options))
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0)  # Python calls the handler here at the latest
            return started[0]

        self.keep_signals()
        signal.signal(signal.SIGTERM, run.interrupt)
        args = argparse.Namespace(live=False, timeout=1000)
        with unittest.mock.patch.object(subprocess, "Popen", signalled_start), self.assertRaises(KeyboardInterrupt):
            run.run_program(["/bin/sleep", "1000"], os.path.join(self.directory, "sleep.ktap"), os.environ, Log(), args)
        self.addCleanup(started[0].kill)
        self.assertEqual(started[0].returncode, -signal.SIGKILL)

    def run_beside_log(self, script, read_s=0, timeout=FIRST_LINE_S):
        """Runs a program that writes to a kernel log of the size of a pipe; returns the program's fault."""
        fifo = os.path.join(self.directory, "log")
        os.mkfifo(fifo)
        log = Log()
        log.fd = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
        self.addCleanup(os.close, log.fd)
        log.read = lambda: os.read(log.fd, 1 << 20) and time.sleep(read_s)
        args = argparse.Namespace(live=False, timeout=timeout)
        return load_run().run_program(["/bin/sh", "-c", script, "sh", fifo], os.path.join(self.directory, "a.ktap"),
                                      os.environ, log, args)[2]

    def test_kernel_log_is_read_meanwhile(self):
        self.assertIsNone(self.run_beside_log("head -c 1000000 /dev/zero >$1"))

    def test_slow_kernel_log_ends_no_program(self):
        """The output of a program that ended in time counts, however long the kernel's log took."""
        self.assertIsNone(self.run_beside_log("echo >$1; echo 1..1; echo ok 1 a", read_s=FIRST_LINE_S + 1))

    def test_kernel_log_is_no_output(self):
        """A program that hangs is ended although the kernel logs something all the time."""
        self.assertEqual(self.run_beside_log("while :; do echo 'BUG: soft lockup' >$1; done", timeout=2),
                         "timed out after 2 s without a line")

    def test_old_verdicts_go(self):
        self.add("good", CASES["good"][0])
        self.run_it()
        self.assertEqual(self.verdicts()["passed"], 2)
        done = self.run_it("--module", "/nonexistent.ko")
        value = self.verdicts()
        self.assertEqual((value["passed"], value["failed"], value["complete"]), (0, 1, False))
        self.assertEqual((done.returncode, done.stdout.splitlines()[-1]), (1, "0 passed, 1 failed, 0 skipped"))

    def test_after_load(self):
        self.add("good", CASES["good"][0])
        self.add("start", "echo started >&2; exit 3")
        os.unlink(os.path.join(self.directory, "start.cpp"))
        start = os.path.join(self.directory, "start")
        for program, said in ((start, "started"), ("/nonexistent", "/nonexistent: No such file or directory")):
            done = self.run_it("--after-load", program)
            self.assertEqual((done.returncode, self.verdicts()["passed"]), (1, 0))
            self.assertIn(f"failed: --after-load: {said}", done.stdout)
        done = self.run_it("--after-load", "/bin/true")
        self.assertEqual((done.returncode, self.verdicts()["passed"]), (0, 2))

    def test_too_much_output(self):
        self.add("floods", "yes")
        with open(os.path.join(self.directory, "limits.py"), "a", encoding="ascii") as file:
            file.write("OUTPUT_BYTES = 100000\n")
        done = self.run_it()
        self.assertIn("printed more than 100000 bytes", done.stdout)
        self.assertEqual(done.returncode, 1)

    def test_no_program(self):
        """A program that the kernel refuses to start fails, and the next program runs."""
        self.add("bad", "")
        with open(os.path.join(self.directory, "bad"), "wb") as file:
            file.write(b"\x7fELF nonsense")
        self.add("good", CASES["good"][0])
        done = self.run_it()
        self.assertEqual(done.stdout.splitlines()[-1], "2 passed, 1 failed, 0 skipped")
        self.assertIn("cannot be started: Exec format error", done.stdout)

    def test_sums_up(self):
        for name in ("good", "fails", "skips_one"):
            self.add(name, CASES[name][0])
        done = self.run_it()
        self.assertEqual(done.stdout.splitlines()[-1], "4 passed, 1 failed, 1 skipped")
        self.assertIn("[3/3] skips_one", done.stdout)

    def test_blind_ones_last(self):
        for name in ("lockdep_splats", "move"):
            self.add(name, CASES["good"][0])
            self.assertTrue(os.path.exists(os.path.join(HERE, "..", name + ".cpp")))
        for names in ((), ("lockdep_splats", "move")):
            self.assertIn("[2/2] lockdep_splats", self.run_it(*names).stdout)

    def test_a_fault_is_in_the_file(self):
        self.add("stops_short", CASES["stops_short"][0])
        self.run_it()
        with open(os.path.join(self.directory, "ktap", "stops_short.ktap"), encoding="ascii") as file:
            self.assertIn("Bail out! KTAP: 1 results", file.read())

    def test_not_built(self):
        self.add("absent", None)
        done = self.run_it()
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("has no program 'absent'", done.stderr)

    def test_unknown_name(self):
        self.add("good", CASES["good"][0])
        self.assertIn("no program 'bad'; there are: good", self.run_it("bad").stderr)

    def test_wrong_option(self):
        done = self.run_it("--wrong")
        self.assertEqual((done.returncode, done.stderr),
                         (1, "selftests/run: unrecognized arguments: --wrong; see --help\n"))

    def test_timeout_out_of_range(self):
        self.add("good", CASES["good"][0])
        for text in ("0", "-1", "3000000", "two"):
            done = self.run_it(f"--timeout={text}")
            self.assertEqual((done.returncode, len(done.stderr.splitlines())), (1, 1), done.stderr)
            self.assertIn(f"'{text}' is not a whole number from 1 to 2000000", done.stderr)
        self.assertEqual(self.run_it("--timeout=2000000").returncode, 0)

    def test_chosen_cases(self):
        """Each program gets the patterns of its own cases in KSFT_CASES, one in each line."""
        for name in ("one", "two"):
            self.add(name, f'printf "%s" "${{KSFT_CASES-all}}" >{self.directory}/{name}.cases; ' + CASES["good"][0])
        done = self.run_it("one:P1*[n=1]", "two:x", "one:P2:b", "two")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for name, cases in (("one", "P1*[n=1]\nP2:b"), ("two", "all")):
            with open(f"{self.directory}/{name}.cases", encoding="ascii") as file:
                self.assertEqual(file.read(), cases)
        self.assertEqual([program["chosen"] for program in self.verdicts()["programs"]], [["P1*[n=1]", "P2:b"], []])
        self.assertIn("\none: only cases with 'P1*[n=1]' or 'P2:b' in their names\n", done.stdout)

    def test_cases_of_the_environment(self):
        """The verdicts say which cases were to run, also where KSFT_CASES of the environment says so."""
        for name in ("one", "two"):
            self.add(name, CASES["good"][0])
        with unittest.mock.patch.dict(os.environ, {"KSFT_CASES": "P3"}):
            done = self.run_it("one", "two:x")
        self.assertEqual([program["chosen"] for program in self.verdicts()["programs"]], [["P3"], ["x"]])
        for name, cases in (("one", "P3"), ("two", "x")):
            self.assertIn(f"\n{name}: only cases with '{cases}' in their names\n", done.stdout)

    def test_live(self):
        """Output is printed as it comes: the program waits until the test has seen its first lines."""
        self.add("waits", f"echo TAP version 13; until [ -e {self.directory}/seen ]; do sleep 0.05; done; "
                          "echo 1..1; echo ok 1 a")
        with subprocess.Popen(self.command("--live", "waits"), stdout=subprocess.PIPE, text=True) as process:
            while "TAP version 13" not in process.stdout.readline():
                self.assertIsNone(process.poll())
            open(f"{self.directory}/seen", "wb").close()
            self.assertIn("ok 1 a\n", process.stdout.read())
        self.assertEqual(process.returncode, 0)


LEAKS = """\
unreferenced object 0xffff888004c1e800 (size 128):
  comm "fail_nth", pid 231, jiffies 4294905128
  backtrace (crc 5e3b7f5d):
    [<00000000a1b2c3d4>] kmalloc_trace+0x25/0xc0
    [<00000000d4c3b2a1>] exporter_create+0x5d/0x1e0 [dmabuf_testexp]
unreferenced object 0xffff888004c1ec00 (size 64):
  comm "abi", pid 240, jiffies 4294905131
"""


def load_run():
    """selftests/run as a module."""
    loader = importlib.machinery.SourceFileLoader("run", RUN)
    run = importlib.util.module_from_spec(importlib.util.spec_from_loader("run", loader))
    loader.exec_module(run)
    return run


class Log:
    """A kernel log with these lines."""
    fd = None

    def __init__(self, *recent, why=""):
        self.recent, self.why = recent, why

    def new_bugs(self):
        return []


class ModuleTest(unittest.TestCase):
    """With scripts in place of insmod, rmmod and module_parameters."""

    def setUp(self):
        self.directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.directory)
        self.add("module_parameters", "echo allow_misuse=1 mmio_bar=0000:00:05.0/2")
        self.add("insmod", f'echo "$@" >{self.directory}/loaded')
        self.add("modprobe", "")
        path = unittest.mock.patch.dict(os.environ, PATH=f"{self.directory}:{os.environ['PATH']}")
        path.start()
        self.addCleanup(path.stop)

    def add(self, name, body):
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="ascii") as file:
            file.write(f"#!/bin/sh\n{body}\n")
        os.chmod(path, 0o755)

    def test_parameters_are_the_programs(self):
        module.load("test.ko", self.directory, Log())
        with open(f"{self.directory}/loaded", encoding="ascii") as file:
            self.assertEqual(file.read(), "test.ko allow_misuse=1 mmio_bar=0000:00:05.0/2\n")

    def test_more_parameters(self):
        module.load("test.ko", self.directory, Log(), ["mutant=17"])
        with open(f"{self.directory}/loaded", encoding="ascii") as file:
            self.assertEqual(file.read(), "test.ko allow_misuse=1 mmio_bar=0000:00:05.0/2 mutant=17\n")

    def test_no_parameters(self):
        self.add("module_parameters", "exit 1")
        with self.assertRaisesRegex(module.Problem, "module_parameters failed; build the target 'selftests'"):
            module.load("test.ko", self.directory, Log())
        self.assertFalse(os.path.exists(f"{self.directory}/loaded"))

    def test_refused(self):
        self.add("insmod", "echo 'insmod: ERROR: Unknown symbol' >&2; exit 1")
        with self.assertRaisesRegex(module.Problem, "cannot load test.ko: insmod: ERROR.*\n"
                                                    "the kernel says: test: Unknown symbol frob"):
            module.load("test.ko", self.directory, Log("test: Unknown symbol frob"))
        with self.assertRaisesRegex(module.Problem, "\nwhat the kernel says cannot be read: /dev/kmsg: gone"):
            module.load("test.ko", self.directory, Log(why="/dev/kmsg: gone"))

    def unload(self, body):
        self.add("rmmod", body)
        with unittest.mock.patch.object(limits, "RELEASE_PAUSE_S", 0):
            return module.unload()

    def test_unload(self):
        self.assertEqual(self.unload(""), [])
        self.assertEqual(self.unload("echo in use >&2; exit 1"),
                         ["the module cannot be unloaded, so something leaked: in use"])
        tries = os.path.join(self.directory, "tries")
        self.assertEqual(self.unload(f"echo >>{tries}; test $(wc -l <{tries}) -gt 30"), [])


class BeyondOutputTest(unittest.TestCase):
    """What is wrong although each program says that all is well."""

    def judge(self, script=CASES["good"][0], users=(0, 0), bugs=()):
        """The faults of a program that runs while the module is loaded. `users`: of the module, before and after."""
        log = Log()
        log.announced, log.bugs_of_program = 0, lambda: list(bugs)
        program, users = verdicts.Program("a"), iter([*users, *[users[-1]] * 10])
        with tempfile.TemporaryDirectory() as directory, \
                unittest.mock.patch.object(module, "users", lambda: next(users)), \
                unittest.mock.patch.multiple(limits, RELEASE_ROUNDS=1, RELEASE_PAUSE_S=0):
            args = argparse.Namespace(bin="/bin", out=directory, checks={"a": ["sh", "-c", script]}, module="test.ko",
                                      live=False, timeout=FIRST_LINE_S)
            load_run().judge_program(program, log, os.environ, args)
        return program.faults

    def test_nothing(self):
        self.assertEqual(self.judge(), [])

    def test_skip_although_the_module_is_loaded(self):
        self.assertEqual(self.judge(CASES["skips_all"][0]),
                         ["the program skipped although the module is loaded: not root"])
        self.assertEqual(self.judge(CASES["skips_each"][0]), [])

    def test_objects_are_left(self):
        self.assertEqual(self.judge(users=(1, 3)), ["the program is gone, but 2 of the objects it made are not"])
        self.assertEqual(self.judge(users=(3, 1)), [])

    def test_bugs_in_the_kernel_log(self):
        self.assertEqual(self.judge(bugs=["BUG: one", "BUG: two"]), ["kernel log: BUG: one", "kernel log: BUG: two"])

    @staticmethod
    def run_with_module(path, ends_early=None):
        """The faults of a run in which kmemleak always finds something, and in which the module stays."""
        run, judged = load_run(), verdicts.Run(["a"])
        with unittest.mock.patch.object(kernel_log, "LeakDetector") as detector, \
                unittest.mock.patch.multiple(module, load=lambda *_: None, unload=lambda: ["the module stays"]), \
                unittest.mock.patch.object(run, "run_all", side_effect=ends_early):
            detector.return_value.new_leaks = lambda settled=False: ["leaked at the end" if settled else "leaked"]
            args = argparse.Namespace(module=path, bin="", parameter=[], after_load=None, no_leaks=False)
            try:
                run.run_with_module(judged, Log(), args)
            except module.Problem as why:
                judged.faults.append(str(why))
        return judged.faults

    def test_leaks_and_a_module_that_stays(self):
        self.assertEqual(self.run_with_module("test.ko"), ["leaked", "the module stays", "leaked at the end"])
        self.assertEqual(self.run_with_module(None), ["leaked"])

    def test_module_is_unloaded_however_the_run_ends(self):
        self.assertEqual(self.run_with_module("test.ko", module.Problem("the run ends")),
                         ["the module stays", "leaked at the end", "the run ends"])


class NoKernelLogTest(unittest.TestCase):
    """On a machine where /dev/kmsg cannot be read."""

    def run_it(self, *arguments):
        run = load_run()
        with tempfile.TemporaryDirectory() as directory, contextlib.redirect_stdout(io.StringIO()) as said, \
                unittest.mock.patch.object(kernel_log, "KMSG", "/nonexistent"), \
                unittest.mock.patch.object(run, "programs_in", lambda *_: ["good"]), \
                unittest.mock.patch.object(sys, "argv", ["run", "--bin", directory, "--out", directory, *arguments]):
            with open(os.path.join(directory, "good"), "w", encoding="ascii") as file:
                file.write(f"#!/bin/sh\n{CASES['good'][0]}\n")
            os.chmod(file.name, 0o755)
            return run.main(), said.getvalue(), read_verdicts(directory)

    def test_is_a_failure(self):
        status, said, value = self.run_it()
        self.assertEqual((status, value["failed"]), (1, 1))
        self.assertIn("failed: not judged: what the kernel logs cannot be read (/nonexistent: No such file or "
                      "directory)", said)
        self.assertEqual(value["kernel_log"], {"judged": False, "why": "/nonexistent: No such file or directory",
                                               "bugs": [], "announced": 0})

    def test_is_allowed(self):
        status, said, value = self.run_it("--allow-no-kernel-log")
        self.assertEqual((status, value["failed"], value["kernel_log"]["judged"]), (0, 0, False))
        self.assertIn("\nnot judged: what the kernel logged: /nonexistent: No such file or directory\n2 passed", said)


class JunitTest(unittest.TestCase):
    def test_what_xml_cannot_hold(self):
        run = verdicts.Run(["a"], complete=True, faults=["bell \a, null \0, <tag> & \"quotes\""])
        with tempfile.TemporaryDirectory() as directory:
            run.write(directory)
            root = xml.parse(os.path.join(directory, "junit.xml")).getroot()
        self.assertEqual(root.find(".//error").get("message"), 'bell ?, null ?, <tag> & "quotes"')


class KernelTest(unittest.TestCase):
    WARNINGS = "dmabuf_testexp: expect-warning: begin"
    FAULTS = "expect-iommu-fault: begin 0000:00:10.0 0x100000 0x1fffff"
    KINDS = {(True, True, True): "bug", (True, False, True): "warning", (True, True, False): "iommu",
             (False, False, False): "fine"}

    def kind(self, message):
        """The kind of a message: is it a bug alone, among announced warnings, among announced faults of an IOMMU?"""
        if self.judge(message) == [kernel_bugs.NOT_JUDGED + message]:
            return "stopped"
        if kernel_bugs.is_stall(message):
            return "stall" if self.judge(self.WARNINGS, self.FAULTS, message) else "fine"
        return self.KINDS[tuple(bool(self.judge(*before, message)) for before in ([], [self.WARNINGS], [self.FAULTS]))]

    def test_log_lines(self):
        """Lines that kernels really print."""
        counts = dict.fromkeys([*self.KINDS.values(), "stall", "stopped"], 0)
        with open(os.path.join(HERE, "kernel_log_lines.txt"), encoding="utf-8") as file:
            lines = [line.rstrip("\n").split(" ", 1) for line in file if not line.startswith("#")]
        for kind, text in lines:
            counts[kind] += 1
            for line in (f"[   12.345678] {text}", f"[   12.345678][  T123] {text}"):
                message = kernel_bugs.message(line)
                self.assertEqual(message, text)
                self.assertEqual(self.kind(message), kind, text)
        self.assertTrue(all(count >= 10 for count in counts.values()), counts)

    def test_not_the_kernels(self):
        self.assertEqual(kernel_bugs.message("BUG: written to the console by hand"), "")

    @staticmethod
    def kernel_log(lockdep=None):
        with unittest.mock.patch.object(kernel_log, "KMSG", "/nonexistent"):
            log = kernel_log.KernelLog()
        log.taints, log.lockdep = 0, lockdep
        return log

    def log_of(self, *records):
        """The judge of a kernel log that has these records, where None stands for records that were overwritten."""
        log = self.kernel_log()
        log.read_taints, log.fd, left = lambda: 0, 0, list(records)

        def read(*_):
            if not left:
                raise BlockingIOError
            record = left.pop(0)
            if record is None:
                raise BrokenPipeError
            return f"6,1,1,-;{record}\n".encode()

        patched = unittest.mock.patch.object(os, "read", read)
        patched.start()
        self.addCleanup(patched.stop)
        return log

    def test_lost_lines_are_not_judged(self):
        """The lines after lost lines may have been announced in the lost lines, and the end of an announcement may be
        lost."""
        log = self.log_of("BUG: seen", self.WARNINGS, self.FAULTS, None, "WARNING: who knows")
        self.assertEqual(log.bugs_of_program(), ["BUG: seen", kernel_log.LOST])
        self.assertTrue(kernel_log.LOST.startswith(kernel_bugs.NOT_JUDGED))
        self.assertEqual((log.new_bugs(), log.judge.unended()), ([], None))

    def test_lost_lines_end_with_the_program(self):
        log = self.log_of(None, "BUG: lost with them")
        self.assertEqual(log.bugs_of_program(), [kernel_log.LOST])
        log.new_lines = lambda: ["WARNING: seen"]
        self.assertEqual(log.bugs_of_program(), ["WARNING: seen"])

    def test_endless_reports(self):
        log = self.log_of(*[f"BUG: {number}" for number in range(1000)])
        bugs = log.new_bugs()
        self.assertEqual((len(bugs), bugs[-1]), (kernel_log.BUGS_KEPT + 1, "and 900 more reports"))

    def test_endless_log(self):
        log = self.log_of()
        log.new_lines = lambda: itertools.repeat("BUG: again")
        self.assertTrue(log.read())
        with unittest.mock.patch.object(kernel_log, "READS_AT_ONCE", 3):
            self.assertEqual(log.new_bugs(), ["BUG: again"] * kernel_log.BUGS_KEPT + ["and 3900 more reports",
                                                                                       kernel_log.LOST])

    def test_stopped_checker_hides_no_bug(self):
        log = self.log_of(*["INFO: lockdep is turned off."] * 1000, "BUG: seen")
        self.assertEqual(log.new_bugs(), ["BUG: seen", "not judged: INFO: lockdep is turned off."])

    def test_announcement_ends_with_the_program(self):
        log = self.log_of(self.WARNINGS, "WARNING: announced")
        self.assertEqual(log.bugs_of_program(), ["the log ends within what a test had announced"])
        log.new_lines = lambda: ["WARNING: of the next program"]
        self.assertEqual(log.bugs_of_program(), ["WARNING: of the next program"])

    def test_first_bug_of_a_console(self):
        lines = ["[    1.000000] INFO: lockdep is turned off.", "[    2.000000] BUG: seen", "BUG: by hand"]
        self.assertEqual(list(kernel_bugs.bugs_in(lines)),
                         ["not judged: [    1.000000] INFO: lockdep is turned off.", "[    2.000000] BUG: seen"])

    def test_new_taint(self):
        log = self.kernel_log()
        log.read_taints = lambda: 1 << 7
        self.assertEqual(log.new_bugs(), ["kernel taint changed from 0 to 128"])
        self.assertEqual(log.new_bugs(), [])

    def test_taint_that_the_log_shows(self):
        for bit, left in ((9, 0), (14, 0), (7, 1 << 7)):
            with unittest.mock.patch("builtins.open", unittest.mock.mock_open(read_data=f"{1 << bit}\n")):
                self.assertEqual(kernel_log.KernelLog.read_taints(), left)

    def judge(self, *messages):
        judge = kernel_bugs.Judge()
        return [bug for message in messages if (bug := judge.bug(message))]

    def test_announced_warnings(self):
        begin, end = "dmabuf_testexp: expect-warning: begin", "dmabuf_testexp: expect-warning: end"
        log = [begin, "WARNING: CPU: 0 PID: 1", "BUG: never announced", end, "WARNING: CPU: 1 PID: 1"]
        self.assertEqual(self.judge(*log),
                         ["BUG: never announced", "WARNING: CPU: 1 PID: 1"])

    def test_announced_are_counted(self):
        lines = ["expect-warning: begin", "WARNING: 1", "WARNING: 2", "expect-warning: end", "WARNING: 3",
                 "expect-splat: begin possible recursion", "WARNING: possible recursion", "expect-splat: end"]
        value = kernel_bugs.judge_text("".join(f"[   12.345678][  T123] {line}\n" for line in lines))
        self.assertEqual(value, {"judged": True, "why": "", "bugs": ["[   12.345678][  T123] WARNING: 3"],
                                 "announced": 3})

    def test_text_of_no_kernel(self):
        for text in ("", "BUG: written by hand\n"):
            value = kernel_bugs.judge_text(text)
            self.assertEqual((value["judged"], value["bugs"]), (False, []))
            self.assertIn("no line", value["why"])

    def test_text_that_is_cut(self):
        value = kernel_bugs.judge_text("[    1.000000] expect-warning: begin\n[    2.000000] WARNING: 1\n")
        self.assertEqual(value["bugs"], ["the log ends within what a test had announced"])

    def test_announced_splat(self):
        text = "possible recursive locking detected"
        begin, end = f"dmabuf_testexp: expect-splat: begin {text}", "dmabuf_testexp: expect-splat: end"
        splat, other = f"WARNING: {text}", "WARNING: possible circular locking dependency detected"
        self.assertEqual(self.judge(begin, splat, end), [])
        self.assertEqual(self.judge(begin, end), [f"'{text}' was announced, but reported 0 times"])
        self.assertEqual(self.judge(begin, splat, splat, end), [f"'{text}' was announced, but reported 2 times"])
        self.assertEqual(self.judge(begin, splat, other, end), [other])
        self.assertEqual(self.judge(begin, splat, end, splat), [splat])
        self.assertEqual(self.judge(splat), [splat])

    @staticmethod
    def fault(iova, device="0000:00:10.0"):
        return f"DMAR: [DMA Write NO_PASID] Request device [{device}] fault addr {iova:#x} [fault reason 0x05] PTE"

    def test_announced_faults(self):
        end = self.FAULTS.replace("begin", "end")
        inside = [self.fault(0x100000), "DMAR: DRHD: handling fault status reg 2", self.fault(0x1fffff)]
        self.assertEqual(self.judge(self.FAULTS, *inside, end), [])
        for late in inside:
            self.assertEqual(self.judge(self.FAULTS, *inside, end, late), [late])
        for other in (self.fault(0xff000), self.fault(0x200000), self.fault(0x100000, "0000:00:11.0"),
                      self.fault(0x100000, "0001:00:10.0")):
            self.assertEqual(self.judge(self.FAULTS, inside[0], other, end), [other])

    def test_announcements_come_in_pairs(self):
        end = self.FAULTS.replace("begin", "end")
        self.assertEqual(self.judge(self.FAULTS, end), [])
        self.assertEqual(self.judge(self.FAULTS, self.FAULTS), [f"announced twice: {self.FAULTS}"])
        self.assertEqual(self.judge(end), [f"not announced before: {end}"])

    def test_announcements_of_faults_overlap(self):
        other = "expect-iommu-fault: begin 0000:00:10.0 0x1ff000 0x2fffff"
        both, second = self.fault(0x1ff000), self.fault(0x200000)
        ends = [line.replace("begin", "end") for line in (self.FAULTS, other)]
        self.assertEqual(self.judge(self.FAULTS, other, both, ends[0], second, ends[1], second), [second])

    def test_announced_faults_are_counted(self):
        lines = [self.FAULTS, self.fault(0x100000), self.fault(0x101000), self.FAULTS.replace("begin", "end")]
        value = kernel_bugs.judge_text("".join(f"[    1.000000] {line}\n" for line in lines))
        self.assertEqual((value["bugs"], value["announced"]), ([], 2))

    def test_announced_faults_without_an_end(self):
        why = "IOMMU faults of 0000:00:10.0 at 0x100000 to 0x1fffff were announced without an end"
        self.assertEqual(kernel_bugs.judge_text(f"[    1.000000] {self.FAULTS}\n")["bugs"], [why])
        log = self.lockdep_log(None, None, self.FAULTS, self.fault(0x100000))
        self.assertEqual(log.bugs_of_program(), [why])
        log.new_lines = lambda: [self.fault(0x100000)]
        self.assertEqual(log.bugs_of_program(), [self.fault(0x100000)])
        self.assertEqual(log.summary()["bugs"], [why, self.fault(0x100000)])

    def lockdep_log(self, before, after, *messages):
        log = self.kernel_log(before)
        log.read_taints, log.read_lockdep, log.new_lines = lambda: 0, lambda: after, lambda: messages
        return log

    def test_lockdep_goes_off(self):
        log = self.lockdep_log(1, 0)
        self.assertRegex(log.new_bugs()[0], "^not judged: lockdep went off")
        self.assertEqual(log.new_bugs(), [])
        self.assertEqual(self.lockdep_log(1, 1).new_bugs(), [])
        self.assertEqual(self.lockdep_log(None, None).new_bugs(), [])

    def test_lockdep_goes_off_as_announced(self):
        text = "possible recursive locking detected"
        begin, end = f"dmabuf_testexp: expect-splat: begin {text}", "dmabuf_testexp: expect-splat: end"
        splat = "WARNING: possible recursive locking detected"
        self.assertEqual(self.lockdep_log(1, 0, begin, splat, end).new_bugs(), [])
        atomic = "BUG: sleeping function called from invalid context at kernel/locking/mutex.c:585"
        begin = "dmabuf_testexp: expect-splat: begin sleeping function called from invalid context"
        log = self.lockdep_log(1, 0, begin, atomic, end)
        self.assertEqual(len(log.new_bugs()), 1)

    def leaks(self, text):
        """A detector whose file has this text, and the words that were written to the file."""
        detector = kernel_log.LeakDetector("/nonexistent")
        words = []
        with tempfile.NamedTemporaryFile("w", delete=False) as file:
            self.addCleanup(os.unlink, file.name)
            file.write(text)
        detector.path, detector.usable, detector.tell = file.name, True, words.append
        return detector, words

    def test_leaks(self):
        detector, words = self.leaks(LEAKS)
        leaks = detector.new_leaks(settled=True)
        self.assertEqual(len(leaks), 2)
        self.assertTrue(leaks[0].startswith("kmemleak: unreferenced object 0xffff888004c1e800 (size 128):\n"))
        self.assertIn("exporter_create+0x5d", leaks[0])
        self.assertEqual(words, ["scan", "scan", "clear"])

    def test_many_leaks(self):
        leaks = self.leaks(LEAKS * 10)[0].new_leaks(settled=True)
        self.assertEqual((len(leaks), leaks[-1]), (11, "kmemleak: and 10 more objects like these"))

    def test_no_leaks(self):
        self.assertEqual(self.leaks("")[0].new_leaks(settled=True), [])
        self.assertEqual(kernel_log.LeakDetector("/nonexistent").new_leaks(), [])

    def test_unwanted_leaks(self):
        """Without a scan, kmemleak's file stays as it is."""
        with tempfile.NamedTemporaryFile("w+") as file:
            detector = kernel_log.LeakDetector(file.name, wanted=False)
            self.assertEqual(detector.new_leaks(), [])
            self.assertEqual(file.read(), "")
            self.assertEqual(detector.summary(), {"judged": False, "switched_off": False, "wanted": False})

    def test_leak_detector_stops(self):
        detector, _ = self.leaks("")

        def refuse(_):
            raise PermissionError

        detector.tell = refuse
        self.assertEqual(detector.new_leaks(settled=True),
                         ["not judged: kmemleak has stopped, so leaks were not found"])


if __name__ == "__main__":
    unittest.main()
