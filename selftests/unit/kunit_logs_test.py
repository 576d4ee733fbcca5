#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Claim: selftests/run judges the logs with which the kernel tests its KTAP parser as that parser does, or more
strictly. Each difference is listed here. That parser also reads what the harness of the self-tests prints.

The logs and kunit.py come from the package linux-source-6.12. kunit.py judges the cases that it finds. For wrong output
it prints an "error" that does not change its exit status. selftests/run takes such output for a failure, because the
output may be cut off.
"""
import glob
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
RUN = os.path.join(os.path.dirname(HERE), "run")
PACKAGE = "/usr/src/linux-source-6.12.tar.xz"
KUNIT = "tools/testing/kunit"
FEWEST = 20  # with fewer logs, this is not the expected package

NO_PLAN = "without a plan nobody can see whether cases are missing"

# Log: (passed, failed and skipped according to selftests/run; its exit status; why kunit.py says something else).
DIFFERENT = {
    "test_is_test_passed-kselftest": ((4, 0, 0), 0, "kunit.py takes a program's cases, behind '# ', for comments"),
    "test_is_test_passed-missing_plan": ((10, 1, 0), 1, NO_PLAN),
    "test_output_isolated_correctly": ((2, 1, 0), 1, NO_PLAN),
    "test_output_with_prefix_isolated_correctly": ((10, 1, 0), 1, NO_PLAN),
    "test_is_test_passed-no_tests_no_plan": ((0, 1, 0), 1, "a test without cases did not pass; kunit.py only says so"),
    "test_kernel_panic_interrupt": ((8, 1, 0), 1, "cases that did not run are one failure, and not one each"),
    "test_skip_all_tests": ((0, 0, 5), 4, "kselftest has a status of its own where everything was skipped"),
    "test_insufficient_memory": ((0, 1, 0), 1, "no output is a failure; kunit.py calls it an error, and ends with 1"),
    "test_is_test_passed-no_tests_run_no_header": ((0, 1, 0), 1, "as above"),
    "test_is_test_passed-no_tests_run_with_header": ((0, 1, 0), 1, "as above"),
}

# What ksft_fake does in its second case of three, and what kunit.py counts then.
HARNESS = {
    "pass": {"passed": 3},
    "fail": {"passed": 2, "failed": 1},
    "skip": {"passed": 2, "skipped": 1},
    "segfault": {"passed": 2, "failed": 1},
    "half_a_line": {"passed": 3},
}


def unpack(directory):
    """Unpacks kunit.py and its logs. Stops reading the package, which takes some seconds, as soon as it has them."""
    found = False
    with tarfile.open(PACKAGE, "r|xz") as archive:
        for member in archive:
            name = member.name.partition("/")[2]
            if not name.startswith(KUNIT + "/"):
                if found:
                    break
            elif member.isreg():
                found = True
                path = os.path.join(directory, name)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "wb") as file:
                    file.write(archive.extractfile(member).read())


class KunitLogsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()  # pylint: disable=consider-using-with
        cls.addClassCleanup(cls.directory.cleanup)
        cls.tree = cls.directory.name
        unpack(cls.tree)

    def read(self, path):
        """({verdict: count}, exit status) of the kernel's parser."""
        done = subprocess.run([sys.executable, "-B", f"{KUNIT}/kunit.py", "parse", path], cwd=self.tree,
                              capture_output=True, text=True, check=False)
        line = re.search(r"Testing complete\. Ran \d+ tests: (.*)", done.stdout)
        self.assertTrue(line, done.stdout + done.stderr)
        return {name: int(count) for name, count in re.findall(r"(\w+): (\d+)", line[1])}, done.returncode

    def kunit(self, path):
        """((passed, failed, skipped), exit status) of the kernel's parser."""
        counts, status = self.read(path)
        failed = counts.get("failed", 0) + counts.get("crashed", 0)
        return (counts.get("passed", 0), failed, counts.get("skipped", 0)), status

    @staticmethod
    def ours(path):
        done = subprocess.run([RUN, "--read", path], capture_output=True, text=True, check=False)
        return tuple(int(count) for count in re.findall(r"(\d+) \w+", done.stdout.splitlines()[-1])), done.returncode

    def test_logs(self):
        paths = sorted(glob.glob(os.path.join(self.tree, KUNIT, "test_data", "*.log")))
        self.assertGreaterEqual(len(paths), FEWEST)
        for path in paths:
            name = os.path.basename(path).removesuffix(".log")
            with self.subTest(name):
                theirs, ours = self.kunit(path), self.ours(path)
                if name in DIFFERENT:
                    counts, status, why = DIFFERENT[name]
                    self.assertEqual(ours, (counts, status), why)
                    self.assertNotEqual(ours, theirs, "no longer different: take it off the list")
                    # the verdict is never better than that of the kernel's reader
                    self.assertFalse(theirs[1] != 0 and ours[1] == 0, (theirs, ours))
                else:
                    self.assertEqual(ours, theirs)
        left = set(DIFFERENT) - {os.path.basename(path).removesuffix(".log") for path in paths}
        self.assertEqual(left, set(), "listed, but no such log")

    def test_harness(self):
        """The build names the program ksft_fake in the environment."""
        for what, counts in HARNESS.items():
            with self.subTest(what):
                path = os.path.join(self.tree, f"{what}.log")
                with open(path, "wb") as file:
                    subprocess.run([os.environ["KSFT_FAKE"], what], stdout=file, stderr=file, check=False)
                self.assertEqual(self.read(path)[0], counts)


if __name__ == "__main__":
    unittest.main()
