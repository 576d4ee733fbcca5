# SPDX-License-Identifier: GPL-2.0
"""Reads the faults made by hand: the entries of the file `module`, and the patches of kernel/mutants/VERSION and its
directories exporters and importers.

Each fault names the programs that must find it.
"""

import collections
import pathlib
import re
import sys

import core
import guest

MODULE_FAULTS = pathlib.Path(__file__).resolve().parent / "module"
KERNEL_FAULTS = core.ROOT / "kernel/mutants"
DEFAULT_VERSION = "6.12"

# kind: module, kernel, exporters or importers; file: the file that the fault changes, or the patch; flavour: the kernel
# on which a test can see the fault; edits: [(function or "", old, new)], or [] for a patch; guest: the guest that shows
# the fault.
Fault = collections.namedtuple("Fault", "name kind file text programs flavour edits guest", defaults=("usual",))
# {guest: options of scripts/vm}. The built-in vfio-pci takes the ivshmem device of the guest with an IOMMU. VFIO
# refuses devices without interrupt remapping, which QEMU's IOMMU does not have, unless an option
# allow_unsafe_interrupts is set: iommufd has one, and VFIO's type1 driver has another.
GUESTS = {"usual": (), "huge-pages": ("--append", "hugepages=16"),
          "devices": ("--iommu", "--append",
                      "iommufd.allow_unsafe_interrupts=1 vfio_iommu_type1.allow_unsafe_interrupts=1"),
          "bulk": ("--qemu", "backports", "--iommu", "--igb", "--append", "iommufd.allow_unsafe_interrupts=1"),
          "iommu": ("--iommu", "--append", "vfio-pci.ids=1af4:1110 iommufd.allow_unsafe_interrupts=1"),
          "p2p": ("--iommu", "--p2p", "--append", "vfio-pci.ids=1af4:1110 iommufd.allow_unsafe_interrupts=1")}
# {guest: environment of the programs}. VFIO's buffers can be mapped for edu, the importers' device of the guest p2p.
ENVIRONMENTS = {"p2p": {"TESTEXP_IMPORTER_DEVICE": "0000:00:10.0", "TESTEXP_MMIO_BAR": ""}}
# dmabuf-check has its arguments in brackets.
PROGRAM = re.compile(r"[\w-]+(?:\[[^\]]*\])?")
# {kind: (directory below kernel/mutants/VERSION, the NAME of the flavour VERSION-NAME that shows the faults)}
PATCHES = {"kernel": ("", None), "exporters": ("exporters", "exporters"), "importers": ("importers", None)}

HEADING = re.compile(r"== (?P<name>[a-z0-9-]+) +(?P<file>[\w./]+) +(?P<programs>\w+(?: \w+)*?)"
                     r"(?: kernel=(?P<flavour>[\w.-]+))?$")


class Mistake(Exception):
    """One line that says what is wrong with a fault, or with its build."""


def versions():
    """Returns the versions of the kernel that have faults."""
    return sorted(path.name for path in KERNEL_FAULTS.iterdir() if path.is_dir())


def flavour_of(version, name):
    """Returns the kernel on which a fault is tried. name: nomove, debug, 7.3, stock and so on; None: the version."""
    if not name:
        return version
    return name if name[0].isdigit() or name.startswith("stock") else f"{version}-{name}"


# --- reading ----------------------------------------------------------------------------------------------------------

def read_module_faults(path, version=DEFAULT_VERSION):
    """Returns the entries of the file `module`; the comment at its head describes an entry."""
    faults = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if heading := HEADING.match(line):
            function, last = "", ""
            faults.append(Fault(heading["name"], "module", "kmod-testexp/" + heading["file"], "",
                                heading["programs"].split(), flavour_of(version, heading["flavour"]), []))
            continue
        if line.startswith("=="):
            sys.exit(f"scripts/mutants: {path.name}:{number}: a heading is '== NAME FILE PROGRAM... [kernel=FLAVOUR]'")
        if not faults or (line[0] in "-+@" and not faults[-1].text):
            sys.exit(f"scripts/mutants: {path.name}:{number}: no heading or no text before this line")
        fault, mark, rest = faults[-1], line[0], line[1:].strip()
        if mark == "@":
            function = rest
        elif mark == "-" and last == "-":
            fault.edits[-1][1] += "\n" + rest
        elif mark == "-":
            fault.edits.append([function, rest, ""])
        elif mark == "+" and fault.edits:
            fault.edits[-1][2] += line[1:] + "\n"
        else:
            faults[-1] = fault._replace(text=f"{fault.text} {line.strip()}".strip())
        last = mark
    return faults


def read_patch(path, version, kind):
    """Reads a patch: the text, the lines `Contract:`, `Found-by:` and optionally `Kernel:` and `Guest:`, then the
    diff."""
    head = path.read_text().split("\n---\n", 1)[0]
    trailers = dict(re.findall(r"^(Contract|Found-by|Kernel|Guest): (.+)$", head, re.MULTILINE))
    if not {"Contract", "Found-by"} <= trailers.keys():
        sys.exit(f"scripts/mutants: {path.name} has no Contract: or no Found-by: before ---")
    text = " ".join(head.split("\n\nContract:")[0].split())
    guest_name = trailers.get("Guest", "usual")
    if guest_name not in GUESTS:
        sys.exit(f"scripts/mutants: {path.name}: there is no guest {guest_name}; there are: {' '.join(GUESTS)}")
    return Fault(path.stem, kind, str(path.relative_to(core.ROOT)), text, PROGRAM.findall(trailers["Found-by"]),
                 flavour_of(version, trailers.get("Kernel", PATCHES[kind][1])), [],
                 guest_name)


def all_faults(version=DEFAULT_VERSION):
    """Returns the faults of the module, of the kernel, of the exporters and of the importers of this version.

    The faults that only the kernel nomove shows are left out where a version has no such kernel.
    """
    faults = read_module_faults(MODULE_FAULTS, version) + [
        read_patch(path, version, kind) for kind, (directory, _) in PATCHES.items()
        for path in sorted((KERNEL_FAULTS / version / directory).glob("*.patch"))]
    if not (core.ROOT / "kernel/patches" / version / "nomove.config").exists():
        faults = [fault for fault in faults if fault.flavour != f"{version}-nomove"]
    twice = [name for name, count in collections.Counter(fault.name for fault in faults).items() if count > 1]
    if twice:
        sys.exit(f"scripts/mutants: two faults have the name {twice[0]}")
    known = {path.stem for path in (core.ROOT / "selftests").glob("*.cpp")}
    for fault in faults:
        for program in fault.programs:
            if program not in known and guest.check_of(program) is None:
                sys.exit(f"scripts/mutants: {fault.name}: there is no program {program}")
    return faults


def function_span(text, function):
    """Returns (start, end) of a function, from its name to the closing brace in the first column."""
    match = re.search(rf"^(?![\s/*#])[^;\n]*\b{re.escape(function)}\([^;{{]*\)\s*\{{.*?^\}}", text,
                      re.MULTILINE | re.DOTALL)
    if not match:
        raise Mistake(f"there is no function {function}")
    return match.span()


def apply_edits(text, edits):
    """Returns the text after all edits. Each old text must be there exactly once; line breaks do not matter."""
    for function, old, new in edits:
        start, end = function_span(text, function) if function else (0, len(text))
        pattern = re.compile(r"\s+".join(re.escape(word) for word in old.split()))
        places = list(pattern.finditer(text, start, end))
        if len(places) != 1:
            raise Mistake(f"`{' '.join(old.split())}` occurs {len(places)} times"
                          f"{' in ' + function if function else ''} instead of once")
        if places[0].group().split() == new.split():
            raise Mistake("the fault changes nothing")
        text = text[:places[0].start()] + new.strip() + text[places[0].end():]
    return text


def all_fit(faults):
    """Returns whether every fault of the module still applies; names the faults that do not apply."""
    fits = True
    for fault in faults:
        try:
            if fault.kind == "module":
                apply_edits((core.ROOT / fault.file).read_text(), fault.edits)
        except (Mistake, OSError) as why:
            core.say(f"{fault.name} no longer fits {fault.file}: {why}")
            fits = False
    return fits
