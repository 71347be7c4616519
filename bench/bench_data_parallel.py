#!/usr/bin/env python3
"""Data parallel training on one machine: two ranks with one thread each against one rank with two threads, on the same global batch.

    bench/bench_data_parallel.py [ROOST_TRAINER]      the program is build/release/src/trainer/program/roost-trainer

ResNet-18 at 224 pixels and, cut at random from JPEG files, at 64. Each round runs both, one after the other; an epoch's rate is images by wall
clock, the first epoch is not counted. Ratios are medians over the rounds. Threads that wait do not spin (OMP_WAIT_POLICY=passive) in either.
"""

from __future__ import annotations

import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile

from bench_train import write_images
from common import PROJECT, machine, median

PROGRAM = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else PROJECT / "build/release/src/trainer/program/roost-trainer"
ROUNDS = 5
CASES = {"224": {"side": 224, "images": 112, "batch": 32, "crop": 0}, "64 from JPEG": {"side": 256, "images": 560, "batch": 128, "crop": 64}}
RANKS = 2


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def train(folder: pathlib.Path, case: dict, ranks: int) -> float:
    """Images a second of all ranks together, each with its share of two threads."""
    report = folder / "report.jsonl"
    report.unlink(missing_ok=True)
    words = [PROGRAM, "train", "--untrained-model-path", folder / "net", "--train-data-path", folder / "most", "--valid-data-path", folder / "few", "--trained-model-path", folder / "model",
             "--epochs", "3", "--batch-size", str(case["batch"] // ranks), "--random-resized-crop", str(case["crop"]), "--report", report]  # fmt: skip
    port = free_port()
    threads = str(RANKS // ranks)
    started = [subprocess.Popen([*words, "--threads", threads], stdout=subprocess.DEVNULL, env=os.environ | {
        "RANK": str(rank), "WORLD_SIZE": str(ranks), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": threads, "OMP_WAIT_POLICY": "passive"})
        for rank in range(ranks)]  # fmt: skip
    if any([process.wait() for process in started]):
        raise SystemExit("a rank failed")
    rates = [event["train_ips"] for event in map(json.loads, report.read_text().splitlines()) if event["event"] == "epoch"]
    return median(rates[1:])


def main() -> None:
    for name, case in CASES.items():
        with tempfile.TemporaryDirectory() as path:
            folder = pathlib.Path(path)
            write_images(folder / "images", case["side"], case["images"])
            run = lambda *words: subprocess.run([PROGRAM, *words], check=True, capture_output=True)
            run("convert-image-directory", "--input-path", folder / "images", "--output-path", folder / "data")
            run("split-image-directory", "--src-path", folder / "data", "--tgt-train-path", folder / "most", "--tgt-test-path", folder / "few", "--fraction", "0.95")
            run("resnet", "--model-name", "resnet18", "--pretrained", "False", "--untrained-model-path", folder / "net")
            pairs = [(train(folder, case, RANKS), train(folder, case, 1)) for _ in range(ROUNDS)]
            print(json.dumps({"benchmark": "data_parallel", "case": name, "machine": machine(), "global_batch": case["batch"],
                              "images_per_second_two_ranks": round(median([two for two, _ in pairs]), 1), "images_per_second_one_rank": round(median([one for _, one in pairs]), 1),
                              "over_one_rank": round(median([two / one for two, one in pairs]), 3)}), flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
