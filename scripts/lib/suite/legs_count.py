# SPDX-License-Identifier: GPL-2.0
"""The leg icount: instruction counts are the same each time, whoever counts them."""
import json

import contention
import core
import costs
import guests
import kernels
from checks import NotSo

OTHER_KERNELS = (kernels.NEWEST,)  # with a reference file, besides base
OF_THE_MACHINE = ("kernel:", "kernel_compiler:", "compiler:")  # another Debian has others


def benchmarks(path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))["benchmarks"]
    except (OSError, ValueError, KeyError) as error:
        raise NotSo(f"no counts in {path}: {error}") from error


def minima(path):
    """Minimum of each case. phys_list allocates its list anew each time, and what that takes depends on which pages
    are free: the reference holds it."""
    return {case["name"]: case["per_op"] for case in benchmarks(path) if "/path:phys_list/" not in case["name"]}


def differences(first, second):
    """Names of what differs."""
    return sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))


def same(log, first, second):
    log.expect(first, "nothing was counted")
    different = differences(first, second)
    log.expect(not different, f"{len(different)} of {len(first)} differ: {' '.join(different[:5])}")


def why_not_comparable(text):
    """The reasons that results_compare gives, in lines below its verdict."""
    return [line.strip() for line in text.partition("\ninstructions: not comparable\n")[2].splitlines()]


def compare_with_reference(checks, kernel, directory):
    """A path may have moved only if the reference file moved with it. One of another compiler says nothing."""
    log, name = checks.log(f"reference {kernel}"), f"counts of the reference of {kernel}"
    status = core.call_logged([core.SCRIPTS / "compare", costs.reference_of(kernel), directory], log)
    reasons = why_not_comparable("\n" + log.read_text(errors="replace")) if status == 2 else []
    if reasons and all(reason.startswith(OF_THE_MACHINE) for reason in reasons):
        checks.skips(name, f"requires the kernel and compilers it was made with: {'; '.join(reasons)}")
    elif status != 0:
        checks.fails(name, f"status {status}; if what moved is wanted: scripts/costs --kernel {kernel} --update", log)
    else:
        checks.passes()


def count(checks, name, kernel, out):
    return checks.command(name, [core.SCRIPTS / "costs", "--kernel", kernel, "--no-compare", "--out", out])


def other_kernels(checks):
    """One pass each: what makes two passes agree is the same on every kernel."""
    for kernel in OTHER_KERNELS:
        out = checks.directory / f"icount-{kernel}"
        if count(checks, f"pass on {kernel}", kernel, out):
            compare_with_reference(checks, kernel, out)


def count_contention(log, path):
    """A few of its cases: one buffer for two and eight, overlapping sets, and a path that allocates beside a holder."""
    some = "get_pfn/threads:[28]/hold_ns:1000/buffers:all/iterations|threads:4/.*buffers:sets|sgt_map/threads:2"
    status = contention.count_contention("base", core.userspace_dir(), core.module_for("base"), path,
                                         bench_arguments=["--quick", f"--benchmark_filter={some}"], messages=log.file)
    log.expect(status == 0, f"the guest ended with status {status}")


def is_contention(path):
    """Or the comparison says nothing."""
    return len([case for case in benchmarks(path) if case["ops"] > 100 and case["jain"] > 0 and case["max"] > 0]) == 4


def library_agrees(log, path):
    """One factor, of the clock's frequency, is between Google Benchmark's number and ours, whatever the case."""
    factors = [case["real_time"] / case["mean"] for case in benchmarks(path) if case.get("mean")]
    log.expect(len(factors) > 100, f"only {len(factors)} cases")
    log.expect((max(factors) - min(factors)) / max(factors) < 1e-9,
               f"the factor is between {min(factors)} and {max(factors)}")


def cross_checks(checks):
    """The same cost counted in other ways: by the modes of MEASURE, by the kernel's benchmark of mappings, by BPF."""
    guests.judged(checks, "cross-checks of the modes", "base", ["cross_checks"], short=True, arguments=["--icount"])
    ended = guests.judged(checks, "sgt_map and dma_map_benchmark", "base", ["map_benchmark"], short=True,
                          environment={"TESTEXP_IMPORTER_DEVICE": "0000:00:10.0"}, arguments=["--icount", "--iommu"])
    checks.must_pass(ended.ktap, r"cross.map_benchmark.pages=256\]", r"cross.map_benchmark.pages=511\]")
    guests.tap_with_module(checks, "histogram of dmabuf-lat calls", "base",
                           core.userspace_dir() / "bench/tests/cost-test", "--icount")


def icount(checks):
    first, second = (checks.directory / f"icount-{number}" for number in (1, 2))
    for number, out in enumerate((first, second), 1):
        if not count(checks, f"pass {number}", "base", out):
            return
    counts = "bench-icount.json"
    checks.check("they agree to the last digit", lambda log: same(log, minima(first / counts), minima(second / counts)))
    compare_with_reference(checks, "base", first)
    other_kernels(checks)
    boots = [checks.directory / f"contention-{number}.json" for number in (1, 2)]
    if all([
            checks.check(f"contention, boot {number}", lambda log, path=path: count_contention(log, path))
            for number, path in enumerate(boots, 1)
    ]):
        checks.check("four cases of contention, with waits", lambda log: log.expect(is_contention(boots[0]), "not so"))
        checks.check(
            "contention agrees to the last digit",
            lambda log: log.expect(boots[0].read_bytes() == boots[1].read_bytes(), f"{boots[0]} and {boots[1]} differ"))
    checks.check("Google Benchmark's time is the mean", lambda log: library_agrees(log, first / counts))
    cross_checks(checks)
