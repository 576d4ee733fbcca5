# SPDX-License-Identifier: GPL-2.0
"""What every command of this program shares: paths, messages, child processes, files that are written whole, and the
doors to the shell scripts.

Packages, kernels, the module and user space are the business of shell scripts (deps.sh, scripts/kernel,
scripts/module, build.sh). This file calls them.
"""
import argparse
import concurrent.futures
import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent.parent.parent / "selftests"))
import interrupts  # pylint: disable=wrong-import-position
import limits  # pylint: disable=wrong-import-position
from whole_file import write_whole  # pylint: disable=wrong-import-position

LIB = pathlib.Path(__file__).resolve().parent.parent
ROOT = LIB.parent.parent
SCRIPTS = ROOT / "scripts"

# How scripts/vm ends when the guest's command has no status of its own.
GUEST_NOT_STARTED, GUEST_BUG, GUEST_LOST = 250, 251, 252
# Guards against a guest that hangs: a guest takes at most 30 min when three legs run side by side.
GUEST_TIMEOUT_S = 5 * 3600
GUEST_ENDS = {
    GUEST_NOT_STARTED: "the guest could not start",
    GUEST_BUG: "the guest's kernel panicked or reported a bug",
    GUEST_LOST: "the guest was lost or ran out of time",
}

# How long selftests/run may take to end on this machine: it waits for its program, and then unloads the module.
SELF_TESTS_END_S = 2 * limits.KILL_S

# scripts/vm prints these two remarks about a guest with --parallel.
PATCHED = "the kernel patched its code while its processors ran at the same time"
ALONE = "one processor ran, because the command did not call /run/vm/start-processors"

# The words before a command that root runs on this machine: one run at a time has the test module. The command keeps
# the lock.
ALONE_HERE = ("sh", "-c", 'exec 9>>"$0"; flock -n 9 || { echo "scripts/run: waiting for another run on this machine '
              '(lock: $0)" >&2; flock 9; }; exec "$@"', "/run/dmabuf-pfn-run.lock")

_name = "suite"
_output = threading.Lock()


class Problem(Exception):
    """One line for the user: what is wrong, and what to do. The command ends with status 1."""


class Said(Problem):
    """A problem whose line the user has already, from a shell script of ours."""


class Parser(argparse.ArgumentParser):
    """A wrong option is a problem like any other: one line, status 1. No option may be shortened."""

    def __init__(self, **options):
        super().__init__(**{"formatter_class": argparse.RawDescriptionHelpFormatter, "allow_abbrev": False, **options})

    def error(self, message):
        raise Problem(f"{message}; see --help")


def positive(text):
    """The type of an option that takes a whole number from 1 on."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from 1 on")
    return int(text)


def named_path(text):
    """The type of an option that takes the name of a file or a directory. An empty word would mean the current
    directory."""
    if not text:
        raise argparse.ArgumentTypeError("the name is empty")
    return pathlib.Path(text)


def ignore_variables(pattern):
    """Removes the variables whose whole names match from the environment, and says so."""
    names = sorted(name for name in os.environ if re.fullmatch(pattern, name))
    for name in names:
        del os.environ[name]
    if names:
        say(f"ignored from the environment, because these change what is tested: {' '.join(names)}")


def set_name(name):
    """The command's name, which every message begins with."""
    global _name  # pylint: disable=global-statement
    _name = name


def say(text):
    """One line on stderr. Threads may call it. On a terminal, a line of progress that a script left unfinished is
    cleared first."""
    with _output:
        print(f"{_clear()}{_name}: {text}", file=sys.stderr, flush=True)


def _clear():
    return "\r\033[K" if sys.stderr.isatty() else ""


def elapsed(seconds):
    return f"{int(seconds) // 60}m{int(seconds) % 60:02}s"


def processors():
    """How many processors this process may use, as nproc says."""
    return len(os.sched_getaffinity(0))


def run_main(main, arguments):
    """Runs a command; returns its exit status. Whatever ends the command, its children end too."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupted)
    try:
        return main(arguments)
    except Problem as problem:
        if not isinstance(problem, Said):
            say(problem)
        return 1
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            say(f"{error.filename or 'a file'}: {error.strerror}")
            return 1
        return 128 + signal.SIGPIPE  # whoever read our output has gone
    except KeyboardInterrupt:
        return 130
    finally:
        end_children()


def _interrupted(number, _):
    raise KeyboardInterrupt(number)


# --- child processes --------------------------------------------------------------------------------------------------

_children = set()
_children_lock = threading.Lock()
_stopped = threading.Event()


class Stopped(Exception):
    """The command is at its end: no child process may be started any more."""


@contextlib.contextmanager
def child(command, patience_s=10, **options):
    """A process in a session of its own. The whole session is ended when the block is left early, by force after
    `patience_s`. The process gets SIGTERM when we are killed."""
    words = [str(word) for word in command]
    options = {"stdin": subprocess.DEVNULL, "start_new_session": True, **options}
    if options["start_new_session"]:
        words = ["setpriv", "--pdeathsig", "TERM", "--", *words]
    process = None
    try:
        with interrupts.held(), _children_lock:
            if _stopped.is_set():
                raise Stopped
            process = subprocess.Popen(words, **options)  # pylint: disable=consider-using-with
            _children.add(process)
        yield process
        process.wait()
    finally:
        if process:
            _end(process, patience_s)
            _children.discard(process)


def call(command, **options):
    """Runs a command to its end; returns its exit status. A signal N counts as 128 + N, as in a shell."""
    with child(command, **options) as process:
        status = process.wait()
    return status if status >= 0 else 128 - status


def capture(command, **options):
    """Runs a command to its end; returns (exit status, standard output)."""
    with child(command, stdout=subprocess.PIPE, **{"text": True, "errors": "replace", **options}) as process:
        output = process.communicate()[0]
    status = process.returncode
    return (status if status >= 0 else 128 - status), output


def call_teed(command, log, stdout=None, **options):
    """Runs a command; its output goes to the screen and into the file `log`. Where `stdout` is given, only
    its standard error does. Returns its exit status."""
    streams = {"stdout": stdout, "stderr": subprocess.PIPE
               } if stdout else {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with open(log, "wb") as file, child(command, **streams, **options) as process:
        pipe = (process.stderr if stdout else process.stdout).fileno()
        while data := os.read(pipe, 1 << 16):
            file.write(data)
            file.flush()
            while data:
                data = data[os.write(1, data):]
        status = process.wait()
    return status if status >= 0 else 128 - status


@contextlib.contextmanager
def threads(count):
    """A pool of threads. When the block fails, or a signal comes, all children are ended at once, and no thread starts
    another. A thread may have a pool of its own."""
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        try:
            yield pool
        except BaseException:
            inside = stopped()
            stop()
            pool.shutdown(cancel_futures=True)
            if not inside:
                _stopped.clear()
            raise


def together(*functions):
    """Runs functions side by side; returns what they return. When one of them fails, the others end as threads() says.
    """
    with threads(len(functions)) as pool:
        futures = [pool.submit(function) for function in functions]
        for future in concurrent.futures.wait(futures, return_when=concurrent.futures.FIRST_EXCEPTION).done:
            future.result()
    return [future.result() for future in futures]


def call_logged(command, log, **options):
    """Runs a command with its output in the file `log`; returns its exit status."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "wb") as file:
        return call(command, stdout=file, stderr=subprocess.STDOUT, **options)


def _end(process, patience_s=10):
    """Ends a process and all it started: first a request, then force."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            return
        _signal(process, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience_s)


def _signal(process, number):
    """Signals the process and its group, unless its group is ours. A process of root takes signals from root alone."""
    try:
        kill = os.kill if os.getpgid(process.pid) == os.getpgid(0) else os.killpg
        kill(process.pid, number)
    except ProcessLookupError:
        pass
    except PermissionError:
        subprocess.call(["sudo", "-n", "kill", f"-{int(number)}", str(process.pid)], stdin=subprocess.DEVNULL)


def end_children():
    for process in list(_children):
        _end(process)


def stop():
    """Ends all children, whichever thread has them; none can be started afterwards."""
    with _children_lock:
        _stopped.set()
    end_children()


def stopped():
    return _stopped.is_set()


def last_line(path):
    """The last line of a file that holds anything, or ""."""
    with contextlib.suppress(OSError):
        lines = [line for line in path.read_text(errors="replace").splitlines() if line.strip()]
        return lines[-1] if lines else ""
    return ""


# --- files ------------------------------------------------------------------------------------------------------------


def write_json(path, value):
    write_whole(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def made_directory(path):
    """The directory of --out, made if need be; its absolute path."""
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise Problem(f"cannot create {path}: {error.strerror}; name another with --out") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise Problem(f"{path} cannot be written to; name another with --out")
    return pathlib.Path(path).resolve()


def cache_dir():
    home = os.environ.get("XDG_CACHE_HOME") or (os.path.join(os.environ["HOME"], ".cache")
                                                if "HOME" in os.environ else None)
    if not home:
        raise Problem("HOME is not set; set HOME or XDG_CACHE_HOME")
    return pathlib.Path(home) / "dmabuf-pfn"


@contextlib.contextmanager
def locked(path, why):
    """Holds an exclusive lock on the file `path` in the block. Another holder is waited for; `why` says for what."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another {why} (lock: {path})")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


# --- the shell scripts ------------------------------------------------------------------------------------------------

_SHELL = 'for file in common deps build; do . "$root/scripts/lib/$file.sh"; done; "$@"'


def _shell(run, *words):
    return run(["bash", "-u", "-c", _SHELL, "bash", *words], env={**os.environ, "me": _name, "root": str(ROOT)})


def need(*steps):
    """Gets all that these steps of deps.sh need of the machine, in one go."""
    # not in a session of its own: sudo may have to ask on the terminal
    if _shell(subprocess.call, "need", *steps) != 0:
        raise Said(f"this machine lacks what {' '.join(dict.fromkeys(steps))} need; see the line above")


# A guest needs these options to reach the files of this machine. Only then can the guest load a module, so each option
# must be y.
GUEST_OPTIONS = ("BLK_DEV_INITRD", "BINFMT_ELF", "BINFMT_SCRIPT", "PROC_FS", "SYSFS", "TMPFS", "DEVTMPFS", "PCI",
                 "VIRTIO_PCI", "VIRTIO_CONSOLE", "NET_9P_VIRTIO", "9P_FS", "OVERLAY_FS", "SERIAL_8250_CONSOLE")
MODULE_OPTIONS = ("MODULES", "DMA_SHARED_BUFFER")  # the test module needs these as well


def lacking_options(tree, options):
    """What is wrong with the configuration of a built kernel tree, in one line; nothing where there is no .config."""
    config = pathlib.Path(tree, ".config")
    if not config.is_file():
        return ""
    there = set(config.read_text(encoding="utf-8", errors="replace").splitlines())
    lacking = [line for line in (f"CONFIG_{option}=y" for option in options) if line not in there]
    return lacking and (f"the kernel in {tree} lacks {' '.join(lacking)}; set this in its .config, then run make "
                        "olddefconfig and make bzImage modules there")


# Two names of one kernel must give the same run, and results that can be compared.
SHORT_NAMES = {"6.12": "base", "6.12-nomove": "nomove", "6.12-debug": "debug"}
FULL_NAMES = {short: name for name, short in SHORT_NAMES.items()}


def check_kernel(kernel):
    """Refuses a kernel that does not exist, before anything is got, built or written for it."""
    if kernel == "running":
        return
    if "/" in kernel:
        if not os.path.isdir(kernel):
            raise Problem(f"no kernel tree in {kernel}; name a directory")
        if not os.path.isfile(os.path.join(kernel, "arch/x86/boot/bzImage")):
            raise Problem(f"no arch/x86/boot/bzImage in {kernel}; name a kernel tree that is built")
        if problem := lacking_options(kernel, GUEST_OPTIONS + MODULE_OPTIONS):
            raise Problem(problem)
    elif _shell(call, "check_flavour", kernel) != 0:
        raise Said(f"no kernel {kernel}")


def default_kernel(*likely):
    """The flavour that a command takes when its user names none. The first call may download a source; with --likely
    nothing is downloaded."""
    with once("default", likely):
        return str(script("kernel", "default", *likely))


def userspace_dir(preset=""):
    """Where user space is built: a directory for each clone and preset, as build.sh has it."""
    key = hashlib.sha256(str(ROOT).encode()).hexdigest()[:12]
    return cache_dir() / "build" / f"{key}{'-' + preset if preset else ''}"


_build = threading.Lock()


def build_userspace(target, preset=""):
    """Builds a target of CMake. One build at a time: the processors are busy with one."""
    with _build:
        if _shell(call, "build_userspace", target, *([preset] if preset else [])) != 0:
            raise Said(f"user space was not built ({target}{' with ' + preset if preset else ''}); see the lines above")
    return userspace_dir(preset)


def script(name, *arguments):
    """A script of ours that prints a path, such as `kernel build base`; returns its last line. Its messages go to the
    user."""
    status, output = capture([SCRIPTS / name, *arguments])
    lines = output.strip().splitlines()
    if status != 0 or not lines:
        raise Said(f"scripts/{name} {' '.join(map(str, arguments))} failed with status {status}; see the lines above")
    return pathlib.Path(lines[-1])


_once = {}
_once_lock = threading.Lock()


def once(*key):
    """A lock for each key."""
    with _once_lock:
        return _once.setdefault(key, threading.Lock())


def kernel_tree(flavour):
    """The built tree or image of a flavour. The first call may build it, which takes minutes."""
    with once("kernel", flavour):
        return script("kernel", "build", flavour)


def module_for(flavour):
    """The test module, built for a flavour or a tree."""
    with once("module", flavour):
        return script("module", "--kernel", flavour)


def revision():
    """The commit of this tree, with -dirty when the tree differs from the commit."""
    status, output = capture(["git", "-C", ROOT, "describe", "--always", "--dirty", "--abbrev=12"],
                             stderr=subprocess.DEVNULL)
    return output.strip() if status == 0 else "unknown"


# --- guests -----------------------------------------------------------------------------------------------------------


def vm_command(kernel, command, *, smp=None, mem=3072, timeout=GUEST_TIMEOUT_S, share=None, console=None, arguments=()):
    """The words that run `command` in a guest; memory in MiB, timeout in seconds. `arguments` are further options of
    scripts/vm."""
    words = [SCRIPTS / "vm", "--kernel", kernel, "--mem", mem, "--timeout", timeout]
    for option, value in (("--smp", smp), ("--share", share), ("--console", console)):
        if value is not None:
            words += [option, value]
    return [*words, *arguments, "--", *command]
