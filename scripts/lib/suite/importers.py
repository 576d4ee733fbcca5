# SPDX-License-Identifier: GPL-2.0
"""Buffers that iommufd maps for a device, in the benchmark of importers."""
import re

import core
import kernels

KERNELS = (kernels.NEWEST, f"{kernels.NEWEST}-upstream")  # upstream maps one range of a BAR, and a memfd
# One range of the BAR of an ivshmem device that has 4 GiB, huge pages of udmabuf, and memory of the system heap.
BUFFERS = (*(f"vfio:0000:00:11.0,2,0+{size}" for size in ("2M", "16M", "128M", "1G")), "udmabuf:2M,huge",
           "udmabuf:128M,huge", "heap:system,2M", "heap:system,128M")
PREPARE = core.LIB / "guest/prepare-importers"
# QEMU's IOMMU does not remap interrupts. VFIO's type1 driver maps the BAR as well, for comparison.
GUEST = ("--iommu", "--append", "iommufd.allow_unsafe_interrupts=1 vfio_iommu_type1.allow_unsafe_interrupts=1")


def are_measured(kernel):
    return kernel in KERNELS


def arguments():
    """Options of bench_import for the test exporter and for all of these buffers."""
    return [word for exporter in ("testexp", *BUFFERS) for word in ("--exporter", exporter)]


# Where the pages of these buffers are decides how many runs and leaves there are. So their counts are those of one
# boot, and no reference can have their counts. The same holds for a mapping whose address the kernel chooses: the
# address may happen to be aligned for large pages. A mapping of 16 MiB that is new in each call cost type1 28,060
# instructions in two boots and 32,884 in a third boot, and the reason is not known.
OF_ONE_BOOT = re.compile(r"^import/(?:.*/buffer:(?:memfd|udmabuf|heap)|.*/aligned:no|.*/touch:first)")


def without_one_boot(document):
    """The JSON of the benchmark, without the cases whose counts are those of one boot."""
    return {**document, "benchmarks": [row for row in document["benchmarks"] if not OF_ONE_BOOT.match(row["name"])]}
