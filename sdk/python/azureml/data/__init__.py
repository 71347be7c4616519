"""Azure ML's names for data: datasets of files, what runs read and what they write."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from azureml.data.file_dataset import FileDataset
    from azureml.data.output_dataset_config import OutputFileDatasetConfig
    from azureml.data.tabular_dataset import TabularDataset

__all__ = ["FileDataset", "OutputFileDatasetConfig", "TabularDataset"]

_HOMES = {"FileDataset": "file_dataset", "OutputFileDatasetConfig": "output_dataset_config", "TabularDataset": "tabular_dataset"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        found = getattr(importlib.import_module(f"azureml.data.{_HOMES[name]}"), name)
        globals()[name] = found
        return found
    from azureml.core._not_here import DATA, no_such_name

    raise no_such_name(__name__, name, DATA)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
