"""A server for MLflow's clients: Roost, or with MLFLOW_STOCK_URI a running server of MLflow itself, which the same tests must pass.

    mlflow server --host 127.0.0.1 --port 5055 --backend-store-uri sqlite:///mlflow.db --artifacts-destination artifacts
    MLFLOW_STOCK_URI=http://127.0.0.1:5055 python -m pytest -c tests/pytest.ini tests/mlflow_clients
"""

from __future__ import annotations

import dataclasses
import os
import sys
import uuid

import pytest

from harness import Server, end_runs
from mlflow_clients.rest import Rest

STOCK_URI = os.environ.get("MLFLOW_STOCK_URI", "")


@dataclasses.dataclass
class Tracking:
    uri: str
    token: str
    server: Server | None  # None: MLflow's own

    @property
    def is_stock(self) -> bool:
        return self.server is None

    @property
    def variables(self) -> dict[str, str]:
        """What a client's process needs to find the server. Few tries: a client that hangs on 5xx is a failure to be seen."""
        return {"MLFLOW_TRACKING_URI": self.uri, "MLFLOW_TRACKING_TOKEN": self.token, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
                "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}  # fmt: skip


def pytest_configure(config):
    config.addinivalue_line("markers", "only_roost(reason): not a behaviour of MLflow's own server")
    config.addinivalue_line("markers", "only_stock(reason): where Roost differs on purpose")


def pytest_collection_modifyitems(config, items):
    skipped = "only_roost" if STOCK_URI else "only_stock"
    for item in items:
        if marker := item.get_closest_marker(skipped):
            item.add_marker(pytest.mark.skip(reason=marker.args[0]))


@pytest.fixture(scope="session")
def tracking(tmp_path_factory):
    if STOCK_URI:
        yield Tracking(STOCK_URI, "", None)
        return
    server = Server(tmp_path_factory.mktemp("mlflow") / "data").start()
    yield Tracking(server.url, server.token, server)
    end_runs(server)
    server.stop()


@pytest.fixture(autouse=True)
def mlflow_variables(tracking, monkeypatch, tmp_path):
    """Each test is a client of its own: no run, no experiment, no server left over from another."""
    for name in [name for name in os.environ if name.startswith("MLFLOW_") and name != "MLFLOW_STOCK_URI"]:
        monkeypatch.delenv(name)
    for name, value in tracking.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    yield
    if "mlflow.tracking.fluent" in sys.modules:
        forget_client_state()


def forget_client_state() -> None:
    import mlflow
    from mlflow.tracking import fluent

    while mlflow.active_run():
        mlflow.end_run()
    fluent._active_experiment_id = None
    os.environ.pop("MLFLOW_EXPERIMENT_ID", None)
    os.environ.pop("MLFLOW_RUN_ID", None)


@pytest.fixture(scope="session")
def rest(tracking) -> Rest:
    return Rest(tracking.uri, tracking.token)


@pytest.fixture
def client(tracking):
    from mlflow import MlflowClient

    return MlflowClient(tracking.uri)


@pytest.fixture
def name() -> str:
    """A name that no other test uses: the server may be an old one."""
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def experiment(rest, name) -> str:
    """The id of a new experiment."""
    return rest.post("experiments/create", name=name)["experiment_id"]


@pytest.fixture
def run_id(rest, experiment) -> str:
    return rest.create_run(experiment)
