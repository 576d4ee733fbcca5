# SPDX-License-Identifier: GPL-2.0
"""Writes all mutants of a file into one text. Numbers that are set at run time switch mutants on.

A slot becomes a choice: `(testexp_site(5, 17) ? (faulty) : (right))`. A statement becomes an if. testexp_site() records
that the slot was executed, and returns whether fault 17 is on. Each faulty text has its own line, so the line number of
a compiler error identifies the mutant.
"""

import collections
import re

PRELUDE = '#include "mutant.h"\n'  # the first line of each file of the module


def one_line(text):
    return " ".join(re.sub(r"/\*.*?\*/", " ", text, flags=re.DOTALL).split())


def choice(slot, site, text, faults):
    """Yields (line, number of the mutant in the line, or None) for the lines that replace a slot.

    faults: [(number, faulty text)].
    """
    asked = [f"testexp_site({site}, {faults[0][0]})", *(f"testexp_is_on({number})" for number, _ in faults[1:])]
    if slot.kind in ("statement", "jump"):
        yield "{", None
        for question, (number, faulty) in zip(asked, faults):
            yield f"if ({question}) {{ {one_line(faulty)}; }} else", number
        yield f"{{ {text}; }} }}", None
        return
    yield "(", None
    for question, (number, faulty) in zip(asked, faults):
        yield f"{question} ? ({one_line(faulty)}) :", number
    yield f"({text}))", None


def write(source, slots, mutants, first_site=0, prelude=PRELUDE):
    """Returns (text with the prelude at the start, {line: id of the mutant in the line}, {number of a slot: site}).

    mutants: [(number, Mutant)]; the numbers begin with 1.
    """
    by_slot = collections.defaultdict(list)
    for number, mutant in mutants:
        for slot, faulty in mutant.edits:
            by_slot[slot].append((number, faulty))
    ids = {number: mutant.id for number, mutant in mutants}
    text, position, lines, sites = prelude, 0, {}, {}
    for place, slot in enumerate(slots):
        if place not in by_slot:
            continue
        sites[place] = first_site + len(sites)
        text += source[position:slot.start]
        for line, number in choice(slot, sites[place], source[slot.start:slot.end], by_slot[place]):
            text += line + "\n"
            if number is not None:
                lines[text.count("\n")] = ids[number]
        text = text[:-1]
        position = slot.end
        if slot.kind in ("statement", "jump"):  # the choice contains the semicolon
            position = source.index(";", position) + 1
    return text + source[position:], lines, sites


COMPLAINT = re.compile(r"^(?P<file>[^\s:][^:\n]*):(?P<line>\d+):(?:\d+:)? "
                       r"(?P<kind>fatal error|error|note|warning): (?P<text>.*)$")


def refused(log, lines):
    """Returns (ids of the mutants that have compiler errors, errors that belong to no mutant).

    lines: {file name: {line: id}}.
    """
    found, left, pending = set(), [], None
    for line in log.splitlines():
        match = COMPLAINT.match(line)
        if not match:
            continue
        here = lines.get(match["file"].split("/")[-1], {}).get(int(match["line"]))
        if match["kind"] in ("error", "fatal error"):
            if pending:
                left.append(pending)
            pending = line
        elif match["kind"] == "warning":
            if pending:
                left.append(pending)
            pending = None
        # The error is in this line, or a note of the compiler says that this line uses the macro with the error.
        if pending and here:
            found.add(here)
            pending = None
    return found, left + [pending] * bool(pending)
