#!/usr/bin/env python3
"""Accuracy of natively trained networks beside a Python trainer's, with the same settings on the same images.

    bench/bench_accuracy.py [--against winograd] [--seeds 3] [--epochs 6] [--batch 32] [--side 32] [NAME=DIR ...]

DIR has train/ and test/, each a folder of class folders; without one scikit-learn's digits are taken. ResNet-18 from random weights, SGD
with Nesterov momentum, one epoch of warm-up and cosine decay from a rate of 0.02, images brought to one size once. `--against winograd`
trains the same seeds natively once more with --winograd, instead of in Python. What is printed is the best epoch's accuracy on the test
images for each seed, and whether the means differ by no more than chance does in 19 of 20 cases (Student's t-test, equal spreads).
"""

from __future__ import annotations

import argparse
import json
import math
import pathlib
import statistics
import subprocess
import sys
import tempfile

from common import PROJECT, machine

PROGRAM = PROJECT / "build/release/src/trainer/program/roost-trainer"
RATE = 0.02
# Student's t, 97.5 %, by the number of seeds: 2 * seeds - 2 degrees of freedom.
T_LIMITS = {2: 4.303, 3: 2.776, 4: 2.447, 5: 2.306, 6: 2.228, 8: 2.145, 10: 2.101}


def run(*words: object) -> None:
    done = subprocess.run([PROGRAM, *map(str, words)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"roost-trainer {words[0]}: {done.stdout}{done.stderr}")


def prepare(source: pathlib.Path, folder: pathlib.Path, side: int, flip: bool) -> None:
    """The image directories folder/train and folder/test, all images of one size."""
    run("init-image-transformation", "--output-path", folder / "sizes", "--size", side, "--crop-size", side, "--random-horizontal-flip", flip)
    for part, mode in (("train", "For training"), ("test", "For inference")):
        run("convert-image-directory", "--input-path", source / part, "--output-path", folder / f"{part}-all")
        run("apply-image-transformation", "--input-image-transform-path", folder / "sizes", "--input-image-dir-path", folder / f"{part}-all",
            "--mode", mode, "--output-path", folder / part)  # fmt: skip
    run("resnet", "--model-name", "resnet18", "--pretrained", "False", "--untrained-model-path", folder / "net")


def native(folder: pathlib.Path, seed: int, options: argparse.Namespace, *more: str) -> float:
    report = folder / "report.jsonl"
    report.unlink(missing_ok=True)
    run("train", "--untrained-model-path", folder / "net", "--train-data-path", folder / "train", "--valid-data-path", folder / "test",
        "--trained-model-path", folder / "model", "--epochs", options.epochs, "--batch-size", options.batch, "--learning-rate", RATE, "--schedule", "cosine",
        "--warmup-epochs", 1, "--patience", options.epochs, "--random-seed", seed, "--report", report, *more)  # fmt: skip
    return max(event["top1_acc"] for event in map(json.loads, report.read_text().splitlines()) if event["event"] == "epoch")


def load(folder: pathlib.Path):
    import numpy
    import torch
    from PIL import Image

    lines = [json.loads(line) for line in (folder / "images.lst").read_text().splitlines()]
    classes = sorted({line["category"] for line in lines})
    pixels = numpy.stack([numpy.asarray(Image.open(folder / line["image_info"]["file_name"]).convert("RGB")) for line in lines])
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div(255).sub(0.5).div(0.5)
    return images, torch.tensor([classes.index(line["category"]) for line in lines]), len(classes)


def python(folder: pathlib.Path, seed: int, options: argparse.Namespace) -> float:
    import torch

    sys.path.insert(0, str(PROJECT / "tests/trainer"))
    from reference_models import make

    images, targets, classes = load(folder / "train")
    test_images, test_targets, _ = load(folder / "test")
    torch.manual_seed(seed)
    model = make("resnet18", classes).to(memory_format=torch.channels_last)
    steps = torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.9, nesterov=True, weight_decay=1e-4)
    best = 0.0
    for epoch in range(options.epochs):
        share = (epoch - 1) / (options.epochs - 1)
        steps.param_groups[0]["lr"] = 1e-4 if epoch == 0 else 1e-7 + (RATE - 1e-7) * (1 + math.cos(math.pi * share)) / 2
        model.train()
        order = torch.randperm(len(images))
        for first in range(0, len(order) - options.batch + 1, options.batch):
            batch = order[first : first + options.batch]
            steps.zero_grad()
            torch.nn.functional.cross_entropy(model(images[batch].contiguous(memory_format=torch.channels_last)), targets[batch]).backward()
            steps.step()
        model.eval()
        with torch.no_grad():
            right = sum((model(a).argmax(1) == b).sum().item() for a, b in zip(test_images.split(256), test_targets.split(256)))
        best = max(best, right / len(test_targets))
    return best


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--against", choices=("python", "winograd"), default="python")
    parser.add_argument("--seeds", type=int, choices=T_LIMITS, default=3)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("data", nargs="*", metavar="NAME=DIR")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as path:
        scratch = pathlib.Path(path)
        sets = dict(word.split("=", 1) for word in options.data)
        if not sets:
            subprocess.run([sys.executable, PROJECT / "examples/data/write_digits.py", scratch / "digits"], check=True, stdout=subprocess.DEVNULL)
            sets = {"digits": str(scratch / "digits")}
        for name, source in sets.items():
            folder = scratch / f"work-{name}"
            folder.mkdir()
            prepare(pathlib.Path(source), folder, options.side, flip=name != "digits")
            ours, theirs = [], []
            for seed in range(1, options.seeds + 1):  # one after the other, so that both meet the same machine
                ours.append(native(folder, seed, options))
                theirs.append(python(folder, seed, options) if options.against == "python" else native(folder, seed, options, "--winograd"))
            error = math.sqrt((statistics.variance(ours) + statistics.variance(theirs)) / options.seeds)
            gap = statistics.mean(ours) - statistics.mean(theirs)
            print(json.dumps({"benchmark": "accuracy", "data": name, "machine": machine(), "seeds": options.seeds, "epochs": options.epochs,
                              "batch": options.batch, "side": options.side, "native": [round(value, 4) for value in ours],
                              options.against: [round(value, 4) for value in theirs], "gap": round(gap, 4),
                              "chance_explains_it": abs(gap) <= T_LIMITS[options.seeds] * error}), flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
