"""The data sections of a RunConfiguration, as plain settings that can be written into a file.

``data`` and ``output_data`` take DatasetConsumptionConfig and OutputFileDatasetConfig objects as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, List

from azureml.exceptions import UserErrorException

if TYPE_CHECKING:
    from azureml.data.dataset_consumption_config import DatasetConsumptionConfig


class Dataset:
    """Which dataset: by id, or by name and version."""

    def __init__(self, dataset_id: str | None = None, dataset_name: str | None = None, dataset_version: str | None = None):
        self.dataset_id, self.dataset_name, self.dataset_version = dataset_id, dataset_name, dataset_version


class DataPath:
    """A place in a datastore, by names."""

    def __init__(self, datastore_name: str | None = None, relative_path: str | None = None):
        self.datastore_name, self.relative_path = datastore_name, relative_path


class DataLocation:
    """One of a dataset, a place and a web address."""

    def __init__(self, dataset: Dataset | None = None, data_path: DataPath | None = None, uri: str | None = None):
        self.dataset, self.data_path, self.uri = dataset, data_path, uri


class Data:
    """An input."""

    def __init__(self, data_location: DataLocation | None = None, create_output_directories: bool | None = None, mechanism: str = "direct",
                 environment_variable_name: str | None = None, path_on_compute: str | None = None, overwrite: bool = False,
                 options: dict | None = None):  # fmt: skip
        self.data_location, self.mechanism = data_location, mechanism
        self.create_output_directories, self.options = create_output_directories, options
        self.environment_variable_name, self.path_on_compute, self.overwrite = environment_variable_name, path_on_compute, overwrite

    @staticmethod
    def create(data: DatasetConsumptionConfig) -> Data:
        from azureml.data.dataset_consumption_config import DatasetConsumptionConfig
        from azureml.data.output_dataset_config import OutputDatasetConfig

        if not isinstance(data, DatasetConsumptionConfig):
            raise UserErrorException(f"Data.create takes what as_named_input, as_mount or as_download gives, not {type(data).__name__}")
        dataset = data.dataset._as_dataset() if isinstance(data.dataset, OutputDatasetConfig) else data.dataset
        row = dataset._save()
        location = DataLocation(dataset=Dataset(row["dataset_id"], row["name"], None if row["version"] is None else str(row["version"])))
        return Data(location, mechanism=data.mode, environment_variable_name=data.name, path_on_compute=data.path_on_compute)


class GlobsOptions:
    def __init__(self, patterns: List[str] | None = None):
        self.patterns = patterns


class UploadOptions:
    def __init__(self, overwrite: bool = False, source_globs: GlobsOptions | None = None):
        self.overwrite, self.source_globs = overwrite, source_globs


class RegistrationOptions:
    def __init__(self, name: str | None = None, description: str | None = None, tags: dict | None = None):
        self.name, self.description, self.tags = name, description, tags


class OutputOptions:
    def __init__(self, path_on_compute: str | None = None, registration_options: RegistrationOptions | None = None,
                 upload_options: UploadOptions | None = None, mount_options: Any = None):  # fmt: skip
        self.path_on_compute, self.registration_options = path_on_compute, registration_options
        self.upload_options, self.mount_options = upload_options, mount_options


class OutputData:
    """An output."""

    def __init__(self, output_location: DataLocation | None = None, mechanism: str = "mount", additional_options: OutputOptions | None = None):
        self.output_location, self.mechanism, self.additional_options = output_location, mechanism, additional_options


class DataReferenceConfiguration:
    """A DataReference by names."""

    def __init__(self, datastore_name: str | None = None, mode: str = "mount", path_on_datastore: str | None = None,
                 path_on_compute: str | None = None, overwrite: bool = False):  # fmt: skip
        self.datastore_name, self.mode = datastore_name, mode
        self.path_on_datastore, self.path_on_compute, self.overwrite = path_on_datastore, path_on_compute, overwrite


# What each is written as: attribute -> key, and the class of what is below it.
_KEYS: dict[type, dict[str, tuple]] = {
    Dataset: {"dataset_id": ("id",), "dataset_name": ("name",), "dataset_version": ("version",)},
    DataPath: {"datastore_name": ("datastoreName",), "relative_path": ("relativePath",)},
    DataLocation: {"dataset": ("dataset", Dataset), "data_path": ("dataPath", DataPath), "uri": ("uri",)},
    Data: {"data_location": ("dataLocation", DataLocation), "mechanism": ("mechanism",), "environment_variable_name": ("environmentVariableName",),
           "path_on_compute": ("pathOnCompute",), "overwrite": ("overwrite",), "create_output_directories": ("createOutputDirectories",),
           "options": ("options",)},
    GlobsOptions: {"patterns": ("globPatterns",)},
    UploadOptions: {"overwrite": ("overwrite",), "source_globs": ("sourceGlobs", GlobsOptions)},
    RegistrationOptions: {"name": ("name",), "description": ("description",), "tags": ("tags",)},
    OutputOptions: {"path_on_compute": ("pathOnCompute",), "registration_options": ("registrationOptions", RegistrationOptions),
                    "upload_options": ("uploadOptions", UploadOptions)},
    OutputData: {"output_location": ("outputLocation", DataLocation), "mechanism": ("mechanism",), "additional_options": ("additionalOptions", OutputOptions)},
    DataReferenceConfiguration: {"datastore_name": ("dataStoreName",), "mode": ("mode",), "path_on_datastore": ("pathOnDataStore",),
                                 "path_on_compute": ("pathOnCompute",), "overwrite": ("overwrite",)},
}  # fmt: skip
SECTIONS = {"data": ("data", Data), "output_data": ("outputData", OutputData), "data_references": ("dataReferences", DataReferenceConfiguration)}


def written(config: Any) -> dict[str, dict]:
    """The sections that have something, for the file."""
    from azureml.core._inputs import as_settings

    found = {}
    for attribute, (key, _) in SECTIONS.items():
        items = {str(name): _keys_of(as_settings(item)) for name, item in getattr(config, attribute).items()}
        if items:
            found[key] = items
    return found


def read(config: Any, content: dict, fail: Any, unknown: list[str]) -> None:
    """Takes the sections out of a file's ``content``. ``fail`` raises for what is wrong."""
    for attribute, (key, cls) in SECTIONS.items():
        section = content.pop(key, None) or {}
        if not isinstance(section, dict):
            raise fail(f"{key} must have keys and values")
        setattr(config, attribute, {str(name): _made(cls, item, f"{key}.{name}", fail, unknown) for name, item in section.items()})


def _keys_of(item: Any) -> dict[str, Any]:
    found = {}
    for attribute, (key, *below) in _KEYS[type(item)].items():
        value = getattr(item, attribute)
        if value is not None:
            found[key] = _keys_of(value) if below else value
    return found


def _made(cls: type, content: Any, name: str, fail: Any, unknown: list[str]) -> Any:
    if not isinstance(content, dict):
        raise fail(f"{name} must have keys and values")
    made, attributes = cls(), {key: (attribute, *below) for attribute, (key, *below) in _KEYS[cls].items()}
    for key, value in content.items():
        if key not in attributes:
            if value not in (None, "", [], {}, False):
                unknown.append(f"{name}.{key}")
        elif value is not None:
            attribute, *below = attributes[key]
            setattr(made, attribute, _made(below[0], value, f"{name}.{key}", fail, unknown) if below else value)
    return made
