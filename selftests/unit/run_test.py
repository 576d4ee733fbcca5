#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""selftests/run against programs that lie, crash, hang or stop short: shell scripts in place of the real ones."""
import importlib.machinery
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
import unittest.mock

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.append(os.path.dirname(HERE))
import kernel_bugs  # pylint: disable=wrong-import-position

RUN = os.path.join(os.path.dirname(HERE), "run")
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

# What the kselftest runner prints of one program: its lines, and the runner's own of it.
RUNNER = "TAP version 13\n1..1\n# timeout set to 600\n# selftests: dmabuf: a\n{}{} selftests: dmabuf: a{}\n"
GOOD = "# TAP version 13\n# 1..2\n# ok 1 a\n# ok 2 b\n"
BAD = "# TAP version 13\n# 1..2\n# # because\n# not ok 1 a\n# ok 2 b\n"

# Name: the runner's output, the end of the last line, words that the output must have.
LOGS = {
    "good": (RUNNER.format(GOOD, "ok 1", ""), "2 passed, 0 failed, 0 skipped", ""),
    "make_talks": ("make: Entering\n" + RUNNER.format(GOOD, "ok 1", "") + "make: Leaving\n", "2 passed, 0 failed, 0 skipped", ""),
    "fails": (RUNNER.format(BAD, "not ok 1", " # exit=1"), "1 passed, 1 failed, 0 skipped", "# because"),
    "inner_fails_only": (RUNNER.format(BAD, "ok 1", ""), "1 passed, 2 failed, 0 skipped", "exit status 0 does not fit"),
    "outer_fails_only": (RUNNER.format(GOOD, "not ok 1", " # exit=1"), "2 passed, 1 failed, 0 skipped", "exit status 1 does not fit"),
    "crashes": (RUNNER.format(GOOD[:-9], "not ok 1", " # exit=139"), "1 passed, 1 failed, 0 skipped", "1 results, but 2 were planned"),
    "times_out": (RUNNER.format(GOOD, "not ok 1", " # TIMEOUT 600 seconds"), "2 passed, 1 failed, 0 skipped", "the runner says: TIMEOUT"),
    "missing": (RUNNER.format("", "not ok 1", ""), "0 passed, 1 failed, 0 skipped", "no version line"),
    "bails_out": (RUNNER.format(GOOD + "# Bail out! leaked\n", "not ok 1", " # exit=1"), "2 passed, 1 failed, 0 skipped", "Bail out! leaked"),
    "skips": (RUNNER.format("# TAP version 13\n# 1..0 # SKIP not root\n", "ok 1", " # SKIP"), "0 passed, 0 failed, 1 skipped", "skipped 1: not root"),
    "stops_short": ("TAP version 13\n1..2\n" + GOOD + "ok 1 selftests: dmabuf: a\n", "2 passed, 1 failed, 0 skipped", "1 programs, but 2"),
    "empty": ("", "0 passed, 1 failed, 0 skipped", "no result of the kselftest runner"),
}


class ReadTest(unittest.TestCase):
    def test_verdicts(self):
        for name, (log, totals, words) in LOGS.items():
            with self.subTest(name):
                done = subprocess.run([RUN, "--read", "-"], input=log, capture_output=True, text=True, check=False)
                self.assertEqual(done.stdout.splitlines()[-1:], [totals], done.stdout + done.stderr)
                self.assertIn(words, done.stdout)
                self.assertEqual(done.returncode, 0 if " 0 failed" in totals else 1)


class RunTest(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.directory)
        shutil.copy(RUN, self.directory)
        shutil.copy(kernel_bugs.__file__, self.directory)

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
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("run", loader))
    loader.exec_module(module)
    return module


class ParametersTest(unittest.TestCase):
    def setUp(self):
        self.devices = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.devices)

    def add(self, name, vendor, device, driver=False):
        os.makedirs(os.path.join(self.devices, name, *["driver"] * driver))
        for file, value in (("vendor", vendor), ("device", device)):
            with open(os.path.join(self.devices, name, file), "w", encoding="ascii") as output:
                output.write(f"{value:#06x}\n")

    def parameters(self, **environment):
        with unittest.mock.patch.dict(os.environ, environment):
            return load_run().module_parameters(self.devices)

    def test_ivshmem_that_no_driver_has(self):
        self.add("0000:00:02.0", 0x8086, 0x1110)
        self.add("0000:00:03.0", 0x1af4, 0x1000)
        self.assertEqual(self.parameters(), ["allow_misuse=1"])
        self.add("0000:00:04.0", 0x1af4, 0x1110, driver=True)
        self.assertEqual(self.parameters(), ["allow_misuse=1"])
        self.add("0000:00:06.0", 0x1af4, 0x1110)
        self.add("0000:00:05.0", 0x1af4, 0x1110)
        self.assertEqual(self.parameters(), ["allow_misuse=1", "mmio_bar=0000:00:05.0/2"])

    def test_what_the_user_names(self):
        self.add("0000:00:05.0", 0x1af4, 0x1110)
        self.assertEqual(self.parameters(TESTEXP_MMIO_BAR="0000:01:00.0/0"), ["allow_misuse=1", "mmio_bar=0000:01:00.0/0"])
        self.assertEqual(self.parameters(TESTEXP_MMIO_BAR=""), ["allow_misuse=1"])
        self.assertEqual(self.parameters(TESTEXP_MMIO_BAR="", TESTEXP_IMPORTER_DEVICE="0000:00:10.0"),
                         ["allow_misuse=1", "importer_device=0000:00:10.0"])


class KernelTest(unittest.TestCase):
    def test_log_lines(self):
        """What the kernel really prints; results/tests judges the same lines."""
        counts = {"bug": 0, "warning": 0, "fine": 0}
        with open(os.path.join(HERE, "kernel_log_lines.txt"), encoding="utf-8") as file:
            lines = [line.rstrip("\n").split(" ", 1) for line in file if not line.startswith("#")]
        for kind, text in lines:
            counts[kind] += 1
            for message in (text, kernel_bugs.message(f"[   12.345678] {text}"), kernel_bugs.message(f"[   12.345678][  T123] {text}")):
                found = "bug" if kernel_bugs.BUG.match(message) else "warning" if kernel_bugs.WARNING.match(message) else "fine"
                self.assertEqual(found, kind, text)
        self.assertTrue(all(count > 10 for count in counts.values()), counts)

    def test_not_the_kernels(self):
        self.assertEqual(kernel_bugs.message("BUG: written to the console by hand"), "")

    def test_new_taint(self):
        run = load_run()
        log = run.KernelLog.__new__(run.KernelLog)
        log.fd, log.judge, log.taints, log.lockdep = None, kernel_bugs.Judge(), 0, None
        log.read_taints = lambda: 1 << 7
        self.assertEqual(log.new_bugs(), ["kernel taint changed from 0 to 128"])
        self.assertEqual(log.new_bugs(), [])

    def judge(self, *messages):
        judge = kernel_bugs.Judge()
        return [bug for message in messages if (bug := judge.bug(message))]

    def test_announced_warnings(self):
        begin, end = "dmabuf_testexp: expect-warning: begin", "dmabuf_testexp: expect-warning: end"
        self.assertEqual(self.judge(begin, "WARNING: CPU: 0 PID: 1", "BUG: never announced", end, "WARNING: CPU: 1 PID: 1"),
                         ["BUG: never announced", "WARNING: CPU: 1 PID: 1"])

    def test_announced_splat(self):
        begin, end = "dmabuf_testexp: expect-splat: begin possible recursive locking detected", "dmabuf_testexp: expect-splat: end"
        splat, other = "WARNING: possible recursive locking detected", "WARNING: possible circular locking dependency detected"
        self.assertEqual(self.judge(begin, splat, end), [])
        self.assertEqual(self.judge(begin, end), ["'possible recursive locking detected' was announced, but reported 0 times"])
        self.assertEqual(self.judge(begin, splat, splat, end), ["'possible recursive locking detected' was announced, but reported 2 times"])
        self.assertEqual(self.judge(begin, splat, other, end), [other])
        self.assertEqual(self.judge(begin, splat, end, splat), [splat])
        self.assertEqual(self.judge(splat), [splat])

    def lockdep_log(self, before, after, *messages):
        run = load_run()
        log = run.KernelLog.__new__(run.KernelLog)
        log.fd, log.judge, log.taints, log.lockdep = None, kernel_bugs.Judge(), 0, before
        log.read_taints, log.read_lockdep, log.new_lines = lambda: 0, lambda: after, lambda: messages
        return log

    def test_lockdep_goes_off(self):
        log = self.lockdep_log(1, 0)
        self.assertIn("lockdep went off", log.new_bugs()[0])
        self.assertEqual(log.new_bugs(), [])
        self.assertEqual(self.lockdep_log(1, 1).new_bugs(), [])
        self.assertEqual(self.lockdep_log(None, None).new_bugs(), [])

    def test_lockdep_goes_off_as_announced(self):
        begin, end = "dmabuf_testexp: expect-splat: begin possible recursive locking detected", "dmabuf_testexp: expect-splat: end"
        splat = "WARNING: possible recursive locking detected"
        self.assertEqual(self.lockdep_log(1, 0, begin, splat, end).new_bugs(), [])
        atomic = "BUG: sleeping function called from invalid context at kernel/locking/mutex.c:585"
        log = self.lockdep_log(1, 0, "dmabuf_testexp: expect-splat: begin sleeping function called from invalid context", atomic, end)
        self.assertEqual(len(log.new_bugs()), 1)

    def leaks(self, text):
        """A detector whose file holds this text, and the words that were written to it."""
        run = load_run()
        detector = run.LeakDetector("/nonexistent")
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
        self.assertEqual(load_run().LeakDetector("/nonexistent").new_leaks(), [])

    def test_leak_detector_stops(self):
        detector, _ = self.leaks("")

        def refuse(_):
            raise PermissionError

        detector.tell = refuse
        self.assertEqual(detector.new_leaks(settled=True), ["kmemleak has stopped, so leaks were not found"])


if __name__ == "__main__":
    unittest.main()
