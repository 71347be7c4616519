"""``azureml.data.dataset_consumption_config``: a dataset as the named input of a run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from azureml.core._not_here import CONSUMPTION, KnownMissing
from azureml.data.datapath import checked_mode
from azureml.exceptions import UserErrorException

if TYPE_CHECKING:
    from azureml.data.abstract_dataset import AbstractDataset

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
MODES = ("direct", "mount", "download")


def checked_name(name: Any, what: str) -> str:
    """Names become variables of the run."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise UserErrorException(f"{what} '{name}' is no name: letters, digits and '_', the first no digit")
    return name


class DatasetConsumptionConfig(KnownMissing):
    """In the arguments of a run it becomes the local path, or with the mode ``direct`` the dataset's id, which the script finds
    as ``Run.get_context().input_datasets[name]``. ``path_on_compute`` begins with "/", or at the working folder."""

    _missing = CONSUMPTION

    def __init__(self, name: str, dataset: AbstractDataset | Any, mode: str = "direct", path_on_compute: str | None = None):
        self.name = name
        self.dataset, self.mode, self.path_on_compute = dataset, checked_mode(mode, MODES), path_on_compute

    @property
    def name(self) -> str:
        return self._name

    @name.setter
    def name(self, value: str) -> None:
        self._name = checked_name(value, "the input")

    def as_mount(self, path_on_compute: str | None = None) -> DatasetConsumptionConfig:
        """A read-only folder, or the one file of the dataset."""
        return DatasetConsumptionConfig(self.name, self.dataset, "mount", path_on_compute)

    def as_download(self, path_on_compute: str | None = None) -> DatasetConsumptionConfig:
        """A copy that belongs to the run."""
        return DatasetConsumptionConfig(self.name, self.dataset, "download", path_on_compute)

    def __str__(self) -> str:
        return f"DatasetConsumptionConfig:{self.name}"

    def __repr__(self) -> str:
        return f"DatasetConsumptionConfig({self.name}, {self.dataset!r}, {self.mode})"
