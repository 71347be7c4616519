"""``azureml.data.dataset_factory``: ``Dataset.File``, which makes datasets of places and of folders."""

from __future__ import annotations

import os
import posixpath
import re
from typing import TYPE_CHECKING, Any

from azureml.core import _not_here
from azureml.core._not_here import not_here
from azureml.core._service import data_errors
from azureml.data.datapath import DataPath, relative
from azureml.data.tabular_dataset import TabularDatasetFactory
from azureml.exceptions import UserErrorException

if TYPE_CHECKING:
    from azureml.core.datastore import Datastore
    from azureml.core.workspace import Workspace
    from azureml.data.file_dataset import FileDataset

__all__ = ["FileDatasetFactory", "TabularDatasetFactory"]

_URL = re.compile(r"https?://[^/\s]+\S*", re.IGNORECASE)


class FileDatasetFactory:
    """``Dataset.File``."""

    def __init__(self, *args: Any, **kwargs: Any):
        raise UserErrorException("Dataset.File is used as it is: Dataset.File.from_files(...)")

    @staticmethod
    def from_files(path: Any, validate: bool = True, partition_format: str | None = None, is_file: bool = False) -> FileDataset:
        """A dataset of the files at ``path``: a pair (datastore, path), a DataPath, an http(s) address, or a list of them. A path is a
        file, a folder with all below it, or has wildcards. With ``validate`` nothing there is an error now, else when it is used."""
        from azureml.data.file_dataset import FileDataset

        if partition_format is not None:
            raise not_here("partition_format", "datasets are of files; take the parts of their paths in the script")
        workspace, paths = _places(path)
        dataset = FileDataset._unsaved(workspace, paths)
        if (validate or is_file) and workspace is not None:
            row = dataset._save()
            if is_file and len(paths) == 1 and not row["single_file"]:
                raise UserErrorException(f"is_file=True, but {dataset!r} has {row['file_count']} files")
        return dataset

    @staticmethod
    def upload_directory(src_dir: str | os.PathLike, target: Any, pattern: str | None = None, overwrite: bool = False,
                         show_progress: bool = True) -> FileDataset:  # fmt: skip
        """Uploads the files below ``src_dir`` (of them those whose path or name fits ``pattern``) to ``target``, a datastore or a pair
        (datastore, path), and makes a dataset of them."""
        from roost.data_upload import find_files

        datastore, top = _target(target)
        if not os.path.isdir(src_dir):
            raise UserErrorException(f"there is no folder {src_dir} to upload")
        with data_errors():
            sources = find_files(src_dir)
            if pattern is not None:
                sources = [source for source in sources if _fits(source.path, pattern)]
            if not sources:
                raise UserErrorException(f"{src_dir} has no files" + (f" that fit {pattern}" if pattern is not None else ""))
            datastore._upload(sources, top, overwrite, show_progress)
        return FileDatasetFactory.from_files((datastore, posixpath.join(relative(top), pattern) if pattern is not None else top))


def _fits(path: str, pattern: str) -> bool:
    """As the server's wildcards: "*" and "?" stay within a part of the path, "**" goes over several."""
    kinds = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    words = re.findall(r"\*\*/?|\*|\?|\[!?\]?[^\]]*\]|.", pattern.strip("/"), re.DOTALL)
    wanted = "".join(kinds.get(word) or (_class_of(word) if len(word) > 2 else re.escape(word)) for word in words)
    return re.fullmatch(wanted, path, re.DOTALL) is not None


def _class_of(word: str) -> str:
    """[abc] or [!abc] as a regular expression has it."""
    inner = re.sub(r"([\\\[&~|])", r"\\\1", word[1:-1])
    if inner.startswith("!"):
        return f"[^{inner[1:]}]"
    return ("[\\" if inner.startswith("^") else "[") + inner + "]"


def _target(target: Any) -> tuple[Datastore, str | None]:
    from azureml.core.datastore import Datastore

    if isinstance(target, Datastore):
        return target, None
    place = _place(target)
    if not isinstance(place, tuple):
        raise UserErrorException("the target must be a datastore or the pair (datastore, 'path')")
    return place


def _place(item: Any) -> str | tuple[Datastore, str | None]:
    """A web address, or a datastore and the path in it."""
    from azureml.core.datastore import Datastore
    from azureml.data.data_reference import DataReference

    if isinstance(item, DataPath) and item._datastore is not None:
        return item._datastore, item.path_on_datastore
    if isinstance(item, DataReference):
        return item.datastore, item.path_on_datastore
    if isinstance(item, (tuple, list)) and len(item) == 2 and isinstance(item[0], Datastore) and (item[1] is None or isinstance(item[1], (str, os.PathLike))):
        return item[0], None if item[1] is None else os.fspath(item[1])
    if isinstance(item, str) and _URL.fullmatch(item):
        return item
    if isinstance(item, (str, os.PathLike)):
        raise UserErrorException(f"'{item}' is no http(s) address; a path is given with its datastore: (datastore, 'path'). Local files are uploaded first: "
                                 "Dataset.File.upload_directory(folder, datastore)")  # fmt: skip
    raise UserErrorException(f"a path is (datastore, 'path'), a DataPath or an http(s) address, not {item!r}")


def _places(path: Any) -> tuple[Workspace | None, list[dict]]:
    from azureml.core.datastore import Datastore

    is_pair = isinstance(path, (tuple, list)) and len(path) == 2 and isinstance(path[0], Datastore) and not isinstance(path[1], (tuple, DataPath))
    given = [path] if is_pair or not isinstance(path, (list, tuple)) else list(path)
    if not given:
        raise UserErrorException("a dataset needs at least one path")
    workspace, paths = None, []
    for item in given:
        place = _place(item)
        if isinstance(place, str):
            paths.append({"url": place})
            continue
        if workspace is not None and workspace._client.url != place[0].workspace._client.url:
            raise UserErrorException("the datastores of one dataset must be of one workspace")
        workspace = place[0].workspace
        paths.append({"datastore": place[0].name, "path": relative(place[1])})
    return workspace, paths


def __getattr__(name: str) -> Any:
    raise _not_here.no_such_name(__name__, name, _not_here.DATASET_FACTORY)
