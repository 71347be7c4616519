"""Images in class folders: FOLDER/<class>/<image>, or FOLDER/train and FOLDER/test holding such folders."""

import pathlib
import random

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tif", ".tiff"}


def class_folders(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(f for f in folder.iterdir() if f.is_dir() and not f.name.startswith("."))


def images_of(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(f for f in folder.rglob("*") if f.suffix.lower() in SUFFIXES)


def find_images(root: pathlib.Path, test_share: float = 0.2, seed: int = 0):
    """The images below `root` as (classes, training list, test list) of (path, class number).

    Without train/ and test/ folders a share of each class is kept for testing.
    """
    if not root.is_dir():
        raise SystemExit(f"There is no folder {root}; give a folder of class folders with --data")
    split = (root / "train").is_dir() and ((root / "test").is_dir() or (root / "val").is_dir())
    train_root = root / "train" if split else root
    classes = [f.name for f in class_folders(train_root) if images_of(f)]
    if len(classes) < 2:
        raise SystemExit(f"{train_root} has {len(classes)} class folders with images; at least 2 are needed")
    train, test = [], []
    if split:
        test_root = root / "test" if (root / "test").is_dir() else root / "val"
        for number, name in enumerate(classes):
            train += [(path, number) for path in images_of(train_root / name)]
            test += [(path, number) for path in images_of(test_root / name)] if (test_root / name).is_dir() else []
    else:
        for number, name in enumerate(classes):
            paths = images_of(root / name)
            random.Random(seed).shuffle(paths)
            kept = max(1, round(len(paths) * test_share))
            test += [(path, number) for path in paths[:kept]]
            train += [(path, number) for path in paths[kept:]]
    if not train or not test:
        raise SystemExit(f"{root} has too few images to train and to test with")
    return classes, train, test


class ImageList(Dataset):
    """Decodes images to float tensors [3, size, size] in -1..1; shifts each one a little when training."""

    def __init__(self, images, size: int, training: bool):
        self.images, self.size, self.training = images, size, training

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int):
        path, label = self.images[index]
        with Image.open(path) as image:
            image = image.convert("RGB").resize((self.size, self.size), Image.BILINEAR)
        pixels = np.asarray(image, dtype=np.float32) / 127.5 - 1.0
        if self.training:
            pixels = np.roll(pixels, (random.randint(-1, 1), random.randint(-1, 1)), axis=(0, 1))
        return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))), label
