#!/usr/bin/env python3
"""A store of 100,000 runs: pages of the run list, start, memory; and a chart of 100,000 points down to 1,000.

Filters are loose (all), middle (half) and narrow (0.01 %), each ordered by another metric, first and 500th page of 100.
"""

import pathlib
import random
import subprocess
import sys
import tempfile
import time

from common import Server, http_load, median, pss_mib, quantile, report, timed

RUNS, ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000, 21


def fill(server: Server) -> None:
    chance = random.Random(1)
    http_load(server, [f'POST /api/v1/runs/tracked {{"experiment":"bench","run_id":"r{n}","display_name":"run {n}","tags":{{"half":"{n % 2}"}}}}' for n in range(RUNS)], 32)
    http_load(server, [f'POST /api/v1/runs/r{n}/metrics {{"points":[{{"name":"acc","value":{chance.random()}}},{{"name":"loss","value":{chance.random()}}},'
                       f'{{"name":"rare","value":{n}}}]}}' for n in range(RUNS)], 32)  # fmt: skip
    http_load(server, [f'POST /api/v1/runs/r{n}/status {{"status":"Completed"}}' for n in range(RUNS)], 32)


def page_times(server: Server, filter_text: str, order: str) -> tuple[list[float], list[float], int]:
    query = {"filter": filter_text, "order_by": order, "limit": 100}
    token, deep, pages = None, None, 1
    while pages < 500:  # walk to the 500th page, or the last
        page = server.client.get("/runs", **query, page_token=token)
        if not page["next_page_token"]:
            break
        deep = token = page["next_page_token"]
        pages += 1
    first = [timed(lambda: server.client.get("/runs", **query)) for _ in range(ROUNDS)]
    last = [timed(lambda: server.client.get("/runs", **query, page_token=deep)) for _ in range(ROUNDS)]
    return first, last, pages


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        server = Server(pathlib.Path(name) / "data").start()
        figures: dict = {"runs": RUNS}
        time.sleep(0.5)
        figures["idle_pss_mib"] = round(pss_mib(server.process.pid), 1)
        figures["fill_seconds"] = round(timed(lambda: fill(server)), 1)
        for kind, text in {"loose": "metrics.acc >= 0", "half": "metrics.acc > 0.5", "narrow": f"metrics.rare < {max(1, RUNS // 10_000)}"}.items():
            for order in ("metrics.loss DESC", "metrics.loss ASC"):
                first, last, pages = page_times(server, text, order)
                figures[f"{kind}_{order.split()[1].lower()}"] = {"first_p95_ms": round(quantile(first, 0.95) * 1e3, 2), "first_p50_ms": round(median(first) * 1e3, 2),
                                   f"page_{pages}_p95_ms": round(quantile(last, 0.95) * 1e3, 2)}  # fmt: skip
        newest = [timed(lambda: server.client.get("/runs", limit=100)) for _ in range(ROUNDS)]
        figures["newest_p95_ms"] = round(quantile(newest, 0.95) * 1e3, 2)
        figures["pss_after_load_mib"] = round(pss_mib(server.process.pid), 1)

        run_id = server.client.call("POST", "/runs/tracked", {})["run_id"]
        chance = random.Random(2)
        for start in range(0, 100_000, 10_000):
            server.client.call("POST", f"/runs/{run_id}/metrics", {"series": [{"name": "long", "value": [chance.gauss(0, 1) for _ in range(10_000)],
                                                                              "step": list(range(start, start + 10_000))}]})  # fmt: skip
        chart = [timed(lambda: server.client.get(f"/runs/{run_id}/metrics/chart", name="long", points=1000)) for _ in range(ROUNDS)]
        figures["chart_p50_ms"], figures["chart_p95_ms"] = round(median(chart) * 1e3, 2), round(quantile(chart, 0.95) * 1e3, 2)
        figures["chart_points"] = len(server.client.get(f"/runs/{run_id}/metrics/chart", name="long", points=1000)["value"])

        starts = []
        for _ in range(7):
            server.stop()
            before = time.perf_counter()
            server.start(check=False)
            while True:
                probe = subprocess.run(["bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{server.port} && printf 'GET /healthz HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3 && head -1 <&3"],
                                       capture_output=True)  # fmt: skip
                if b" 200 " in probe.stdout:
                    break
            starts.append(time.perf_counter() - before)
        figures["start_to_first_answer_ms"] = round(median(starts) * 1e3, 1)
        time.sleep(1)
        figures["pss_after_start_mib"] = round(pss_mib(server.process.pid), 1)
        server.stop()
        report("runs", figures)


if __name__ == "__main__":
    main()
