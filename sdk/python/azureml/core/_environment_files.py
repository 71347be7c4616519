"""An environment as a folder: ``azureml_environment.json``, ``conda_dependencies.yml`` and, where there is one, ``BaseDockerfile``."""

from __future__ import annotations

import json
import os
import pathlib
from typing import Any

from azureml.core.conda_dependencies import UNASKED_KEY, CondaDependencies
from azureml.core.environment import Environment
from azureml.exceptions import UserErrorException

_DEFINITION, _CONDA, _DOCKERFILE = "azureml_environment.json", "conda_dependencies.yml", "BaseDockerfile"
_DOCKER = {"enabled": "enabled", "base_image": "baseImage", "base_dockerfile": "baseDockerfile", "shared_volumes": "sharedVolumes",
           "shm_size": "shmSize", "arguments": "arguments"}  # fmt: skip
_PYTHON = {"user_managed_dependencies": "userManagedDependencies", "interpreter_path": "interpreterPath", "conda_environment": "baseCondaEnvironment"}


def content_of(environment: Environment) -> dict[str, Any]:
    """The environment in Azure ML's keys; what there is nothing of here is null."""
    python, docker = environment.python, environment.docker
    conda, registry = python.conda_dependencies, docker.base_image_registry
    return {
        "name": environment.name,
        "version": environment.version,
        "environmentVariables": dict(environment.environment_variables or {}),
        "python": {**{key: getattr(python, name) for name, key in _PYTHON.items()},
                   "condaDependencies": conda.as_dict() if isinstance(conda, CondaDependencies) else conda, "condaDependenciesFile": None,
                   UNASKED_KEY: conda._unasked_python() if isinstance(conda, CondaDependencies) else None},
        "docker": {**{key: getattr(docker, name) for name, key in _DOCKER.items()}, "arguments": list(docker.arguments or []), "buildContext": None,
                   "baseImageRegistry": {"address": registry.address, "username": registry.username, "password": None}, "platform": {"os": "Linux", "architecture": "amd64"}},
        "spark": None,
        "databricks": None,
        "r": None,
        "inferencingStackVersion": environment.inferencing_stack_version,
        "assetId": environment.asset_id,
    }  # fmt: skip


def save(environment: Environment, path: str | os.PathLike, overwrite: bool) -> None:
    folder = pathlib.Path(path)
    if folder.exists() and not overwrite:
        raise FileExistsError(f"{folder} is there already; use overwrite=True")
    folder.mkdir(parents=True, exist_ok=True)
    content = content_of(environment)
    (folder / _DEFINITION).write_text(json.dumps(content, indent=4) + "\n", encoding="utf-8")
    conda, dockerfile = environment.python.conda_dependencies, environment.docker.base_dockerfile
    for name, text in ((_CONDA, conda.serialize_to_string() if isinstance(conda, CondaDependencies) else None), (_DOCKERFILE, dockerfile)):
        if text:
            (folder / name).write_text(text, encoding="utf-8")
        elif (folder / name).is_file():
            (folder / name).unlink()  # of the environment that was here before


def load(path: str | os.PathLike) -> Environment:
    """The files beside the definition, which people edit, win over its own copy of them."""
    folder = pathlib.Path(path)
    file = folder / _DEFINITION
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or not isinstance(content.get("name"), str):
            raise ValueError("an object with a name is needed")
    except FileNotFoundError as error:
        raise UserErrorException(f"there is no environment in {folder}: {file} is missing") from error
    except (OSError, ValueError) as error:
        raise UserErrorException(f"{file} cannot be read as an environment: {error}") from error
    made = Environment(content["name"])
    made.version = content.get("version")
    made.environment_variables = {str(key): str(value) for key, value in (content.get("environmentVariables") or {}).items()}
    made.inferencing_stack_version = content.get("inferencingStackVersion")
    python, docker = content.get("python") or {}, content.get("docker") or {}
    for to, section, keys in ((made.python, python, _PYTHON), (made.docker, docker, _DOCKER)):
        for name, key in keys.items():
            if section.get(key) is not None or name == "base_image" and key in section:
                setattr(to, name, section[key])
    made.docker.base_image_registry.address = (docker.get("baseImageRegistry") or {}).get("address")
    if (folder / _CONDA).is_file():
        read = CondaDependencies(folder / _CONDA)
        made.python.conda_dependencies = CondaDependencies._kept(read.as_dict(), python)
    elif python.get("condaDependencies") is not None:
        made.python.conda_dependencies = CondaDependencies._kept(python["condaDependencies"], python)
    if (folder / _DOCKERFILE).is_file():
        made.docker.base_dockerfile = (folder / _DOCKERFILE).read_text(encoding="utf-8")
    return made
