"""config.json: which workspace, which server, and where its token is.

Beside Azure ML's three keys it may have ``roost_url`` and one of ``roost_token_file`` (a path; relative ones start at the
config's folder), ``roost_token_env`` (the name of a variable) and ``roost_token`` (the token itself). What it lacks comes
from ROOST_URL and ROOST_TOKEN, then from the server that runs on this machine.
"""

from __future__ import annotations

import json
import os
import pathlib
from dataclasses import dataclass

from azureml.core._warnings import warn
from azureml.exceptions import AuthenticationException, UserErrorException, WorkspaceException
from roost.client import Client, RoostError, local_server

_FOLDERS = (".azureml", "aml_config", "")
_FILES = ("config.json", "project.json")
_TOKEN_KEYS = ("roost_token_file", "roost_token_env", "roost_token")
_KEYS = ("subscription_id", "resource_group", "workspace_name", "roost_url", *_TOKEN_KEYS)


@dataclass
class WorkspaceConfig:
    subscription_id: str
    resource_group: str
    workspace_name: str
    url: str | None = None
    token_key: str | None = None  # one of _TOKEN_KEYS
    token_value: str | None = None
    folder: pathlib.Path = pathlib.Path(".")  # relative token files start here


def find_config(path: str | os.PathLike | None, file_name: str | None = None) -> pathlib.Path:
    """The file that ``path`` names; below a folder the documented search: first every folder upwards with its .azureml, then
    with its aml_config, then the folders themselves."""
    start = pathlib.Path(path or ".").resolve()
    if start.is_file():
        return start
    for folder in _FOLDERS:
        for name in (file_name,) if file_name else _FILES:
            for parent in (start, *start.parents):
                candidate = parent / folder / name
                if candidate.is_file():
                    return candidate
    raise UserErrorException(
        f"The workspace configuration file config.json, could not be found in {start} or its parent directories. Write one with the keys "
        "subscription_id, resource_group and workspace_name (any text), and roost_url with roost_token_file for a server on another machine."
    )


def read_config(file: pathlib.Path) -> WorkspaceConfig:
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
        if not isinstance(content, dict):
            raise ValueError("an object is needed")
    except (OSError, ValueError) as error:
        raise UserErrorException(f"{file} cannot be read as a workspace configuration: {error}") from error
    if "Scope" in content and "workspace_name" not in content:
        content = {**content, **_from_scope(file, content["Scope"])}
    wrong = [key for key in _KEYS if key in content and not isinstance(content[key], str)]
    lacking = [key for key in _KEYS[:3] if not content.get(key)]
    if wrong or lacking:
        said = [f"{', '.join(lacking)} not there"] * bool(lacking) + [f"{', '.join(wrong)} not a text"] * bool(wrong)
        raise UserErrorException(f"{file} is no workspace configuration: {'; '.join(said)}")
    tokens = [key for key in _TOKEN_KEYS if content.get(key)]
    if len(tokens) > 1:
        raise UserErrorException(f"{file} has {' and '.join(tokens)}; give one source of the token")
    token_key = tokens[0] if tokens else None
    return WorkspaceConfig(content["subscription_id"], content["resource_group"], content["workspace_name"], content.get("roost_url"),
                           token_key, content[token_key] if token_key else None, file.parent)  # fmt: skip


def _from_scope(file: pathlib.Path, scope: object) -> dict[str, str]:
    parts = str(scope).strip("/").split("/")
    if len(parts) < 8 or parts[0] != "subscriptions" or parts[2] != "resourceGroups" or parts[6] != "workspaces":
        raise UserErrorException(f"{file}: Scope is not /subscriptions/.../resourceGroups/.../providers/.../workspaces/...")
    return {"subscription_id": parts[1], "resource_group": parts[3], "workspace_name": parts[7]}


def write_config(config: WorkspaceConfig, file: pathlib.Path) -> None:
    content = {"subscription_id": config.subscription_id, "resource_group": config.resource_group, "workspace_name": config.workspace_name}
    if config.url:
        content["roost_url"] = config.url
    if config.token_key:
        value = config.token_value or ""
        if config.token_key == "roost_token_file":
            value = str((config.folder / os.path.expanduser(value)).resolve())
        content[config.token_key] = value
    file.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, indent=4) + "\n"
    if config.token_key != "roost_token":
        file.write_text(text, encoding="utf-8")
        return
    # The file holds a secret, which nobody else may read for a moment either.
    part = file.with_name(f"{file.name}.part-{os.getpid()}")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
        stream.write(text)
    os.replace(part, file)


def connect(config: WorkspaceConfig, token: str | None) -> Client:
    """``token`` is one that the caller has; otherwise it is looked for. Keeps in ``config`` where address and token were found."""
    url, given = config.url or os.environ.get("ROOST_URL"), os.environ.get("ROOST_URL")
    if token is None and config.token_key:
        token = _configured_token(config)
    # A token belongs to its server: another one's is never sent to the configured address.
    if token is None and os.environ.get("ROOST_TOKEN") and (url == given or not given):
        token, config.token_key, config.token_value = os.environ["ROOST_TOKEN"], "roost_token_env", "ROOST_TOKEN"
    if not url or not token:
        try:
            here, token_file = local_server()
        except RoostError as error:
            if url:
                raise AuthenticationException(f"there is no token for {url}: {_WAYS}") from error
            raise WorkspaceException(f"{error.message}. {_WAYS}") from error
        if url and not same_server(url, here):
            raise AuthenticationException(f"there is no token for {url} (the server of this machine is {here}): {_WAYS}")
        url = url or here
        if not token:
            token, config.token_key, config.token_value = token_file.read_text().strip(), "roost_token_file", str(token_file)
    config.url = url
    try:
        client = Client(url, token)
        if config.token_key == "roost_token_file":
            client.token_file = config.folder / os.path.expanduser(config.token_value or "")
        return client
    except RoostError as error:
        raise UserErrorException(error.message) from error


_WAYS = "config.json names the server in roost_url and its token in roost_token_file, roost_token_env or roost_token; ROOST_URL and ROOST_TOKEN do the same"


def same_server(one: str, other: str) -> bool:
    names = ("://localhost", "://127.0.0.1", "://[::1]")
    for name in names:
        one, other = one.replace(name, "://loopback"), other.replace(name, "://loopback")
    return one.rstrip("/") == other.rstrip("/")


def _configured_token(config: WorkspaceConfig) -> str:
    value = config.token_value or ""
    if config.token_key == "roost_token":
        return value
    if config.token_key == "roost_token_env":
        if not os.environ.get(value):
            raise AuthenticationException(f"config.json says that the token is in the variable {value}, which is not set")
        return os.environ[value]
    file = config.folder / os.path.expanduser(value)
    try:
        return file.read_text().strip()
    except OSError as error:
        raise AuthenticationException(f"config.json says that the token is in {file}, which cannot be read: {error.strerror}") from error


def warn_without_meaning(where: str, given: dict[str, object]) -> None:
    """One warning for all arguments that were given and that select nothing here."""
    names = [name for name, value in given.items() if value is not None]
    if names:
        warn(f"{where}: {', '.join(names)} {'has' if len(names) == 1 else 'have'} no meaning here and {'is' if len(names) == 1 else 'are'} ignored")
