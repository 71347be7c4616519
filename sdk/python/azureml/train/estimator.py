"""``azureml.train.estimator.Estimator``: any script, with the packages that it names."""

from __future__ import annotations

from typing import Any

from azureml.core.conda_dependencies import CondaDependencies
from azureml.train._estimator import MMLBaseEstimator

__all__ = ["Estimator", "MMLBaseEstimator"]


class Estimator(MMLBaseEstimator):
    """A script with its packages, as ScriptRunConfig and Environment describe them too; deprecated, with one warning."""

    def __init__(self, source_directory: str, *, compute_target: Any = None, vm_size: str | None = None, vm_priority: str | None = None,
                 entry_script: str | None = None, script_params: dict | None = None, node_count: int = 1, process_count_per_node: int = 1,
                 distributed_backend: str | None = None, distributed_training: Any = None, use_gpu: bool = False, use_docker: bool = True,
                 custom_docker_base_image: str | None = None, custom_docker_image: str | None = None, image_registry_details: Any = None,
                 user_managed: bool = False, conda_packages: list | None = None, pip_packages: list | None = None,
                 conda_dependencies_file_path: str | None = None, pip_requirements_file_path: str | None = None,
                 conda_dependencies_file: str | None = None, pip_requirements_file: str | None = None,
                 environment_variables: dict | None = None, environment_definition: Any = None, inputs: list | None = None,
                 source_directory_data_store: Any = None, shm_size: str | None = None, resume_from: Any = None,
                 max_run_duration_seconds: int | None = None, _disable_validation: bool = True, _show_lint_warnings: bool = False,
                 _show_package_warnings: bool = False):  # fmt: skip
        given = {name: value for name, value in locals().items() if not name.startswith("_") and name != "self"}
        self._configure(given, CondaDependencies.create())
