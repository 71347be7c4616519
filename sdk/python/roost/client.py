"""HTTP to one Roost server: JSON requests with retries, files up and down in pieces."""

from __future__ import annotations

import http.client
import io
import json
import math
import os
import pathlib
import socket
import threading
import time
import urllib.parse
from typing import Any, BinaryIO, Callable, Iterator

PIECE = 1 << 20  # bytes of a file that are held in memory at a time


class RoostError(Exception):
    """An answer that says no, or no answer at all.

    ``code`` is one of docs/wire.md's error codes; ``unavailable`` also stands for a server that cannot be
    reached. ``details`` lists ``{"field", "message"}`` of each problem.
    """

    def __init__(self, code: str, message: str, details: list | None = None, status: int = 0):
        super().__init__(message)
        self.code, self.message, self.details, self.status = code, message, details or [], status

    def __reduce__(self) -> tuple:
        return RoostError, (self.code, self.message, self.details, self.status)


def to_json(value: Any) -> str:
    """JSON in which NaN and infinities are the texts that the wire has for them."""
    return json.dumps(_finite(value), separators=(",", ":"), allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


class Client:
    """One server, one token. Usable from several threads; each has a connection of its own.

    A process that forks gets new connections in the child.
    """

    def __init__(self, url: str, token: str, timeout: float = 30.0):
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise RoostError("invalid_argument", f"'{url}' is no server address; it looks like http://127.0.0.1:7070")
        self.url, self.token, self.timeout = url.rstrip("/"), token, timeout
        self._secure, self._host, self._port = parts.scheme == "https", parts.hostname, parts.port
        self._prefix = parts.path.rstrip("/")
        self._local = threading.local()
        self.token_file: pathlib.Path | None = None  # where the token was read, if it is known

    # -- JSON ---------------------------------------------------------------------------------------------------

    def get(self, path: str, **query: Any) -> Any:
        return self.call("GET", path, query=query)

    def call(
        self, method: str, path: str, body: Any = None, query: dict | None = None,
        headers: dict[str, str] | None = None, patience: float = 30.0, repeatable: bool = False,
    ) -> Any:  # fmt: skip
        """One JSON request; gives the answer's JSON. ``path`` is below /api/v1 and quoted already.

        A server that is not there (it restarts) is tried again for ``patience`` seconds, but only when the
        request can safely be sent twice: GET, PUT, DELETE, one with an Idempotency-Key, or a ``repeatable`` one. What a
        repeated DELETE does not find is gone: the answer to the first one was lost.
        """
        data = None if body is None else to_json(body).encode()
        headers = dict(headers or {})
        if data is not None:
            headers["Content-Type"] = "application/json"
        repeatable = repeatable or method in ("GET", "HEAD", "PUT", "DELETE") or "Idempotency-Key" in headers
        deadline, pause, repeated = time.monotonic() + patience, 0.05, False
        while True:
            try:
                status, text = self._exchange(method, path, query, data, headers)
            except RoostError as error:
                if error.code != "unavailable" or not repeatable or time.monotonic() + pause > deadline:
                    raise
            else:
                if status < 400:
                    return json.loads(text) if text else None
                if repeated and method == "DELETE" and status == 404:
                    return None
                if status != 503 or not repeatable or time.monotonic() + pause > deadline:
                    raise error_of(status, text, f"{method} {path}")
            repeated = True
            time.sleep(pause)
            pause = min(pause * 2, 2.0)

    def _exchange(self, method: str, path: str, query: dict | None, data: bytes | None, headers: dict[str, str]):
        for fresh in (False, True):
            connection, reused = self._connection(fresh)
            try:
                connection.request(method, self._target(path, query), body=data, headers=self._headers(headers))
                answer = connection.getresponse()
                return answer.status, answer.read()
            except (OSError, http.client.HTTPException) as error:
                self._drop()
                # A kept connection that the server has closed meanwhile fails before anything is read.
                if reused and isinstance(error, (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError)):
                    continue
                raise RoostError("unavailable", f"the server {self.url} does not answer: {error}") from error
        raise AssertionError("unreachable")

    # -- files --------------------------------------------------------------------------------------------------

    def upload(self, path: str, source: str | os.PathLike | BinaryIO, overwrite: bool = False, patience: float = 30.0) -> dict:
        """PUTs a file, or what a binary stream has left, to ``path``. A server that is not there is tried again for ``patience``
        seconds, with a stream that can be read again."""
        with open(source, "rb") if isinstance(source, (str, os.PathLike)) else _kept_open(source) as stream:
            size = _remaining(stream)
            start = None if size is None else stream.tell()
            deadline, pause = time.monotonic() + patience, 0.1
            while True:
                try:
                    return self._put(path, stream, size, overwrite)
                except RoostError as error:
                    if error.code != "unavailable" or start is None or time.monotonic() + pause > deadline:
                        raise
                time.sleep(pause)
                pause = min(pause * 2, 2.0)
                stream.seek(start)

    def _put(self, path: str, stream: BinaryIO, size: int | None, overwrite: bool) -> dict:
        return self.put_stream(path, _pieces(stream, size, path), size, self.timeout, overwrite="true" if overwrite else None)

    def put_stream(self, path: str, pieces: Iterator[bytes], size: int | None, timeout: float = 300.0, **query: Any) -> dict:
        """PUTs ``size`` bytes, or without a size all, to ``path``: one attempt. The server may be silent for ``timeout`` seconds while it
        makes a large file durable."""
        headers = {"Content-Type": "application/octet-stream"}
        if size is not None:
            headers["Content-Length"] = str(size)
        connection, _ = self._connection(fresh=True)
        connection.sock.settimeout(timeout)
        status = 0
        try:
            try:
                connection.request("PUT", self._target(path, query), body=pieces,
                                   headers=self._headers(headers), encode_chunked=size is None)  # fmt: skip
            except (BrokenPipeError, ConnectionResetError):
                pass  # a server that refuses the file answers before it has all of it
            answer = connection.getresponse()
            status, text = answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise RoostError("unavailable", f"sending {path} to {self.url} failed: {error}") from error
        finally:
            if not status or timeout != self.timeout:
                self._drop()  # a request that was begun and not ended, or a connection that others would wait on for too long
        if status >= 400:
            raise error_of(status, text, f"PUT {path}")
        return json.loads(text)

    def send_stream(self, path: str, pieces: Callable[[], Iterator[bytes]], size: int, content_type: str, patience: float = 30.0) -> dict:
        """POSTs ``size`` bytes, made anew by ``pieces`` each time that the server has to be tried again."""
        deadline, pause = time.monotonic() + patience, 0.1
        while True:
            connection, _ = self._connection(fresh=True)
            connection.sock.settimeout(300)  # the final sync is silent
            try:
                connection.request("POST", self._target(path, None), body=pieces(),
                                   headers=self._headers({"Content-Type": content_type, "Content-Length": str(size)}))  # fmt: skip
                answer = connection.getresponse()
                status, text = answer.status, answer.read()
                if status < 400:
                    return json.loads(text)
                error = error_of(status, text, f"POST {path}")
            except (OSError, http.client.HTTPException) as broken:
                error = RoostError("unavailable", f"sending {path} to {self.url} failed: {broken}")
            finally:
                self._drop()
            if error.code != "unavailable" or time.monotonic() + pause > deadline:
                raise error
            time.sleep(pause)
            pause = min(pause * 2, 2.0)

    def items(self, path: str, **query: Any) -> Iterator[dict]:
        """Every item of a list, page by page."""
        token = None
        while True:
            page = self.get(path, limit=1000, page_token=token, **query)
            yield from page["items"]
            token = page.get("next_page_token")
            if not token:
                return

    def download(self, path: str, target: str | os.PathLike, **query: Any) -> None:
        """Fetches a file. ``target`` is written beside itself and renamed, so it is whole or not there."""
        target = pathlib.Path(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(target.name + f".part-{os.getpid()}")
        try:
            with open(part, "wb") as file:
                for piece in self.stream(path, **query):
                    file.write(piece)
            os.replace(part, target)
        finally:
            part.unlink(missing_ok=True)

    def stream(self, path: str, **query: Any) -> Iterator[bytes]:
        """The body of a GET, piece by piece."""
        whole = False
        try:
            answer = self._ask_for(path, query)
            if answer.status >= 400:
                raise error_of(answer.status, answer.read(), f"GET {path}")
            while piece := answer.read1(PIECE):
                yield piece
            if answer.length:  # the connection broke before all of it came
                raise RoostError("unavailable", f"{path}: the connection broke, {answer.length} bytes are missing")
            whole = (answer.length == 0 or answer.isclosed()) and not answer.will_close
            answer.close()
        except (OSError, http.client.HTTPException) as error:
            raise RoostError("unavailable", f"fetching {path} from {self.url} failed: {error}") from error
        finally:
            if not whole:
                self._drop()

    def _ask_for(self, path: str, query: dict) -> http.client.HTTPResponse:
        """Many small files are fetched over one connection."""
        connection, reused = self._connection(fresh=False)
        if reused:
            try:
                connection.request("GET", self._target(path, query), headers=self._headers({}))
                return connection.getresponse()
            except (http.client.HTTPException, BrokenPipeError, ConnectionResetError):
                connection, _ = self._connection(fresh=True)  # the server has closed the kept one meanwhile
        connection.request("GET", self._target(path, query), headers=self._headers({}))
        return connection.getresponse()

    # -- connections --------------------------------------------------------------------------------------------

    def _connection(self, fresh: bool):
        known = getattr(self._local, "connection", None)
        if known is not None and self._local.pid == os.getpid() and not fresh:
            return known, True
        self._drop()
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        connection = kind(self._host, self._port, timeout=self.timeout)
        try:
            connection.connect()
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            raise RoostError("unavailable", f"the server {self.url} cannot be reached: {error}") from error
        self._local.connection, self._local.pid = connection, os.getpid()
        return connection, False

    def close(self) -> None:
        """Closes this thread's connection."""
        self._drop()

    def _drop(self) -> None:
        connection = getattr(self._local, "connection", None)
        self._local.connection = None
        if connection is not None:
            connection.close()

    def _headers(self, more: dict[str, str]) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "Accept-Encoding": "identity", **more}

    def _target(self, path: str, query: dict | None) -> str:
        asked = [(key, value) for key, value in (query or {}).items() if value is not None]
        return f"{self._prefix}/api/v1{path}" + ("?" + urllib.parse.urlencode(asked, doseq=True) if asked else "")


def error_of(status: int, text: bytes, doing: str) -> RoostError:
    try:
        error = json.loads(text)["error"]
        return RoostError(error["code"], error["message"], error.get("details"), status)
    except (ValueError, KeyError, TypeError):
        return RoostError("internal", f"{doing}: the server answered {status}", status=status)


def quote(part: str) -> str:
    """One part of a path."""
    return urllib.parse.quote(part, safe="")


def quote_path(path: str) -> str:
    """A file's path, its slashes kept."""
    return urllib.parse.quote(path, safe="/")


class _kept_open:
    """A stream that belongs to the caller and is not closed here."""

    def __init__(self, stream: BinaryIO):
        self._stream = stream

    def __enter__(self) -> BinaryIO:
        return self._stream

    def __exit__(self, *_: object) -> None:
        pass


def _remaining(stream: BinaryIO) -> int | None:
    try:
        here = stream.tell()
        end = stream.seek(0, io.SEEK_END)
        stream.seek(here)
        return end - here
    except (OSError, AttributeError, io.UnsupportedOperation):
        return None


def _pieces(stream: BinaryIO, size: int | None, name: str) -> Iterator[bytes]:
    """``size`` bytes, also of a file that grows meanwhile; without a size all."""
    left = size
    while left is None or left:
        piece = stream.read(PIECE if left is None else min(PIECE, left))
        if not piece:
            if left is None:
                return
            raise RoostError("conflict", f"{getattr(stream, 'name', name)} became shorter while it was sent; try again when nothing writes to it")
        yield piece
        if left is not None:
            left -= len(piece)


def connect(url: str | None = None, token: str | None = None) -> Client:
    """A client of ``url``, of ROOST_URL, or of the server that runs on this machine."""
    url, token = url or os.environ.get("ROOST_URL"), token or os.environ.get("ROOST_TOKEN")
    if not url or not token:
        here, token_file = local_server()
        url, token = url or here, token or token_file.read_text().strip()
    return Client(url, token)


def local_server(folder: pathlib.Path | None = None) -> tuple[str, pathlib.Path]:
    """Address and token file of the server that runs on this machine, for this user or on the data folder ``folder``."""
    base = os.environ.get("XDG_DATA_HOME") or os.path.join(os.path.expanduser("~"), ".local", "share")
    folder = folder or pathlib.Path(os.environ.get("ROOST_DATA") or os.path.join(base, "roost"))
    try:
        with open(folder / "token"):
            return json.loads((folder / "server.json").read_text())["address"], folder / "token"
    except (OSError, ValueError, KeyError) as error:
        raise RoostError(
            "unavailable",
            f"no server is known: start one with `roost serve`, or set ROOST_URL and ROOST_TOKEN ({error})",
        ) from error
