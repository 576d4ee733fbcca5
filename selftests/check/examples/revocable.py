#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""An example for dmabuf-check --from with --revoke-by and --restore-by: sends a buffer of the test exporter.

SIGUSR1 makes the exporter revoke the buffer, and SIGUSR2 makes the exporter give the pages back. The argument is the
name of a new FIFO. When the exporter has done this, a reader of the FIFO finds end of file.
"""

import array
import fcntl
import os
import signal
import socket
import struct
import sys

# kmod-testexp/testexp_uapi.h has the names
CREATE, REVOKE, RESTORE = 0xDB01, 0xDB03, 0xDB07
CREATE_REVOCABLE = 0x40
EXTENT = struct.Struct("=QQIIQQII")  # struct testexp_extent
ARGUMENT = struct.Struct("=IIQIIQiI")  # struct testexp_create
BUFFER = struct.Struct("=IIiI")  # struct testexp_revoke, struct testexp_restore


def create(device):
    extents = array.array("B", EXTENT.pack(64, 1, 0, 0, 0, 0, 0, 0))  # 64 pages of RAM, once
    request = ARGUMENT.pack(ARGUMENT.size, CREATE_REVOCABLE, extents.buffer_info()[0], 1, 0, 0, 0, 0)
    return ARGUMENT.unpack(fcntl.ioctl(device, CREATE, request))[6]


def main():
    device = os.open("/dev/dmabuf_testexp", os.O_RDWR)
    buffer = create(device)
    os.mkfifo(sys.argv[1])

    def call(request):
        fcntl.ioctl(device, request, BUFFER.pack(BUFFER.size, 0, buffer, 0))
        os.close(os.open(sys.argv[1], os.O_WRONLY))  # waits for the reader

    signal.signal(signal.SIGUSR1, lambda number, frame: call(REVOKE))
    signal.signal(signal.SIGUSR2, lambda number, frame: call(RESTORE))
    with socket.socket(fileno=3) as connection:
        socket.send_fds(connection, [b"x"], [buffer])
        connection.recv(1)  # returns when dmabuf-check has ended


if __name__ == "__main__":
    main()
