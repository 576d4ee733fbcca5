# SPDX-License-Identifier: GPL-2.0
"""Runs legs side by side. A guest is emulated in one thread. A leg also waits for fences, boots and devices, so one leg
more than there are processors keeps the processors busy."""
import queue
import threading
import time

import core

QUIET_S = 60  # without a line, the user is told what is running


def default_jobs():
    """One more than there are processors, if there is memory for them: a leg takes up to 6 GiB."""
    with open("/proc/meminfo", encoding="ascii") as file:
        memory = dict(line.split(":") for line in file)
    gib = int(memory["MemAvailable"].split()[0]) >> 20
    return max(1, min(core.processors() + 1, gib // 6))



class Schedule:
    """The legs that wait, those that run, and those that are done. `run_leg` is called in a thread for each."""

    def __init__(self, legs, jobs, run_leg, longest_first):
        self.waiting = sorted(legs, key=longest_first, reverse=True)
        self.jobs, self.run_leg = jobs, run_leg
        self.running = {}  # name: (leg, thread, when it started)
        self.ended = queue.Queue()

    def run(self):
        """Returns when all legs ran. Whatever else ends it, no thread is left."""
        try:
            while self.waiting or self.running:
                self.start_some()
                self.wait_for_one()
        finally:
            self.end()

    def start_some(self):
        for leg in list(self.waiting):
            if len(self.running) < self.jobs and self.may_start(leg):
                self.waiting.remove(leg)
                thread = threading.Thread(target=self.work, args=(leg,), name=leg.name)
                self.running[leg.name] = (leg, thread, time.monotonic())
                thread.start()

    def may_start(self, leg):
        """Not before the legs whose results it reads, and not beside those that it disturbs."""
        waiting = {other.name for other in self.waiting} | set(self.running)
        apart = any(other.name in leg.not_beside or leg.name in other.not_beside
                    for other, _, _ in self.running.values())
        return not apart and not waiting & set(leg.after)

    def work(self, leg):
        error = None
        try:
            self.run_leg(leg)
        except BaseException as caught:  # pylint: disable=broad-exception-caught
            error = caught  # raised where the user sees it
        self.ended.put((leg.name, error))

    def wait_for_one(self):
        if not self.running:
            raise AssertionError(f"these legs wait for each other: {' '.join(leg.name for leg in self.waiting)}")
        try:
            name, error = self.ended.get(timeout=QUIET_S)
        except queue.Empty:
            now = time.monotonic()
            core.say("running: " + ", ".join(f"{name} {core.elapsed(now - started)}"
                                             for name, (_, _, started) in self.running.items()))
            return
        self.running.pop(name)[1].join()
        if error:
            raise error

    def end(self):
        if self.running:
            core.stop()
        for _, thread, _ in self.running.values():
            thread.join()
