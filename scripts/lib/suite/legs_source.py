# SPDX-License-Identifier: GPL-2.0
"""Legs about the source: style, unit tests, scripts, fuzzers, a new machine."""
import collections
import concurrent.futures
import functools
import hashlib
import os
import pathlib
import re
import subprocess

import core
import guests
import includes
import line_length
from checks import NotSo
from legs_kernel import DEBUG

PATCHES = core.ROOT / "kernel/patches"
UPSTREAM = core.ROOT / "kernel/upstream"

# Linux 7.3 takes only a sparse that knows __typeof_unqual__, and its MODULE_INFO() asserts something about strlen().
# Debian has an older sparse, which checks the rest as well without these two. scripts/module has the same.
SPARSE = "CHECK=sparse -D__typeof_unqual__=__typeof__ -D'_Static_assert(...)='"

# --- lint -------------------------------------------------------------------------------------------------------------

# A result or a patch cannot say its licence.
WITHOUT_SPDX = re.compile(
    r"(COPYING|CMakePresets\.json|results/tests/golden/.*|selftests/unit/corpus/.*|.*\.(patch|json|png|svg))")


def git_files(*patterns):
    status, output = core.capture(["git", "-C", core.ROOT, "ls-files", "-z", "--", *patterns])
    names = list(filter(None, output.split("\0")))
    if status != 0 or not names:
        raise core.Problem(f"git lists no file {' '.join(patterns)} in {core.ROOT}")
    return [name for name in names if (core.ROOT / name).is_file()]


def paths(*patterns):
    return [core.ROOT / name for name in git_files(*patterns)]


def shell_files():
    """Those whose first line says so, and those that are sourced."""
    first = re.compile(rb"#!.*\b(ba|da|busybox )?sh$")
    for path in paths():
        with open(path, "rb") as file:
            if path.match("scripts/lib/*.sh") or first.fullmatch(file.readline().rstrip()):
                yield path


def spdx(log):
    without = [name for name in git_files() if not WITHOUT_SPDX.fullmatch(name)
               and b"SPDX-License-Identifier: GPL-2.0" not in (core.ROOT / name).read_bytes()]
    log.expect(not without, f"no SPDX line: {' '.join(without)}")


def includes_go_down(log):
    wrong = includes.backward_includes(core.ROOT, git_files("*.c", "*.h", "*.cpp", "*.hpp"))
    log.expect(not wrong, f"an include goes backwards: {'; '.join(wrong)}; scripts/lib/suite/includes.py has the rule")


def lines_end(log):
    wrong = line_length.long_lines(core.ROOT, git_files())
    log.expect(not wrong, f"a line is too long: {'; '.join(wrong)}")


def versions():
    """The Linux versions that have a series."""
    lines = (core.ROOT / "kernel/versions").read_text(encoding="utf-8").splitlines()
    return [line.split()[0] for line in lines if line and not line.startswith("#")]


def series(version):
    lines = (PATCHES / version / "series").read_text(encoding="utf-8").splitlines()
    return [PATCHES / version / line for line in lines if line and not line.startswith("#")]


def fixes(version):
    """The patches for what is wrong in this version of Linux. A version may have none."""
    return sorted((UPSTREAM / version).glob("*.patch"))


def changed_files(patches):
    """The files of Linux that the patches change. A file that a patch creates is not among them."""
    text = "".join(path.read_text(encoding="utf-8") for path in patches)
    return sorted(set(re.findall(r"^--- a/(\S+)$", text, re.MULTILINE)))


def patched_files(version):
    return changed_files(series(version))


def patched_directories(version):
    """The directories of the C files that the series changes. A directory below another one of them is left out."""
    directories = {pathlib.PurePosixPath(name).parent for name in patched_files(version) if name.endswith(".c")}
    return sorted(one for one in directories if not directories & set(one.parents))


def patches_apply(log, version, scratch):
    """git am on the files as Debian has them, with the whole directories that have C files of the series. Files of a
    directory within another one include headers from there. Each fix applies to these files without the series."""
    tarball = core.script("kernel", "source", version)
    # tar finds a file only once, and no file behind its directory
    wanted = [*changed_files([*series(version), *fixes(version)]), *patched_directories(version),
              *{f"{directory.parent}/*.h" for directory in patched_directories(version) if len(directory.parts) > 2}]
    log.run(["tar", "-C", scratch, "--strip-components=1", "--wildcards", "--no-wildcards-match-slash", "-xf", tarball,
             *(f"linux-source-{version}/{name}" for name in wanted)])
    git = ["git", "-C", scratch, "-c", "user.name=test", "-c", "user.email=test@example.org"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "base"], ["tag", "base"],
                  *(["apply", "--check", fix] for fix in fixes(version)), ["am", "-q", *series(version)]):
        log.run([*git, *words])


def is_upstreams(warning, changed):
    """Whether the warning is about a header of the kernel that the series leaves alone."""
    header = re.match(r"\S*?\b(include/[^:\s]+):", warning)
    return header is not None and header[1] not in changed


def objects_of(version, tree):
    """{directory: names of the objects} of the C files that the series changes and that this kernel has."""
    built = set(re.findall(r"^  CC (?:\[M\])? +(\S+)\.o$", (tree / "build.log").read_text(errors="replace"),
                           re.MULTILINE))
    objects = collections.defaultdict(list)
    for name in patched_files(version):
        path = pathlib.PurePosixPath(name)
        if path.suffix == ".c" and str(path.with_suffix("")) in built:
            objects[path.parent].append(path.with_suffix(".o").name)
    return objects


def not_built(version, tree):
    """The C files that the series changes and that objects_of() lacks: series_warnings() cannot check these files."""
    built = {str(directory / name)[:-2] for directory, names in objects_of(version, tree).items() for name in names}
    return [name for name in patched_files(version) if name.endswith(".c") and name[:-2] not in built]


def series_warnings(log, version, scratch, tree):
    """Builds the C files of the series as patches_apply() has left them: a built tree of ours has no objects left to
    build in."""
    objects = objects_of(version, tree)
    log.expect(objects, f"{tree}/build.log names no object of the series")
    for directory, names in objects.items():
        log.run(["make", "-C", tree, f"M={scratch / directory}", "W=1", "C=1", SPARSE, *names])
    text = open(log.file.name, encoding="utf-8", errors="replace").read()
    for name in sum(objects.values(), []):
        log.expect(re.search(rf"^  CHECK .*\b{re.escape(name[:-2])}\.c$", text, re.MULTILINE),
                   f"sparse did not run on {name[:-2]}.c")
    changed = patched_files(version)
    warnings = [line for line in re.findall(r".*(?:warning:|error:).*", text) if not is_upstreams(line, changed)]
    log.expect(not warnings, warnings and warnings[0])


def kernel_doc(log, version, scratch, tree):
    """kernel-doc says no more about the files of the series than about these files as Debian has them."""
    names = [name for name in patched_files(version) if name.endswith((".c", ".h"))]
    said = []
    for state in ("base", "-"):
        log.run(["git", "-C", scratch, "checkout", "-q", state])
        status, text = core.capture([tree / "scripts/kernel-doc", "-none", *names], cwd=scratch,
                                    stderr=subprocess.STDOUT)
        log.file.write(text)
        log.expect(status == 0, f"kernel-doc ended with status {status}")
        said.append({re.sub(r":\d+", "", line) for line in text.splitlines()})
    log.expect(said[1] <= said[0], "; ".join(sorted(said[1] - said[0])))


def lint_version(checks, version):
    """The series of a Linux version, with the tools of this version."""
    tree = core.kernel_tree(version)
    checkpatch = [tree / "scripts/checkpatch.pl", "--no-tree", "--strict"]
    checks.check(f"checkpatch --strict, patches of {version}",
                 lambda log: log.run([*checkpatch, *sorted((PATCHES / version).glob("*.patch")), *fixes(version)]))
    # checkpatch takes a module for something that is merged: the version checks of compat.h are what it is there for,
    # and kzalloc_obj() is not in older kernels
    checks.check(
        f"checkpatch --strict of {version}, module", lambda log: log.run([
            *checkpatch, "--ignore", "LINUX_VERSION_CODE,CONSTANT_COMPARISON,ALLOC_WITH_SIZEOF", "-f", *sorted(
                (core.ROOT / "kmod-testexp").rglob("*.[ch]"))
        ]))
    with checks.scratch() as scratch:
        checks.check(f"git am of {version}", lambda log: patches_apply(log, version, scratch))
        checks.check(f"C files of the series of {version} with W=1 C=1",
                     lambda log: series_warnings(log, version, scratch, tree))
        if names := not_built(version, tree):
            checks.skips(f"W=1 C=1 of {' '.join(names)}", f"the kernel {version} is built without these files")
        checks.check(f"kernel-doc of the patches of {version}", lambda log: kernel_doc(log, version, scratch, tree))
    checks.command(f"module with W=1 C=1 on {version}", [core.SCRIPTS / "module", "--kernel", version, "--check"])


def lint(checks):
    checks.check("SPDX lines", spdx)
    checks.check("includes", includes_go_down)
    checks.check("lines end by 120 columns (C and C++: 100)", lines_end)
    checks.check("shellcheck", lambda log: log.run(["shellcheck", "-S", "warning", "-x", *shell_files()]))
    checks.check("clang-format",
                 lambda log: log.run(["clang-format", "--dry-run", "-Werror", *paths("*.cpp", "*.hpp")]))
    checks.command("faults fit the module", [core.SCRIPTS / "mutants", "--check"])
    for version in versions():
        lint_version(checks, version)


def tidy_file(path, headers):
    """Clean, unless clang-tidy says something; a text that was found clean with these headers is not looked at again,
    as a file takes half a minute."""
    stamp = core.cache_dir() / "tidy" / hashlib.sha256(path.read_bytes() + headers).hexdigest()[:32]
    if stamp.exists():
        return ""
    status, output = core.capture(["clang-tidy", "--quiet", "-p", core.userspace_dir(), path], stderr=subprocess.STDOUT)
    if status == 0:
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.touch()
    return "" if status == 0 else output or f"{path}: status {status}\n"


def tidy(checks):
    headers = hashlib.sha256(b"".join(path.read_bytes()
                                      for path in paths("*.h", "*.hpp", "*.clang-tidy", "*CMakeLists.txt"))).digest()

    def all_files(log):
        files = paths("*.cpp")
        with concurrent.futures.ThreadPoolExecutor(core.processors()) as pool:
            said = list(pool.map(functools.partial(tidy_file, headers=headers), files))
        log.file.writelines(said)
        unclean = [str(path.relative_to(core.ROOT)) for path, text in zip(files, said) if text]
        log.file.flush()
        log.expect(not unclean, " ".join(unclean))

    checks.check("clang-tidy", all_files)


# --- native, fuzz -----------------------------------------------------------------------------------------------------


def native(checks):
    data = core.ROOT / "bpf/tests/data"
    checks.native_tests("native", core.userspace_dir())
    words = [
        core.ROOT / "bpf/tests/export-test",
        core.userspace_dir() / "bpf/dmabuf-lat", data / "latency.json", data / "bpftrace.json"
    ]
    checks.tap("dmabuf-lat export", words)


def fuzz_layout(checks, log):
    """What a fuzzer finds is printed as a test case, and the input stays beside the log. The seed is always the same:
    docs/fuzzing.md has longer runs."""
    with checks.scratch() as corpus:
        limits = [
            "-seed=1", f"-runs={5000 if checks.quick else 30000}", "-max_len=97", "-timeout=600",
            f"-artifact_prefix={checks.logs}/"
        ]
        log.run([
            core.userspace_dir("fuzz") / "selftests/unit/layout_fuzz", *limits, corpus,
            core.ROOT / "selftests/unit/corpus/layout"
        ])


def fuzz(checks):
    # with longer buffers the unit tests take minutes under sanitizers
    checks.native_tests("unit tests with sanitizers",
                        core.userspace_dir("fuzz") / "selftests/unit", {**os.environ, "TESTEXP_MAX_PAGES": "18"})
    checks.check("libFuzzer on layout.c", lambda log: fuzz_layout(checks, log))
    # KASAN and lockdep look on
    batches = {"TESTEXP_BATCHES": "4" if checks.quick else "8"}
    guests.judged(checks, "fuzzer of the ioctls on the debug kernel", DEBUG, ["ioctl_fuzz"], short=True,
                  environment=batches)


# --- scripts, newcomer ------------------------------------------------------------------------------------------------

# They boot guests or build for minutes. Any other test takes seconds, and is part of the short form.
LONG_TESTS = ("kernel-test", "namespace-test", "qemu-test", "stage-test", "vm-keep-test", "vm-shell-test", "vm-test",
              "your-own-exporter-test")


def scripts(checks):
    tests = sorted(path for path in (core.SCRIPTS / "tests").iterdir() if path.is_file())
    missing = set(LONG_TESTS) - {path.name for path in tests}
    if missing:
        raise NotSo(f"scripts/tests has no {' '.join(sorted(missing))}")
    for path in tests:
        if not os.access(path, os.X_OK):
            checks.fails(path.name, "it is not executable")
        elif not (checks.quick and path.name in LONG_TESTS):
            checks.tap(path.name, [path])


def newcomer(checks):
    """The long form takes half an hour."""
    short = [] if checks.named and not checks.quick else ["--short"]
    checks.tap("newcomer", [core.LIB / "newcomer", *short, "--logs", checks.logs / "newcomer"])
