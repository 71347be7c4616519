#!/usr/bin/env python3
"""Roost beside MLflow's own server (1 and 4 workers) behind the same API, with the same client, alternating:

    bench/mlflow/run.py [--sides roost,mlflow1,mlflow4] [--cases search,list] [--rounds 3] [--python PYTHON] [--json FILE]

PYTHON is an interpreter that has mlflow (default: this one). Each case is measured on one side after the other, --rounds times; the
table shows the best round of each side, and the ratio to the better of MLflow's settings. The JSON holds every round.
`--runs 100000` measures Roost alone on searches over that many runs: filters that match all, half and 0.01 %, each ordered by
another metric, first and 500th page.

Commits are durable on both sides, so single writes take what a sync of the disk takes; the output names that time.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import pathlib
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import cases  # noqa: E402
from sides import API, Roost, Side, Stock  # noqa: E402

from common import machine  # noqa: E402


def make_sides(names: list[str], folder: pathlib.Path, python: str) -> list[Side]:
    made: list[Side] = []
    for name in names:
        if name == "roost":
            made.append(Roost(folder / name))
            (folder / name).mkdir()
        elif name in ("mlflow1", "mlflow4"):
            made.append(Stock(folder / name, python, int(name[-1])))
        else:
            raise SystemExit(f"no side {name}: roost, mlflow1, mlflow4")
    return made


def say(text: str) -> None:
    print(time.strftime("%H:%M:%S"), text, file=sys.stderr, flush=True)


def sync_ms(folder: pathlib.Path) -> float:
    """What a durable commit waits for on this disk, median: it bounds what single writes can do on either side."""
    times = []
    with open(folder / "sync", "wb", buffering=0) as file:
        for _ in range(100):
            file.write(b"x" * 4096)
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    return sorted(times)[50] * 1000


def better(figure: str, values: list[float]) -> float:
    return max(values) if figure == "per_s" else min(values)


class Table:
    def __init__(self, sides: list[Side]):
        self.sides, self.rows = sides, []
        self.stock = [side.name for side in sides if side.slow]

    def add(self, case: str, figure: str, unit: str, wanted: float | None, rounds: dict[str, list[dict]]) -> None:
        best = {name: better(figure, [one[figure] for one in all_rounds]) for name, all_rounds in rounds.items() if all_rounds}
        ratio = None
        if "roost" in best and any(name in best for name in self.stock):
            anchor = better(figure, [best[name] for name in self.stock if name in best])
            ratio = best["roost"] / anchor if figure == "per_s" else anchor / best["roost"]
        self.rows.append({"case": case, "figure": figure, "unit": unit, "best": best, "ratio": ratio, "wanted": wanted, "rounds": rounds})

    def text(self) -> str:
        head = ["case", *[side.name for side in self.sides], "ratio", "wanted"]
        lines = ["| " + " | ".join(head) + " |", "| " + " | ".join(["---"] * len(head)) + " |"]
        for row in self.rows:
            cells = [f"{shown(row['best'][side.name])} {row['unit']}" if side.name in row["best"] else "" for side in self.sides]
            ratio = "" if row["ratio"] is None else f"**{row['ratio']:,.1f} x**"
            lines.append("| " + " | ".join([row["case"], *cells, ratio, f">= {row['wanted']} x" if row["wanted"] else ""]) + " |")
        return "\n".join(lines)


def shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.3f}"


def compare(arguments, folder: pathlib.Path) -> Table:
    sides = make_sides(arguments.sides.split(","), folder, arguments.python)
    chosen = [name for name in cases.CASES if not arguments.cases or any(word in name for word in arguments.cases.split(","))]
    table = Table(sides)
    starts: dict[str, dict[str, list[dict]]] = {"fresh": {}, "existing": {}}
    memory: dict[str, dict[str, list[dict]]] = {"idle": {}, "after load": {}}
    try:
        for side in sides:
            starts["fresh"][side.name] = [{"p50_ms": side.start() * 1000}]
            say(f"{side.name}: first answer after {starts['fresh'][side.name][0]['p50_ms']:.0f} ms; filling")
            side.fill()
            side.stop()
        for _ in range(min(2, arguments.rounds)):
            for side in sides:
                side.stop()
                starts["existing"].setdefault(side.name, []).append({"p50_ms": side.start() * 1000})
        time.sleep(5)
        for side in sides:
            memory["idle"][side.name] = [{"mib": side.memory_mib()}]
        rounds: dict[str, dict[str, list[dict]]] = {name: {side.name: [] for side in sides} for name in chosen}
        for number in range(arguments.rounds):
            for name in chosen:
                case, figure, unit, _ = cases.CASES[name]
                for side in sides:
                    rounds[name][side.name].append(case(side))
                say(f"round {number + 1}: {name}: " + ", ".join(f"{side.name} {shown(rounds[name][side.name][-1][figure])} {unit}" for side in sides))
        for side in sides:
            memory["after load"][side.name] = [{"mib": side.memory_mib()}]
    finally:
        for side in sides:
            side.stop()
    for name in chosen:
        _, figure, unit, wanted = cases.CASES[name]
        table.add(name, figure, unit, wanted, rounds[name])
    for store, results in starts.items():
        table.add(f"start to the first answer, {store} store", "p50_ms", "ms", 65, results)
    for when, wanted in (("idle", 11), ("after load", 3.6)):
        table.add(f"memory (PSS), {when}", "mib", "MiB", wanted, memory[when])
    return table


def large_searches(runs: int, rounds: int, folder: pathlib.Path) -> dict:
    """Figures of Roost alone: p50 and p95 of the first and the 500th page."""
    side = Roost(folder / "roost")
    (folder / "roost").mkdir()
    found: dict[str, dict] = {}
    try:
        side.start()
        side.experiment = side.filled = side.call("POST", "experiments/create", {"name": "large"})["experiment_id"]
        say(f"filling in {runs:,} runs")
        side.fill_runs(runs)
        for name, text, order, size in (("all", "metrics.acc >= 0", "metrics.f1 DESC", 100), ("half", "metrics.acc >= 0.5", "metrics.loss ASC", 50),
                                        ("0.01 %", f"params.seed = '{runs // 2}' and metrics.acc >= 0", "metrics.epoch_time DESC", 100)):  # fmt: skip
            body = {"experiment_ids": [side.filled], "filter": text, "order_by": [order], "max_results": size}
            pages = [("first page", body)]
            if name != "0.01 %":
                token = None
                for _ in range(499):
                    token = side.call("POST", "runs/search", {**body, **({"page_token": token} if token else {})}).get("next_page_token")
                pages.append(("500th page", {**body, "page_token": token}))
            for page, asked in pages:
                results = [cases.latencies(side.load([f"POST {API}/runs/search {json.dumps(asked)}"] * 100, 1)) for _ in range(rounds)]
                found[f"{name}, {page}"] = {key: min(result[key] for result in results) for key in ("p50_ms", "p95_ms")}
                say(f"{name}, {page}: {found[f'{name}, {page}']}")
        found["memory_mib"] = {"after": side.memory_mib()}
    finally:
        side.stop()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", default="roost,mlflow1,mlflow4")
    parser.add_argument("--cases", default="", help="only those whose names contain one of these words, separated by commas")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1, help="of the number of requests to Roost: 0.1 is enough to try it out")
    parser.add_argument("--folder", help="where the servers keep their data (default: the folder of temporary files)")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--runs", type=int, default=0)
    arguments = parser.parse_args()
    cases.scale = arguments.scale
    if "mlflow" in arguments.sides and not arguments.runs and arguments.python == sys.executable and not importlib.util.find_spec("mlflow"):
        raise SystemExit("mlflow is not installed here: name an interpreter that has it with --python, or measure one side with --sides roost")
    with tempfile.TemporaryDirectory(prefix="bench-mlflow-", dir=arguments.folder) as folder:
        before = sync_ms(pathlib.Path(folder))
        if arguments.runs:
            result = {"benchmark": "mlflow search", "machine": machine(), "runs": arguments.runs, "figures": large_searches(arguments.runs, arguments.rounds, pathlib.Path(folder))}
            print(json.dumps(result))
        else:
            table = compare(arguments, pathlib.Path(folder))
            result = {"benchmark": "mlflow", "machine": machine(), "fdatasync_ms": [before, sync_ms(pathlib.Path(folder))], "rows": table.rows}
            print(table.text())
            print(f"\nA sync of 4 KiB to this disk (median): {result['fdatasync_ms'][0]:.2f} ms before, {result['fdatasync_ms'][1]:.2f} ms after.")
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
