# SPDX-License-Identifier: GPL-2.0
"""Tries the faults made by hand.

One guest tries many modules. Most faults of the kernel are in one kernel, and a parameter switches a fault on; the
exporters have such a kernel too. Each other fault of the kernel or an exporter has its own kernel and guest. The faults
of the importers are in one module of the usual kernel.
"""

import collections
import os
import threading
import time

import build
import core
import engine
import importer_module
import kernel_image
import merged
from engine import Job, limited
from hand_made import ENVIRONMENTS, GUESTS, Mistake
from record import Record
from verdicts import Verdict

# What many faults share. faults: [Merged]; kernel: the image or the flavour to boot; module: the test module; where,
# faulty: as in a Job.
Shared = collections.namedtuple("Shared", "faults kernel module where faulty")


def groups(faults):
    """Returns [((kind, flavour), its faults)]. A flavour that has the name of a version is before its other
    flavours."""
    return [(key, [fault for fault in faults if (fault.kind, fault.flavour) == key])
            for key in sorted({(fault.kind, fault.flavour) for fault in faults})]


def by_guest(faults):
    """Returns {guest: the faults that need this guest}."""
    return {guest: [fault for fault in faults if fault.guest == guest]
            for guest in sorted({fault.guest for fault in faults})}


def control_name(kind, flavour, guest="usual"):
    return f"{kind}-{flavour}" if guest == "usual" else f"{kind}-{flavour}-{guest}"


def programs_of(faults):
    return sorted({program for fault in faults for program in fault.programs})


def test_module(tree, work):
    """Builds the test module without a fault; returns its path."""
    build.ModuleTree(work / "tree", tree).build(None, work / "module")
    return str(work / "module" / f"{build.MODULE}.ko")


class Hunt:
    """Builds and tries all chosen faults, and records the verdicts."""

    def __init__(self, faults, binaries, work, jobs=1):
        """jobs: how many guests run side by side."""
        self.faults, self.binaries, self.work, self.jobs = faults, binaries, work, jobs
        self.modules = [fault for fault in faults if fault.kind == "module"]
        self.kernels = [fault for fault in faults if fault.kind != "module"]
        self.record = Record([control_name(*key, guest) for some in (self.modules, self.kernels)
                              for key, group in groups(some) for guest in by_guest(group)])

    def run(self):
        self.record.plan(self.faults)
        for (_, flavour), faults in groups(self.modules):
            self.hunt_modules(flavour, faults)
        if self.kernels:
            with core.threads(1) as guests:
                tries = [a_try for key, faults in groups(self.kernels)
                         for a_try in self.hunt_kernels(*key, faults, guests)]
                for a_try in tries:
                    a_try.result()  # raises the exception of the try, if there was one
        self.record.missing()
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
        with core.threads(len(trees)) as pool:
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
                self.record.control(control_name("module", flavour), verdict)
            else:
                self.record.fault(by_name[job.name], verdict)

        jobs = [Job("control", paths["control"], limited(programs_of(faults)), True)]
        jobs += [Job(fault.name, paths[fault.name], limited(fault.programs)) for fault in built]
        engine.Engine(flavour, self.binaries, work / "boots", report, (flavour, paths["control"]),
                      guests=self.jobs).run(jobs)

    # --- the kernel, the exporters and the importers ---

    def hunt_kernels(self, kind, flavour, faults, guests):
        """Builds the kernel that most faults share, then a kernel for each other fault. Yields the tries.

        Each kernel is built while the kernel before is tried.
        """
        work = self.work / f"{kind}-{flavour}"
        work.mkdir()
        build_shared = self.build_importers if kind == "importers" else self.build_kernel
        shared, others = build_shared(kind, flavour, faults, work)
        for guest, of_guest in by_guest(faults).items():
            yield guests.submit(self.try_shared, control_name(kind, flavour, guest), of_guest, shared, work)
        for fault, reason in others:
            core.say(f"building kernel {flavour}: {fault.name}, which needs its own build: {reason}")
            directory = work / fault.name
            directory.mkdir()
            try:
                build.last_line_of("kernel", "mutant", core.ROOT / fault.file, directory / "bzImage", flavour)
            except Mistake as mistake:
                self.record.fault(fault, Verdict("error", None, str(mistake), None))
                continue
            yield guests.submit(self.try_alone, fault, directory, shared)

    def build_merged(self, what, sources, faults, build_texts):
        """Builds the faults that can be merged. what: names the build; sources: {path: text} of the files that may have
        faults; build_texts: builds all faults that the compiler accepts, see kernel_image.build_accepted().

        Returns ([Merged], [(fault, reason)] of the others, what the build returned).
        """
        shared, others = merged.split(sources, faults, lambda fault: (core.ROOT / fault.file).read_text())
        core.say(f"building {what} with {len(shared)} of {len(faults)} faults")

        def write(refused):
            left = [one for one in shared if one.fault.name not in refused]
            texts, lines = merged.write_all(
                sources, left, lambda path: kernel_image.with_numbers(kernel_image.prelude_of(path), len(shared)))
            return left, texts, lines

        built, refused, result = build_texts(write)
        for one in shared:
            if one.fault.name in refused:
                self.record.fault(one.fault, Verdict("error", None, "the compiler refuses the fault", None))
        return built, others, result

    def build_kernel(self, kind, flavour, faults, work):
        """Returns (Shared, [(fault, reason)] of the others).

        With all faults switched off, the image is the kernel without a fault. So it is the control of the others too.
        """
        sources = kernel_image.sources_in(build.last_line_of("kernel", "mutant", "--tree", flavour), kind)
        built, others, tree = self.build_merged(
            f"kernel {flavour}", sources, faults,
            lambda write: kernel_image.build_image(sources, write, work, flavour))
        return Shared(built, str(work / "bzImage"), test_module(tree, work), "kernel", ""), others

    def build_importers(self, kind, flavour, faults, work):
        """The same for faults in the module of an importer, for the usual kernel. The others get no build of their
        own."""
        importer_module.unpack(flavour.partition("-")[0], work / "source")
        sources = kernel_image.sources_in(work / "source", kind)
        kdir = build.last_line_of("kernel", "build", flavour)
        built, others, faulty = self.build_merged(
            importer_module.MODULE, sources, faults,
            lambda write: kernel_image.build_accepted(write, lambda texts: importer_module.build_module(
                work / "source", kdir, texts, work / "build.log")))
        for fault, reason in others:
            self.record.fault(fault, Verdict("error", None, reason, None))
        return Shared(built, flavour, test_module(kdir, work), "importers", str(faulty)), []

    def try_shared(self, name, faults, shared, work):
        """Tries the control of some faults, which need the same guest, then those that are in the shared kernel."""
        here = [one for one in shared.faults if one.fault in faults]
        by_name = {one.fault.name: one.fault for one in here}

        def report(job, verdict):
            if job.control:
                self.record.control(name, verdict)
            else:
                self.record.fault(by_name[job.name], verdict)

        def job(name, programs, control, mutants=()):
            return Job(name, shared.module, limited(programs), control, mutants=mutants, where=shared.where,
                       faulty=shared.faulty, environment=ENVIRONMENTS.get(faults[0].guest, {}))

        jobs = [job(f"control-{name}", programs_of(faults), True)]
        jobs += [job(one.fault.name, one.fault.programs, False, [one.number]) for one in here]
        engine.Engine(shared.kernel, self.binaries, work / f"boots-{name}", report,
                      arguments=GUESTS[faults[0].guest], guests=self.jobs).run(jobs)

    def try_alone(self, fault, directory, shared):
        engine.Engine(str(directory / "bzImage"), self.binaries, directory / "boots",
                      lambda job, verdict: self.record.fault(fault, verdict), (shared.kernel, shared.module),
                      arguments=GUESTS[fault.guest]).run(
                          [Job(fault.name, shared.module, limited(fault.programs), False,
                               environment=ENVIRONMENTS.get(fault.guest, {}))])
        (directory / "bzImage").unlink()
