"""``azureml.core.ScriptRunConfig``: a source folder, what of it runs, and how."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Any

from azureml.core.environment import Environment
from azureml.core.runconfig import DEFAULT_SECONDS, DockerConfiguration, RunConfiguration
from azureml.exceptions import RunConfigurationException, UserErrorException

if TYPE_CHECKING:
    from azureml.data.datapath import DataPath


class ScriptRunConfig:
    """What ``Experiment.submit`` takes. ``script`` (with ``arguments``) or ``command`` runs in a copy of ``source_directory``; that
    they are there and fit together is checked at submit. ``resume_from``, a DataPath, comes to the script as ``--resume-from`` and the
    path where it is mounted.

    With ``run_config`` the arguments behind it are not used, except ``command``; a warning names those that were given.
    """

    def __init__(self, source_directory: str | os.PathLike, script: str | None = None, arguments: list | None = None,
                 run_config: RunConfiguration | None = None, _telemetry_values: Any = None, compute_target: Any = None,
                 environment: Environment | None = None, distributed_job_config: Any = None, resume_from: Any = None,
                 max_run_duration_seconds: int | None = DEFAULT_SECONDS, command: str | list | None = None,
                 docker_runtime_config: DockerConfiguration | None = None):  # fmt: skip
        self.source_directory = source_directory if source_directory is not None else "."
        self.resume_from = _checked_resume(resume_from)
        if isinstance(arguments, str):
            raise UserErrorException("arguments must be a list, one item for each word")
        if run_config is not None:
            if not isinstance(run_config, RunConfiguration):
                raise RunConfigurationException(f"run_config must be a RunConfiguration, not {type(run_config).__name__}")
            given = {"compute_target": compute_target, "environment": environment, "distributed_job_config": distributed_job_config,
                     "docker_runtime_config": docker_runtime_config,
                     "max_run_duration_seconds": None if max_run_duration_seconds == DEFAULT_SECONDS else max_run_duration_seconds}  # fmt: skip
            ignored = [name for name, value in given.items() if value is not None]
            if ignored:
                warnings.warn(f"ScriptRunConfig: run_config is given, so {', '.join(ignored)} is not used", stacklevel=2)
            self.run_config = run_config
        else:
            self.run_config = _configured(compute_target, environment, distributed_job_config, max_run_duration_seconds, docker_runtime_config)
        self.script = script if script is not None else self.run_config.script
        self.command = command if command is not None else self.run_config.command
        self.arguments = list(arguments) if arguments is not None else list(self.run_config.arguments)


def _checked_resume(path: Any) -> DataPath | None:
    if path is None:
        return None
    from azureml.data.datapath import DataPath

    if not isinstance(path, DataPath) or path.datastore_name is None:
        raise UserErrorException(f"resume_from must be a DataPath with its datastore, not {path!r}")
    return path


def get_run_config_from_script_run(script_run_config: ScriptRunConfig) -> RunConfiguration:
    """The run configuration, completed with the script, its arguments and the command."""
    config = script_run_config.run_config
    config.script, config.command, config.arguments = script_run_config.script, script_run_config.command, script_run_config.arguments
    return config


def _configured(compute_target: Any, environment: Environment | None, distributed: Any, seconds: int | None, docker: Any) -> RunConfiguration:
    config = RunConfiguration()
    if compute_target is not None:
        config.target = compute_target
    if environment is not None:
        if not isinstance(environment, Environment):
            raise RunConfigurationException(f"environment must be an Environment, not {type(environment).__name__}")
        config.environment = environment
    if distributed is not None:
        config._distribute(distributed)
    if docker is not None:
        if not isinstance(docker, DockerConfiguration):
            raise RunConfigurationException(f"docker_runtime_config must be a DockerConfiguration, not {type(docker).__name__}")
        config.docker = docker
    config.max_run_duration_seconds = seconds
    return config
