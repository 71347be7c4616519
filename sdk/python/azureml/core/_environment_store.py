"""Environments on the server: getting, listing, registering, building."""

from __future__ import annotations

import codecs
import sys
import time
from typing import TYPE_CHECKING, Any, Iterator, Mapping

from azureml.core import _environment_wire as wire
from azureml.core._service import ask_until_answered, service_errors
from azureml.core.environment import Environment, ImageBuildDetails
from azureml.exceptions import ServiceException, UserErrorException
from roost.client import RoostError, quote

if TYPE_CHECKING:
    from azureml.core.workspace import Workspace

_LAST_LINES = 20


class _NotServed(UserErrorException, KeyError):
    """Also a KeyError, so that ``in`` and ``get`` see a name that is not there."""


class Environments(Mapping[str, Environment]):
    """All of a workspace by name, each fetched when it is looked at. Curated names that the server cannot serve are left out."""

    def __init__(self, workspace: Workspace):
        self._workspace = workspace
        rows = workspace._list("/environments")
        self._names = [row["name"] for row in rows if row.get("definition", row)]
        self._unserved = {row["name"] for row in rows}.difference(self._names)
        self._fetched: dict[str, Environment] = {}

    def __getitem__(self, name: str) -> Environment:
        if name in self._unserved:
            raise _NotServed(_said_not_served(_row(self._workspace, name, None)))
        if name not in self._names:
            raise KeyError(name)
        if name not in self._fetched:
            self._fetched[name] = get(self._workspace, name, None)
        return self._fetched[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return f"Environments({', '.join(self._names)})"


def get(workspace: Workspace, name: str, version: str | int | None) -> Environment:
    row = _row(workspace, name, version)
    if not row.get("definition"):  # a curated name that this server cannot serve
        raise UserErrorException(_said_not_served(row))
    made = Environment(row["name"])
    wire.from_definition(made, row["definition"])
    made.version = row["version"]
    made._known = wire.known(made)
    return made


def _said_not_served(row: dict) -> str:
    return f"Environment '{row['name']}' cannot be used here: {row.get('description') or 'the server has no definition of it'}"


def register(workspace: Workspace, environment: Environment) -> Environment:
    client = workspace._client
    with _environment_errors(environment.name):
        row = client.call("POST", "/environments", wire.definition(environment, wire.is_local(client)), repeatable=True)
    made = Environment(row["name"])
    wire.from_definition(made, row["definition"])
    made.version = row["version"]
    made._known = wire.known(made)
    return made


def build(workspace: Workspace, environment: Environment) -> ImageBuildDetails:
    client = workspace._client
    body = wire.reference(environment, wire.is_local(client))
    if "version" not in body:
        registered = register(workspace, environment)
        body = {"name": registered.name, "version": registered.version}
    with _environment_errors(environment.name):
        row = client.call("POST", "/environment-builds", {"environment": body}, repeatable=True)
    if row["state"] == "failed" and not row["key"]:
        raise UserErrorException(f"environment '{environment.name}' cannot be built: {row['error']}")
    return ImageBuildDetails(client, f"/environment-builds/{quote(row['key'])}" if row["key"] else None)


def wait_for_build(details: ImageBuildDetails, show_output: bool) -> None:
    client, location, offset = details._client, details._location, 0
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while location is not None:
        row = ask_until_answered(details._row)
        if show_output:
            offset = _print_from(client, f"{location}/log", offset, decoder, to_the_end=row["state"] != "building")
        if row["state"] == "failed":
            log = ask_until_answered(details.get_log).splitlines()[-_LAST_LINES:]
            raise UserErrorException("\n".join([f"the environment cannot be built: {row.get('error') or 'see its log'}", *log]))
        if row["state"] == "ready":
            return
        time.sleep(0.5)


def image_details(workspace: Workspace, environment: Environment) -> dict:
    row = _row(workspace, environment.name, environment.version)
    definition, build = row["definition"], {}
    if row["ready"] and row["key"]:
        with service_errors():
            build = workspace._client.get(f"/environment-builds/{quote(row['key'])}")
    return {"imageExistsInRegistry": row["ready"], "environmentKey": row["key"],
            "ingredients": {"dockerfile": (definition.get("docker") or {}).get("base_dockerfile") or None, "definition": definition, "notes": row.get("notes", [])},
            "pythonEnvironment": {"version": build.get("python_version"), "tool": build.get("tool"), "packages": build.get("packages") or {}}}  # fmt: skip


def _row(workspace: Workspace, name: str, version: str | int | None) -> dict[str, Any]:
    asked = "latest" if version is None else str(version)
    try:
        return workspace._client.get(f"/environments/{quote(name)}/versions/{quote(asked)}")
    except RoostError as error:
        if error.status == 404:
            raise UserErrorException(f"Environment '{name}'{'' if version is None else f' version {version}'} is not there: {error.message}") from error
        raise ServiceException(error.message, error.status) from error


def _print_from(client: Any, path: str, offset: int, decoder: codecs.IncrementalDecoder, to_the_end: bool) -> int:
    """Prints what has been written since; gives where the next begins. ``to_the_end``: all of it, however long the server is away."""
    while True:
        try:
            for piece in client.stream(path, offset=offset):
                offset += len(piece)
                sys.stdout.write(decoder.decode(piece))
            sys.stdout.flush()
            return offset
        except RoostError as error:
            if error.status != 404 and error.code != "unavailable":
                raise ServiceException(error.message, error.status) from error
            if error.status == 404 or not to_the_end:
                return offset
            time.sleep(1)


class _environment_errors:
    """What is wrong with a definition is the script's mistake."""

    def __init__(self, name: str):
        self._name = name

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        if isinstance(value, RoostError):
            if value.status in (400, 404, 409):
                said = "; ".join(problem.get("message", "") for problem in value.details if problem.get("message"))
                raise UserErrorException(f"environment '{self._name}': {value.message}" + (f" ({said})" if said and said not in value.message else "")) from value
            raise ServiceException(value.message, value.status) from value
