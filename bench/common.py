"""What the benchmarks share: a server of their own, the load client, medians over interleaved rounds."""

from __future__ import annotations

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

PROJECT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(PROJECT / "tests"), str(PROJECT / "sdk" / "python")]

from harness import BINARY, Server  # noqa: E402

HTTP_LOAD = pathlib.Path(os.environ.get("ROOST_HTTP_LOAD", PROJECT / "build" / "release" / "bench" / "http_load"))


def machine() -> str:
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    memory = int(next(line.split()[1] for line in open("/proc/meminfo") if line.startswith("MemTotal"))) >> 20
    return f"{len(os.sched_getaffinity(0))} cores ({model}), {memory} GiB, Linux {os.uname().release.split('-')[0]}"


def http_load(server: Server, requests: list[str], connections: int = 8) -> dict:
    """Sends `METHOD PATH BODY` lines; gives the rate and latencies."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(requests) + "\n")
        file.flush()
        done = subprocess.run([str(HTTP_LOAD), "--port", str(server.port), "--token", server.token, "--connections", str(connections), file.name],
                              capture_output=True, text=True)  # fmt: skip
    if done.returncode:
        raise SystemExit(f"http_load failed: {done.stdout} {done.stderr}")
    return json.loads(done.stdout)


def median(values) -> float:
    return statistics.median(values)


def quantile(values, q: float) -> float:
    values = sorted(values)
    return values[min(len(values) - 1, int(q * len(values)))]


def timed(function) -> float:
    """Seconds that a call took."""
    before = time.perf_counter()
    function()
    return time.perf_counter() - before


def pss_mib(pid: int) -> float:
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return int(next(line.split()[1] for line in file if line.startswith("Pss:"))) / 1024


def report(name: str, figures: dict) -> None:
    print(json.dumps({"benchmark": name, "machine": machine(), **figures}))
