# SPDX-License-Identifier: GPL-2.0
"""Reads tests.json, in which selftests/run says how the self-tests of a run went. Nothing is judged again here: what
cannot be read, or contradicts itself, is a failure."""
import json

import core

VERSION = 1


def load(directory):
    """The document in that directory. A Problem says why there is none, or why it is not the whole truth."""
    path = directory / "tests.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["version"] != VERSION:
            raise core.Problem(f"{path} has version {document['version']}, and this reads {VERSION}")
        if document["complete"] is not True:
            raise core.Problem(
                f"the self-tests did not come to their end; the last program was {_last_program(document)} ({path})")
        counts = [document[name] for name in ("passed", "failed", "skipped")]
        if counts != _counts(document):
            raise core.Problem(f"{path} is damaged: it counts {counts} passed, failed and skipped, but its programs "
                               f"have {_counts(document)}; run the leg again")
        if [program["name"] for program in document["programs"]] != document["planned"]:
            raise core.Problem(f"{path} is damaged: its programs are not those that were planned; run the leg again")
    except OSError as error:
        raise core.Problem(f"the self-tests left no {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise core.Problem(f"{path} is damaged: {error!r}") from error
    return document


def _last_program(document):
    return document["programs"][-1]["name"] if document["programs"] else "none"


def _counts(document):
    """How many cases passed, failed and were skipped, as selftests/run counts them. Faults are failures."""
    verdicts = [case["verdict"] for case in _cases(document)]
    faults = sum(bool(program["faults"]) for program in document["programs"]) + len(document["faults"])
    return [verdicts.count("passed"), verdicts.count("failed") + faults, verdicts.count("skipped")]


def passed_cases(directory):
    """The names of the cases that passed. A run in which none did, in which something beyond a case was wrong, or whose
    kernel log nobody judged, proves nothing, which is a Problem."""
    names = _cases_with("passed", directory)
    if not names:
        raise core.Problem(f"no case passed in the run of {directory}")
    return names


def failed_cases(directory):
    """The names of the cases that failed. A run in which something beyond a case was wrong is a Problem here too."""
    return _cases_with("failed", directory)


def _cases_with(verdict, directory):
    document = load(directory)
    try:
        judged = document["kernel_log"]["judged"]
        faults = [*(f"{program['name']}: {fault}" for program in document["programs"] for fault in program["faults"]),
                  *document["faults"]]
        names = {case["name"] for case in _cases(document) if case["verdict"] == verdict}
    except (KeyError, TypeError) as error:
        raise core.Problem(f"{directory / 'tests.json'} is damaged: {error!r}") from error
    if judged is not True:
        raise core.Problem(f"what the kernel logged in the run of {directory} was not judged")
    if faults:
        raise core.Problem(f"the run of {directory} failed: {faults[0]}")
    return names


def failures(document):
    """A line for each case that failed, and for whatever else was wrong."""
    lines = [
        f"{program['name']}: {case['name']}" for program in document["programs"] for case in program["cases"]
        if case["verdict"] == "failed"
    ]
    lines += [f"{program['name']}: {fault}" for program in document["programs"] for fault in program["faults"]]
    return lines + list(document["faults"])


def _cases(document):
    for program in document["programs"]:
        yield from program["cases"]
