"""``azureml.data.datapath``: a place in a datastore, and how a run gets at it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from azureml.exceptions import UserErrorException

if TYPE_CHECKING:
    from azureml.core.datastore import Datastore
    from azureml.data.data_reference import DataReference

MODES = ("mount", "download", "upload")


def relative(path: str | None) -> str:
    """A path inside a datastore as the server has it."""
    text = "" if path is None else str(path).replace("\\", "/").strip("/")
    return "" if text == "." else text[2:] if text.startswith("./") else text


def checked_mode(mode: str, known: tuple = MODES) -> str:
    if mode not in known:
        raise UserErrorException(f"the mode '{mode}' is none of {', '.join(known)}")
    return mode


class DataPath:
    """``path_on_datastore`` in ``datastore``; the pair ``(datastore, path)`` means the same."""

    def __init__(self, datastore: Datastore | None = None, path_on_datastore: str | None = None, name: str | None = None):
        self._datastore, self._path_on_datastore, self._name = datastore, path_on_datastore, name

    @property
    def datastore_name(self) -> str | None:
        return None if self._datastore is None else self._datastore.name

    @property
    def path_on_datastore(self) -> str | None:
        return self._path_on_datastore

    def create_data_reference(self, data_reference_name: str | None = None,
                              datapath_compute_binding: DataPathComputeBinding | None = None) -> DataReference:  # fmt: skip
        from azureml.data.data_reference import DataReference

        return DataReference.create(data_reference_name, self, datapath_compute_binding)

    @staticmethod
    def create_from_data_reference(data_reference: DataReference) -> DataPath:
        return DataPath(data_reference.datastore, data_reference.path_on_datastore, data_reference.data_reference_name)

    def __repr__(self) -> str:
        return f"DataPath({self.datastore_name}, {self.path_on_datastore})"


class DataPathComputeBinding:
    """How a run gets at a DataPath: mounted, downloaded, or uploaded to it."""

    def __init__(self, mode: str = "mount", path_on_compute: str | None = None, overwrite: bool = False):
        self.mode, self.path_on_compute, self.overwrite = checked_mode(mode), path_on_compute, overwrite

    def create_data_reference(self, data_reference_name: str | None = None, datapath: DataPath | None = None) -> DataReference:
        from azureml.data.data_reference import DataReference

        return DataReference.create(data_reference_name, datapath, self)

    @staticmethod
    def create_from_data_reference(data_reference: DataReference) -> DataPathComputeBinding:
        return DataPathComputeBinding(data_reference.mode, data_reference.path_on_compute, data_reference.overwrite)
