"""Trains a small convolutional network on a folder of class folders.

An ordinary Azure ML script: it asks for its run, logs metrics to it, and writes what shall be kept to ./outputs. It also
runs on its own (`python train.py --data ...`), where the run is an offline one that prints.
"""

import argparse
import json
import pathlib
import time

import torch
from azureml.core import Run
from dataset import ImageList, find_images
from torch import nn
from torch.utils.data import DataLoader


def build_model(classes: int) -> nn.Module:
    def block(inputs: int, outputs: int) -> list[nn.Module]:
        return [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]

    return nn.Sequential(
        *block(3, 32), *block(32, 32), nn.MaxPool2d(2),
        *block(32, 64), nn.MaxPool2d(2),
        *block(64, 128), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Dropout(0.1), nn.Linear(128, classes),
    )  # fmt: skip


@torch.no_grad()
def evaluate(model: nn.Module, loader: DataLoader, classes: int, device: torch.device):
    """Accuracy and the confusion matrix (row = true class)."""
    model.eval()
    matrix = torch.zeros(classes, classes, dtype=torch.long)
    for images, labels in loader:
        guesses = model(images.to(device)).argmax(1).cpu()
        matrix.index_put_((labels, guesses), torch.ones_like(labels), accumulate=True)
    return matrix.trace().item() / matrix.sum().item(), matrix.tolist()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=pathlib.Path, required=True, help="folder of class folders")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    run = Run.get_context()
    classes, train_images, test_images = find_images(args.data)
    print(f"{len(train_images)} training and {len(test_images)} test images of {len(classes)} classes, on {device}")
    run.tag("classes", str(len(classes)))

    train = DataLoader(ImageList(train_images, args.image_size, training=True), args.batch_size, shuffle=True,
                       num_workers=args.workers, persistent_workers=args.workers > 0)  # fmt: skip
    test = DataLoader(ImageList(test_images, args.image_size, training=False), args.batch_size)
    model = build_model(len(classes)).to(device)
    steps = args.epochs * len(train)
    optimizer = torch.optim.SGD(model.parameters(), args.lr, momentum=0.9, nesterov=True, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=args.lr * 5, total_steps=steps)
    loss_function = nn.CrossEntropyLoss()

    best, step = 0.0, 0
    outputs = pathlib.Path("outputs")
    outputs.mkdir(exist_ok=True)
    for epoch in range(1, args.epochs + 1):
        model.train()
        started, total = time.time(), 0.0
        for images, labels in train:
            loss = loss_function(model(images.to(device)), labels.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
            if step % 5 == 0:
                run.log("loss", loss.item(), step=step)
            step += 1
        accuracy, matrix = evaluate(model, test, len(classes), device)
        speed = len(train_images) / (time.time() - started)
        run.log("train_loss", total / len(train), step=epoch)
        run.log("accuracy", accuracy, step=epoch)
        run.log("images_per_second", speed, step=epoch)
        print(f"epoch {epoch}/{args.epochs}: loss {total / len(train):.4f}, accuracy {accuracy:.4f}, {speed:.0f} images/s")
        if accuracy >= best:
            best = accuracy
            torch.save(model.state_dict(), outputs / "model.pt")
    (outputs / "labels.json").write_text(json.dumps(classes))
    run.log("best_accuracy", best)
    run.log_confusion_matrix(
        "confusion",
        {"schema_type": "confusion_matrix", "schema_version": "1.0.0",
         "data": {"class_labels": classes, "matrix": matrix}},
    )  # fmt: skip
    print(f"best accuracy {best:.4f}")


if __name__ == "__main__":
    main()
