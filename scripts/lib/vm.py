# SPDX-License-Identifier: GPL-2.0
"""Runs one command in a QEMU guest; see --help. The guest's side is guest/guest-init.

Three ports carry the command's stdout, its stderr and its status; the kernel console goes to a file and is read only to judge the kernel.
"""

import argparse
import fcntl
import hashlib
import os
import pathlib
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import initramfs

LIB = pathlib.Path(__file__).resolve().parent
sys.path.append(str(LIB.parent.parent / "selftests"))
import kernel_bugs  # pylint: disable=wrong-import-position

CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "dmabuf-pfn"
NO_START, KERNEL_BUG, LOST = 250, 251, 252
OUR_ENVIRONMENT = r"DMABUF_PFN_\w+|TESTEXP_\w+|KSFT_\w+"
PASSED_ENVIRONMENT = rf"HOME|PATH|TERM|LANG|XDG_CACHE_HOME|{OUR_ENVIRONMENT}"
# Guards against a KVM that neither boots a kernel nor says so. A probe takes a second where KVM works.
PROBE_TIMEOUT_S = 60
# After a probe that was only slow, guests of the same kernel are emulated for so long without another probe: each probe costs a minute.
PROBE_AGAIN_S = 3600
# Guards against a kernel that does not print to its console. The last line arrives within a second; ten on a busy machine.
CONSOLE_TIMEOUT_S = 100
CONSOLE_END = b"dmabuf-vm: end"

EPILOG = """\
exit status: CMD's own; 250 could not start (no QEMU, no kernel, bad option), 251 the guest panicked or its kernel reported a bug,
252 the guest was lost (QEMU died) or timed out; 130 after Ctrl-C. A WARNING between the console lines
`expect-warning: begin` and `expect-warning: end` (written to /dev/kmsg) is not a bug, nor is the one report with TEXT that there must be between
`expect-splat: begin TEXT` and `expect-splat: end`.
CMD finds in DMABUF_PFN_CLOCK what the clock of its guest is worth: tsc (KVM), icount (instructions), invalid (TCG); and its
caller's variables TESTEXP_* and KSFT_*, which tell self-tests what to do. Of this machine itself nothing is said: it may be emulated too."""


class CannotStart(Exception):
    """One line that says why, for status 250."""


class BrokenBoot(Exception):
    """The kernel reported this bug before the command began."""


def say(text):
    print(f"scripts/vm: {text}", file=sys.stderr, flush=True)


# --- options -----------------------------------------------------------------------------------------------------------------------------------


class Parser(argparse.ArgumentParser):
    def error(self, message):
        raise CannotStart(f"{message}; see --help")


def positive(text):
    value = int(text)
    if value <= 0:
        raise ValueError
    return value


def parse(argv):
    parser = Parser(prog="scripts/vm", epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False,
                    description="Runs CMD as root in a guest: same directory, a read-only view of this file system with a writable overlay.")
    parser.add_argument("--kernel", default="base", metavar="base|stock|stock-6.1|running|PATH",
                        help="a flavour of scripts/kernel, this machine without a guest, a bzImage, or a kernel build tree (default base)")
    parser.add_argument("--smp", type=positive, default=None, metavar="N", help="processors (default 2; 1 with --icount)")
    parser.add_argument("--mem", type=positive, default=2048, metavar="M", help="memory in MiB (default 2048)")
    parser.add_argument("--icount", action="store_true", help="count instructions: the TSC advances by one for each, on whichever processor")
    parser.add_argument("--iommu", action="store_true", help="an Intel IOMMU, behind it the device edu (0000:00:10.0) and a BAR of 4 GiB")
    parser.add_argument("--append", default="", metavar="S", help="more for the kernel command line")
    parser.add_argument("--sealed", action="append", default=[], metavar="FILE",
                        help="nothing of this machine but FILE (again for more) in /sealed, with the libraries that it needs, and busybox; no device that "
                        "works at the host's pace. With --icount, two such guests that do the same execute the same instructions")
    parser.add_argument("--share", action="append", default=[], metavar="DIR", help="a directory the guest may really write to (again for more)")
    parser.add_argument("--timeout", type=positive, default=3600, metavar="SEC", help="give up after this time (default 3600)")
    parser.add_argument("--console", metavar="FILE", help="keep the kernel console here")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- CMD...")
    options = parser.parse_args(argv)
    if options.command[:1] == ["--"]:
        del options.command[0]
    if not options.command:
        raise CannotStart("no command; say scripts/vm [options] -- CMD...")
    options.smp = options.smp or (1 if options.icount else 2)
    options.sealed = [checked_file(name) for name in options.sealed]
    if options.sealed and options.share:
        raise CannotStart("--share and --sealed exclude each other: of a sealed guest only the output comes out")
    options.share = [checked_share(directory) for directory in options.share]
    return options


def checked_file(name):
    path = pathlib.Path(name)
    if not path.is_file():
        raise CannotStart(f"--sealed {name}: no such file")
    return path


def checked_share(directory):
    path = pathlib.Path(directory).resolve()
    if not path.is_dir():
        raise CannotStart(f"--share {directory}: no such directory")
    if path == pathlib.Path("/") or re.search(r"[\t\n,]", str(path)):
        raise CannotStart(f"--share {directory}: not / and no comma or tab in it, please")
    return path


# --- the kernel --------------------------------------------------------------------------------------------------------------------------------


def ask_kernel(query, flavour):
    answer = subprocess.run([LIB.parent / "kernel", "path", query, flavour], capture_output=True, text=True, check=False)
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
        return image, installed_modules(path)
    if "/" in name:
        raise CannotStart(f"no kernel {name}: neither a bzImage nor a kernel build tree")
    image = ask_kernel("--image", name)
    return image, installed_modules(image.parents[3])  # of arch/x86/boot/bzImage


def installed_modules(tree):
    """The lib/modules/RELEASE directory that scripts/kernel has put into a tree, or None."""
    return next(tree.glob("installed/lib/modules/*"), None)


# --- the machine -------------------------------------------------------------------------------------------------------------------------------


def need_packages():
    """Gets QEMU and busybox when they are missing."""
    if shutil.which("qemu-system-x86_64") and initramfs.BUSYBOX.exists() and shutil.which("setpriv"):
        return
    script = f'me=scripts/vm; . "{LIB}/common.sh"; . "{LIB}/deps.sh"; need vm'
    if subprocess.run(["bash", "-c", script], check=False).returncode != 0:
        raise CannotStart("no QEMU")


def accelerator(options, image, initrd):
    """Returns (QEMU's arguments, the name of the clock)."""
    if options.icount:
        return ["-accel", "tcg", "-icount", "shift=0,sleep=off", "-cpu", "max,la57=off"], "icount"
    if kvm_works(image, initrd):
        return ["-accel", "kvm", "-cpu", "host"], "tsc"
    say("no usable KVM: the guest is emulated (TCG) and its times mean nothing")
    # one thread for all processors: with one each, QEMU 7.2 lets a processor meet the int3 of a code patch (static keys, ftrace) too late, and the
    # kernel oopses: two boots in three with tracepoints being switched. It costs no time here
    return ["-accel", "tcg,thread=single", "-cpu", "max,la57=off"], "invalid"


def kvm_works(image, initrd):
    """Whether this very kernel boots under KVM; /dev/kvm alone promises nothing. A verdict is kept until the machine reboots.

    A probe that was only slow is no verdict. It is kept for PROBE_AGAIN_S.
    """
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    verdict = CACHE / "vm" / f"kvm-{hashlib.sha256(image.read_bytes() + initrd.read_bytes() + boot.encode()).hexdigest()[:16]}"
    slow = verdict.with_suffix(".slow")
    if not verdict.exists() and not is_recent(slow):
        alive = probe_kvm(image, initrd)
        if alive is None:
            say(f"the probe of KVM has not booted within {PROBE_TIMEOUT_S} s: guests of this kernel are emulated for {PROBE_AGAIN_S // 60} min, "
                "then one will try again")
            slow.touch()
        else:
            verdict.write_text("yes" if alive else "no")
    return verdict.exists() and verdict.read_text() == "yes"


def is_recent(path):
    return path.exists() and 0 <= time.time() - path.stat().st_mtime < PROBE_AGAIN_S


def probe_kvm(image, initrd):
    """True: the kernel came up. False: QEMU ended, or said that KVM cannot run this code. None: neither within the time."""
    deadline = time.monotonic() + PROBE_TIMEOUT_S
    with tempfile.TemporaryFile() as messages, \
            Guest(["-accel", "kvm", "-cpu", "host", "-smp", "1", "-m", "512"], image, initrd, "dmabuf_vm=probe", messages) as guest:
        while time.monotonic() < deadline:
            # in short turns: after an internal error QEMU says so, and stays with the guest stopped
            if any(word == "alive" for word in guest.words(min(deadline, time.monotonic() + 1))):
                return True
            if guest.process.poll() is not None or b"KVM internal error" in os.pread(messages.fileno(), 1 << 16, 0):
                return False
    return None


def file_systems(options, job):
    arguments = ["-virtfs", "local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap"]
    arguments += ["-virtfs", f"local,path={job},mount_tag=job,security_model=none,readonly=on"]
    for number, directory in enumerate(options.share):
        arguments += ["-virtfs", f"local,path={directory},mount_tag=share{number},security_model=none,multidevs=remap"]
    return arguments


def machine(options, job, console):
    """QEMU's arguments for what the options ask for."""
    arguments = ["-smp", str(options.smp), "-m", str(options.mem)]
    # of a sealed guest even chance and the time of day are the same each time
    arguments += ["-seed", "1", "-rtc", "base=2025-01-01,clock=vm"] if options.sealed else file_systems(options, job)
    # q35 routes interrupts by a table; of the older pc a kernel has to run a program, which takes a debug kernel a minute and a half
    arguments += ["-machine", "q35,kernel-irqchip=split" if options.iommu else "q35"]
    if options.iommu:
        arguments += ["-device", "intel-iommu,intremap=off", "-device", "edu,addr=0x10"]
    # a BAR that no driver has, for extents of MMIO; its memory is taken page by page, as the guest touches it
    arguments += ["-object", f"memory-backend-ram,id=bar,size={'4G' if options.iommu else '64M'}", "-device", "ivshmem-plain,memdev=bar,addr=0x11"]
    return arguments + ["-serial", f"file:{console}"]


def command_line(options):
    words = ["console=ttyS0", "oops=panic", "panic=-1", "printk.devkmsg=on", "nokaslr"]
    if options.icount:
        # the TSC needs no check against other clocks, and calibrating the APIC timer (which fails here) takes ten seconds
        words += ["tsc=reliable", "nolapic_timer"]
    else:
        # an emulator on a busy machine can be too late for the ten ticks that this check waits for, and the kernel panics
        words += ["no_timer_check"]
    if options.iommu:
        words += ["intel_iommu=on"]
    if options.sealed:
        words += ["dmabuf_vm=sealed"]
    return " ".join(words + [options.append])


def write_job(job, options, modules, clock):
    """What guest-init is to do: `mounts` and `job.sh`, in a directory that the guest sees."""
    # where the caller stands and lives is of no matter to a guest that is to be the same each time
    passed = re.compile(OUR_ENVIRONMENT if options.sealed else PASSED_ENVIRONMENT)
    environment = {name: value for name, value in os.environ.items() if passed.fullmatch(name)} | {"DMABUF_PFN_CLOCK": clock}
    if options.sealed:
        environment["PATH"] = "/sealed:/bin"
    directory = "/sealed" if options.sealed else os.getcwd()
    lines = [f"export {name}={shlex.quote(value)}" for name, value in sorted(environment.items())]
    lines += [f"cd -- {shlex.quote(directory)} || exit 126", f"exec {shlex.join(options.command)}"]
    (job / "job.sh").write_text("\n".join(lines) + "\n")
    mounts = [f"share{number}\t{directory}" for number, directory in enumerate(options.share)]
    mounts += [f"modules\t{modules}"] if modules else []
    (job / "mounts").write_text("".join(line + "\n" for line in mounts))


class Guest:
    """A running QEMU with its three ports; dies with this process, and at the end of the `with`."""

    PORTS = ["out", "err", "status"]

    def __init__(self, arguments, image, initrd, append, messages, sealed=False):
        theirs, self.ports = {}, {}
        qemu = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-net", "none", *arguments,
                "-kernel", str(image), "-initrd", str(initrd), "-append", append]
        qemu += [] if sealed else ["-device", "virtio-serial-pci"]
        for name in self.PORTS:
            # pipes, and wide ones: a UART never finds them full, so what a sealed guest does cannot depend on how soon they are read
            self.ports[name], theirs[name] = os.pipe()
            fcntl.fcntl(theirs[name], fcntl.F_SETPIPE_SZ, 1 << 20)
            qemu += ["-chardev", f"file,id={name},path=/dev/fd/{theirs[name]}"]
            qemu += ["-serial", f"chardev:{name}"] if sealed else ["-device", f"virtserialport,chardev={name},name=dmabuf.{name}"]
        # a session of its own: Ctrl-C is for us, we end QEMU ourselves
        self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "--", *qemu], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=messages or subprocess.DEVNULL, start_new_session=True, pass_fds=theirs.values())
        for end in theirs.values():
            os.close(end)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        for end in self.ports.values():
            os.close(end)

    def words(self, deadline):
        """Yields each line of the status port; copies the command's output meanwhile. Ends when the guest is gone or at the deadline."""
        outputs = {self.ports["out"]: 1, self.ports["err"]: 2}
        waiting, partial = set(self.ports.values()), b""
        while waiting and time.monotonic() < deadline:
            for end in select.select(waiting, [], [], min(1, max(0, deadline - time.monotonic())))[0]:
                data = os.read(end, 1 << 16)
                if not data:
                    waiting.discard(end)
                elif end in outputs:
                    write_all(outputs[end], data)
                else:
                    # what the command wrote before this word is in the pipes already: it goes out first
                    for output, fd in outputs.items():
                        copy_pending(output, fd)
                    *lines, partial = (partial + data).split(b"\n")
                    yield from (line.decode(errors="replace") for line in lines)


def copy_pending(end, fd):
    """Copies what can be read from a port without waiting."""
    while select.select([end], [], [], 0)[0] and (data := os.read(end, 1 << 16)):
        write_all(fd, data)


def write_all(fd, data):
    while data:
        data = data[os.write(fd, data):]


# --- the verdict -------------------------------------------------------------------------------------------------------------------------------


def kernel_bug(console):
    """The first console line that says the kernel is broken, or None. What a test announced does not count."""
    log = kernel_bugs.Judge()
    for line in console.read_text(errors="replace").splitlines() if console.exists() else []:
        if bug := log.bug(kernel_bugs.message(line)):
            return line if bug in line else bug
    return None


def console_is_whole(console):
    """The console is a file that QEMU writes; the guest's last line in it says that all before has arrived. Waits for it."""
    deadline = time.monotonic() + CONSOLE_TIMEOUT_S
    while CONSOLE_END not in console.read_bytes():
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.02)
    return True


def follow(guest, options, console, may_retry):
    """Runs the guest to its end. Returns (status or None, why there is none). Raises BrokenBoot if the caller may start another guest."""
    deadline = time.monotonic() + options.timeout
    started = False
    for word in guest.words(deadline):
        kind, _, rest = word.partition(" ")
        if kind == "failed":
            raise CannotStart(f"the guest cannot start: {rest}")
        if kind == "started":
            started = True
            if may_retry and (bug := kernel_bug(console)):
                raise BrokenBoot(bug)
        if kind == "cut":
            say("something that the command left behind holds its output open: what that prints from now on is lost")
        if kind == "exit":
            if not console_is_whole(console):
                return None, f"the end of the guest's console has not arrived within {CONSOLE_TIMEOUT_S} s, so nobody knows what its kernel reported"
            return int(rest), ""
    if time.monotonic() >= deadline:
        return None, f"the guest timed out after {options.timeout} s" + ("" if started else ", before it reached user space")
    code = guest.process.wait()
    if code > 0 and not console.stat().st_size:
        raise CannotStart("QEMU does not start: ")
    return None, f"the guest is lost: QEMU ended with {'signal %d' % -code if code < 0 else 'status %d' % code}"


def judge(status, lost, console, kept):
    """The exit status, with one line on stderr when it is not CMD's own."""
    bug = kernel_bug(console)
    if bug:
        say(f"kernel bug in the guest: {bug} (console: {kept})")
        return KERNEL_BUG
    if status is None:
        tail = "".join(f"\n  | {line}" for line in console.read_text(errors="replace").splitlines()[-5:])
        say(f"{lost} (console: {kept}){tail}")
        return LOST
    return status


def run_guest(options, scratch):
    image, modules = find_kernel(options.kernel)
    need_packages()
    initrd = initramfs.build(CACHE / "vm", LIB / "guest/guest-init", modules)
    accelerate, clock = accelerator(options, image, initrd)
    sealed = bool(options.sealed)
    console = pathlib.Path(options.console).resolve() if options.console else scratch / "console"
    job = scratch / "job"
    job.mkdir()
    write_job(job, options, None if sealed else modules, clock)
    if sealed:
        initrd = initramfs.build(scratch, LIB / "guest/guest-init", None, initramfs.sealed(options.sealed, job))
    try:
        console.write_bytes(b"")
    except OSError as error:
        raise CannotStart(f"--console {options.console}: {error.strerror}") from error
    arguments = accelerate + machine(options, job, console), image, initrd, command_line(options)
    # An emulator sometimes breaks the boot of a sound kernel (QEMU 7.2: one boot in hundreds). A broken kernel breaks the second boot too.
    try:
        status, lost = run_once(arguments, options, console, scratch, may_retry="tcg" in accelerate[1])
    except BrokenBoot as broken:
        say(f"the kernel reported a bug before the command began; the emulator may be the cause, so the guest starts once more: {broken}")
        status, lost = run_once(arguments, options, console, scratch, may_retry=False)
    return judge(status, lost, console, console)


def run_once(arguments, options, console, scratch, may_retry):
    """One guest from its start to its end; see follow()."""
    with open(scratch / "qemu", "w+b") as messages:
        try:
            with Guest(*arguments, messages, bool(options.sealed)) as guest:
                return follow(guest, options, console, may_retry)
        except CannotStart as reason:
            last = (scratch / "qemu").read_text(errors="replace").strip().splitlines()[-1:]
            raise CannotStart(str(reason) + "".join(last)) from None


def run_here(options):
    """--kernel running: no guest. What its clock is worth is for those to find out who read it."""
    command = options.command if os.geteuid() == 0 else ["sudo", "-E", *options.command]
    try:
        code = subprocess.run(command, timeout=options.timeout, check=False).returncode
    except subprocess.TimeoutExpired:
        say(f"{options.command[0]} timed out after {options.timeout} s")
        return LOST
    except OSError as error:
        say(f"{options.command[0]}: {error.strerror}")
        return 127
    return code if code >= 0 else 128 - code


def interrupted(number, _):
    raise SystemExit(128 + number)


def main():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, interrupted)
    scratch, status = None, NO_START
    try:
        options = parse(sys.argv[1:])
        if options.kernel == "running":
            return run_here(options)
        scratch = pathlib.Path(tempfile.mkdtemp(prefix="dmabuf-vm-"))
        status = run_guest(options, scratch)
    except CannotStart as reason:
        say(reason)
    except OSError as error:
        say(f"{error.filename or 'cannot start'}: {error.strerror}")
    finally:
        # the console of a guest that went wrong is evidence: it stays
        if scratch and status not in (KERNEL_BUG, LOST):
            shutil.rmtree(scratch, ignore_errors=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
