# SPDX-License-Identifier: GPL-2.0
"""Checks the name of a generated fault against the sources. This needs no build, so a wrong name costs none.

The last part of a name comes from the text of the fault. Only a build with all faults tells whether this part is right.
"""
import re

import build
import generated
import generated_kernel
import kernel_image
import rules
import series

# The rules of rules.py.
RULES = ("negated", "shifted", "logic", "operand-dropped", "arithmetic", "constant", "check-deleted", "deleted",
         "neighbour-field", "swapped", "other-label", "pair-deleted")
FORM = "a name is FILE_c-FUNCTION-RULE-8 DIGITS, as --generated --list prints it"


def stems(where):
    """Returns the first parts of the names of the faults there."""
    return [rules.stem(file) for file in (generated.FILES if where == "module" else kernel_image.FILES[where])]


def sources(where, flavour):
    """Returns {the first part of a name: the text that has the functions}."""
    if where != "module":
        version = generated_kernel.version_of(flavour)
        return {rules.stem(file): series.text_of(version, file) for file in kernel_image.FILES[where]}
    return {rules.stem(file): (build.MODULE_SOURCES / file).read_text(encoding="utf-8") for file in generated.FILES}


def why_unknown(name, where, flavour):
    """Says why no rule makes a fault of this name for this kernel, or returns nothing."""
    texts = sources(where, flavour)
    file = next((file for file in texts if name.startswith(f"{file}-")), None)
    parts = re.fullmatch(r"(\w+)-([a-z-]+)-[0-9a-f]{8}", name[len(file) + 1:]) if file else None
    if not re.fullmatch(r"[\w-]+-\w+-[\w-]+-[0-9a-f]{8}", name):
        return FORM
    if not parts:
        return f"it begins with none of {' '.join(texts)}"
    function, rule = parts.groups()
    if not re.search(rf"\b{function}\(", texts[file]):
        return f"{file} has no function {function}"
    return "" if rule in RULES else f"there is no rule {rule}; there are {' '.join(RULES)}"
