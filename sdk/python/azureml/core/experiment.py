"""``azureml.core.Experiment``: a named series of runs; where runs are submitted and found."""

from __future__ import annotations

import os
import re
import uuid
from typing import TYPE_CHECKING, Any, Iterator, List

from azureml.core._service import matches, service_errors
from azureml.core._submission import send_source, submit
from azureml.core.run import Run, _runs
from azureml.exceptions import UserErrorException
from roost.client import RoostError, quote
from roost.git import git_properties

if TYPE_CHECKING:
    from azureml.core.script_run_config import ScriptRunConfig
    from azureml.core.workspace import Workspace

_NAME = re.compile(r"[a-zA-Z0-9][\w-]{0,254}", re.ASCII)
_VIEWS = {"ActiveOnly": "active", "ArchivedOnly": "archived", "All": "all"}


class Experiment:
    """Made on the server when it is not there yet. Azure ML's rule for names: letters, digits, '_' and '-', at most 255, the
    first a letter or digit; experiments of other names that the server has can be listed and read."""

    def __init__(self, workspace: Workspace, name: str, _skip_name_validation: bool = False, _id: str | None = None, _archived_time: Any = None,
                 _create_in_cloud: bool = True, _experiment_dto: dict | None = None, **kwargs: Any):  # fmt: skip
        if kwargs:
            raise UserErrorException(f"Experiment(...) does not take {', '.join(sorted(kwargs))}")
        if not _skip_name_validation and not _NAME.fullmatch(name):
            raise UserErrorException(f"'{name}' is no experiment name: 1 to 255 letters, digits, '_' and '-', the first a letter or digit")
        self._workspace, self._name, self._known_row = workspace, name, _experiment_dto
        if _create_in_cloud and self._known_row is None:
            self._create()

    @classmethod
    def _known(cls, workspace: Workspace, name: str, row: dict | None = None) -> Experiment:
        return cls(workspace, name, _skip_name_validation=True, _create_in_cloud=False, _experiment_dto=row)

    def _create(self) -> None:
        with service_errors():
            try:
                self._known_row = self._workspace._client.call("POST", "/experiments", {"name": self._name})
            except RoostError as error:
                self._known_row = self._find() if error.code == "conflict" else None
                if self._known_row is None:
                    raise  # also when an experiment of this name was deleted, which the server says

    def _find(self) -> dict | None:
        return next((row for row in self._workspace._list("/experiments", lifecycle="all") if row["name"] == self._name), None)

    @property
    def _row(self) -> dict:
        if self._known_row is None:
            self.refresh()
        return self._known_row or {}

    def refresh(self) -> None:
        """Reads the experiment's tags and state anew."""
        self._known_row = self._find()
        if self._known_row is None:
            raise UserErrorException(f"there is no experiment '{self._name}'")

    # -- what it is -------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        return self._name

    @property
    def id(self) -> str:
        return self._row["experiment_id"]

    @property
    def workspace(self) -> Workspace:
        return self._workspace

    @property
    def workspace_object(self) -> Workspace:
        return self._workspace

    @property
    def tags(self) -> dict:
        return dict(self._row["tags"])

    @property
    def archived_time(self) -> str | None:
        """When it was archived (its last change), as ISO text; None while it is active."""
        return self._row["updated_at"] if self._row["lifecycle"] == "archived" else None

    def get_portal_url(self) -> str:
        """The server's page, which lists the experiments' runs."""
        return f"{self._workspace._client.url}/"

    @property
    def portal_url(self) -> str:
        return self.get_portal_url()

    # -- runs -------------------------------------------------------------------------------------------------------

    def submit(self, config: ScriptRunConfig, tags: dict | None = None, **kwargs: Any) -> Run:
        """Sends the source folder and starts the run; gives it at once."""
        return submit(self, config, tags, kwargs)

    def start_logging(self, *args: Any, **kwargs: Any) -> Run:
        """An interactive run, which is Running until its ``complete``, ``fail`` or ``cancel``; a context manager.

        Arguments: name, run_id, outputs (a folder, whose files the run gets when it is completed), snapshot_directory='.' (None: no
        snapshot), display_name, description.
        """
        return self._start(*args, **kwargs)

    def _start(self, name: str | None = None, run_id: str | None = None, outputs: str | None = None, snapshot_directory: str | os.PathLike | None = ".",
               display_name: str | None = None, description: str | None = None) -> Run:  # fmt: skip
        body: dict[str, Any] = {"experiment": self._name, "run_id": run_id, "display_name": display_name or name, "description": description}
        if snapshot_directory is not None:
            body["snapshot"] = send_source(self._workspace._client, snapshot_directory)
            body["properties"] = git_properties(snapshot_directory) or None
        with service_errors():
            row = self._workspace._client.call("POST", "/runs/tracked", {key: value for key, value in body.items() if value is not None},
                                               headers={"Idempotency-Key": uuid.uuid4().hex})  # fmt: skip
        run = Run._of(self._workspace._client, row["run_id"])
        run._experiment = self
        run._collect(outputs)
        return run

    def get_runs(self, type: str | None = None, tags: Any = None, properties: Any = None, include_children: bool = False) -> Iterator[Run]:
        """Newest first; ``tags`` and ``properties`` are a dictionary or a single key."""
        return _runs(self, type, tags, properties, None, include_children)

    # -- tags and state ---------------------------------------------------------------------------------------------

    def tag(self, key: str, value: str | None = None) -> None:
        """An experiment's tag without a value is the empty text."""
        self.set_tags({key: value})

    def set_tags(self, tags: dict) -> None:
        self._change("PATCH", "", {"tags": {str(key): "" if value is None else str(value) for key, value in tags.items()}})

    def remove_tags(self, tags: str | List[str]) -> None:
        self._change("PATCH", "", {"tags": {tag: None for tag in ([tags] if isinstance(tags, str) else tags)}})

    def archive(self) -> None:
        self._change("POST", "/archive")

    def reactivate(self, new_name: str | None = None) -> None:
        if new_name is not None:
            raise UserErrorException("an experiment keeps its name; call reactivate() without new_name")
        self._change("POST", "/restore")

    def _change(self, method: str, path: str, body: Any = None) -> None:
        with service_errors():
            self._known_row = self._workspace._client.call(method, f"/experiments/{quote(self.id)}{path}", body)

    @staticmethod
    def delete(workspace: Workspace, experiment_id: str) -> None:
        """Deletes the experiment; the server's REST can restore it."""
        with service_errors():
            workspace._client.call("DELETE", f"/experiments/{quote(str(experiment_id))}")

    @staticmethod
    def list(workspace: Workspace, experiment_name: str | None = None, view_type: str = "ActiveOnly", tags: Any = None) -> List[Experiment]:
        """``view_type`` is ActiveOnly, ArchivedOnly or All; ``tags`` a dictionary or a single key."""
        if view_type not in _VIEWS:
            raise UserErrorException(f"view_type must be {', '.join(_VIEWS)}, not '{view_type}'")
        return [Experiment._known(workspace, row["name"], row) for row in workspace._list("/experiments", lifecycle=_VIEWS[view_type])
                if experiment_name in (None, row["name"]) and matches(row["tags"], tags)]  # fmt: skip

    def __repr__(self) -> str:
        return f"Experiment(Name: {self._name},\nWorkspace: {self._workspace.name})"
