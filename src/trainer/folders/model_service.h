#pragma once

namespace roost::trainer {

// score.py and conda_env.yaml of a trained model: a service with init() and run() that rebuilds the
// network with torch and torchvision and needs nothing of ours.

inline constexpr const char* kScoreScript =
    R"py("""Classifies images with the model beside this file.

run() takes JSON: a list of rows such as {"image": "<base64 of an image file>"}; _samples.json is an
example. It returns a list with the probability of each class and the scored label of each row.
"""

import base64
import csv
import io
import json
import os

import torch
import torchvision
import yaml
from PIL import Image

network = None
labels = None
transform = None


class Headed(torch.nn.Module):
    """A network with ImageNet's 1000 outputs and a linear layer after it."""

    def __init__(self, model, num_classes):
        super().__init__()
        self.model = model
        self.out_linear_model = torch.nn.Linear(1000, num_classes)

    def forward(self, batch):
        return self.out_linear_model(self.model(batch))


class Plain(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, batch):
        return self.model(batch)


def build(spec, state, num_classes):
    extras = spec["flavor_extras"]
    name = extras["init_params"].get("model_name", extras["class"])
    factory = getattr(torchvision.models, name)
    if any(key.startswith("out_linear_model.") for key in state):
        return Headed(factory(weights=None), num_classes)
    bare = factory(weights=None, num_classes=num_classes)
    return Plain(bare) if all(key.startswith("model.") for key in state) else bare


def init():
    global network, labels, transform
    folder = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(folder, "model_spec.yaml"), encoding="utf-8") as file:
        spec = yaml.safe_load(file)
    with open(os.path.join(folder, spec["label_map_file"]), encoding="utf-8", newline="") as file:
        labels = [row[1] for row in list(csv.reader(file))[1:]]
    weights = os.path.join(folder, spec["model_file"])
    state = torch.load(weights, map_location="cpu", weights_only=True)
    network = build(spec, state, len(labels))
    network.load_state_dict(state)
    network.eval()
    scaling = spec["inputs"][0]["pre_processor"]["init_params"]
    transform = torchvision.transforms.Compose([
        torchvision.transforms.ToTensor(),
        torchvision.transforms.Normalize(scaling["mean"], scaling["std"]),
    ])


def score(row):
    image = Image.open(io.BytesIO(base64.b64decode(row["image"]))).convert("RGB")
    with torch.no_grad():
        shares = torch.softmax(network(transform(image)[None])[0], dim=0).tolist()
    result = {f"Scored Probabilities_{label}": share for label, share in zip(labels, shares)}
    result["Scored Labels"] = labels[shares.index(max(shares))]
    return result


def run(raw_data):
    return [score(row) for row in json.loads(raw_data)]
)py";

inline constexpr const char* kCondaEnvironment = R"yaml(name: project_environment
channels:
- conda-forge
dependencies:
- python=3.11
- pytorch>=2.0
- torchvision
- pillow
- pyyaml
)yaml";

}  // namespace roost::trainer
