# SPDX-License-Identifier: GPL-2.0
"""Puts faults of the kernel that were made by hand into the same source files, so they share one build.

A fault is a patch. For each function that the patch changes, the file has the changed function as well, under a
name of its own, in front of the right function. The right function begins with a question:

	if (testexp_is_on(3))
		return dma_buf_pin__fault3(attach);

The changed function is always inlined, so the compiler makes no function with the new name: stack traces and messages
show the name of the right function. A function that a patch adds gets a name of its own too.

Some patches cannot be merged: patches of other files, and patches that change more than the bodies of functions.
split() names the reason. Such a fault needs its own build.
"""

import collections
import pathlib
import re
import subprocess
import tempfile

# A function in the style of the kernel: the braces of its body are alone in the first column.
FUNCTION = re.compile(r"^(?P<head>[a-z_][^;{}=#]*?\b(?P<name>\w+)\((?P<parameters>[^;{}=#]*)\))\n"
                      r"\{\n(?P<body>.*?)^\}\n", re.MULTILINE | re.DOTALL)
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
LINKAGE = re.compile(r"\b(static|inline|__always_inline|noinline)\s+")

Function = collections.namedtuple("Function", "name head parameters body start end")
# A fault in the merged form. number: switches the fault on; files: {path of a file that the fault changes: Part}.
Merged = collections.namedtuple("Merged", "fault number files")
# copies: {name of a right function: the faulty functions in front of it}; calls: {name of a right function: the call of
# the faulty one}
Part = collections.namedtuple("Part", "copies calls")


class Unmergeable(Exception):
    """One line that says why a fault needs its own build."""


def functions_of(text):
    """Returns {name: Function}."""
    return {match["name"]: Function(match["name"], match["head"], match["parameters"], match["body"], *match.span())
            for match in FUNCTION.finditer(text)}


def words(text):
    return COMMENT.sub(" ", text).split()


def outside(text):
    """Returns the words of the text that are in no function and no comment."""
    return words(FUNCTION.sub("", text))


def faulty_texts(sources, patch):
    """Returns {path: text with the patch} of the files that the patch changes. sources: {path: text} of the files that
    a patch may change."""
    changed = re.findall(r"^\+\+\+ b/(\S+)", patch, re.MULTILINE)
    if not changed or set(changed) - sources.keys():
        raise Unmergeable(f"it changes {' '.join(changed) or 'no file'}")
    with tempfile.TemporaryDirectory() as work:
        for name in changed:
            path = pathlib.Path(work) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(sources[name], encoding="utf-8")
        done = subprocess.run(["patch", "-p1", "-s", "-f", "-F0", "-d", work], input=patch, capture_output=True,
                              text=True, check=False)
        if done.returncode != 0:
            raise Unmergeable("the patch does not apply")
        return {name: (pathlib.Path(work) / name).read_text(encoding="utf-8") for name in changed}


def arguments_of(function):
    """Returns the names of the parameters, as a call passes them."""
    if "..." in function.parameters or "(" in function.parameters:
        raise Unmergeable(f"the parameters of {function.name} cannot be passed on")
    names = [re.findall(r"\w+", parameter)[-1] for parameter in function.parameters.split(",")]
    return "" if names == ["void"] else ", ".join(names)


def renamed(function, number, names):
    """Returns the text of a faulty function, in which each of the names has the number of the fault."""
    text = f"{LINKAGE.sub('', function.head)}\n{{\n{function.body}}}\n\n"
    for name in names:
        text = re.sub(rf"\b{name}\b", f"{name}__fault{number}", text)
    return "static __always_inline " + text


def merge_file(source, faulty, number):
    """Returns the Part of a fault in one file. Raises Unmergeable."""
    before, after = functions_of(source), functions_of(faulty)
    if outside(source) != outside(faulty):
        raise Unmergeable("it changes more than functions")
    changed = {name for name in after if name in before and words(before[name].body) != words(after[name].body)}
    added = [name for name in after if name not in before]
    if not changed:
        raise Unmergeable("it changes no function")
    for name in before.keys() & after.keys():
        if words(before[name].head) != words(after[name].head):
            raise Unmergeable(f"it changes the parameters or the type of {name}")

    copies, calls, text = {}, {}, ""
    for name, function in after.items():  # in the order of the file
        if name in added:
            text += renamed(function, number, added)
        elif name in changed:
            copies[name] = text + renamed(function, number, [name, *added])
            calls[name] = f"{name}__fault{number}({arguments_of(before[name])})"
            text = ""
    if text:
        raise Unmergeable("it adds a function behind all functions that it changes")
    return Part(copies, calls)


def merge(sources, fault, patch, number):
    """Returns the fault in the merged form. Raises Unmergeable."""
    return Merged(fault, number, {path: merge_file(sources[path], faulty, number)
                                  for path, faulty in faulty_texts(sources, patch).items()})


def split(sources, faults, patch_of):
    """Returns ([Merged], [(fault, reason)] of the others). patch_of(fault): the text of the patch."""
    merged, others = [], []
    for fault in faults:
        try:
            merged.append(merge(sources, fault, patch_of(fault), len(merged) + 1))
        except Unmergeable as reason:
            others.append((fault, str(reason)))
    return merged, others


def write(path, source, merged, prelude):
    """Returns (the merged text of one file, {line: name of the fault in the line}). The prelude has testexp_is_on()."""
    text, position, lines = prelude, 0, {}
    for name, function in functions_of(source).items():
        here = [(one, one.files[path]) for one in merged if path in one.files and name in one.files[path].calls]
        if not here:
            continue
        text += source[position:function.start]
        for one, part in here:
            begin = text.count("\n") + 1
            text += part.copies[name]
            lines.update(dict.fromkeys(range(begin, text.count("\n") + 1), one.fault.name))
        text += f"{function.head}\n{{\n"
        for one, part in here:
            text += f"\tif (testexp_is_on({one.number}))\n\t\treturn {part.calls[name]};\n"
        text += f"{function.body}}}\n"
        position = function.end
    return text + source[position:], lines


def write_all(sources, merged, prelude_of):
    """Returns ({path: merged text}, {path: {line: name of the fault in the line}}). prelude_of(path): the prelude."""
    texts, lines = {}, {}
    for path, source in sources.items():
        texts[path], lines[path] = write(path, source, merged, prelude_of(path))
    return texts, lines
