# SPDX-License-Identifier: GPL-2.0
"""Buffers of the kernel's own exporters that the benchmark measures beside those of the test exporter."""
import re

import core
import kernels

# With 8 MiB an operation on a whole buffer is shorter than a timer period, so that its instructions can be counted. The
# PCI device is ivshmem, whose BAR 2 has 64 MiB.
BUFFERS = ("udmabuf:8M", "udmabuf:8M,huge", "heap:system,8M", "vfio:0000:00:11.0,2,0+8M")
PREPARE = core.LIB / "guest/prepare-exporters"


def are_measured(kernel):
    """Whether the exporters of this kernel may have get_pfn. The tree of a user may have anything: the benchmark says,
    case by case, what it lacks."""
    return kernel == kernels.NEWEST or "/" in kernel


def arguments():
    """Options of bench_resolve for the test exporter and for all of these buffers."""
    return [word for exporter in ("testexp", *BUFFERS) for word in ("--exporter", exporter)]


def prepare():
    """Prepares the guest. The benchmark names what is still missing afterwards, case by case."""
    core.call([PREPARE])


# udmabuf merges pages that follow each other in memory. So these paths have another number of blocks and segments in
# each boot, and no reference can have their counts. The first map of a new buffer of the test exporter took 1,471
# instructions in some boots of one kernel, and 1,426 in another boot. The reason is not known; what the allocator has
# free may decide.
OF_ONE_BOOT = re.compile(r"^resolve/path:(?:(?:\w+_stride|sgt_\w+)/exporter:udmabuf|sgt_map/.*/touch:first)")


def without_one_boot(document):
    """The JSON of a benchmark, without the cases whose counts are those of one boot."""
    kept = [row for row in document["benchmarks"] if not OF_ONE_BOOT.match(row["name"])]
    return {**document, "benchmarks": kept}
