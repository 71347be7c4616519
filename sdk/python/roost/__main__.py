"""``python -m roost which``: whose ``azureml`` a script of this Python imports, and how to have the other one."""

from __future__ import annotations

import importlib.util
import os
import sys


def which() -> int:
    spec = importlib.util.find_spec("azureml")
    ours = [path for path in _places() if os.path.isfile(os.path.join(path, "azureml", "_beside.py"))]
    if spec is None or spec.origin is None:
        print("azureml: there is none")
        return 1
    folder = os.path.dirname(spec.origin)
    if os.path.isfile(os.path.join(folder, "_beside.py")):
        print(f"azureml: Roost's, {folder}")
        return 0
    print(f"azureml: not Roost's, {folder}")
    if ours:
        print(f"Roost's is in {ours[0]}; a script uses it with   PYTHONPATH={ours[0]}   or once azureml-core is uninstalled")
    return 1


def _places() -> list[str]:
    """Where Roost's may be: the module path, and what an installation made beside this package."""
    return [*sys.path, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "roost_azureml")]


if __name__ == "__main__":
    if sys.argv[1:] != ["which"]:
        sys.exit("usage: python -m roost which")
    sys.exit(which())
