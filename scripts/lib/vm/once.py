# SPDX-License-Identifier: GPL-2.0
"""One guest for one command, or for one shell."""

import contextlib
import os
import pathlib
import re
import shlex
import shutil
import sys
import tempfile
import termios
import time
import tty

import initramfs
import qemu
import verdict
from common import KERNEL_BUG, LIB, LOST, CannotStart, cache, core, say
from guest import Guest
from machine import accelerator, command_line, find_kernel, machine, vmlinux_of

OUR_ENVIRONMENT = r"DMABUF_PFN_\w+|TESTEXP_\w+|KSFT_\w+"
PASSED_ENVIRONMENT = rf"HOME|PATH|TERM|LANG|XDG_CACHE_HOME|{OUR_ENVIRONMENT}"
GUEST_INIT = LIB / "guest/guest-init"
# The first line makes the guest's terminal the shell's. guest-init starts its command in the background, where SIGINT
# and SIGQUIT are ignored, and programs inherit this: without `env`, Ctrl-C would end no program of the shell. A guest
# without CMD stays until somebody ends it.
SHELL = """\
exec <>/dev/hvc0 >&0 2>&1
stty rows {rows} cols {columns}
{command}
export PS1='guest:\\w# '
exec env --default-signal=INT,QUIT bash --norc -i"""
STAY = ["sleep", "infinity"]


class BrokenBoot(Exception):
    """The kernel reported this bug before the command began."""


# --- what the guest is to do -----------------------------------------------------------------------------------------


def job_text(options, clock):
    """The script that the guest runs as its command."""
    # a sealed guest does the same wherever its caller stands and lives
    passed = re.compile(OUR_ENVIRONMENT if options.sealed else PASSED_ENVIRONMENT)
    environment = {name: value for name, value in os.environ.items() if passed.fullmatch(name)}
    environment.pop("DMABUF_PFN_CLOCK", None)  # which says something about this machine, not about the guest
    if clock:
        environment["DMABUF_PFN_CLOCK"] = clock
    if options.sealed:
        environment["PATH"] = "/sealed:/bin"
    lines = [f"export {name}={shlex.quote(value)}" for name, value in sorted(environment.items())]
    lines.append(f"cd -- {shlex.quote('/sealed' if options.sealed else os.getcwd())} || exit 126")
    return "\n".join([*lines, last_lines(options)]) + "\n"


def last_lines(options):
    if not options.shell:
        return f"exec {shlex.join(options.command or STAY)}"
    size = shutil.get_terminal_size()
    return SHELL.format(rows=size.lines, columns=size.columns, command=shlex.join(options.command))


def mounts_text(options, modules):
    """What the guest mounts: the directories of --share, and the kernel's modules where it has some."""
    mounts = [f"share{number}\t{directory}" for number, directory in enumerate(options.share)]
    mounts += [f"modules\t{modules}"] if modules and not options.sealed else []
    return "".join(line + "\n" for line in mounts)


def write_job(job, options, modules, clock):
    job.mkdir(exist_ok=True)
    (job / "job.sh").write_text(job_text(options, clock))
    (job / "mounts").write_text(mounts_text(options, modules))


# --- a guest from its start to its end -------------------------------------------------------------------------------


def follow(guest, options, console, may_retry=False):
    """Runs the guest to its end. Returns (status or None, why there is none).

    Raises BrokenBoot if the caller may start another guest.
    """
    deadline = time.monotonic() + options.timeout
    started = False
    for word in guest.words(deadline):
        kind, _, rest = word.partition(" ")
        if kind == "failed":
            raise CannotStart(f"the guest cannot start: {rest}")
        if kind == "started":
            started = True
            if may_retry and (bug := verdict.kernel_bug(console)):
                raise BrokenBoot(bug)
        if kind in REMARKS:
            say(REMARKS[kind])
        if kind == "exit":
            return (int(rest), "") if verdict.console_is_whole(console) else (None, verdict.NOT_WHOLE)
    if time.monotonic() >= deadline:
        late = "" if started else ", before it reached user space"
        return None, f"the guest timed out after {options.timeout} s{late}"
    return None, why_lost(guest, console)


LEFT_BEHIND = "something that the command left behind holds its output open: what that prints from now on is lost"
REMARKS = {"cut": LEFT_BEHIND, "patched": core.PATCHED, "alone": core.ALONE}


def why_lost(guest, console=None):
    """How QEMU ended. Raises CannotStart when the console is empty, so that the guest never began."""
    code = guest.process.wait()
    if code > 0 and console and not console.stat().st_size:
        raise CannotStart("QEMU does not start: ")
    return f"the guest is lost: QEMU ended with {f'signal {-code}' if code < 0 else f'status {code}'}"


@contextlib.contextmanager
def raw_terminal(wanted):
    """The terminal passes each key to the guest, Ctrl-C too."""
    if not (wanted and sys.stdin.isatty()):
        yield
        return
    say("`exit` or Ctrl-D ends the shell and the guest; Ctrl-] ends the guest at once")
    before = termios.tcgetattr(0)
    tty.setraw(0)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)


def run_once(arguments, options, console, scratch, may_retry):
    """One guest from its start to its end; see follow()."""
    with open(scratch / "qemu", "w+b") as messages:
        try:
            with raw_terminal(options.shell), \
                    Guest(*arguments, messages, sealed=bool(options.sealed), shell=options.shell) as guest:
                return follow(guest, options, console, may_retry)
        except CannotStart as reason:
            last = (scratch / "qemu").read_text(errors="replace").strip().splitlines()[-1:]
            raise CannotStart(str(reason) + "".join(last)) from None


def gdb_arguments(image, scratch):
    """QEMU's arguments for --gdb. Says how to attach."""
    socket, vmlinux = scratch / "gdb", vmlinux_of(image)
    say("the kernel is stopped; attach from another terminal:\n"
        f"  gdb {vmlinux or ''} -ex 'target remote {socket}'\n"
        "its first breakpoint must be a hardware one (hbreak start_kernel), as the kernel's code is not in place yet")
    if not vmlinux:
        say(f"there is no vmlinux beside {image}, so gdb has no symbols")
    return ["-S", "-gdb", f"unix:path={socket},server=on,wait=off"]


def run_guest(options, scratch):
    image, modules = find_kernel(options.kernel)
    qemu.need_packages()
    program = qemu.choose(options)
    initrd = initramfs.build(cache(), GUEST_INIT, modules)
    accelerate, clock = accelerator(options, image, initrd)
    console = pathlib.Path(options.console).resolve() if options.console else scratch / "console"
    job = scratch / "job"
    write_job(job, options, modules, clock)
    if options.sealed:
        initrd = initramfs.build(scratch, GUEST_INIT, None, initramfs.sealed(options.sealed, job))
    try:
        console.write_bytes(b"")
    except OSError as error:
        raise CannotStart(f"--console {options.console}: {error.strerror}") from error
    words = [program, *accelerate, *machine(options, job, console)]
    words += gdb_arguments(image, scratch) if options.gdb else []
    arguments = words, image, initrd, command_line(options)
    # An emulator may break the boot of a sound kernel, though rarely (docs/decisions.md). A broken kernel breaks
    # the second boot too.
    may_retry = "tcg" in accelerate[1] and not (options.shell or options.gdb)
    try:
        ended = run_once(arguments, options, console, scratch, may_retry)
    except BrokenBoot as broken:
        say("the kernel reported a bug before the command began; the emulator may be the cause, so the guest starts "
            f"once more: {broken}")
        ended = run_once(arguments, options, console, scratch, may_retry=False)
    status, line = verdict.judge(*ended, console, options.parallel)
    if line:
        say(line)
    return status


def run(options):
    scratch, status = pathlib.Path(tempfile.mkdtemp(prefix="dmabuf-vm-")), None
    try:
        status = run_guest(options, scratch)
        return status
    except KeyboardInterrupt:
        return 130
    finally:
        # the console of a guest that went wrong is evidence: it stays
        if status not in (KERNEL_BUG, LOST):
            shutil.rmtree(scratch, ignore_errors=True)
