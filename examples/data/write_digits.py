#!/usr/bin/env python3
"""Writes scikit-learn's 1,797 handwritten digits (8 x 8 pixels, real scans from NIST forms) as an image folder.

    write_digits.py FOLDER

makes FOLDER/train/<digit>/*.png and FOLDER/test/<digit>/*.png; every fifth image is for testing. A folder that is
complete already is left as it is.
"""

import pathlib
import sys

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits


def main() -> None:
    folder = pathlib.Path(sys.argv[1])
    mark = folder / ".complete"
    if mark.exists():
        return
    digits = load_digits()
    for number, (pixels, label) in enumerate(zip(digits.images, digits.target)):
        part = "test" if number % 5 == 4 else "train"
        target = folder / part / str(label) / f"{number:04d}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        grey = np.round(pixels * (255.0 / 16.0)).astype(np.uint8)  # the scans have 17 levels
        Image.fromarray(grey).save(target)
    mark.touch()
    print(f"{len(digits.images)} images of 10 classes written to {folder}")


if __name__ == "__main__":
    main()
