"""``azureml.data.data_reference.DataReference``: a place in a datastore as a run sees it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from azureml.data.datapath import DataPath, DataPathComputeBinding, checked_mode, relative
from azureml.exceptions import UserErrorException

if TYPE_CHECKING:
    from azureml.core.datastore import Datastore
    from azureml.core.runconfig import DataReferenceConfiguration


class DataReference:
    """In the arguments of a run it becomes the local path: mounted and downloaded ones are read-only folders (or the one file),
    what an uploaded one's folder holds is taken into the datastore when the run ends.

    Its text, ``$AZUREML_DATAREFERENCE_<name>``, does the same where the run configuration's ``data_references`` has
    ``to_config()`` under that name. Without a name of its own it gets one that says what it refers to.
    """

    def __init__(self, datastore: Datastore, data_reference_name: str | None = None, path_on_datastore: str | None = None, mode: str = "mount",
                 path_on_compute: str | None = None, overwrite: bool = False):  # fmt: skip
        self.datastore, self._name = datastore, data_reference_name
        self.path_on_datastore, self.path_on_compute = path_on_datastore, path_on_compute
        self.mode, self.overwrite = checked_mode(mode), overwrite

    @property
    def data_reference_name(self) -> str:
        if self._name is not None:
            return self._name
        told = "\0".join(str(item) for item in (self.datastore.name, self.path_on_datastore, self.mode, self.path_on_compute, self.overwrite))
        return f"ref_{hashlib.blake2b(told.encode(), digest_size=8).hexdigest()}"

    @data_reference_name.setter
    def data_reference_name(self, value: str) -> None:
        self._name = value

    @staticmethod
    def create(data_reference_name: str | None = None, datapath: DataPath | None = None,
               datapath_compute_binding: DataPathComputeBinding | None = None) -> DataReference:  # fmt: skip
        if datapath is None or datapath._datastore is None:
            raise UserErrorException("a DataReference needs a DataPath with its datastore")
        binding = datapath_compute_binding or DataPathComputeBinding()
        return DataReference(datapath._datastore, data_reference_name, datapath.path_on_datastore, binding.mode, binding.path_on_compute, binding.overwrite)

    def path(self, path: str | None = None, data_reference_name: str | None = None) -> DataReference:
        """What lies at ``path`` below this one."""
        whole = "/".join(part for part in (relative(self.path_on_datastore), relative(path)) if part)
        return self._changed(path_on_datastore=whole or None, _name=data_reference_name)

    def as_mount(self) -> DataReference:
        return self._changed(mode="mount")

    def as_download(self, path_on_compute: str | None = None, overwrite: bool = False) -> DataReference:
        return self._changed(mode="download", path_on_compute=path_on_compute, overwrite=overwrite)

    def as_upload(self, path_on_compute: str | None = None, overwrite: bool = False) -> DataReference:
        return self._changed(mode="upload", path_on_compute=path_on_compute, overwrite=overwrite)

    def to_config(self) -> DataReferenceConfiguration:
        """What ``RunConfiguration.data_references`` takes."""
        from azureml.core.runconfig import DataReferenceConfiguration

        return DataReferenceConfiguration(self.datastore.name, self.mode, self.path_on_datastore, self.path_on_compute, self.overwrite)

    def _changed(self, **changes: Any) -> DataReference:
        changed = DataReference.__new__(DataReference)
        changed.__dict__.update(self.__dict__, **changes)
        return changed

    def __str__(self) -> str:
        return f"$AZUREML_DATAREFERENCE_{self.data_reference_name}"

    def __repr__(self) -> str:
        return f"DataReference({self.data_reference_name}: {self.datastore.name}/{relative(self.path_on_datastore)}, {self.mode})"
