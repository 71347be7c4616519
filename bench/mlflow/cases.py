"""What is measured: each case makes its requests for one side and gives figures by name."""

from __future__ import annotations

import json
import time
import urllib.parse

from sides import API, LONG, VERY_LONG, Side, value_at
from wire import Connection

FILTER = "metrics.acc > 0.5 and params.lr = '0.1'"
FILE_MIB = 64


scale = 1.0  # of Roost's numbers of requests; MLflow's are few already


def counted(side: Side, fast: int, slow: int) -> int:
    return slow if side.slow else max(4, int(fast * scale))


def latencies(result: dict) -> dict[str, float]:
    if result["errors"]:
        raise SystemExit(f"errors while measuring: {result}")
    return {"p50_ms": result["p50_ms"], "p95_ms": result["p95_ms"], "per_s": result["per_second"]}


def post(path: str, body: dict) -> str:
    return f"POST {API}/{path} {json.dumps(body)}"


def create_run(side: Side) -> dict:
    body = {"experiment_id": side.experiment, "start_time": 1_700_000_000_000, "tags": [{"key": "mlflow.user", "value": "ada"}, {"key": "mlflow.source.name", "value": "train.py"}]}
    return latencies(side.load([post("runs/create", {**body, "run_name": f"r{n}"}) for n in range(counted(side, 5000, 60))], 1))


def log_metric(clients: int):
    def case(side: Side) -> dict:
        runs = [side.new_run() for _ in range(clients)]
        lines = [
            post("runs/log-metric", {"run_id": runs[n % clients], "key": "loss", "value": n * 0.37, "timestamp": 1_700_000_000_000 + n, "step": n // clients})
            for n in range(counted(side, 10_000 * clients, 60 * clients))
        ]
        return latencies(side.load(lines, clients))

    return case


def log_batch(clients: int):
    def case(side: Side) -> dict:
        runs, lines = [side.new_run() for _ in range(clients)], []
        for n in range(counted(side, 400 * clients, 10 * clients)):
            metrics = ",".join(f'{{"key":"m{k % 10}","value":{n + k * 0.01!r},"timestamp":{1_700_000_000_000 + n},"step":{n * 100 + k // 10}}}' for k in range(1000))
            lines.append(f'POST {API}/runs/log-batch {{"run_id":"{runs[n % clients]}","metrics":[{metrics}]}}')
        result = latencies(side.load(lines, clients))
        return {**result, "per_s": result["per_s"] * 1000}

    return case


def get_run(clients: int):
    def case(side: Side) -> dict:
        return latencies(side.load([f"GET {API}/runs/get?run_id={side.full}"] * counted(side, 10_000 * clients, 60 * clients), clients))

    return case


def search(hits: int):
    def case(side: Side) -> dict:
        line = post("runs/search", {"experiment_ids": [side.filled], "filter": FILTER, "order_by": ["metrics.acc DESC"], "max_results": hits})
        return latencies(side.load([line] * counted(side, 200, 4), 1))

    return case


def list_newest(side: Side) -> dict:
    line = post("runs/search", {"experiment_ids": [side.filled], "max_results": 100})
    return latencies(side.load([line] * counted(side, 1000, 12), 1))


def history(side: Side) -> dict:
    """All 100,000 points in pages of 25,000, as MLflow's client reads them."""
    connection, times = Connection(side), []
    for _ in range(counted(side, 5, 1)):
        began, token, points = time.perf_counter(), None, 0
        while True:
            query = {"run_id": side.long, "metric_key": "loss", "max_results": 25_000, **({"page_token": token} if token else {})}
            status, text, _ = connection.request("GET", f"{API}/metrics/get-history?{urllib.parse.urlencode(query)}")
            if status != 200:
                raise SystemExit(f"{side.name}: {status} {text[:300]!r}")
            # Counted in the text: reading the JSON would be most of the time measured.
            points += text.count(b'"timestamp"')
            tail = text[-400:]
            if b'"next_page_token"' not in tail:
                break
            token = tail.rsplit(b'"next_page_token"', 1)[1].split(b'"')[1].decode()
        times.append(time.perf_counter() - began)
        if points != LONG:
            raise SystemExit(f"{side.name}: {points} points instead of {LONG}")
    connection.close()
    return {"p50_ms": sorted(times)[len(times) // 2] * 1000, "per_s": LONG / min(times)}


def interval(run: str, points: int):
    def case(side: Side) -> dict:
        path = f"{API}/metrics/get-history-bulk-interval?run_ids={getattr(side, run)}&metric_key=loss&max_results=320"
        found = side.call("GET", path)["metrics"]
        if not 160 <= len(found) <= 321 or found[-1]["step"] != points - 1 or found[-1]["value"] != value_at(points - 1):
            raise SystemExit(f"{side.name}: a wrong interval of {len(found)} points that ends with {found[-1]}")
        return latencies(side.load([f"GET {path}"] * counted(side, 300, 6 if points == LONG else 2), 1))

    return case


def artifact_up(side: Side) -> dict:
    content = memoryview(bytes(range(256)) * (FILE_MIB << 12))
    connection, times = Connection(side), []
    for _ in range(3):
        began = time.perf_counter()
        status, text, _ = connection.request("PUT", artifact_path(side), content)
        times.append(time.perf_counter() - began)
        if status != 200:
            raise SystemExit(f"{side.name}: {status} {text[:300]!r}")
    connection.close()
    return {"per_s": FILE_MIB / min(times), "p50_ms": sorted(times)[1] * 1000}


def artifact_down(side: Side) -> dict:
    connection, times = Connection(side), []
    for _ in range(3):
        began = time.perf_counter()
        status, _, length = connection.request("GET", artifact_path(side), keep=False)
        times.append(time.perf_counter() - began)
        if status != 200 or length != FILE_MIB << 20:
            raise SystemExit(f"{side.name}: {status}, {length} bytes")
    connection.close()
    return {"per_s": FILE_MIB / min(times), "p50_ms": sorted(times)[1] * 1000}


def artifact_path(side: Side) -> str:
    return f"/api/2.0/mlflow-artifacts/artifacts/{side.experiment}/{side.full}/artifacts/weights.bin"


# name: (case, the figure that counts, its unit, at least so many times the better of MLflow's settings)
CASES = {
    "create run": (create_run, "p50_ms", "ms", 20),
    "log metric, 1 client": (log_metric(1), "p50_ms", "ms", 20),
    "log metric, 8 clients": (log_metric(8), "per_s", "/s", 50),
    "log batch of 1000, 1 client": (log_batch(1), "per_s", "metrics/s", 50),
    "log batch of 1000, 8 clients": (log_batch(8), "per_s", "metrics/s", 50),
    "get run, 1 client": (get_run(1), "p50_ms", "ms", 20),
    "get run, 8 clients": (get_run(8), "per_s", "/s", 20),
    "search 10,000 runs, 100 of 1000 hits": (search(100), "p50_ms", "ms", 50),
    "search 10,000 runs, 1000 hits": (search(1000), "p50_ms", "ms", 50),
    "list newest 100": (list_newest, "p50_ms", "ms", 20),
    "history of 100,000 points": (history, "p50_ms", "ms", 20),
    "interval, 320 of 100,000": (interval("long", LONG), "p50_ms", "ms", 50),
    "interval, 320 of 1,000,000": (interval("very_long", VERY_LONG), "p50_ms", "ms", 50),
    "artifact of 64 MiB up": (artifact_up, "per_s", "MiB/s", 2),
    "artifact of 64 MiB down": (artifact_down, "per_s", "MiB/s", 2),
}
