# SPDX-License-Identifier: GPL-2.0
"""scripts/run --only and --check: one self-test, or a few, or dmabuf-check, in seconds.

Builds what changed, runs the programs, and prints their KTAP as it comes.
"""
import difflib
import re
import time

import core

NOTHING_TESTED = 4  # of selftests/run
# Programs that selftests/run starts beside the self-tests.
TOOLS = ["module_parameters"]
CHECK = "dmabuf-check"


def programs_of(wanted):
    """The programs of the words PROGRAM[:CASE]. A program that does not exist is a problem, and so is an empty CASE."""
    known = sorted(path.stem for path in (core.ROOT / "selftests").glob("*.cpp"))
    names = []
    for word in wanted:
        name, colon, case = word.partition(":")
        if name not in known:
            near = difflib.get_close_matches(name, known, cutoff=0.5)
            hint = f"near to it: {' '.join(near)}" if near else "a test is a file selftests/TEST.cpp"
            raise core.Problem(f"--only '{name}': there is no such self-test; {hint}")
        if colon and not case:
            raise core.Problem(f"--only '{word}': CASE is empty; say --only {name} for all cases")
        names.append(name)
    return list(dict.fromkeys(names))


def needs(kernel):
    """The steps of deps.sh."""
    steps = ["userspace", "native", "module", "python"]
    if kernel == "running":
        return steps
    if kernel.startswith("stock"):
        return [*steps, "vm", kernel]
    return [*steps, "vm", *["kernel"] * ("/" not in kernel)]


def build(kernel, programs):
    """Builds no more than these programs need. Returns (directory of the programs, path of the module)."""
    if kernel != "running" and "/" not in kernel:
        core.kernel_tree(kernel)
    userspace, module = core.together(lambda: core.build_userspace(" ".join([*programs, *TOOLS])),
                                      lambda: core.module_for(kernel))
    return userspace / "selftests", module


def vfio_devices(checks):
    """The PCI devices of the option --vfio of dmabuf-check."""
    return re.findall(r"--vfio[ =]([^, ]+),", " ".join(checks))


def with_vfio(devices, words):
    """Returns the words, which first give the devices to vfio-pci, and the options of scripts/vm for such devices."""
    bind = f'{core.LIB}/guest/vfio-bind "$1" && shift && exec "$@"'
    for device in dict.fromkeys(devices):
        words = ["sh", "-c", bind, "sh", device, *words]
    # without the last of these words, VFIO refuses a device without interrupt remapping
    return words, ["--iommu", "--append", "iommufd.allow_unsafe_interrupts=1"] if devices else []


def with_huge_pages(checks):
    """The options of scripts/vm for `--udmabuf SIZE,huge`: dmabuf-check makes a second buffer beside the first, and the
    next buffer while the kernel still frees the last."""
    sizes = re.findall(r"--udmabuf[ =](\d+)([KMG]?),huge", " ".join(checks))
    pages = max((int(number) * {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}[unit] >> 21 for number, unit in sizes),
                default=0)
    return ["--append", f"hugepages={4 * max(pages, 1)}"] if sizes else []


def with_drm(checks, words):
    """The words, which first load the drivers of the option --drm of dmabuf-check, if the kernel has them."""
    load = 'modprobe -q "$1"; shift; exec "$@"'
    for driver in dict.fromkeys(re.findall(r"--drm[ =]([a-z][a-z0-9_]*),", " ".join(checks))):
        words = ["sh", "-c", load, "sh", driver, *words]
    return words


def command(options, programs):
    """The words that run the tests on the kernel under test."""
    binaries, module = build(options.kernel, programs)
    # without the packages of the machine (-S): an emulated guest takes a second to look for them, and none is needed
    judge = ["/usr/bin/python3", "-S", core.ROOT / "selftests/run", "--live", "--bin", binaries, "--module", module,
             "--out", options.out, *["--quick"] * options.quick, *options.only]
    for arguments in options.check:
        judge += ["--check", arguments]
    judge, devices = with_vfio(vfio_devices(options.check), judge)
    if options.kernel == "running":
        return core.vm_command("running", [*core.ALONE_HERE, *judge])
    return core.vm_command(options.kernel, with_drm(options.check, judge), share=options.out,
                           arguments=["--keep"] * options.keep + devices + with_huge_pages(options.check))


def only(options):
    """Runs the tests that options.only names, and dmabuf-check as options.check says; returns the exit status."""
    started, programs = time.monotonic(), programs_of(options.only) + [CHECK] * bool(options.check)
    core.need(*needs(options.kernel))
    for name in programs:
        for path in logs_of(options, name):
            path.unlink()
    words = command(options, programs)
    core.say(f"built what changed in {time.monotonic() - started:.1f} s")
    # the guest may have to ask for a password where it is this machine
    status = core.call(words, start_new_session=options.kernel != "running")
    return told(options, programs, status, time.monotonic() - started)


def logs_of(options, name):
    """The logs of this program. Each run of dmabuf-check has its own, named by the arguments."""
    return sorted(options.out.glob(f"{name}*.ktap" if name == CHECK else f"{name}.ktap"))


def told(options, programs, status, seconds):
    """Says where the logs are, and why the run failed where no case failed. Returns the exit status."""
    logs = [path for name in programs for path in logs_of(options, name)]
    if status in core.GUEST_ENDS:
        core.say(f"failed: {core.GUEST_ENDS[status]}; see the lines above")
    elif status == NOTHING_TESTED:
        core.say("failed: nothing was tested, because every case was skipped")
    for path in logs:
        if missing := re.search("^Bail out! (no case has .*)", path.read_text(errors="replace"), re.MULTILINE):
            core.say(f"failed: {path.stem}: {missing[1]}")
    core.say(f"{seconds:.1f} s in all; log: {' '.join(map(str, logs)) or 'none'}")
    return status
