"""Estimators: a ScriptRunConfig and its environment, described by one call."""

from __future__ import annotations

import os
import pathlib
from typing import Any, List

from azureml.core._environment_wire import UNNAMED
from azureml.core._warnings import warn, warn_once
from azureml.core.compute import _on_demand
from azureml.core.conda_dependencies import CondaDependencies
from azureml.core.environment import Environment, _read_conda, _read_requirements
from azureml.core.runconfig import MpiConfiguration, PyTorchConfiguration, RunConfiguration
from azureml.core.script_run_config import ScriptRunConfig, get_run_config_from_script_run
from azureml.exceptions import TrainingException

_BACKENDS = ("mpi", "gloo", "nccl")
# Arguments that had another name once.
_RENAMED = (("custom_docker_image", "custom_docker_base_image"), ("conda_dependencies_file", "conda_dependencies_file_path"),
            ("pip_requirements_file", "pip_requirements_file_path"))  # fmt: skip


class MMLBaseEstimator:
    """What ``Experiment.submit`` takes beside a ScriptRunConfig."""

    def __init__(self, source_directory: str, *, compute_target: Any, estimator_config: RunConfiguration | None = None):
        self._script_run_config = ScriptRunConfig(source_directory, run_config=estimator_config) if estimator_config is not None else \
            ScriptRunConfig(source_directory, compute_target=compute_target)  # fmt: skip

    @property
    def source_directory(self) -> str:
        return str(self._script_run_config.source_directory)

    @property
    def run_config(self) -> RunConfiguration:
        """The run configuration that is submitted, with script and arguments."""
        return get_run_config_from_script_run(self._script_run_config)

    @property
    def conda_dependencies(self) -> CondaDependencies | None:
        return self._script_run_config.run_config.environment.python.conda_dependencies

    def _configure(self, given: dict[str, Any], base: CondaDependencies) -> None:
        """``given`` are the arguments of an estimator; ``base`` is what its framework needs."""
        for new, old in _RENAMED:
            _merge(given, new, old)
        warn_once("estimators are deprecated: ScriptRunConfig with an Environment replaces them and says more")
        source = given["source_directory"] if given["source_directory"] is not None else "."
        _check_target(given)
        if not given["entry_script"]:
            raise TrainingException("entry_script is needed: the script to run, below source_directory")
        environment = given["environment_definition"]
        if environment is None:
            environment = _environment(given, base, source)
        elif not isinstance(environment, Environment):
            raise TrainingException(f"environment_definition must be an Environment, not {type(environment).__name__}")
        else:
            _not_used(given)
        if given["source_directory_data_store"] is not None:
            warn("source_directory_data_store has no meaning here and is ignored: the server keeps the source folder itself")
        self._script_run_config = ScriptRunConfig(
            source, script=given["entry_script"], arguments=_arguments(given["script_params"]), compute_target=given["compute_target"],
            environment=environment, distributed_job_config=_distributed(given), resume_from=given["resume_from"],
            max_run_duration_seconds=given["max_run_duration_seconds"])  # fmt: skip
        config = self._script_run_config.run_config
        if given["vm_size"] is not None:
            config.target, config.amlcompute.vm_size, config.amlcompute.vm_priority = _on_demand.TARGET, given["vm_size"], given["vm_priority"]
        config._wants_gpu = bool(given["use_gpu"])
        _take_inputs(config, given["inputs"])


def _merge(given: dict[str, Any], new: str, old: str) -> None:
    """``old`` is the name that ``new`` had once."""
    value = given.pop(old)
    if value is not None:
        if given[new] is not None:
            raise TrainingException(f"{old} is the old name of {new}; give one of them")
        given[new] = value


def _check_target(given: dict[str, Any]) -> None:
    if given["compute_target"] is None and given["vm_size"] is None:
        raise TrainingException("Either compute_target or vm_size must be given; compute_target='local' is the server's own machine")
    if given["compute_target"] is not None and given["vm_size"] is not None:
        raise TrainingException("give compute_target or vm_size, not both: a cluster has the size that it was made with")
    if given["vm_priority"] is not None and given["vm_size"] is None:
        raise TrainingException("vm_priority goes with vm_size; a cluster has the priority that it was made with")


def _environment(given: dict[str, Any], base: CondaDependencies, source: Any) -> Environment:
    environment = Environment(UNNAMED)
    environment.environment_variables = dict(given["environment_variables"] or {})
    # Packages need no container; what an image has does.
    environment.docker.enabled = bool(given["use_docker"] and (given["custom_docker_image"] or given["user_managed"]))
    if given["custom_docker_image"]:
        environment.docker.base_image = given["custom_docker_image"]
    if given["image_registry_details"] is not None:
        environment.docker.base_image_registry = given["image_registry_details"]
    if given["shm_size"]:
        environment.docker.shm_size = given["shm_size"]
    environment.python.user_managed_dependencies = bool(given["user_managed"])
    packages = ("conda_packages", "pip_packages", "conda_dependencies_file", "pip_requirements_file")
    if given["user_managed"]:
        unused = [each for each in packages if given[each]]
        if unused:
            raise TrainingException(f"user_managed=True installs nothing, so {', '.join(unused)} cannot be served")
        return environment
    if given["conda_dependencies_file"]:
        base = _read_conda(_beside(source, given["conda_dependencies_file"]))
    if given["pip_requirements_file"]:
        for line in _read_requirements(_beside(source, given["pip_requirements_file"]))._pip:
            (base.set_pip_option if line.startswith("-") else base.add_pip_package)(line)
    for package in given["conda_packages"] or []:
        base.add_conda_package(package)
    for package in given["pip_packages"] or []:
        base.add_pip_package(package)
    environment.python.conda_dependencies = base
    return environment


def _beside(source: Any, name: str) -> str:
    """A file below the source folder, else one of the current folder."""
    below = pathlib.Path(source, name)
    return str(below if below.is_file() or not os.path.isfile(name) else name)


def _not_used(given: dict[str, Any]) -> None:
    names = ["conda_packages", "pip_packages", "conda_dependencies_file", "pip_requirements_file", "environment_variables", "custom_docker_image",
             "image_registry_details", "shm_size", "framework_version"]  # fmt: skip
    unused = [name for name in names if given.get(name)] + ["user_managed"] * bool(given["user_managed"])
    if unused:
        warn(f"environment_definition is given, so {', '.join(unused)} is not used")


def _arguments(parameters: dict | None) -> List[Any]:
    """A value that is the empty text stands for a flag without one."""
    if parameters is not None and not isinstance(parameters, dict):
        raise TrainingException(f"script_params must be a dictionary of flags and values, not {type(parameters).__name__}")
    made: List[Any] = []
    for flag, value in (parameters or {}).items():
        made += [flag] if isinstance(value, str) and value == "" else [flag, value]
    return made


def _distributed(given: dict[str, Any]) -> MpiConfiguration | PyTorchConfiguration | None:
    from azureml.train.dnn import Gloo, Nccl

    nodes, processes, job, backend = given["node_count"], given["process_count_per_node"], given["distributed_training"], given["distributed_backend"]
    if backend is not None:
        if job is not None:
            raise TrainingException("distributed_backend is the old form of distributed_training; give one of them")
        if str(backend).lower() not in _BACKENDS:
            raise TrainingException(f"distributed_backend must be {', '.join(_BACKENDS)}, not '{backend}'")
        job = {"mpi": MpiConfiguration, "gloo": Gloo, "nccl": Nccl}[str(backend).lower()]()
    if isinstance(job, MpiConfiguration):
        return MpiConfiguration(max(processes, job.process_count_per_node), max(nodes, job.node_count))
    if isinstance(job, (Gloo, Nccl)):
        if processes != 1:
            raise TrainingException(f"{type(job).__name__} starts one process on each node; process_count_per_node goes with Mpi")
        return PyTorchConfiguration(type(job).__name__, nodes, nodes)
    if job is not None:
        raise TrainingException(f"distributed_training must be Mpi(), MpiConfiguration(), Gloo() or Nccl(), not {type(job).__name__}")
    if nodes != 1 or processes != 1:
        raise TrainingException("several nodes or processes need distributed_training: Mpi(), Gloo() or Nccl()")
    return None


def _take_inputs(config: RunConfiguration, inputs: List[Any] | None) -> None:
    for item in inputs or []:
        reference = getattr(item, "data_reference_name", None)
        name = reference or getattr(item, "name", None)
        if not isinstance(name, str):
            raise TrainingException(f"an item of inputs must be a named dataset or a data reference, not {type(item).__name__}")
        (config.data_references if reference else config.data)[name] = item
