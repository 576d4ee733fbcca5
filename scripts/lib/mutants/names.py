# SPDX-License-Identifier: GPL-2.0
"""Checks the name of a generated fault against the sources. This needs no build, so a wrong name costs none.

The last part of a name comes from the text of the fault. Only a build with all faults tells whether this part is right.
"""
import re

import build
import generated
import generated_kernel
import rules

# The rules of rules.py.
RULES = ("negated", "shifted", "logic", "operand-dropped", "arithmetic", "constant", "check-deleted", "deleted",
         "neighbour-field", "swapped", "other-label", "pair-deleted")
FORM = "a name is FILE_c-FUNCTION-RULE-8 DIGITS, as --generated --list prints it"


def sources(where):
    """Returns {the first part of a name: the text that has the functions}."""
    if where == "kernel":
        return {"dma-buf_c": "".join(patch.read_text(encoding="utf-8") for patch in generated_kernel.patches())}
    return {rules.stem(file): (build.MODULE_SOURCES / file).read_text(encoding="utf-8") for file in generated.FILES}


def why_unknown(name, where):
    """Says why no rule makes a fault of this name, or returns nothing."""
    texts = sources(where)
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
