#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""selftests/run against programs that lie, crash, hang or stop short: shell scripts in place of the real ones."""
import os
import shutil
import subprocess
import tempfile
import unittest

RUN = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "run")
HEADER = "echo TAP version 13; echo 1..2; "

# Name: what the program does, the end of the last line, words that the output must have.
CASES = {
    "good": (HEADER + "echo ok 1 a; echo ok 2 b", "2 passed, 0 failed, 0 skipped", ""),
    "skips_one": (HEADER + "echo ok 1 a; echo 'ok 2 b # SKIP no hardware'", "1 passed, 0 failed, 1 skipped", "skipped 1: no hardware"),
    "skips_all": ("echo TAP version 13; echo '1..0 # SKIP not root'; exit 4", "0 passed, 0 failed, 1 skipped", "skipped 1: not root"),
    "fails": (HEADER + "echo '# because'; echo not ok 1 a; echo ok 2 b; exit 1", "1 passed, 1 failed, 0 skipped", "# because"),
    "fails_but_says_0": (HEADER + "echo not ok 1 a; echo ok 2 b", "1 passed, 2 failed, 0 skipped", "exit status 0 does not fit"),
    "passes_but_says_1": (HEADER + "echo ok 1 a; echo ok 2 b; exit 1", "2 passed, 1 failed, 0 skipped", "exit status 1 does not fit"),
    "skips_but_says_0": ("echo TAP version 13; echo '1..0 # SKIP not root'", "0 passed, 1 failed, 1 skipped", "exit status 0 does not fit"),
    "stops_short": (HEADER + "echo ok 1 a", "1 passed, 1 failed, 0 skipped", "1 results, but 2 were planned"),
    "crashes": (HEADER + "echo ok 1 a; kill -SEGV $$", "1 passed, 1 failed, 0 skipped", "killed by signal 11"),
    "too_many": (HEADER + "echo ok 1 a; echo ok 2 b; echo ok 3 c", "3 passed, 1 failed, 0 skipped", "3 results, but 2"),
    "leaves_out": (HEADER + "echo ok 1 a; echo ok 3 b", "2 passed, 1 failed, 0 skipped", "result 3 stands where 2 should"),
    "silent": (":", "0 passed, 1 failed, 0 skipped", "no plan"),
    "no_version": ("echo 1..1; echo ok 1 a", "1 passed, 1 failed, 0 skipped", "no version line"),
    "bails_out": (HEADER + "echo ok 1 a; echo Bail out! tired; exit 1", "1 passed, 1 failed, 0 skipped", "Bail out! tired"),
    "hangs": (HEADER + "echo ok 1 a; sleep 100", "1 passed, 1 failed, 0 skipped", "timed out after 2 s"),
}


class RunTest(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.directory)
        shutil.copy(RUN, self.directory)

    def add(self, name, body):
        with open(os.path.join(self.directory, name + ".cpp"), "w", encoding="ascii"):
            pass
        if body is not None:
            path = os.path.join(self.directory, name)
            with open(path, "w", encoding="ascii") as file:
                file.write(f"#!/bin/sh\n{body}\n")
            os.chmod(path, 0o755)

    def run_it(self, *names):
        return subprocess.run([os.path.join(self.directory, "run"), "--bin", self.directory, "--timeout", "2",
                               "--out", os.path.join(self.directory, "ktap"), *names], capture_output=True, text=True, check=False)

    def test_verdicts(self):
        for name, (body, totals, words) in CASES.items():
            with self.subTest(name):
                self.add(name, body)
                done = self.run_it(name)
                self.assertEqual(done.stdout.splitlines()[-1], totals, done.stdout)
                self.assertIn(words, done.stdout)
                self.assertEqual(done.returncode, 0 if " 0 failed" in totals else 1)
                self.assertTrue(os.path.exists(os.path.join(self.directory, "ktap", name + ".ktap")))

    def test_sums_up(self):
        for name in ("good", "fails", "skips_one"):
            self.add(name, CASES[name][0])
        done = self.run_it()
        self.assertEqual(done.stdout.splitlines()[-1], "4 passed, 1 failed, 1 skipped")
        self.assertIn("[3/3] skips_one", done.stdout)

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


if __name__ == "__main__":
    unittest.main()
