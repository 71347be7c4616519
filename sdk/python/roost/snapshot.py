"""A folder as the server keeps it: walked with the ignore rules, hashed, and only unknown contents sent.

docs/wire.md, "Sending a folder"; sdk/cpp/roost/folder_snapshot.cc takes the same files in C++.
"""

from __future__ import annotations

import functools
import hashlib
import os
import pathlib
import stat
from dataclasses import dataclass
from typing import BinaryIO, Iterator

from roost.client import PIECE, Client, RoostError
from roost.ignore import IgnoreRules, read_ignore_rules
from roost.large_content import LARGE, send_content

MAX_BYTES = 300 << 20
MAX_FILES = 2000
_STREAM_BYTES = 256 << 20  # of one request: large enough that its sync costs little, small enough to repeat
_NAMED = 5  # largest files, fullest folders and problems that an error names


class SnapshotError(Exception):
    """The folder cannot be taken: too large, or a file of it cannot be read. The text names what and the way out."""


@dataclass
class File:
    path: str  # inside the snapshot, with "/"
    source: str
    size: int
    executable: bool
    digest: str = ""


def read_folder(folder: str | os.PathLike, max_bytes: int = MAX_BYTES, max_files: int = MAX_FILES) -> list[File]:
    """The files of ``folder`` with their digests, sorted by path. A limit of 0 is none."""
    try:
        root = pathlib.Path(folder).resolve(strict=True)
    except OSError as error:
        raise SnapshotError(f"the source folder {folder} cannot be read: {error.strerror}") from error
    if not root.is_dir():
        raise SnapshotError(f"the source folder {folder} is a file; name the folder that holds it, then the script")
    walker = _Walker(root, read_ignore_rules(root))
    walker.walk()
    files = sorted(walker.files, key=lambda file: file.path.encode())
    _check_limits(root, files, max_bytes, max_files)
    for file in files:
        try:
            hash_file(file)
        except OSError as error:
            walker.problems.append(f"{file.path}: cannot be read: {error.strerror}")
    if walker.problems:
        named = sorted(walker.problems)
        more = f", and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
        raise SnapshotError(f"the snapshot of {root} cannot be taken: {'; '.join(named[:_NAMED])}{more}. Mend what is named here, or list it in .amlignore")
    return files


def read_file(path: str | os.PathLike, max_bytes: int = MAX_BYTES) -> File:
    """A single file, as a snapshot of nothing else has it."""
    try:
        file = File(pathlib.Path(path).name, str(path), os.stat(path).st_size, os.access(path, os.X_OK))
        _check_limits(pathlib.Path(path), [file], max_bytes, 0)
        hash_file(file)
    except OSError as error:
        raise SnapshotError(f"the file {path} cannot be read: {error.strerror}") from error
    return file


def hash_file(file: File) -> None:
    """Digest and size by one pass, so that they belong together."""
    hasher, size = hashlib.blake2b(digest_size=32), 0
    with open(file.source, "rb") as stream:
        while piece := stream.read(PIECE):
            hasher.update(piece)
            size += len(piece)
    file.digest, file.size = f"b2:{hasher.hexdigest()}", size


def send_files(client: Client, files: list[File]) -> str:
    """Makes the server keep ``files``; gives their snapshot's id. Contents that it has do not travel."""
    manifest = {"files": [{"path": file.path, "digest": file.digest, "size": file.size, "executable": file.executable} for file in files]}
    # The second round follows the upload; a third is needed when the server's collection removed old contents in between.
    for _ in range(3):
        answer = client.call("POST", "/snapshots", manifest, repeatable=True)
        if answer["id"]:
            return answer["id"]
        missing = set(answer["missing"])
        send = []
        for file in files:
            if file.digest in missing:
                missing.remove(file.digest)
                send.append(file)
        _send_blobs(client, send)
    raise RoostError("unavailable", "the server did not keep what was sent; try again")


def _send_blobs(client: Client, files: list[File]) -> None:
    for file in files:
        if file.size > LARGE:
            send_content(client, file.digest, file.size, functools.partial(_content, file))
    files = [file for file in files if file.size <= LARGE]
    while files:
        count = total = 0
        while count < len(files) and (count == 0 or total + files[count].size <= _STREAM_BYTES):
            total += 40 + files[count].size
            count += 1
        group, files = files[:count], files[count:]
        client.send_stream("/blobs", functools.partial(_blobs, group), total, "application/vnd.roost.blobs")


def _blobs(files: list[File]) -> Iterator[bytes]:
    for file in files:
        yield bytes.fromhex(file.digest[3:]) + file.size.to_bytes(8, "little")
        yield from _content(file, 0)


def _content(file: File, offset: int) -> Iterator[bytes]:
    left = file.size - offset
    with _opened(file) as stream:
        stream.seek(offset)
        while left:
            piece = stream.read(min(PIECE, left))
            if not piece:
                raise SnapshotError(f"{file.source} became shorter while it was sent; try again when nothing writes to it")
            left -= len(piece)
            yield piece


def _opened(file: File) -> BinaryIO:
    try:
        return open(file.source, "rb")
    except OSError as error:  # not of the connection, which is tried again
        raise SnapshotError(f"{file.path} cannot be read any more: {error.strerror}. Try again when nothing changes the folder") from error


class _Walker:
    def __init__(self, root: pathlib.Path, rules: IgnoreRules):
        self._root, self._rules = str(root), rules
        self._inside = self._root.rstrip("/") + "/"
        self.files: list[File] = []
        self.problems: list[str] = []

    def walk(self) -> None:
        info = os.stat(self._root)
        self._folder("", [(info.st_dev, info.st_ino)])

    def _folder(self, prefix: str, above: list[tuple[int, int]]) -> None:
        try:
            entries = list(os.scandir(self._inside + prefix))
        except OSError as error:
            self.problems.append(f"{prefix or '.'}: the folder cannot be read: {error.strerror}")
            return
        for entry in entries:
            if entry.name != ".git":
                self._entry(entry, prefix + entry.name, above)

    def _entry(self, entry: os.DirEntry, path: str, above: list[tuple[int, int]]) -> None:
        try:
            exists = os.path.exists(entry.path)
            if self._rules.ignores(path, exists and entry.is_dir()):
                return
            if entry.is_symlink() and not self._link(entry, path, exists):
                return
            info = entry.stat()
        except FileNotFoundError:
            return  # gone since the folder was listed
        except OSError as error:
            self.problems.append(f"{_shown(path)}: cannot be read: {error.strerror}")
            return
        if stat.S_ISDIR(info.st_mode):
            if (info.st_dev, info.st_ino) in above:
                self.problems.append(f"{_shown(path)}: the link leads back to a folder that contains it")
            else:
                self._folder(path + "/", above + [(info.st_dev, info.st_ino)])
        elif stat.S_ISREG(info.st_mode):
            if path != _shown(path):
                self.problems.append(f"{_shown(path)}: the name is not UTF-8")
            elif any(ord(char) < 32 or ord(char) == 127 for char in path):
                self.problems.append(f"{path!r}: the name has control characters")
            else:
                self.files.append(File(path, entry.path, info.st_size, bool(info.st_mode & 0o111)))

    def _link(self, entry: os.DirEntry, path: str, exists: bool) -> bool:
        if not exists:
            self.problems.append(f"{_shown(path)}: the link's target does not exist")
            return False
        target = os.path.realpath(entry.path)
        if target != self._root and not target.startswith(self._inside):
            self.problems.append(f"{_shown(path)}: the link leaves the folder: it points to {target}")
            return False
        return True


def _shown(path: str) -> str:
    return path.encode(errors="surrogateescape").decode(errors="replace")


def _check_limits(root: pathlib.Path, files: list[File], max_bytes: int, max_files: int) -> None:
    total = sum(file.size for file in files)
    if max_bytes and total > max_bytes:
        largest = sorted(files, key=lambda file: (-file.size, file.path))[:_NAMED]
        _over(root, f"Your total snapshot size exceeds the limit of {max_bytes / (1 << 20):.1f} MB.",
              "The largest: " + ", ".join(f"{file.path} ({file.size / (1 << 20):.1f} MB)" for file in largest))  # fmt: skip
    if max_files and len(files) > max_files:
        counts: dict[str, int] = {}
        for file in files:
            folder = file.path.rpartition("/")[0] + "/"
            counts[folder] = counts.get(folder, 0) + 1
        fullest = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_NAMED]
        _over(root, f"Your project exceeds the file limit of {max_files}.",
              "The fullest folders: " + ", ".join(f"{folder} ({count} files)" for folder, count in fullest))  # fmt: skip


def _over(root: pathlib.Path, sentence: str, offenders: str) -> None:
    line = "=" * 70
    raise SnapshotError(
        f"{line}\n\nWhile attempting to take snapshot of {root}\n{sentence}\n{offenders}\n"
        "Keep data outside of the submitted folder, or list what the run does not need in a .amlignore file (results belong into ./outputs, "
        f"which should be listed too).\n\n{line}"
    )
