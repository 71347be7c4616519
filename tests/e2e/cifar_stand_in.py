"""CIFAR-10's archive, as torchvision downloads it, of other images: digits of two classes, 8,000 of 3 x 32 x 32.

`REDIRECT` lets an unmodified script find it: torchvision's CIFAR10 then downloads this file and checks these digests.
"""

from __future__ import annotations

import hashlib
import io
import pathlib
import pickle
import tarfile

BATCHES, PER_BATCH = 5, 1600  # the tutorial's script tells its loss every 2,000 steps of four images

REDIRECT = '''
import importlib.machinery
import sys


class CifarFinder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != "torchvision.datasets.cifar":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            for attribute, value in {attributes!r}.items():
                setattr(module.CIFAR10, attribute, value)

        spec.loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, CifarFinder)
'''


def write_digits(folder: pathlib.Path, address: str) -> str:
    """Writes the archive into a folder that is served at this address; gives the code that redirects torchvision to it."""
    import numpy as np
    from sklearn.datasets import load_digits

    digits = load_digits()
    random = np.random.default_rng(0)
    of_class = [np.round(digits.images[digits.target == digit] * (255 / 16)).astype(np.uint8) for digit in (0, 1)]

    def images(count: int):
        labels = random.integers(0, 2, count)
        data = np.empty((count, 3, 32, 32), np.uint8)
        for number, label in enumerate(labels):
            image = of_class[label][random.integers(len(of_class[label]))].repeat(4, 0).repeat(4, 1)
            image = np.roll(image, random.integers(-2, 3, 2), (0, 1))
            data[number] = image * random.uniform(0.6, 1, 3)[:, None, None]
        return data, labels

    names = ["zero", "one"] + [f"class {number}" for number in range(2, 10)]
    return write(folder, address, images(BATCHES * PER_BATCH), images(400), names)


def write(folder: pathlib.Path, address: str, train, test, names: list[str]) -> str:
    """`train` and `test` are images [N, 3, 32, 32] of bytes and their class numbers."""

    def batch(data, labels) -> bytes:
        return pickle.dumps({"data": data.reshape(len(labels), 3072), "labels": [int(label) for label in labels]}, protocol=2)

    share = len(train[1]) // BATCHES
    files = {f"data_batch_{number + 1}": batch(*(part[number * share : (number + 1) * share] for part in train)) for number in range(BATCHES)}
    files["test_batch"] = batch(*test)
    files["batches.meta"] = pickle.dumps({"label_names": names}, protocol=2)
    archive = folder / "cifar-10-python.tar.gz"
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    digest = {name: hashlib.md5(content).hexdigest() for name, content in files.items()}
    return REDIRECT.format(attributes={
        "url": f"{address}/{archive.name}", "tgz_md5": hashlib.md5(archive.read_bytes()).hexdigest(),
        "train_list": [[name, digest[name]] for name in files if name.startswith("data")], "test_list": [["test_batch", digest["test_batch"]]],
        "meta": {"filename": "batches.meta", "key": "label_names", "md5": digest["batches.meta"]},
    })  # fmt: skip
