# SPDX-License-Identifier: GPL-2.0
"""Tries the generated faults. One module, or one kernel, has all of them, and a parameter switches faults on.

First each program runs without a fault, and the module reports the executed sites. Each fault is then tried with the
programs that execute its site, the fastest first, until a program finds the fault. A fault that no program executes is
a survivor. Its verdict is `elsewhere` instead if the file `known` says that another kernel shows the difference.

A fast program finds most faults. The other faults cost most of the time, so the slow programs run with several of these
faults at once. When all programs pass, no fault was found. When a program fails, each half of the faults is tried
again, down to a single fault. Only a single fault is ever called found.

Faults of the importers are tried with the programs and in the guests of the leg importers, in the order of the leg. A
program is named PROGRAM@GUEST in all guests but the first. A fault that passes in one guest is tried in the next.
"""

import collections
import hashlib
import importlib.util
import itertools
import os
import pathlib
import re

import core
import engine
import generated
import generated_kernel
import guest as guest_side
import legs_importers
import state
from names import stems
from record import Record
from verdicts import Verdict

KNOWN = pathlib.Path(__file__).resolve().parent / "known"
# A case may take TIMES as long as the longest case of its program took without a fault, but at least LIMIT_S. A program
# may take LIMIT_S longer between two lines.
TIMES = 10
LIMIT_S = 20
# Programs that take at most TOGETHER_S seconds together share one run of selftests/run.
TOGETHER_S = 3
# A fault is tried alone with programs of at most ALONE_S seconds together. The slower programs run with up to AT_ONCE
# faults at once.
ALONE_S = 8
AT_ONCE = 8
# These programs cannot run on this kernel, or can report nothing after their first run.
LEFT_OUT = ["lockdep_splats"]
# These files decide which verdict a program gets.
JUDGE = [*(path for path in sorted(guest_side.SELFTESTS.iterdir()) if path.suffix == ".py" or path.name == "run"),
         *(KNOWN.parent / name for name in ("engine.py", "guest.py", "verdicts.py"))]

Fault = collections.namedtuple("Fault", "name kind file text programs flavour")

# A guest, and the programs that are tried there. before, environment: as in engine.Job; arguments: of scripts/vm;
# ordered: try the programs in this order, which is right where the first of them is slow, but finds most faults soon
Guest = collections.namedtuple("Guest", "programs arguments before environment ordered", defaults=((), "", {}, False))

# The contents of the file `known`. equivalent, survives: {id: reason}; elsewhere: {id: Elsewhere}
Known = collections.namedtuple("Known", "equivalent survives elsewhere")
# Only on `kernel` the fault makes a difference, and `programs` can see it.
Elsewhere = collections.namedtuple("Elsewhere", "kernel programs reason")
HEADING = re.compile(r"(?P<kind>equivalent|survives|elsewhere (?P<kernel>\S+)(?P<programs>( [a-z]\w*)+)): "
                     r"(?P<reason>.*\S)")


def read_known(path=KNOWN):
    """Returns a Known."""
    known, ids, value = Known({}, {}, {}), None, None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if line[0].isspace() and ids is not None and len(line.split()) == 1:
            ids[line.strip()] = value
        elif heading := HEADING.fullmatch(line):
            ids, value = getattr(known, heading["kind"].split()[0]), heading["reason"]
            if heading["kernel"]:
                value = Elsewhere(heading["kernel"], heading["programs"].split(), value)
        else:
            raise core.Problem(f"{path.name}:{number}: say `equivalent: REASON`, `survives: REASON` or `elsewhere "
                               "KERNEL PROGRAMS: REASON`, and write each ID below in a line that begins with a tab")
    return known


def guests_of(where):
    """Returns {name of a guest: Guest}. The first guest has the name "". Guests that need another QEMU are left out."""
    if where == "importers":
        return {guest.name.replace(" ", "-") if number else "":
                Guest(guest.programs, guest.arguments, guest.before, guest.environment, True)
                for number, guest in enumerate(legs_importers.GUESTS) if "--qemu" not in guest.arguments}
    return {"": Guest(tuple(sorted(path.stem for path in (core.ROOT / "selftests").glob("*.cpp")
                                   if path.stem not in LEFT_OUT)))}


def guest_of(program):
    """Returns the name of the guest of a program."""
    return program.partition("@")[2]


def in_first_guest(programs):
    """Returns the programs that run in the same guest as the first of the programs."""
    return [program for program in programs if guest_of(program) == guest_of(programs[0])]


def by_guest(things, programs_of):
    """Returns {name of a guest: the things whose first program runs there}."""
    return {guest: [thing for thing in things if guest_of(programs_of(thing)[0]) == guest]
            for guest in sorted({guest_of(programs_of(thing)[0]) for thing in things})}


def in_order(programs, rows, rank):
    """Returns the programs of the first guest, then those of the next guest. rank: {program: its place in an ordered
    guest}; the fastest of the other programs is the first."""
    return sorted(programs, key=lambda program: (guest_of(program), rank.get(program, 0), rows[program]["seconds"],
                                                 program))


def choose(mutants, sample, seed):
    """Returns a sample of the mutants, or all mutants if `sample` is None.

    The order is by a hash of seed and id: with the same seed, a new fault replaces at most one fault of the sample.
    """
    if not sample or sample >= len(mutants):
        return mutants
    by_hash = sorted(mutants, key=lambda mutant: hashlib.sha256(f"{seed} {mutant.id}".encode()).digest())
    chosen = {mutant.id for mutant in by_hash[:sample]}
    return [mutant for mutant in mutants if mutant.id in chosen]


def programs_for(mutant, programs, rank):
    """Returns the programs that execute a site of the mutant, as in_order(). programs: State.programs."""
    wanted = set(mutant.sites)
    return in_order([name for name, row in programs.items() if wanted & set(row["sites"])], programs, rank)


def within(budget, programs, rows):
    """Returns the fastest programs that together take at most `budget` seconds; without a budget, all programs."""
    chosen, used = [], 0
    for name in programs:
        used += rows[name]["seconds"]
        if budget and used > budget and chosen:
            break
        chosen.append(name)
    return chosen


class Several(collections.namedtuple("Several", "mutants programs")):
    """Faults that are switched on at the same time, and the programs to run."""

    @property
    def name(self):
        return self.mutants[0].id if len(self.mutants) == 1 else f"{len(self.mutants)}-from-{self.mutants[0].id}"

    def halves(self, first):
        """Returns each half, with the first program that may have failed and the programs after it. The programs before
        it passed."""
        programs = self.programs[self.programs.index(first):] if first in self.programs else self.programs
        middle = (len(self.mutants) + 1) // 2
        return [Several(self.mutants[:middle], programs), Several(self.mutants[middle:], programs)]

    def in_next_guest(self):
        """Returns the same faults with the programs of the other guests, or None."""
        rest = self.programs[len(in_first_guest(self.programs)):]
        return Several(self.mutants, rest) if rest else None


def together(waiting, rows, rank):
    """Returns groups of faults without a common site, so each fault is active where its site is executed.

    waiting: [(fault, its programs)].
    """
    groups = []
    for mutant, programs in sorted(waiting, key=lambda pair: (pair[1], pair[0].id)):
        for group in groups:
            if len(group) < AT_ONCE and not any(set(mutant.sites) & set(other.sites) for other, _ in group):
                group.append((mutant, programs))
                break
        else:
            groups.append([(mutant, programs)])
    return [Several([mutant for mutant, _ in group],
                    in_order({name for _, programs in group for name in programs}, rows, rank))
            for group in groups]


def grouped(programs, rows):
    """Returns the `programs` of an engine.Job.

    Fast programs share a run of selftests/run, because selftests/run itself takes longer than such a program.
    """
    groups, used = [], 0
    for name in programs:
        seconds = rows[name]["seconds"]
        if not groups or used + seconds > TOGETHER_S:
            groups.append([])
            used = 0
        groups[-1].append(name)
        used += seconds
    limits = [max(LIMIT_S, round(TIMES * max(rows[name].get("longest", rows[name]["seconds"]) for name in names)))
              for names in groups]
    # The limit of a program is longer, so the limit of a case ends a case first.
    return [(names, limit + LIMIT_S, limit) for names, limit in zip(groups, limits)]


class Hunt:
    """built: the build with the faults; binaries: the directory of the programs; options: sample, seed, only, budget,
    jobs"""

    def __init__(self, built, options, binaries, work):
        self.built, self.options, self.binaries, self.work = built, options, pathlib.Path(binaries), work
        self.known, self.guests = read_known(), guests_of(built.where)
        self.all = [mutant for mutant in built.mutants if mutant.id not in self.known.equivalent]
        self.chosen = self.choose()
        judge = b"".join(path.read_bytes() for path in JUDGE)
        self.state = state.State(built.directory,
                                 {name: state.fingerprint(self.binaries / guest_side.program_of(name),
                                                          judge + self.guest_text(name).encode())
                                  for name in self.programs()})
        self.record = Record([built.kind], self.known.survives, self.known.equivalent)
        self.tried = {}
        self.rank = {program: number for number, program in enumerate(self.programs())
                     if self.guests[guest_of(program)].ordered}

    def choose(self):
        """Returns the faults that the options choose. Warns of names in `known` that no rule makes any more."""
        made = {mutant.id for mutant in self.built.mutants}
        for name in sorted({name for ids in self.known for name in ids} - made) if self.is_first() else ():
            if name.startswith(tuple(f"{stem}-" for stem in stems(self.built.where))):
                core.say(f"{KNOWN.name} names {name}, but no rule makes this fault any more")
        if not self.options.only:
            return choose(self.all, self.options.sample, self.options.seed)
        unknown = sorted(set(self.options.only) - made)
        if unknown:
            raise core.Problem(f"no generated fault '{unknown[0]}' on this kernel; see --generated --list")
        return [mutant for mutant in self.built.mutants if mutant.id in self.options.only]

    def is_first(self):
        """Returns whether all faults are tried on this kernel."""
        return self.built.flavour in generated.FLAVOURS[self.built.where]

    def programs(self):
        """Returns the names of the programs to try."""
        if not self.is_first():
            places = [self.known.elsewhere[mutant.id] for mutant in self.built.mutants
                      if mutant.id in self.known.elsewhere]
            return sorted({program for place in places if place.kernel == self.built.flavour
                           for program in place.programs})
        return [f"{program}@{guest}" if guest else program for guest, described in self.guests.items()
                for program in described.programs]

    def guest_text(self, program):
        """Returns what describes the guest of a program, without the other programs and in the same words in each
        clone."""
        return repr(self.guests[guest_of(program)]._replace(programs=())).replace(str(core.ROOT), "")

    def job(self, name, programs, mutants=()):
        """programs: as in engine.Job, of one guest."""
        control, guest = not mutants, self.guests[guest_of(programs[0][0][0])]
        return engine.Job(name, self.built.module, programs, control, control, [mutant.number for mutant in mutants],
                          self.built.where, self.built.faulty, guest.before, guest.environment)

    def engine(self, work, report, guest, **options):
        """Returns the engine for one guest. work: names a directory."""
        return engine.Engine(self.built.kernel, self.binaries, self.work / f"{work}{guest and '-' + guest}", report,
                             arguments=self.guests[guest].arguments, guests=self.options.jobs, **options)

    def run(self):
        self.record.plan([self.fault(mutant, []) for mutant in self.chosen])
        broken = self.run_controls()
        self.record.control(self.built.kind, (
            Verdict("error", broken[0][0], broken[0][1], None) if broken else Verdict("survived", None, None, None)))
        if broken:
            # The executed sites are not known, so no fault could be called a survivor.
            for mutant in self.chosen:
                self.record.fault(self.fault(mutant, []), Verdict(
                    "error", None, f"the programs do not pass without a fault: {broken[0][0]}", None))
            return self.record
        self.try_all()
        self.record.missing()
        return self.record

    # --- the programs without a fault ---

    def run_controls(self):
        """Runs each program that has no record, and records the executed sites. Returns [(program, what is wrong)]."""
        todo, broken = [name for name, digest in self.state.fingerprints.items() if name not in self.state.programs], []
        by_job = {f"control-{name}": name for name in todo}

        def note(job, attempt):
            # Each of these jobs has one program.
            run = attempt.runs[0] if attempt.runs else None
            if run and run["outcome"] in ("passed", "skipped") and run["sites"] is not None:
                program = by_job[job.name]
                times, prefix = run["times"], f"{program}/"
                longest = max((seconds or 0 for name, seconds in times.items() if name.startswith(prefix)), default=0)
                self.state.add_program(program, times.get(program) or run["seconds"], longest, run["sites"])

        def report(job, verdict):
            if verdict.verdict != "survived":
                broken.append((by_job[job.name], verdict.case))

        if todo:
            core.say(f"running {len(todo)} programs without a fault, to learn which sites they execute")
        for guest, here in by_guest(by_job, lambda name: [by_job[name]]).items():
            self.engine("controls", report, guest, seen=note).run(
                [self.job(name, engine.limited([by_job[name]])) for name in here])
        missing = [name for name in self.state.fingerprints
                   if name not in self.state.programs and name not in dict(broken)]
        return broken + [(name, "the program reported no executed sites") for name in missing]

    # --- the faults ---

    def fault(self, mutant, programs):
        file = f"kmod-testexp/{mutant.file}" if self.built.where == "module" else mutant.file
        return Fault(mutant.id, self.built.kind, file, mutant.text, programs, self.built.flavour)

    def try_all(self):
        """Reports the faults that have a verdict from an earlier hunt, and tries the others."""
        alone, waiting = [], []
        for mutant in self.chosen:
            every = programs_for(mutant, self.state.programs, self.rank)
            self.tried[mutant.id] = programs = within(self.options.budget, every, self.state.programs)
            before = self.state.verdicts.get(mutant.id)
            if before and (before["verdict"] == "killed"
                           or (before["verdict"] == "survived" and set(before["tried"]) == set(programs))):
                self.tell(mutant, Verdict(before["verdict"], before["by"], before["case"], before["seconds"]))
            elif not programs:
                self.report(mutant, Verdict("survived", None, "not executed by any program", None))
            elif before and before["verdict"] == "passed" and set(before["tried"]) < set(programs):
                waiting.append((mutant, [name for name in programs if name not in before["tried"]]))
            else:
                alone.append(mutant)
        if len(alone) < len(self.chosen):
            core.say(f"{len(self.chosen) - len(alone)} of {len(self.chosen)} faults were tried before")
        self.try_alone(alone, waiting)
        self.try_together(together(waiting, self.state.programs, self.rank))

    def try_alone(self, mutants, waiting):
        """Tries each fault with its fast programs of one guest. Adds a survivor that has more programs to `waiting`."""
        by_id = {mutant.id: mutant for mutant in mutants}
        fast_of = {mutant.id: within(ALONE_S, in_first_guest(self.tried[mutant.id]), self.state.programs)
                   for mutant in mutants}

        def report(job, verdict):
            mutant, fast = by_id[job.name], fast_of[job.name]
            slow = self.tried[mutant.id][len(fast):]
            if verdict.verdict != "survived" or not slow:
                self.report(mutant, verdict)
                return
            self.state.add_verdict(mutant.id, verdict._replace(verdict="passed"), fast)
            waiting.append((mutant, slow))

        for guest, here in by_guest(mutants, lambda mutant: fast_of[mutant.id]).items():
            core.say(f"trying {len(here)} faults with fast programs")
            self.engine("alone", report, guest).run(
                [self.job(mutant.id, grouped(fast_of[mutant.id], self.state.programs), [mutant]) for mutant in here])

    def try_together(self, groups):
        """Tries groups in rounds. A group that does not pass is tried again in halves, down to a single fault."""
        for number in itertools.count(1):
            several, single = ([group for group in groups if (len(group.mutants) > 1) == more]
                               for more in (True, False))
            if not several and not single:
                return
            core.say(f"trying {sum(len(group.mutants) for group in groups)} faults with slow programs, "
                     f"in {len(groups)} groups")
            groups = (self.try_groups(f"several-{number}", several, False)
                      + self.try_groups(f"single-{number}", single, True))

    def try_groups(self, work, groups, single):
        """Returns the groups for the next round. A group that passes in a guest goes to the next guest."""
        by_name, again = {group.name: group for group in groups}, []

        def report(job, verdict):
            group = by_name[job.name]
            if verdict.verdict == "survived" and group.in_next_guest():
                again.append(group.in_next_guest())
            elif single or verdict.verdict == "survived":
                for mutant in group.mutants:
                    self.report(mutant, verdict)
            else:
                again.extend(group.halves(next(iter(verdict.before), verdict.by)))

        for guest, here in by_guest(groups, lambda group: group.programs).items():
            self.engine(work, report, guest, again=single).run(
                [self.job(group.name, grouped(in_first_guest(group.programs), self.state.programs), group.mutants)
                 for group in here])
        return again

    def report(self, mutant, verdict):
        self.state.add_verdict(mutant.id, verdict, self.tried[mutant.id])
        self.tell(mutant, verdict)

    def tell(self, mutant, verdict):
        """Records a verdict. A survivor names the programs that the budget left out. A fault that survives is
        reported as `elsewhere` if only another kernel can show a difference."""
        tried = self.tried[mutant.id]
        if verdict.verdict == "survived" and self.is_first() and mutant.id in self.known.elsewhere:
            self.record.elsewhere(self.fault(mutant, tried), self.known.elsewhere[mutant.id])
            return
        left = [name for name in programs_for(mutant, self.state.programs, self.rank) if name not in tried]
        if verdict.verdict == "survived" and left:
            verdict = verdict._replace(case=f"{' '.join(tried)} pass; the budget leaves out {' '.join(left)}")
        self.record.fault(self.fault(mutant, tried), verdict)

    # --- the summary ---

    def summary(self):
        """Yields lines for people: the found faults of each rule, and what each program found first."""
        verdict_of = {fault.name: verdict for fault, verdict in self.record.faults}
        by_rule = collections.defaultdict(collections.Counter)
        for mutant in self.chosen:
            if mutant.id in verdict_of:
                by_rule[mutant.rule][verdict_of[mutant.id].verdict] += 1
        yield (f"{len(self.all)} faults made by rules, {len(self.built.mutants) - len(self.all)} more are equivalent, "
               f"{self.built.refused} more the compiler refused")
        for rule, counts in sorted(by_rule.items()):
            yield f"{rule}: {counts['killed']} of {sum(counts.values())} found"
        yield from redundant(self.state.verdicts.values())


def redundant(rows):
    """Yields the programs that found a fault first, and the programs that were tried and never found a fault first.

    Each fault that a program of the second kind would find was found by a faster program. So no verdict would be
    different without these programs. The lines count all faults that were tried with these programs so far.
    """
    first, tried = collections.Counter(), collections.Counter()
    for row in rows:
        tried.update(row["tried"])
        if row["verdict"] == "killed":
            first[row["by"]] += 1
    for program, count in sorted(first.items(), key=lambda pair: (-pair[1], pair[0])):
        yield f"found by {program}: {count}"
    never = sorted(name for name in tried if not first[name])
    if never:
        yield "found nothing that a faster program had not found: " + ", ".join(
            f"{name} (of {tried[name]})" for name in never)


def wanted_on(where, flavour):
    """Returns the names of the faults that are tried on a kernel; None: all."""
    if flavour in generated.FLAVOURS[where]:
        return None
    wanted = {name for name, place in read_known().elsewhere.items()
              if place.kernel == flavour and name.startswith(tuple(f"{stem}-" for stem in stems(where)))}
    if not wanted:
        raise core.Problem(f"{KNOWN.name} names no fault of the kind {where} that only {flavour} shows; the other "
                           f"faults are tried on {' and '.join(generated.FLAVOURS[where])}")
    return wanted


def prepare(where, flavour):
    """Returns the build with the generated faults of the module, the kernel or the importers that are tried on a
    kernel."""
    wanted = wanted_on(where, flavour)
    if not importlib.util.find_spec("clang"):
        raise core.Problem("there is no libclang for Python, which finds the places for faults; "
                           "install python3-clang, or run scripts/mutants, which installs it")
    if where == "module":
        return generated.prepare(flavour, wanted)
    return generated_kernel.prepare(where, flavour, wanted)


def list_faults(built):
    """Prints all faults that the rules make."""
    known = read_known()
    for mutant in built.mutants:
        mark = next((word for word, ids in zip(Known._fields, known) if mutant.id in ids), "")
        print(f"{mutant.id}{' (' + mark + ')' if mark else ''}\n    {mutant.text}")
    print(f"{len(built.mutants)} faults, {built.refused} more the compiler refused", flush=True)


def binaries_of(directory):
    """Returns the directory of the programs, if the directory exists."""
    if not directory or not os.path.isdir(directory):
        raise core.Problem(f"no programs in {directory}; build the target selftests")
    return directory
