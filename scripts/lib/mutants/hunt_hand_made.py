# SPDX-License-Identifier: GPL-2.0
"""Tries the faults made by hand.

One guest tries many modules. Each kernel needs its own guest, and is built while the kernel before is tried.
"""

import concurrent.futures
import os
import threading
import time

import build
import core
import engine
from engine import Job, limited
from hand_made import Mistake
from record import Record
from verdicts import Verdict


def by_flavour(faults):
    """Returns [(flavour, its faults)], the flavour base first."""
    flavours = sorted({fault.flavour for fault in faults}, key=lambda flavour: (flavour != "base", flavour))
    return [(flavour, [fault for fault in faults if fault.flavour == flavour]) for flavour in flavours]


def programs_of(faults):
    return sorted({program for fault in faults for program in fault.programs})


class Hunt:
    """Builds and tries all chosen faults, and records the verdicts."""

    def __init__(self, faults, binaries, work):
        self.faults, self.binaries, self.work = faults, binaries, work
        self.modules = [fault for fault in faults if fault.kind == "module"]
        self.kernels = [fault for fault in faults if fault.kind == "kernel"]
        self.record = Record([f"{kind}-{flavour}" for kind, some in (("module", self.modules), ("kernel", self.kernels))
                              for flavour, _ in by_flavour(some)])

    def run(self):
        self.record.plan(len(self.faults))
        for flavour, faults in by_flavour(self.modules):
            self.hunt_modules(flavour, faults)
        if self.kernels:
            with concurrent.futures.ThreadPoolExecutor(1) as guests:
                tries = [a_try for flavour, faults in by_flavour(self.kernels)
                         for a_try in self.hunt_kernels(flavour, faults, guests)]
                for a_try in tries:
                    a_try.result()  # raises the exception of the try, if there was one
        self.record.missing_controls()
        return self.record

    # --- the module ---

    def build_modules(self, kdir, faults, work):
        """Returns the faults whose module was built. The other faults get the verdict error."""
        trees = [build.ModuleTree(work / f"tree-{number}", kdir) for number in range(os.cpu_count() or 1)]
        built, started, lock = [], time.monotonic(), threading.Lock()

        def one(fault):
            with lock:
                tree = trees.pop()
            try:
                tree.build(fault, work / "module" / (fault.name if fault else "control"))
                built.append(fault)
            except Mistake as mistake:
                if not fault:
                    raise
                self.record.fault(fault, Verdict("error", None, str(mistake), None))
            finally:
                trees.append(tree)
            if len(built) % 10 == 0:
                core.say(f"built {len(built)} of {len(faults) + 1} modules, {time.monotonic() - started:.0f} s")

        (work / "module").mkdir()
        with concurrent.futures.ThreadPoolExecutor(len(trees)) as pool:
            list(pool.map(one, [None, *faults]))
        core.say(f"built {len(built)} modules, {time.monotonic() - started:.0f} s")
        return [fault for fault in faults if fault in built]

    def hunt_modules(self, flavour, faults):
        work = self.work / flavour
        built = self.build_modules(build.last_line_of("kernel", "build", flavour), faults, work)
        paths = {name: str(work / "module" / name / f"{build.MODULE}.ko")
                 for name in ["control", *(fault.name for fault in built)]}
        by_name = {fault.name: fault for fault in built}

        def report(job, verdict):
            if job.control:
                self.record.control(f"module-{flavour}", verdict)
            else:
                self.record.fault(by_name[job.name], verdict)

        jobs = [Job("control", paths["control"], limited(programs_of(faults)), True)]
        jobs += [Job(fault.name, paths[fault.name], limited(fault.programs)) for fault in built]
        engine.Engine(flavour, self.binaries, work / "boots", report, (flavour, paths["control"])).run(jobs)

    # --- the kernel ---

    def hunt_kernels(self, flavour, faults, guests):
        """Builds each kernel while the kernel before is tried."""
        right = None
        for fault in [None, *faults]:
            name = fault.name if fault else f"control-{flavour}"
            directory = self.work / "kernel" / name
            directory.mkdir(parents=True)
            core.say(f"building kernel {flavour}: {name}")
            try:
                tree = build.last_line_of("kernel", "mutant", str(core.ROOT / fault.file) if fault else "/dev/null",
                                          str(directory / "bzImage"), flavour)
                if not fault:
                    build.ModuleTree(directory / "tree", tree).build(None, directory / "module")
                    right = (str(directory / "bzImage"), str(directory / "module" / f"{build.MODULE}.ko"))
            except Mistake as mistake:
                if not fault:
                    raise
                self.record.fault(fault, Verdict("error", None, str(mistake), None))
                continue
            programs = fault.programs if fault else programs_of(faults)
            job = Job(name, right[1], limited(programs), not fault)
            yield guests.submit(self.try_kernel, fault, flavour, job, directory, right)

    def try_kernel(self, fault, flavour, job, directory, right):
        def report(_, verdict):
            if fault:
                self.record.fault(fault, verdict)
            else:
                self.record.control(f"kernel-{flavour}", verdict)

        engine.Engine(str(directory / "bzImage"), self.binaries, directory / "boots", report, right).run([job])
        if fault:
            (directory / "bzImage").unlink()
