# SPDX-License-Identifier: GPL-2.0
"""Buffers of the kernel's own exporters that the benchmark measures beside those of the test exporter."""
import subprocess

import core

KERNELS = ("7.3",)  # whose exporters have get_pfn
# With 8 MiB an operation on a whole buffer is shorter than a timer period, so that its instructions can be counted. The
# PCI device is ivshmem, whose BAR 2 has 64 MiB.
BUFFERS = ("udmabuf:8M", "udmabuf:8M,huge", "heap:system,8M", "vfio:0000:00:11.0,2,0+8M")
PREPARE = core.LIB / "guest/prepare-exporters"


def are_measured(kernel):
    return kernel in KERNELS


def arguments():
    """Options of bench_resolve for the test exporter and for all of these buffers."""
    return [word for exporter in ("testexp", *BUFFERS) for word in ("--exporter", exporter)]


def prepare():
    """Prepares the guest. The benchmark names what is still missing afterwards, case by case."""
    subprocess.run([PREPARE], stdin=subprocess.DEVNULL, check=False)
