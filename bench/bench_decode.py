"""Images a second on one core: decode, random resized crop to 224, flip; the trainer against Pillow, in turns.

    bench/bench_decode.py [IMAGES_BENCH]      the program is build/release/src/trainer/images/images_bench

Synthetic photos of 500 x 375 (JPEG, about 110 KB), the same at 256 pixels on the short side (JPEG), and those as raw
pixels in memory. The Pillow chain decodes, crops, resizes, flips and ends in an array, as the trainer does in a
buffer. Rates are for processor time; ratios are medians over rounds in which both run one after the other.
"""

from __future__ import annotations

import io
import json
import math
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import PIL
from PIL import Image, features

PROJECT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = PROJECT / "build" / "release" / "src" / "trainer" / "images" / "images_bench"
SIZE, IMAGES, ROUNDS, SECONDS = 224, 24, 9, 0.7


def photo(seed: int, width: int = 500, height: int = 375) -> Image.Image:
    """Blurred noise at several scales, as photos have detail at all of them."""
    rng = np.random.default_rng(seed)
    pixels = np.zeros((height, width, 3))
    for cells, strength in ((4, 60), (12, 40), (40, 25), (120, 18), (500, 17)):
        cell = rng.normal(0, strength, (max(2, cells * height // width), cells, 1)) + rng.normal(0, strength / 3, (1, 1, 3))
        layer = [Image.fromarray(cell[..., c].astype(np.float32)).resize((width, height), Image.BICUBIC) for c in range(3)]
        pixels += np.stack([np.asarray(plane) for plane in layer], -1)
    return Image.fromarray(np.clip(pixels + 127, 0, 255).astype(np.uint8))


def draw(width: int, height: int) -> tuple[int, int, int, int]:
    """torchvision's RandomResizedCrop; the box of a crop."""
    for _ in range(10):
        area = width * height * random.uniform(0.08, 1)
        ratio = math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            x, y = random.randint(0, width - w), random.randint(0, height - h)
            return x, y, x + w, y + h
    return 0, 0, width, height


def augment(image: Image.Image) -> np.ndarray:
    image = image.crop(draw(*image.size)).resize((SIZE, SIZE), Image.BILINEAR)
    if random.random() < 0.5:
        image = image.transpose(Image.FLIP_LEFT_RIGHT)
    return np.asarray(image)


def pillow_jpeg(data: bytes) -> np.ndarray:
    return augment(Image.open(io.BytesIO(data)).convert("RGB"))


def pillow_rate(work, items) -> float:
    done, start = 0, time.process_time()
    while (took := time.process_time() - start) < SECONDS:
        work(items[done % len(items)])
        done += 1
    return done / took


def main() -> None:
    program = sys.argv[1] if len(sys.argv) > 1 else str(PROGRAM)
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # inherited by the program
    random.seed(1)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        kinds: dict[str, list] = {"500x375": [], "256px": [], "packed": []}
        files: dict[str, list] = {kind: [] for kind in kinds}
        for i in range(IMAGES):
            large = photo(i)
            small = large.resize((int(256 * 500 / 375), 256), Image.BILINEAR)
            for kind, image in (("500x375", large), ("256px", small)):
                image.save(folder / f"{kind}-{i}.jpg", quality=92)
                kinds[kind].append((folder / f"{kind}-{i}.jpg").read_bytes())
                files[kind].append(folder / f"{kind}-{i}.jpg")
            kinds["packed"].append(small)
            files["packed"].append(folder / f"{i}.raw")
            files["packed"][-1].write_bytes(np.array(small.size, "<i4").tobytes() + small.tobytes())

        bench = subprocess.Popen([program, str(SIZE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

        def ours(kind: str) -> float:
            command = "packed" if kind == "packed" else "jpeg"
            bench.stdin.write(f"{command} {SECONDS} {' '.join(map(str, files[kind]))}\n")
            bench.stdin.flush()
            count, took = bench.stdout.readline().split()
            return int(count) / float(took)

        rates = {kind: {"ours": [], "pillow": []} for kind in kinds}
        for _ in range(ROUNDS):
            for kind, items in kinds.items():
                rates[kind]["ours"].append(ours(kind))
                rates[kind]["pillow"].append(pillow_rate(augment if kind == "packed" else pillow_jpeg, items))
        bench.stdin.close()
        bench.wait()

        result = {
            "benchmark": "decode",
            "pillow": f"{PIL.__version__} (libjpeg-turbo {features.version_feature('libjpeg_turbo')})",
            "jpeg_kb": {kind: round(statistics.mean(map(len, kinds[kind])) / 1000) for kind in ("500x375", "256px")},
        }
        for kind, rate in rates.items():
            result[kind] = {
                "images_per_second": round(statistics.median(rate["ours"])),
                "pillow_images_per_second": round(statistics.median(rate["pillow"])),
                "ratio": round(statistics.median(a / b for a, b in zip(rate["ours"], rate["pillow"])), 2),
                # What preparing the images once is worth: against Pillow on the 500 x 375 files.
                "ratio_to_pillow_500x375": round(
                    statistics.median(a / b for a, b in zip(rate["ours"], rates["500x375"]["pillow"])), 2
                ),
            }
        print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
