"""``azureml.train.dnn``: the PyTorch estimator, and what its ``distributed_training`` may be."""

from __future__ import annotations

import logging
import re
from typing import Any, List

from azureml.core._not_here import no_such_name
from azureml.core._warnings import warn
from azureml.core.conda_dependencies import CondaDependencies
from azureml.core.runconfig import MpiConfiguration
from azureml.exceptions import TrainingException
from azureml.train._estimator import MMLBaseEstimator

__all__ = ["Gloo", "Mpi", "Nccl", "PyTorch"]

_log = logging.getLogger("azureml.train.dnn")
_DEFAULT = "1.4"
# framework_version -> torch and the torchvision that belongs to it.
_VERSIONS = {"1.0": ("1.0.1", "0.2.2"), "1.1": ("1.1.0", "0.3.0"), "1.2": ("1.2.0", "0.4.0"), "1.3": ("1.3.1", "0.4.2"), "1.4": ("1.4.0", "0.5.0"),
             "1.5": ("1.5.0", "0.6.0"), "1.6": ("1.6.0", "0.7.0")}  # fmt: skip
_PYTHON = "3.6.2"  # of all of these
_HOROVOD = "0.19.5"
_ABSENT = {name: "PyTorch and the general azureml.train.estimator.Estimator are; or use ScriptRunConfig with an Environment that has the framework"
           for name in ("TensorFlow", "Chainer", "ParameterServer")}  # fmt: skip


class Mpi(MpiConfiguration):
    """Processes started by mpirun, as Horovod needs them."""

    def __init__(self, process_count_per_node: int = 1):
        super().__init__(process_count_per_node)

    def validate(self, estimator_name: str) -> None:
        """Every estimator can be started by mpirun."""


class Gloo:
    """torch.distributed over Gloo, one process on each node."""

    def __init__(self) -> None:
        pass

    def validate(self, estimator_name: str) -> None:
        _only_pytorch(self, estimator_name)


class Nccl:
    """torch.distributed over NCCL, one process on each node."""

    def __init__(self) -> None:
        pass

    def validate(self, estimator_name: str) -> None:
        _only_pytorch(self, estimator_name)


class PyTorch(MMLBaseEstimator):
    """A PyTorch script; deprecated, with one warning: ScriptRunConfig with an Environment does the same.

    ``framework_version`` pins torch and the torchvision that belongs to it, and the Python of their time. One that Azure ML's
    estimator did not know is taken as torch's version all the same. Horovod is there with ``distributed_training=Mpi()`` alone.
    """

    def __init__(self, source_directory: str, *, compute_target: Any = None, vm_size: str | None = None, vm_priority: str | None = None,
                 entry_script: str | None = None, script_params: dict | None = None, node_count: int = 1, process_count_per_node: int = 1,
                 distributed_backend: str | None = None, distributed_training: Any = None, use_gpu: bool = False, use_docker: bool = True,
                 custom_docker_base_image: str | None = None, custom_docker_image: str | None = None, image_registry_details: Any = None,
                 user_managed: bool = False, conda_packages: list | None = None, pip_packages: list | None = None,
                 conda_dependencies_file_path: str | None = None, pip_requirements_file_path: str | None = None,
                 conda_dependencies_file: str | None = None, pip_requirements_file: str | None = None,
                 environment_variables: dict | None = None, environment_definition: Any = None, inputs: list | None = None,
                 source_directory_data_store: Any = None, shm_size: str | None = None, resume_from: Any = None,
                 max_run_duration_seconds: int | None = None, framework_version: str | None = None, _enable_optimized_mode: bool = False,
                 _disable_validation: bool = True, _show_lint_warnings: bool = False, _show_package_warnings: bool = False):  # fmt: skip
        given = {name: value for name, value in locals().items() if not name.startswith("_") and name != "self"}
        self._framework_version = str(framework_version or _DEFAULT)
        if framework_version is None and environment_definition is None:
            _log.warning("framework_version is not specified, defaulting to version %s.", _DEFAULT)
        uses_mpi = isinstance(distributed_training, MpiConfiguration) or str(distributed_backend).lower() == "mpi"
        self._configure(given, _dependencies(self._framework_version, uses_mpi))

    @property
    def framework_version(self) -> str:
        return self._framework_version

    @classmethod
    def get_supported_versions(cls) -> List[str]:
        """Those whose torchvision and Python are known; others are taken as torch's version."""
        return list(_VERSIONS)


def _dependencies(version: str, with_horovod: bool) -> CondaDependencies:
    made = CondaDependencies.create()
    if version in _VERSIONS:
        torch, vision = _VERSIONS[version]
        made.set_python_version(_PYTHON)
        made.add_pip_package(f"torch=={torch}")
        made.add_pip_package(f"torchvision=={vision}")
    elif re.fullmatch(r"\d+(\.\d+){1,2}", version):
        warn(f"framework_version {version} is not one that Azure ML's PyTorch estimator had ({', '.join(_VERSIONS)}); it is taken as a pin of torch")
        made.add_pip_package(f"torch=={version}" + (".*" if version.count(".") == 1 else ""))
        made.add_pip_package("torchvision")
    else:
        raise TrainingException(f"{version} is not currently supported by the PyTorch estimator: a version of torch like {_DEFAULT} is needed")
    made.add_pip_package("future")
    made.add_pip_package("tensorboard")
    if with_horovod:
        made.add_pip_package(f"horovod=={_HOROVOD}" if version in _VERSIONS else "horovod")
    return made


def _only_pytorch(job: Any, estimator_name: str) -> None:
    if estimator_name != "PyTorch":
        raise TrainingException(f"{type(job).__name__} goes with the PyTorch estimator, not with {estimator_name}")


def __getattr__(name: str) -> Any:
    raise no_such_name(__name__, name, _ABSENT)
