"""``azureml.core.Datastore``: where data is kept, by the server itself or in a folder of its machine."""

from __future__ import annotations

import os
import posixpath
from typing import TYPE_CHECKING, Any, List

from azureml.core import _not_here
from azureml.core._config import warn_without_meaning
from azureml.core._not_here import not_here
from azureml.core._service import data_errors, every_item
from azureml.data.data_reference import DataReference
from azureml.data.datapath import relative
from azureml.exceptions import UserErrorException
from roost.client import RoostError, quote

if TYPE_CHECKING:
    from azureml.core.workspace import Workspace

_TYPES = {"store": "AzureBlob", "folder": "AzureFile"}  # by Azure ML's names


class Datastore(_not_here.KnownMissing):
    """The datastore with this name; without one the default datastore.

    ``workspaceblobstore`` keeps its contents in the server's own store, each once; others are folders of the server's machine.
    """

    _missing = _not_here.DATASTORE

    def __init__(self, workspace: Workspace, name: str | None = None):
        if name is None:
            rows = [row for row in _rows(workspace) if row["is_default"]]
            if not rows:
                raise UserErrorException("the workspace has no default datastore; Workspace.set_default_datastore(name) makes one")
            self._take(workspace, rows[0])
            return
        with data_errors(f"there is no datastore '{name}'"):
            self._take(workspace, workspace._client.get(f"/datastores/{quote(name)}"))

    @classmethod
    def _of(cls, workspace: Workspace, row: dict) -> Datastore:
        datastore = cls.__new__(cls)
        datastore._take(workspace, row)
        return datastore

    def _take(self, workspace: Workspace, row: dict) -> None:
        self.workspace, self._row = workspace, row
        self.name: str = row["name"]
        self.datastore_type: str = _TYPES[row["type"]]
        self.is_sas = False
        # Labels for scripts that print them: nothing is looked up by them.
        self.account_name, self.container_name = workspace.name, row["path"] or row["name"]

    # -- finding and making -----------------------------------------------------------------------------------------

    @staticmethod
    def get(workspace: Workspace, datastore_name: str) -> Datastore:
        return Datastore(workspace, datastore_name)

    @staticmethod
    def get_default(workspace: Workspace) -> Datastore:
        return Datastore(workspace)

    @staticmethod
    def register_folder(workspace: Workspace, datastore_name: str, path: str | os.PathLike, overwrite: bool = False, read_only: bool = False) -> Datastore:
        """Roost's own: makes a folder of the server's machine (an absolute path that exists) a datastore. A name that is there is
        an error unless it is the same folder, or ``overwrite`` gives it the new one; no file is touched by that."""
        wanted = {"name": datastore_name, "path": os.path.normpath(path), "read_only": read_only}
        there = next((row for row in _rows(workspace) if row["name"] == datastore_name), None)
        if there is not None and all(there[key] == value for key, value in wanted.items()):
            return Datastore._of(workspace, there)
        if there is not None and not overwrite:
            raise UserErrorException(f"there is a datastore '{datastore_name}' already, at {there['path'] or 'the server itself'}; use overwrite=True or another name")
        with data_errors():
            if there is not None:
                if there["is_default"]:  # the default one cannot be removed
                    workspace._client.call("PATCH", "/datastores/workspaceblobstore", {"is_default": True})
                workspace._client.call("DELETE", f"/datastores/{quote(datastore_name)}")
            try:
                row = workspace._client.call("POST", "/datastores", {**wanted, "is_default": bool(there and there["is_default"])})
            except RoostError:
                if there is not None and there["type"] == "folder":  # as it was
                    workspace._client.call("POST", "/datastores", {key: there[key] for key in ("name", "path", "read_only", "is_default")})
                raise
        return Datastore._of(workspace, row)

    @staticmethod
    def register_azure_blob_container(workspace: Workspace, datastore_name: str, container_name: str, account_name: str, sas_token: str | None = None,
                                      account_key: str | None = None, protocol: str | None = None, endpoint: str | None = None,
                                      overwrite: bool = False, create_if_not_exists: bool = False, skip_validation: bool = False,
                                      blob_cache_timeout: int | None = None, grant_workspace_access: bool = False,
                                      subscription_id: str | None = None, resource_group: str | None = None) -> Datastore:  # fmt: skip
        """The folder of the server's machine that ``container_name`` names by its absolute path: where the container is mounted, or
        a copy of it. A container of Azure itself is not reached."""
        _accepted({"account_name": account_name, "sas_token": sas_token, "account_key": account_key, "protocol": protocol, "endpoint": endpoint,
                   "create_if_not_exists": create_if_not_exists, "skip_validation": skip_validation, "blob_cache_timeout": blob_cache_timeout,
                   "grant_workspace_access": grant_workspace_access, "subscription_id": subscription_id,
                   "resource_group": resource_group}, "register_azure_blob_container", "container_name", container_name)  # fmt: skip
        return Datastore.register_folder(workspace, datastore_name, container_name, overwrite)

    @staticmethod
    def register_azure_file_share(workspace: Workspace, datastore_name: str, file_share_name: str, account_name: str, sas_token: str | None = None,
                                  account_key: str | None = None, protocol: str | None = None, endpoint: str | None = None,
                                  overwrite: bool = False, create_if_not_exists: bool = False, skip_validation: bool = False) -> Datastore:  # fmt: skip
        """As register_azure_blob_container: ``file_share_name`` is an absolute path of the server's machine."""
        _accepted({"account_name": account_name, "sas_token": sas_token, "account_key": account_key, "protocol": protocol, "endpoint": endpoint,
                   "create_if_not_exists": create_if_not_exists, "skip_validation": skip_validation}, "register_azure_file_share",
                  "file_share_name", file_share_name)  # fmt: skip
        return Datastore.register_folder(workspace, datastore_name, file_share_name, overwrite)

    def set_as_default(self) -> None:
        with data_errors():
            self._take(self.workspace, self.workspace._client.call("PATCH", self._path, {"is_default": True}))

    def unregister(self) -> None:
        """The server forgets the datastore; a folder's files stay where they are."""
        with data_errors():
            self.workspace._client.call("DELETE", self._path)

    # -- its files --------------------------------------------------------------------------------------------------

    def upload(self, src_dir: str | os.PathLike, target_path: str | None = None, overwrite: bool = False, show_progress: bool = True) -> DataReference:
        """Brings all files below ``src_dir`` to ``target_path``. What is there already does not travel; a path that has another
        content is left alone unless ``overwrite``. An upload that broke off goes on when it is called again."""
        from roost.data_upload import find_files

        if not os.path.isdir(src_dir):
            raise UserErrorException(f"there is no folder {src_dir} to upload")
        with data_errors():
            self._upload(find_files(src_dir), target_path, overwrite, show_progress)
        return self.path(target_path)

    def upload_files(self, files: List[str], relative_root: str | None = None, target_path: str | None = None, overwrite: bool = False,
                     show_progress: bool = True) -> DataReference:  # fmt: skip
        """As ``upload``. The files keep their paths below ``relative_root``; without one, below the folder that all have in common."""
        from roost.data_upload import Source

        if isinstance(files, (str, os.PathLike)):
            raise UserErrorException("files must be a list of paths")
        missing = [os.fspath(file) for file in files if not os.path.isfile(file)]
        if missing or not files:
            raise UserErrorException(f"these files are not there: {', '.join(missing)}" if missing else "there are no files to upload")
        absolute = [os.path.abspath(file) for file in files]
        root = os.path.abspath(relative_root) if relative_root is not None else os.path.commonpath([os.path.dirname(file) for file in absolute])
        outside = [file for file in absolute if os.path.relpath(file, root).startswith("..")]
        if outside:
            raise UserErrorException(f"{', '.join(outside)} lies outside of the relative_root {root}")
        with data_errors():
            sources = [Source(os.path.relpath(file, root).replace(os.sep, "/"), file, os.path.getsize(file)) for file in absolute]
            self._upload(sorted(set(sources)), target_path, overwrite, show_progress)
        return self.path(target_path)

    def _upload(self, sources: list, target_path: str | None, overwrite: bool, show_progress: bool) -> None:
        from roost.data_upload import upload

        if not sources:
            raise UserErrorException("there are no files to upload")
        top = relative(target_path)
        if top:
            sources = [source._replace(path=posixpath.join(top, source.path)) for source in sources]
        upload(self.workspace._client, self.name, sources, overwrite, show_progress)

    def download(self, target_path: str | os.PathLike, prefix: str | None = None, overwrite: bool = False, show_progress: bool = True) -> int:
        """Downloads every file whose path begins with ``prefix``, with its whole path below ``target_path``; gives how many. What
        is there already is left alone unless ``overwrite``."""
        from roost.data_files import fetch

        top = relative(prefix)
        with data_errors():
            got = fetch(self.workspace._client, f"{self._path}/files", target_path, overwrite, skip=True, show_progress=show_progress,
                        prefix=top + "/" if top and str(prefix).endswith("/") else top or None)  # fmt: skip
        return len(got.paths) - got.skipped

    # -- in runs ----------------------------------------------------------------------------------------------------

    def path(self, path: str | None = None, data_reference_name: str | None = None) -> DataReference:
        """The place ``path`` of it, for arguments of runs, uploads and datasets."""
        return DataReference(self, data_reference_name, path)

    def as_mount(self) -> DataReference:
        return DataReference(self).as_mount()

    def as_download(self, path_on_compute: str | None = None) -> DataReference:
        return DataReference(self).as_download(path_on_compute)

    def as_upload(self, path_on_compute: str | None = None) -> DataReference:
        return DataReference(self).as_upload(path_on_compute)

    @property
    def _path(self) -> str:
        return f"/datastores/{quote(self.name)}"

    def __repr__(self) -> str:
        return f"Datastore({self.name}, {self._row['type']}{', ' + self._row['path'] if self._row['path'] else ''})"


def all_datastores(workspace: Workspace) -> dict[str, Datastore]:
    return {row["name"]: Datastore._of(workspace, row) for row in _rows(workspace)}


def _rows(workspace: Workspace) -> list[dict]:
    with data_errors():
        return list(every_item(workspace._client, "/datastores"))


def _accepted(given: dict[str, Any], call: str, name: str, path: str) -> None:
    if not os.path.isabs(path):
        raise not_here(f"the container or share '{path}'", f"storage at Azure is not reached; mount it on the server's machine, or copy it there, and give that folder's absolute path as {name}")
    warn_without_meaning(f"Datastore.{call}", {key: value or None for key, value in given.items()})
