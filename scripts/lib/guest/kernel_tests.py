# SPDX-License-Identifier: GPL-2.0
"""The kernel's own dma-buf tests: runs them on this kernel, and compares two such runs. Used by
../suite/regression.py, which runs this file in a guest.

A run is a text: `SUITE CASE pass|fail|skip REASON`, one line a case. Most tests print KTAP, which selftests/ktap.py
reads. The output of udmabuf and dmabuf-heap is not always KTAP: they stop in the middle of their plan when something is
missing, and only the number names a case for sure.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parents[3] / "selftests"))
import ktap  # noqa: E402  pylint: disable=wrong-import-position

PLAN = re.compile(r"^1\.\.(\d+)", re.MULTILINE)
RESULT = re.compile(r"^(not )?ok (\d+) *(.*)$", re.MULTILINE)
RUNNING = re.compile(r"dma-buf: Running (\w+)/(\w+)")
FAILED = re.compile(r"dma-buf/(\w+): (\w+) failed with error")
HUGE = pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")
HUGE_PAGES = {"udmabuf": 1024, "iommufd": 64, "iommufd_fail_nth": 64}  # what each suite takes
HUGE_CASES = {"6", "7"}  # of udmabuf
KSFT_SKIP = 4
TIMEOUT_S = 3600
PCI = pathlib.Path("/sys/bus/pci")
# The device edu of scripts/vm --iommu. The other device, ivshmem, has a BAR of 256 bytes, and with such a BAR none of
# these tests gets further than the device (kernel/upstream/7.3). vfio_pci_driver_test has no driver for either device.
EDU = "0000:00:10.0"
VFIO_TESTS = ("vfio_dma_mapping_test", "vfio_dma_mapping_mmio_test", "vfio_iommufd_setup_test", "vfio_pci_device_test")
CONTAINER = pathlib.Path("/dev/vfio/vfio")
WITH_CONTAINER = re.compile(r"\.(vfio_type1|iommufd_compat)")  # in the names of cases
WORST_LAST = ("pass", "skip", "fail")
MENDED = ("fail", "pass")  # without the series, with the series


# --- judging ----------------------------------------------------------------------------------------------------------


def keep_worse(cases, key, outcome, *reason):
    """Adds a case. Of two cases with the same name the worse counts."""
    if key not in cases or WORST_LAST.index(outcome) > WORST_LAST.index(cases[key][0]):
        cases[key] = (outcome, *reason)


def judge_kselftest(output, status):
    """(case, outcome, reason) for each case of a program's plan, reported or not."""
    reported = {}
    for failed, number, text in RESULT.findall(output):
        keep_worse(reported, int(number), "fail" if failed else "skip" if "# SKIP" in text else "pass", text)
    plan = PLAN.search(output)
    last_words = (output.strip().splitlines() or ["no output"])[-1]
    not_reported = ("skip" if status == KSFT_SKIP else "fail", f"status {status}: {last_words}")
    planned = max([int(plan[1]) if plan else 1, *reported])
    cases = [(str(number), *reported.get(number, not_reported)) for number in range(1, planned + 1)]
    if status not in (0, KSFT_SKIP) and all(outcome != "fail" for _, outcome, _ in cases):
        cases.append(("exit", "fail", not_reported[1]))
    return cases


def judge_ktap(output, status):
    """The cases of KTAP by their names. Each fault of the output is a part of the case `output`, which fails."""
    words = {ktap.PASSED: "pass", ktap.FAILED: "fail", ktap.SKIPPED: "skip"}
    read = ktap.read(output)
    cases = [(case.name.replace(" ", "_"), words[case.verdict], case.reason) for case in read.cases]
    if read.faults:
        cases.append(("output", "fail", "; ".join(read.faults)))
    if status not in (0, KSFT_SKIP) and all(outcome != "fail" for _, outcome, _ in cases):
        cases.append(("exit", "fail", f"status {status}"))
    return cases


def judge_module(log, status):
    failed = set(FAILED.findall(log))
    started = dict.fromkeys(RUNNING.findall(log))  # some run several times
    cases = [(f"{suite}/{name}", "fail" if (suite, name) in failed else "pass", "") for suite, name in started]
    return cases + [("insmod", "fail" if status else "pass", f"status {status}" if status else "")]


# --- running ----------------------------------------------------------------------------------------------------------


def run_program(path, *arguments, judge=judge_kselftest):
    try:
        done = subprocess.run([path, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return [("exit", "fail", "timed out")]
    output = done.stdout.decode(errors="replace")
    print(output, flush=True)
    return judge(output, done.returncode)


def with_huge_pages(suite, run):
    """Runs with the huge pages that the suite takes, where this kernel has huge pages."""
    if not HUGE.exists():
        return run()
    HUGE.write_text(str(HUGE_PAGES[suite]))
    try:
        return run()
    finally:
        HUGE.write_text("0")


def run_udmabuf(args):
    """Its last cases take 2 GiB of huge pages. Without huge pages it stops there, whatever it printed."""
    path = args.bin / "udmabuf"
    if args.hugepages:
        return with_huge_pages("udmabuf", lambda: run_program(path))
    reason = "needs CONFIG_HUGETLBFS in both kernels"
    return [(case, "skip", reason) if case in HUGE_CASES else (case, outcome, why)
            for case, outcome, why in run_program(path)]


def read_records(kmsg):
    """Returns (the records of the kernel's log that can be read at once, whether the kernel has dropped some)."""
    log, dropped = "", False
    while True:
        try:
            log += os.read(kmsg, 8192).decode(errors="replace")
        except BrokenPipeError:  # the next read goes on behind the dropped records
            dropped = True
        except BlockingIOError:
            return log, dropped


def judge_messages(command, judge):
    """Runs the command, and judges its status and what the kernel logged meanwhile."""
    kmsg = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    os.lseek(kmsg, 0, os.SEEK_END)
    status = subprocess.run(command, check=False).returncode
    log, dropped = read_records(kmsg)
    os.close(kmsg)
    print(log, flush=True)
    return judge(log, status) + [("log", "fail", "the kernel dropped records before they were read")] * dropped


def run_module(args):
    """Loading the module runs the tests. What they did is only in the kernel's log."""
    cases = judge_messages(["insmod", args.module], judge_module)
    subprocess.run(["rmmod", "dmabuf_selftests"], stderr=subprocess.DEVNULL, check=False)
    return cases


def run_kunit(_):
    """Loading the module runs the suites. Each suite is a case of its own in the kernel's log, without a plan."""
    subprocess.run(["modprobe", "kunit"], check=False)
    cases = judge_messages(["modprobe", "dmabuf_kunit"], judge_kunit)
    subprocess.run(["rmmod", "dmabuf_kunit"], stderr=subprocess.DEVNULL, check=False)
    return cases


def judge_kunit(log, status):
    """A record of /dev/kmsg has a prefix that ends with a semicolon. Continued lines begin with a space."""
    lines = [line.split(";", 1)[1] for line in log.splitlines() if ";" in line and not line.startswith(" ")]
    return judge_ktap("\n".join(lines) + "\n", status)


def run_iommufd(args, name):
    """The programs open /dev/iommu, and the kernel's module has the mock device."""
    subprocess.run(["modprobe", "iommufd"], check=False)
    return with_huge_pages(name, lambda: run_program(args.bin / name, judge=judge_ktap))


def bind_to_vfio(device):
    directory = PCI / "devices" / device
    subprocess.run(["modprobe", "vfio-pci"], check=False)
    (directory / "driver_override").write_text("vfio-pci")
    if not (directory / "driver").exists():
        (PCI / "drivers_probe").write_text(device)


def run_vfio(args, name):
    """Without containers, only the cases that use iommufd alone say anything about this kernel."""
    bind_to_vfio(EDU)
    cases = run_program(args.bin / name, EDU, judge=judge_ktap)
    return cases if CONTAINER.exists() else without_container(cases)


def without_container(cases):
    reason = "needs CONFIG_VFIO_GROUP and a container"
    return [(case, "skip", reason) if WITH_CONTAINER.search(case) else (case, outcome, why)
            for case, outcome, why in cases]


RUNS = {
    "udmabuf": run_udmabuf,
    "dmabuf-heap": lambda args: run_program(args.bin / "dmabuf-heap"),
    "DMABUF_SELFTESTS": run_module,
    "kunit": run_kunit,
    "dmabuf_iter": lambda args: run_program(args.bin / "dmabuf_iter", judge=judge_ktap),
    **{name: lambda args, name=name: run_iommufd(args, name) for name in ("iommufd", "iommufd_fail_nth")},
    **{name: lambda args, name=name: run_vfio(args, name) for name in VFIO_TESTS},
}


def run(args):
    if args.hide:
        os.unlink(args.hide)
    with open(args.out, "w", encoding="utf-8") as out:
        for suite in args.suites.split(","):
            for case, outcome, reason in RUNS[suite](args):
                print(f"{suite} {case} {outcome} {reason}".rstrip(), file=out, flush=True)


# --- comparing --------------------------------------------------------------------------------------------------------


def read_run(path):
    cases = {}
    for line in path.read_text().splitlines():
        suite, case, *outcome = line.split(" ", 3)
        keep_worse(cases, (suite, case), *outcome)
    return cases


def compare_runs(before, after, suites):
    """Rows of (suite, case, before, after, reason), and what is wrong with them. A case that the series mends is
    right."""
    rows = []
    for key in dict.fromkeys([*before, *after]):
        left, right = before.get(key, ("absent",)), after.get(key, ("absent",))
        rows.append((*key, left[0], right[0], " / ".join(dict.fromkeys([*left[1:], *right[1:]]))))
    faults = [
        f"{suite} {case}: {left}, {right}: {reason}" for suite, case, left, right, reason in rows
        if left != right and (left, right) != MENDED
    ]
    for suite in suites:
        for column, side in ((2, "first"), (3, "second")):
            if not any(row[0] == suite and row[column] == "pass" for row in rows):
                faults.append(f"{suite}: no case passed on the {side} kernel, so nothing was compared")
    return rows, faults


def comparison(before, after, names, suites):
    """What regression.json holds, of two files with runs."""
    rows, faults = compare_runs(read_run(before), read_run(after), suites)
    cases = [dict(zip(("suite", "case", "before", "after", "reason"), row)) for row in rows]
    return {"before": names[0], "after": names[1], "faults": faults, "cases": cases}


def print_comparison(document):
    """A case that fails on both kernels has nothing to do with the patches: upstream has this fault."""
    for case in document["cases"]:
        if case["before"] == case["after"] == "fail":
            print(f"fails on both, so not because of the patches: {case['suite']} {case['case']}: {case['reason']}")
        if (case["before"], case["after"]) == MENDED:
            print(f"mended by the series: {case['suite']} {case['case']}: {case['reason']}")
    for fault in document["faults"]:
        print(f"differs: {fault}")
    for suite in dict.fromkeys(case["suite"] for case in document["cases"]):
        cases = [(case["before"], case["after"]) for case in document["cases"] if case["suite"] == suite]
        outcomes = [after for _, after in cases]
        counts = ", ".join(f"{outcomes.count(word)} {word}" for word in ("pass", "fail", "skip"))
        print(f"{suite}: {counts} on {document['after']}, {cases.count(MENDED)} mended by the series")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--module", default="")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--suites", required=True, help="names, with commas between them")
    parser.add_argument("--hide", default="")
    parser.add_argument("--hugepages", action="store_true")
    run(parser.parse_args())


if __name__ == "__main__":
    main()
