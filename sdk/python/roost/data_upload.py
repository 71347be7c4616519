"""Files into a datastore: each is read once and hashed, and only contents that the server lacks travel.

Contents go in batches, large ones by themselves, so memory does not grow with the data, and an upload that broke off goes on where
it was, inside of a large file too: what has arrived is not sent again. The next batch is read while one is sent.
"""

from __future__ import annotations

import functools
import hashlib
import os
import stat
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Iterable, Iterator, List, NamedTuple

from roost.client import PIECE, Client, RoostError, quote
from roost.data_files import list_files
from roost.large_content import LARGE, send_content
from roost.progress import Progress, progress

_BATCH_FILES = 5000  # of one request
_BATCH_BYTES = 256 << 20  # as above: small enough to repeat
_KEPT_FILE = 1 << 20  # contents up to this size are kept between hashing and sending
_KEPT_BYTES = 32 << 20  # of one batch; two batches are in memory at a time
_NAMED = 5  # problems that an error names


class UploadError(Exception):
    """A file cannot be read. The text names it and the way out."""


class Source(NamedTuple):
    path: str  # inside the datastore, with "/"
    file: str
    size: int


class Counts(NamedTuple):
    added: int
    unchanged: int
    skipped: int  # there with another content, and left as they were


class _Entry(NamedTuple):
    path: str
    file: str
    digest: str
    size: int
    content: bytes | None  # None: read again when it is sent


def find_files(folder: str | os.PathLike) -> list[Source]:
    """All files below ``folder``, through links too, sorted by path."""
    root = os.fspath(folder)
    found: list[Source] = []
    problems: list[str] = []
    info = os.stat(root)
    _walk(root, "", [(info.st_dev, info.st_ino)], found, problems)
    if problems:
        more = f", and {len(problems) - _NAMED} more" if len(problems) > _NAMED else ""
        raise UploadError(f"{root} cannot be uploaded: {'; '.join(sorted(problems)[:_NAMED])}{more}. Mend or remove what is named here")
    found.sort()
    return found


def _walk(folder: str, prefix: str, above: list[tuple[int, int]], found: list[Source], problems: list[str]) -> None:
    try:
        with os.scandir(folder) as entries:
            listed = list(entries)
    except OSError as error:
        problems.append(f"{prefix or '.'}: the folder cannot be read: {error.strerror}")
        return
    for entry in listed:
        path = prefix + entry.name
        try:
            info = entry.stat()
        except OSError as error:
            problems.append(f"{path}: {'the link leads nowhere' if entry.is_symlink() else error.strerror}")
            continue
        if stat.S_ISDIR(info.st_mode):
            here = (info.st_dev, info.st_ino)
            if here in above:
                problems.append(f"{path}: the link leads back to a folder that contains it")
            else:
                _walk(entry.path, path + "/", above + [here], found, problems)
        elif not stat.S_ISREG(info.st_mode):
            problems.append(f"{path}: is no file")
        elif not path.isprintable() and not _is_name(path):
            problems.append(f"{path!r}: the name is not UTF-8 or has control characters")
        else:
            found.append(Source(path, entry.path, info.st_size))


def _is_name(path: str) -> bool:
    """Is asked only for names that are not printable, which blanks of other scripts are too."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return not any(ord(char) < 32 or ord(char) == 127 for char in path)


def upload(client: Client, datastore: str, sources: list[Source], overwrite: bool, show_progress: bool) -> Counts:
    """Brings ``sources``, sorted by path, into the datastore. A path that is there with another content is left alone unless ``overwrite``."""
    total = sum(source.size for source in sources)
    told = progress(f"Uploading to {datastore}", len(sources), total, show_progress)
    sender = _Sender(client, datastore, overwrite, told, os.path.commonprefix([sources[0].path, sources[-1].path]) if sources else "")
    counts = Counts(0, 0, 0)
    with ThreadPoolExecutor(1) as pool:
        sending: Future | None = None
        try:
            for batch in _batches(sources):
                if sending is not None:
                    counts = _sum(counts, sending.result())
                sending = pool.submit(sender.send, batch)
            if sending is not None:
                counts = _sum(counts, sending.result())
        except OSError as error:
            raise UploadError(f"{error.filename} cannot be read: {error.strerror}") from error
    skipped = f", {counts.skipped} left as they were (other contents are there; overwrite=True replaces them)" if counts.skipped else ""
    told.end(f"Uploaded {len(sources)} files to {datastore}: {counts.added} added, {counts.unchanged} were there{skipped}")
    return counts


def _sum(one: Counts, other: Counts) -> Counts:
    return Counts(*(a + b for a, b in zip(one, other)))


def _batches(sources: Iterable[Source]) -> Iterator[List[_Entry]]:
    batch: list[_Entry] = []
    kept = total = 0
    for source in sources:
        entry = _read(source)
        batch.append(entry)
        total += entry.size
        kept += len(entry.content or b"")
        if len(batch) >= _BATCH_FILES or total >= _BATCH_BYTES or kept >= _KEPT_BYTES:
            yield batch
            batch, kept, total = [], 0, 0
    if batch:
        yield batch


def _read(source: Source) -> _Entry:
    # Not through a file object, which costs more than a small file's content.
    descriptor = os.open(source.file, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        content = os.read(descriptor, min(source.size, _KEPT_FILE) + 1)
        hasher, size = hashlib.blake2b(content, digest_size=32), len(content)
        if size == source.size and size <= _KEPT_FILE:
            return _Entry(source.path, source.file, f"b2:{hasher.hexdigest()}", size, content)
        while piece := os.read(descriptor, PIECE):
            hasher.update(piece)
            size += len(piece)
    except OSError as error:
        error.filename = error.filename or source.file
        raise
    finally:
        os.close(descriptor)
    return _Entry(source.path, source.file, f"b2:{hasher.hexdigest()}", size, None)


class _Sender:
    """Sends one batch after the other, on one thread."""

    def __init__(self, client: Client, datastore: str, overwrite: bool, told: Progress, prefix: str):
        self._client, self._overwrite, self._told, self._prefix = client, overwrite, told, prefix
        self._path = f"/datastores/{quote(datastore)}"
        self._there: dict[str, str | None] | None = None

    def send(self, batch: list[_Entry]) -> Counts:
        skipped, self._counted, self._large = 0, 0, 0
        try:
            added, unchanged = self._bring(batch)
        except RoostError as error:
            if error.code != "conflict" or self._overwrite:
                raise
            free = [entry for entry in batch if self._is_free(entry)]
            skipped = len(batch) - len(free)
            if not skipped:
                raise
            added, unchanged = self._bring(free) if free else (0, 0)
        self._told.add(len(batch), sum(entry.size for entry in batch) - self._counted - self._large)
        return Counts(added, unchanged, skipped)

    def _is_free(self, entry: _Entry) -> bool:
        """Whether nothing else is at its path. What is there is asked for once, for all batches."""
        if self._there is None:
            self._there = {item["path"]: item["digest"] or "" for item in list_files(self._client, f"{self._path}/files", prefix=self._prefix or None)}
        there = self._there.get(entry.path)
        return there is None or there == entry.digest

    def _bring(self, batch: list[_Entry]) -> tuple[int, int]:
        body = {"files": [{"path": entry.path, "digest": entry.digest, "size": entry.size} for entry in batch], "overwrite": self._overwrite}
        # The second round follows the contents; a third is needed when the server's collection removed old ones in between.
        for _ in range(3):
            answer = self._client.call("POST", f"{self._path}/upload", body, repeatable=True, patience=120)
            missing = set(answer["missing"])
            if not missing:
                return answer["added"], answer["unchanged"]
            wanted = []
            for entry in batch:
                if entry.digest in missing:
                    missing.remove(entry.digest)
                    wanted.append(entry)
            for entry in wanted:
                if entry.size > LARGE:
                    self._send_large(entry)
            wanted = [entry for entry in wanted if entry.size <= LARGE]
            size = sum(40 + entry.size for entry in wanted)
            if wanted:
                self._client.send_stream("/blobs", functools.partial(self._stream, wanted), size, "application/vnd.roost.blobs", patience=120)
        raise RoostError("unavailable", "the server did not keep what was sent; try again")

    def _send_large(self, entry: _Entry) -> None:
        told = 0  # of this entry

        def pieces(offset: int) -> Iterator[bytes]:
            nonlocal told
            self._told.add(0, offset - told)  # the server has so much of it
            told = offset
            for piece in _pieces(entry, offset):
                yield piece
                told += len(piece)
                self._told.add(0, len(piece))

        try:
            send_content(self._client, entry.digest, entry.size, pieces)
        except RoostError as error:
            if error.code != "invalid_argument":
                raise
            raise UploadError(f"{entry.file} changed while it was sent; try again when nothing writes to it") from error
        self._told.add(0, entry.size - told)  # another connection may have brought it
        self._large += entry.size

    def _stream(self, entries: list[_Entry]) -> Iterator[bytes]:
        """The blobs as one body, small ones together: a system call for each would cost more than their contents."""
        self._told.add(0, -self._counted)  # it starts anew when the server has to be tried again
        self._counted = 0
        buffer = bytearray()
        for entry in entries:
            buffer += bytes.fromhex(entry.digest[3:]) + entry.size.to_bytes(8, "little")
            if entry.content is not None:
                buffer += entry.content
                if len(buffer) >= PIECE:
                    yield bytes(buffer)
                    buffer = bytearray()
                continue
            yield bytes(buffer)
            buffer = bytearray()
            for piece in _pieces(entry):
                yield piece
                self._counted += len(piece)
                self._told.add(0, len(piece))
        if buffer:
            yield bytes(buffer)


def _pieces(entry: _Entry, offset: int = 0) -> Iterator[bytes]:
    """Of a file that was hashed before: an error of it is no OSError, which the connection's own would hide."""
    left = entry.size - offset
    try:
        with open(entry.file, "rb") as stream:
            stream.seek(offset)
            while left:
                piece = stream.read(min(PIECE, left))
                if not piece:
                    raise UploadError(f"{entry.file} became shorter while it was sent; try again when nothing writes to it")
                left -= len(piece)
                yield piece
    except OSError as error:
        raise UploadError(f"{entry.file} cannot be read again: {error.strerror}") from error
