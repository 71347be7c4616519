"""`roost import mlflow` and `roost export mlflow` beside MLflow's own server: what its client wrote, in each of the forms that MLflow keeps,
is asked of both servers over MLflow's REST API and compared field by field."""

from __future__ import annotations

import json
import math
import os
import pathlib
import signal
import subprocess
import sys
import time
import urllib.request

import pytest

from harness import AT_MOST, BINARY, Server, free_port
from mlflow_clients.rest import Rest

pytest.importorskip("mlflow", reason="mlflow is not installed (tests/requirements.txt)")

WRITER = pathlib.Path(__file__).with_name("mlflow_store.py")
QUIET = {**{key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true",
         "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # fmt: skip


def write(uri: str, folder: pathlib.Path, *options: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, str(WRITER), uri, *options], cwd=folder, env=QUIET, check=True, capture_output=True)


class Stock:
    """MLflow's own server on a store."""

    def __init__(self, store: str, folder: pathlib.Path):
        folder.mkdir(parents=True, exist_ok=True)
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        self.output = open(folder / "stock.out", "wb")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1", "--backend-store-uri", store,
             "--artifacts-destination", str(folder / "mlartifacts")],
            cwd=folder, env=QUIET, stdout=self.output, stderr=self.output, start_new_session=True,
        )  # fmt: skip
        deadline = time.monotonic() + 2 * AT_MOST
        while True:
            try:
                urllib.request.urlopen(self.url + "/health", timeout=5)
                return
            except OSError:
                assert self.process.poll() is None, (folder / "stock.out").read_text()
                assert time.monotonic() < deadline, "MLflow's server does not come up"
                time.sleep(0.2)

    def stop(self) -> None:
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(AT_MOST)


def roost(server: Server, *arguments: str, ok: bool = True) -> subprocess.CompletedProcess:
    done = subprocess.run([BINARY, *arguments], env=server.environment, capture_output=True, text=True)
    assert not ok or done.returncode == 0, done.stdout + done.stderr
    return done


def without(found: dict, *fields: str) -> dict:
    return {key: value for key, value in found.items() if key not in fields}


def by_key(pairs: list[dict] | None) -> list[dict]:
    return sorted(pairs or [], key=lambda pair: json.dumps(pair, sort_keys=True))


def point_as_told(point: dict) -> tuple:
    value = float(point["value"])
    # A folder keeps infinities, all else has the largest number for them.
    return point["timestamp"], point["step"], str(math.copysign(sys.float_info.max, value) if math.isinf(value) else value)


def run_as_told(run: dict) -> dict:
    """A run without what is each server's own: the experiment's id and where files are."""
    data = run.get("data", {})
    told = without(run["info"], "experiment_id", "artifact_uri")
    told |= {name: by_key(data.get(name)) for name in ("params", "tags")}
    # A folder's server also tells whose points they are.
    told["metrics"] = sorted((metric["key"], *point_as_told(metric)) for metric in data.get("metrics", []))
    inputs, outputs = run.get("inputs", {}), run.get("outputs", {})
    told["datasets"] = by_key([{**one, "tags": by_key(one.get("tags"))} for one in inputs.get("dataset_inputs", [])])
    told["models_in"], told["models_out"] = by_key(inputs.get("model_inputs")), by_key(outputs.get("model_outputs"))
    return told


def files_of(rest: Rest, run_id: str, path: str = "") -> dict[str, bytes]:
    found = {}
    for one in rest.get("artifacts/list", run_id=run_id, **({"path": path} if path else {})).get("files", []):
        if one.get("is_dir"):
            found |= files_of(rest, run_id, one["path"])
        else:
            found[one["path"]] = rest.call("GET", "/get-artifact", query={"run_id": run_id, "path": one["path"]}).body
    return found


def everything(uri: str, token: str = "") -> dict:
    """All that a server tells, by names and ids that are the same everywhere."""
    rest = Rest(uri, token)
    experiments = rest.post("experiments/search", max_results=1000, view_type="ALL")["experiments"]
    names = {one["experiment_id"]: one["name"] for one in experiments}
    told = {"experiments": {}, "runs": {}, "histories": {}, "files": {}, "logged": {}, "models": {}, "versions": {}}
    for one in experiments:
        told["experiments"][one["name"]] = {**without(one, "experiment_id", "artifact_location"), "tags": by_key(one.get("tags"))}
    for run in rest.post("runs/search", experiment_ids=list(names), run_view_type="ALL", max_results=1000).get("runs", []):
        run_id = run["info"]["run_id"]
        run = rest.get("runs/get", run_id=run_id)["run"]  # a search leaves out models that went in
        told["runs"][run_id] = {**run_as_told(run), "experiment": names[run["info"]["experiment_id"]]}
        for metric in run.get("data", {}).get("metrics", []):
            points = rest.get("metrics/get-history", run_id=run_id, metric_key=metric["key"], max_results=25_000)["metrics"]
            told["histories"][run_id, metric["key"]] = sorted(map(point_as_told, points))
        if run["info"]["lifecycle_stage"] == "active":
            told["files"][run_id] = files_of(rest, run_id)
    for model in rest.post("logged-models/search", experiment_ids=list(names)).get("models", []):
        info, data = model["info"], model.get("data", {})
        told["logged"][info["model_id"]] = {
            **without(info, "experiment_id", "artifact_uri", "registrations"), "tags": by_key(info.get("tags")),
            "params": by_key(data.get("params")), "metrics": by_key(data.get("metrics")),
        }  # fmt: skip
    for model in rest.get("registered-models/search", max_results=100).get("registered_models", []):
        told["models"][model["name"]] = {**without(model, "latest_versions", "user_id"), "tags": by_key(model.get("tags")), "aliases": by_key(model.get("aliases"))}
        for version in rest.get("model-versions/search", filter=f"name='{model['name']}'").get("model_versions", []):
            version = rest.get("model-versions/get", name=model["name"], version=version["version"])["model_version"]
            told["versions"][model["name"], version["version"]] = {
                **without(version, "user_id", "model_id", "model_params", "model_metrics"),
                "tags": by_key(version.get("tags")), "run_link": version.get("run_link", ""), "description": version.get("description", ""), "aliases": version.get("aliases", []),
            }  # fmt: skip
    return told


def as_a_folder_tells(told: dict) -> dict:
    """MLflow's server on a folder takes 0 for the step of a point that speaks of a dataset, and compares NaN with numbers for the last value."""
    runs = {run_id: without(run, "metrics") for run_id, run in told["runs"].items()}
    histories = {key: [(time, value) for time, _, value in points] if key[1] == "acc" else points for key, points in told["histories"].items()}
    return {**told, "runs": runs, "histories": histories}


def assert_same(here: dict, there: dict) -> None:
    for kind in there:
        assert set(here[kind]) == set(there[kind]), kind
        for name in there[kind]:
            assert here[kind][name] == there[kind][name], (kind, name)


@pytest.fixture
def server(tmp_path):
    server = Server(tmp_path / "data").start()
    yield server
    server.stop()


@pytest.fixture(scope="module", params=["sqlite", "folder", "server"])
def source(request, tmp_path_factory):
    """What `roost import mlflow` is given, and MLflow's own server on the same store."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "server":
        stock = Stock(f"sqlite:///{folder}/mlflow.db", folder)
        write(stock.url, folder)
        yield stock.url, stock
    else:
        store = f"sqlite:///{folder}/mlflow.db" if request.param == "sqlite" else str(folder / "mlruns")
        write(store, folder)
        stock = Stock(store, folder)
        yield str(folder / ("mlflow.db" if request.param == "sqlite" else "mlruns")), stock
    stock.stop()


def test_all_that_mlflow_has_is_here_as_it_was(server, source):
    address, stock = source
    before = roost(server, "import", "mlflow", address, "--dry-run", "--json")
    assert json.loads(before.stdout)["counts"]["runs"] == {"in_source": 6, "here": 0, "added": 6}
    assert server.client.get("/runs?lifecycle=all")["items"] == []

    report = json.loads(roost(server, "import", "mlflow", address, "--json").stdout)
    assert report["verified"] and not report["differences"] and not report["left_out"]
    assert {name: count["here"] for name, count in report["counts"].items() if name != "bytes"} == {
        name: count["in_source"] for name, count in report["counts"].items() if name != "bytes"
    }
    assert report["counts"]["runs"]["added"] == 6 and report["counts"]["model versions"]["here"] == 2
    assert [place["outcome"] for place in report["experiments"] if place["name"] == "Default"] == ["unchanged"]
    here, there = everything(server.url, server.token), everything(stock.url)
    assert here["histories"][next(key for key in here["histories"] if key[1] == "acc")] == [(1_700_000_001_000, 1, "0.5")]
    if address.endswith("mlruns"):
        here, there = as_a_folder_tells(here), as_a_folder_tells(there)
    # Default was made with the server.
    del here["experiments"]["Default"], there["experiments"]["Default"]
    assert_same(here, there)

    # The versions' files are pinned, so they outlive the run that they came from.
    assert [one["path"] for one in server.client.get("/models/net/versions/2/files")["items"]] == ["w.bin"]

    again = json.loads(roost(server, "import", "mlflow", address, "--json").stdout)
    assert again["verified"] and all(count["added"] == 0 for count in again["counts"].values())


def test_what_cannot_be_read_is_listed_and_comes_with_the_next_import(server, tmp_path):
    stock = Stock(f"sqlite:///{tmp_path}/store/mlflow.db", tmp_path / "store")
    write(stock.url, tmp_path / "store")
    stock.stop()
    kept = tmp_path / "elsewhere"
    (tmp_path / "store" / "mlartifacts").rename(kept)
    report = json.loads(roost(server, "import", "mlflow", str(tmp_path / "store" / "mlflow.db"), "--json").stdout)
    assert len(report["left_out"]) == 1 and "--artifacts" in report["left_out"][0]
    assert report["counts"]["files"]["here"] == 0
    assert server.client.get("/models/net/versions/2/files")["items"] == []
    report = json.loads(roost(server, "import", "mlflow", str(tmp_path / "store" / "mlflow.db"), "--artifacts", str(kept), "--json").stdout)
    assert not report["left_out"] and report["counts"]["files"] == {"in_source": 3, "here": 3, "added": 3}
    assert [one["path"] for one in server.client.get("/models/net/versions/2/files")["items"]] == ["w.bin"]


def test_an_import_that_was_killed_is_gone_on_with(server, tmp_path):
    write(f"sqlite:///{tmp_path}/mlflow.db", tmp_path, "--bulk", "60", "200")
    command = [BINARY, "import", "mlflow", str(tmp_path / "mlflow.db")]

    def runs_here() -> int:
        return len(server.client.get("/runs?experiment=bulk&limit=1000")["items"])

    # Killed as soon as it has written anything, once with the server.
    importer = subprocess.Popen(command, env=server.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while importer.poll() is None and not runs_here():
        pass
    importer.kill()
    importer.wait()
    importer = subprocess.Popen(command, env=server.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    server.kill()
    importer.kill()
    importer.wait()
    server.start()
    report = json.loads(roost(server, "import", "mlflow", str(tmp_path / "mlflow.db"), "--json").stdout)
    assert report["verified"]
    assert report["counts"]["runs"]["here"] == 60 and report["counts"]["points"] == {"in_source": 12_000, "here": 12_000, "added": 0}
    assert runs_here() == 60


def test_mlflow_opens_what_was_exported(server, tmp_path):
    write(f"sqlite:///{tmp_path}/mlflow.db", tmp_path)
    roost(server, "import", "mlflow", str(tmp_path / "mlflow.db"))
    target = tmp_path / "exported"
    first = json.loads(roost(server, "export", "mlflow", str(target), "--json").stdout)
    assert first["runs"] == 6 and not first["differences"] and not first["left_out"]
    # What was cut off is written again, what is whole is left.
    next(target.glob("*/*/params/lr")).parents[1].joinpath("meta.yaml").unlink()
    again = json.loads(roost(server, "export", "mlflow", str(target), "--json").stdout)
    assert again["runs_already_there"] == 5 and not again["differences"]

    stock = Stock(str(target), tmp_path / "stock")
    try:
        here, there = everything(server.url, server.token), everything(stock.url)
    finally:
        stock.stop()
    # A version's source is what Roost was given; MLflow's folder says where its files are.
    assert_same(as_a_folder_tells(there), as_a_folder_tells(here))


def test_refused_sources_say_why(server, tmp_path):
    for address, why in (("postgresql://host/db", "mlflow server"), (str(tmp_path / "none"), "There is no file"), ("http://127.0.0.1:9", "127.0.0.1:9")):
        done = roost(server, "import", "mlflow", address, ok=False)
        assert done.returncode != 0 and why in done.stderr
    (tmp_path / "mine.txt").write_text("mine")
    done = roost(server, "export", "mlflow", str(tmp_path), ok=False)
    assert done.returncode != 0 and "is not empty" in done.stderr
