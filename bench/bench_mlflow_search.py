#!/usr/bin/env python3
"""Searches of 100,000 runs over MLflow's API: pages of 100 runs with all of their metrics, parameters and tags.

Filters are loose (all), half and narrow (0.01 %), each ordered by another metric in both directions, first and 500th page (or the last);
then what clients ask most: the newest runs, a parameter ordered by its ties, a tag, one run by its name.
"""

import http.client
import json
import pathlib
import random
import sys
import tempfile
import time

from common import Server, http_load, median, quantile, report

RUNS, ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000, 21
API = "/api/2.0/mlflow"


def fill(server: Server) -> None:
    chance = random.Random(1)
    http_load(server, [f'POST /api/v1/runs/tracked {{"experiment":"bench","run_id":"r{n}","display_name":"run {n}"}}' for n in range(RUNS)], 32)
    lines = []
    for n in range(RUNS):
        metrics = [("acc", chance.random()), ("loss", chance.random()), ("rare", n)]
        body = {"run_id": f"r{n}", "metrics": [{"key": key, "value": value, "timestamp": 1_700_000_000_000 + n} for key, value in metrics],
                "params": [{"key": "lr", "value": f"0.{n % 7}"}, {"key": "depth", "value": str(n % 3)}], "tags": [{"key": "half", "value": str(n % 2)}, {"key": "owner", "value": "ada"}]}  # fmt: skip
        lines.append(f"POST {API}/runs/log-batch {json.dumps(body)}")
    http_load(server, lines, 32)
    http_load(server, [f'POST /api/v1/runs/r{n}/status {{"status":"Completed"}}' for n in range(RUNS)], 32)


class Searcher:
    """One connection that is kept; times are those of whole answers, parsed beside the clock."""

    def __init__(self, server: Server):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port)
        self.headers = {"Authorization": f"Bearer {server.token}", "Content-Type": "application/json"}
        self.experiment = self.call("experiments/get-by-name?experiment_name=bench")[0]["experiment"]["experiment_id"]

    def call(self, call: str, body: dict | None = None) -> tuple[dict, float]:
        before = time.perf_counter()
        self.connection.request("POST" if body else "GET", f"{API}/{call}", json.dumps(body) if body else None, self.headers)
        answer = self.connection.getresponse()
        text = answer.read()
        seconds = time.perf_counter() - before
        if answer.status != 200:
            raise SystemExit(f"{call}: {answer.status} {text[:500]!r}")
        return json.loads(text), seconds

    def search(self, filter_text: str, order: list[str], token: str = "") -> tuple[dict, float]:
        body = {"experiment_ids": [self.experiment], "filter": filter_text, "order_by": order, "max_results": 100}
        return self.call("runs/search", {**body, "page_token": token} if token else body)


def page_times(searcher: Searcher, filter_text: str, order: list[str], deep: int) -> dict:
    token, pages = "", 1
    while pages < deep:  # walk to that page, or the last
        following = searcher.search(filter_text, order, token)[0].get("next_page_token", "")
        if not following:
            break
        token, pages = following, pages + 1
    first = [searcher.search(filter_text, order)[1] * 1e3 for _ in range(ROUNDS)]
    found = {"first_p50_ms": round(median(first), 2), "first_p95_ms": round(quantile(first, 0.95), 2)}
    if pages > 1:
        last = [searcher.search(filter_text, order, token)[1] * 1e3 for _ in range(ROUNDS)]
        found |= {f"page_{pages}_p50_ms": round(median(last), 2), f"page_{pages}_p95_ms": round(quantile(last, 0.95), 2)}
    return found


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        server = Server(pathlib.Path(name) / "data").start()
        before = time.perf_counter()
        fill(server)
        figures: dict = {"runs": RUNS, "fill_seconds": round(time.perf_counter() - before, 1)}
        searcher = Searcher(server)
        for kind, text in {"loose": "metrics.acc >= 0", "half": "metrics.acc > 0.5", "narrow": f"metrics.rare < {max(1, RUNS // 10_000)}"}.items():
            for direction in ("DESC", "ASC"):
                figures[f"{kind}_{direction.lower()}"] = page_times(searcher, text, [f"metrics.loss {direction}"], 500)
        figures["newest"] = page_times(searcher, "", [], 500)
        figures["ties"] = page_times(searcher, "", ["params.lr", "metrics.loss DESC"], 500)
        figures["tag"] = page_times(searcher, "tags.half = '1' AND params.depth = '2'", [], 100)
        figures["name"] = page_times(searcher, f"run_name = 'run {RUNS // 2}'", [], 1)
        server.stop()
        report("mlflow_search", figures)


if __name__ == "__main__":
    main()
