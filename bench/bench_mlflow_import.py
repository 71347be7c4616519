#!/usr/bin/env python3
"""Moving in from MLflow: 10,000 runs with 1,000,000 points from its SQLite file and from its mlruns folder, each into a new server, with all
commits durable and all verified; then the same again, when everything is there. With --server, also from MLflow's own server on that file,
beside a client that only asks for the same answers and drops them (MLflow must be installed)."""

import argparse
import concurrent.futures
import http.client
import json
import os
import pathlib
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.parse

from common import PROJECT, report, timed

sys.path.insert(0, str(PROJECT / "tests"))
from harness import BINARY, Server, free_port  # noqa: E402

START = 1_700_000_000_000
# As MLflow makes them; used when it is not installed.
TABLES = """
CREATE TABLE experiments(experiment_id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(256) NOT NULL UNIQUE, artifact_location VARCHAR(256),
  lifecycle_stage VARCHAR(32), creation_time BIGINT, last_update_time BIGINT);
CREATE TABLE experiment_tags(key VARCHAR(250) NOT NULL, value VARCHAR(5000), experiment_id INTEGER NOT NULL, PRIMARY KEY(key, experiment_id));
CREATE TABLE runs(run_uuid VARCHAR(32) NOT NULL PRIMARY KEY, name VARCHAR(250), source_type VARCHAR(20), user_id VARCHAR(256), status VARCHAR(9),
  start_time BIGINT, end_time BIGINT, lifecycle_stage VARCHAR(20), artifact_uri VARCHAR(200), experiment_id INTEGER);
CREATE TABLE params(key VARCHAR(250) NOT NULL, value VARCHAR(8000) NOT NULL, run_uuid VARCHAR(32) NOT NULL, PRIMARY KEY(key, run_uuid));
CREATE TABLE tags(key VARCHAR(250) NOT NULL, value VARCHAR(8000), run_uuid VARCHAR(32) NOT NULL, PRIMARY KEY(key, run_uuid));
CREATE TABLE metrics(key VARCHAR(250) NOT NULL, value FLOAT NOT NULL, timestamp BIGINT NOT NULL, run_uuid VARCHAR(32) NOT NULL, step BIGINT NOT NULL,
  is_nan BOOLEAN NOT NULL, PRIMARY KEY(key, timestamp, step, run_uuid, value, is_nan));
CREATE TABLE latest_metrics(key VARCHAR(250) NOT NULL, value FLOAT NOT NULL, timestamp BIGINT, step BIGINT NOT NULL, is_nan BOOLEAN NOT NULL,
  run_uuid VARCHAR(32) NOT NULL, PRIMARY KEY(key, run_uuid));
CREATE INDEX index_params_run_uuid ON params(run_uuid);
CREATE INDEX index_tags_run_uuid ON tags(run_uuid);
CREATE INDEX index_metrics_run_uuid ON metrics(run_uuid);
CREATE INDEX index_latest_metrics_run_uuid ON latest_metrics(run_uuid);
INSERT INTO experiments VALUES(0, 'Default', '/nowhere/0', 'active', 1, 1);
"""
NAMES = ("train/loss", "eval/accuracy")


def run_ids(runs: int) -> list[str]:
    return [f"{number:032x}" for number in range(1, runs + 1)]


def points(number: int, count: int):
    """(name, step, time, value) of one run."""
    for name in NAMES:
        for step in range(count // len(NAMES)):
            yield name, step, START + number * 1000 + step, (number % 97 + 1) / (step + 1)


def make_database(file: pathlib.Path, runs: int, per_run: int) -> None:
    make_tables = "import sys; from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore; SqlAlchemyStore(*sys.argv[1:])"
    made = subprocess.run([sys.executable, "-c", make_tables, f"sqlite:///{file}", str(file.parent)], capture_output=True)
    db = sqlite3.connect(file)
    if made.returncode != 0:
        db.executescript(TABLES)
    db.execute("INSERT OR IGNORE INTO experiments(experiment_id, name, artifact_location, lifecycle_stage, creation_time, last_update_time) "
               "VALUES(0, 'Default', ?, 'active', ?, ?)", (str(file.parent / "0"), START, START))  # fmt: skip
    db.execute("INSERT INTO experiments(experiment_id, name, artifact_location, lifecycle_stage, creation_time, last_update_time) "
               "VALUES(1, 'sweep', ?, 'active', ?, ?)", (str(file.parent / "1"), START, START))  # fmt: skip
    for number, run in enumerate(run_ids(runs)):
        db.execute("INSERT INTO runs(run_uuid, name, source_type, user_id, status, start_time, end_time, lifecycle_stage, artifact_uri, experiment_id) "
                   "VALUES(?, ?, 'UNKNOWN', 'ada', 'FINISHED', ?, ?, 'active', ?, 1)",
                   (run, f"run-{number}", START + number, START + number + 500, f"{file.parent}/1/{run}/artifacts"))  # fmt: skip
        db.executemany("INSERT INTO params VALUES(?, ?, ?)", [(f"p{i}", str(number % (i + 2)), run) for i in range(5)])
        db.executemany("INSERT INTO tags VALUES(?, ?, ?)", [("mlflow.runName", f"run-{number}", run), ("mlflow.user", "ada", run)])
        rows = [(name, value, at, run, step) for name, step, at, value in points(number, per_run)]
        db.executemany("INSERT INTO metrics(key, value, timestamp, run_uuid, step, is_nan) VALUES(?, ?, ?, ?, ?, 0)", rows)
        last = {row[0]: row for row in rows}.values()
        db.executemany("INSERT INTO latest_metrics(key, value, timestamp, run_uuid, step, is_nan) VALUES(?, ?, ?, ?, ?, 0)", last)
    db.commit()
    db.close()


def make_folder(folder: pathlib.Path, runs: int, per_run: int) -> None:
    experiment = folder / "1"
    experiment.mkdir(parents=True)
    (experiment / "meta.yaml").write_text(f"artifact_location: {experiment}\ncreation_time: {START}\nexperiment_id: '1'\n"
                                          f"last_update_time: {START}\nlifecycle_stage: active\nname: sweep\n")  # fmt: skip
    for number, run in enumerate(run_ids(runs)):
        place = experiment / run
        for name in ("params", "tags", "metrics", "artifacts"):
            (place / name).mkdir(parents=True)
        for i in range(5):
            (place / "params" / f"p{i}").write_text(str(number % (i + 2)))
        (place / "tags" / "mlflow.runName").write_text(f"run-{number}")
        (place / "tags" / "mlflow.user").write_text("ada")
        lines: dict[str, list[str]] = {}
        for name, step, at, value in points(number, per_run):
            lines.setdefault(name, []).append(f"{at} {value} {step}\n")
        for name, text in lines.items():
            (place / "metrics" / name).parent.mkdir(exist_ok=True)
            (place / "metrics" / name).write_text("".join(text))
        (place / "meta.yaml").write_text(
            f"artifact_uri: {place}/artifacts\nend_time: {START + number + 500}\nentry_point_name: ''\nexperiment_id: '1'\nlifecycle_stage: active\n"
            f"run_id: {run}\nrun_name: run-{number}\nsource_name: ''\nsource_type: 4\nsource_version: ''\nstart_time: {START + number}\nstatus: 3\n"
            f"tags: []\nuser_id: ada\n"
        )


def imported(server: Server, source: str, runs: int, per_run: int) -> float:
    done = None

    def run() -> None:
        nonlocal done
        done = subprocess.run([BINARY, "import", "mlflow", source, "--json"], env=server.environment, capture_output=True, text=True)

    took = timed(run)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["verified"] and told["counts"]["runs"]["here"] == runs and told["counts"]["points"]["here"] == runs * per_run, told
    return took


def measure(source: str, folder: pathlib.Path, runs: int, per_run: int) -> dict[str, float]:
    server = Server(folder / "data").start()
    first = imported(server, source, runs, per_run)
    again = imported(server, source, runs, per_run)
    server.stop()
    return {"seconds": round(first, 1), "points_per_s": round(runs * per_run / first), "again_seconds": round(again, 1)}


def ask_only(address: str, runs: int) -> float:
    """What the server needs for the answers that an import asks for, with as many connections."""
    host = urllib.parse.urlsplit(address).netloc

    def get(paths: list[str]) -> None:
        connection = http.client.HTTPConnection(host, timeout=600)
        for path in paths:
            connection.request("GET", path)
            connection.getresponse().read()

    def search() -> None:
        connection = http.client.HTTPConnection(host, timeout=600)
        token = None
        while True:
            body = {"experiment_ids": ["1"], "run_view_type": "ALL", "max_results": 500, "order_by": ["attributes.start_time ASC"]}
            connection.request("POST", "/api/2.0/mlflow/runs/search", json.dumps(body | ({"page_token": token} if token else {})), {"Content-Type": "application/json"})
            token = json.loads(connection.getresponse().read()).get("next_page_token")
            if not token:
                return

    ids = run_ids(runs)
    bulk = [
        "/ajax-api/2.0/mlflow/metrics/get-history-bulk?" + urllib.parse.urlencode({"run_id": ids[i : i + 100], "metric_key": name, "max_results": 25_000}, doseq=True)
        for name in NAMES for i in range(0, runs, 100)
    ]  # fmt: skip
    files = [f"/api/2.0/mlflow/artifacts/list?run_id={run}" for run in ids]

    def all_of_it() -> None:
        search()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(get, [bulk[i::8] for i in range(8)]))
            list(pool.map(get, [files[i::8] for i in range(8)]))

    return timed(all_of_it)


def measure_server(file: pathlib.Path, folder: pathlib.Path, runs: int, per_run: int) -> dict[str, float]:
    port = free_port()
    stock = subprocess.Popen([sys.executable, "-m", "mlflow", "server", "--port", str(port), "--backend-store-uri", f"sqlite:///{file}"], cwd=folder,
                             env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"},
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 300
        while True:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
                connection.request("GET", "/health")
                connection.getresponse().read()
                break
            except OSError:
                assert stock.poll() is None and time.monotonic() < deadline, "MLflow's server does not come up"
                time.sleep(0.5)
        asked = ask_only(address, runs)
        took = measure(address, folder, runs, per_run)
    finally:
        os.killpg(stock.pid, signal.SIGTERM)
        stock.wait()
    return {**took, "ask_only_seconds": round(asked, 1), "of_what_it_delivers": round(asked / took["seconds"], 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--points", type=int, default=100, help="of each run")
    parser.add_argument("--server", action="store_true", help="also from MLflow's own server")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="roost-bench-") as name:
        folder = pathlib.Path(name)
        make_database(folder / "mlflow.db", options.runs, options.points)
        make_folder(folder / "mlruns", options.runs, options.points)
        for form, source in (("sqlite", "mlflow.db"), ("folder", "mlruns")):
            place = folder / form
            place.mkdir()
            report(f"mlflow_import_{form}", measure(str(folder / source), place, options.runs, options.points))
        if options.server:
            place = folder / "server"
            place.mkdir()
            report("mlflow_import_server", measure_server(folder / "mlflow.db", place, options.runs, options.points))


if __name__ == "__main__":
    main()
