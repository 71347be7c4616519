"""The files of a datastore or a dataset: listed page by page, fetched by several connections at once."""

from __future__ import annotations

import hashlib
import os
import pathlib
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Iterator, NamedTuple

from roost.client import Client, RoostError, quote_path
from roost.progress import progress

_CONNECTIONS = 4
_GROUP = 1000  # files that are asked for before the next page is read


class Fetched(NamedTuple):
    paths: list  # of this machine, in the order of the list
    skipped: int  # there already, and left as they were


def list_files(client: Client, path: str, **query: object) -> Iterator[dict]:
    """Every file of the list at ``path``, however long it is."""
    after = None
    while True:
        page = client.get(path, after=after, **query)
        yield from page["items"]
        after = page.get("next_after")
        if after is None:
            return


def fetch(client: Client, path: str, folder: str | os.PathLike, overwrite: bool, skip: bool, show_progress: bool = False, **query: object) -> Fetched:
    """Downloads what the list at ``path`` names below ``folder``. A file that is there is fetched again with ``overwrite``, left
    alone with ``skip``, and otherwise an error before anything is fetched."""
    told = progress(f"Downloading to {os.fspath(folder)}", None, None, show_progress)
    top = pathlib.Path(folder)
    if not overwrite and not skip and top.exists() and any(top.iterdir()):
        there = next((target for item in list_files(client, path, **query) if (target := _target(top, item["path"])).exists()), None)
        if there is not None:
            raise FileExistsError(f"{there} exists already; use overwrite=True, or another folder")
    paths: list[str] = []
    skipped = 0
    items = list_files(client, path, **query)

    def one(item: dict) -> bool:
        target = _target(top, item["path"])
        if skip and not overwrite and target.exists():
            return False
        _fetch_one(client, f"{path}/{quote_path(item['path'])}", target, item["digest"])
        told.add(1, item["size"])
        return True

    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        while group := list(islice(items, _GROUP)):
            skipped += list(pool.map(one, group)).count(False)
            paths += [str(_target(top, item["path"])) for item in group]
    left = f", {skipped} were there" if skipped else ""
    told.end(f"Downloaded {len(paths) - skipped} files to {os.fspath(folder)}{left}")
    return Fetched(paths, skipped)


def _target(top: pathlib.Path, path: str) -> pathlib.Path:
    parts = pathlib.PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts:
        raise RoostError("internal", f"the server named a file '{path}', which lies outside of the folder; nothing is written")
    return top.joinpath(*parts)


def _fetch_one(client: Client, path: str, target: pathlib.Path, digest: str | None) -> None:
    """Whole and with the right content, or not there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part-{os.getpid()}")
    hasher = hashlib.blake2b(digest_size=32)
    try:
        with open(part, "wb") as file:
            for piece in client.stream(path):
                hasher.update(piece)
                file.write(piece)
        if digest is not None and digest != f"b2:{hasher.hexdigest()}":
            raise RoostError("internal", f"{path} arrived with another content than the server's list says; try again")
        os.replace(part, target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
