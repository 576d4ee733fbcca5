# SPDX-License-Identifier: GPL-2.0
"""Which component of the repository may include which: the rule, and the includes that break it."""
import fnmatch
import posixpath
import re
from typing import NamedTuple

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


class Component(NamedTuple):
    """A component may include itself, the components right below it, and what is below those."""

    name: str
    below: tuple
    files: tuple  # patterns; a file belongs to the first component with a pattern for it


MODULE = "kmod-testexp"
COMPONENTS = (
    Component("ABI", (), (f"{MODULE}/testexp_uapi.h", f"{MODULE}/testexp_hist.h")),
    # The native tests compile these parts of the exporter as they are.
    Component("native parts", ("ABI",), tuple(f"{MODULE}/exporter/{name}.h" for name in ("layout", "memory", "runs"))),
    Component("core", ("ABI",), (f"{MODULE}/ioctl.[ch]", f"{MODULE}/compat.[ch]")),
    Component("exporter", ("core", "native parts"), (f"{MODULE}/exporter/*",)),
    Component("importer", ("exporter",), (f"{MODULE}/importer/*",)),
    Component("measuring loops", ("importer",), (f"{MODULE}/bench/*",)),
    Component("module", ("measuring loops",), (f"{MODULE}/*",)),
    Component("client", ("ABI",), ("selftests/lib/client/*",)),
    Component("oracle", ("client",), ("selftests/lib/oracle/*",)),
    Component("harness", ("oracle",), ("selftests/lib/harness/*",)),
    Component("check of exporters", ("harness",), ("selftests/check/*",)),
    Component("native tests", ("check of exporters", "native parts"), ("selftests/unit/*",)),
    Component("self-tests", ("harness",), ("selftests/*",)),
    Component("probes", ("client",), ("bpf/*",)),
    Component("benchmarks", ("client", "probes"), ("bench/*",)),
    Component("reports", ("client",), ("results/*",)),
)
BY_NAME = {component.name: component for component in COMPONENTS}


def component_of(path):
    return next(
        (component for component in COMPONENTS for pattern in component.files if fnmatch.fnmatch(path, pattern)), None)


def allowed(component):
    """The names of the components that it may include."""
    return {component.name}.union(*(allowed(BY_NAME[name]) for name in component.below))


def meant(path, header, files):
    """The files that an include may mean: the one beside the including file, else all that a search path could find."""
    beside = posixpath.normpath(posixpath.join(posixpath.dirname(path), header))
    return [beside] if beside in files else sorted(file for file in files if file.endswith("/" + header))


def backward_includes(root, names):
    """Lines that say which file includes a file of a component that is not below its own."""
    files = set(names)
    wrong = []
    for path in names:
        component = component_of(path)
        if not component:
            continue
        for header in INCLUDE.findall((root / path).read_text(encoding="utf-8")):
            found = [file for file in meant(path, header, files) if component_of(file)]
            if found and not any(component_of(file).name in allowed(component) for file in found):
                wrong.append(f"{path} includes {found[0]}")
    return wrong
