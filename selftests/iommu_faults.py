# SPDX-License-Identifier: GPL-2.0
"""Judges the lines of a kernel log in which an IOMMU reports a fault: DMAR is Intel's IOMMU, AMD-Vi is AMD's.

A fault is a bug, unless a test has announced faults of this device at this IOVA at this time. The test writes the
announcement to /dev/kmsg: one line before its accesses, and one when the kernel has reported the last fault:

    expect-iommu-fault: begin 0000:00:10.0 0x100000 0x1fffff
    expect-iommu-fault: end 0000:00:10.0 0x100000 0x1fffff

Several announcements may overlap. A fault need not come: the kernel limits how many it reports within five seconds, and
counts the others. The tests that announce faults exceed this limit. So while any faults are announced, a fault that no
test has announced may be among those that the kernel only counts, and goes unseen.
"""
import re

EXPECT = re.compile(r"expect-iommu-fault: (begin|end) (\S+) 0x([\da-f]+) 0x([\da-f]+)$")
SPOILT = re.compile(r"expect-iommu-fault\b")

PCI = r"(?:[\da-f]{4}:)?[\da-f]{2}:[\da-f]{2}\.\d"

# Accesses that an IOMMU refused. Linux 6.12 leaves out the PCI segment; 5.10 has the PASID behind the device.
FAULTS = [re.compile(text) for text in (
    rf"DMAR: \[DMA (?:Read|Write)[^]]*\] Request device \[(?P<device>{PCI})\] (?:PASID \w+ )?"
    r"fault addr (?:0x)?(?P<iova>[\da-f]+) ",
    rf"AMD-Vi: Event logged \[IO_PAGE_FAULT device=(?P<device>{PCI}) .*\baddress=0x(?P<iova>[\da-f]+) ",
    rf"[\w-]+ (?P<device>{PCI}): AMD-Vi: Event logged \[IO_PAGE_FAULT .*\baddress=0x(?P<iova>[\da-f]+) ")]

# Belong to faults, but do not say to which: the line before the faults of one interrupt, and the line that counts what
# the kernel's rate limit left out.
HEADER = re.compile(r"DMAR: DRHD: handling fault status reg |"
                    r"(?:dmar_fault|amd_iommu_report_page_fault): \d+ callbacks suppressed")

# Commands of the kernel that an IOMMU did not execute, and errors other than an access that was refused. No test may
# announce these.
ERROR = re.compile(
    r"DMAR: (?:\[INTR-REMAP\] |VT-d detected |QI (?:HEAD|PRIOR): |Invalidation .* cleared|Flush IOTLB failed)|"
    r"(?:[\w-]+ \S+: )?AMD-Vi: (?:Event logged |.*Completion-Wait loop timed out|Command buffer timeout|"
    r"No event written|  device=)")


def whole_address(device):
    """The address of a PCI device with its segment."""
    return device if device.count(":") == 2 else "0000:" + device


class Judge:
    """Follows the messages of a kernel log. `announced_faults` counts the faults that a test had announced."""

    def __init__(self):
        self.expected = set()  # announcements: (device, first, last)
        self.announced_faults = 0

    def bug(self, message):
        """The bug that this message reports, or None."""
        if SPOILT.match(message):
            return self.announcement(message)
        for pattern in FAULTS:
            if match := pattern.match(message):
                return None if self.expects(whole_address(match["device"]), int(match["iova"], 16)) else message
        if HEADER.match(message):
            return None if self.expected else message
        return message if ERROR.match(message) else None

    def expects(self, device, iova):
        known = any(device == expected and first <= iova <= last for expected, first, last in self.expected)
        self.announced_faults += known
        return known

    def announcement(self, message):
        match = EXPECT.match(message)
        if not match:
            return f"not understood: {message}"
        key = (whole_address(match[2]), int(match[3], 16), int(match[4], 16))
        if (match[1] == "begin") == (key in self.expected):
            return f"announced twice: {message}" if match[1] == "begin" else f"not announced before: {message}"
        self.expected ^= {key}
        return None

    def forget(self):
        """The bug that announcements have no end, or None. Ends them."""
        unended, self.expected = sorted(self.expected), set()
        return "; ".join(f"IOMMU faults of {device} at {first:#x} to {last:#x} were announced without an end"
                         for device, first, last in unended) or None
