"""``azureml.core.Model``: a version of a named set of files."""

from __future__ import annotations

import os
import pathlib
import uuid
from typing import TYPE_CHECKING, Any, List

from azureml.core import _not_here
from azureml.core._config import warn_without_meaning
from azureml.core._service import matches, service_errors, texts
from azureml.core._warnings import warn
from azureml.exceptions import ModelNotFoundException, UserErrorException, WebserviceException
from roost.client import Client, RoostError, quote, quote_path
from roost.context import current_context
from roost.snapshot import File, hash_file, send_files

if TYPE_CHECKING:
    from azureml.core.run import Run
    from azureml.core.workspace import Workspace
    from azureml.data.abstract_dataset import AbstractDataset


_DATASET = "roost.dataset."  # with a scenario: the property that has the ids of a model's datasets


class _MissingModel(WebserviceException, ModelNotFoundException):
    """By Azure ML's tradition a missing model is an error of web services; scripts may catch either name."""


class _Framework:
    """Names of frameworks; any other text is kept as well."""

    CUSTOM = "Custom"
    ONNX = "Onnx"
    PYTORCH = "PyTorch"
    SCIKITLEARN = "ScikitLearn"
    TENSORFLOW = "TensorFlow"
    TFKERAS = "TfKeras"


InferenceConfig = _not_here.unusable_class(__name__, "InferenceConfig", _not_here.SERVICES)


class Model(_not_here.KnownMissing):
    """The newest version that fits the arguments; WebserviceException (a ModelNotFoundException too) when none does.

    ``id`` is ``name:version``; ``tags`` and ``properties`` are a dictionary, or a list of keys and [key, value] pairs.
    """

    _missing = _not_here.MODEL
    Framework = _Framework

    def __init__(self, workspace: Workspace, name: str | None = None, id: str | None = None, tags: Any = None, properties: Any = None,
                 version: int | None = None, run_id: str | None = None, model_framework: str | None = None, expand: bool = True,
                 **kwargs: Any):  # fmt: skip
        if kwargs:
            raise UserErrorException(f"Model(...) does not take {', '.join(sorted(kwargs))}")
        if id is not None:
            name, _, number = id.rpartition(":")
            if not name or not number.isdigit():
                raise UserErrorException(f"a model's id is name:version, not '{id}'")
            version = int(number)
        if name is None and run_id is None and not tags and not properties and model_framework is None:
            raise UserErrorException("Model(workspace, ...) needs a name, an id, a run_id, tags, properties or a model_framework")
        rows = [row for row in _rows(workspace, name, tags, properties, run_id, model_framework) if version is None or row["version"] == int(version)]
        if not rows:
            wanted = {"name": name, "version": version, "run_id": run_id, "tags": tags, "properties": properties, "model_framework": model_framework}
            said = ", ".join(f"{key} {value}" for key, value in wanted.items() if value)
            raise _MissingModel(f"ModelNotFound: Model with {said} not found in provided workspace")
        self._take(workspace, max(rows, key=lambda row: (row["created_at"], row["version"])))

    @classmethod
    def _of(cls, workspace: Workspace, row: dict) -> Model:
        model = cls.__new__(cls)
        model._take(workspace, row)
        return model

    def _take(self, workspace: Workspace, row: dict) -> None:
        self.workspace, self._row = workspace, row
        self.name: str = row["name"]
        self.version: int = row["version"]
        self.id = f"{self.name}:{self.version}"
        self.description: str = row["description"]
        self.tags: dict = row["tags"]
        self.properties: dict = row["properties"]
        self.run_id: str | None = row["run_id"]
        self.experiment_name: str | None = row["experiment"]
        self.model_framework: str | None = row["framework"]
        self.model_framework_version: str | None = row["framework_version"]
        self.created_time: str = row["created_at"]
        self.created_by: str = row["submitter"]
        self.url = f"{workspace._client.url}/api/v1{self._path}"
        # A model is the files that it was registered with: never made of another one, never packed.
        self.parent_id: str | None = None
        self.derived_model_ids: List[str] = []
        self.unpack = False

    @property
    def _path(self) -> str:
        return f"/models/{quote(self.name)}/versions/{self.version}"

    @property
    def run(self) -> Run | None:
        """The run whose files it is."""
        return self.workspace.get_run(self.run_id) if self.run_id else None

    @property
    def datasets(self) -> dict[str, List[AbstractDataset]]:
        """By scenario: those that it was registered with."""
        from azureml.data.abstract_dataset import AbstractDataset

        kept = {name[len(_DATASET) :]: value.split(",") for name, value in self.properties.items() if name.startswith(_DATASET)}
        return {scenario: [AbstractDataset.get_by_id(self.workspace, each) for each in ids] for scenario, ids in kept.items()}

    # -- finding and making -----------------------------------------------------------------------------------------

    @staticmethod
    def list(workspace: Workspace, name: str | None = None, tags: Any = None, properties: Any = None, run_id: str | None = None,
             latest: bool = False, dataset_id: str | None = None, expand: bool = True, page_count: int = 255,
             model_framework: str | None = None) -> List[Model]:  # fmt: skip
        """Newest first; with ``latest`` only the newest version of each name; with ``dataset_id`` those that were registered with it
        (``datasets``)."""
        rows = _rows(workspace, name, tags, properties, run_id, model_framework)
        if dataset_id is not None:
            rows = [row for row in rows if dataset_id in _datasets_of(row)]
        if latest:
            newest: dict[str, dict] = {}
            for row in rows:
                if row["version"] > newest.get(row["name"], {"version": 0})["version"]:
                    newest[row["name"]] = row
            rows = [*newest.values()]
        rows.sort(key=lambda row: (row["created_at"], row["version"]), reverse=True)
        return [Model._of(workspace, row) for row in rows]

    @staticmethod
    def register(workspace: Workspace, model_path: str, model_name: str, tags: dict | None = None, properties: dict | None = None,
                 description: str | None = None, datasets: Any = None, model_framework: str | None = None,
                 model_framework_version: str | None = None, child_paths: List[str] | None = None, sample_input_dataset: Any = None,
                 sample_output_dataset: Any = None, resource_configuration: Any = None) -> Model:  # fmt: skip
        """Sends a file, or a folder (of it only ``child_paths``, where given), as the next version of a model."""
        warn_without_meaning("Model.register", {"sample_input_dataset": sample_input_dataset, "sample_output_dataset": sample_output_dataset,
                                                "resource_configuration": resource_configuration})  # fmt: skip
        path = pathlib.Path(model_path)
        files = _files_of(path, child_paths)
        body: dict[str, Any] = {"name": model_name, "source": path.resolve().name, "description": description, "tags": texts(tags),
                                "properties": with_datasets(workspace._client, texts(properties), datasets),
                                "framework": model_framework, "framework_version": model_framework_version}  # fmt: skip
        context = current_context()
        if context is not None and context.token == workspace._client.token:
            body["run_id"] = context.run_id  # a run's own token registers models of that run alone
        print(f"Registering model {model_name}")
        with service_errors():
            send_files(workspace._client, files)
            body["files"] = [{"path": file.path, "digest": file.digest, "size": file.size} for file in files]
            row = workspace._client.call("POST", "/models", {key: value for key, value in body.items() if value is not None},
                                         headers={"Idempotency-Key": uuid.uuid4().hex})  # fmt: skip
        return Model._of(workspace, row)

    # -- using and changing -----------------------------------------------------------------------------------------

    def download(self, target_dir: str | os.PathLike = ".", exist_ok: bool = False, exists_ok: bool | None = None) -> str:
        """Downloads the files below ``target_dir``; gives the path of the file, or of the folder that has them."""
        with service_errors():
            names = [file["path"] for file in self.workspace._client.get(f"{self._path}/files")["items"]]
        source = pathlib.PurePosixPath(self._row["source"]).name
        is_file = len(names) == 1 and names[0] == source
        top = pathlib.Path(target_dir, source or self.name)
        if top.exists() and not (exist_ok if exists_ok is None else exists_ok):
            raise WebserviceException(f"{top} exists already; use exist_ok=True to write over its files, or another target_dir")
        with service_errors():
            for name in names:
                self.workspace._client.download(f"{self._path}/files/{quote_path(name)}", top if is_file else top / name)
        return str(top)

    def delete(self) -> None:
        """Deletes this version."""
        with service_errors():
            self.workspace._client.call("DELETE", self._path)

    def update(self, tags: dict | None = None, description: str | None = None, sample_input_dataset: Any = None,
               sample_output_dataset: Any = None, resource_configuration: Any = None) -> None:  # fmt: skip
        """Replaces all tags, and the description."""
        warn_without_meaning("Model.update", {"sample_input_dataset": sample_input_dataset, "sample_output_dataset": sample_output_dataset,
                                              "resource_configuration": resource_configuration})  # fmt: skip
        change: dict[str, Any] = {}
        if tags is not None:
            change["tags"] = {**dict.fromkeys(self.tags), **(texts(tags) or {})}
        if description is not None:
            change["description"] = description
        self._patch(change)

    def add_tags(self, tags: dict) -> None:
        """Adds, or gives a tag that is there another value."""
        self._patch({"tags": texts(tags)})

    def remove_tags(self, tags: str | List[str]) -> None:
        self._patch({"tags": dict.fromkeys([tags] if isinstance(tags, str) else tags)})

    def add_properties(self, properties: dict) -> None:
        """Adds; another value for a property that is there is an error."""
        self._patch({"properties": texts(properties)})

    def update_tags_properties(self, add_tags: dict | None = None, remove_tags: List[str] | None = None, add_properties: dict | None = None) -> None:
        self._patch({"tags": {**dict.fromkeys(remove_tags or []), **(texts(add_tags) or {})}, "properties": texts(add_properties) or {}})

    def _patch(self, change: dict) -> None:
        with service_errors():
            self._take(self.workspace, self.workspace._client.call("PATCH", self._path, change))

    def serialize(self) -> dict:
        """All that is known of it, with Azure ML's names."""
        return {"name": self.name, "id": self.id, "version": self.version, "description": self.description, "tags": self.tags,
                "properties": self.properties, "runId": self.run_id, "experimentName": self.experiment_name, "framework": self.model_framework,
                "frameworkVersion": self.model_framework_version, "createdTime": self.created_time, "createdBy": self.created_by,
                "url": self.url}  # fmt: skip

    def __repr__(self) -> str:
        return f"Model(workspace={self.workspace!r}, name={self.name}, id={self.id}, version={self.version}, tags={self.tags}, properties={self.properties})"


def _rows(workspace: Workspace, name: str | None, tags: Any, properties: Any, run_id: str | None, framework: str | None) -> list[dict]:
    with service_errors():
        names = [name] if name is not None else [item["name"] for item in workspace._client.items("/models")]
        rows = []
        for each in names:
            try:
                rows += workspace._client.get(f"/models/{quote(each)}")["versions"]
            except RoostError as error:
                if error.code != "not_found":
                    raise
    return [row for row in rows if _has(row["tags"], tags) and _has(row["properties"], properties) and run_id in (None, row["run_id"])
            and framework in (None, row["framework"])]  # fmt: skip


def _has(have: dict, wanted: Any) -> bool:
    if not isinstance(wanted, (list, tuple)):
        return matches(have, wanted)
    return all(item in have if isinstance(item, str) else have.get(item[0]) == str(item[1]) for item in wanted)


def _datasets_of(row: dict) -> set[str]:
    """The ids that ``with_datasets`` has kept."""
    return {each for name, value in row["properties"].items() if name.startswith(_DATASET) for each in value.split(",")}


def with_datasets(client: Client, properties: dict[str, str] | None, datasets: Any) -> dict[str, str] | None:
    """``datasets`` are pairs of a scenario and a dataset; their ids are kept as properties."""
    if not datasets:
        return properties
    from azureml.core.workspace import Workspace
    from azureml.data.abstract_dataset import AbstractDataset

    ids: dict[str, list[str]] = {}
    for item in datasets:
        if not isinstance(item, (tuple, list)) or len(item) != 2:
            raise UserErrorException(f"datasets must be a list of (scenario, dataset), not of {type(item).__name__}")
        scenario, dataset = item
        if not isinstance(dataset, (str, AbstractDataset)):
            raise UserErrorException(f"datasets: '{scenario}' must be of a dataset or its id, not of {type(dataset).__name__}")
        found = dataset if isinstance(dataset, str) else dataset._save(Workspace._from_client(client))["dataset_id"]
        ids.setdefault(f"{_DATASET}{scenario}", []).append(found)
    warn(f"a model is not registered with datasets here: their ids are kept as the properties {', '.join(ids)}")
    return {**(properties or {}), **{name: ",".join(found) for name, found in ids.items()}}


def _files_of(path: pathlib.Path, child_paths: list[str] | None) -> list[File]:
    if not path.exists():
        raise FileNotFoundError(f"Error, provided model path \"{path}\" cannot be found")
    if path.is_file():
        if child_paths:
            raise UserErrorException(f"child_paths go with a folder, and {path} is a file")
        found = [(path.name, path)]
    else:
        tops = [path / child for child in child_paths] if child_paths else [path]
        missing = [str(top) for top in tops if not top.exists()]
        if missing:
            raise FileNotFoundError(f"child_paths: {', '.join(missing)} cannot be found")
        inside = {file for top in tops for file in ([top] if top.is_file() else top.rglob("*")) if file.is_file()}
        found = [(file.relative_to(path).as_posix(), file) for file in sorted(inside)]
    if not found:
        raise UserErrorException(f"{path} has no files")
    files = []
    for name, source in found:
        file = File(name, str(source), source.stat().st_size, os.access(source, os.X_OK))
        hash_file(file)
        files.append(file)
    return files
