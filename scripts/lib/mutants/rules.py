# SPDX-License-Identifier: GPL-2.0
"""Makes faults by rules. Each rule takes the text of a slot and gives faulty texts. docs/mutation.md lists the rules.

A rule works on the tokens of a slot. A faulty text that does not compile is dropped (schemata.py). A faulty text may
mean the same as the original; only a person can decide this (the file `known`).
"""

import collections
import hashlib
import pathlib
import re

# edits: [(number of a slot, its faulty text)]; text: the description for people
Mutant = collections.namedtuple("Mutant", "id file function rule text edits")

TOKEN = re.compile(
    r"""\s+|/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\.?\d[\w.]*|\w+"""
    r"""|->|\+\+|--|<<=|>>=|[-+*/%&|^<>=!]=|&&|\|\||<<|>>|.""", re.DOTALL)
NEGATED = {"<": ">=", ">=": "<", ">": "<=", "<=": ">", "==": "!=", "!=": "=="}
SHIFTED = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}
LOGIC = {"&&": "||", "||": "&&"}
ARITHMETIC = {"+": "-", "-": "+", "<<": ">>", ">>": "<<", "&": "|", "|": "&", "/": "*", "++": "--", "--": "++",
              "+=": "-=", "-=": "+=", "|=": "&=", "<<=": ">>=", ">>=": "<<="}
BINARY = {"+", "-", "&", "*", "<<", ">>", "|", "/"}
NUMBER = re.compile(r"(0[xX][0-9a-fA-F]+|\d+)([uUlL]*)$")
# A macro or an enumerator. NOT_CONSTANT leaves out names that are no numbers, truth values (a larger value is still
# true), and names that change nothing that this project tests.
CONSTANT = re.compile(r"[A-Z][A-Z0-9_]{2,}$")
NOT_CONSTANT = re.compile(r"NULL$|GFP_|CONFIG_|THIS_MODULE$|PAGE_KERNEL$|VM_DONT"
                          r"|TESTEXP_(HAS|IS|MAP_IS)_|TESTEXP_FENCE_DETACHES$")
CALL = re.compile(r"(?:\w+ = )?(\w+) \((.*)\)$", re.DOTALL)
RESULT_OF_CALL = re.compile(r"(\w+) = \w+ \(")
# Without these calls there is a difference only on a kernel with debug checks, or later, or in the kernel's log.
NO_STEP = re.compile(r"(dma_resv_assert_held|lockdep_assert\w*|might_\w+|cond_resched|mutex_destroy|pr_\w+"
                     r"|exporter_check_locked) \(")
CHANGE = re.compile(r"[\w>.\[\] *-]+ (?:=|\+=|-=|\+\+|--)( |$)")

# A step and its counterpart. Both calls must have the same first argument.
PAIRS = [
    (r"dma_resv_lock(_interruptible)?", "dma_resv_unlock"), (r"mutex_lock(_interruptible|_killable)?", "mutex_unlock"),
    (r"spin_lock(_irq)?", r"spin_unlock(_irq)?"), (r"down_read(_killable)?", "up_read"),
    (r"down_write(_killable)?", "up_write"), (r"mmap_read_lock(_killable)?", "mmap_read_unlock"),
    ("testexp_memory_charge", "testexp_memory_uncharge"), ("testexp_exporter_enter", "testexp_exporter_leave"),
    ("atomic_inc", "atomic_dec")]


def tokens(text):
    """Returns (text, offset) of each token that is neither space nor a comment."""
    return [(match.group(), match.start()) for match in TOKEN.finditer(text)
            if not re.match(r"\s|/\*|//", match.group())]


def normal(text):
    return " ".join(token for token, _ in tokens(text))


def replace(text, offset, length, new):
    return text[:offset] + new + text[offset + length:]


# --- rules for the text of one slot: each yields (rule, faulty text) --------------------------------------------------


def is_binary(words, place):
    """Returns whether the operator at this place has a left operand."""
    if place == 0:
        return False
    before = words[place - 1][0]
    return bool(re.match(r"[\w)\]\"]", before)) and before not in ("return", "sizeof")


def operators(text, words, simple):
    """Yields faults of comparisons, logic and arithmetic. `simple`: the whole condition is negated elsewhere."""
    for place, (word, offset) in enumerate(words):
        if word in NEGATED and not simple:
            yield "negated", replace(text, offset, len(word), NEGATED[word])
        if word in SHIFTED:
            yield "shifted", replace(text, offset, len(word), SHIFTED[word])
        if word in LOGIC:
            yield "logic", replace(text, offset, len(word), LOGIC[word])
            for start, end in operands(text, words, place):
                yield "operand-dropped", replace(text, start, end - start, "")
        if word == "!" and not simple and "!" not in (words[place - 1][0] if place else "", words[place + 1][0]):
            yield "negated", replace(text, offset, 1, "")
        if word in ARITHMETIC and (word not in BINARY or is_binary(words, place)):
            yield "arithmetic", replace(text, offset, len(word), ARITHMETIC[word])


def operands(text, words, place):
    """Returns two (start, end): the left operand of && or || with the operator, the operator with the right operand."""
    ends = {"&&", "||", "?", ":", ",", "=", ";"}
    operator = words[place][1]
    start = operator_reach(words, place, -1, ends)
    end = operator_reach(words, place, 1, ends)
    right = words[place + 1][1]
    return [(words[start][1], right), (operator, words[end][1] + len(words[end][0]) if end < len(words) else len(text))]


def operator_reach(words, place, step, ends):
    """Returns the place of the last token of the operand on this side."""
    depth, last = 0, place
    opens, closes = ("(", "[") if step > 0 else (")", "]"), (")", "]") if step > 0 else ("(", "[")
    for here in range(place + step, len(words) if step > 0 else -1, step):
        word = words[here][0]
        depth += (word in opens) - (word in closes)
        if depth < 0 or (depth == 0 and word in ends):
            break
        last = here
    return last


def constants(text, words):
    for place, (word, offset) in enumerate(words):
        before, after = words[place - 1][0] if place else "", words[place + 1][0] if place + 1 < len(words) else ""
        if before in (".", "->"):
            continue
        if match := NUMBER.match(word):
            value = int(match[1], 8 if re.match(r"0\d", match[1]) else 0)
            for new in (value + 1, value - 1):
                if new >= 0:
                    yield "constant", replace(text, offset, len(word), f"{new}{match[2]}")
        elif word in ("true", "false"):
            yield "constant", replace(text, offset, len(word), "false" if word == "true" else "true")
        elif CONSTANT.match(word) and not NOT_CONSTANT.match(word) and after != "(":
            # A bit of a bit mask becomes the next bit. Any other number becomes larger by one.
            one_of_bits = {before, after} & {"&", "|", "|=", "&="}
            yield "constant", replace(text, offset, len(word), f"({word} << 1)" if one_of_bits else f"({word} + 1)")


def faults_of_slot(slot, text):
    """Yields (rule, faulty text) of this slot alone. The text "" deletes a statement."""
    words = tokens(text)
    simple = slot.kind in ("condition", "check") and not {"&&", "||", "?"} & {word for word, _ in words}
    if slot.kind in ("condition", "check"):
        yield "negated", f"!({text})"
    if slot.kind == "check":
        yield "check-deleted", "0"
    if slot.kind == "statement" and not re.match(r"(?!exporter)" + NO_STEP.pattern, normal(text)):
        result = RESULT_OF_CALL.match(normal(text))
        yield "deleted", f"{result[1]} = 0" if result else ""
    if slot.kind != "jump":
        yield from operators(text, words, simple)
        yield from constants(text, words)
    for offset, length, neighbour in slot.fields:
        yield "neighbour-field", replace(text, offset - slot.start, length, neighbour)


# --- rules for several slots of a function: each yields (rule, [(slot, faulty text)], text for people) ----------------


def is_step(text):
    return bool(CALL.match(text) or CHANGE.match(text)) and not NO_STEP.match(text)


def swapped_steps(slots, texts, source):
    """Yields pairs of consecutive statements, also over a label. At least one of the two is a call."""
    for number, (slot, after) in enumerate(zip(slots, slots[1:])):
        if slot.block is None or slot.block != after.block or {slot.kind, after.kind} != {"statement"}:
            continue
        between = re.sub(r"/\*.*?\*/", "", source[slot.end:after.start], flags=re.DOTALL)
        first, second = normal(texts[number]), normal(texts[number + 1])
        if (re.fullmatch(r"\s*;\s*(\w+:\s*)*", between) and is_step(first) and is_step(second)
                and (CALL.match(first) or CALL.match(second))):
            yield ("swapped", [(number, texts[number + 1]), (number + 1, texts[number])],
                   f"`{first}` and `{second}` change places")


def other_labels(slots, texts):
    jumps = {number: normal(texts[number]).split()[-1] for number, slot in enumerate(slots) if slot.kind == "jump"}
    for number, label in jumps.items():
        for other in sorted(set(jumps.values()) - {label}):
            yield "other-label", [(number, f"goto {other}")], f"`goto {label}` becomes `goto {other}`"


def first_argument(text):
    depth = 0
    for place, word in enumerate(words := text.split()):
        depth += (word in "([") - (word in ")]")
        if word == "," and depth == 0:
            return " ".join(words[:place])
    return text


def deleted_pairs(slots, texts):
    """Yields faults that delete both calls of a pair: a lock is neither taken nor dropped, a charge neither added nor
    removed."""
    calls = collections.defaultdict(list)
    for number, slot in enumerate(slots):
        if slot.kind == "statement" and (match := CALL.match(normal(texts[number]))):
            calls[first_argument(match[2])].append((number, match[1]))
    for argument, named in calls.items():
        for step, counterpart in PAIRS:
            steps = [number for number, name in named if re.fullmatch(step, name)]
            ends = [number for number, name in named if re.fullmatch(counterpart, name)]
            if steps and ends:
                edits = []
                for number in steps + ends:
                    result = RESULT_OF_CALL.match(normal(texts[number]))
                    edits.append((number, f"{result[1]} = 0" if result else ""))
                yield ("pair-deleted", sorted(edits),
                       f"neither {step.split('(')[0]} nor {counterpart.split('(')[0]} of `{argument.strip()}`")


# --- a whole file -----------------------------------------------------------------------------------------------------


def faults_of_function(slots, texts, source):
    """Yields (rule, edits, text) without duplicates; the edits have places in `slots`."""
    seen = set()
    for number, (slot, text) in enumerate(zip(slots, texts)):
        for rule, faulty in faults_of_slot(slot, text):
            if faulty != "" or slot.kind == "statement":
                if (number, normal(faulty)) not in seen and normal(faulty) != normal(text):
                    seen.add((number, normal(faulty)))
                    yield rule, [(number, faulty)], f"`{normal(text)}` " + (
                        f"becomes `{normal(faulty)}`" if faulty else "is gone")
    yield from swapped_steps(slots, texts, source)
    yield from other_labels(slots, texts)
    yield from deleted_pairs(slots, texts)


def stem(file):
    """Returns the start of the names of a file's mutants. The directory is left out, so a move keeps the names."""
    return pathlib.PurePath(file).name.replace(".", "_")


def identifier(file, function, rule, content, count):
    """Returns the name of a mutant. The name is made from the content, so it stays while lines and files move."""
    file = pathlib.PurePath(file).name
    digest = hashlib.sha256(f"{file}\0{function}\0{rule}\0{content}\0{count}".encode()).hexdigest()
    return f"{stem(file)}-{function}-{rule}-{digest[:8]}"


def mutants_of(file, source, slots):
    """Returns all mutants of a file, in the order of its text."""
    by_function = collections.defaultdict(list)
    for number, slot in enumerate(slots):
        by_function[slot.function].append(number)
    mutants, counts = [], collections.Counter()
    for function, numbers in by_function.items():
        texts = [source[slots[number].start:slots[number].end] for number in numbers]
        for rule, edits, text in faults_of_function([slots[number] for number in numbers], texts, source):
            counts[function, rule, text] += 1
            name = identifier(file, function, rule, text, counts[function, rule, text])
            mutants.append(Mutant(name, file, function, rule, f"{function}(): {text}",
                                  [(numbers[place], faulty) for place, faulty in edits]))
    return mutants
