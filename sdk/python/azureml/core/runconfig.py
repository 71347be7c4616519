"""``azureml.core.runconfig``: how a script is run, apart from which."""

from __future__ import annotations

import os
import pathlib
from typing import Any

from azureml.core import _not_here
from azureml.core import _runconfig_file
from azureml.core._runconfig_data import (  # noqa: F401
    Data, DataLocation, DataPath, DataReferenceConfiguration, Dataset, GlobsOptions, OutputData, OutputOptions, RegistrationOptions, UploadOptions,
)  # fmt: skip
from azureml.core._settings import Settings
from azureml.core.compute_target import AbstractComputeTarget
from azureml.core.environment import DEFAULT_CPU_IMAGE, DEFAULT_GPU_IMAGE, Environment
from azureml.core.resource_configuration import ResourceConfiguration
from azureml.exceptions import RunConfigurationException, UserErrorException

__all__ = ["AmlComputeConfiguration", "DEFAULT_CPU_IMAGE", "DEFAULT_GPU_IMAGE", "Data", "DataLocation", "DataPath", "DataReferenceConfiguration", "Dataset", "DockerConfiguration",
           "Environment", "GlobsOptions", "HistoryConfiguration", "MpiConfiguration", "OutputData", "OutputOptions", "PyTorchConfiguration",
           "RegistrationOptions", "RunConfiguration", "TensorflowConfiguration", "UploadOptions"]  # fmt: skip
DEFAULT_SECONDS = 2_592_000  # 30 days


def _count(name: str, value: Any, least: int = 1) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise RunConfigurationException(f"'{name}' must be a whole number from {least}, not {value!r}")
    return value


class MpiConfiguration:
    """``process_count_per_node`` processes on each of ``node_count`` nodes, started by mpirun."""

    def __init__(self, process_count_per_node: int = 1, node_count: int = 1):
        self.process_count_per_node = _count("process_count_per_node", process_count_per_node)
        self.node_count = _count("node_count", node_count)


class PyTorchConfiguration:
    """``process_count`` processes in total over ``node_count`` nodes; None: one on each node."""

    def __init__(self, communication_backend: str = "Nccl", process_count: int | None = None, node_count: int = 1):
        if str(communication_backend).lower() not in ("nccl", "gloo"):
            raise RunConfigurationException(
                f"{communication_backend} is not a supported backend. 'communication_backend' must be 'Nccl' or 'Gloo'."
            )
        self.communication_backend = communication_backend
        self.node_count = _count("node_count", node_count)
        self.process_count = node_count if process_count is None else _count("process_count", process_count)
        if self.process_count % self.node_count:
            raise RunConfigurationException(f"'process_count' {self.process_count} cannot be divided among {self.node_count} nodes")


class TensorflowConfiguration:
    def __init__(self, worker_count: int = 1, parameter_server_count: int = 1):
        self.worker_count = _count("worker_count", worker_count)
        self.parameter_server_count = _count("parameter_server_count", parameter_server_count, 0)


class DockerConfiguration(Settings):
    """Whether a run has a container, and its settings. With packages of the environment's own it is a hint, for servers that have
    a container runtime."""

    def __init__(self, use_docker: bool = False, shared_volumes: bool = True, arguments: list[str] | None = [], shm_size: str = "2g"):  # noqa: B006
        self.use_docker, self.shared_volumes, self.arguments, self.shm_size = use_docker, shared_volumes, list(arguments or []), shm_size
        self._complete = True


class AmlComputeConfiguration(Settings):
    """With the target 'amlcompute': the size of the nodes that the run needs. Runs of one size share a cluster, which is made when the first
    of them is submitted. With another target it is named in a warning at submit."""

    def __init__(self) -> None:
        self.vm_size: str | None = None
        self.vm_priority: str | None = None
        self._name: str | None = None
        self._retain_cluster = False
        self._cluster_max_node_count: int | None = None
        self._complete = True


class HistoryConfiguration(Settings):
    """What of a run is kept: always ``outputs`` and ``logs``, and the snapshot. Other wishes are named in a warning at submit."""

    def __init__(self) -> None:
        self.output_collection = True
        self.directories_to_watch = ["logs"]
        self.snapshot_project = True
        self._complete = True


class RunConfiguration(Settings, _not_here.KnownMissing):
    """Target, environment, limits and layout of a run.

    ``resources`` is Roost's own: a ``ResourceConfiguration`` with the processors, memory and GPUs that the run takes; None is
    one processor.
    """

    _missing = _not_here.RUN_CONFIGURATION
    _wants_gpu = False  # an estimator's use_gpu

    def __init__(self, script: str | None = None, arguments: list | None = None, framework: str | None = None, communicator: str | None = None,
                 conda_dependencies: Any = None, _history_enabled: bool | None = None, _path: str | None = None, _name: str | None = None,
                 command: str | list | None = None):  # fmt: skip
        self.script, self.command = script, command
        self.arguments = list(arguments or [])
        self.framework, self.communicator = framework or "Python", communicator or "None"
        self.target = "local"
        self.environment = Environment("default-environment")
        if conda_dependencies is not None:
            self.environment.python.conda_dependencies = conda_dependencies
        self.node_count = 1
        self.priority: int | None = None
        self.max_run_duration_seconds: int | None = None
        self.history = HistoryConfiguration()
        self.docker = DockerConfiguration()
        # The framework and communicator say which of the three counts, if any.
        self.mpi: MpiConfiguration | None = MpiConfiguration()
        self.pytorch: PyTorchConfiguration | None = PyTorchConfiguration()
        self.tensorflow: TensorflowConfiguration | None = TensorflowConfiguration()
        self.amlcompute = AmlComputeConfiguration()
        self.resources: ResourceConfiguration | None = None
        self.data: dict = {}
        self.output_data: dict = {}
        self.data_references: dict = {}
        self._complete = True

    @property
    def target(self) -> str:
        return self._target

    @target.setter
    def target(self, value: str | AbstractComputeTarget) -> None:
        """A name, or an object that has one."""
        name = value if isinstance(value, str) else getattr(value, "name", None)
        if not isinstance(name, str) or not name:
            raise UserErrorException(f"the target must be a name or a compute target, not {value!r}")
        self._target = name

    @property
    def environment_variables(self) -> dict[str, str]:
        return self.environment.environment_variables

    @environment_variables.setter
    def environment_variables(self, value: dict[str, str]) -> None:
        self.environment.environment_variables = value

    def _layout(self) -> str | None:
        """The name of the distributed configuration that counts."""
        communicator = str(self.communicator)
        if communicator in ("IntelMpi", "OpenMpi"):
            return "mpi"
        if self.framework == "PyTorch" and communicator.lower() in ("nccl", "gloo"):
            return "pytorch"
        return "tensorflow" if communicator == "ParameterServer" else None

    def _processes(self, layout: str) -> int:
        """How many processes a distributed configuration asks for."""
        job = getattr(self, layout)
        if isinstance(job, MpiConfiguration):
            return job.process_count_per_node * job.node_count
        if isinstance(job, PyTorchConfiguration):
            return max(job.process_count or 1, job.node_count)
        return job.worker_count + job.parameter_server_count if isinstance(job, TensorflowConfiguration) else 1

    def _distribute(self, job: Any) -> None:
        """Takes over a distributed configuration."""
        if isinstance(job, MpiConfiguration):
            self.framework, self.communicator, self.node_count, self.mpi = "Python", "IntelMpi", job.node_count, job
        elif isinstance(job, PyTorchConfiguration):
            self.framework, self.communicator = "PyTorch", job.communication_backend.lower()
            self.node_count, self.pytorch = job.node_count, job
        elif isinstance(job, TensorflowConfiguration):
            self.framework, self.communicator = "TensorFlow", "ParameterServer"
            self.node_count, self.tensorflow = job.worker_count, job
        else:
            raise RunConfigurationException(
                f"distributed_job_config must be an MpiConfiguration, PyTorchConfiguration or TensorflowConfiguration, not {type(job).__name__}"
            )

    def save(self, path: str | os.PathLike | None = None, name: str | None = None, separate_environment_yaml: bool = False) -> str:
        """Writes the configuration as YAML to ``path``/.azureml/``name`` (default: the current folder, ``default.runconfig``), or to
        ``path`` itself where that is a file; gives the file's path. With ``separate_environment_yaml`` the conda dependencies are a file
        of their own beside it, ``environment.yml``."""
        file = _runconfig_file.place(path, name or "default.runconfig", for_writing=True)
        _runconfig_file.write(self, file, separate_environment_yaml)
        return str(file)

    @staticmethod
    def load(path: str | os.PathLike, name: str | None = None) -> RunConfiguration:
        """Reads what ``save`` has written: the file ``path``, or the one with this name (with or without ``.runconfig``) in
        ``path``/.azureml, ``path``/aml_config or ``path``."""
        return _runconfig_file.read(RunConfiguration(), _runconfig_file.place(path, name or "default.runconfig", for_writing=False))

    @staticmethod
    def delete(path: str | os.PathLike, name: str) -> None:
        pathlib.Path(_runconfig_file.place(path, name, for_writing=False)).unlink()

    def __repr__(self) -> str:
        return f"RunConfiguration(Target: {self.target},\nEnvironment: {self.environment.name})"


def __getattr__(name: str) -> Any:
    raise _not_here.no_such_name(__name__, name, _not_here.RUNCONFIG)
