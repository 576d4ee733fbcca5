# SPDX-License-Identifier: GPL-2.0
"""Legs that ask a kernel in a guest: right or wrong, not what it costs."""
import collections
import re

import contract as contract_page
import core
import guests
import kernels
import tests_json
from checks import NotSo


NEWEST, OLDER = kernels.NEWEST, kernels.OLDER
DEBUG = f"{NEWEST}-debug"


def main_job(checks, kernel, *arguments):
    """The whole main job, and then what must have come out of it. Returns its directory."""
    out, log = checks.directory / "run", checks.log("run")
    status = core.call_logged([core.SCRIPTS / "run", "--kernel", kernel, "--out", out, *arguments], log)
    checks.self_tests(f"self-tests on {kernel}", out / "ktap", None, log)
    missing = out / "missing.txt"
    checks.holds(f"everything was measured on {kernel}", out.is_dir() and not missing.exists(),
                 f"not measured: {core.last_line(missing) or 'anything'} ({missing})")
    reports = [out / name for name in ("report.html", "summary.txt")]
    checks.holds(f"report of {kernel}", all(path.is_file() and path.stat().st_size for path in reports),
                 f"none in {out}")
    if status != 0 and not checks.result.failed:
        checks.fails(f"main job on {kernel}", f"scripts/run ended with status {status}", log)
    return out


def newest(checks):
    quick = ["--quick"] if checks.quick else []
    summary = main_job(checks, NEWEST, "--perf", *quick) / "summary.txt"
    checks.holds("perf sampled",
                 summary.is_file() and "samples of" in summary.read_text(errors="replace"), f"{summary} has no samples")


def stock(checks):
    """The benchmark is short in the full form too: the leg of the newest kernel runs the whole benchmark."""
    main_job(checks, "stock", "--quick", *[] if checks.quick else ["--full-tests"])


def only_self_tests(checks, kernel, **options):
    """For kernels that differ in what is right or wrong, not in what it costs."""
    guests.judged(checks, f"self-tests on {kernel}", kernel, smp=2, mem=4096, **options)


def debug(checks):
    only_self_tests(checks, DEBUG, short=True)


def upstream(checks):
    only_self_tests(checks, f"{NEWEST}-upstream", short=True)


def older(checks):
    only_self_tests(checks, OLDER)


def nomove(checks):
    only_self_tests(checks, f"{OLDER}-nomove", short=True)


def older_debug(checks):
    only_self_tests(checks, f"{OLDER}-debug", short=True)


# --- portability ------------------------------------------------------------------------------------------------------


# What scripts/kernel says when apt's lists are of today, when a suite lacks the kernel, and when stock.sh has no row.
NO_SUCH_KERNEL = re.compile(r": this Debian has no such kernel$|: \S+ has no kernel stock|: no flavour '")


def kernel_or_skip(checks, kernel):
    """Gets a kernel of Debian. Debian drops old releases from its archive, and may lack the newest release, so a kernel
    that Debian does not have is no failure. A mirror that does not answer is a failure."""
    log = checks.log(f"kernel {kernel}")
    if core.call_logged([core.SCRIPTS / "kernel", "build", kernel], log) == 0:
        return True
    if NO_SUCH_KERNEL.search(core.last_line(log)):
        checks.skips(f"kernel {kernel}", core.last_line(log))
    else:
        checks.fails(f"kernel {kernel}", "it cannot be had", log)
    return False


def module_check(checks, kernel):
    return checks.command(f"module for {kernel} with W=1 C=1", [core.SCRIPTS / "module", "--kernel", kernel, "--check"])


def portability(checks):
    module_check(checks, "stock")
    newest_of_debian = f"stock-{NEWEST}"
    if not checks.quick and kernel_or_skip(checks, newest_of_debian):
        module_check(checks, newest_of_debian)
    checks.native_tests("native, with clang++", core.userspace_dir("clang"))
    if kernel_or_skip(checks, "stock-6.1"):
        module_check(checks, "stock-6.1")
        only_self_tests(checks, "stock-6.1", preset="clang", short=True)


# The kernel's own tests that each version and its configuration have. Without these names, scripts/regression would
# leave out what a changed configuration has lost.
UPSTREAM_SUITES = {
    NEWEST: ("udmabuf", "dmabuf-heap", "dmabuf_iter", "vfio_dma_mapping_test", "vfio_dma_mapping_mmio_test",
             "vfio_iommufd_setup_test", "vfio_pci_device_test"),
    OLDER: ("udmabuf", "dmabuf-heap", "DMABUF_SELFTESTS"),
}


def regression(checks):
    for kernel, suites in UPSTREAM_SUITES.items():
        named = [word for suite in suites for word in ("--suite", suite)]
        checks.command(f"the same results on {kernel} and without its series",
                       [core.SCRIPTS / "regression", "--kernel", kernel, *named, "--out", checks.directory / kernel])


# --- a guest for a few cases ------------------------------------------------------------------------------------------

NO_WARNINGS = ["--append", "panic_on_warn=1"]


def panics_of_warning(checks, log):
    """Ends as it should only when the guest panicked of a WARNING: else the silence of the other guest would mean
    nothing."""
    ended = guests.self_tests(checks, "control", NEWEST, ["get_pfn_errors"], cases="null_attach[form=locked]",
                              arguments=NO_WARNINGS, environment={"TESTEXP_ALLOW_MISUSE": "1"})
    log.expect(ended.status == core.GUEST_BUG, f"the guest ended with status {ended.status} ({ended.log})")
    said = re.search(r"Kernel panic - not syncing: .*panic_on_warn set", ended.console.read_text(errors="replace"))
    log.expect(said, f"the guest's kernel did not panic of a WARNING ({ended.console})")


def panic(checks):
    checks.check("a WARNING ends this guest", lambda log: panics_of_warning(checks, log))
    guests.judged(checks, "foreign exporters under panic_on_warn", NEWEST, ["foreign_exporters"], arguments=NO_WARNINGS)


WRONG_LOCKS = [
    "lock_held[call=get_pfn_unlocked]", "lock_held[call=attach]", "lock_held[call=detach]", "lock_held[call=export]",
    "importers_lock_outside[call=get_pfn_unlocked]"
]


def locking(checks):
    """The first report switches lockdep off, so that each call needs a boot of its own. Scans for leaks would take
    three quarters of the time."""
    for call in WRONG_LOCKS:
        ended = guests.judged(checks, call, DEBUG, ["lockdep_splats"], cases=call, more=["--no-leaks"])
        checks.must_pass(ended.ktap, ".*" + re.escape(call))


def witnesses(checks):
    """Guests that have what some cases would be skipped without."""
    ended = guests.judged(checks, "guest with iommu", NEWEST, ["bad_witnesses", "mmio", "paths"],
                          environment={"TESTEXP_IMPORTER_DEVICE": "0000:00:10.0"}, arguments=["--iommu"])
    checks.must_pass(ended.ktap, r"P17.*behind=iommu\]", r"paths.*behind=iommu\]")
    ended = guests.judged(checks, "guest with vfio", NEWEST, ["real_exporters"],
                          arguments=["--iommu", "--append", "iommufd.allow_unsafe_interrupts=1"])
    checks.must_pass(ended.ktap, r"P18.real.exporter=vfio,ranges=.*", r"P4.real.exporter=vfio\]")
    # and without a BAR, which every other guest has
    ended = guests.judged(checks, "guest with swiotlb", NEWEST, ["abi", "bad_witnesses", "paths"],
                          environment={"TESTEXP_MMIO_BAR": ""}, arguments=["--append", "swiotlb=force"])
    checks.must_pass(ended.ktap, r"P17.*behind=swiotlb\]", r"paths.*behind=swiotlb\]", r"abi.*behind=swiotlb\]",
                     r".*mmio_without_a_bar\]")
    ended = guests.judged(checks, "guest with memory", NEWEST, ["get_pfn_runs"], cases="run[order=18", mem=8192)
    checks.must_pass(ended.ktap, r".*run.order=18\]")


# --- processors that run at the same time -----------------------------------------------------------------------------

# The programs in which threads or processes compete.
CONCURRENT = ["closed_at_once", "contention", "contention_engine", "deliver_storm", "killed", "move", "move_storm",
              "revoke", "waiting"]


def parallel_on(checks, kernel):
    """The concurrent programs on a kernel. No verdict counts if the emulator may have broken the kernel."""
    name = f"concurrent self-tests on {kernel}"
    ended = guests.judged(checks, name, kernel, CONCURRENT, smp=2, more=["--after-load", "/run/vm/start-processors"],
                          arguments=["--parallel", "--qemu", "backports"])
    if ended.lacks_qemu:
        return
    said = ended.log.read_text(errors="replace")
    for remark in (core.PATCHED, core.ALONE):
        checks.holds(f"{name}: not the remark '{remark}'", remark not in said, "scripts/vm says so")


def parallel(checks):
    for kernel in (NEWEST, OLDER):
        parallel_on(checks, kernel)


# --- what other legs found --------------------------------------------------------------------------------------------

# The legs that run the contract's tests, and the name of each in docs/contract.md.
CONTRACT_RUNS = {
    NEWEST: NEWEST, OLDER: OLDER, f"{OLDER}-nomove": f"{OLDER}-nomove", "stock": "stock",
    f"{NEWEST}-upstream": f"{NEWEST}-upstream", DEBUG: DEBUG, "locking": DEBUG, "witnesses": "witnesses",
    "importers": "importers"
}
CONTRACT_GROUPS = {"native": (NEWEST, OLDER)}


def contract_runs(checks):
    """The cases that passed, and the cases that failed, by flavour. A leg without results fails here by name."""
    passed, failed = collections.defaultdict(set), collections.defaultdict(set)
    for leg, flavour in CONTRACT_RUNS.items():
        directory = checks.results_of(leg)
        found = sorted(directory.rglob("tests.json")) if directory else []
        if not found:
            checks.fails(f"results of {leg}", f"there are none of this tree; run: scripts/test {leg}")
        for path in found:
            try:
                passed[flavour] |= tests_json.passed_cases(path.parent)
                failed[flavour] |= tests_json.failed_cases(path.parent)
            except core.Problem as problem:
                checks.fails(f"results of {leg}", problem)
    return passed, failed


def contract(checks):
    passed, failed = contract_runs(checks)
    if checks.result.failed:
        return
    if short := [leg for leg in CONTRACT_RUNS if checks.was_short(leg)]:
        core.say(f"contract: these legs ran in their short forms: {' '.join(short)}")
    path = core.ROOT / "docs/contract.md"
    try:
        promises = contract_page.promises(path.read_text(encoding="utf-8"))
    except contract_page.Damaged as damage:
        raise NotSo(f"{path}: {damage}") from None
    tested = [promise for promise in promises if promise.patterns]
    if not tested:
        raise NotSo(f"{path} names no tests")
    for promise in tested:
        if broken := contract_page.failed(promise.patterns, failed, CONTRACT_GROUPS):
            checks.fails(promise.name, f"these cases failed: {' '.join(broken)}")
            continue
        unmet = contract_page.unmet(promise.patterns, passed, CONTRACT_GROUPS)
        checks.holds(promise.name, not unmet, f"no case that passed is called {' or '.join(unmet)}")


# --- probes, faults ---------------------------------------------------------------------------------------------------


def probes(checks):
    """Kernels differ in the names of functions, in tracepoints, and in whether they preempt BPF programs."""
    for kernel in (NEWEST, OLDER) if checks.named and not checks.quick else (NEWEST,):
        for program in ("calls", "locks", "balance"):
            guests.tap_with_module(checks, f"dmabuf-lat {program} on {kernel}", kernel,
                                   core.userspace_dir() / f"bpf/tests/{program}-test")


ONE_GUEST = "--jobs", 1  # another leg may run beside this one


def faults(checks):
    """Tries the same faults each time. A new sample could have a fault that no test finds, and would then refuse a
    change that has nothing to do with this fault."""
    out, of_newest = checks.directory / "faults", checks.results_of(NEWEST)
    if of_newest and (of_newest / "run/report.html").is_file():
        out = of_newest / "run"
    checks.tap("faults", [
        core.SCRIPTS / "mutants", *ONE_GUEST, "--kind", "module", "--sample", 3 if checks.quick else 10, "--seed",
        2323162053, "--out", out
    ])
    if not checks.quick:
        checks.tap("generated faults",
                   [core.SCRIPTS / "mutants", *ONE_GUEST, "--generated", "--sample", 20, "--seed", 2])


def generated(checks):
    checks.tap("generated faults", [core.SCRIPTS / "mutants", "--generated"])
