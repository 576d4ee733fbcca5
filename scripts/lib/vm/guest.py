# SPDX-License-Identifier: GPL-2.0
"""A running QEMU, and the ports of its guest."""

import fcntl
import os
import select
import socket
import subprocess
import time

STDIN, STDOUT, STDERR = 0, 1, 2
END_KEY = b"\x1d"  # Ctrl-] ends a guest with a shell
END_OF_INPUT = b"\x04"  # Ctrl-D, for a shell whose caller has no more input


class Guest:
    """A running QEMU. It dies with this process, and at the end of the `with`.

    `qemu` is the program and its arguments. The ports `out`, `err` and `status` are pipes, which carry the command's
    output and what guest-init tells. A kept guest learns of its next command through the port `job`. A guest with a
    shell has a terminal, the port `shell`.
    """

    OUTPUTS = ["out", "err", "status"]

    # pylint: disable-next=too-many-arguments
    def __init__(self, qemu, image, initrd, append, messages, *, sealed=False, shell=False, kept=False):
        self.ports, self.theirs, self.partial = {}, {}, b""
        qemu = [qemu[0], "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
                "-net", "none", *qemu[1:], "-kernel", str(image), "-initrd", str(initrd), "-append", append]
        qemu += [] if sealed else ["-device", "virtio-serial-pci"]
        for name in self.OUTPUTS:
            qemu += ["-chardev", f"file,id={name},path={self.output(name)}"]
            qemu += self.serial(name) if sealed else self.port(name)
        if kept:
            qemu += ["-chardev", f"socket,id=job,fd={self.socket('job')}", *self.port("job")]
        if shell:
            qemu += ["-chardev", f"socket,id=shell,fd={self.socket('shell')}", "-device", "virtconsole,chardev=shell"]
        # a session of its own: Ctrl-C is for us, we end QEMU ourselves
        self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "--", *qemu], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=messages or subprocess.DEVNULL,
                                        start_new_session=True, pass_fds=self.theirs.values())
        for end in self.theirs.values():
            os.close(end)

    def output(self, name):
        """A pipe that the guest writes to; returns QEMU's name for its end."""
        self.ports[name], self.theirs[name] = os.pipe()
        # A UART never finds so wide a pipe full. So what a sealed guest does cannot depend on how soon we read.
        fcntl.fcntl(self.theirs[name], fcntl.F_SETPIPE_SZ, 1 << 20)
        return f"/dev/fd/{self.theirs[name]}"

    def socket(self, name):
        """A connection for both directions; returns QEMU's end."""
        ours, theirs = socket.socketpair()
        self.ports[name], self.theirs[name] = ours.detach(), theirs.detach()
        return self.theirs[name]

    @staticmethod
    def serial(name):
        return ["-serial", f"chardev:{name}"]

    @staticmethod
    def port(name):
        return ["-device", f"virtserialport,chardev={name},name=dmabuf.{name}"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        for end in self.ports.values():
            os.close(end)

    def send(self, text):
        """A line for the guest's port `job`."""
        write_all(self.ports["job"], text.encode())

    def copies(self, stdout, stderr):
        """What is copied where: {file descriptor: file descriptor}."""
        copies = {self.ports["out"]: stdout, self.ports["err"]: stderr}
        if "shell" in self.ports:
            copies |= {self.ports["shell"]: STDOUT, STDIN: self.ports["shell"]}
        return copies

    def words(self, deadline, stdout=STDOUT, stderr=STDERR, wakes=()):
        """Yields each line of the status port, and copies the command's output meanwhile.

        Yields one of `wakes` when this file can be read. Ends when the guest is gone or at the deadline.
        """
        copies = self.copies(stdout, stderr)
        theirs = {self.ports["status"], *copies} - {STDIN}
        waiting = {*theirs, *copies, *wakes}
        while waiting & theirs and time.monotonic() < deadline:
            for end in select.select(waiting, [], [], min(1, max(0, deadline - time.monotonic())))[0]:
                if end in wakes:
                    yield end
                elif end in copies:
                    if not copy(end, copies[end]):
                        waiting.discard(end)
                elif data := os.read(end, 1 << 16):
                    # what the command wrote before this word is in the pipes already: it goes out first
                    for output in (self.ports["out"], self.ports["err"]):
                        copy_pending(output, copies[output])
                    *lines, self.partial = (self.partial + data).split(b"\n")
                    yield from (line.decode(errors="replace") for line in lines)
                else:
                    waiting.discard(end)


def copy(source, target):
    """Copies what can be read at once. False at the end of the source."""
    data = os.read(source, 1 << 16)
    if source == STDIN and END_KEY in data:
        raise KeyboardInterrupt
    write_all(target, data or (END_OF_INPUT if source == STDIN else b""))
    return bool(data)


def copy_pending(source, target):
    """Copies what can be read without waiting."""
    while select.select([source], [], [], 0)[0] and copy(source, target):
        pass


def write_all(fd, data):
    while data:
        data = data[os.write(fd, data):]
