"""``azureml.core.Environment``: the interpreter and the variables that a script runs with."""

from __future__ import annotations

import copy
from typing import Any

from azureml.core import _not_here
from azureml.exceptions import UserErrorException

# Names of Azure ML's images, for scripts that write them into an environment; runs have no container here.
DEFAULT_CPU_IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04"
DEFAULT_GPU_IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-cuda11.1-cudnn8-ubuntu20.04"

class PythonSection:
    """Which interpreter: with ``user_managed_dependencies`` the one at ``interpreter_path``, as it is."""

    def __init__(self, **kwargs: Any):
        self.user_managed_dependencies = False
        self.interpreter_path = "python"
        self.conda_dependencies: Any = None
        _take(self, kwargs)


class DockerSection:
    """Containers, which runs do not have here; ``enabled`` is an error at submit, the rest one warning."""

    def __init__(self, **kwargs: Any):
        self.enabled = False
        self.base_image: str | None = None
        self.base_dockerfile: str | None = None
        self.shm_size: str | None = None
        self.arguments: list[str] = []
        _take(self, kwargs)


class Environment(_not_here.KnownMissing):
    """What exists already: an interpreter of the server's machine, and variables.

    Without ``python.user_managed_dependencies`` nothing is installed either, and what would have to be (conda dependencies, a
    container) is an error at submit. ``python.interpreter_path`` is an absolute path; "python" is the submitting interpreter
    where the server is on the same machine, else the server's default.
    """

    _missing = _not_here.ENVIRONMENT

    def __init__(self, name: str, **kwargs: Any):
        if not isinstance(name, str) or not name:
            raise UserErrorException("an environment needs a name")
        self.name = name
        self.version: str | None = None
        self.python = PythonSection()
        self.docker = DockerSection()
        self.environment_variables: dict[str, str] = {}
        _take(self, kwargs)

    def clone(self, new_name: str) -> Environment:
        """A copy of its own."""
        clone = copy.deepcopy(self)
        clone.name, clone.version = new_name, None
        return clone

    def __repr__(self) -> str:
        return f"Environment(Name: {self.name},\nVersion: {self.version})"


def _take(section: Any, values: dict[str, Any]) -> None:
    for name, value in values.items():
        if name not in vars(section):
            raise UserErrorException(f"{type(section).__name__} has no setting '{name}'; it has {', '.join(sorted(vars(section)))}")
        setattr(section, name, value)
