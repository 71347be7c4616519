"""``azureml.core.Run``: the run that a script belongs to, one that was submitted, or one that is known by its id."""

from __future__ import annotations

import traceback
import uuid
from typing import TYPE_CHECKING, Any, Iterator, List, Type, TypeVar

from azureml.core import _not_here
from azureml.core._config import warn_without_meaning
from azureml.core._offline_run import _OfflineRun
from azureml.core._run_files import RunFiles
from azureml.core._run_metrics import RunMetrics
from azureml.core._service import matches, service_errors, texts
from azureml.exceptions import ModelPathNotFoundException, RunEnvironmentException, ServiceException, SnapshotException, UserErrorException
from roost.client import Client, RoostError, quote
from roost.context import current_context

if TYPE_CHECKING:
    from azureml.core.environment import Environment
    from azureml.core.experiment import Experiment
    from azureml.core.model import Model
    from azureml.core.script_run_config import ScriptRunConfig
    from azureml.core.workspace import Workspace
    from roost.reporter import Reporter

_SomeRun = TypeVar("_SomeRun", bound="Run")
GPU_SUBSTITUTION = "roost.gpu_substitution"  # the property of a run that has no GPU where one was promised
CONTAINER_HINT = "roost.container_hint"  # that of a run whose environment names a container, and that goes into none
_NO_CONTEXT = (
    "Failed to load a submitted run, if outside of an execution context, use experiment.start_logging to "
    "initialize an azureml.core.Run."
)


class RunStatus:
    """The names of a run's states, in the order in which a run goes through them."""

    NOT_STARTED = "NotStarted"
    STARTING = "Starting"
    PROVISIONING = "Provisioning"
    PREPARING = "Preparing"
    QUEUED = "Queued"
    RUNNING = "Running"
    FINALIZING = "Finalizing"
    CANCEL_REQUESTED = "CancelRequested"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELED = "Canceled"
    NOT_RESPONDING = "NotResponding"
    UNAPPROVED = "Unapproved"
    PAUSING = "Pausing"
    PAUSED = "Paused"

    @classmethod
    def list(cls) -> List[str]:
        return [value for name, value in vars(cls).items() if name.isupper()]

    @classmethod
    def get_running_statuses(cls) -> List[str]:
        return [cls.NOT_STARTED, cls.QUEUED, cls.PREPARING, cls.PROVISIONING, cls.STARTING, cls.RUNNING, cls.UNAPPROVED, cls.NOT_RESPONDING,
                cls.PAUSING, cls.PAUSED]  # fmt: skip

    @classmethod
    def get_post_processing_statuses(cls) -> List[str]:
        return [cls.CANCEL_REQUESTED, cls.FINALIZING]


class Run(RunMetrics, RunFiles, _not_here.KnownMissing):
    """One run on the server.

    Inside a submitted script ``Run.get_context()`` gives it; ``Experiment.submit`` and ``Run(experiment, run_id)`` give one
    seen from outside. All ``log`` methods return at once: values are queued, sent in the background, and flushed when the
    process ends. Steps count from 0 where none is given. Errors of the server are raised as ``ServiceException`` by every
    method but those.
    """

    _missing = _not_here.RUN
    _current: Run | None = None
    _report_file: str | None = None
    _managed = False  # True inside a submitted script: the engine alone moves its state

    def __init__(self, experiment: Experiment, run_id: str, outputs: str | None = None, **kwargs: Any):
        if kwargs:
            raise UserErrorException(f"{type(self).__name__}(...) does not take {', '.join(sorted(kwargs))} here")
        self._open(experiment.workspace._client, run_id)
        self._experiment: Experiment | None = experiment
        row = self._row()
        if row["experiment"] != experiment.name:
            raise UserErrorException(f"run {run_id} belongs to experiment '{row['experiment']}', not to '{experiment.name}'")
        self._collect(outputs)

    def _open(self, client: Client, run_id: str) -> None:
        self._client, self._id, self._experiment = client, run_id, None
        self._path = f"/runs/{quote(run_id)}"
        self._sender: Reporter | None = None

    @classmethod
    def _of(cls: Type[_SomeRun], client: Client, run_id: str) -> _SomeRun:
        """The run without a look at the server."""
        run = cls.__new__(cls)
        run._open(client, run_id)
        return run

    @property
    def _reporter(self) -> Reporter:
        if self._sender is None:
            from roost.reporter import Reporter

            self._sender = Reporter(self._client, self._id, self._report_file)
        return self._sender

    @classmethod
    def get_context(cls, allow_offline: bool = True, used_for_context_manager: bool = False, **kwargs: Any) -> Run | _OfflineRun:
        """The submitted run of this process; outside of one an offline run that prints, or RunEnvironmentException."""
        context = current_context()
        if context is None:
            if allow_offline:
                return _OfflineRun()
            raise RunEnvironmentException(_NO_CONTEXT)
        if Run._current is None or Run._current.id != context.run_id:
            run = Run._of(Client(context.url, context.token), context.run_id)
            run._report_file, run._managed = context.report_file, True
            Run._current = run
        return Run._current

    @classmethod
    def get_submitted_run(cls, **kwargs: Any) -> Run | _OfflineRun:
        return cls.get_context(**kwargs)

    @staticmethod
    def get(workspace: Workspace, run_id: str) -> Run:
        """The run with this id, whatever its experiment."""
        run = Run._of(workspace._client, run_id)
        run._row()
        return run

    @staticmethod
    def list(experiment: Experiment, type: str | None = None, tags: Any = None, properties: Any = None, status: str | None = None,
             include_children: bool = False, _rehydrate_runs: bool = True) -> Iterator[Run]:  # fmt: skip
        """The experiment's runs, newest first; ``tags`` and ``properties`` are a dictionary or a single key."""
        return _runs(experiment, type, tags, properties, status, include_children)

    # -- who it is --------------------------------------------------------------------------------------------------

    @property
    def id(self) -> str:
        return self._id

    @property
    def name(self) -> str:
        return self._row()["display_name"]

    @property
    def display_name(self) -> str:
        return self._row()["display_name"]

    @display_name.setter
    def display_name(self, value: str) -> None:
        self._call("PATCH", "", {"display_name": value})

    @property
    def description(self) -> str:
        return self._row()["description"]

    @description.setter
    def description(self, value: str) -> None:
        self._call("PATCH", "", {"description": value})

    @property
    def number(self) -> int:
        return self._row()["number"]

    @property
    def type(self) -> str:
        return _type_of(self._row())

    @property
    def experiment(self) -> Experiment:
        if self._experiment is None:
            from azureml.core.experiment import Experiment
            from azureml.core.workspace import Workspace

            self._experiment = Experiment._known(Workspace._from_client(self._client), self._row()["experiment"])
        return self._experiment

    @property
    def status(self) -> str:
        return self._row()["status"]

    @property
    def parent(self) -> Run | None:
        parent = self._row()["parent"]
        return Run._of(self._client, parent) if parent else None

    @property
    def tags(self) -> dict:
        return self.get_tags()

    @property
    def properties(self) -> dict:
        return self.get_properties()

    def get_status(self) -> str:
        return self.status

    def get_detailed_status(self) -> dict:
        row = self._row()
        return {"status": row["status"], "details": row["reason"]}

    def get_details(self) -> dict:
        """Azure ML's details object: runId, target, status, startTimeUtc, properties, runDefinition, logFiles, error...
        ``endTimeUtc`` comes with the end; ``warnings`` lists what the server took otherwise than asked for. ``exitCode`` is ours: what
        the script ended with (128 plus a signal's number), None while that is not known."""
        details = self._call("GET", "/details")
        if details.get("endTimeUtc") is None:
            details.pop("endTimeUtc", None)
        said = details.get("properties") or {}
        details["warnings"] = [{"source": name, "message": said[name]} for name in (GPU_SUBSTITUTION, CONTAINER_HINT) if said.get(name)]
        return details

    def get_details_with_logs(self) -> dict:
        details = self.get_details()
        details["logFiles"] = {name: self._text_of(name) for name in details.get("logFiles", {})}
        return details

    def get_portal_url(self) -> str:
        return f"{self._client.url}/#{quote(self._id)}"

    @property
    def portal_url(self) -> str:
        return self.get_portal_url()

    def get_snapshot_id(self) -> str | None:
        return self._row()["snapshot"]

    def get_environment(self) -> Environment:
        """What the run was submitted with; with name and version when the server has registered it."""
        definition = self._row()["definition"]
        if definition is None:
            raise UserErrorException(f"run {self._id} was not submitted, so it has no environment")
        from azureml.core import _environment_wire
        from azureml.core.environment import Environment

        body = definition["environment"] or {}
        environment = Environment(body.get("name") or self._row()["properties"].get("roost.environment", _environment_wire.UNNAMED))
        _environment_wire.from_definition(environment, body)
        environment._known = _environment_wire.known(environment)
        environment.environment_variables = {**environment.environment_variables, **(definition["environment_variables"] or {})}
        return environment

    # -- data -------------------------------------------------------------------------------------------------------

    @property
    def input_datasets(self) -> dict:
        """By name: inside the run the local path of an input that is mounted or downloaded, and the FileDataset of a direct one;
        seen from outside the dataset that the run read."""
        from azureml.core._run_data import input_datasets

        return input_datasets(self)

    @property
    def output_datasets(self) -> dict:
        """By name: inside the run the folder to write into; seen from outside the FileDataset that was kept, once the run is over."""
        from azureml.core._run_data import output_datasets

        return output_datasets(self)

    def take_snapshot(self, file_or_folder_path: str) -> str:
        """Keeps a file or a source folder with an interactive run that began without one; gives the snapshot's id. A run has one."""
        from azureml.core._submission import send_source

        if self.get_snapshot_id():
            raise SnapshotException(f"run {self._id} has a snapshot already, and a run has one")
        snapshot = send_source(self._client, file_or_folder_path)
        self._call("PATCH", "", {"snapshot": snapshot}, repeatable=True)
        return snapshot

    # -- tags and properties ----------------------------------------------------------------------------------------

    def tag(self, key: str, value: str | None = None) -> None:
        self.set_tags({key: value})

    def set_tags(self, tags: dict) -> None:
        self._call("PUT", "/tags", {str(key): None if value is None else str(value) for key, value in tags.items()})

    def get_tags(self) -> dict:
        return self._row()["tags"]

    def remove_tags(self, tags: str | List[str]) -> None:
        for tag in [tags] if isinstance(tags, str) else tags:
            self._call("DELETE", f"/tags/{quote(tag)}")

    def add_properties(self, properties: dict) -> None:
        """Adds; another value for a property that is there is an error."""
        self._call("POST", "/properties", texts(properties), repeatable=True)

    def get_properties(self) -> dict:
        return self._row()["properties"]

    # -- state ------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        self._report_status("Running")

    def complete(self, _set_status: bool = True) -> None:
        """Flushes; a run that a script made itself becomes Completed, a submitted one does when its script ends. The folder that was given
        as ``outputs`` is uploaded first."""
        self.flush()
        self._upload_outputs()
        if _set_status:
            self._report_status("Completed")

    def fail(self, error_details: Any = None, error_code: str | None = None, _set_status: bool = True) -> None:
        """Flushes and records the error; a run that a script made itself becomes Failed."""
        self.flush()
        if _set_status:
            self._report_status("Failed", _error_object(error_details, error_code))

    def cancel(self) -> None:
        if self._managed:
            print("roost: a submitted run cannot cancel itself from inside; end the script instead")
            return
        if self._row()["kind"] == "tracked":
            self._report_status("Canceled")
        else:
            self._call("POST", "/cancel")

    def _report_status(self, status: str, error: dict | None = None) -> None:
        self._call("POST", "/status", {"status": status, **({"error": error} if error else {})}, repeatable=True)

    def __enter__(self) -> Run:
        return self

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        if value is None:
            self.complete()
        else:
            self.fail(value)

    def wait_for_completion(self, show_output: bool = False, wait_post_processing: bool = False, raise_on_error: bool = True) -> dict:
        """Waits until the run is over; gives its details. With ``show_output`` its driver log is printed as it grows.

        Without ``wait_post_processing`` a run that was asked to cancel counts as over. Finalizing is always waited for: the
        next line of a script often downloads or registers what is being taken in then."""
        from azureml.core._waiting import wait_for_completion

        with service_errors():
            return wait_for_completion(self, show_output, wait_post_processing, raise_on_error)

    # -- models -----------------------------------------------------------------------------------------------------

    def register_model(self, model_name: str, model_path: str | None = None, tags: dict | None = None, properties: dict | None = None,
                       model_framework: str | None = None, model_framework_version: str | None = None,
                       description: str | None = None, datasets: Any = None, sample_input_dataset: Any = None,
                       sample_output_dataset: Any = None, resource_configuration: Any = None, **kwargs: Any) -> Model:  # fmt: skip
        """Registers files of this run as the next version of a model. ``model_path`` (default: the model's name) is a file, or the
        folder that all files of the model are below."""
        if kwargs:
            raise UserErrorException(f"register_model does not take {', '.join(sorted(kwargs))} here")
        from azureml.core.model import Model, with_datasets

        warn_without_meaning("register_model", {"sample_input_dataset": sample_input_dataset, "sample_output_dataset": sample_output_dataset,
                                                "resource_configuration": resource_configuration})  # fmt: skip
        body = {"name": model_name, "run_id": self._id, "path": model_path, "description": description, "tags": texts(tags),
                "properties": with_datasets(self._client, texts(properties), datasets), "framework": model_framework,
                "framework_version": model_framework_version}  # fmt: skip

        try:
            row = self._client.call("POST", "/models", {key: value for key, value in body.items() if value is not None},
                                    headers={"Idempotency-Key": uuid.uuid4().hex})  # fmt: skip
        except RoostError as error:
            if error.code == "not_found":
                raise ModelPathNotFoundException(error.message) from error
            raise ServiceException(error.message, error.status) from error
        return Model._of(self.experiment.workspace, row)

    # -- children ---------------------------------------------------------------------------------------------------

    def child_run(self, name: str | None = None, run_id: str | None = None, outputs: Any = None) -> Run:
        """A started child run; as a context manager it ends Completed, or Failed with the exception. ``outputs`` is a folder whose files it
        gets when it is completed."""
        body = {"experiment": self._row()["experiment"], "parent": self._id, "run_id": run_id, "display_name": name}
        with service_errors():
            row = self._client.call("POST", "/runs/tracked", {key: value for key, value in body.items() if value is not None},
                                    headers={"Idempotency-Key": uuid.uuid4().hex})  # fmt: skip
        child = Run._of(self._client, row["run_id"])
        child._collect(outputs)
        return child

    def submit_child(self, config: ScriptRunConfig, tags: dict | None = None, **kwargs: Any) -> Run:
        """Submits ``config`` as a child of this run."""
        from azureml.core._submission import submit

        return submit(self.experiment, config, tags, kwargs, parent=self._id)

    def create_children(self, count: int | None = None, tag_key: str | None = None, tag_values: List[str] | None = None) -> List[Run]:
        if (count is None) == (tag_values is None) or (tag_key is None) != (tag_values is None):
            raise UserErrorException("create_children takes count, or tag_key with tag_values")
        if tag_key is None or tag_values is None:
            return [self.child_run() for _ in range(count or 0)]
        children = [self.child_run() for _ in tag_values]
        for child, value in zip(children, tag_values):
            child.tag(tag_key, value)
        return children

    def get_children(self, recursive: bool = False, tags: Any = None, properties: Any = None, type: str | None = None,
                     status: str | None = None, _rehydrate_runs: bool = True) -> Iterator[Run]:  # fmt: skip
        """Newest first; ``tags`` and ``properties`` are a dictionary or a single key."""
        for row in self._call("GET", "/children", query={"recursive": "true"} if recursive else None)["items"]:
            if _wanted(row, type, tags, properties, status):
                yield _run_of(self._client, row)

    # -- inside -----------------------------------------------------------------------------------------------------

    def _call(self, method: str, path: str, body: Any = None, query: dict | None = None, repeatable: bool = False) -> Any:
        with service_errors():
            return self._client.call(method, self._path + path, body, query, repeatable=repeatable)

    def _row(self) -> dict:
        return self._call("GET", "")

    def __repr__(self) -> str:
        row = self._row()
        return f"Run(Experiment: {row['experiment']},\nId: {self._id},\nType: {_type_of(row)},\nStatus: {row['status']})"


def get_run(experiment: Experiment, run_id: str, rehydrate: bool = True, clean_up: bool = True) -> Run:
    """The run with this id, which belongs to ``experiment``."""
    return Run(experiment, run_id)


def _type_of(row: dict) -> str:
    return "azureml.scriptrun" if row["kind"] == "managed" else "Run"


def _run_of(client: Client, row: dict) -> Run:
    if row["kind"] == "managed":
        from azureml.core.script_run import ScriptRun

        return ScriptRun._of(client, row["run_id"])
    return Run._of(client, row["run_id"])


def _wanted(row: dict, type: str | None, tags: Any, properties: Any, status: str | None) -> bool:
    return matches(row["tags"], tags) and matches(row["properties"], properties) and status in (None, row["status"]) and type in (None, _type_of(row))


def _runs(experiment: Experiment, type: str | None, tags: Any, properties: Any, status: str | None, include_children: bool) -> Iterator[Run]:
    with service_errors():
        for row in experiment.workspace._client.items("/runs", experiment=experiment.name, order_by="created_at desc"):
            if (include_children or not row["parent"]) and _wanted(row, type, tags, properties, status):
                run = _run_of(experiment.workspace._client, row)
                run._experiment = experiment
                yield run


def _error_object(details: Any, code: str | None) -> dict:
    error: dict[str, str] = {"code": code or "UserError"}
    if isinstance(details, BaseException):
        error["message"] = f"User program failed with {type(details).__name__}: {details}"
        error["debug_type"], error["debug_message"] = type(details).__name__, str(details)
        error["debug_stack_trace"] = "".join(traceback.format_exception(type(details), details, details.__traceback__))
    else:
        error["message"] = "User program failed" if details is None else str(details)
    return error
