"""A server shared by the tests of one file, and its workspace."""

from __future__ import annotations

import json

import pytest

from harness import Server, end_runs
from roost.client import Client
from sdk.data_server import DataServer
from sdk.fake_service import FakeService
from sdk.support import write_config


@pytest.fixture(autouse=True)
def no_other_server(monkeypatch, tmp_path):
    """No server but the test's own can be found."""
    for name in ("ROOST_URL", "ROOST_TOKEN", "ROOST_RUN_ID", "AML_SNAPSHOT_NO_FILE_LIMIT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ROOST_DATA", str(tmp_path / "no server here"))


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("server") / "data").start()
    yield server
    end_runs(server)
    server.stop()


@pytest.fixture
def fake():
    """What the server's answers to environments and clusters look like, without the server."""
    service = FakeService()
    yield service
    service.stop()


@pytest.fixture
def impatient(monkeypatch):
    """A request that finds no server is not repeated, and what waits for a server asks again at once."""
    call = Client.call
    monkeypatch.setattr(Client, "call", lambda self, *given, **more: call(self, *given, **{"patience": 0, **more}))
    monkeypatch.setattr("azureml.core._service._PAUSE", 0)


@pytest.fixture
def fake_ws(fake, tmp_path, monkeypatch):
    from azureml.core import Workspace
    from azureml.core.authentication import TokenAuthentication

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROOST_URL", fake.url)
    (tmp_path / "fake's data").mkdir()  # which says that it is on this machine
    (tmp_path / "fake's data/server.json").write_text(json.dumps({"address": fake.url}))
    (tmp_path / "fake's data/token").write_text("token\n")
    monkeypatch.setenv("ROOST_DATA", str(tmp_path / "fake's data"))
    return Workspace.get("mine", auth=TokenAuthentication(lambda audience: "token"))


@pytest.fixture
def ws(shared_server, tmp_path, monkeypatch):
    """As a control script gets it: by the config.json beside it, in the current folder."""
    from azureml.core import Workspace

    monkeypatch.chdir(tmp_path)
    write_config(tmp_path, shared_server)
    return Workspace.from_config()


@pytest.fixture
def data_server():
    """Speaks the data part of the wire from memory."""
    server = DataServer()
    yield server
    server.stop()


@pytest.fixture
def data_ws(data_server, tmp_path, monkeypatch):
    from azureml.core import Workspace
    from azureml.core.authentication import TokenAuthentication

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROOST_URL", data_server.url)
    return Workspace("sub", "group", "mine", auth=TokenAuthentication(lambda audience: data_server.token))
