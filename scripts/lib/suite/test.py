# SPDX-License-Identifier: GPL-2.0
"""All tests: which legs are to run, and what came of them. What the legs are is in legs.py, how they run side by side
in schedule.py."""
import re
import sys
import textwrap
import time
import traceback

import core
from checks import Checks, NotSo, Result
from kernels import NEWEST, OLDER
from schedule import Schedule, default_jobs
from state import State

INTRO = """\
usage: scripts/test [--quick] [--jobs N] [all|LEG...]
       scripts/test [--jobs N] --failed|--resume
       scripts/test --list

Without arguments this runs the legs to run after a change, in short forms: {default}.
`all` runs every leg at full bounds, except for those that only run when named ({named}).
LEG... runs these legs, at full bounds. The self-tests of {short} always have
short bounds. A run ends with the table of its legs, and with "N passed, N failed, N skipped". The exit status is 0 only
when nothing failed, something passed, and nobody changed the tree meanwhile.

--quick    short forms
--jobs N   run N legs side by side (here {jobs}: one more than there are processors, but at most one for each 6 GiB of
           memory)
--failed   the legs that failed in the last run, in the same forms
--resume   continue the last run, which was interrupted; only on the same tree, because results of another tree do not
           count
--list     the table of all legs: minutes on two processors without KVM, once kernels are built

Logs and results are below {directory}.

"""

# The programs read these variables. A leg sets those that it needs. Another one would make the leg test less than the
# leg says.
OF_THE_TESTS = r"(TESTEXP|KSFT)_(?!SEED$)\w+"

# Older names of legs, which are older names of their kernels too.
OLD_NAMES = {"base": "6.12", "nomove": "6.12-nomove", "debug": "6.12-debug"}


def parse(argv, table):
    parser = core.Parser(prog="scripts/test", add_help=False)
    for option in ("-h", "--help"):
        parser.add_argument(option, action="store_true", dest="help")
    for option in ("--quick", "--failed", "--resume", "--list"):
        parser.add_argument(option, action="store_true")
    parser.add_argument("--jobs", type=core.positive)
    parser.add_argument("legs", nargs="*")
    options = parser.parse_args(argv)
    options.legs = [OLD_NAMES.get(name, name) for name in options.legs]
    unknown = [name for name in options.legs if name != "all" and name not in table]
    if unknown:
        raise core.Problem(f"no leg '{unknown[0]}'; see --list")
    if options.failed + options.resume + bool(options.legs or options.quick) > 1:
        raise core.Problem(
            "--failed and --resume take their legs and forms from the last run; name nothing beside them")
    return options


def chosen(options, table):
    """The legs to run, each with its form."""
    if not options.legs:
        return {name: form(True, False) for name, leg in table.items() if leg.by_default}
    names = [name for name, leg in table.items() if name in options.legs or ("all" in options.legs and leg.in_all)]
    return {name: form(options.quick, name in options.legs) for name in names}


def form(quick, named):
    return {"quick": quick, "named": named}


# --- texts ------------------------------------------------------------------------------------------------------------


def help_text(table, directory):
    legs = table.values()
    text = INTRO.format(default=" ".join(leg.name for leg in legs if leg.by_default),
                        named=" ".join(leg.name for leg in legs if not leg.in_all),
                        short=" ".join(leg.name for leg in legs if "bounds are always short" in leg.text),
                        jobs=default_jobs(),
                        directory=directory)
    return text + list_text(table)


def list_text(table):
    lines = [f"{'leg':12} {'full':>5} {'short':>5}  what it does (minutes; * runs without a word, - only when named)"]
    for leg in table.values():
        mark = "*" if leg.by_default else " " if leg.in_all else "-"
        first, *rest = textwrap.wrap(leg.text, 93)
        lines.append(f"{leg.name:12} {leg.full_minutes:5.1f} {leg.quick_minutes:5.1f} {mark}{first}")
        lines += [f"{'':26}{line}" for line in rest]
    in_all = [leg for leg in table.values() if leg.in_all]
    full, quick = sum(leg.full_minutes for leg in in_all), sum(leg.quick_minutes for leg in in_all)
    lines.append(f"{'all':12} {full:5.1f} {quick:5.1f}  the sum; legs run side by side")
    return "\n".join(lines) + "\n"


def table_text(table, forms, results):
    lines = [f"{'leg':12} {'stated':>6} {'taken':>6} {'passed':>7} {'failed':>7} {'skipped':>7}   (minutes)"]
    for name, result in results.items():
        stated = table[name].minutes(forms[name]["quick"])
        lines.append(
            f"{name:12} {stated:6.1f} {result.seconds / 60:6.1f} {result.passed:7} {result.failed:7} {result.skipped:7}"
        )
    return "\n".join(lines)


def sums(results):
    """How many checks passed, failed and were skipped in all legs together."""
    return {name: sum(getattr(result, name) for result in results.values()) for name in ("passed", "failed", "skipped")}


def checked_text(directories):
    """How much the oracles were asked, by all legs together: each test says it in a line of its own."""
    sums = [0, 0, 0]
    for path in (path for directory in directories for pattern in ("*.ktap", "*.output")
                 for path in directory.rglob(pattern)):
        for match in re.finditer(r"checked: (\d+) layouts, (\d+) pgoffs, (\d+) ", path.read_text(errors="replace")):
            sums = [total + int(number) for total, number in zip(sums, match.groups())]
    return "checked against the oracles: {} layouts, {} pgoffs, {} (pgoff, order) pairs".format(
        *sums) if any(sums) else ""


# --- kernels ----------------------------------------------------------------------------------------------------------


def is_newest(kernel):
    """Whether the kernel is of the newest Linux version."""
    return kernel.split("-")[0] == NEWEST


def legs_without_newest(table):
    """What to run where nobody can get the newest Linux version: the legs of a run without a word that need no kernel
    of it, and the leg of the older version."""
    return [leg.name for leg in table.values()
            if (leg.by_default or leg.name == OLDER) and not any(map(is_newest, leg.kernels))]


def get_kernel(kernel, table):
    try:
        core.kernel_tree(kernel)
    except core.Problem as problem:
        if not is_newest(kernel):
            raise
        raise core.Problem(f"{problem}; these legs do not need Linux {NEWEST}: scripts/test --quick "
                           f"{' '.join(legs_without_newest(table))}") from problem


# --- a run ------------------------------------------------------------------------------------------------------------


class Run:
    """One run: its legs with their forms, and the results so far."""

    def __init__(self, state, table, forms, results):
        self.state, self.table, self.forms, self.results = state, table, forms, dict(results)
        self.remarks = []  # on legs whose results count for no tree
        self.lacking = {}  # name of a leg: why this machine cannot have what the leg needs

    def go(self, jobs):
        legs = [self.table[name] for name in self.forms if name not in self.results]
        started = time.monotonic()
        self.need(legs)
        try:
            Schedule(legs, jobs, self.run_leg, self.minutes).run()
        except KeyboardInterrupt:
            core.say(f"interrupted; scripts/test --resume continues it. Logs: {self.state.directory}")
            raise
        self.state.end()
        return self.report(time.monotonic() - started)

    def need(self, legs):
        """Gets what the legs need in one go. If that fails, only the legs whose own needs cannot be had fail."""
        steps = dict.fromkeys(step for leg in legs for step in leg.needs)
        if not steps or not (problem := lack_of(steps)):
            return
        core.say(f"{problem}. Now each leg asks for what it needs")
        for leg in legs:
            if leg.needs and (problem := lack_of(leg.needs)):
                self.lacking[leg.name] = problem

    def minutes(self, leg):
        return leg.minutes(self.forms[leg.name]["quick"])

    def run_leg(self, leg):
        """In a thread of its own. Whatever goes wrong in a leg is a failure of that leg."""
        form_of_leg = self.forms[leg.name]
        checks = Checks(leg.name, self.state.begin_leg(leg.name), results_of=self.state.results_of,
                        was_short=self.state.was_short, **form_of_leg)
        form = ", in its short form" if form_of_leg["quick"] else ""
        core.say(f"{leg.name} begins{form}; {leg.minutes(form_of_leg['quick']):g} min are stated")
        started = time.monotonic()
        try:
            self.work(leg, checks, self.table, self.lacking.get(leg.name))
        except core.Stopped:
            return
        checks.result.seconds = time.monotonic() - started
        self.results[leg.name] = checks.result
        core.say(f"{leg.name} ended after {core.elapsed(checks.result.seconds)}: {checks.result}")
        if not self.state.end_leg(leg.name, checks.result):
            self.remarks.append(f"the tree was changed while {leg.name} ran: its result is neither for --resume nor "
                                "for the leg contract")
            core.say(self.remarks[-1])

    @staticmethod
    def work(leg, checks, table, lack=None):
        try:
            if lack:
                raise lack
            for kernel in leg.kernels_of_form(checks.quick):
                get_kernel(kernel, table)
            for target, preset in leg.builds:
                core.build_userspace(target, preset)
            leg.run(checks)
        except core.Stopped:
            raise
        except (core.Problem, NotSo) as problem:
            checks.fails("it could not run", problem)
        except Exception as error:  # pylint: disable=broad-exception-caught
            log = checks.log("exception")
            log.write_text(traceback.format_exc(), encoding="utf-8")
            checks.fails("it broke", f"{type(error).__name__}: {error} (log {log})")
        if checks.result.passed + checks.result.failed == 0:
            checks.fails("nothing was tested", f"{checks.result.skipped} checks were skipped, and there were no others")

    def report(self, seconds):
        results = {name: self.results[name] for name in self.forms}
        if checked := checked_text(map(self.state.leg_dir, results)):
            core.say(checked)
        core.say(f"all legs in {core.elapsed(seconds)}; logs and results in {self.state.directory}")
        failures = [
            message for result in results.values() for message in result.messages if message.startswith("FAILED")
        ]
        for message in failures + self.remarks:
            core.say(message)
        total = Result(*sums(results).values())
        print(table_text(self.table, self.forms, results))
        print(total, flush=True)
        return 0 if total.failed == 0 and total.passed > 0 and not self.remarks else 1


def lack_of(steps):
    """The problem of steps of deps.sh that this machine cannot take, or None."""
    try:
        core.need(*steps)
    except core.Problem as problem:
        return problem
    return None


def main(argv, legs=None):
    if legs is None:
        import legs as all_legs  # pylint: disable=import-outside-toplevel
        legs = all_legs.LEGS
    table = {leg.name: leg for leg in legs}
    options = parse(argv, table)
    if options.help or options.list:
        sys.stdout.write(help_text(table, core.cache_dir() / "test") if options.help else list_text(table))
        return 0
    core.ignore_variables(OF_THE_TESTS)
    state, results = State(), {}
    if options.resume:
        results = state.resume()
        total = ", ".join(f"{number} {name}" for name, number in sums(results).items())
        core.say(f"continuing the run of {state.run['started']}; taken over: {' '.join(results) or 'no leg'} ({total})")
    else:
        state.begin(state.failed() if options.failed else chosen(options, table))
    gone = [name for name in state.run["forms"] if name not in table]
    if gone:
        raise core.Problem(f"the last run had a leg '{gone[0]}', which is no more; begin a new run")
    return Run(state, table, state.run["forms"], results).go(options.jobs or default_jobs())
