"""Roost's ``azureml`` where Azure ML's own packages are installed as well: one of the two is in use, never a mixture."""

from __future__ import annotations

import os
import sys


def other_core(paths: list[str], own: str) -> str | None:
    """The folder of an installed azureml-core among the package's folders."""
    for path in paths:
        if os.path.normpath(path) != os.path.normpath(own) and os.path.isdir(os.path.join(path, "_base_sdk_common")):
            return path
    return None


def say_which(own_core: str) -> None:
    """Once, on stderr: a script that finds us first should not wonder why Azure's cloud does not answer."""
    import azureml

    found = other_core(list(azureml.__path__), os.path.dirname(own_core))
    if found:
        print(f"roost: `azureml` is Roost's here ({os.path.dirname(own_core)}); the azureml-core in {found} is not used", file=sys.stderr)


def need_ours(name: str) -> None:
    """For what would otherwise complete an installed azureml-core that comes first."""
    import azureml.core

    if not getattr(azureml.core, "_IS_ROOSTS", False):
        raise ImportError(f"{name} of Roost does not work with the azureml-core in {os.path.dirname(azureml.core.__file__)}, which is installed and comes first on the "
                          "module path; `python -m roost which` says how to use Roost's")  # fmt: skip
