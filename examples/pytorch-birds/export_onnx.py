"""Exports a registered model of pytorch_train.py to ONNX, and compares both on random images where ONNX Runtime is installed.

    python export_onnx.py --model pytorch-birds [--version 1] --output birds.onnx

config.json in the current folder or above says which server. Needs torch, torchvision and onnx; the check needs onnxruntime.
"""

import argparse
import importlib.util
import inspect
import pathlib
import tempfile
import warnings

import torch
from azureml.core import Model, Workspace
from torch import nn
from torchvision import models

TOLERANCE = 1e-4  # of the scores; the same sums in another order


def load(file):
    """The trained network, which takes images as pytorch_train.py normalises them, and what was saved beside its weights."""
    saved = torch.load(file, weights_only=True)
    model = models.resnet18(weights=None, num_classes=len(saved["classes"]))
    model.load_state_dict(saved["state_dict"])
    return model.eval(), saved


def export(model_file, onnx_file):
    """Writes the network with inputs `images` [N, 3, size, size] and outputs `scores` [N, classes], for any N."""
    model, saved = load(model_file)
    example = torch.zeros(1, 3, saved["image_size"], saved["image_size"])
    with warnings.catch_warnings():
        # The exporter that needs no package beside onnx; torch announces its successor.
        warnings.simplefilter("ignore", DeprecationWarning)
        options = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
        torch.onnx.export(model, (example,), str(onnx_file), input_names=["images"], output_names=["scores"],
                          dynamic_axes={"images": {0: "N"}, "scores": {0: "N"}}, **options)  # fmt: skip
    return model, saved


def check(model, saved, onnx_file):
    """The largest difference of the scores of eight random images, or None without ONNX Runtime."""
    if importlib.util.find_spec("onnxruntime") is None:
        return None
    import onnxruntime

    images = torch.randn(8, 3, saved["image_size"], saved["image_size"], generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = model(images)
    session = onnxruntime.InferenceSession(str(onnx_file), providers=["CPUExecutionProvider"])
    (scores,) = session.run(["scores"], {"images": images.numpy()})
    difference = (torch.from_numpy(scores) - expected).abs().max().item()
    if difference > TOLERANCE * max(1.0, expected.abs().max().item()):
        raise SystemExit(f"ONNX Runtime's scores differ from PyTorch's by {difference}")
    return difference


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="pytorch-birds")
    parser.add_argument("--version", type=int, help="default: the newest")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("model.onnx"))
    args = parser.parse_args()
    registered = Model(Workspace.from_config(), args.model, version=args.version)
    with tempfile.TemporaryDirectory() as folder:
        registered.download(target_dir=folder, exist_ok=True)
        (model_file,) = pathlib.Path(folder).rglob("model.pt")
        model, saved = export(model_file, args.output)
    print(f"{registered.name} version {registered.version} ({', '.join(saved['classes'])}) written to {args.output}")
    difference = check(model, saved, args.output)
    print("not checked: onnxruntime is not installed" if difference is None else f"ONNX Runtime agrees with PyTorch to {difference:.1e}")


if __name__ == "__main__":
    main()
