"""The files of a run: uploading, listing, downloading, and the source that it was submitted with."""

from __future__ import annotations

import os
import pathlib
from typing import TYPE_CHECKING, Any

from azureml.core._config import warn_without_meaning
from azureml.core._service import service_errors
from azureml.exceptions import UserErrorException
from roost.client import quote, quote_path

if TYPE_CHECKING:
    from roost.client import Client


class RunFiles:
    _client: Client
    _path: str
    _id: str
    if TYPE_CHECKING:  # what the run has beside

        def get_snapshot_id(self) -> str | None: ...

    _outputs: tuple[str, pathlib.Path] | None = None  # a folder's name among the run's files, and the folder

    def upload_file(self, name: str, path_or_stream: Any, datastore_name: str | None = None) -> None:
        _said("upload_file", datastore_name)
        self._upload(artifact_name(name), path_or_stream, overwrite=False)

    def upload_files(self, names: list[str], paths: list, return_artifacts: bool = False,
                     timeout_seconds: float | None = None, datastore_name: str | None = None) -> None:  # fmt: skip
        _said("upload_files", datastore_name, return_artifacts=return_artifacts or None, timeout_seconds=timeout_seconds)
        if len(names) != len(paths):
            raise UserErrorException(f"upload_files got {len(names)} names for {len(paths)} paths")
        missing = [str(path) for path in paths if not os.path.isfile(path)]
        if missing:
            raise UserErrorException(f"these files are not there: {', '.join(missing)}")
        for name, path in zip(names, paths):
            self._upload(artifact_name(name), path, overwrite=False)

    def upload_folder(self, name: str, path: str, datastore_name: str | None = None) -> None:
        _said("upload_folder", datastore_name)
        root = pathlib.Path(path)
        if not root.is_dir():
            raise UserErrorException(f"there is no folder {path} to upload")
        self._upload_files_of(root, artifact_name(name), overwrite=False)

    def get_file_names(self) -> list[str]:
        return [item["path"] for item in self._files("")]

    def download_file(self, name: str, output_file_path: str | None = None, _validate_checksum: bool = False) -> None:
        target = pathlib.Path(output_file_path or pathlib.PurePosixPath(name).name)
        if target.is_dir():
            target = target / pathlib.PurePosixPath(name).name
        with service_errors():
            self._client.download(f"{self._path}/files/{quote_path(name)}", target)

    def download_files(self, prefix: str | None = None, output_directory: str | None = None, output_paths: list | None = None,
                       batch_size: int = 100, append_prefix: bool = True, timeout_seconds: float | None = None) -> None:  # fmt: skip
        """Downloads every file whose name starts with ``prefix``, below ``output_directory`` or to ``output_paths``."""
        _said("download_files", None, batch_size=None if batch_size == 100 else batch_size, timeout_seconds=timeout_seconds)
        names = [item["path"] for item in self._files(prefix or "")]
        if output_paths is not None:
            paths = [output_paths] if isinstance(output_paths, str) else list(output_paths)
            if len(paths) != len(names):
                raise UserErrorException(f"output_paths has {len(paths)} paths, but {len(names)} files start with '{prefix or ''}'")
        else:
            cut = len(prefix or "") if not append_prefix else 0
            paths = [os.path.join(output_directory or ".", name[cut:].lstrip("/") or name.split("/")[-1]) for name in names]
        for name, path in zip(names, paths):
            self.download_file(name, path)

    def get_all_logs(self, destination: str | None = None) -> list[str]:
        folder = destination or os.path.join("assets", self._id)
        names = [item["path"] for item in self._files("") if item["path"].startswith(("azureml-logs/", "logs/"))]
        for name in names:
            self.download_file(name, os.path.join(folder, name))
        return [os.path.join(folder, name) for name in names]

    def restore_snapshot(self, snapshot_id: str | None = None, path: str | None = None) -> str:
        """Downloads the run's source as a zip; gives its path."""
        snapshot = snapshot_id or self.get_snapshot_id()
        if not snapshot:
            raise UserErrorException(f"run {self._id} has no snapshot")
        target = os.path.join(path or ".", f"{snapshot[len('b2:') :][:16]}.zip")
        with service_errors():
            self._client.download(f"/snapshots/{quote(snapshot)}/archive", target)
        return target

    def _files(self, prefix: str) -> list[dict]:
        items, after = [], None
        with service_errors():
            while True:
                page = self._client.get(f"{self._path}/files", prefix=prefix or None, after=after, limit=1000)["items"]
                items += page
                if len(page) < 1000:
                    return items
                after = page[-1]["path"]

    def _upload(self, name: str, source: Any, overwrite: bool) -> None:
        with service_errors():
            self._client.upload(f"{self._path}/files/{quote_path(name)}", source, overwrite)

    def _upload_files_of(self, folder: pathlib.Path, name: str, overwrite: bool) -> None:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                self._upload(f"{name}/{file.relative_to(folder).as_posix()}", file, overwrite)

    def _collect(self, outputs: str | os.PathLike | None) -> None:
        """The run gets the files of this folder when it is completed, under the folder's path as seen from here."""
        if outputs is None:
            return
        folder, here = pathlib.Path(os.path.abspath(outputs)), pathlib.Path.cwd()
        if folder == here or folder in here.parents:
            raise UserErrorException(f"outputs={os.fspath(outputs)!r} holds the current folder itself; give a folder for results alone, like 'outputs'")
        folder.mkdir(parents=True, exist_ok=True)
        self._outputs = (folder.relative_to(here).as_posix() if here in folder.parents else folder.name, folder)

    def _upload_outputs(self) -> None:
        if self._outputs is not None:
            name, folder = self._outputs
            self._upload_files_of(folder, name, overwrite=True)  # the script may have uploaded some itself

    def _text_of(self, name: str) -> str:
        return b"".join(self._client.stream(f"{self._path}/files/{quote_path(name)}")).decode(errors="replace")


def artifact_name(name: str) -> str:
    """A path as artifact name: relative, forward slashes, "./" dropped."""
    return pathlib.PurePosixPath(os.fspath(name).replace("\\", "/")).as_posix().lstrip("/")


def _said(call: str, datastore_name: str | None, **more: Any) -> None:
    """One warning for what has no meaning; the default datastore is where a run's files are by any account."""
    warn_without_meaning(call, {"datastore_name": datastore_name if datastore_name != "workspaceblobstore" else None, **more})
