"""``azureml.data.abstract_dataset``: what all datasets have: names, versions, tags."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, List, cast

from azureml.core._not_here import ANY_DATASET, KnownMissing
from azureml.core._service import data_errors, every_item, patient
from azureml.data.dataset_consumption_config import DatasetConsumptionConfig
from azureml.exceptions import UserErrorException
from roost.client import RoostError, quote

if TYPE_CHECKING:
    from azureml.core.workspace import Workspace
    from azureml.data.file_dataset import FileDataset


class _Factory:
    """A factory that is imported when it is asked for, since the factories make the classes that have them."""

    def __init__(self, module: str, name: str):
        self._home = module, name

    def __get__(self, instance: Any, owner: Any) -> Any:
        import importlib

        return getattr(importlib.import_module(self._home[0]), self._home[1])


class AbstractDataset(KnownMissing):
    """A list of places, and once the server knows it (at the latest when it is used) the files that are there then.

    A dataset of web addresses belongs to no workspace until it is registered or submitted; used before that, it takes the
    workspace of the run, or the one of config.json.
    """

    _missing = ANY_DATASET
    File = _Factory("azureml.data.dataset_factory", "FileDatasetFactory")
    Tabular = _Factory("azureml.data.dataset_factory", "TabularDatasetFactory")

    def __init__(self) -> None:
        self._workspace: Workspace | None = None
        self._paths: list[dict] = []
        self._known: dict | None = None

    @classmethod
    def _of(cls, workspace: Workspace, row: dict) -> Any:
        dataset = cls.__new__(cls)
        dataset._workspace, dataset._paths, dataset._known = workspace, row["paths"], row
        return dataset

    @classmethod
    def _unsaved(cls, workspace: Workspace | None, paths: list[dict]) -> Any:
        dataset = cls.__new__(cls)
        dataset._workspace, dataset._paths, dataset._known = workspace, paths, None
        return dataset

    def _save(self, workspace: Workspace | None = None) -> dict:
        """Its row at the server, which ``workspace`` must be the one of."""
        if self._workspace is None:
            self._workspace = workspace or _own_workspace()
        if workspace is not None and workspace._client.url != self._workspace._client.url:
            raise UserErrorException(f"the dataset {self.name or self.id or ''} is of the server {self._workspace._client.url}, not of {workspace._client.url}")
        if self._known is None:
            with data_errors():
                self._known = patient(self._workspace._client).call("POST", "/datasets", {"name": None, "paths": self._paths}, repeatable=True)
        return self._known

    # -- finding ----------------------------------------------------------------------------------------------------

    @staticmethod
    def get_by_name(workspace: Workspace, name: str, version: int | str = "latest", **kwargs: Any) -> FileDataset:
        _nothing_more("get_by_name", kwargs)
        with data_errors(f"there is no dataset '{name}' (version: {version}) in the workspace"):
            return _file_dataset(workspace, workspace._client.get(f"/datasets/{quote(name)}/versions/{quote(str(version))}"))

    @staticmethod
    def get_by_id(workspace: Workspace, id: str, **kwargs: Any) -> FileDataset:
        _nothing_more("get_by_id", kwargs)
        with data_errors(f"there is no dataset with the id '{id}' in the workspace"):
            return _file_dataset(workspace, workspace._client.get(f"/dataset-ids/{quote(id)}"))

    @staticmethod
    def get_all(workspace: Workspace) -> dict[str, FileDataset]:
        """The newest version of each by name."""
        with data_errors():
            return {row["name"]: _file_dataset(workspace, row) for row in every_item(workspace._client, "/datasets")}

    # -- what it is -------------------------------------------------------------------------------------------------

    @property
    def id(self) -> str | None:
        """None until the server knows it."""
        return self._known["dataset_id"] if self._known else None

    @property
    def name(self) -> str | None:
        return self._known["name"] if self._known else None

    @property
    def version(self) -> int | None:
        return self._known["version"] if self._known else None

    @property
    def description(self) -> str | None:
        return self._known["description"] if self._known else None

    @property
    def tags(self) -> dict:
        return dict(self._known["tags"]) if self._known else {}

    @property
    def data_changed_time(self) -> datetime:
        """When this version was made: its files do not change afterwards."""
        return datetime.strptime(self._save()["created_at"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)

    @property
    def partition_keys(self) -> list:
        return []

    # -- naming and changing ----------------------------------------------------------------------------------------

    def register(self, workspace: Workspace, name: str, description: str | None = None, tags: dict | None = None,
                 create_new_version: bool = False) -> FileDataset:  # fmt: skip
        """Gives it a name. A name that is there gets a next version with ``create_new_version``; the same definition as the newest
        version's is that version."""
        if self._workspace is not None or self._known is not None:
            self._save(workspace)
        body = {"name": name, "paths": self._paths, "description": description or "", "tags": _texts(tags), "create_new_version": create_new_version}
        with data_errors():
            try:
                return _file_dataset(workspace, patient(workspace._client).call("POST", "/datasets", body))
            except RoostError as error:
                if error.code == "conflict" and not create_new_version:
                    raise UserErrorException(f"there is a dataset '{name}' already; create_new_version=True makes this one its next version") from error
                raise

    def update(self, description: str | None = None, tags: dict | None = None) -> FileDataset:
        """Replaces the description and all tags."""
        change: dict[str, Any] = {}
        if description is not None:
            change["description"] = description
        if tags is not None:
            change["tags"] = {**dict.fromkeys(self.tags), **_texts(tags)}
        return self._patch(change)

    def add_tags(self, tags: dict | None = None) -> None:
        self._patch({"tags": _texts(tags)})

    def remove_tags(self, tags: List[str] | None = None) -> None:
        self._patch({"tags": dict.fromkeys(self.tags if tags is None else [tags] if isinstance(tags, str) else tags)})

    def unregister_all_versions(self) -> None:
        """The name goes; runs that read a version keep what they know of it."""
        if self.name is None:
            raise UserErrorException("the dataset has no name to take away")
        with data_errors():
            cast("Workspace", self._workspace)._client.call("DELETE", f"/datasets/{quote(self.name)}")
        self._known = {**(self._known or {}), "name": None, "version": None}

    def _patch(self, change: dict) -> Any:
        if self.name is None:
            raise UserErrorException("tags and descriptions belong to registered datasets; register it first")
        with data_errors():
            self._known = cast("Workspace", self._workspace)._client.call("PATCH", f"/datasets/{quote(self.name)}/versions/{self.version}", change)
        return self

    # -- in runs ----------------------------------------------------------------------------------------------------

    def as_named_input(self, name: str) -> DatasetConsumptionConfig:
        return DatasetConsumptionConfig(name, self)

    def _input(self, mode: str, path_on_compute: str | None) -> DatasetConsumptionConfig:
        """Named after what it asks for, so that the same twice is one input."""
        told = json.dumps([self._identity(), mode, path_on_compute])
        return DatasetConsumptionConfig(f"input_{hashlib.blake2b(told.encode(), digest_size=4).hexdigest()}", self, mode, path_on_compute)

    def _identity(self) -> str:
        """The same for the same data."""
        return self.id or json.dumps([self._paths, self._workspace and self._workspace._client.url], sort_keys=True)

    def __repr__(self) -> str:
        named = f"{self.name}:{self.version}, " if self.name else ""
        places = [place.get("url") or f"{place['datastore']}/{place['path']}" for place in self._paths]
        return f"{type(self).__name__}({named}{', '.join(places[:3])}{', ...' if len(places) > 3 else ''})"


def _file_dataset(workspace: Workspace, row: dict) -> FileDataset:
    from azureml.data.file_dataset import FileDataset

    return FileDataset._of(workspace, row)


def _own_workspace() -> Workspace:
    from azureml.core.workspace import Workspace
    from roost.client import Client
    from roost.context import current_context

    context = current_context()
    return Workspace._from_client(Client(context.url, context.token)) if context else Workspace.from_config()


def _nothing_more(call: str, kwargs: dict) -> None:
    if kwargs:
        raise UserErrorException(f"{call} does not take {', '.join(sorted(kwargs))}")


def _texts(tags: dict | None) -> dict[str, str]:
    return {str(key): str(value) for key, value in (tags or {}).items()}
