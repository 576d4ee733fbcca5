# SPDX-License-Identifier: GPL-2.0
"""What the last run of scripts/test left: which legs it had, how each went, and on which tree. It is written whole
after each leg, so that a run that was cut, however it was cut, can be continued. A result of another tree is never
used."""
import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import pathlib
import shutil
import threading
import time

import core
from checks import Result

VERSION = 1
TIME = "%Y-%m-%d %H:%M:%S"


def tree_identity():
    """What makes this tree different from any other: its commit, what differs from the commit, and the files that git
    does not know. Settings of the user that hide a difference do not count."""
    digest = hashlib.sha256()
    for words in (["rev-parse", "HEAD"], ["diff", "HEAD", "--binary", "--no-ext-diff", "--no-textconv"]):
        digest.update(_git(*words) + b"\0")
    others = _git("ls-files", "--others", "--exclude-per-directory=.gitignore", "-z").split(b"\0")
    for name in sorted(filter(None, others)):
        path = core.ROOT / name.decode(errors="surrogateescape")
        digest.update(name + b"\0")
        with contextlib.suppress(OSError):
            content = os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes()
            digest.update(f"{path.lstat().st_mode:o} ".encode() + hashlib.sha256(content).digest())
    return digest.hexdigest()[:20]


def _git(*words):
    # latin-1 takes every byte
    status, output = core.capture(["git", "-C", core.ROOT, *words], encoding="latin-1", errors="strict")
    if status != 0:
        raise core.Problem(f"cannot tell which tree this is: git {words[0]} ended with status {status} in {core.ROOT}")
    return output.encode("latin-1")


def state_dir():
    """One for each clone."""
    return core.cache_dir() / "test" / hashlib.sha256(str(core.ROOT).encode()).hexdigest()[:12]


class State:
    """The file state.json, and the directories of the legs beside it. Only one run at a time has it."""

    def __init__(self, directory=None):
        self.directory = directory or state_dir()
        self.path = self.directory / "state.json"
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            self._lock = open(self.directory / "lock", "a", encoding="utf-8")  # pylint: disable=consider-using-with
        except OSError as error:
            raise core.Problem(f"cannot write to {self.directory}: {error.strerror}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise core.Problem(
                f"another scripts/test of this clone is running; wait for its end (lock: {self.directory / 'lock'})"
            ) from error
        self._writing = threading.Lock()
        self.tree = tree_identity()
        self.run, self.legs = self._read()

    def _read(self):
        """A file of another version, or none, is as no run at all."""
        try:
            document = json.loads(self.path.read_text(encoding="utf-8"))
            if document["version"] == VERSION:
                return document["run"], document["legs"]
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError) as error:
            core.say(f"{self.path} is damaged ({error}); what the last run found is lost")
        return None, {}

    @contextlib.contextmanager
    def _change(self):
        """What is changed in the block is written when the block ends. Legs that run side by side take turns."""
        with self._writing:
            yield
            try:
                core.write_json(self.path, {"version": VERSION, "run": self.run, "legs": self.legs})
            except OSError as error:
                raise core.Problem(f"cannot write {self.path}: {error.strerror}") from error

    # --- this run -----------------------------------------------------------------------------------------------------

    def begin(self, forms):
        """A new run. `forms` has {"quick", "named"} for each of its legs."""
        now, commit = time.strftime(TIME), core.revision()
        with self._change():
            self.run = {"started": now, "tree": self.tree, "commit": commit, "forms": forms, "done": [], "ended": None}

    def leg_dir(self, leg):
        return self.directory / leg

    def begin_leg(self, leg):
        """The leg's directory, empty. From now on there is no result of an earlier run."""
        with self._change():
            self.legs.pop(leg, None)
        directory = self.leg_dir(leg)
        shutil.rmtree(directory, ignore_errors=True)
        try:
            directory.mkdir(exist_ok=True)
        except OSError as error:
            raise core.Problem(f"cannot create {directory}: {error.strerror}") from error
        return directory

    def end_leg(self, leg, result):
        """If the tree changed while the leg ran, the result counts for no tree."""
        unchanged = tree_identity() == self.tree
        with self._change():
            self.legs[leg] = {"tree": self.tree if unchanged else "", "quick": self.run["forms"][leg]["quick"],
                              "result": dataclasses.asdict(result)}
            self.run["done"].append(leg)
        return unchanged

    def end(self):
        with self._change():
            self.run["ended"] = time.strftime(TIME)

    # --- what is there ------------------------------------------------------------------------------------------------

    def result(self, leg):
        """The result of a leg that came to its end on this tree, or None."""
        entry = self.legs.get(leg)
        return Result(**entry["result"]) if entry and entry["tree"] == self.tree else None

    def results_of(self, leg):
        """The directory of a leg that came to its end on this tree, or None."""
        return pathlib.Path(self.leg_dir(leg)) if self.result(leg) else None

    def was_short(self, leg):
        """Whether the result of a leg on this tree is of its short form."""
        return bool(self.result(leg)) and self.legs[leg]["quick"]

    def failed(self):
        """The forms of the legs that failed in the last run, or during which the tree was changed."""
        if not self.run:
            raise core.Problem("there is no last run; name a leg, see --list")
        if not self.run["ended"]:
            raise core.Problem("the last run was cut; --resume continues it")
        failed = {
            leg: form
            for leg, form in self.run["forms"].items()
            if not (entry := self.legs.get(leg)) or not entry["tree"] or entry["result"]["failed"]
        }
        if not failed:
            raise core.Problem(f"no leg failed in the last run, of {self.run['started']}")
        return failed

    def resume(self):
        """The results that a cut run had already, by leg."""
        if not self.run:
            raise core.Problem("there is no last run; nothing to resume")
        if self.run["ended"]:
            raise core.Problem(f"the last run came to its end at {self.run['ended']}; nothing to resume")
        if self.run["tree"] != self.tree:
            raise core.Problem(f"the tree is not that of the run that was cut ({self.run['commit']}); begin a new run")
        return {leg: result for leg in self.run["done"] if (result := self.result(leg))}
