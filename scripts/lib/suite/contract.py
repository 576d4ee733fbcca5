# SPDX-License-Identifier: GPL-2.0
"""Is each promise of the contract tested? Reads the promises of docs/contract.md.

A promise is a list item: its name in bold, its text, and at the end `Tests:` with patterns, or `No test:` with the
reason. A pattern is `glob` (any run), `flavour:glob` (a run of that kernel) or `group:glob` (a run of each kernel of a
group), where * stands for any text. A promise holds when a case that passed matches each of its patterns, and no case
that failed matches one of them. A pattern without a kernel asks for no failure on any kernel. A case that was skipped
does not count. A run in which a program has a fault counts for nothing.
"""
import dataclasses
import fnmatch
import re

ITEM = re.compile(r"^- .*(?:\n(?: +\S.*))*", re.MULTILINE)
PROMISE = re.compile(r"- \*\*(?P<name>.+?)\*\*.*?\n  (?P<kind>Tests|No test): (?P<rest>.+)", re.DOTALL)


@dataclasses.dataclass
class Promise:
    """Patterns of tests, or the reason why there is no test."""
    name: str
    patterns: list
    no_test: str = ""


class Damaged(Exception):
    """The text of the contract is not what this file describes."""


def promises(text):
    """The promises of the contract, in order."""
    found = [_promise(item) for item in ITEM.findall(text)]
    names = [promise.name for promise in found]
    doubles = sorted({name for name in names if names.count(name) > 1})
    if doubles:
        raise Damaged(f"two promises are called {doubles[0]!r}")
    return found


def _promise(item):
    match = PROMISE.fullmatch(item)
    if not match:
        raise Damaged(f"neither 'Tests:' nor 'No test:' in {item.splitlines()[0]!r}")
    name = " ".join(match["name"].replace("`", "").split()).rstrip(".")
    if match["kind"] == "No test":
        return Promise(name, [], " ".join(match["rest"].split()))
    patterns = re.findall(r"`([^`]+)`", match["rest"])
    if not patterns or re.sub(r"`[^`]+`", "", match["rest"]).strip(" ,.\n"):
        raise Damaged(f"not a list of patterns: the tests of {name!r}")
    return Promise(name, patterns)


def unmet(patterns, runs, groups):
    """The patterns that no case matches. `runs` has the cases that passed, by flavour; `groups` has flavours, by
    name."""
    return [pattern for pattern in patterns if not _meets(pattern, runs, groups)]


def failed(patterns, runs, groups):
    """`flavour:case` for each case that a pattern matches, on a kernel that the pattern names, or on any kernel if the
    pattern names none. `runs` has the cases that failed, by flavour; `groups` as for unmet()."""
    found = set()
    for pattern in patterns:
        flavours, name = _parts(pattern, runs, groups)
        found |= {
            f"{flavour}:{case}" for flavour in flavours or runs for case in _matching(name, runs.get(flavour, ()))
        }
    return sorted(found)


def _meets(pattern, runs, groups):
    """Whether a case that passed has this name, on each kernel that the pattern names."""
    flavours, name = _parts(pattern, runs, groups)
    if flavours:
        return all(_matching(name, runs.get(flavour, ())) for flavour in flavours)
    return any(_matching(name, cases) for cases in runs.values())


def _parts(pattern, runs, groups):
    """The kernels that a pattern names, which are none for any run, and its glob."""
    word, colon, name = pattern.partition(":")
    if colon and word in groups:
        return groups[word], name
    if colon and word in runs:
        return (word,), name
    return (), pattern


def _matching(name, cases):
    """The cases with this name. Brackets have no special meaning."""
    glob = re.compile(fnmatch.translate(name.replace("[", "[[]")))
    return list(filter(glob.match, cases))
