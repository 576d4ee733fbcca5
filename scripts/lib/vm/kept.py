# SPDX-License-Identifier: GPL-2.0
"""Guests that stay, and take one command after the other (--keep).

A keeper is a process in the background that has a guest and a socket. A client is a scripts/vm that connects to this
socket. The keeper takes one client at a time. A keeper ends, and its guest with it, when
- the guest's kernel reported a bug, or the guest was lost
- a command left a module loaded, or removed one
- a client went away before its command had ended
- no command came for a time
- somebody says `scripts/vm --stop`

The conversation, each message a line of JSON:
  keeper: {"clock"}; client: its stdout and stderr as file descriptors, {"job", "mounts", "timeout"};
  keeper: {"status", "lines"}. A keeper that ends before its first message has taken no command.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import select
import shutil
import signal
import socket
import struct
import tempfile
import time

import initramfs
import once
import qemu
import verdict
from common import KERNEL_BUG, LOST, CannotStart, cache, core, say
from guest import STDERR, STDOUT, Guest
from machine import accelerator, command_line, find_kernel, machine

# So many guests are started for one command. An emulator sometimes breaks the boot of a sound kernel.
ATTEMPTS = 2
# Guards against a guest that hangs after a command. It needs a moment to end what the command left behind.
SETTLE_S = 100
# Guards against a keeper that does not end. It has nothing to do but to end QEMU.
STOP_S = 20


# --- places ----------------------------------------------------------------------------------------------------------


def places():
    """The directories of all kept guests, those that ended too."""
    return sorted((cache() / "kept").glob("*/"))


def place_of(options, program, image, initrd):
    """The directory of the guest that these options ask for. Another kernel or another scripts/vm is another guest."""
    here = pathlib.Path(__file__).parent
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(here.glob("*.py"))))
    state = os.stat(image)
    digest.update(repr([program, str(image), state.st_mtime_ns, state.st_size, initrd.name, options.smp, options.mem,
                        options.icount, options.iommu, options.igb, options.p2p, options.append,
                        list(map(str, options.share))]).encode())
    return cache() / "kept" / digest.hexdigest()[:12]


def keeper_of(place):
    """Returns the number of the keeper's process, or None. A keeper has a POSIX lock on the file `alive` until the
    keeper ends. The kernel gives no number of a process in another PID namespace."""
    flock = struct.Struct("hhqqi4x")
    try:
        with open(place / "alive", "rb") as file:
            lock = fcntl.fcntl(file, fcntl.F_GETLK, flock.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
    except FileNotFoundError:
        return None
    kind, _, _, _, pid = flock.unpack(lock)
    return pid if kind != fcntl.F_UNLCK and pid > 0 else None


@contextlib.contextmanager
def short_path(place):
    """The path of the socket. A path through a descriptor is short enough for any cache directory."""
    directory = os.open(place, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{directory}/socket"
    finally:
        os.close(directory)


def send(connection, **message):
    connection.sendall(json.dumps(message).encode() + b"\n")


def receive(connection):
    """The next message; None when the other side is gone."""
    data = b""
    with contextlib.suppress(ConnectionError):
        while not data.endswith(b"\n"):
            some = connection.recv(1 << 16)
            if not some:
                return None
            data += some
        return json.loads(data)
    return None


# --- the client ------------------------------------------------------------------------------------------------------


def run(options):
    """Runs the command in the kept guest that fits the options, and starts this guest where there is none."""
    image, modules = find_kernel(options.kernel)
    qemu.need_packages()
    program = qemu.choose(options)
    initrd = initramfs.build(cache(), once.GUEST_INIT, modules)
    place = place_of(options, program, image, initrd)
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    for _ in range(ATTEMPTS):
        with core.locked(place / "lock", "start of the same guest"):
            connection = connect(place) or start(place, options, program, image, initrd)
        with connection:
            answer = ask(connection, options, modules)
        if answer is not None:
            for line in answer["lines"]:
                say(line)
            return answer["status"]
    raise CannotStart(f"the kept guest ended before it took a command: {core.last_line(place / 'log')}")


def connect(place):
    connection = socket.socket(socket.AF_UNIX)
    try:
        with short_path(place) as path:
            connection.connect(path)
        return connection
    except OSError:
        connection.close()
        return None


def start(place, options, program, image, initrd):
    """Starts a keeper, and connects to it."""
    accelerate, clock = accelerator(options, image, initrd)
    accelerate = [program, *accelerate]
    (place / "socket").unlink(missing_ok=True)
    say(f"starting a guest that stays until it has had no command for {options.idle} s (end it with scripts/vm --stop)")
    with socket.socket(socket.AF_UNIX) as listener:
        with short_path(place) as path:
            listener.bind(path)
        listener.listen()
        if os.fork() == 0:
            in_background(Keeper(place, listener, options, clock), accelerate, image, initrd)
        connection = connect(place)
    if not connection:
        raise CannotStart(f"the keeper of a guest does not start; see {place}/log")
    return connection


def ask(connection, options, modules):
    """Has the command run. Returns the keeper's answer, or None when it took no command."""
    if not select.select([connection], [], [], 2)[0]:
        say("waiting for the kept guest: it boots, or runs another command")
    hello = receive(connection)
    if hello is None:
        return None
    socket.send_fds(connection, [b"\n"], [STDOUT, STDERR])
    send(connection, job=once.job_text(options, hello["clock"]), mounts=once.mounts_text(options, modules),
         timeout=options.timeout)
    return receive(connection) or {"status": LOST, "lines": ["the keeper of the guest is gone, and the guest with it"]}


# --- the keeper ------------------------------------------------------------------------------------------------------


def in_background(keeper, accelerate, image, initrd):
    """The keeper's life, in a process of its own. Never returns."""
    try:
        os.setsid()
        os.chdir("/")
        log = os.open(keeper.place / "log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        for number, file in enumerate((os.open(os.devnull, os.O_RDONLY), log, log)):
            os.dup2(file, number)
        keep_open = keeper.listener.fileno()
        os.closerange(3, keep_open)
        os.closerange(keep_open + 1, os.sysconf("SC_OPEN_MAX"))
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(number, signal.SIG_IGN)
        keeper.live(accelerate, image, initrd)
    except BaseException as problem:  # pylint: disable=broad-exception-caught
        say(f"the keeper ends: {type(problem).__name__} {problem}")
    finally:
        os._exit(0)


class GuestEnds(Exception):
    """Why the guest takes no more commands. Its console is evidence when its kernel broke or the guest was lost."""

    def __init__(self, why, evidence=False):
        super().__init__(why)
        self.evidence = evidence


class Keeper:
    """Has one guest, and gives it the commands of one client after the other."""

    def __init__(self, place, listener, options, clock):
        self.place, self.listener, self.options, self.clock = place, listener, options, clock
        self.commands, self.scratch, self.console = 0, None, None

    def live(self, accelerate, image, initrd):
        with open(self.place / "alive", "wb") as alive:
            fcntl.lockf(alive, fcntl.LOCK_EX)
            self.tell("starting")
            self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="dmabuf-vm-"))
            self.console = self.scratch / "console"
            self.console.write_bytes(b"")
            (self.scratch / "job").mkdir()
            evidence = False
            try:
                words = accelerate + machine(self.options, self.scratch / "job", self.console)
                with open(self.scratch / "qemu", "wb") as messages, \
                        Guest(words, image, initrd, command_line(self.options), messages, kept=True) as guest:
                    self.serve(guest)
            except GuestEnds as why:
                say(why)
                evidence = why.evidence
            finally:
                # a client that connects now would wait for a keeper that is ending
                (self.place / "socket").unlink(missing_ok=True)
                self.listener.close()
                if not evidence:
                    shutil.rmtree(self.scratch, ignore_errors=True)

    def tell(self, state):
        """For --list."""
        core.write_json(self.place / "about.json", {
            "pid": os.getpid(), "kernel": self.options.kernel, "smp": self.options.smp, "mem": self.options.mem,
            "state": state, "since": time.time(), "idle": self.options.idle, "commands": self.commands})

    def serve(self, guest):
        """Until the guest is of no more use, or nobody comes for a time."""
        self.settle(guest, self.options.timeout)
        if bug := verdict.kernel_bug(self.console):
            raise GuestEnds(f"the kernel reported a bug while it booted: {bug}")
        while client := self.next_client(guest):
            with client, contextlib.suppress(ConnectionError):
                self.serve_one(guest, client)

    @staticmethod
    def settle(guest, patience_s):
        """Waits until the guest is ready for a command."""
        for word in guest.words(time.monotonic() + patience_s):
            if word == "ready":
                return
            raise GuestEnds(word)
        raise GuestEnds("the guest did not become ready for a command", evidence=True)

    def next_client(self, guest):
        """The next client's connection; None when nobody came for a time."""
        self.tell("idle")
        for word in guest.words(time.monotonic() + self.options.idle, wakes=[self.listener.fileno()]):
            if word != self.listener.fileno():
                raise GuestEnds(f"the idle guest says: {word}")
            self.tell("busy")
            return self.listener.accept()[0]
        return None

    def serve_one(self, guest, client):
        """One command. Raises GuestEnds when there can be no other."""
        send(client, clock=self.clock)
        outputs = socket.recv_fds(client, 1, 2)[1]
        try:
            request = receive(client) if len(outputs) == 2 else None
            if request is None:
                return
            status, line, lines = self.execute(guest, client, outputs, request)
        finally:
            for output in outputs:
                os.close(output)
        why = self.unfit(guest, status)
        lines += [line] * bool(line) + ([f"the guest is not kept: {why}"] if why else [])
        send(client, status=status, lines=lines)
        if why:
            raise GuestEnds(why, evidence=status in (KERNEL_BUG, LOST))

    def execute(self, guest, client, outputs, request):
        """Has the guest run a command. Returns (exit status, a line about it or "", lines that came before)."""
        self.commands += 1
        (self.scratch / "job/job.sh").write_text(request["job"])
        (self.scratch / "job/mounts").write_text(request["mounts"])
        guest.send(f"{self.commands}\n")
        status, lost, lines = self.follow(guest, client, outputs, request["timeout"])
        if status is not None and not verdict.console_is_whole(self.console, self.commands):
            status, lost = None, verdict.NOT_WHOLE
        return *verdict.judge(status, lost, self.console), lines

    @staticmethod
    def follow(guest, client, outputs, timeout_s):
        """Returns (status or None, why there is none, lines for the user)."""
        deadline, lines = time.monotonic() + timeout_s, []
        try:
            for word in guest.words(deadline, *outputs, wakes=[client.fileno()]):
                if word == client.fileno():
                    raise GuestEnds("a client went away before its command had ended")
                kind, _, rest = word.partition(" ")
                if kind == "exit":
                    return int(rest), "", lines
                if kind == "cut":
                    lines.append(once.LEFT_BEHIND)
                elif kind != "started":
                    return None, f"the guest ended the command without a status: {word}", lines
        except BrokenPipeError:
            raise GuestEnds("nobody reads the output of the command any more") from None
        if time.monotonic() >= deadline:
            return None, f"the guest timed out after {timeout_s} s", lines
        return None, once.why_lost(guest), lines

    def unfit(self, guest, status):
        """Why the guest can take no other command; "" when it can."""
        if status == KERNEL_BUG:
            return "its kernel reported a bug"
        if status == LOST:
            return "it was lost"
        try:
            self.settle(guest, SETTLE_S)
        except GuestEnds as why:
            return str(why)
        return ""


# --- all kept guests -------------------------------------------------------------------------------------------------


def about(place):
    with contextlib.suppress(OSError, ValueError):
        return json.loads((place / "about.json").read_text())
    return None


def counted(number, noun):
    """A number of things, such as "1 command"."""
    return f"{number} {noun}{'s' * (number != 1)}"


def list_all():
    """A line for each kept guest."""
    alive = [(place, known) for place in places() if keeper_of(place) and (known := about(place))]
    for place, known in alive:
        idle = time.time() - known["since"]
        left = f", ends in {max(0, known['idle'] - idle):.0f} s" if known["state"] == "idle" else ""
        print(f"{place.name}  kernel {known['kernel']}, {counted(known['smp'], 'processor')}, {known['mem']} MiB; "
              f"{counted(known['commands'], 'command')}; {known['state']} for {idle:.0f} s{left}; "
              f"process {known['pid']}")
    if not alive:
        say("there is no kept guest")
    return 0


def stop_all():
    """Ends all kept guests."""
    stopped = 0
    for place in places():
        if pid := keeper_of(place):
            stop(place, pid)
            stopped += 1
    say(f"kept guests that were ended: {stopped}")
    return 0


def stop(place, pid):
    """Ends a keeper, by request and then by force. QEMU ends with its keeper."""
    deadline = time.monotonic() + STOP_S
    with contextlib.suppress(ProcessLookupError):  # a keeper may end by itself at any time
        os.kill(pid, signal.SIGTERM)
        while keeper_of(place) == pid:
            if time.monotonic() >= deadline:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
