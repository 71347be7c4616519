#!/usr/bin/env python3
"""Metric writes: single points over 8 keep-alive connections, and batches of 1,000; durable, over HTTP.

The anchor is SQLite itself in the same round: the same points as plain rows by Python's sqlite3, committed with
synchronous=FULL one by one (single) and a thousand at a time (batches).
"""

import pathlib
import sqlite3
import tempfile
import time

from common import Server, http_load, median, report

ROUNDS, SINGLE, BATCHES = 5, 60_000, 1_500


def sqlite_rows(folder: pathlib.Path, points: int, per_commit: int) -> float:
    """Points per second of plain rows."""
    db = sqlite3.connect(folder / f"anchor-{time.monotonic_ns()}.db", isolation_level=None)
    db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE m(run INT, key INT, seq INT, step INT, time INT, value REAL);")
    before = time.perf_counter()
    for start in range(0, points, per_commit):
        db.execute("BEGIN")
        db.executemany("INSERT INTO m VALUES (1,1,?,?,?,?)", [(n, n, n, n * 0.5) for n in range(start, start + per_commit)])
        db.execute("COMMIT")
    return points / (time.perf_counter() - before)


def main() -> None:
    single, batch, mixed, anchor_single, anchor_batch = [], [], [], [], []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        server = Server(folder / "data").start()
        try:
            for round_number in range(ROUNDS):
                runs = [server.client.call("POST", "/runs/tracked", {})["run_id"] for _ in range(8)]
                lines = [f'POST /api/v1/runs/{runs[n % 8]}/metrics {{"points":[{{"name":"loss","value":{n * 0.37},"step":{n // 8}}}]}}' for n in range(SINGLE)]
                single.append(http_load(server, lines))
                anchor_single.append(sqlite_rows(folder, 5_000, 1))
                values = ",".join(str(n * 0.11) for n in range(1000))
                lines = []
                for n in range(BATCHES):
                    steps = ",".join(str(s) for s in range(n * 1000, n * 1000 + 1000))
                    lines.append(f'POST /api/v1/runs/{runs[n % 8]}/metrics {{"series":[{{"name":"batched{round_number}","value":[{values}],"step":[{steps}]}}]}}')
                batch.append(http_load(server, lines))
                lines = []
                for n in range(BATCHES // 5):
                    points = ",".join(f'{{"name":"m{k % 10}","value":{k * 0.5},"step":{n * 100 + k // 10},"time":1732174528123456}}' for k in range(1000))
                    lines.append(f'POST /api/v1/runs/{runs[n % 8]}/metrics {{"points":[{points}]}}')
                mixed.append(http_load(server, lines))
                anchor_batch.append(sqlite_rows(folder, 200_000, 1000))
        finally:
            server.stop()
    one = median(r["per_second"] for r in single)
    many = median(r["per_second"] * 1000 for r in batch)
    report("metrics", {
        "single_per_second": round(one), "single_p50_ms": round(median(r["p50_ms"] for r in single), 3), "single_p95_ms": round(median(r["p95_ms"] for r in single), 3),
        "single_over_sqlite": round(one / median(anchor_single), 2),
        "batch_points_per_second": round(many), "batch_over_sqlite": round(many / median(anchor_batch), 2),
        "mixed_batch_points_per_second": round(median(r["per_second"] * 1000 for r in mixed)),
        "sqlite_single_per_second": round(median(anchor_single)), "sqlite_batch_points_per_second": round(median(anchor_batch)),
    })  # fmt: skip


if __name__ == "__main__":
    main()
