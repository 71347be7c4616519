"""The part of YAML that configuration files use, without a dependency.

Read: block and one-line flow mappings and lists, plain and quoted scalars, literal and folded blocks, comments. Anchors, aliases,
tags, complex keys, several documents and plain scalars of several lines are errors that name the line. Written: block style.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

_PLAIN = re.compile(r"[A-Za-z_/.$][^:#\n\t\[\]{},&*!|>'\"%@`]*(?<! )")
_INT = re.compile(r"[-+]?\d+")
_FLOAT = re.compile(r"[-+]?(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][-+]?\d+)?")
_WORDS = {"": None, "~": None, "null": None, "Null": None, "NULL": None, "true": True, "True": True, "TRUE": True, "false": False,
          "False": False, "FALSE": False, ".inf": float("inf"), "-.inf": float("-inf"), ".nan": float("nan")}  # fmt: skip
# What YAML 1.1 readers take for something else than text.
_AMBIGUOUS = {*_WORDS, *(form for word in ("yes", "no", "on", "off", "y", "n") for form in (word, word.title(), word.upper()))}
_ESCAPE = re.compile(r"\\(?:(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U000[0-9a-fA-F]{5}|U0010[0-9a-fA-F]{4})|(.))")
_ESCAPES = {"0": "\0", "a": "\a", "b": "\b", "t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r", "e": "\x1b", " ": " ", '"': '"', "/": "/",
            "\\": "\\", "N": "\x85", "_": "\xa0", "L": "\u2028", "P": "\u2029"}  # fmt: skip
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
_KEY = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s#&*!|>%@`\[\]{},"'-][^#]*?|-[^\s#][^#]*?)\s*:(?:\s+|$)""")


class YamlError(ValueError):
    """The text is not YAML, or more of YAML than is read here; ``line`` counts from 1."""

    def __init__(self, line: int, message: str):
        super().__init__(f"line {line}: {message}")
        self.line = line


class _Line(NamedTuple):
    number: int
    indent: int
    text: str  # without indent; a comment may follow


# -- writing ----------------------------------------------------------------------------------------------------------


def dump(value: Any) -> str:
    """Dictionaries with text keys, lists, texts, numbers, booleans and None."""
    lines: list[str] = []
    _write(value, 0, lines)
    return "\n".join(lines) + "\n"


def _write(value: Any, indent: int, lines: list[str]) -> None:
    pad = " " * indent
    if isinstance(value, dict) and value:
        for key, item in value.items():
            if isinstance(item, (dict, list)) and item:
                lines.append(f"{pad}{_scalar_text(key)}:")
                _write(item, indent + (2 if isinstance(item, dict) else 0), lines)
            else:
                lines.append(f"{pad}{_scalar_text(key)}: {_scalar_text(item)}".rstrip())
    elif isinstance(value, list) and value:
        for item in value:
            if isinstance(item, (dict, list)) and item:
                inner: list[str] = []
                _write(item, indent + 2, inner)
                lines.append(f"{pad}- {inner[0].lstrip()}")
                lines.extend(inner[1:])
            else:
                lines.append(f"{pad}- {_scalar_text(item)}".rstrip())
    else:
        lines.append(pad + _scalar_text(value))


def _scalar_text(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return ".nan" if value != value else ".inf" if value > 0 else "-.inf"
    if isinstance(value, (int, float)):
        text = repr(value)
        return text if "e" not in text or "." in text else text.replace("e", ".0e")
    if isinstance(value, str):
        is_plain = _PLAIN.fullmatch(value) and value not in _AMBIGUOUS and not _FLOAT.fullmatch(value) and value.isprintable()
        return value if is_plain else _UNPRINTABLE.sub(lambda match: f"\\u{ord(match.group()):04x}", json.dumps(value, ensure_ascii=False))
    if isinstance(value, (dict, list)):
        return "{}" if isinstance(value, dict) else "[]"
    raise TypeError(f"{type(value).__name__} cannot be written as YAML")


# -- reading ----------------------------------------------------------------------------------------------------------


def load(text: str) -> Any:
    return _Reader(text).document()


class _Reader:
    def __init__(self, text: str):
        self._raw = [line[:-1] if line.endswith("\r") else line for line in text.lstrip("\ufeff").split("\n")]
        self._at = 0

    def document(self) -> Any:
        line = self._peek()
        if line is not None and line.text.split("#")[0].strip() == "---":
            self._at += 1
            line = self._peek()
        value = None if line is None else self._node(line.indent)
        line = self._peek()
        if line is not None:
            raise YamlError(line.number, "does not belong to what stands above it")
        return value

    def _peek(self) -> _Line | None:
        while self._at < len(self._raw):
            raw = self._raw[self._at]
            text = raw.lstrip(" ")
            if text.startswith("\t"):
                raise YamlError(self._at + 1, "is indented with a tab")
            if text.strip() and not text.startswith("#"):
                return _Line(self._at + 1, len(raw) - len(text), text.rstrip())
            self._at += 1
        return None

    def _node(self, indent: int) -> Any:
        """What begins at the next line, which has this indent."""
        line = self._peek()
        assert line is not None
        if line.text == "-" or line.text.startswith("- "):
            return self._list(indent)
        if _KEY.match(line.text) and not line.text.startswith("? "):
            return self._mapping(indent)
        self._at += 1
        return self._value(line.text, line, indent - 1)

    def _mapping(self, indent: int) -> dict:
        made: dict = {}
        while True:
            line = self._peek()
            if line is None or line.indent < indent:
                return made
            match = _KEY.match(line.text)
            if line.indent > indent or not match or line.text.startswith("- "):
                raise YamlError(line.number, "is no `key: value` of the mapping above")
            key = _scalar(match.group(1), line.number)
            if key in made:
                raise YamlError(line.number, f"has the key {key} a second time")
            self._at += 1
            made[key] = self._value(line.text[match.end() :], line, indent, list_may_stand_at=indent)

    def _list(self, indent: int) -> list:
        made: list = []
        while True:
            line = self._peek()
            if line is None or line.indent < indent or (line.indent == indent and line.text != "-" and not line.text.startswith("- ")):
                return made
            if line.indent > indent:
                raise YamlError(line.number, "is no item of the list above")
            rest = line.text[1:].lstrip(" ")
            inner = line.indent + len(line.text) - len(rest)
            if rest and not rest.startswith("#") and (rest == "-" or rest.startswith("- ") or _KEY.match(rest)):
                # A list or mapping that begins in this line: read on as if the dash were a blank.
                self._raw[self._at] = " " * inner + rest
                made.append(self._node(inner))
            else:
                self._at += 1
                made.append(self._value(rest, line, indent))

    def _value(self, text: str, line: _Line, indent: int, list_may_stand_at: int | None = None) -> Any:
        """The value that ``text`` begins, whose parent has ``indent``."""
        if not text or text.startswith("#"):
            following = self._peek()
            if following is not None and (following.indent > indent or (following.indent == list_may_stand_at and following.text.startswith("-"))):
                if following.indent > indent or following.text == "-" or following.text.startswith("- "):
                    return self._node(following.indent)
            return None
        if text[0] in "|>":
            return self._block(text, line, indent)
        value, end = _flow(text, 0, line.number, inside=False)
        rest = text[end:].strip()
        if rest and not rest.startswith("#"):
            raise YamlError(line.number, f"has `{rest}` behind its value")
        following = self._peek()
        if following is not None and following.indent > indent and not isinstance(value, (dict, list)):
            raise YamlError(following.number, "goes on with the value of the line above; write it in one line, quoted, or behind |")
        return value

    def _block(self, text: str, line: _Line, indent: int) -> str:
        match = re.fullmatch(r"([|>])([-+]?)\s*(#.*)?", text)
        if not match:
            raise YamlError(line.number, f"begins a block with `{text}`, which is not read here")
        lines: list[str] = []
        while self._at < len(self._raw):
            raw = self._raw[self._at]
            if raw.strip() and len(raw) - len(raw.lstrip(" ")) <= indent:
                break
            lines.append(raw)
            self._at += 1
        cut = min((len(raw) - len(raw.lstrip(" ")) for raw in lines if raw.strip()), default=0)
        body = [raw[cut:] for raw in lines]
        kept = "\n".join(body).rstrip("\n")
        if match.group(1) == ">":
            kept = re.sub(r"(?<=\S)\n(?=\S)", " ", kept).replace("\n\n", "\n")
        if match.group(2) == "-" or not kept:
            return kept
        return kept + "\n" * (1 + sum(1 for raw in reversed(body) if not raw.strip()) if match.group(2) == "+" else 1)


def _flow(text: str, at: int, number: int, inside: bool) -> tuple[Any, int]:
    """One value from ``at`` and where it ends; ``inside`` a flow collection."""
    char = text[at] if at < len(text) else ""
    if char == "[":
        items: list = []
        at = _skip(text, at + 1)
        while text[at : at + 1] != "]":
            item, at = _flow(text, at, number, True)
            items.append(item)
            at = _next_item(text, at, number, "]")
        return items, at + 1
    if char == "{":
        made: dict = {}
        at = _skip(text, at + 1)
        while text[at : at + 1] != "}":
            key, at = _flow(text, at, number, True)
            at = _skip(text, at)
            if text[at : at + 1] != ":":
                raise YamlError(number, "has a flow mapping without `key: value`")
            at = _skip(text, at + 1)
            made[key], at = (None, at) if text[at : at + 1] in ("}", ",") else _flow(text, at, number, True)
            at = _next_item(text, at, number, "}")
        return made, at + 1
    if char in ("'", '"'):
        quoted = re.compile(r"'(?:[^']|'')*'" if char == "'" else r'"(?:[^"\\]|\\.)*"').match(text, at)
        if not quoted:
            raise YamlError(number, "has a quoted text that does not end in its line")
        return _scalar(quoted.group(), number), quoted.end()
    if char in ("&", "*", "!", "%", "@", "`", "?") and not (char == "?" and text[at + 1 : at + 2] not in ("", " ")):
        raise YamlError(number, f"begins a value with `{char}`, which is not read here; quote it if it is text")
    plain = re.compile(r"(?:(?!\s+#)(?!:(?:\s|$|[\],}]))[^,\[\]{}\n])+" if inside else r"(?:(?!\s+#).)+").match(text, at)
    if not plain:
        raise YamlError(number, "has a value missing")
    if not inside and re.search(r":(\s|$)", plain.group()):
        raise YamlError(number, f"has `{plain.group()}` as a value; quote it")
    return _scalar(plain.group().strip(), number), plain.end()


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] == " ":
        at += 1
    return at


def _next_item(text: str, at: int, number: int, close: str) -> int:
    at = _skip(text, at)
    if text[at : at + 1] == ",":
        return _skip(text, at + 1)
    if text[at : at + 1] != close:
        raise YamlError(number, f"has a flow collection that does not end with `{close}` in its line")
    return at


def _scalar(text: str, number: int) -> Any:
    if text.startswith("'"):
        return text[1:-1].replace("''", "'")
    if text.startswith('"'):
        unknown = _ESCAPE.sub(lambda match: "" if match.group(1) or match.group(2) in _ESCAPES else match.group(), text)
        if "\\" in unknown:
            raise YamlError(number, f"has a quoted text with an escape that is not YAML's: {text}")
        return _ESCAPE.sub(lambda match: chr(int(match.group(1)[1:], 16)) if match.group(1) else _ESCAPES[match.group(2)], text[1:-1])
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text
