"""``azureml.data.output_dataset_config``: what a run writes and the server keeps as a dataset."""

from __future__ import annotations

import copy
import uuid
from typing import TYPE_CHECKING, Any, List

from azureml.core._config import warn_without_meaning
from azureml.core._not_here import OUTPUT, KnownMissing, not_here
from azureml.data.datapath import DataPath, checked_mode
from azureml.data.dataset_consumption_config import DatasetConsumptionConfig, checked_name
from azureml.exceptions import UserErrorException

if TYPE_CHECKING:
    from azureml.data.file_dataset import FileDataset

MODES = ("mount", "upload")


class OutputDatasetConfig(KnownMissing):
    """The base of outputs: a name, a mode, and what is registered when the run completes."""

    _missing: dict = {}

    def __init__(self, mode: str, name: str | None = None, **kwargs: Any):
        if kwargs:
            raise UserErrorException(f"{type(self).__name__} does not take {', '.join(sorted(kwargs))}")
        self.name = name if name is not None else f"output_{uuid.uuid4().hex[:8]}"
        self.mode = checked_mode(mode, MODES)
        self._registration: dict | None = None
        self._written: dict = {}  # shared by all copies: where the newest run that got it writes

    @property
    def name(self) -> str:
        return self._name

    @name.setter
    def name(self, value: str) -> None:
        self._name = checked_name(value, "the output")

    def register_on_complete(self, name: str, description: str | None = None, tags: dict | None = None) -> OutputDatasetConfig:
        """A copy of it whose files become the next version of the dataset ``name`` when the run is Completed."""
        changed = copy.copy(self)
        changed._registration = {"name": name, "description": description or "", "tags": {str(key): str(value) for key, value in (tags or {}).items()}}
        return changed

    def as_input(self, name: str | None = None) -> DatasetConsumptionConfig:
        """What the newest run that was submitted with this output has written, mounted as the input of a later run."""
        return DatasetConsumptionConfig(name or self.name, self, "mount")

    def _as_dataset(self) -> FileDataset:
        from azureml.data.dataset_factory import FileDatasetFactory

        if not self._written:
            raise UserErrorException(f"the output '{self.name}' has no files yet: submit the run that writes it and wait for its end first")
        return FileDatasetFactory.from_files((self._written["datastore"], self._written["path"]))

    def _identity(self) -> int:
        """The same for all copies."""
        return id(self._written)

    def __str__(self) -> str:
        return f"DatasetOutputConfig:{self.name}"


class OutputFileDatasetConfig(OutputDatasetConfig):
    """In the arguments of a run it becomes the path of a folder that the script writes into; the files are kept in ``destination``
    (default: ``dataset/{run-id}/{output-name}`` of the default datastore).

    ``source`` is a path of the run that is taken instead of a new folder. The files are taken in when the script ends, also
    when it fails, in both modes.
    """

    _missing = OUTPUT

    def __init__(self, name: str | None = None, destination: Any = None, source: str | None = None, partition_format: str | None = None):
        super().__init__("mount", name)
        if partition_format is not None:
            raise not_here("partition_format", "datasets are of files; take the parts of their paths in the script")
        self.destination, self.source = _place(destination), source
        self._overwrite, self._globs = False, []  # type: ignore[var-annotated]

    def as_mount(self, disable_metadata_cache: bool = False) -> OutputFileDatasetConfig:
        warn_without_meaning("as_mount", {"disable_metadata_cache": disable_metadata_cache or None})
        changed = copy.copy(self)
        changed.mode, changed._overwrite, changed._globs = "mount", False, []
        return changed

    def as_upload(self, overwrite: bool = False, source_globs: str | List[str] | None = None) -> OutputFileDatasetConfig:
        """Only the files that ``source_globs`` fit are kept; ``overwrite`` replaces what is at the destination."""
        changed = copy.copy(self)
        changed.mode, changed._overwrite = "upload", overwrite
        changed._globs = [source_globs] if isinstance(source_globs, str) else list(source_globs or [])
        return changed

    def __repr__(self) -> str:
        return f"OutputFileDatasetConfig({self.name}, {self.destination}, {self.mode})"


def _place(destination: Any) -> DataPath | None:
    if destination is None or isinstance(destination, DataPath):
        return destination
    from azureml.core.datastore import Datastore

    if isinstance(destination, Datastore):
        return DataPath(destination)
    if isinstance(destination, (tuple, list)) and len(destination) == 2 and isinstance(destination[0], Datastore):
        return DataPath(destination[0], destination[1])
    raise UserErrorException(f"a destination is a datastore or the pair (datastore, 'path'), not {destination!r}")
