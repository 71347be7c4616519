#!/usr/bin/env python3
"""Following a log: the delay from a script's write to the reader, and 100 MB/s without loss.

The anchor is `tail -f` reading the same file in the same run.
"""

import hashlib
import pathlib
import subprocess
import tempfile
import threading
import time

from common import Server, median, quantile, report

WRITER = """
import sys, time
print('begin', flush=True)
for n in range(200):
    time.sleep(0.03)
    sys.stdout.write(f'{time.time():.6f}\\n'); sys.stdout.flush()
"""
FLOOD = """
import hashlib, os, sys, time
line = b'x' * 99 + b'\\n'
block = line * 10_000
digest = hashlib.blake2b()
started = time.time()
for n in range(500):
    os.write(1, block)
    digest.update(block)
    ahead = started + (n + 1) / 100 - time.time()
    if ahead > 0: time.sleep(ahead)
open('outputs/digest', 'w').write(f'{digest.hexdigest()} {time.time() - started}')
"""


def delays_of(stream) -> list[float]:
    delays, rest = [], b""
    for piece in stream:
        now = time.time()
        *lines, rest = (rest + piece).split(b"\n")
        delays += [now - float(line) for line in lines if line[:1].isdigit()]
    return delays


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for script, code in (("w.py", WRITER), ("f.py", FLOOD)):
            (folder / "src").mkdir(exist_ok=True)
            (folder / "src" / script).write_text(code)
        server = Server(folder / "data").start()
        try:
            run_id = server.submit(folder / "src", "w.py")
            server.wait_for(run_id, "Running")
            log = server.folder / "runs" / run_id / "attempt-1" / "azureml-logs" / "70_driver_log.txt"
            tail_delays: list[float] = []
            tail = subprocess.Popen(["tail", "-f", "-n", "+1", str(log)], stdout=subprocess.PIPE)
            reader = threading.Thread(target=lambda: tail_delays.extend(delays_of(iter(lambda: tail.stdout.read1(65536), b""))))
            reader.start()
            delays = delays_of(server.client.stream(f"/runs/{run_id}/logs/azureml-logs/70_driver_log.txt", follow="true"))
            tail.terminate()
            reader.join()

            run_id = server.submit(folder / "src", "f.py")
            digest, size, began = hashlib.blake2b(), 0, None
            for piece in server.client.stream(f"/runs/{run_id}/logs/azureml-logs/70_driver_log.txt", follow="true"):
                began = began or time.time()
                digest.update(piece)
                size += len(piece)
            took = time.time() - began
            server.wait_for(run_id)
            wanted, wrote = b"".join(server.client.stream(f"/runs/{run_id}/files/outputs/digest")).decode().split()
            report("logs", {"delay_p50_ms": round(median(delays) * 1e3, 2), "delay_p95_ms": round(quantile(delays, 0.95) * 1e3, 2),
                            "tail_p95_ms": round(quantile(tail_delays, 0.95) * 1e3, 2), "flood_mb": size / 1e6, "flood_mb_per_second": round(size / 1e6 / took, 1),
                            "writer_mb_per_second": round(size / 1e6 / float(wrote), 1), "without_loss": digest.hexdigest() == wanted})  # fmt: skip
        finally:
            server.stop()


if __name__ == "__main__":
    main()
