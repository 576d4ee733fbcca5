# SPDX-License-Identifier: GPL-2.0
"""Finds the places of a C file where a fault is possible: conditions, values, statements. libclang finds the places;
rules.py changes their text.

A slot is a whole expression (a condition, a return value, an initial value of a variable) or a simple statement. Slots
never overlap, so a choice between the original text and the faulty texts can replace each slot. Constants of the
compiler (static initialisers, array sizes, case labels), initialisers in braces, and the heads of loops that a macro
makes are left out.
"""

import collections
import re

# kind: expression, condition, check (the condition of an if that contains only a jump), statement or jump
# start, end: offsets in the file; a statement ends before its semicolon
# fields: [(offset, length, name of a neighbouring field of the same type)]
# block: identifies the list of statements that contains this statement
Slot = collections.namedtuple("Slot", "kind function start end fields block")

# A bracket or another end of a slot. A comment, a string or a character in quotes is one token.
TOKEN = re.compile(r'/\*.*?\*/|"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|[][(){};,]', re.DOTALL)
KEPT_ARGUMENTS = re.compile(r"-[ID]|-std=|-nostdinc|-f(short-wchar|unsigned-char)$|-m64$|-mcmodel=")


def clang_arguments(command, directory):
    """Returns the arguments for libclang, from the command line of gcc that compiled a file in `directory`."""
    words, kept = iter(command.split()), []
    for word in words:
        if word == "-include":
            kept += [word, next(words)]
        elif KEPT_ARGUMENTS.match(word):
            kept.append(word.replace("'", ""))
    return [*kept, f"-working-directory={directory}", "-w", "-ferror-limit=0"]


class Finder:
    """Walks the functions of one file."""

    def __init__(self, cindex, path, text):
        self.kinds = cindex.CursorKind
        self.path, self.text, self.slots, self.blocks = str(path), text, [], 0
        self.function = ""

    def find(self, unit):
        for cursor in unit.cursor.get_children():
            if (cursor.kind == self.kinds.FUNCTION_DECL and cursor.is_definition()
                    and str(cursor.location.file) == self.path):
                self.function = cursor.spelling
                for child in cursor.get_children():
                    if child.kind == self.kinds.COMPOUND_STMT and self.begins_with(child, r"\{"):
                        self.statement(child, None)
        return sorted(self.slots, key=lambda slot: slot.start)

    # --- statements ---

    def statement(self, cursor, block):
        kinds = self.kinds
        children = list(cursor.get_children())
        if cursor.kind == kinds.COMPOUND_STMT:
            self.blocks += 1
            own = self.blocks
            for child in children:
                self.statement(child, own)
        elif cursor.kind == kinds.DECL_STMT:
            for child in children:
                self.declaration(child)
        elif (cursor.kind in (kinds.IF_STMT, kinds.WHILE_STMT, kinds.SWITCH_STMT)
              and self.begins_with(cursor, r"(if|while|switch)\b")):
            self.add(self.kind_of_head(cursor, children), children[0])
            for child in children[1:]:
                self.statement(child, None)
        elif cursor.kind == kinds.DO_STMT and self.begins_with(cursor, r"do\b"):
            self.statement(children[0], None)
            self.add("condition", children[1])
        elif cursor.kind == kinds.FOR_STMT:
            self.loop(cursor, children)
        elif cursor.kind in (kinds.LABEL_STMT, kinds.CASE_STMT, kinds.DEFAULT_STMT):
            if children:
                self.statement(children[-1], block)
        elif cursor.kind == kinds.RETURN_STMT:
            for child in children:
                self.add("expression", child)
        elif cursor.kind == kinds.GOTO_STMT:
            self.add("jump", cursor)
        elif cursor.kind not in (kinds.BREAK_STMT, kinds.CONTINUE_STMT, kinds.NULL_STMT, kinds.ASM_STMT):
            self.add("statement", cursor, block)

    def kind_of_head(self, cursor, children):
        """Returns the kind of the expression in the brackets after `if`, `while` or `switch`."""
        kinds = self.kinds
        if cursor.kind == kinds.SWITCH_STMT:
            return "expression"
        body = list(children[1].get_children())[-1:] if children[1].kind == kinds.COMPOUND_STMT else children[1:2]
        jumps = (kinds.RETURN_STMT, kinds.GOTO_STMT, kinds.BREAK_STMT, kinds.CONTINUE_STMT)
        is_check = cursor.kind == kinds.IF_STMT and len(children) == 2 and body and body[0].kind in jumps
        return "check" if is_check else "condition"

    def declaration(self, cursor):
        """Adds the value of `type name = value`, unless the variable is static."""
        if cursor.kind != self.kinds.VAR_DECL or cursor.storage_class.name == "STATIC":
            return
        values = [child for child in cursor.get_children() if child.kind.is_expression()]
        if (values and values[-1].kind != self.kinds.INIT_LIST_EXPR
                and re.search(r"=\s*$", self.text[:values[-1].extent.start.offset])):
            self.add("expression", values[-1], ends=";,")

    def loop(self, cursor, children):
        """Adds the parts of a `for`. Parts may be missing, so the semicolons identify the condition."""
        if children:
            self.statement(children[-1], None)
        if not self.begins_with(cursor, r"for\s*\("):
            return
        first, second = self.semicolons(cursor.extent.start.offset)
        for child in children[:-1]:
            start = child.extent.start.offset
            if child.kind == self.kinds.DECL_STMT:
                continue
            self.add("condition" if first < start < second else "expression", child)

    def semicolons(self, start):
        """Returns the offsets of the two semicolons in the head of the `for` at this offset."""
        depth, found = 0, []
        for offset in range(self.text.index("(", start), len(self.text)):
            depth += {"(": 1, ")": -1}.get(self.text[offset], 0)
            if self.text[offset] == ";" and depth == 1:
                found.append(offset)
            if depth == 0:
                break
        return found

    # --- slots ---

    def begins_with(self, cursor, pattern):
        """Returns a false value if a macro made the statement, because the text then has the name of the macro."""
        return str(cursor.extent.start.file) == self.path and re.match(pattern, self.text[cursor.extent.start.offset:])

    def add(self, kind, cursor, block=None, ends=";"):
        """Adds a slot, from the start of the cursor to the next end. libclang gives no usable end after a macro."""
        start = cursor.extent.start.offset
        if str(cursor.extent.start.file) != self.path:
            return
        end = self.end_of(start, ends)
        text = self.text[start:end]
        if (not text.strip() or "{" in text or "#" in text
                or (kind in ("statement", "jump") and not self.text.startswith(";", end))):
            return
        self.slots.append(Slot(kind, self.function, start, end, sorted(set(self.fields(cursor))), block))

    def end_of(self, start, ends):
        """Returns the offset of the next end, without the spaces before the end.

        An end is a character of `ends` outside all brackets, or a closing bracket that was opened before `start`.
        """
        depth = 0
        for match in TOKEN.finditer(self.text, start):
            token = match.group()
            if depth == 0 and (token in ")]}" or token in ends):
                return start + len(self.text[start:match.start()].rstrip())
            depth += (token in "([{") - (token in ")]}")
        return start

    def fields(self, cursor):
        """Yields each field that the expression names and that has a neighbour of the same type."""
        for node in cursor.walk_preorder():
            if node.kind != self.kinds.MEMBER_REF_EXPR or not node.referenced:
                continue
            name, offset = node.spelling, node.location.offset
            neighbour = self.neighbour(node.referenced)
            if neighbour and str(node.location.file) == self.path and self.text.startswith(name, offset):
                yield offset, len(name), neighbour

    @staticmethod
    def neighbour(field):
        record = field.semantic_parent
        fields = list(record.type.get_fields()) if record else []
        names = [other.spelling for other in fields]
        if field.spelling not in names:
            return None
        place = names.index(field.spelling)
        for other in (fields[place + 1:place + 2] + fields[place - 1:place] if place else fields[1:2]):
            if other.spelling and other.type.get_canonical().spelling == field.type.get_canonical().spelling:
                return other.spelling
        return None


def find_slots(path, source, arguments):
    """Returns the slots of the file `path` in the translation unit `source`."""
    import clang.cindex as cindex  # pylint: disable=import-outside-toplevel  # only this function needs the package

    unit = cindex.Index.create().parse(str(source), args=arguments)
    return Finder(cindex, path, path.read_text(encoding="utf-8")).find(unit)
