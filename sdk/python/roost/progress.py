"""How far a transfer is, told on the console: one line that changes in a terminal, few lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from typing import TextIO


class Progress:
    """Counts files and bytes from any thread. ``out`` None is silence."""

    def __init__(self, doing: str, files: int | None, total_bytes: int | None, out: TextIO | None = None):
        self._doing, self._files, self._bytes, self._out = doing, files, total_bytes, out
        self._terminal = out is not None and out.isatty()
        self._pause = 0.2 if self._terminal else 10.0
        self._lock = threading.Lock()  # guards what follows
        self._done_files = self._done_bytes = self._width = 0
        self._told = time.monotonic()

    def add(self, files: int, count: int) -> None:
        with self._lock:
            self._done_files += files
            self._done_bytes += count
            if self._out is not None and time.monotonic() - self._told >= self._pause:
                self._told = time.monotonic()
                self._line(self._state())

    def end(self, text: str) -> None:
        with self._lock:
            if self._out is not None:
                self._line(text)
                if self._terminal:
                    self._out.write("\n")
                self._out.flush()

    def _state(self) -> str:
        files = f"{self._done_files} files" if self._files is None else f"{self._done_files} of {self._files} files"
        size = in_words(self._done_bytes) if self._bytes is None else f"{in_words(self._done_bytes)} of {in_words(self._bytes)}"
        return f"{self._doing}: {files}, {size}"

    def _line(self, text: str) -> None:
        if self._out is None:
            return
        if self._terminal:
            self._out.write("\r" + text.ljust(self._width))
            self._width = len(text)
        else:
            self._out.write(text + "\n")
        self._out.flush()


def progress(doing: str, files: int | None, total_bytes: int | None, show: bool) -> Progress:
    return Progress(doing, files, total_bytes, sys.stdout if show else None)


def in_words(count: int) -> str:
    for unit in ("bytes", "KB", "MB", "GB"):
        if count < 1024 or unit == "GB":
            return f"{count} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1024  # type: ignore[assignment]
    raise AssertionError("unreachable")
