# SPDX-License-Identifier: GPL-2.0
"""The leg importers: IOMMUFD maps dma-bufs in guests with an IOMMU and in a guest without."""
import dataclasses

import core
import guests
import legs_kernel


@dataclasses.dataclass(frozen=True)
class Guest:
    """A guest for some programs. `before` is a command of the shell; `arguments` are options of scripts/vm. For each
    pattern of `must_pass` a case must have passed, because these cases are skipped where the guest lacks a device. The
    cases of `traced` also need a kernel that traces arguments of functions, which the debug kernel does not. The cases
    of `debug` need fault injection, which only the debug kernel has."""
    name: str
    programs: tuple
    must_pass: tuple
    traced: tuple = ()
    debug: tuple = ()
    before: str = ""
    arguments: tuple = ()
    environment: dict = dataclasses.field(default_factory=dict)


GUESTS = (
    # The module has the BAR of 4 GiB, and VFIO has the BAR of 64 MiB. The device edu makes the DMA. Without the last
    # options iommufd and VFIO's own container refuse a device without interrupt remapping.
    Guest("iommu", ("real_importers", "importer_errors", "importer_memory", "importer_storm", "importer_closed",
                    "importer_fail_nth"), (
        r"P23\.table\[exporter=vfio,ranges=two\]", r"P23\.table\[exporter=vfio,ranges=64M\]",
        r"P23\.table\[exporter=vfio,opened_by=group\]",
        r"P23\.table\[exporter=udmabuf,list=huge\]", r"P23\.table\[exporter=system_heap,.*\]",
        r"P23\.table\[exporter=testexp,layout=mixed\]", r"P23\.dma\[exporter=vfio,.*\]",
        r"P23\.refused_leaves_the_table", r"P23\.list_is_short", r"P23\.list_returns\[.*\]", r"P23\.far_part",
        r"P24\.copy\[of=part\]", r"P24\.harmless_write\[exporter=vfio\]", r"P24\.unmap_against_revoke\[.*\]",
        r"P24\.storm\[exporter=vfio,.*\]", r"P24\.closed_in_each_order\[exporter=vfio\]", r"P24\.killed\[in=dma,.*\]"),
          traced=(r"P23\.kinds\[.*\]", r"P23\.kinds\[large_pages=no,.*\]", r"P23\.later_domains\[.*\]",
                  r"P23\.copied\[.*\]"),
          debug=(r"P8\.iommufd_fail_nth\[call=MAP_FILE,domain=edu\]",
                 r"P8\.iommufd_fail_nth\[call=MAP_FILE,domains=2\]", r"P8\.iommufd_fail_nth\[call=REVOKE,.*\]",
                 r"P8\.iommufd_fail_nth\[call=HWPT_ALLOC,areas=2\]",
                 r"P8\.iommufd_fail_nth\[call=VFIO_DEVICE_FEATURE_DMA_BUF\]"),
          arguments=("--iommu", "--append",
                     "iommufd.allow_unsafe_interrupts=1 vfio_iommu_type1.allow_unsafe_interrupts=1")),
    # The BAR belongs to VFIO, so the module has none.
    Guest("no iommu", ("real_importers", "importer_errors"), (
        r"P23\.no_iommu\[exporter=vfio,ranges=two\]", r"P23\.no_iommu\[exporter=udmabuf,list=huge\]",
        r"P23\.no_iommu\[exporter=system_heap\]", r"P23\.no_iommu\[exporter=testexp,layout=many_runs\]",
        r"P23\.no_iommu\[part=far\]", r"P23\.refused\[buffer=vgem\]"),
          before=f"{core.LIB}/guest/vfio-bind --noiommu 0000:00:11.0 && {{ modprobe vgem || :; }}",
          environment={"TESTEXP_MMIO_BAR": ""}),
    # The device igb copies all pages of a buffer. An older QEMU does not have this device.
    Guest("bulk", ("importer_bulk",), (
        r"P23\.dma\[pages=all,exporter=vfio,ranges=two\]", r"P23\.dma\[pages=all,exporter=udmabuf,list=huge_cut\]",
        r"P23\.dma\[pages=all,exporter=system_heap,.*\]", r"P23\.dma\[pages=all,exporter=testexp,layout=mixed\]",
        r"P23\.dma\[pages=all,domain=new,.*\]", r"P24\.storm\[pages=all,exporter=.*\]"),
          arguments=("--qemu", "backports", "--iommu", "--igb", "--append", "iommufd.allow_unsafe_interrupts=1")),
)


def import_in(checks, kernel, guest):
    """Runs the programs of one guest."""
    short = checks.quick or kernel == legs_kernel.DEBUG  # KASAN makes the tests much slower
    ended = guests.judged(checks, f"importers on {kernel}, guest {guest.name}", kernel, list(guest.programs),
                          short=short, before=guest.before, arguments=guest.arguments, environment=guest.environment)
    if ended.lacks_qemu:
        return
    checks.must_pass(ended.ktap, *guest.must_pass, *(guest.debug if kernel == legs_kernel.DEBUG else guest.traced))


def importers(checks):
    kernels = (legs_kernel.NEWEST,) if checks.quick else (legs_kernel.NEWEST, legs_kernel.DEBUG)
    for kernel in kernels:
        for guest in GUESTS:
            import_in(checks, kernel, guest)
