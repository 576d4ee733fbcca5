# SPDX-License-Identifier: GPL-2.0
"""Loads and unloads the test module for selftests/run."""
import os
import subprocess
import time

import limits

NAME = "dmabuf_testexp"


class Problem(Exception):
    """One line or several for the user: the module was not loaded."""


def patiently(done):
    """Whether done() comes true in time; see RELEASE_ROUNDS."""
    for _ in range(limits.RELEASE_ROUNDS):
        if done():
            return True
        time.sleep(limits.RELEASE_PAUSE_S)
        subprocess.run(["true"], check=False)
    return done()


def users():
    """How many objects of the module exist. Each holds a reference."""
    try:
        with open(f"/sys/module/{NAME}/refcnt", encoding="ascii") as file:
            return int(file.read())
    except OSError:
        return 0


def judge_users(before):
    """What a program made is gone when it is."""
    if patiently(lambda: users() <= before):
        return []
    return [f"the program is gone, but {users() - before} of the objects it made are not"]


def _call(*command):
    """Runs a command. Returns (what it printed, what went wrong or None)."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return "", f"{command[0]}: {error.strerror}"
    return done.stdout, None if done.returncode == 0 else (done.stderr.strip() or f"{command[0]} failed")


def parameters(binaries):
    """What the module is to be loaded with here.

    selftests/lib/client/module_parameters.cpp decides, as it also does for a program that brings the module itself.
    """
    path = os.path.join(binaries, "module_parameters")
    words, error = _call(path)
    if error:
        raise Problem(f"{error}; build the target 'selftests'")
    return words.split()


def load(path, binaries, log, more=()):
    """A module that cannot be loaded is a problem, with what the kernel says of it.

    `more` are parameters that this module has beyond the usual ones.
    """
    error = _call("insmod", path, *parameters(binaries), *more)[1]
    if error:
        log.new_bugs()
        said = [f"the kernel says: {line}" for line in log.recent]
        nothing = f"what the kernel says cannot be read: {log.why}" if log.why else "the kernel says nothing"
        raise Problem("\n".join([f"cannot load {path}: {error}", *(said or [nothing])]))
    subprocess.run(["modprobe", "-q", "udmabuf"], check=False)  # a foreign exporter, if there is one


def unload():
    """Whatever holds the module now has leaked."""
    errors = []

    def is_gone():
        errors.append(_call("rmmod", NAME)[1])
        return errors[-1] is None

    return [] if patiently(is_gone) else [f"the module cannot be unloaded, so something leaked: {errors[-1]}"]
