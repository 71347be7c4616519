"""``Run.input_datasets`` and ``Run.output_datasets``: from the run's own environment, or from what the server knows of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from azureml.core.workspace import Workspace
from azureml.data.abstract_dataset import AbstractDataset

if TYPE_CHECKING:
    from azureml.core.run import Run
    from azureml.data.file_dataset import FileDataset


def input_datasets(run: Run) -> dict[str, Any]:
    if not run._managed:
        return _of_rows(run, "inputs")
    found: dict[str, Any] = {}
    for item in filter(None, os.environ.get("AZUREML_DATASET_ENVIRONMENT_VARS", "").split(",")):
        name, _, mode = item.partition(":")
        value = os.environ.get(name, "")
        found[name] = AbstractDataset.get_by_id(Workspace._from_client(run._client), value) if mode.lower() == "direct" else value
    return found


def output_datasets(run: Run) -> dict[str, Any]:
    if not run._managed:
        return _of_rows(run, "outputs")
    names = filter(None, os.environ.get("AZUREML_DATASET_FILE_OUTPUTS", "").split(";"))
    return {name: os.environ.get(name, "") for name in names}


def _of_rows(run: Run, kind: str) -> dict[str, FileDataset]:
    workspace = Workspace._from_client(run._client)
    return {row["name"]: AbstractDataset.get_by_id(workspace, row["dataset_id"]) for row in run._row().get(kind, []) if row["dataset_id"]}
