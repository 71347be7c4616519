"""``azureml.core.Run``: the run that a script belongs to, or one that it knows by its id."""

from __future__ import annotations

import io
import os
import pathlib
import time
import traceback
import uuid
from typing import Any, Iterator

from azureml.core import _values
from azureml.core._metrics import read_metrics
from azureml.core._offline_run import _OfflineRun
from azureml.exceptions import ModelPathNotFoundException, RunEnvironmentException, ServiceException, UserErrorException
from roost.client import Client, RoostError, quote, quote_path
from roost.context import current_context
from roost.reporter import Reporter

_NO_CONTEXT = (
    "Failed to load a submitted run, if outside of an execution context, use experiment.start_logging to "
    "initialize an azureml.core.Run."
)
_IMAGE_HEADS = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"RIFF", b"<svg", b"<?xml")


class Run:
    """One run on the server.

    Inside a submitted script ``Run.get_context()`` gives it. All ``log`` methods return at once: values are queued,
    sent in the background, and flushed when the process ends. Steps count from 0 where none is given. Errors of the
    server are raised as ``ServiceException`` by every method but those.
    """

    _current: "Run | None" = None

    def __init__(self, client: Client, run_id: str, report_file: str | None = None, managed: bool = False):
        self._client, self._id = client, run_id
        self._path = f"/runs/{quote(run_id)}"
        self._reporter = Reporter(client, run_id, report_file)
        self._managed = managed  # the engine alone moves its state

    @classmethod
    def get_context(cls, allow_offline: bool = True, used_for_context_manager: bool = False, **kwargs: Any) -> "Run | _OfflineRun":
        """The submitted run of this process; outside of one an offline run that prints, or RunEnvironmentException."""
        context = current_context()
        if context is None:
            if allow_offline:
                return _OfflineRun()
            raise RunEnvironmentException(_NO_CONTEXT)
        if cls._current is None or cls._current.id != context.run_id:
            cls._current = Run(Client(context.url, context.token), context.run_id, context.report_file, managed=True)
        return cls._current

    get_submitted_run = get_context

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
        return "azureml.scriptrun" if self._row()["kind"] == "managed" else "Run"

    @property
    def status(self) -> str:
        return self._row()["status"]

    @property
    def parent(self) -> "Run | None":
        parent = self._row()["parent"]
        return Run(self._client, parent) if parent else None

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
        ``exitCode`` is ours: what the script ended with (128 plus a signal's number), None while that is not known."""
        return self._call("GET", "/details")

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

    # -- metrics ----------------------------------------------------------------------------------------------------

    def log(self, name: str, value: Any, description: str = "", step: int | None = None) -> None:
        """Logs a number or a text under ``name``; repeated calls make a series."""
        value = _values.scalar(name, value)
        if value is None:
            value = "None"
        if isinstance(value, bool):
            value = int(value)
        if _values.is_number(value):
            self._reporter.point(name, value, step)
        else:
            self._reporter.entry(name, "text", value, step, description)

    def log_list(self, name: str, value: Any, description: str = "") -> None:
        self._reporter.entry(name, "list", _values.list_of_cells(name, value), None, description)

    def log_row(self, name: str, description: str | None = None, **kwargs: Any) -> None:
        self._reporter.entry(name, "row", _values.row_of_cells(name, kwargs), None, description or "")

    def log_table(self, name: str, value: dict, description: str = "") -> None:
        self._reporter.entry(name, "table", _values.table_of_cells(name, value), None, description)

    def log_image(self, name: str, path: str | None = None, plot: Any = None, description: str = "") -> None:
        """Keeps an image with the run: the file at ``path``, or what ``plot.savefig`` draws."""
        if (path is None) == (plot is None):
            raise UserErrorException(f"log_image('{name}') takes exactly one of path and plot")
        if plot is not None:
            drawn = io.BytesIO()
            plot.savefig(drawn, format="png")
            drawn.seek(0)
            artifact, source = f"{name}_{int(time.time())}.png", drawn
        else:
            with open(path, "rb") as file:
                head = file.read(12)
            if not head.lstrip().startswith(_IMAGE_HEADS):
                raise UserErrorException(f"log_image('{name}'): {path} is not an image that is known")
            artifact, source = _artifact_name(path), path
        self._upload(artifact, source, overwrite=True)
        self._reporter.entry(name, "image", {"path": artifact}, None, description)

    def log_confusion_matrix(self, name: str, value: Any, description: str = "") -> None:
        self._reporter.entry(name, "confusion_matrix", _values.json_object(name, value), None, description)

    def log_accuracy_table(self, name: str, value: Any, description: str = "") -> None:
        self._reporter.entry(name, "accuracy_table", _values.json_object(name, value), None, description)

    def log_residuals(self, name: str, value: Any, description: str = "") -> None:
        self._reporter.entry(name, "residuals", _values.json_object(name, value), None, description)

    def log_predictions(self, name: str, value: Any, description: str = "") -> None:
        self._reporter.entry(name, "predictions", _values.json_object(name, value), None, description)

    def flush(self, timeout_seconds: float = 300) -> None:
        """Waits until everything logged is on the server."""
        self._reporter.flush(timeout_seconds)

    def get_metrics(self, name: str | None = None, recursive: bool = False, run_type: str | None = None, populate: bool = False) -> dict:
        """Metrics by name: a number logged once is a value, several times a list; rows and tables are dictionaries; an
        image is the name of its file, with ``populate`` its bytes.

        With ``recursive`` the metrics of this run and of all runs below it, each run's under its id: this one first, then
        the newest. Runs without such metrics are left out, and those of another type than ``run_type``."""
        self._reporter.flush()
        with _service_errors():
            runs = [self] if run_type is None or run_type == self.type else []
            if not recursive:
                return read_metrics(self._client, self._path, name, populate) if runs else {}
            runs += self.get_children(recursive=True, type=run_type)
            found = {run.id: read_metrics(self._client, run._path, name, populate) for run in runs}
            return {run_id: metrics for run_id, metrics in found.items() if metrics}

    # -- tags and properties ----------------------------------------------------------------------------------------

    def tag(self, key: str, value: str | None = None) -> None:
        self.set_tags({key: value})

    def set_tags(self, tags: dict) -> None:
        self._call("PUT", "/tags", {str(key): None if value is None else str(value) for key, value in tags.items()})

    def get_tags(self) -> dict:
        return self._row()["tags"]

    def remove_tags(self, tags: str | list[str]) -> None:
        for tag in [tags] if isinstance(tags, str) else tags:
            self._call("DELETE", f"/tags/{quote(tag)}")

    def add_properties(self, properties: dict) -> None:
        """Adds; another value for a property that is there is an error."""
        self._call("POST", "/properties", {str(key): str(value) for key, value in properties.items()})

    def get_properties(self) -> dict:
        return self._row()["properties"]

    # -- state ------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        self._report_status("Running")

    def complete(self, _set_status: bool = True) -> None:
        """Flushes; a run that a script made itself becomes Completed, a submitted one does when its script ends."""
        self.flush()
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
        self._call("POST", "/status", {"status": status, **({"error": error} if error else {})})

    def __enter__(self) -> "Run":
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

        with _service_errors():
            return wait_for_completion(self, show_output, wait_post_processing, raise_on_error)

    # -- files ------------------------------------------------------------------------------------------------------

    def upload_file(self, name: str, path_or_stream: Any, datastore_name: str | None = None) -> None:
        _only_default_datastore(datastore_name)
        self._upload(_artifact_name(name), path_or_stream, overwrite=False)

    def upload_files(self, names: list[str], paths: list, return_artifacts: bool = False,
                     timeout_seconds: float | None = None, datastore_name: str | None = None) -> None:  # fmt: skip
        _only_default_datastore(datastore_name)
        if len(names) != len(paths):
            raise UserErrorException(f"upload_files got {len(names)} names for {len(paths)} paths")
        missing = [str(path) for path in paths if not os.path.isfile(path)]
        if missing:
            raise UserErrorException(f"these files are not there: {', '.join(missing)}")
        for name, path in zip(names, paths):
            self._upload(_artifact_name(name), path, overwrite=False)

    def upload_folder(self, name: str, path: str, datastore_name: str | None = None) -> None:
        _only_default_datastore(datastore_name)
        root = pathlib.Path(path)
        if not root.is_dir():
            raise UserErrorException(f"there is no folder {path} to upload")
        for file in sorted(root.rglob("*")):
            if file.is_file():
                self._upload(f"{_artifact_name(name)}/{file.relative_to(root).as_posix()}", file, overwrite=False)

    def get_file_names(self) -> list[str]:
        return [item["path"] for item in self._files("")]

    def download_file(self, name: str, output_file_path: str | None = None, _validate_checksum: bool = False) -> None:
        target = pathlib.Path(output_file_path or pathlib.PurePosixPath(name).name)
        if target.is_dir():
            target = target / pathlib.PurePosixPath(name).name
        with _service_errors():
            self._client.download(f"{self._path}/files/{quote_path(name)}", target)

    def download_files(self, prefix: str | None = None, output_directory: str | None = None, output_paths: list | None = None,
                       batch_size: int = 100, append_prefix: bool = True, timeout_seconds: float | None = None) -> None:  # fmt: skip
        """Downloads every file whose name starts with ``prefix``, below ``output_directory`` or to ``output_paths``."""
        names = [item["path"] for item in self._files(prefix or "")]
        if output_paths is not None:
            paths = [output_paths] if isinstance(output_paths, str) else list(output_paths)
            if len(paths) != len(names):
                raise UserErrorException(f"output_paths has {len(paths)} paths, but {len(names)} files start with '{prefix or ''}'")
        else:
            cut = len(prefix or "") if not append_prefix else 0
            paths = [os.path.join(output_directory or ".", name[cut:].lstrip("/") or name.split("/")[-1]) for name in names]
        for name, path in zip(names, paths):
            self.download_file(name, path)

    def get_all_logs(self, destination: str | None = None) -> list[str]:
        folder = destination or os.path.join("assets", self._id)
        names = [item["path"] for item in self._files("") if item["path"].startswith(("azureml-logs/", "logs/"))]
        for name in names:
            self.download_file(name, os.path.join(folder, name))
        return [os.path.join(folder, name) for name in names]

    def restore_snapshot(self, snapshot_id: str | None = None, path: str | None = None) -> str:
        """Downloads the run's source as a zip; gives its path."""
        snapshot = snapshot_id or self.get_snapshot_id()
        if not snapshot:
            raise UserErrorException(f"run {self._id} has no snapshot")
        target = os.path.join(path or ".", f"{snapshot.removeprefix('b2:')[:16]}.zip")
        with _service_errors():
            self._client.download(f"/snapshots/{quote(snapshot)}/archive", target)
        return target

    # -- models -----------------------------------------------------------------------------------------------------

    def register_model(self, model_name: str, model_path: str | None = None, tags: dict | None = None, properties: dict | None = None,
                       model_framework: str | None = None, model_framework_version: str | None = None,
                       description: str | None = None, datasets: Any = None, sample_input_dataset: Any = None,
                       sample_output_dataset: Any = None, resource_configuration: Any = None, **kwargs: Any) -> dict:  # fmt: skip
        """Registers files of this run as the next version of a model; gives the model version."""
        unsupported = [name for name, value in {"datasets": datasets, "sample_input_dataset": sample_input_dataset,
                       "sample_output_dataset": sample_output_dataset, "resource_configuration": resource_configuration}.items()
                       if value is not None] + sorted(kwargs)  # fmt: skip
        if unsupported:
            raise UserErrorException(f"register_model does not take {', '.join(unsupported)} here")
        body = {"name": model_name, "run_id": self._id, "path": model_path, "description": description, "tags": tags,
                "properties": properties, "framework": model_framework, "framework_version": model_framework_version}  # fmt: skip
        try:
            return self._client.call("POST", "/models", {key: value for key, value in body.items() if value is not None},
                                     headers={"Idempotency-Key": uuid.uuid4().hex})  # fmt: skip
        except RoostError as error:
            if error.code == "not_found":
                raise ModelPathNotFoundException(error.message) from error
            raise ServiceException(error.message, error.status) from error

    # -- children ---------------------------------------------------------------------------------------------------

    def child_run(self, name: str | None = None, run_id: str | None = None, outputs: Any = None) -> "Run":
        """A started child run; as a context manager it ends Completed, or Failed with the exception."""
        if outputs is not None:
            raise UserErrorException("child_run(outputs=...) is not available; upload files with upload_folder")
        body = {"experiment": self._row()["experiment"], "parent": self._id, "run_id": run_id, "display_name": name}
        with _service_errors():
            row = self._client.call("POST", "/runs/tracked", {key: value for key, value in body.items() if value is not None},
                                    headers={"Idempotency-Key": uuid.uuid4().hex})  # fmt: skip
        return Run(self._client, row["run_id"])

    def create_children(self, count: int | None = None, tag_key: str | None = None, tag_values: list | None = None) -> list["Run"]:
        if (count is None) == (tag_values is None) or (tag_key is None) != (tag_values is None):
            raise UserErrorException("create_children takes count, or tag_key with tag_values")
        children = [self.child_run() for _ in range(count if tag_values is None else len(tag_values))]
        for child, value in zip(children, tag_values or []):
            child.tag(tag_key, value)
        return children

    def get_children(self, recursive: bool = False, tags: Any = None, properties: Any = None, type: str | None = None,
                     status: str | None = None, _rehydrate_runs: bool = True) -> Iterator["Run"]:  # fmt: skip
        """Newest first; ``tags`` and ``properties`` are a dictionary or a single key."""
        rows = self._call("GET", "/children", query={"recursive": "true"} if recursive else None)["items"]
        for row in rows:
            kind = "azureml.scriptrun" if row["kind"] == "managed" else "Run"
            if _matches(row["tags"], tags) and _matches(row["properties"], properties) and status in (None, row["status"]) and type in (None, kind):
                yield Run(self._client, row["run_id"])

    # -- inside -----------------------------------------------------------------------------------------------------

    def _call(self, method: str, path: str, body: Any = None, query: dict | None = None) -> Any:
        with _service_errors():
            return self._client.call(method, self._path + path, body, query)

    def _row(self) -> dict:
        return self._call("GET", "")

    def _files(self, prefix: str) -> list[dict]:
        items, after = [], None
        with _service_errors():
            while True:
                page = self._client.get(f"{self._path}/files", prefix=prefix or None, after=after, limit=1000)["items"]
                items += page
                if len(page) < 1000:
                    return items
                after = page[-1]["path"]

    def _upload(self, name: str, source: Any, overwrite: bool) -> None:
        with _service_errors():
            self._client.upload(f"{self._path}/files/{quote_path(name)}", source, overwrite)

    def _text_of(self, name: str) -> str:
        return b"".join(self._client.stream(f"{self._path}/files/{quote_path(name)}")).decode(errors="replace")

    def __repr__(self) -> str:
        row = self._row()
        return f"Run(Experiment: {row['experiment']},\nId: {self._id},\nType: {self.type},\nStatus: {row['status']})"


class _service_errors:
    """Turns the client's errors into the exception that Azure ML scripts expect."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        if isinstance(value, RoostError):
            raise ServiceException(value.message, value.status) from value


def _error_object(details: Any, code: str | None) -> dict:
    error: dict[str, str] = {"code": code or "UserError"}
    if isinstance(details, BaseException):
        error["message"] = f"User program failed with {type(details).__name__}: {details}"
        error["debug_type"], error["debug_message"] = type(details).__name__, str(details)
        error["debug_stack_trace"] = "".join(traceback.format_exception(type(details), details, details.__traceback__))
    else:
        error["message"] = "User program failed" if details is None else str(details)
    return error


def _artifact_name(name: str) -> str:
    """A path as artifact name: relative, forward slashes, "./" dropped."""
    return pathlib.PurePosixPath(os.fspath(name).replace("\\", "/")).as_posix().lstrip("/")


def _only_default_datastore(name: str | None) -> None:
    if name is not None:
        raise UserErrorException("datastore_name is not available: files are kept with the run")


def _matches(have: dict, wanted: Any) -> bool:
    if wanted is None:
        return True
    if isinstance(wanted, str):
        return wanted in have
    return all(key in have and have[key] == (None if value is None else str(value)) for key, value in wanted.items())
