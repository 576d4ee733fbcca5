# SPDX-License-Identifier: GPL-2.0
"""The kernel's own dma-buf tests: runs them on this kernel, and compares two such runs. Used by
../suite/regression.py, which runs this file in a guest.

A run is a text: `SUITE CASE pass|fail|skip REASON`, one line a case. What the tests print cannot be taken as it is:
they stop in the middle of their plan when something is missing, and the number is all that names a case for sure.
"""

import argparse
import os
import pathlib
import re
import subprocess

PLAN = re.compile(r"^1\.\.(\d+)", re.MULTILINE)
RESULT = re.compile(r"^(not )?ok (\d+) *(.*)$", re.MULTILINE)
RUNNING = re.compile(r"dma-buf: Running (\w+)/(\w+)")
FAILED = re.compile(r"dma-buf/(\w+): (\w+) failed with error")
HUGE = pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")
HUGE_PAGES = 1024  # of udmabuf's last case
KSFT_SKIP = 4
SUITES = ["udmabuf", "dmabuf-heap", "DMABUF_SELFTESTS"]


def judge_kselftest(output, status):
    """(case, outcome, reason) for each case of a program's plan, reported or not."""
    reported = {}
    for failed, number, text in RESULT.findall(output):
        reported[int(number)] = ("fail" if failed else "skip" if "# SKIP" in text else "pass", text)
    plan = PLAN.search(output)
    last_words = (output.strip().splitlines() or ["no output"])[-1]
    not_reported = ("skip" if status == KSFT_SKIP else "fail", f"status {status}: {last_words}")
    planned = max([int(plan[1]) if plan else 1, *reported])
    cases = [(str(number), *reported.get(number, not_reported)) for number in range(1, planned + 1)]
    if status not in (0, KSFT_SKIP) and all(outcome != "fail" for _, outcome, _ in cases):
        cases.append(("exit", "fail", not_reported[1]))
    return cases


def run_kselftest(path):
    try:
        done = subprocess.run([path], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=300, check=False)
    except subprocess.TimeoutExpired:
        return [("exit", "fail", "timed out")]
    output = done.stdout.decode(errors="replace")
    print(output, flush=True)
    return judge_kselftest(output, done.returncode)


def run_udmabuf(path, hugepages):
    """Its last case takes 2 GiB of huge pages. Without them it is the one that says nothing, whatever it printed."""
    if hugepages:
        HUGE.write_text(str(HUGE_PAGES))
    cases = run_kselftest(path)
    if hugepages:
        HUGE.write_text("0")
        return cases
    reason = "needs CONFIG_HUGETLBFS in both kernels"
    return [(case, "skip", reason) if case == "6" else (case, outcome, why) for case, outcome, why in cases]


def judge_module(log, status):
    failed = set(FAILED.findall(log))
    started = dict.fromkeys(RUNNING.findall(log))  # some run several times
    cases = [(f"{suite}/{name}", "fail" if (suite, name) in failed else "pass", "") for suite, name in started]
    return cases + [("insmod", "fail" if status else "pass", f"status {status}" if status else "")]


def run_module(path):
    """Loading it runs it; what it did is in the kernel's log only."""
    kmsg = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    os.lseek(kmsg, 0, os.SEEK_END)
    status = subprocess.run(["insmod", path], check=False).returncode
    log = ""
    try:
        while True:
            log += os.read(kmsg, 8192).decode(errors="replace")
    except BlockingIOError:
        pass
    print(log, flush=True)
    subprocess.run(["rmmod", "dmabuf_selftests"], stderr=subprocess.DEVNULL, check=False)
    return judge_module(log, status)


def run(args):
    if args.hide:
        os.unlink(args.hide)
    results = {
        "udmabuf": run_udmabuf(args.bin / "udmabuf", args.hugepages),
        "dmabuf-heap": run_kselftest(args.bin / "dmabuf-heap"),
        "DMABUF_SELFTESTS": run_module(args.module),
    }
    lines = [
        f"{suite} {case} {outcome} {reason}".rstrip() for suite in SUITES for case, outcome, reason in results[suite]
    ]
    args.out.write_text("\n".join(lines) + "\n")


# --- comparing --------------------------------------------------------------------------------------------------------


def read_run(path):
    cases = {}
    for line in path.read_text().splitlines():
        suite, case, outcome, *reason = line.split(" ", 3)
        cases[suite, case] = (outcome, *reason)
    return cases


def compare_runs(before, after):
    """Rows of (suite, case, before, after, reason), and what is wrong with them."""
    rows = []
    for key in dict.fromkeys([*before, *after]):
        left, right = before.get(key, ("absent",)), after.get(key, ("absent",))
        rows.append((*key, left[0], right[0], " / ".join(dict.fromkeys([*left[1:], *right[1:]]))))
    faults = [
        f"{suite} {case}: {left}, {right}: {reason}" for suite, case, left, right, reason in rows if left != right
    ]
    for suite in SUITES:
        for column, side in ((2, "first"), (3, "second")):
            if not any(row[0] == suite and row[column] == "pass" for row in rows):
                faults.append(f"{suite}: no case passed on the {side} kernel, so nothing was compared")
    return rows, faults


def comparison(before, after, names):
    """What regression.json holds, of two files with runs."""
    rows, faults = compare_runs(read_run(before), read_run(after))
    cases = [dict(zip(("suite", "case", "before", "after", "reason"), row)) for row in rows]
    return {"before": names[0], "after": names[1], "faults": faults, "cases": cases}


def print_comparison(document):
    for fault in document["faults"]:
        print(f"differs: {fault}")
    for suite in SUITES:
        outcomes = [case["after"] for case in document["cases"] if case["suite"] == suite]
        counts = ", ".join(f"{outcomes.count(word)} {word}" for word in ("pass", "fail", "skip"))
        print(f"{suite}: {counts} on {document['after']}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--module", required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--hide", default="")
    parser.add_argument("--hugepages", action="store_true")
    run(parser.parse_args())


if __name__ == "__main__":
    main()
