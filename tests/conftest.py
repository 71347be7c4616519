"""Fixtures of the black-box tests: servers of their own, source folders."""

from __future__ import annotations

import pathlib

import pytest

from harness import Server, end_runs


@pytest.fixture
def make_server(tmp_path):
    """Starts servers on folders below tmp_path; all are stopped at the end, their runs cancelled."""
    servers: list[Server] = []

    def make(*options: str, name: str = "data", start: bool = True) -> Server:
        server = Server(tmp_path / name, *options)
        servers.append(server)
        return server.start() if start else server

    yield make
    for server in servers:
        if server.process is not None and server.process.poll() is None:
            end_runs(server)
            server.stop()


@pytest.fixture
def server(make_server) -> Server:
    return make_server()


@pytest.fixture
def project(tmp_path):
    """Makes a source folder of the given files: project({"train.py": "..."})."""

    def make(files: dict[str, str | bytes], name: str = "src") -> pathlib.Path:
        folder = tmp_path / name
        for path, content in files.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
        folder.mkdir(exist_ok=True)
        return folder

    return make


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true", help="also what takes long")
