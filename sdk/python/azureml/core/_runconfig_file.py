"""A RunConfiguration as a ``.runconfig`` file: YAML with Azure ML's camelCase keys."""

from __future__ import annotations

import os
import pathlib
import warnings
from typing import TYPE_CHECKING, Any

from azureml.core import _runconfig_data
from azureml.core.conda_dependencies import UNASKED_KEY, CondaDependencies
from azureml.core.resource_configuration import ResourceConfiguration
from azureml.exceptions import UserErrorException
from roost.yaml_subset import YamlError, dump, load

if TYPE_CHECKING:
    from azureml.core.runconfig import RunConfiguration

# attribute -> key, of each section
_TOP = {"script": "script", "arguments": "arguments", "command": "command", "framework": "framework", "communicator": "communicator",
        "target": "target", "node_count": "nodeCount", "priority": "priority",
        "max_run_duration_seconds": "maxRunDurationSeconds"}  # fmt: skip
_ENVIRONMENT = {"name": "name", "version": "version", "environment_variables": "environmentVariables"}
_PYTHON = {"interpreter_path": "interpreterPath", "user_managed_dependencies": "userManagedDependencies", "conda_environment": "baseCondaEnvironment"}
_SECTION = {"enabled": "enabled", "base_image": "baseImage", "base_dockerfile": "baseDockerfile", "shared_volumes": "sharedVolumes", "shm_size": "shmSize",
            "arguments": "arguments"}  # fmt: skip
_DOCKER = {"use_docker": "useDocker", "shared_volumes": "sharedVolumes", "arguments": "arguments", "shm_size": "shmSize"}
_HISTORY = {"output_collection": "outputCollection", "directories_to_watch": "directoriesToWatch", "snapshot_project": "snapshotProject"}
_MPI = {"process_count_per_node": "processCountPerNode", "node_count": "nodeCount"}
_PYTORCH = {"communication_backend": "communicationBackend", "process_count": "processCount", "node_count": "nodeCount"}
_AMLCOMPUTE = {"vm_size": "vmSize", "vm_priority": "vmPriority"}
_REGISTRY = {"address": "address"}  # never a password
_SEPARATE = "environment.yml"
_TENSORFLOW = {"worker_count": "workerCount", "parameter_server_count": "parameterServerCount"}


def place(path: str | os.PathLike | None, name: str, for_writing: bool) -> pathlib.Path:
    """The file that ``save`` writes or ``load`` reads."""
    start = pathlib.Path(path or ".")
    if start.is_file() or (for_writing and start.suffix and not start.is_dir()):
        return start
    if for_writing:
        return (start if start.name == ".azureml" else start / ".azureml") / name
    candidates = [start / folder / file for folder in (".azureml", "aml_config", "") for file in (name, f"{name}.runconfig")]
    for file in candidates:
        if file.is_file():
            return file
    raise UserErrorException(f"there is no run configuration '{name}' in {start / '.azureml'}, {start / 'aml_config'} or {start}")


def write(config: RunConfiguration, file: pathlib.Path, separate_environment: bool) -> None:
    conda = config.environment.python.conda_dependencies
    python = {**_pick(config.environment.python, _PYTHON), "condaDependencies": conda}
    if separate_environment and isinstance(conda, CondaDependencies):
        conda.save(file.parent / _SEPARATE)
        del python["condaDependencies"]
        python["condaDependenciesFile"] = (pathlib.PurePosixPath(file.parent.name) / _SEPARATE).as_posix()  # as seen from the folder above
    elif isinstance(conda, CondaDependencies):
        python.update({"condaDependencies": conda.as_dict(), UNASKED_KEY: conda._unasked_python()})
    environment = {**_pick(config.environment, _ENVIRONMENT), "python": python,
                   "docker": {**_pick(config.environment.docker, _SECTION),
                              "baseImageRegistry": {"address": config.environment.docker.base_image_registry.address}}}  # fmt: skip
    content = {**_pick(config, _TOP), "environment": environment, "history": _pick(config.history, _HISTORY), "docker": _pick(config.docker, _DOCKER)}
    for name, section, keys in (("mpi", config.mpi, _MPI), ("pytorch", config.pytorch, _PYTORCH), ("tensorflow", config.tensorflow, _TENSORFLOW)):
        if section is not None:
            content[name] = _pick(section, keys)
    if config.amlcompute.vm_size is not None or config.amlcompute.vm_priority is not None:
        content["amlcompute"] = _pick(config.amlcompute, _AMLCOMPUTE)
    content.update(_runconfig_data.written(config))
    if config.resources is not None:
        content["resources"] = config.resources.serialize()
    try:
        text = dump(content)
    except TypeError as error:
        raise UserErrorException(f"the run configuration cannot be saved: {error}") from error
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def read(config: RunConfiguration, file: pathlib.Path) -> RunConfiguration:
    """Fills ``config``; keys that have no meaning here are named in one warning."""
    from azureml.core import runconfig

    try:
        content = load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YamlError) as error:
        raise UserErrorException(f"{file} cannot be read as a run configuration: {error}") from error
    if not isinstance(content, dict):
        raise UserErrorException(f"{file} is no run configuration: keys and values are needed")
    reader = _Reader(file)
    environment, layouts = reader.section(content, "environment"), {}
    python, docker = reader.section(environment, "python"), reader.section(environment, "docker")
    _read_conda(config, python, file)
    reader.fill(config.environment.python, python, _PYTHON, "environment.python")
    reader.fill(config.environment.docker.base_image_registry, reader.section(docker, "baseImageRegistry"), _REGISTRY, "environment.docker.baseImageRegistry")
    reader.fill(config.amlcompute, reader.section(content, "amlcompute"), _AMLCOMPUTE, "amlcompute")
    reader.fill(config.environment.docker, docker, _SECTION, "environment.docker")
    reader.fill(config.environment, environment, _ENVIRONMENT, "environment")
    reader.fill(config.history, reader.section(content, "history"), _HISTORY, "history")
    reader.fill(config.docker, reader.section(content, "docker"), _DOCKER, "docker")
    for name in ("mpi", "pytorch", "tensorflow"):
        layouts[name] = reader.section(content, name)
    resources = reader.section(content, "resources")
    _runconfig_data.read(config, content, lambda said: UserErrorException(f"{file}: {said}"), reader.unknown)
    reader.fill(config, content, _TOP, "")
    config.arguments, config.node_count = list(config.arguments or []), config.node_count or 1
    if resources:
        config.resources = ResourceConfiguration.deserialize(resources)
    # Files of Azure ML have every layout's section; framework and communicator say which one counts.
    kinds = {"mpi": (_MPI, runconfig.MpiConfiguration), "pytorch": (_PYTORCH, runconfig.PyTorchConfiguration),
             "tensorflow": (_TENSORFLOW, runconfig.TensorflowConfiguration)}  # fmt: skip
    chosen = config._layout()
    for name, (keys, kind) in kinds.items():
        given = {attribute: layouts[name][key] for attribute, key in keys.items() if layouts[name].get(key) is not None}
        if name == chosen:
            if "node_count" in keys and "node_count" not in given:
                given["node_count"] = config.node_count
            config._distribute(kind(**given))
        elif given:
            setattr(config, name, kind(**given))
    if reader.unknown:
        warnings.warn(f"{file}: {', '.join(reader.unknown)} have no meaning here and are ignored", stacklevel=3)
    return config


def _read_conda(config: RunConfiguration, python: dict, file: pathlib.Path) -> None:
    """The dependencies, or the file that they are in: Azure ML writes its path as seen from the folder above .azureml."""
    content, name = python.pop("condaDependencies", None), python.pop("condaDependenciesFile", None)
    beside = {UNASKED_KEY: python.pop(UNASKED_KEY)} if UNASKED_KEY in python else {}
    if content is not None:
        config.environment.python.conda_dependencies = CondaDependencies._kept(content, beside)
    elif name:
        places = [folder / name for folder in (file.parent.parent, file.parent, pathlib.Path("."))]
        places.insert(1, file.parent / pathlib.PurePosixPath(name).name)  # also where the folder has another name now
        config.environment.python.conda_dependencies = CondaDependencies(next((place for place in places if place.is_file()), places[0]))


class _Reader:
    def __init__(self, file: pathlib.Path):
        self._file = file
        self.unknown: list[str] = []

    def section(self, content: dict, name: str) -> dict:
        section = content.pop(name, None)
        if section is not None and not isinstance(section, dict):
            raise UserErrorException(f"{self._file}: {name} must have keys and values")
        return section or {}

    def fill(self, to: Any, section: dict, keys: dict[str, str], name: str) -> None:
        attributes = {key: attribute for attribute, key in keys.items()}
        for key, value in section.items():
            attribute = attributes.get(key)
            if attribute is None:
                if value not in (None, "", [], {}, False):
                    self.unknown.append(f"{name}.{key}".lstrip("."))
            elif value is not None:
                expected = getattr(to, attribute)
                if isinstance(expected, (bool, list, dict)) and not isinstance(value, type(expected)):
                    raise UserErrorException(f"{self._file}: {name}.{key} must be a {type(expected).__name__}, not {value!r}".replace(": .", ": "))
                setattr(to, attribute, value if value != "" else None)


def _pick(source: Any, keys: dict[str, str]) -> dict[str, Any]:
    return {key: getattr(source, attribute) for attribute, key in keys.items()}
