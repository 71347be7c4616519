"""The client's errors as the exceptions that Azure ML scripts expect, and the server's rows compared as scripts ask."""

from __future__ import annotations

import sys
import time
from typing import Any, Callable, Iterator

from azureml.exceptions import ServiceException, UserErrorException
from roost.client import Client, RoostError


class service_errors:
    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        if isinstance(value, RoostError):
            raise ServiceException(value.message, value.status) from value


_PAUSE = 1.0  # seconds between questions to a server that is away


def ask_until_answered(question: Callable[[], Any], deadline: float | None = None) -> Any:
    """The answer, however long the server is away (until ``deadline``, on the monotonic clock): what is waited for goes on without it, and
    so does waiting."""
    told = False
    while True:
        try:
            return question()
        except ServiceException as error:
            is_away = error.status_code in (0, 503)  # 0: no answer at all
            if not is_away or (deadline is not None and time.monotonic() >= deadline):
                raise
            if not told:
                print(f"roost: {error.message}; waiting goes on", file=sys.stderr)
            told = True
            time.sleep(_PAUSE)


def matches(have: dict, wanted: Any) -> bool:
    """``wanted`` is a dictionary of keys and values that must be there, a single key, or None."""
    if wanted is None:
        return True
    if isinstance(wanted, str):
        return wanted in have
    return all(key in have and have[key] == (None if value is None else str(value)) for key, value in wanted.items())


def texts(given: dict | None) -> dict[str, str] | None:
    """Tags or properties as the server keeps them."""
    return None if given is None else {str(key): str(value) for key, value in given.items()}


class data_errors:
    """As ``service_errors``; what the caller can mend (nothing there, a taken name, a file that cannot be read) is a UserErrorException,
    with the text ``missing`` for what is not found."""

    def __init__(self, missing: str | None = None):
        self._missing = missing

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        if isinstance(value, RoostError):
            if value.code == "not_found" and self._missing:
                raise UserErrorException(f"{self._missing}: {value.message}") from value
            if value.code in ("invalid_argument", "conflict", "not_found"):
                raise UserErrorException(value.message) from value
            raise ServiceException(value.message, value.status) from value
        if value is not None and not isinstance(value, (UserErrorException, ServiceException)):
            from roost.data_upload import UploadError

            if isinstance(value, (UploadError, FileExistsError)):
                raise UserErrorException(str(value)) from value


def every_item(client: Client, path: str, **query: Any) -> Iterator[dict]:
    """Every item of a list that may come in pages."""
    page = client.get(path, **query)
    yield from page["items"]
    while page.get("next_page_token"):
        page = client.get(path, page_token=page["next_page_token"], **query)
        yield from page["items"]


def patient(client: Client) -> Client:
    """For what the server itself works on before it answers: finding the files of a large dataset, fetching those of the web."""
    return Client(client.url, client.token, timeout=600)
