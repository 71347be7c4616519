"""Warnings that point at the script's line, however deep in the package they come from."""

from __future__ import annotations

import os
import sys
import warnings

_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def warn(message: str) -> None:
    level, frame = 2, sys._getframe(0).f_back
    while frame is not None and os.path.abspath(frame.f_code.co_filename).startswith(_HERE):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, stacklevel=level)


_said: set[str] = set()


def warn_once(message: str) -> None:
    """Once in a process."""
    if message not in _said:
        _said.add(message)
        warn(message)
