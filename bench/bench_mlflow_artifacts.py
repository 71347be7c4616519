#!/usr/bin/env python3
"""Files up and down through the artifact proxy, Roost beside MLflow's own server:

    bench/bench_mlflow_artifacts.py [--sizes 64,1024] [--rounds 3] [--sides roost,mlflow1] [--python PYTHON]

PYTHON is an interpreter that has mlflow (default: this one). The best round of each side in MiB/s, and how much the memory of the
server's processes (PSS) grew at most while the file went through: it must not grow with the file.
"""

from __future__ import annotations

import argparse
import pathlib
import random
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "mlflow"))

from sides import Roost, Side, Stock  # noqa: E402
from wire import Connection  # noqa: E402

from common import machine  # noqa: E402

PIECE = 1 << 20


class Memory(threading.Thread):
    """The most that the server's processes took while this ran."""

    def __init__(self, side: Side):
        super().__init__(daemon=True)
        self.side, self.most, self.over = side, 0.0, threading.Event()
        self.before = side.memory_mib()

    def run(self) -> None:
        while not self.over.wait(0.05):
            self.most = max(self.most, self.side.memory_mib())

    def grown(self) -> float:
        self.over.set()
        self.join()
        return max(0.0, self.most - self.before)


def put(side: Side, path: str, size: int, pieces: list[memoryview]) -> float:
    """Seconds. The body is sent in pieces, as a client sends a file."""
    connection = Connection(side)
    head = f"PUT {path} HTTP/1.1\r\nHost: 127.0.0.1:{side.port}\r\nAuthorization: Bearer {side.token}\r\nContent-Length: {size}\r\n\r\n"
    began = time.perf_counter()
    connection.socket.sendall(head.encode())
    for n in range(size // PIECE):
        connection.socket.sendall(pieces[n % len(pieces)])
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += bytes(connection.receive())
    took = time.perf_counter() - began
    connection.close()
    if not answer.startswith(b"HTTP/1.1 200"):
        raise SystemExit(f"{side.name}: {answer[:300]!r}")
    return took


def get(side: Side, path: str, size: int) -> float:
    connection = Connection(side)
    began = time.perf_counter()
    status, _, length = connection.request("GET", path, keep=False)
    took = time.perf_counter() - began
    connection.close()
    if status != 200 or length != size:
        raise SystemExit(f"{side.name}: {status}, {length} bytes instead of {size}")
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="64,1024", help="MiB")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sides", default="roost,mlflow1")
    parser.add_argument("--python", default=sys.executable)
    options = parser.parse_args()
    sizes = [int(size) << 20 for size in options.sizes.split(",")]
    # New bytes for each round, so that no content is known to the server already.
    pieces = [memoryview(random.Random(n).randbytes(PIECE)) for n in range(7)]

    with tempfile.TemporaryDirectory() as scratch:
        sides: list[Side] = []
        for name in options.sides.split(","):
            folder = pathlib.Path(scratch) / name
            if name == "roost":
                folder.mkdir()
            sides.append(Roost(folder) if name == "roost" else Stock(folder, options.python, int(name[-1])))
        print(machine())
        try:
            for side in sides:
                side.start()
                side.experiment = side.call("POST", "experiments/create", {"name": "bench"})["experiment_id"]
            for size in sizes:
                rates: dict[str, dict[str, list[float]]] = {side.name: {"up": [], "down": [], "grown": []} for side in sides}
                for round_ in range(options.rounds):
                    for side in sides:
                        path = f"/api/2.0/mlflow-artifacts/artifacts/{side.experiment}/{side.new_run()}/artifacts/weights.bin"
                        memory = Memory(side)
                        memory.start()
                        up = put(side, path, size, pieces[round_ % 5 :])
                        down = get(side, path, size)
                        rates[side.name]["grown"].append(memory.grown())
                        rates[side.name]["up"].append((size >> 20) / up)
                        rates[side.name]["down"].append((size >> 20) / down)
                for name, found in rates.items():
                    print(f"{size >> 20:5} MiB  {name:8} up {max(found['up']):6.0f} MiB/s  down {max(found['down']):6.0f} MiB/s  memory +{max(found['grown']):.0f} MiB", flush=True)
        finally:
            for side in sides:
                side.stop()


if __name__ == "__main__":
    main()
