"""The files of a datastore or a dataset: listed page by page, fetched by several connections at once, small ones many at a time."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pathlib
import tarfile
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Iterator, NamedTuple

from roost.client import PIECE, Client, RoostError, quote_path
from roost.progress import Progress, progress

_CONNECTIONS = 4
_GROUP = 1000  # files that are asked for before the next page is read
_MANY = 50  # files from which on an archive is worth its while
_SMALL = 256 << 10  # bytes that they have on average; larger ones gain nothing from it


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


def fetch(client: Client, path: str, folder: str | os.PathLike, overwrite: bool, skip: bool, show_progress: bool = False,
          archive: str | None = None, **query: object) -> Fetched:  # fmt: skip
    """Downloads what the list at ``path`` names below ``folder``. A file that is there is fetched again with ``overwrite``, left
    alone with ``skip``, and otherwise an error before anything is fetched. ``archive`` gives a page of the list as one tar, in which
    small files travel."""
    told = progress(f"Downloading to {os.fspath(folder)}", None, None, show_progress)
    top = pathlib.Path(folder)
    if not overwrite and not skip and top.exists() and any(top.iterdir()):
        there = next((target for item in list_files(client, path, **query) if (target := _target(top, item["path"])).exists()), None)
        if there is not None:
            raise FileExistsError(f"{there} exists already; use overwrite=True, or another folder")
    paths: list[str] = []
    skipped = 0
    fetcher = _Fetcher(client, path, top, told)
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        archives: deque[Future] = deque()
        after: str | None = None
        for group in _groups(list_files(client, path, **query)):
            paths += [str(_target(top, item["path"])) for item in group]
            wanted = [item for item in group if overwrite or not skip or not _target(top, item["path"]).exists()]
            skipped += len(group) - len(wanted)
            if archive and len(wanted) == len(group) >= _MANY and sum(item["size"] for item in group) <= _SMALL * len(group):
                archives.append(pool.submit(fetcher.fetch_archive, archive, after, group))
                if len(archives) >= _CONNECTIONS:
                    archives.popleft().result()
            else:
                deque(pool.map(fetcher.fetch_one, wanted), maxlen=0)
            after = group[-1]["path"]
        while archives:
            archives.popleft().result()
    left = f", {skipped} were there" if skipped else ""
    told.end(f"Downloaded {len(paths) - skipped} files to {os.fspath(folder)}{left}")
    return Fetched(paths, skipped)


def _groups(items: Iterator[dict]) -> Iterator[list[dict]]:
    while group := list(islice(items, _GROUP)):
        yield group


class _Fetcher:
    """Writes files below a folder, from any thread."""

    def __init__(self, client: Client, path: str, top: pathlib.Path, told: Progress):
        self._client, self._path, self._top, self._told = client, path, top, told

    def fetch_one(self, item: dict) -> None:
        path = f"{self._path}/{quote_path(item['path'])}"
        self._write(item, path, self._client.stream(path))

    def fetch_archive(self, archive: str, after: str | None, group: list[dict]) -> None:
        """The files of one page. Those of a folder that changed since it was listed are fetched one by one, or not found."""
        left = deque(group)
        stream = self._client.stream(archive, after=after, limit=len(group))
        try:
            with tarfile.open(fileobj=_Readable(stream), mode="r|", bufsize=PIECE, encoding="utf-8") as tar:
                for member in tar:
                    if not left or member.name != left[0]["path"] or member.size != left[0]["size"]:
                        break
                    content = tar.extractfile(member)
                    self._write(left.popleft(), archive, iter(lambda: content.read(PIECE), b""))
        except tarfile.TarError as error:
            raise RoostError("internal", f"{archive} is no archive: {error}; try again") from error
        finally:
            stream.close()
        for item in left:
            self.fetch_one(item)

    def _write(self, item: dict, path: str, pieces: Iterator[bytes]) -> None:
        """Whole and with the right content, or not there."""
        target = _target(self._top, item["path"])
        target.parent.mkdir(parents=True, exist_ok=True)
        part = f"{target}.part-{os.getpid()}"
        hasher = hashlib.blake2b(digest_size=32)
        try:
            with open(part, "wb") as file:
                for piece in pieces:
                    hasher.update(piece)
                    file.write(piece)
            if item["digest"] is not None and item["digest"] != f"b2:{hasher.hexdigest()}":
                raise RoostError("internal", f"{path} arrived with another content than the server's list says; try again")
            os.replace(part, target)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(part)
            raise
        self._told.add(1, item["size"])


class _Readable:
    """Pieces as something to read from."""

    def __init__(self, pieces: Iterator[bytes]):
        self._pieces, self._rest = pieces, b""

    def read(self, size: int) -> bytes:
        while len(self._rest) < size and (piece := next(self._pieces, b"")):
            self._rest += piece
        read, self._rest = self._rest[:size], self._rest[size:]
        return read


def _target(top: pathlib.Path, path: str) -> pathlib.Path:
    parts = pathlib.PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts:
        raise RoostError("internal", f"the server named a file '{path}', which lies outside of the folder; nothing is written")
    return top.joinpath(*parts)
