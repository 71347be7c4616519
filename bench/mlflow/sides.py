"""The servers that are compared: Roost and MLflow's own, each on a folder of its own, filled with the same data."""

from __future__ import annotations

import http.client
import json
import os
import pathlib
import signal
import sqlite3
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from common import http_load  # noqa: E402
from harness import Server, free_port  # noqa: E402
from wire import Connection  # noqa: E402

RUNS = 10_000
LONG, VERY_LONG = 100_000, 1_000_000
API = "/api/2.0/mlflow"


def accuracy(n: int) -> float:
    """Of run n: all values differ, half are above 0.5."""
    return (n * 7919 % RUNS) / RUNS


def rate(n: int) -> str:
    """Of run n: one in five has 0.1; together with accuracy above 0.5 that is a tenth of the runs."""
    return "0.1" if n % 5 == 0 else f"0.0{n % 5}"


class Side:
    """One server. The ids of what was filled in: `experiment`, `filled` (10,000 runs), `long` and `very_long` (histories), `full` (a run as people have them)."""

    name = ""
    slow = False  # fewer requests are enough, and all that fit in the time
    token = "none"

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.port = free_port()
        self.process: subprocess.Popen | None = None

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def spawn(self) -> None:
        raise NotImplementedError

    def start(self, seconds: float = 300) -> float:
        """Gives the seconds from the start of the process to its first answer of the API."""
        began = time.perf_counter()
        self.spawn()
        while time.perf_counter() < began + seconds:
            try:
                if self.answers():
                    return time.perf_counter() - began
            except (OSError, http.client.HTTPException):
                pass
            if self.process.poll() is not None:
                raise SystemExit(f"{self.name} ended with {self.process.returncode}")
            time.sleep(0.002 if not self.slow else 0.02)
        raise SystemExit(f"{self.name} did not answer for {seconds} s")

    def answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", f"{API}/experiments/get?experiment_id=0", headers=self.headers())
            return connection.getresponse().status == 200
        finally:
            connection.close()

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()

    def memory_mib(self) -> float:
        """PSS of the process and all below it."""
        children: dict[int, list[int]] = {}
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                except OSError:
                    continue
                children.setdefault(parent, []).append(int(entry.name))
        total, waiting = 0, [self.process.pid]
        while waiting:
            pid = waiting.pop()
            waiting += children.get(pid, [])
            try:
                rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
            except OSError:
                continue
            total += next((int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")), 0)
        return total / 1024

    def call(self, method: str, path: str, body: dict | None = None) -> dict:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        try:
            raw = None if body is None else json.dumps(body)
            connection.request(method, path if path.startswith("/") else f"{API}/{path}", raw, {**self.headers(), "Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise SystemExit(f"{self.name}: {method} {path}: {answer.status} {text[:300]!r}")
        return json.loads(text)

    def new_run(self) -> str:
        return self.call("POST", "runs/create", {"experiment_id": self.experiment, "start_time": int(time.time() * 1000)})["run"]["info"]["run_id"]

    def load(self, requests: list[str], connections: int) -> dict:
        return http_load(self, requests, connections)

    def fill(self) -> None:
        self.experiment = self.call("POST", "experiments/create", {"name": "bench"})["experiment_id"]
        self.filled = self.call("POST", "experiments/create", {"name": "filled"})["experiment_id"]
        self.full = self.new_run()
        self.call("POST", "runs/log-batch", {
            "run_id": self.full, "metrics": [{"key": f"metric{n}", "value": n / 7, "timestamp": 1_700_000_000_000 + n, "step": n} for n in range(10)],
            "params": [{"key": f"param{n}", "value": f"value {n}"} for n in range(20)], "tags": [{"key": f"tag{n}", "value": f"value {n}"} for n in range(5)],
        })  # fmt: skip
        self.long, self.very_long = self.new_run(), self.new_run()
        self.fill_runs()
        self.fill_history(self.long, LONG)
        self.fill_history(self.very_long, VERY_LONG)

    def fill_runs(self) -> None:
        raise NotImplementedError

    def fill_history(self, run: str, points: int) -> None:
        raise NotImplementedError


class Roost(Side):
    name = "roost"

    def spawn(self) -> None:
        server = Server(self.folder / "data")
        server.port = self.port
        self.process = server.start(check=False).process
        self.server = server

    @property
    def token(self) -> str:
        return self.server.token

    def fill_runs(self, runs: int = RUNS) -> None:
        connection, lines = Connection(self), []
        for n in range(runs):
            body = {"experiment_id": self.filled, "run_name": f"run {n}", "start_time": 1_700_000_000_000 + n, "tags": [{"key": "number", "value": str(n)}, {"key": "mlflow.source.name", "value": "train.py"}]}
            run = connection.json("POST", f"{API}/runs/create", json.dumps(body).encode())["run"]["info"]["run_id"]
            lines.append(f"POST {API}/runs/log-batch " + json.dumps({
                "run_id": run, "metrics": [{"key": key, "value": value, "timestamp": 1_700_000_000_000 + n, "step": 1} for key, value in metrics_of(n).items()],
                "params": [{"key": key, "value": value} for key, value in params_of(n).items()],
            }))  # fmt: skip
        connection.close()
        self.load(lines, 8)

    def fill_history(self, run: str, points: int) -> None:
        lines = []
        for start in range(0, points, 1000):
            metrics = ",".join(f'{{"key":"loss","value":{value_at(n)!r},"timestamp":{1_700_000_000_000 + n},"step":{n}}}' for n in range(start, start + 1000))
            lines.append(f'POST {API}/runs/log-batch {{"run_id":"{run}","metrics":[{metrics}]}}')
        self.load(lines, 1)


class Stock(Side):
    """MLflow's own server on SQLite, without the processes of its jobs. What takes it hours over HTTP is written into its file."""

    slow = True

    def __init__(self, folder: pathlib.Path, python: str, workers: int):
        super().__init__(folder)
        self.python, self.workers = python, workers
        self.name = f"mlflow, {workers} worker" + ("s" if workers > 1 else "")

    def spawn(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        variables = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
        with open(self.folder / "out.log", "ab") as output:
            self.process = subprocess.Popen(
                [self.python, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port), "--workers", str(self.workers),
                 "--backend-store-uri", f"sqlite:///{self.folder}/mlflow.db", "--artifacts-destination", str(self.folder / "artifacts")],
                cwd=self.folder, env=variables, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip

    def database(self) -> sqlite3.Connection:
        return sqlite3.connect(self.folder / "mlflow.db", timeout=60)

    def fill_runs(self) -> None:
        runs, metrics, params, tags = [], [], [], []
        for n in range(RUNS):
            run, started = f"{n:032x}", 1_700_000_000_000 + n
            runs.append((run, f"run {n}", "UNKNOWN", "", "", "", "RUNNING", started, None, None, "", "active", f"mlflow-artifacts:/{self.filled}/{run}/artifacts", int(self.filled)))
            metrics += [(key, value, started, run, 1, False) for key, value in metrics_of(n).items()]
            params += [(key, value, run) for key, value in params_of(n).items()]
            tags += [("mlflow.runName", f"run {n}", run), ("number", str(n), run), ("mlflow.source.name", "train.py", run)]
        with self.database() as db:
            db.executemany("INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time, end_time, deleted_time, source_version, lifecycle_stage, artifact_uri, experiment_id) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)", runs)  # fmt: skip
            for table in ("metrics", "latest_metrics"):
                db.executemany(f"INSERT INTO {table} (key, value, timestamp, run_uuid, step, is_nan) VALUES (?,?,?,?,?,?)", metrics)
            db.executemany("INSERT INTO params (key, value, run_uuid) VALUES (?,?,?)", params)
            db.executemany("INSERT INTO tags (key, value, run_uuid) VALUES (?,?,?)", tags)

    def fill_history(self, run: str, points: int) -> None:
        rows = (("loss", value_at(n), 1_700_000_000_000 + n, run, n, False) for n in range(points))
        last = ("loss", value_at(points - 1), 1_700_000_000_000 + points - 1, run, points - 1, False)
        with self.database() as db:
            db.executemany("INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan) VALUES (?,?,?,?,?,?)", rows)
            db.execute("INSERT INTO latest_metrics (key, value, timestamp, run_uuid, step, is_nan) VALUES (?,?,?,?,?,?)", last)


def metrics_of(n: int) -> dict[str, float]:
    return {"acc": accuracy(n), "loss": 1 - accuracy(n) / 2, "epoch_time": n % 97 + 0.5, "f1": n * 31 % 1000 / 1000}


def params_of(n: int) -> dict[str, str]:
    return {"lr": rate(n), "batch_size": str(16 << n % 4), "optimizer": ("sgd", "adam")[n % 2], "seed": str(n)}


def value_at(n: int) -> float:
    return 1 / (1 + n * 0.001) + n % 13 * 0.001
