"""The client's errors as the exceptions that Azure ML scripts expect, and the server's rows compared as scripts ask."""

from __future__ import annotations

from typing import Any

from azureml.exceptions import ServiceException
from roost.client import RoostError


class service_errors:
    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        if isinstance(value, RoostError):
            raise ServiceException(value.message, value.status) from value


def matches(have: dict, wanted: Any) -> bool:
    """``wanted`` is a dictionary of keys and values that must be there, a single key, or None."""
    if wanted is None:
        return True
    if isinstance(wanted, str):
        return wanted in have
    return all(key in have and have[key] == (None if value is None else str(value)) for key, value in wanted.items())
