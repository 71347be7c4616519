"""Collects tests/api/*.http: requests in plain text with the status and a subset of the JSON that must come back.

A script is a list of exchanges against one fresh server with the fake launcher:

    # comments tell the story
    POST /api/v1/experiments
    Some-Header: value
    {"name": "vision"}
    201
    {"experiment_id": "$id", "name": "vision"}

The expected JSON is a subset: objects may have more fields, lists must have the same length. "$name" takes the value under
that name (later ${name} stands for it, in both directions), "*" fits any value, "~text" any text that contains it.
"""

from __future__ import annotations

import http.client
import json
import pathlib
import re

import pytest

from harness import AT_MOST, Server

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")


def pytest_collect_file(parent, file_path):
    if file_path.suffix == ".http":
        return ScriptFile.from_parent(parent, path=file_path)


class ScriptFile(pytest.File):
    def collect(self):
        yield Script.from_parent(self, name=self.path.stem)


class Exchange:
    def __init__(self, line: int, method: str, target: str):
        self.line, self.method, self.target = line, method, target
        self.headers: dict[str, str] = {}
        self.body = self.expected = ""
        self.status = 0


def parse(text: str) -> list[Exchange]:
    exchanges: list[Exchange] = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("#") or not line.strip():
            continue
        words = line.split()
        if words[0] in METHODS and len(words) == 2:
            exchanges.append(Exchange(number, *words))
            continue
        now = exchanges[-1]
        if re.fullmatch(r"\d{3}", line) and not now.status:
            now.status = int(line)
        elif now.status:
            now.expected += line
        elif not now.body and re.match(r"[A-Za-z-]+: ", line):
            name, value = line.split(": ", 1)
            now.headers[name] = value
        else:
            now.body += line
    return exchanges


class Script(pytest.Item):
    def runtest(self):
        import tempfile

        exchanges = parse(self.path.read_text())
        assert exchanges, f"{self.path} has no exchange"
        with tempfile.TemporaryDirectory() as folder:
            server = Server(pathlib.Path(folder) / "data", "--fake-launcher").start()
            try:
                names: dict[str, object] = {}
                for exchange in exchanges:
                    play(server, exchange, names)
            finally:
                assert server.stop() == 0, server.printed()

    def repr_failure(self, excinfo):
        return f"{self.path.name}: {excinfo.value}"

    def reportinfo(self):
        return self.path, 0, self.name


def play(server: Server, exchange: Exchange, names: dict[str, object]) -> None:
    def fill(text: str) -> str:
        return re.sub(r"\$\{(\w+)\}", lambda found: str(names[found[1]]), text)

    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=AT_MOST)
    headers = {"Authorization": f"Bearer {server.token}", **{name: fill(value) for name, value in exchange.headers.items()}}
    if headers["Authorization"] == "none":
        del headers["Authorization"]
    connection.request(exchange.method, fill(exchange.target), fill(exchange.body).encode() or None, headers)
    answer = connection.getresponse()
    text = answer.read().decode(errors="replace")
    where = f"line {exchange.line}: {exchange.method} {fill(exchange.target)}"
    assert answer.status == exchange.status, f"{where}: status {answer.status} instead of {exchange.status}: {text[:600]}"
    if exchange.expected:
        compare(json.loads(fill(exchange.expected)), json.loads(text), names, where)


def compare(expected, actual, names, where: str) -> None:
    if isinstance(expected, str) and re.fullmatch(r"\$\w+", expected):
        names[expected[1:]] = actual
    elif expected == "*":
        pass
    elif isinstance(expected, str) and expected.startswith("~"):
        assert isinstance(actual, str) and expected[1:] in actual, f"{where}: {actual!r} does not contain {expected[1:]!r}"
    elif isinstance(expected, dict):
        assert isinstance(actual, dict), f"{where}: {actual!r} is no object"
        for key, value in expected.items():
            assert key in actual, f"{where}: no field {key!r} in {list(actual)}"
            compare(value, actual[key], names, f"{where}.{key}")
    elif isinstance(expected, list):
        assert isinstance(actual, list) and len(actual) == len(expected), f"{where}: {actual!r} instead of {expected!r}"
        for number, (one, other) in enumerate(zip(expected, actual)):
            compare(one, other, names, f"{where}[{number}]")
    else:
        assert expected == actual, f"{where}: {actual!r} instead of {expected!r}"
