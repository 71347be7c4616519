#!/usr/bin/env python3
"""Training of ResNet-18 end to end on the CPU: roost-trainer against PyTorch's own loop on the same torch and the same images.

    bench/bench_train.py [ROOST_TRAINER]      the program is build/release/src/trainer/program/roost-trainer

Two cases: 224 pixels, where the network decides, and 64 pixels cut at random from JPEG files, where the images do. Each round runs every
contestant once, one after the other; an epoch's rate is images by wall clock, the first epoch is not counted. The native trainer runs as it
comes and with its best settings (--winograd). The Python trainer reads with Pillow in as many DataLoader workers as there are cores and is run in both memory layouts. Ratios are medians over the rounds.
"""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import tempfile

from common import PROJECT, machine, median

PROGRAM = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else PROJECT / "build/release/src/trainer/program/roost-trainer"
ROUNDS = 3
CASES = {"224": {"side": 224, "images": 96, "batch": 16, "crop": 0}, "64 from JPEG": {"side": 256, "images": 512, "batch": 32, "crop": 64}}

PYTHON = """
import random, sys, time
import torch
from PIL import Image
from torch import nn
sys.path.insert(0, sys.argv[1])
from reference_models import make
folder, batch, crop, layout = sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
import json, pathlib, numpy
lines = [json.loads(line) for line in open(folder + "/images.lst")]
classes = sorted({line["category"] for line in lines})

class Images(torch.utils.data.Dataset):
    def __len__(self):
        return len(lines)
    def __getitem__(self, index):
        image = Image.open(folder + "/" + lines[index]["image_info"]["file_name"]).convert("RGB")
        if crop:  # torchvision's RandomResizedCrop and RandomHorizontalFlip
            width, height = image.size
            for _ in range(10):
                area = width * height * random.uniform(0.08, 1)
                ratio = 2 ** random.uniform(-0.415, 0.415)
                w, h = round((area * ratio) ** 0.5), round((area / ratio) ** 0.5)
                if 0 < w <= width and 0 < h <= height:
                    break
            else:
                w = h = min(width, height)
            left, top = random.randint(0, width - w), random.randint(0, height - h)
            image = image.resize((crop, crop), Image.BILINEAR, box=(left, top, left + w, top + h))
            if random.random() < 0.5:
                image = image.transpose(Image.FLIP_LEFT_RIGHT)
        tensor = torch.from_numpy(numpy.array(image)).permute(2, 0, 1).float().div(255).sub(0.5).div(0.5)
        return tensor, classes.index(lines[index]["category"])

loader = torch.utils.data.DataLoader(Images(), batch, shuffle=True, drop_last=True, num_workers=len(__import__("os").sched_getaffinity(0)), persistent_workers=True)
torch.manual_seed(1)
model = make("resnet18", len(classes))
format = torch.channels_last if layout == "channels_last" else torch.contiguous_format
model = model.to(memory_format=format)
steps = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9, nesterov=True, weight_decay=1e-4)
for epoch in range(3):
    start, count = time.perf_counter(), 0
    for images, targets in loader:
        steps.zero_grad()
        loss = nn.functional.cross_entropy(model(images.contiguous(memory_format=format)), targets)
        loss.backward()
        steps.step()
        loss.item()
        count += len(targets)
    rate = count / (time.perf_counter() - start)
    if epoch:
        print(rate)
"""


def write_images(folder: pathlib.Path, side: int, count: int) -> None:
    import numpy
    from PIL import Image

    draw = numpy.random.default_rng(0)
    for n in range(count):
        coarse = Image.fromarray(draw.integers(0, 256, (side // 16, side // 16, 3)).astype(numpy.uint8)).resize((side, side), Image.BICUBIC)
        noisy = numpy.clip(numpy.asarray(coarse) + draw.normal(0, 6, (side, side, 3)), 0, 255).astype(numpy.uint8)
        path = folder / "ab"[n % 2] / f"{n}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noisy).save(path, quality=90)


def native(folder: pathlib.Path, case: dict, *more: str) -> float:
    report = folder / "report.jsonl"
    report.unlink(missing_ok=True)
    subprocess.run([PROGRAM, "train", "--untrained-model-path", folder / "net", "--train-data-path", folder / "data", "--valid-data-path", folder / "few",
                    "--trained-model-path", folder / "model", "--epochs", "3", "--batch-size", str(case["batch"]), "--random-resized-crop", str(case["crop"]),
                    "--report", report, *more], check=True, capture_output=True)  # fmt: skip
    rates = [event["train_ips"] for event in map(json.loads, report.read_text().splitlines()) if event["event"] == "epoch"]
    return median(rates[1:])


def python(folder: pathlib.Path, case: dict, layout: str) -> float:
    done = subprocess.run([sys.executable, "-c", PYTHON, PROJECT / "tests/trainer", folder / "data", str(case["batch"]), str(case["crop"]), layout], check=True, capture_output=True, text=True)
    return median([float(line) for line in done.stdout.split()])


def main() -> None:
    for name, case in CASES.items():
        with tempfile.TemporaryDirectory() as path:
            folder = pathlib.Path(path)
            write_images(folder / "images", case["side"], case["images"])
            run = lambda *words: subprocess.run([PROGRAM, *words], check=True, capture_output=True)
            run("convert-image-directory", "--input-path", folder / "images", "--output-path", folder / "data")
            run("split-image-directory", "--src-path", folder / "data", "--tgt-train-path", folder / "most", "--tgt-test-path", folder / "few", "--fraction", "0.95")
            run("resnet", "--model-name", "resnet18", "--pretrained", "False", "--untrained-model-path", folder / "net")
            rates: dict[str, list[float]] = {"native": [], "winograd": [], "channels_last": [], "contiguous": []}
            for _ in range(ROUNDS):
                rates["native"].append(native(folder, case))
                rates["winograd"].append(native(folder, case, "--winograd"))
                for layout in ("channels_last", "contiguous"):
                    rates[layout].append(python(folder, case, layout))
            ratio = lambda layout, settings="native": round(median([a / b for a, b in zip(rates[settings], rates[layout])]), 2)
            print(json.dumps({"benchmark": "train", "case": name, "machine": machine(), "images_per_second": round(median(rates["native"]), 1),
                              "over_channels_last": ratio("channels_last"), "over_contiguous": ratio("contiguous"),
                              "winograd_over_channels_last": ratio("channels_last", "winograd"), "winograd_over_contiguous": ratio("contiguous", "winograd"),
                              "threads": os.environ.get("OMP_NUM_THREADS", "all")}), flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
