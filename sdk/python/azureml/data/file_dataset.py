"""``azureml.data.FileDataset``: files of datastores and of the web, as one tree."""

from __future__ import annotations

import os
import pathlib
import shutil
import tempfile
from typing import Any, List

from azureml.core import _not_here
from azureml.core._service import data_errors
from azureml.data.abstract_dataset import AbstractDataset
from azureml.data.dataset_consumption_config import DatasetConsumptionConfig
from azureml.exceptions import UserErrorException
from roost.client import RoostError, quote


class FileDataset(AbstractDataset):
    """Made by ``Dataset.File.from_files`` or ``upload_directory``, or found by name or id. In the arguments of a run it is used
    through ``as_mount``, ``as_download`` or ``as_named_input``."""

    _missing = _not_here.FILE_DATASET

    def __init__(self) -> None:
        raise UserErrorException("a FileDataset is made by Dataset.File.from_files, or found by Dataset.get_by_name")

    def to_path(self) -> List[str]:
        """The paths of all files below their common folder, each beginning with "/"."""
        from roost.data_files import list_files

        with data_errors():
            return ["/" + item["path"] for item in list_files(self._bound()._client, self._files)]

    def download(self, target_path: str | os.PathLike | None = None, overwrite: bool = False, ignore_not_found: bool = False) -> List[str]:
        """Downloads all files below ``target_path`` (default: a new temporary folder); gives their paths. A file that is there is an
        error unless ``overwrite``. With ``ignore_not_found`` a dataset that is gone is no files."""
        from roost.data_files import fetch

        workspace = self._bound()
        folder = tempfile.mkdtemp(prefix="dataset-") if target_path is None else target_path
        with data_errors():
            try:
                return fetch(workspace._client, self._files, folder, overwrite, skip=False).paths
            except RoostError as error:
                if ignore_not_found and error.code == "not_found":
                    return []
                raise

    def mount(self, mount_point: str | os.PathLike | None = None, **kwargs: Any) -> MountContext:
        """A read-only tree of the files at ``mount_point`` (default: a new temporary folder), while the context lasts."""
        if kwargs:
            raise UserErrorException(f"mount does not take {', '.join(sorted(kwargs))} here")
        return MountContext(self, mount_point)

    def as_mount(self, path_on_compute: str | None = None) -> DatasetConsumptionConfig:
        return self._input("mount", path_on_compute)

    def as_download(self, path_on_compute: str | None = None) -> DatasetConsumptionConfig:
        return self._input("download", path_on_compute)

    def _bound(self) -> Any:
        self._save()
        return self._workspace

    @property
    def _files(self) -> str:
        return f"/dataset-ids/{quote(self._save()['dataset_id'])}/files"


class MountContext:
    """``with dataset.mount() as context:``, or ``start()`` and ``stop()``.

    The files are a copy that belongs to the context: fetched by ``start``, write-protected, and removed by ``stop``.
    """

    def __init__(self, dataset: FileDataset, mount_point: str | os.PathLike | None):
        self._dataset, self._started, self._made = dataset, False, mount_point is None
        self.mount_point = tempfile.mkdtemp(prefix="mounted-") if mount_point is None else os.path.abspath(mount_point)

    def start(self) -> None:
        if self._started:
            return
        folder = pathlib.Path(self.mount_point)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UserErrorException(f"the mount point {folder} must be an empty folder, or not there")
        self._made = self._made or not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        self._started = True
        try:
            self._dataset.download(folder)
            for top, _, files in os.walk(folder, topdown=False):
                for file in files:
                    os.chmod(os.path.join(top, file), 0o444)
                os.chmod(top, 0o555)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        if not self._started:
            return
        self._started = False
        folder = pathlib.Path(self.mount_point)
        for top, _, _ in os.walk(folder):
            os.chmod(top, 0o755)
        if self._made:
            shutil.rmtree(folder)
            return
        for entry in folder.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    def __enter__(self) -> MountContext:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
