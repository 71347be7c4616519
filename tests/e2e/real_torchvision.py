"""torchvision itself, in the version that belongs to the tests' PyTorch, unpacked in a folder of its own.

The package index's build wants CUDA's libraries, and beside a CPU build of PyTorch it cannot load its own operators: it
stops at import, where it describes those that it does not find. Declaring them lets all else work, which needs none.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import pathlib
import subprocess
import sys
import zipfile

from harness import PROJECT
from packaging.version import Version

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
OPERATORS = '''\
def before():
    """Declares what torchvision's Python code describes when it is imported."""
    import torch

    global library  # as long as it lives, they are declared
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
'''


def version() -> str:
    if _is_installed():
        return Version(importlib.metadata.version("torchvision")).public
    torch = Version(importlib.metadata.version("torch"))
    return f"0.{torch.minor + (15 if torch.major >= 2 else 1)}.0"


def unpacked() -> tuple[pathlib.Path, bool]:
    """The folder that has it, and whether the operators must be declared first. Downloads 8 MB once, unless it is installed."""
    if _is_installed():
        folder = pathlib.Path(importlib.metadata.distribution("torchvision").locate_file(""))
    else:
        folder = PROJECT / "build" / "torchvision" / version()
        if not (folder / "torchvision").is_dir():
            wheel = _download(folder.parent)
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(folder)
            wheel.unlink()
    return folder, not _can_be_imported(folder)


def _is_installed() -> bool:
    return importlib.util.find_spec("torchvision") is not None


def _download(folder: pathlib.Path) -> pathlib.Path:
    errors, choices = [], [(version(), [])]
    if importlib.metadata.version("torch").endswith("+cpu"):
        choices.insert(0, (f"{version()}+cpu", ["--index-url", CPU_INDEX, "--retries", "0", "--timeout", "10"]))
    for wanted, more in choices:
        done = subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "--dest", str(folder), *more, f"torchvision=={wanted}"],
                              capture_output=True, text=True)  # fmt: skip
        if done.returncode == 0:
            return next(folder.glob("torchvision-*.whl"))
        errors.append(done.stderr)
    raise AssertionError("torchvision could not be downloaded:\n" + "\n".join(errors))


def _can_be_imported(folder: pathlib.Path) -> bool:
    code = f"import sys; sys.path.append({str(folder)!r}); import torchvision"
    return subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0
