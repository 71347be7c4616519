#!/usr/bin/env python3
"""Training on one GPU: roost-trainer against PyTorch's own loop on the same torch, with data that is there already and from JPEG files.

    bench/bench_gpu.py [--build build/release] [--model resnet50] [--batch 256] [--side 224] [--rounds 3] [--images 8192] [--compile]

`--build` is the folder of a build on a CUDA PyTorch (scripts/offline_trainer.sh makes one); this script runs with that PyTorch's Python. Each
round runs every contestant once, one after the other: the native step and Python's eager one in float16 and bfloat16 (autocast,
channels-last, SGD with Nesterov momentum, fused where PyTorch has it), Python's compiled one if asked for, and the native training from JPEG
files of 500 x 375 pixels with random resized crops, whose first epoch is not counted. Rates are images a second; a contestant's rate is the
median of its steps' (epochs'), ratios are medians over the rounds. `--device cpu` tries the script without a GPU.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from common import PROJECT, machine, median

PYTHON = """
import json, sys, time
import torch
sys.path.insert(0, sys.argv[1])
from reference_models import make
name, batch, side, precision, device, compiled = sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5], sys.argv[6], sys.argv[7] == "compile"
dtype = {"fp16": torch.float16, "bf16": torch.bfloat16}[precision]
torch.manual_seed(1)
torch.backends.cudnn.benchmark = True
model = make(name, 1000).to(device).to(memory_format=torch.channels_last)
optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9, nesterov=True, weight_decay=1e-4, fused=device != "cpu")
scaler = torch.amp.GradScaler(device, enabled=precision == "fp16" and device != "cpu")
images = torch.randn(batch, 3, side, side, device=device).contiguous(memory_format=torch.channels_last)
labels = torch.randint(0, 1000, (batch,), device=device)
run = torch.compile(model) if compiled else model
rates = []
for step in range(35 if device != "cpu" else 3):
    if device != "cpu":
        torch.cuda.synchronize()
    start = time.perf_counter()
    with torch.autocast(device, dtype=dtype):
        loss = torch.nn.functional.cross_entropy(run(images).float(), labels)
    scaler.scale(loss).backward()
    scaler.step(optimizer)
    scaler.update()
    optimizer.zero_grad()
    loss.item()
    if step >= (5 if device != "cpu" else 1):
        rates.append(batch / (time.perf_counter() - start))
rates.sort()
print(json.dumps(rates[len(rates) // 2]))
"""


def run(*command: object) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=1800)
    if done.returncode:
        raise SystemExit(f"{command[0]}: {done.stdout[-500:]}{done.stderr[-1500:]}")
    return done.stdout


def write_images(folder: pathlib.Path, count: int) -> None:
    """Half as busy as photographs are: 60 to 110 KiB each; 256 different ones, the others are links."""
    import numpy
    from PIL import Image

    draw = numpy.random.default_rng(0)
    for n in range(count):
        path = folder / f"class{n % 2}" / f"{n}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        if n >= 256:
            os.link(folder / f"class{n % 2}" / f"{n % 256}.jpg", path)
            continue
        coarse = Image.fromarray(draw.integers(0, 256, (24, 32, 3)).astype(numpy.uint8)).resize((500, 375), Image.BICUBIC)
        noisy = numpy.clip(numpy.asarray(coarse) + draw.normal(0, 9, (375, 500, 3)), 0, 255).astype(numpy.uint8)
        Image.fromarray(noisy).save(path, quality=90)


class Native:
    def __init__(self, options: argparse.Namespace, scratch: pathlib.Path) -> None:
        self.options, self.scratch = options, scratch
        self.trainer = options.build / "src/trainer/program/roost-trainer"
        self.step_bench = options.build / "src/trainer/train/step_bench"

    def step(self, precision: str) -> float:
        o = self.options
        steps = json.loads(run(self.step_bench, o.model, "--whole", "--device", o.device, "--precision", precision, "--batch", o.batch, "--side", o.side,
                               "--steps", 30 if o.device != "cpu" else 2))  # fmt: skip
        return o.batch / median(steps["wall"])

    def prepare(self) -> None:
        write_images(self.scratch / "images", self.options.images)
        run(self.trainer, "convert-image-directory", "--input-path", self.scratch / "images", "--output-path", self.scratch / "data")
        run(self.trainer, "split-image-directory", "--src-path", self.scratch / "data", "--tgt-train-path", self.scratch / "most", "--tgt-test-path",
            self.scratch / "few", "--fraction", "0.95")  # fmt: skip
        run(self.trainer, "resnet", "--model-name", self.options.model, "--pretrained", "False", "--untrained-model-path", self.scratch / "net")

    def from_jpeg(self, precision: str) -> tuple[float, float]:
        """The rate, and the share of the time that the training waited for images."""
        o, report = self.options, self.scratch / "report.jsonl"
        report.unlink(missing_ok=True)
        run(self.trainer, "train", "--untrained-model-path", self.scratch / "net", "--train-data-path", self.scratch / "data", "--valid-data-path",
            self.scratch / "few", "--trained-model-path", self.scratch / "model", "--epochs", 3, "--batch-size", o.batch, "--random-resized-crop", o.side,
            "--precision", precision, "--device", o.device, "--report", report)  # fmt: skip
        epochs = [event for event in map(json.loads, report.read_text().splitlines()) if event["event"] == "epoch"][1:]
        waited = sum(event["wait_seconds"] for event in epochs) / sum(event["seconds"] for event in epochs)
        return median([event["train_ips"] for event in epochs]), waited


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, default=PROJECT / "build/release")
    parser.add_argument("--model", default="resnet50")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=8192)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()
    import torch

    gpu = torch.cuda.get_device_name() if options.device != "cpu" else "none"
    layouts = ["eager", *(["compile"] if options.compile else [])]
    with tempfile.TemporaryDirectory() as path:
        native = Native(options, pathlib.Path(path))
        native.prepare()
        for precision in ("fp16", "bf16"):
            rates: dict[str, list[float]] = {name: [] for name in ("native", "from_jpeg", "waited", *layouts)}
            for _ in range(options.rounds):
                rates["native"].append(native.step(precision))
                for layout in layouts:
                    rates[layout].append(float(run(sys.executable, "-c", PYTHON, PROJECT / "tests/trainer", options.model, options.batch, options.side, precision,
                                                   options.device, layout)))  # fmt: skip
                rate, waited = native.from_jpeg(precision)
                rates["from_jpeg"].append(rate)
                rates["waited"].append(waited)
            ratio = lambda one, other: round(median([a / b for a, b in zip(rates[one], rates[other])]), 3)
            print(json.dumps({"benchmark": "gpu", "machine": machine(), "gpu": gpu, "torch": torch.__version__, "model": options.model,
                              "precision": precision, "batch": options.batch, "side": options.side,
                              "images_per_second": {name: round(median(rates[name]), 1) for name in ("native", "from_jpeg", *layouts)},
                              "over": {layout: ratio("native", layout) for layout in layouts}, "from_jpeg_of_synthetic": ratio("from_jpeg", "native"),
                              "waited_for_images": round(median(rates["waited"]), 3)}), flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
