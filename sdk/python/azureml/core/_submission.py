"""From a ScriptRunConfig to a run: check, send the source folder, submit."""

from __future__ import annotations

import os
import pathlib
import uuid
from typing import TYPE_CHECKING, Any

from azureml.core import _environment_wire
from azureml.core._not_here import not_here
from azureml.core._service import service_errors
from azureml.core._warnings import warn
from azureml.core.compute import _on_demand
from azureml.core.run import CONTAINER_HINT, GPU_SUBSTITUTION
from azureml.core.runconfig import RunConfiguration
from azureml.core.script_run import ScriptRun
from azureml.core.script_run_config import ScriptRunConfig
from azureml.exceptions import ComputeTargetException, ExperimentExecutionException, ServiceException, SnapshotException, UserErrorException
from roost.client import Client, RoostError, quote
from roost.git import git_properties
from roost.snapshot import MAX_FILES, SnapshotError, read_file, read_folder, send_files

if TYPE_CHECKING:
    from azureml.core._inputs import RunData
    from azureml.core.experiment import Experiment
    from azureml.core.run import Run

_WORKSPACE = "roost.workspace"  # the property from which a run's own workspace has its names


def submit(experiment: Experiment, config: Any, tags: dict | None, more: dict[str, Any], parent: str | None = None) -> Run:
    """``more`` are the keyword arguments of ``submit``, which has none for scripts."""
    config = getattr(config, "_script_run_config", config)  # of an estimator
    if not isinstance(config, ScriptRunConfig):
        raise not_here(f"submitting a {type(config).__name__}", "runs are submitted with a ScriptRunConfig or an estimator")
    if more:
        raise UserErrorException(f"submit does not take {', '.join(sorted(more))} for a ScriptRunConfig")
    from azureml.core._inputs import RunData

    client = experiment.workspace._client
    data = RunData(experiment.workspace, config.run_config)
    body = _definition(config, data, is_local=_environment_wire.is_local(client))
    if config.run_config.target == _on_demand.TARGET:
        asked = config.run_config.amlcompute
        body["compute_target"] = _on_demand.cluster_of_size(experiment.workspace, str(asked.vm_size), asked.vm_priority)
    body["experiment"] = experiment.name
    if tags:
        body["tags"] = {str(key): None if value is None else str(value) for key, value in tags.items()}
    if parent is not None:
        body["parent"] = parent
    if config.run_config._wants_gpu:
        _ask_for_gpu(client, body)
    body.update(data.body())
    body["snapshot"] = send_source(client, config.source_directory)
    body["properties"] = {_WORKSPACE: experiment.workspace._scope(), **git_properties(config.source_directory), **body.get("properties", {})}
    try:
        # With a key of its own the request can be repeated when its answer was lost.
        row = client.call("POST", "/runs", body, headers={"Idempotency-Key": uuid.uuid4().hex})
    except RoostError as error:
        if any(problem.get("field") == "compute_target" for problem in error.details):
            raise ComputeTargetException(f"ComputeTargetNotFound: {error.message}") from error
        if any(str(problem.get("field")).startswith(("environment", "inputs", "outputs", "resources")) for problem in error.details):
            raise UserErrorException(error.message) from error
        raise ServiceException(error.message, error.status) from error
    run = ScriptRun._of(client, row["run_id"])
    run._experiment = experiment
    run.directory = os.fspath(config.source_directory)
    data.submitted(run.id, row["definition"])
    for name in (GPU_SUBSTITUTION, CONTAINER_HINT):
        said = (row.get("properties") or {}).get(name)
        if said and name not in body["properties"]:
            warn(said)  # by the server; what is sent along has been said before
    return run


def send_source(client: Client, source: str | os.PathLike) -> str:
    """A folder, or a single file; gives the snapshot's id."""
    try:
        if os.path.isfile(source):
            return send_files(client, [read_file(source)])
        return send_files(client, read_folder(source, max_files=0 if os.environ.get("AML_SNAPSHOT_NO_FILE_LIMIT") else MAX_FILES))
    except SnapshotError as error:
        raise SnapshotException(str(error)) from error
    except RoostError as error:
        raise ServiceException(error.message, error.status) from error


def _definition(config: ScriptRunConfig, data: RunData, is_local: bool) -> dict[str, Any]:
    run = config.run_config
    _refuse_what_is_not_here(run)
    body: dict[str, Any] = {"compute_target": run.target, **_what_runs(config, data)}
    if run.max_run_duration_seconds is not None:
        body["time_limit_seconds"] = run.max_run_duration_seconds
    environment = _environment_wire.for_run(run.environment, run.docker, is_local, run.target)
    if environment.definition is not None:
        body["environment"] = environment.definition
    if environment.variables:
        body["environment_variables"] = environment.variables
    if run.environment.name != _environment_wire.UNNAMED and "name" not in (environment.definition or {}):
        body["properties"] = {"roost.environment": run.environment.name}
    if run.resources is not None:
        wanted = {"cpus": run.resources.cpu, "gpus": run.resources.gpu}
        if run.resources.memory_in_gb is not None:
            wanted["memory_mb"] = int(run.resources.memory_in_gb * 1024)
        body["resources"] = {key: value for key, value in wanted.items() if value is not None}
    return body


def _ask_for_gpu(client: Client, body: dict[str, Any]) -> None:
    """``use_gpu``: on the server's machine one GPU where it has any; on a cluster a run has its whole node. Where there is none a
    warning and a property say so, or the submit fails, as the server's ``--gpu`` wants it. A cluster whose size has GPUs that the
    machine lacks is judged by the server itself."""
    if body.get("resources", {}).get("gpus"):
        return
    target = body["compute_target"]
    with service_errors():
        server = client.get("/server")
    if target == "local":
        if server["resources"]["gpus"] > 0:
            body.setdefault("resources", {})["gpus"] = 1
            return
        lacks = "the server's machine has none"
    else:
        cluster = _cluster(client, target)
        if cluster is None or cluster["wanted"]["gpus"] > 0:
            return
        lacks = f"the nodes of '{target}' ({cluster['vm_size']}) have none"
    if server["gpu_policy"] == "require":
        raise UserErrorException(f"use_gpu asks for a GPU; {lacks}, and the server was started with --gpu require: choose a target that has one, or leave use_gpu out")
    said = f"use_gpu asks for a GPU; {lacks}, so the run has CPUs only"
    warn(said)
    body.setdefault("properties", {})[GPU_SUBSTITUTION] = said


def _cluster(client: Client, name: str) -> dict[str, Any] | None:
    """None: there is none, which the submit itself says."""
    with service_errors():
        try:
            return client.get(f"/compute/{quote(name)}")
        except RoostError as error:
            if error.status != 404:
                raise
    return None


def _what_runs(config: ScriptRunConfig, data: RunData) -> dict[str, Any]:
    if bool(config.script) == bool(config.command):
        raise ExperimentExecutionException("a ScriptRunConfig needs a script or a command" + (", not both" if config.script else ""))
    if config.command:
        words = [config.command] if isinstance(config.command, str) else config.command
        extra = ["arguments"] * bool(config.arguments) + ["resume_from"] * (config.resume_from is not None)
        if extra:
            raise ExperimentExecutionException(f"{' and '.join(extra)} go with a script; write them into the command itself")
        return {"command": " ".join(data.texts(words, "command"))}
    script = pathlib.PurePath(str(config.script))
    if not pathlib.Path(config.source_directory, script).is_file():
        raise ExperimentExecutionException(f"script path doesn't exist. The script should be inside the source directory: {script} in {config.source_directory}")
    arguments = data.texts(config.arguments, "arguments")
    if config.resume_from is not None:
        arguments += data.resume(config.resume_from)
    return {"script": script.as_posix(), "arguments": arguments}


def _refuse_what_is_not_here(run: RunConfiguration) -> None:
    layout = run._layout()
    if run.node_count != 1 or (layout is not None and run._processes(layout) > 1):
        raise not_here("starting a run as several processes", "the configuration is checked and kept, but a run is one process; on one machine "
                       "use command='torchrun --standalone --nproc_per_node=N script.py ...'")  # fmt: skip
    ignored = ["priority"] * (run.priority is not None)
    # Sections that framework and communicator do not choose; TensorFlow's default are a worker and a parameter server.
    ignored += [name for name, most in (("mpi", 1), ("pytorch", 1), ("tensorflow", 2)) if name != layout and run._processes(name) > most]
    if run.target == _on_demand.TARGET:
        if not run.amlcompute.vm_size:
            raise ExperimentExecutionException("the target 'amlcompute' is a cluster of the size amlcompute.vm_size, which is not set")
    else:
        ignored += ["amlcompute"] * (run.amlcompute.vm_size is not None or run.amlcompute.vm_priority is not None)
    ignored += ["history.output_collection"] * (not run.history.output_collection)
    ignored += ["history.snapshot_project"] * (not run.history.snapshot_project)
    ignored += ["history.directories_to_watch"] * (set(run.history.directories_to_watch) != {"logs"})
    if ignored:
        kept = ": outputs, logs and the snapshot are always kept" if any(name.startswith("history") for name in ignored) else ""
        warn(f"the run configuration's {', '.join(ignored)} {'has' if len(ignored) == 1 else 'have'} no meaning here and {'is' if len(ignored) == 1 else 'are'} ignored{kept}")
