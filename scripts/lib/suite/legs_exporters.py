# SPDX-License-Identifier: GPL-2.0
"""The leg exporters: dmabuf-check in guests, on a buffer of each exporter that the kernel and QEMU's devices have."""
import dataclasses
import pathlib

import core
import guests
import legs_kernel
import tests_json

# Chunks of all orders: 1 MiB, 64 KiB and 4 KiB.
SMALL_HEAP, LARGE_HEAP = "system,3212K", "system,65676K"
# Of the two ivshmem devices, one has a BAR of 4 GiB, and the other can be reset. The first ranges of the BAR make three
# blocks in which only pages inside are at the wrong place. Then come short ones, two that stand in the wrong order, one
# behind a gap, two that make one run at an odd place, and more ranges than 8 bits count.
LARGE_DEVICE, DEVICE = "0000:00:11.0", "0000:01:00.0"
WRONG_INSIDE = "0+4K,8K+4K,4K+4K,12K+4K,16K+8K,0+4K,28K+4K,32K+16K,0+4K,52K+12K"
RANGES = (f"{WRONG_INSIDE},0+12K,0x1003000+0x3fd000,8M+1M,7M+1M,64M+1M,0x5001000+1M,0x5101000+0xff000,96M+12K,"
          "100M+4K*300/8K")
# Laws that need a mapping of the buffer.
MAPPED_LAWS = ("agree.while_mapped", "lifetime.map_and_unmap", "invalidate.waits_for_unmap")
# These laws need a second buffer of the device, or of the command.
MORE_BUFFERS = ("lifetime.buffers", "lifetime.importer_keeps_buffer")
VFIO_LAWS = (*MAPPED_LAWS, *MORE_BUFFERS, "invalidate.made_meanwhile")
# These exporters have both callbacks. Without this option, laws are skipped where one is missing.
REQUIRED = "--require get_pfn --require get_pfn_attrs"


@dataclasses.dataclass(frozen=True)
class Source:
    """Where dmabuf-check takes a buffer from: its arguments for a small and for a large buffer. `options` are the
    options of the kernel without which there is no such buffer. `both`: the full form takes the small buffer too, for
    leaks that are small beside a large buffer. `must_pass`: laws that a guest without some device would skip."""
    small: str
    large: str
    options: tuple = ()
    both: bool = False
    must_pass: tuple = ()

    def arguments(self, large):
        """What dmabuf-check is called with, once for each."""
        if not large:
            return [self.small]
        return [self.small, self.large] if self.both else [self.large]


@dataclasses.dataclass(frozen=True)
class Guest:
    """A guest for some sources. `before` is a command of the shell; `arguments` are options of scripts/vm."""
    name: str
    sources: tuple
    before: str
    arguments: tuple
    environment: dict = dataclasses.field(default_factory=dict)


def of_every_size(arguments, *options):
    return Source(arguments, arguments, options)


def complete(small, large, *options, both=False, must_pass=()):
    """A source of an exporter that has both callbacks."""
    return Source(f"{small} {REQUIRED}", f"{large} {REQUIRED}", options, both, must_pass)


def blocks_of_heap(size):
    """Only the blocks: the orders of the chunks are all that another size changes."""
    return of_every_size(f"--heap system,{size} --only block", "DMABUF_HEAPS_SYSTEM")


GUESTS = (
    Guest("memory", (
        complete("--udmabuf 2M", "--udmabuf 64M", "UDMABUF", both=True),
        complete("--udmabuf 2M,shuffled", "--udmabuf 64M,shuffled", "UDMABUF"),
        complete("--udmabuf 4M,huge", "--udmabuf 32M,huge", "UDMABUF", "HUGETLBFS"),
        complete("--udmabuf 4M,huge,shuffled", "--udmabuf 32M,huge,shuffled", "UDMABUF", "HUGETLBFS"),
        complete(f"--heap {SMALL_HEAP}", f"--heap {LARGE_HEAP}", "DMABUF_HEAPS_SYSTEM", both=True),
        # Buffers without chunks of one of the orders, or of two; and one with more chunks of 1 MiB than 8 bits count.
        *map(blocks_of_heap, ("4K", "60K", "68K", "1028K", "263308K")),
        of_every_size("--testexp ram:600,hole:1,mmio:3@8,private:2"),
        of_every_size("--testexp dynamic,ram:100,ram:3"),
        of_every_size("--testexp revocable,ram:64,wc:16@0"),
        of_every_size("--testexp no_get_pfn,ram:16"),
        of_every_size("--testexp no_attrs,ram:16"),
        of_every_size("--testexp private:100,ram:16 --require get_pfn_attrs"),
        of_every_size("--testexp private:16 --only page"), # no page has a PFN
        # vgem maps each attachment, so 10,000 attachments take long. The debug kernel gets the small buffer.
        Source("--drm vgem,256K", "--drm vgem,2M", ("DRM_VGEM",)),
        Source(*[f"--from '{core.ROOT}/selftests/check/examples/system_heap.py {2 << 20}' --from-again"] * 2,
               ("DMABUF_HEAPS_SYSTEM",), must_pass=MORE_BUFFERS),
    ), "{ modprobe vgem || :; }", ("--append", "hugepages=32")),
    # The device edu attaches, so DMA addresses are those of the IOMMU. While agree.device runs, edu belongs to VFIO and
    # makes DMA. VFIO takes the devices with a BAR, so the module has no BAR. Without the last option VFIO refuses a
    # device without interrupt remapping. --p2p lets VFIO's buffers be mapped.
    Guest("iommu", (
        complete(f"--vfio {DEVICE},2,0+4M", f"--vfio {DEVICE},2,0+64M", "VFIO_PCI_DMABUF", both=True,
                 must_pass=VFIO_LAWS),
        # The first range has more bytes than 32 bits count, and so the ranges behind it begin behind 2^20 pages. Only a
        # short buffer is asked for every page.
        complete(f"--vfio {LARGE_DEVICE},2,{RANGES}", f"--vfio {LARGE_DEVICE},2,0+4G,{RANGES} --pages 65536",
                 "VFIO_PCI_DMABUF", both=True, must_pass=VFIO_LAWS),
        # The guest memory has the large buffers.
        complete("--udmabuf 2M,shuffled", "--udmabuf 2M,shuffled", "UDMABUF", must_pass=("agree.device",)),
        complete(f"--heap {SMALL_HEAP}", f"--heap {SMALL_HEAP}", "DMABUF_HEAPS_SYSTEM", must_pass=("agree.device",)),
        complete("--testexp ram:600,ram:3,ram:17", "--testexp ram:600,ram:3,ram:17", must_pass=("agree.device",)),
    ), f"{core.LIB}/guest/vfio-bind {LARGE_DEVICE} {DEVICE}",
          ("--iommu", "--p2p", "--append", "iommufd.allow_unsafe_interrupts=1"),
          {"TESTEXP_IMPORTER_DEVICE": "0000:00:10.0", "TESTEXP_MMIO_BAR": ""}),
    # iommufd tells which PFNs it has only for a device without an IOMMU. The DMA addresses of edu are physical here.
    Guest("no iommu", (
        complete(f"--vfio {LARGE_DEVICE},2,0+1M", f"--vfio {LARGE_DEVICE},2,0+64M,0+12K", "VFIO_PCI_DMABUF",
                 must_pass=("agree.iommufd", "agree.dma_addresses") + VFIO_LAWS),
    ), f"{core.LIB}/guest/vfio-bind --noiommu {LARGE_DEVICE}", ("--p2p",),
          {"TESTEXP_IMPORTER_DEVICE": "0000:00:10.0", "TESTEXP_MMIO_BAR": ""}),
)


def is_missing(source, config):
    """Why this kernel has no such buffer, or "". config: the text of the kernel's .config."""
    lacking = [f"CONFIG_{option}" for option in source.options
               if not {f"CONFIG_{option}=y", f"CONFIG_{option}=m"} & set(config.splitlines())]
    return f"the kernel lacks {' '.join(lacking)}" if lacking else ""


def without_a_result(document, number):
    """The runs of dmabuf-check in which no law held, one line each. number: how many runs were asked for."""
    programs = {program["name"]: program["cases"] for program in document["programs"]}
    silent = [name for name in document["planned"]
              if not any(case["verdict"] == "passed" for case in programs.get(name, ()))]
    return silent + ([f"{number - len(document['planned'])} that selftests/run does not know"]
                     if len(document["planned"]) != number else [])


def laws_not_passed(document, required):
    """The laws that must have passed, and did not, one line each. required: the laws of each run, in its order."""
    programs = {program["name"]: program["cases"] for program in document["programs"]}
    return [
        f"{name}: {law}" for name, laws in zip(document["planned"], required) for law in laws
        if not any(case["name"] == law and case["verdict"] == "passed" for case in programs.get(name, ()))
    ]


def check_in(checks, kernel, guest, large):
    """Runs dmabuf-check in one guest, on each source that this kernel has."""
    config = pathlib.Path(core.kernel_tree(kernel), ".config").read_text(encoding="utf-8")
    more, required, name = [], [], f"exporters on {kernel}, guest {guest.name}"
    for source in guest.sources:
        for arguments in source.arguments(large):
            if why := is_missing(source, config):
                checks.skips(f"{name}: dmabuf-check {arguments}", why)
            else:
                more += ["--check", arguments]
                required.append(source.must_pass)
    if not more:
        return
    ended = guests.judged(checks, name, kernel, more=more, short=not large, arguments=guest.arguments,
                          environment=guest.environment, before=guest.before)

    def has_results(log):
        document = tests_json.load(ended.ktap)
        silent = without_a_result(document, len(required))
        log.expect(not silent, f"no law held in {'; '.join(silent)}")
        missing = laws_not_passed(document, required)
        log.expect(not missing, f"not passed: {'; '.join(missing)}")

    checks.check(f"{name}: each run has a result", has_results)


def exporters(checks):
    for guest in GUESTS:
        check_in(checks, legs_kernel.NEWEST, guest, large=not checks.quick)
    if not checks.quick:
        for guest in GUESTS:
            check_in(checks, legs_kernel.DEBUG, guest, large=False)
