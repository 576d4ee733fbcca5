# SPDX-License-Identifier: GPL-2.0
"""The machine that a guest runs on: its kernel, its accelerator, QEMU's arguments and the kernel command line."""

import hashlib
import os
import pathlib
import subprocess
import tempfile
import time

import qemu
from common import LIB, CannotStart, cache, core, say
from guest import Guest

# Guards against a KVM that neither boots a kernel nor says so. A probe takes a second where KVM works.
PROBE_TIMEOUT_S = 60
# Without migratable=no, QEMU hides from the guest that the processor has an invariant TSC.
KVM = ["-accel", "kvm", "-cpu", "host,migratable=no"]
EMULATED = "max,la57=off"  # an AMD processor
TRUSTED = ",family=23"  # what cpu_supports_p2pdma() of the kernel asks an AMD processor for, in hexadecimal 0x17
# After a probe without a verdict, guests of the same kernel are emulated. The next probe follows after this time.
PROBE_AGAIN_S = 3600


# The kernel's clocks, which report a task or a processor that makes no progress. They do not know whether the machine
# had time for the guest, and an emulated processor is long over some work. So each gets a time that no such work takes:
# 300 s for RCU and for tasks that sleep, 60 s for hard lockups, and 120 s, twice the value, for soft lockups. A kernel
# without one of these clocks only says that it does not know the word. In a guest that counts instructions the clocks
# count instructions too, so the machine cannot set them off.
PATIENT = ["rcupdate.rcu_cpu_stall_timeout=300", "watchdog_thresh=60", "sysctl.kernel.hung_task_timeout_secs=300"]


# --- the kernel ------------------------------------------------------------------------------------------------------


def ask_kernel(query, flavour):
    command = [LIB.parent / "kernel", "path", query, flavour]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise CannotStart(answer.stderr.strip().removeprefix("scripts/kernel: "))
    return pathlib.Path(answer.stdout.strip())


def find_kernel(name):
    """Returns (bzImage, lib/modules/RELEASE directory or None)."""
    if name.startswith("stock") and "/" not in name:
        return ask_kernel("--image", name), ask_kernel("--modules", name)
    path = pathlib.Path(name)
    if path.is_file():
        if path.read_bytes()[0x202:0x206] != b"HdrS":
            raise CannotStart(f"{name} is not a bzImage")
        return path, None
    if path.is_dir() and "/" in name:
        image = path / "arch/x86/boot/bzImage"
        if not image.is_file():
            raise CannotStart(f"no arch/x86/boot/bzImage in {name}: not a built kernel tree")
        if problem := core.lacking_options(path, core.GUEST_OPTIONS):
            raise CannotStart(problem)
        return image, installed_modules(path)
    if "/" in name:
        raise CannotStart(f"no kernel {name}: neither a bzImage nor a kernel build tree")
    image = ask_kernel("--image", name)
    return image, installed_modules(image.parents[3])  # of arch/x86/boot/bzImage


def installed_modules(tree):
    """The lib/modules/RELEASE directory that scripts/kernel has put into a tree, or None."""
    return next(tree.glob("installed/lib/modules/*"), None)


def vmlinux_of(image):
    """The kernel with symbols that belongs to a bzImage in a build tree; None elsewhere."""
    path = image.parents[3] / "vmlinux" if len(image.parents) > 3 else None
    return path if path and path.is_file() else None


# --- the accelerator -------------------------------------------------------------------------------------------------


def accelerator(options, image, initrd):
    """Returns (QEMU's arguments, the clock that is declared).

    No clock is declared for a guest under KVM. The guest judges its own clock, because the host may be emulated.
    """
    processor = ["-cpu", EMULATED + (TRUSTED if options.p2p else "")]
    if options.icount:
        return ["-accel", "tcg", "-icount", "shift=0,sleep=off", *processor], "icount"
    if not options.p2p and kvm_works(image, initrd):
        return KVM, None
    say("the guest of --p2p is emulated (TCG) and its times mean nothing" if options.p2p else
        "no usable KVM: the guest is emulated (TCG) and its times mean nothing")
    # One thread emulates all processors, unless --parallel asks for more. With a thread for each, QEMU lets a processor
    # meet the int3 of a code patch (static keys, ftrace) too late, and the kernel oopses.
    threads = "multi" if options.parallel else "single"
    return ["-accel", f"tcg,thread={threads}", *processor], "invalid"


def kvm_works(image, initrd):
    """Whether this very kernel boots under KVM; /dev/kvm alone promises nothing.

    A verdict is kept until the machine reboots. A probe that was slow or ended early is no verdict; the next probe
    comes after PROBE_AGAIN_S.
    """
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    key = hashlib.sha256(image.read_bytes() + initrd.read_bytes() + boot.encode()).hexdigest()[:16]
    verdict = cache() / f"kvm-{key}"
    undecided = verdict.with_suffix(".undecided")
    if not verdict.exists() and not is_recent(undecided):
        alive, why = probe_kvm(image, initrd)
        if alive is None:
            say(f"the probe of KVM {why}: guests of this kernel are emulated for {PROBE_AGAIN_S // 60} min, then one "
                "will try again")
            undecided.touch()
        else:
            core.write_whole(verdict, "yes" if alive else "no")
    return verdict.exists() and verdict.read_text() == "yes"


def is_recent(path):
    return path.exists() and 0 <= time.time() - path.stat().st_mtime < PROBE_AGAIN_S


def probe_kvm(image, initrd):
    """Returns (True: the kernel came up; False: QEMU said that KVM cannot run this code; None: neither, why)."""
    deadline = time.monotonic() + PROBE_TIMEOUT_S
    arguments = [qemu.PROGRAM, *KVM, "-smp", "1", "-m", "512"]
    with tempfile.TemporaryFile() as messages, \
            Guest(arguments, image, initrd, "dmabuf_vm=probe", messages) as guest:
        while time.monotonic() < deadline:
            # in short turns: after an internal error QEMU says so, and stays with the guest stopped
            if any(word == "alive" for word in guest.words(min(deadline, time.monotonic() + 1))):
                return True, ""
            has_ended = guest.process.poll() is not None
            said = os.pread(messages.fileno(), 1 << 16, 0)
            if b"KVM internal error" in said:
                return False, ""
            if has_ended:
                return None, f"ended early, with {' '.join(said.decode(errors='replace').split()) or 'no message'}"
    return None, f"has not booted within {PROBE_TIMEOUT_S} s"


# --- QEMU's arguments ------------------------------------------------------------------------------------------------


def file_systems(options, job):
    read_only = "security_model=none,readonly=on"
    arguments = ["-virtfs", f"local,path=/,mount_tag=root,{read_only},multidevs=remap"]
    arguments += ["-virtfs", f"local,path={job},mount_tag=job,{read_only}"]
    for number, directory in enumerate(options.share):
        arguments += ["-virtfs",
                      f"local,path={directory},mount_tag=share{number},security_model=none,multidevs=remap"]
    return arguments


def machine(options, job, console):
    """QEMU's arguments for what the options ask for. The guest finds what it is to do in the directory `job`."""
    arguments = ["-smp", str(options.smp), "-m", str(options.mem)]
    if options.sealed:
        # random numbers and the time of day are the same in each run
        arguments += ["-seed", "1", "-rtc", "base=2025-01-01,clock=vm"]
    else:
        arguments += file_systems(options, job)
    # q35 routes interrupts by a table. The older pc has a program for this, which a debug kernel runs for 90 seconds.
    arguments += ["-machine", "q35,kernel-irqchip=split" if options.iommu else "q35"]
    if options.iommu:
        arguments += ["-device", "intel-iommu,intremap=off"]
    if options.iommu or options.p2p:
        arguments += ["-device", "edu,addr=0x10,dma_mask=0xffffffffffffffff"]
    if options.igb:
        # The virtual functions of the device come 16 slots behind the device, and those slots have to be free.
        arguments += ["-device", "igb,addr=0x08"]
    # A BAR without a driver, for extents of MMIO. QEMU takes its memory page by page, as the guest touches it.
    arguments += ["-object", f"memory-backend-ram,id=bar,size={'4G' if options.iommu else '64M'}",
                  "-device", "ivshmem-plain,memdev=bar,addr=0x11"]
    if options.iommu:
        # The only device that can be reset: a reset of the bus behind a root port resets the device.
        arguments += ["-device", "pcie-root-port,id=root-port,chassis=1,addr=0x12",
                      "-object", "memory-backend-ram,id=reset,size=64M",
                      "-device", "ivshmem-plain,memdev=reset,bus=root-port"]
    return arguments + ["-serial", f"file:{console}"]


def command_line(options):
    # the judge of the console takes a line for the kernel's if the line has a time stamp
    words = ["console=ttyS0", "oops=panic", "panic=-1", "printk.devkmsg=on", "printk.time=1", "nokaslr"]
    if options.icount:
        # the TSC needs no check against other clocks, and calibrating the APIC timer (which fails here) takes ten
        # seconds
        words += ["tsc=reliable", "nolapic_timer"]
    else:
        # an emulator on a busy machine can be too late for the ten ticks that this check waits for, and the kernel
        # panics
        words += ["no_timer_check", *PATIENT]
    if options.iommu:
        words += ["intel_iommu=on"]
    if options.sealed:
        words += ["dmabuf_vm=sealed"]
    if options.keep:
        words += ["dmabuf_vm=kept"]
    if options.parallel:
        # guest-init starts the other processors. The kernel trusts a TSC that it need not compare between processors;
        # otherwise the kernel would switch a static key when it finds the TSC unstable.
        words += ["dmabuf_vm=parallel", "maxcpus=1", "tsc=reliable"]
    return " ".join(words + [options.append])
