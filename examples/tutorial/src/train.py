"""Trains on CIFAR-10.

    python train.py [--data_path ../data] [--epochs 2] [--learning_rate 0.02] [--momentum 0.9]

CIFAR-10 is downloaded into the folder where it is missing; with `--no_download` it must be there.
"""

import argparse
import os

import torch
from azureml.core import Run
from model import make_model
from torch import nn
from torchvision import datasets, transforms

EVERY = 50  # steps between two values of the loss

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--data_path", default="../data")
    parser.add_argument("--no_download", action="store_true")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--learning_rate", type=float, default=0.02)
    parser.add_argument("--momentum", type=float, default=0.9)
    args = parser.parse_args()

    run = Run.get_context()
    torch.manual_seed(0)
    pictures = datasets.CIFAR10(args.data_path, train=True, download=not args.no_download, transform=transforms.ToTensor())
    loader = torch.utils.data.DataLoader(pictures, batch_size=64, shuffle=True)
    print(f"{len(pictures)} pictures in {args.data_path}")

    model = make_model()
    optimizer = torch.optim.SGD(model.parameters(), args.learning_rate, args.momentum)
    loss_function = nn.CrossEntropyLoss()
    total, steps = 0.0, 0
    for epoch in range(1, args.epochs + 1):
        for images, labels in loader:
            loss = loss_function(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total, steps = total + loss.item(), steps + 1
            if steps % EVERY == 0:
                run.log("loss", total / EVERY)
                print(f"epoch {epoch}, step {steps}: loss {total / EVERY:.3f}", flush=True)
                total = 0.0
    os.makedirs("outputs", exist_ok=True)
    torch.save(model.state_dict(), "outputs/cifar_net.pt")
    print("finished")
