"""Training in 16 bits against Python's autocast and GradScaler. ROOST_TRAINER and ROOST_SCALER_PROBE name the programs."""

import json
import math
import os
import signal
import subprocess

import pytest
import torch
from reference_models import make
from test_trainer import CLASSES, INTERRUPTED, PROGRAM, as_tensor, data, epochs, notes, train_words, trainer, weights  # noqa: F401

SCALER = os.environ.get("ROOST_SCALER_PROBE")
pytestmark = pytest.mark.skipif(not PROGRAM or not SCALER, reason="ROOST_TRAINER or ROOST_SCALER_PROBE names no program")


def test_the_scaler_does_what_pytorchs_does():
    script = [1.0, math.inf, 0.5, math.nan, -math.inf, *[0.25] * 2000, math.inf, *[1e-3] * 2001, math.inf, *[math.inf] * 3, *[2.0] * 1999, math.inf, *[3.0] * 2]
    done = subprocess.run([SCALER], input="".join(f"{gradient}\n" for gradient in script), capture_output=True, text=True, check=True)
    rows = [line.split() for line in done.stdout.splitlines()]
    assert len(rows) == len(script)
    weight = torch.zeros(2, requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=1.0)
    scaler = torch.amp.GradScaler("cpu")
    for gradient, row in zip(script, rows, strict=True):
        with torch.no_grad():
            weight.zero_()
        weight.grad = scaler.scale(torch.full((2,), gradient))
        scaler.unscale_(optimizer)
        unscaled = weight.grad[1].item()
        scaler.step(optimizer)
        scaler.update()
        stepped = bool((weight.detach() != 0).all())
        state = scaler.state_dict()
        assert (bool(int(row[1])), float(row[2]), int(row[3])) == (stepped, state["scale"], state["_growth_tracker"])
        assert not stepped or float(row[0]) == pytest.approx(unscaled, rel=1e-7)


def test_a_scale_that_falls_without_end_is_an_error():
    done = subprocess.run([SCALER], input="inf\n" * 60, capture_output=True, text=True)
    assert done.returncode == 1 and "bf16" in done.stdout and len(done.stdout.splitlines()) == 46


def two_images(data, folder):
    """An image directory with the first and the last training image: fp16 is slow on most CPUs, and bf16 on some."""
    folder.mkdir()
    for file in ("_schema.json", "_meta.yaml", "_samples.json"):
        (folder / file).write_bytes((data / "train" / file).read_bytes())
    lines = (data / "train/images.lst").read_text().splitlines()
    (folder / "images.lst").write_text("\n".join([lines[0], lines[-1]]) + "\n")
    (folder / "image").symlink_to(data / "train/image")
    return folder


@pytest.mark.parametrize("precision, last", [("bf16", 3), ("fp16", 5)])
def test_training_equals_pytorchs_own_loop(data, tmp_path, precision, last):  # noqa: F811
    """One batch an epoch, so that the order of the images does not matter; the same first weights by the same seed. At the first
    scale of fp16 gradients overflow; the bound on their norm applies to what they are without the scale."""
    folder = two_images(data, tmp_path / "two")
    words = train_words(data, tmp_path / "m", "--epochs", last, "--batch-size", "2", "--learning-rate", "0.001", "--patience", "9", "--clip-norm", "0.5", train=folder)
    trainer(*words, "--precision", precision, "--report", tmp_path / "r.jsonl")
    torch.manual_seed(1)
    network = make("resnet18", len(CLASSES)).to(memory_format=torch.channels_last)
    lines = [json.loads(line) for line in (folder / "images.lst").read_text().splitlines()]
    images = torch.stack([as_tensor(folder / line["image_info"]["file_name"]) for line in lines]).to(memory_format=torch.channels_last)
    targets = torch.tensor([CLASSES.index(line["category"]) for line in lines])
    optimizer = torch.optim.SGD(network.parameters(), lr=1, momentum=0.9, nesterov=True, weight_decay=1e-4)
    scaler = torch.amp.GradScaler("cpu", enabled=precision == "fp16")
    losses, left_out = [], []
    for report in epochs(tmp_path / "r.jsonl"):
        for group in optimizer.param_groups:
            group["lr"] = report["learning_rate"]
        with torch.autocast("cpu", dtype=torch.bfloat16 if precision == "bf16" else torch.float16):
            logits = network(images)
        loss = torch.nn.functional.cross_entropy(logits.float(), targets)
        losses.append((report["train_loss"], loss.item()))
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(network.parameters(), 0.5)
        before = scaler.get_scale()
        scaler.step(optimizer)
        scaler.update()
        if scaler.get_scale() < before:
            left_out.append(f"1 steps of epoch {report['epoch']} were left out")
    assert len(losses) == last
    for native, python in losses:
        assert math.isclose(native, python, rel_tol=5e-3), losses
    assert [note.split(",")[0] for note in notes(tmp_path / "r.jsonl")] == left_out
    assert precision == "bf16" or 0 < len(left_out) < last - 1


def test_bf16_differs_from_fp32_and_goes_on_exactly(data, tmp_path):  # noqa: F811
    folder = two_images(data, tmp_path / "two")

    def words(name, *more):
        return list(map(str, train_words(data, tmp_path / name, "--batch-size", "1", "--deterministic", *more, train=folder, valid=folder)))

    trainer(*words("fp32"))
    trainer(*words("bf16", "--precision", "bf16"))
    assert weights(tmp_path / "fp32") != weights(tmp_path / "bf16")
    again = words("again", "--precision", "bf16", "--checkpoint-folder", tmp_path / "c", "--print-frequency", "1")
    stop_after(again, "Epoch: [2/2]\tIter: [0/2]")
    trainer(*again)
    assert weights(tmp_path / "again") == weights(tmp_path / "bf16")


def stop_after(words, text):
    process = subprocess.Popen([PROGRAM, *words], stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if text in line:
            process.send_signal(signal.SIGTERM)
            break
    process.stdout.read()
    assert process.wait() == INTERRUPTED


def test_fp16_goes_on_exactly(data, tmp_path):  # noqa: F811
    folder = two_images(data, tmp_path / "two")

    def words(name, *more):
        return list(map(str, train_words(data, tmp_path / name, "--batch-size", "1", "--precision", "fp16", "--deterministic", *more, train=folder, valid=folder)))

    trainer(*words("fp16", "--report", tmp_path / "r.jsonl"))
    assert any("steps of epoch 1 were left out" in note for note in notes(tmp_path / "r.jsonl"))
    again = words("again", "--checkpoint-folder", tmp_path / "c", "--print-frequency", "1")
    stop_after(again, "Epoch: [1/2]\tIter: [0/2]")
    trainer(*again, "--report", tmp_path / "again.jsonl")
    assert weights(tmp_path / "again") == weights(tmp_path / "fp16")
    assert notes(tmp_path / "again.jsonl")[1:] == notes(tmp_path / "r.jsonl")
    refused = trainer(*[word if word != "fp16" else "bf16" for word in again], check=False)
    assert refused.returncode == 1 and "precision was fp16 and is bf16" in refused.stderr
