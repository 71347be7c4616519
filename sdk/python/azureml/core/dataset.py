"""``azureml.core.Dataset``: where datasets are made and found."""

from __future__ import annotations

from typing import Any

from azureml.core import _not_here
from azureml.data.abstract_dataset import AbstractDataset
from azureml.exceptions import UserErrorException


class Dataset(_not_here.KnownMissing):
    """``Dataset.File`` makes datasets; ``get_by_name``, ``get_by_id`` and ``get_all`` find them. There are no objects of it."""

    _missing = _not_here.DATASET
    File = AbstractDataset.__dict__["File"]
    Tabular = AbstractDataset.__dict__["Tabular"]
    get_by_name = staticmethod(AbstractDataset.get_by_name)
    get_by_id = staticmethod(AbstractDataset.get_by_id)
    get_all = staticmethod(AbstractDataset.get_all)

    def __init__(self, definition: Any, workspace: Any = None, name: str | None = None, id: str | None = None):
        raise UserErrorException("datasets are made by Dataset.File.from_files or Dataset.File.upload_directory, and found by Dataset.get_by_name")
