"""What a run reads and writes: datasets, references and outputs of its arguments and configuration as ``inputs`` and ``outputs``
of a run definition (docs/wire.md), with the texts that the server replaces by local paths."""

from __future__ import annotations

import numbers
import os
import re
from typing import TYPE_CHECKING, Any, Iterable

from azureml.core import _runconfig_data
from azureml.core._runconfig_data import (
    Data, DataLocation, DataReferenceConfiguration, GlobsOptions, OutputData, OutputOptions, RegistrationOptions, UploadOptions,
)  # fmt: skip
from azureml.core.datastore import Datastore
from azureml.data.abstract_dataset import AbstractDataset
from azureml.data.data_reference import DataReference
from azureml.data.datapath import DataPath, checked_mode, relative
from azureml.data.dataset_consumption_config import MODES, DatasetConsumptionConfig, checked_name
from azureml.data.output_dataset_config import MODES as OUTPUT_MODES, OutputDatasetConfig, OutputFileDatasetConfig
from azureml.exceptions import UserErrorException

if TYPE_CHECKING:
    from azureml.core.runconfig import RunConfiguration
    from azureml.core.workspace import Workspace

DEFAULT_DATASTORE = "workspaceblobstore"
DEFAULT_OUTPUT = "dataset/{run-id}/{output-name}"
_PLAIN = (str, numbers.Number, os.PathLike)  # arguments whose text is what the script gets
_REFERENCE = re.compile(r"\$\{?AZUREML_DATAREFERENCE_(\w+)\}?")


class RunData:
    """Collects the objects first, which asks the server nothing; ``body`` then makes their datasets known to it."""

    def __init__(self, workspace: Workspace, run: RunConfiguration):
        self._workspace = workspace
        self._inputs: dict[str, Any] = {}
        self._outputs: dict[str, Any] = {}
        for section in (run.data, run.data_references):
            for name, item in section.items():
                self._take_input(str(name), item)
        for name, item in run.output_data.items():
            if not isinstance(item, (OutputData, OutputFileDatasetConfig)):
                raise UserErrorException(f"output_data['{name}'] must be an OutputFileDatasetConfig or an OutputData, not {type(item).__name__}")
            self._take(self._outputs, str(name), item)

    def texts(self, items: Iterable, where: str) -> list[str]:
        """The items of ``arguments`` or ``command`` as the run definition has them. A text may refer to an item behind it."""
        items = list(items)
        for item in items:
            if isinstance(item, DatasetConsumptionConfig):
                self._take(self._inputs, item.name, item)
            elif isinstance(item, DataReference):
                self._take_input(item.data_reference_name, item)
            elif isinstance(item, OutputFileDatasetConfig):
                self._take(self._outputs, item.name, item)
            else:
                _check_text(item, where)
        return [self.resolved(str(item.item() if not isinstance(item, _PLAIN) and _is_one_number(item) else item)) for item in items]

    def resume(self, path: DataPath) -> list[str]:
        """The arguments that a run which goes on from ``path`` gets."""
        return ["--resume-from", *self.texts([path.create_data_reference("resume_from")], "arguments")]

    def resolved(self, text: str) -> str:
        """A text with references: each must be one that the run has."""

        def named(found: re.Match) -> str:
            name = found.group(1)
            if name in self._outputs:
                return f"DatasetOutputConfig:{name}"
            if name not in self._inputs:
                raise UserErrorException(f"'{found.group(0)}' refers to nothing that the run has; give the reference itself as an argument, or set "
                                         f"run_config.data_references['{name}'] = reference.to_config()")  # fmt: skip
            return f"$AZUREML_DATAREFERENCE_{name}"

        return _REFERENCE.sub(named, text)

    def body(self) -> dict[str, Any]:
        """The fields of the run definition; those that would be empty are left out."""
        found = {"inputs": {name: self._input(name, item) for name, item in self._inputs.items()},
                 "outputs": {name: self._output(name, item) for name, item in self._outputs.items()}}  # fmt: skip
        return {key: value for key, value in found.items() if value}

    def submitted(self, run_id: str, definition: dict) -> None:
        """Tells the outputs where this run writes, for ``as_input``."""
        for name, item in self._outputs.items():
            if isinstance(item, OutputFileDatasetConfig):
                kept = (definition or {}).get("outputs", {}).get(name, {})
                path = kept.get("path") or DEFAULT_OUTPUT.replace("{output-name}", name)
                item._written.update(datastore=Datastore(self._workspace, kept.get("datastore") or DEFAULT_DATASTORE), path=path.replace("{run-id}", run_id))

    # -- one by one -------------------------------------------------------------------------------------------------

    def _take_input(self, name: str, item: Any) -> None:
        if not isinstance(item, (Data, DatasetConsumptionConfig, DataReferenceConfiguration, DataReference)):
            raise UserErrorException(f"the input '{name}' must be what as_named_input, as_mount, as_download or to_config gives, not {type(item).__name__}")
        self._take(self._outputs if getattr(item, "mode", None) == "upload" else self._inputs, name, item)

    def _take(self, to: dict, name: str, item: Any) -> None:
        checked_name(name, "the output" if to is self._outputs else "the input")
        there = self._inputs.get(name, self._outputs.get(name))
        if there is not None and there is not item and not (name in to and _same(there, item)):
            raise UserErrorException(f"two inputs or outputs of the run have the name '{name}'; name them apart with as_named_input or data_reference_name")
        to[name] = item

    def _input(self, name: str, item: Any) -> dict[str, Any]:
        if isinstance(item, DatasetConsumptionConfig):
            return _entry(checked_mode(item.mode, MODES), item.path_on_compute, dataset=self._dataset_id(name, item.dataset))
        if isinstance(item, DataReference):
            self._of_this_server(item.datastore)
        if isinstance(item, (DataReference, DataReferenceConfiguration)):
            settings = as_settings(item)
            if not settings.datastore_name:
                raise UserErrorException(f"the data reference '{name}' names no datastore")
            return _entry(checked_mode(settings.mode, ("mount", "download")), settings.path_on_compute, settings.overwrite, datastore=settings.datastore_name,
                          path=relative(settings.path_on_datastore))  # fmt: skip
        return self._settings(name, item)

    def _settings(self, name: str, item: Data) -> dict[str, Any]:
        if item.environment_variable_name not in (None, name):
            raise UserErrorException(f"data['{name}'] wants the variable {item.environment_variable_name}; the variable of an input has its name")
        if item.create_output_directories or item.options:
            raise UserErrorException(f"data['{name}']: create_output_directories and options are not available for inputs")
        mode, location = checked_mode(str(item.mechanism).lower(), MODES), item.data_location or DataLocation()
        if location.data_path is not None:
            return _entry(mode, item.path_on_compute, item.overwrite, datastore=location.data_path.datastore_name, path=relative(location.data_path.relative_path))
        if location.dataset is not None and location.dataset.dataset_id:
            return _entry(mode, item.path_on_compute, item.overwrite, dataset=location.dataset.dataset_id)
        if location.dataset is not None and location.dataset.dataset_name:
            dataset: Any = AbstractDataset.get_by_name(self._workspace, location.dataset.dataset_name, location.dataset.dataset_version or "latest")
        elif location.uri:
            from azureml.data.dataset_factory import FileDatasetFactory

            dataset = FileDatasetFactory.from_files(location.uri)
        else:
            raise UserErrorException(f"data['{name}'] has no data_location")
        return _entry(mode, item.path_on_compute, item.overwrite, dataset=self._dataset_id(name, dataset))

    def _dataset_id(self, name: str, dataset: Any) -> str:
        if isinstance(dataset, OutputDatasetConfig):
            dataset = dataset._as_dataset()
        if not isinstance(dataset, AbstractDataset):
            raise UserErrorException(f"the input '{name}' must be of a dataset, not of a {type(dataset).__name__}")
        return dataset._save(self._workspace)["dataset_id"]

    def _output(self, name: str, item: Any) -> dict[str, Any]:
        if isinstance(item, DataReference):
            self._of_this_server(item.datastore)
        if isinstance(item, OutputFileDatasetConfig) and item.destination is not None and item.destination._datastore is not None:
            self._of_this_server(item.destination._datastore)
        item = as_settings(item)
        if isinstance(item, DataReferenceConfiguration):
            if not relative(item.path_on_datastore):
                raise UserErrorException(f"the data reference '{name}' uploads to the whole datastore; name a folder in it: datastore.path('folder').as_upload()")
            return _entry("upload", None, item.overwrite, datastore=item.datastore_name, path=relative(item.path_on_datastore), source=item.path_on_compute)
        place = item.output_location.data_path if item.output_location is not None else None
        if item.output_location is not None and place is None:
            raise UserErrorException(f"output_data['{name}'] must go to a data_path of a datastore")
        options = item.additional_options or OutputOptions()
        upload, registered = options.upload_options or UploadOptions(), options.registration_options
        path = relative(place.relative_path).replace("{output-name}", name) if place is not None else ""
        path = "" if path == DEFAULT_OUTPUT.replace("{output-name}", name) else path
        told = {"mode": checked_mode(str(item.mechanism).lower(), OUTPUT_MODES),
                "datastore": (place.datastore_name if place is not None else None) or DEFAULT_DATASTORE,
                "path": path or None, "overwrite": bool(upload.overwrite),
                "source_globs": list((upload.source_globs.patterns if upload.source_globs else None) or []), "source": options.path_on_compute,
                "register_as": None if registered is None else {"name": registered.name, "description": registered.description or "", "tags": registered.tags or {}}}  # fmt: skip
        return {key: value for key, value in told.items() if value is not None}

    def _of_this_server(self, datastore: Datastore) -> None:
        if datastore.workspace._client.url != self._workspace._client.url:
            raise UserErrorException(f"the datastore {datastore.name} is of the server {datastore.workspace._client.url}, not of {self._workspace._client.url}")


def _check_text(item: Any, where: str) -> None:
    if isinstance(item, AbstractDataset):
        raise UserErrorException(f"a dataset cannot be an item of {where} as it is; say how the run gets at it: "
                                 "dataset.as_named_input('name').as_mount(), or as_download()")  # fmt: skip
    if isinstance(item, (Datastore, DataPath)):
        raise UserErrorException(f"a {type(item).__name__} cannot be an item of {where} as it is; say how the run gets at it: datastore.path('folder').as_mount()")
    if not isinstance(item, _PLAIN) and not _is_one_number(item):
        raise UserErrorException(f"an item of {where} must be a text, a number, a dataset's input or output, or a data reference, not {type(item).__name__}")


def _is_one_number(item: Any) -> bool:
    """NumPy's, also as an array or tensor of one element."""
    size = getattr(item, "size", None)
    return callable(getattr(item, "item", None)) and (size() if callable(size) else size) in (1, (1,), ()) and isinstance(item.item(), numbers.Number)


def as_settings(item: Any) -> Any:
    """An object of ``data``, ``output_data`` or ``data_references`` by names alone."""
    if isinstance(item, DatasetConsumptionConfig):
        return Data.create(item)
    if isinstance(item, DataReference):
        return item.to_config()
    if not isinstance(item, OutputFileDatasetConfig):
        return item
    registered = RegistrationOptions(**item._registration) if item._registration else None
    upload = UploadOptions(item._overwrite, GlobsOptions(item._globs) if item._globs else None) if item.mode == "upload" else None
    place = item.destination
    location = DataLocation(data_path=_runconfig_data.DataPath(place.datastore_name, relative(place.path_on_datastore))) if place is not None else None
    return OutputData(location, item.mode, OutputOptions(item.source, registered, upload))


def _entry(mode: str, path_on_compute: str | None, overwrite: bool = False, **source: Any) -> dict[str, Any]:
    entry = {"mode": mode, **source, "path_on_compute": path_on_compute, "overwrite": bool(overwrite)}
    return {key: value for key, value in entry.items() if value is not None}


def _same(one: Any, other: Any) -> bool:
    """Whether two objects of one name ask for the same."""
    if isinstance(one, DataReference):
        one = one.to_config()
    if isinstance(other, DataReference):
        other = other.to_config()
    return type(one) is type(other) and _told(one) == _told(other)


def _told(item: Any) -> dict:
    """Its settings; datasets are the same when they are of the same data."""
    told = dict(vars(item))
    if isinstance(item, DatasetConsumptionConfig) and hasattr(item.dataset, "_identity"):
        told["dataset"] = item.dataset._identity()
    return told
