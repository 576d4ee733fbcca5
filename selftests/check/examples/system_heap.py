#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""An example for dmabuf-check --from, in Python: allocates a buffer of the system heap, and sends it."""

import fcntl
import os
import socket
import struct
import sys

DMA_HEAP_IOCTL_ALLOC = 0xC0184800
ALLOCATION = struct.Struct("=QIIQ")  # struct dma_heap_allocation_data: len, fd, fd_flags, heap_flags


def allocate(size):
    heap = os.open("/dev/dma_heap/system", os.O_RDWR)
    request = ALLOCATION.pack(size, 0, os.O_RDWR | os.O_CLOEXEC, 0)
    return ALLOCATION.unpack(fcntl.ioctl(heap, DMA_HEAP_IOCTL_ALLOC, request))[1]


def main():
    with socket.socket(fileno=3) as connection:
        socket.send_fds(connection, [b"x"], [allocate(int(sys.argv[1]))])
        connection.recv(1)  # returns when dmabuf-check has ended


if __name__ == "__main__":
    main()
