# SPDX-License-Identifier: GPL-2.0
"""Loads and unloads the test module for selftests/run."""
import os
import subprocess
import time

import limits

NAME = "dmabuf_testexp"


class Problem(Exception):
    """Why the module was not loaded, in one or more lines for the user."""


def patiently(done):
    """Waits until done() is true, for RELEASE_ROUNDS at most. Returns whether it is."""
    for _ in range(limits.RELEASE_ROUNDS):
        if done():
            return True
        time.sleep(limits.RELEASE_PAUSE_S)
        subprocess.run(["true"], check=False)
    return done()


def users():
    """The number of references to the module; each of its objects holds one."""
    try:
        with open(f"/sys/module/{NAME}/refcnt", encoding="ascii") as file:
            return int(file.read())
    except OSError:
        return 0


def judge_users(before):
    """Checks that the objects of a program are gone when the program is gone."""
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
    """The parameters to load the module with on this machine.

    selftests/lib/client/module_parameters.cpp decides, also for a program that loads the module itself.
    """
    path = os.path.join(binaries, "module_parameters")
    words, error = _call(path)
    if error:
        raise Problem(f"{error}; build the target 'selftests'")
    return words.split()


def load(path, binaries, log, more=()):
    """Loads the module. Raises Problem with the kernel's messages if that fails.

    `more`: additional parameters.
    """
    error = _call("insmod", path, *parameters(binaries), *more)[1]
    if error:
        log.new_bugs()
        said = [f"the kernel says: {line}" for line in log.recent]
        nothing = f"what the kernel says cannot be read: {log.why}" if log.why else "the kernel says nothing"
        raise Problem("\n".join([f"cannot load {path}: {error}", *(said or [nothing])]))
    subprocess.run(["modprobe", "-q", "udmabuf"], check=False)  # a foreign exporter, if there is one


def call_after_load(program):
    """Runs the program of --after-load. Raises Problem if the program fails."""
    error = program and _call(program)[1]
    if error:
        raise Problem(f"--after-load: {error}")


def unload():
    """Unloads the module. Anything that still holds it has leaked."""
    errors = []

    def is_gone():
        errors.append(_call("rmmod", NAME)[1])
        return errors[-1] is None

    return [] if patiently(is_gone) else [f"the module cannot be unloaded, so something leaked: {errors[-1]}"]
