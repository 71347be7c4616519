"""The patterns of .amlignore and .gitignore, with git's syntax. src/spec/ignore.cc has the same rules in C++."""

from __future__ import annotations

import pathlib
import re
from typing import NamedTuple

_SPECIAL = re.compile(r"[*?\[\\]")
_CLASSES = {
    "alnum": "a-zA-Z0-9", "alpha": "a-zA-Z", "blank": " \\t", "cntrl": "\\x00-\\x1f\\x7f", "digit": "0-9", "graph": "\\x21-\\x7e",
    "lower": "a-z", "print": "\\x20-\\x7e", "punct": "\\x21-\\x2f\\x3a-\\x40\\x5b-\\x60\\x7b-\\x7e", "space": " \\t\\n\\r\\f\\v",
    "upper": "A-Z", "xdigit": "0-9A-Fa-f",
}  # fmt: skip
_NEVER = "(?!)"


class _Pattern(NamedTuple):
    expression: "re.Pattern[bytes]"
    negated: bool
    folder_only: bool
    anchored: bool  # matches the whole path, not just its last part


class IgnoreRules:
    """The last pattern that matches decides. Whoever walks a folder goes from the top and does not enter what is ignored:
    that is why nothing below an ignored folder can be taken back."""

    def __init__(self, text: str = ""):
        lines = text[1:].split("\n") if text.startswith("\ufeff") else text.split("\n")
        self._patterns = [pattern for pattern in map(_read_line, lines) if pattern is not None]

    def ignores(self, path: str, is_folder: bool) -> bool:
        """``path`` is relative to the ignore file's folder, with "/"."""
        whole = path.encode(errors="surrogateescape")
        last = whole[whole.rfind(b"/") + 1 :]
        for pattern in reversed(self._patterns):
            if pattern.folder_only and not is_folder:
                continue
            if pattern.expression.fullmatch(whole if pattern.anchored else last):
                return not pattern.negated
        return False


def read_ignore_rules(folder: pathlib.Path) -> IgnoreRules:
    """Of the folder's .amlignore; where there is none, of its .gitignore."""
    for name in (".amlignore", ".gitignore"):
        try:
            return IgnoreRules((folder / name).read_text(encoding="utf-8", errors="surrogateescape"))
        except FileNotFoundError:
            pass
    return IgnoreRules()


def _read_line(line: str) -> _Pattern | None:
    line = line[:-1] if line.endswith("\r") else line
    if line.startswith("#"):
        return None
    line = _without_final_blanks(line)
    negated = line.startswith("!")
    line = line[1:] if negated else line
    folder_only = line.endswith("/")
    line = line[:-1] if folder_only else line
    if not line:
        return None
    anchored = "/" in line
    line = line[1:] if line.startswith("/") else line
    # git splits a pattern at its first special character, so a "**" there begins a part whatever stands before it.
    special = _SPECIAL.search(line)
    cut = special.start() if special else len(line)
    expression = re.escape(line[:cut]) + _translate(line[cut:])
    return _Pattern(re.compile(expression.encode(errors="surrogateescape"), re.DOTALL), negated, folder_only, anchored)


def _without_final_blanks(line: str) -> str:
    end = at = 0
    while at < len(line):
        if line[at] == "\\":
            at += 1
            end = at + 1
        elif line[at] != " ":
            end = at + 1
        at += 1
    return line[:end]


def _translate(glob: str) -> str:
    made, at = [], 0
    while at < len(glob):
        char = glob[at]
        at += 1
        if char == "*":
            first = at - 1
            while at < len(glob) and glob[at] == "*":
                at += 1
            rest = glob[at:]
            begins_part = first == 0 or glob[first - 1] == "/"
            if at - first < 2 or not begins_part or not (rest == "" or rest.startswith(("/", "\\/"))):
                made.append("[^/]*")
            elif rest.startswith("/"):
                made.append("(?:.*/)?")
                at += 1
            else:
                made.append(".*")
        elif char == "?":
            made.append("[^/]")
        elif char == "[":
            expression, at = _translate_class(glob, at)
            made.append(expression)
            if expression == _NEVER:
                break
        elif char == "\\":
            if at >= len(glob):
                return _NEVER
            made.append(re.escape(glob[at]))
            at += 1
        else:
            made.append(re.escape(char))
    return "".join(made)


def _translate_class(glob: str, at: int) -> tuple[str, int]:
    """What stands behind a "[" at ``at``; a class that is not closed or not known makes a pattern that matches nothing."""
    negated = at < len(glob) and glob[at] in "!^"
    at += negated
    items: list[str] = []
    before: str | None = None  # the character before, when a "-" may follow it
    first = True
    while True:
        if at >= len(glob):
            return _NEVER, at
        char = glob[at]
        at += 1
        if char == "]" and not first:
            break
        first = False
        escaped = char == "\\"
        if escaped:
            if at >= len(glob):
                return _NEVER, at
            char = glob[at]
            at += 1
        if char == "-" and not escaped and before is not None and at < len(glob) and glob[at] != "]":
            last = glob[at]
            at += 1
            if last == "\\":
                if at >= len(glob):
                    return _NEVER, at
                last = glob[at]
                at += 1
            if before <= last:
                items[-1] = f"{re.escape(before)}-{re.escape(last)}"
            before = None
        elif char == "[" and not escaped and at < len(glob) and glob[at] == ":":
            close = glob.find("]", at + 1)
            if close == -1:
                return _NEVER, at
            if close >= at + 2 and glob[close - 1] == ":":
                name = glob[at + 1 : close - 1]
                if name not in _CLASSES:
                    return _NEVER, at
                items.append(_CLASSES[name])
                at, before = close + 1, None
            else:
                items.append(re.escape("["))
                before = "["
        else:
            items.append(re.escape(char))
            before = char
    return (f"(?!/)[{'^' if negated else ''}{''.join(items)}]", at)
