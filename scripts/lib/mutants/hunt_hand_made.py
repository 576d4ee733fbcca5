# SPDX-License-Identifier: GPL-2.0
"""Tries the faults made by hand.

One guest tries many modules. Most faults of the kernel are in one kernel, and a parameter switches a fault on. Each
other fault of the kernel has its own kernel and guest.
"""

import concurrent.futures
import os
import pathlib
import threading
import time

import build
import core
import engine
import kernel_image
import merged
from engine import Job, limited
from hand_made import Mistake
from record import Record
from verdicts import Verdict


def by_flavour(faults):
    """Returns [(flavour, its faults)], the flavour that has the name of a version first."""
    return [(flavour, [fault for fault in faults if fault.flavour == flavour])
            for flavour in sorted({fault.flavour for fault in faults})]


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
        """Builds the kernel that most faults share, then a kernel for each other fault. Yields the tries.

        Each kernel is built while the kernel before is tried.
        """
        work = self.work / f"kernel-{flavour}"
        work.mkdir()
        shared, others, right = self.build_shared(flavour, faults, work)
        yield guests.submit(self.try_shared, flavour, faults, shared, right, work)
        for fault, reason in others:
            core.say(f"building kernel {flavour}: {fault.name}, which needs its own build: {reason}")
            directory = work / fault.name
            directory.mkdir()
            try:
                build.last_line_of("kernel", "mutant", core.ROOT / fault.file, directory / "bzImage", flavour)
            except Mistake as mistake:
                self.record.fault(fault, Verdict("error", None, str(mistake), None))
                continue
            yield guests.submit(self.try_alone, fault, directory, right)

    def build_shared(self, flavour, faults, work):
        """Returns ([Merged], [(fault, reason)] of the others, (image, module)).

        With all faults switched off, the image is the kernel without a fault. So it is the control of the others too.
        """
        source = (pathlib.Path(build.last_line_of("kernel", "build", flavour)) / kernel_image.SUBJECT).read_text(
            encoding="utf-8")
        shared, others = merged.split(source, faults, lambda fault: (core.ROOT / fault.file).read_text())
        core.say(f"building kernel {flavour} with {len(shared)} of {len(faults)} faults")

        def write(refused):
            left = [one for one in shared if one.fault.name not in refused]
            text, lines = merged.write(source, left, kernel_image.PRELUDE)
            return left, kernel_image.with_numbers(text, len(shared)), lines

        built, refused, tree = kernel_image.build_image(source, write, work, flavour)
        for one in shared:
            if one.fault.name in refused:
                self.record.fault(one.fault, Verdict("error", None, "does not build: see scripts/kernel mutant", None))
        build.ModuleTree(work / "tree", tree).build(None, work / "module")
        return built, others, (str(work / "bzImage"), str(work / "module" / f"{build.MODULE}.ko"))

    def try_shared(self, flavour, faults, shared, right, work):
        """Tries the control of all faults, then each fault that is in the shared kernel."""
        by_name = {one.fault.name: one.fault for one in shared}

        def report(job, verdict):
            if job.control:
                self.record.control(f"kernel-{flavour}", verdict)
            else:
                self.record.fault(by_name[job.name], verdict)

        image, module = right
        jobs = [Job(f"control-{flavour}", module, limited(programs_of(faults)), True, where="kernel")]
        jobs += [Job(one.fault.name, module, limited(one.fault.programs), False, mutants=[one.number], where="kernel")
                 for one in shared]
        engine.Engine(image, self.binaries, work / "boots", report).run(jobs)

    def try_alone(self, fault, directory, right):
        engine.Engine(str(directory / "bzImage"), self.binaries, directory / "boots",
                      lambda job, verdict: self.record.fault(fault, verdict), right).run(
                          [Job(fault.name, right[1], limited(fault.programs), False)])
        (directory / "bzImage").unlink()
