#!/usr/bin/env python3
"""Accuracy of natively trained networks beside a Python trainer's, with the same settings on the same images.

    bench/bench_accuracy.py [NAME=DIR ...]     DIR: train/ and test/, each a folder of class folders; default: scikit-learn's digits

ResNet-18 from random weights, three seeds each, batch 32, SGD with Nesterov momentum, one epoch of warm-up and cosine decay to a rate of
0.02 over six epochs, images brought to 32 pixels once. What is printed is the best epoch's accuracy on the test images: a mean and a spread
(standard deviation) over the seeds, and whether the means differ by no more than chance does in 19 of 20 cases (Welch's t-test).
"""

from __future__ import annotations

import json
import math
import pathlib
import statistics
import subprocess
import sys
import tempfile

from common import PROJECT, machine

PROGRAM = PROJECT / "build/release/src/trainer/program/roost-trainer"
SEEDS = (1, 2, 3)
EPOCHS, BATCH, RATE, SIDE = 6, 32, 0.02, 32
T_LIMIT = 2.776  # Student's t, 97.5 %, 2 * 3 - 2 degrees of freedom


def run(*words: object) -> None:
    done = subprocess.run([PROGRAM, *map(str, words)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"roost-trainer {words[0]}: {done.stdout}{done.stderr}")


def prepare(source: pathlib.Path, folder: pathlib.Path, flip: bool) -> None:
    """The image directories folder/train and folder/test, all images of one size."""
    run("init-image-transformation", "--output-path", folder / "sizes", "--size", SIDE, "--crop-size", SIDE, "--random-horizontal-flip", flip)
    for part, mode in (("train", "For training"), ("test", "For inference")):
        run("convert-image-directory", "--input-path", source / part, "--output-path", folder / f"{part}-all")
        run("apply-image-transformation", "--input-image-transform-path", folder / "sizes", "--input-image-dir-path", folder / f"{part}-all",
            "--mode", mode, "--output-path", folder / part)  # fmt: skip
    run("resnet", "--model-name", "resnet18", "--pretrained", "False", "--untrained-model-path", folder / "net")


def native(folder: pathlib.Path, seed: int) -> float:
    report = folder / f"report-{seed}.jsonl"
    run("train", "--untrained-model-path", folder / "net", "--train-data-path", folder / "train", "--valid-data-path", folder / "test",
        "--trained-model-path", folder / f"model-{seed}", "--epochs", EPOCHS, "--batch-size", BATCH, "--learning-rate", RATE, "--schedule", "cosine",
        "--warmup-epochs", 1, "--patience", EPOCHS, "--random-seed", seed, "--report", report)  # fmt: skip
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


def python(folder: pathlib.Path, seed: int) -> float:
    import torch

    sys.path.insert(0, str(PROJECT / "tests/trainer"))
    from reference_models import make

    images, targets, classes = load(folder / "train")
    test_images, test_targets, _ = load(folder / "test")
    torch.manual_seed(seed)
    model = make("resnet18", classes).to(memory_format=torch.channels_last)
    steps = torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.9, nesterov=True, weight_decay=1e-4)
    best = 0.0
    for epoch in range(EPOCHS):
        share = (epoch - 1) / (EPOCHS - 1)
        steps.param_groups[0]["lr"] = 1e-4 if epoch == 0 else 1e-7 + (RATE - 1e-7) * (1 + math.cos(math.pi * share)) / 2
        model.train()
        order = torch.randperm(len(images))
        for first in range(0, len(order) - BATCH + 1, BATCH):
            batch = order[first : first + BATCH]
            steps.zero_grad()
            torch.nn.functional.cross_entropy(model(images[batch].contiguous(memory_format=torch.channels_last)), targets[batch]).backward()
            steps.step()
        model.eval()
        with torch.no_grad():
            right = sum((model(a).argmax(1) == b).sum().item() for a, b in zip(test_images.split(256), test_targets.split(256)))
        best = max(best, right / len(test_targets))
    return best


def main() -> None:
    with tempfile.TemporaryDirectory() as path:
        scratch = pathlib.Path(path)
        sets = dict(word.split("=", 1) for word in sys.argv[1:])
        if not sets:
            subprocess.run([sys.executable, PROJECT / "examples/data/write_digits.py", scratch / "digits"], check=True, stdout=subprocess.DEVNULL)
            sets = {"digits": str(scratch / "digits")}
        for name, source in sets.items():
            folder = scratch / f"work-{name}"
            folder.mkdir()
            prepare(pathlib.Path(source), folder, flip=name != "digits")
            ours, theirs = [], []
            for seed in SEEDS:  # one after the other, so that both meet the same machine
                ours.append(native(folder, seed))
                theirs.append(python(folder, seed))
            error = math.sqrt((statistics.variance(ours) + statistics.variance(theirs)) / len(SEEDS))
            gap = statistics.mean(ours) - statistics.mean(theirs)
            print(json.dumps({"benchmark": "accuracy", "data": name, "machine": machine(), "seeds": len(SEEDS),
                              "native": [round(value, 4) for value in ours], "python": [round(value, 4) for value in theirs],
                              "gap": round(gap, 4), "chance_explains_it": abs(gap) <= T_LIMIT * error}), flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
