#!/usr/bin/env python3
"""A step of training on the CPU, without images to read: the native trainer against PyTorch's own loop on the same torch.

    bench/bench_step.py [MODEL...] [--rounds N]      models: resnet18 resnet50 densenet121; the program is build/release/src/trainer/train/step_bench

Batches of 16 random images of 224 pixels, float32, SGD with Nesterov momentum. Each round runs every contestant once, one after the other; a
contestant's figure in a round is the median of its steps, ratios are medians over the rounds. Wall clock and processor time are both given: where
others use the machine, the latter is the steadier one. Python runs as it comes, and with malloc told to keep its memory in huge pages, as the
native trainer does on its own; torch.compile is left out where it does not work. DenseNet-121 is also run memory-efficiently.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import subprocess
import sys

from common import PROJECT, machine, median

PROGRAM = PROJECT / "build/release/src/trainer/train/step_bench"
STEPS = 4
TUNED = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=2000000000:glibc.malloc.trim_threshold=2000000000"}

PYTHON = """
import json, resource, sys, time
import torch
sys.path.insert(0, sys.argv[1])
from reference_models import make
name, layout, compiled, steps = sys.argv[2], sys.argv[3], sys.argv[4] == "compile", int(sys.argv[5])
torch.manual_seed(1)
format = torch.channels_last if layout == "channels_last" else torch.contiguous_format
model = make(name, 1000).to(memory_format=format)
optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9, nesterov=True, weight_decay=1e-4)
images = torch.randn(16, 3, 224, 224).contiguous(memory_format=format)
labels = torch.randint(0, 1000, (16,))
run = torch.compile(model) if compiled else model
def processor():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
wall, cpu = [], []
for step in range(steps + 1):
    start, cpu_start = time.perf_counter(), processor()
    loss = torch.nn.functional.cross_entropy(run(images), labels)
    loss.item()
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    if step:
        cpu.append(processor() - cpu_start)
        wall.append(time.perf_counter() - start)
print(json.dumps({"wall": wall, "processor": cpu, "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}))
"""


def run(command: list, environment: dict | None = None) -> dict:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, env={**os.environ, **(environment or {})}, timeout=1800)
    if done.returncode:
        raise RuntimeError(done.stderr[-500:])
    figures = json.loads(done.stdout.splitlines()[-1])
    return {"wall": median(figures["wall"]), "processor": median(figures["processor"]), "peak_mib": figures["peak_mib"]}


def contestants(model: str) -> dict:
    def native(*words, **environment):
        return lambda: run([PROGRAM, model, "--steps", STEPS, *words], environment)

    def python(layout, how="eager", environment=None):
        return lambda: run([sys.executable, "-c", PYTHON, PROJECT / "tests/trainer", model, layout, how, STEPS], environment)

    every = {
        "native": native(),
        "native winograd": native("--winograd"),
        "native, system's memory": native(ROOST_TRAINER_MEMORY="system"),
        "channels_last": python("channels_last"),
        "channels_last tuned": python("channels_last", environment=TUNED),
        "contiguous": python("contiguous"),
        "contiguous tuned": python("contiguous", environment=TUNED),
        "compile": python("channels_last", "compile"),
    }
    if model.startswith("densenet"):
        every["native memory-efficient"] = native("--memory-efficient")
    return every


def flags() -> list[str]:
    """Of the processor, those that decide which kernels run."""
    line = next((line for line in open("/proc/cpuinfo") if line.startswith("flags")), "")
    return [flag for flag in line.split() if flag in ("fma", "avx2", "avx512f", "avx512_bf16", "amx_tile")]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="*", default=["resnet18", "resnet50", "densenet121"])
    parser.add_argument("--rounds", type=int, default=3)
    words = parser.parse_args()
    for model in words.models:
        left, seen = contestants(model), {}
        notes = {}
        for _ in range(words.rounds):
            for name, go in list(left.items()):
                try:
                    seen.setdefault(name, []).append(go())
                except (RuntimeError, subprocess.TimeoutExpired) as error:
                    if name != "compile":
                        raise
                    left.pop(name)
                    notes["compile"] = "left out: " + str(error).strip().splitlines()[-1][:200]
        value = lambda name, what: median([figures[what] for figures in seen[name]])
        ratio = lambda name, over, what: round(median([a[what] / b[what] for a, b in zip(seen[over], seen[name])]), 2)
        others = [name for name in seen if not name.startswith("native")]
        figures = {
            "seconds": {name: round(value(name, "wall"), 3) for name in seen},
            "processor_seconds": {name: round(value(name, "processor"), 3) for name in seen},
            "peak_mib": {name: value(name, "peak_mib") for name in seen},
            "native_over": {name: {"wall": ratio("native", name, "wall"), "processor": ratio("native", name, "processor")} for name in others},
            "winograd_over": {name: {"wall": ratio("native winograd", name, "wall"), "processor": ratio("native winograd", name, "processor")} for name in others},
        }
        if "native memory-efficient" in seen:
            figures["memory_efficient"] = {"time": ratio("native", "native memory-efficient", "processor"),
                                           "memory": round(value("native memory-efficient", "peak_mib") / value("native", "peak_mib"), 2)}  # fmt: skip
        print(json.dumps({"benchmark": "step", "model": model, "machine": machine(), "flags": flags(), "threads": os.environ.get("OMP_NUM_THREADS", "all"), **figures, **notes}), flush=True)


if __name__ == "__main__":
    main()
