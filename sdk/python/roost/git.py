"""Where a source folder stands in git, as run properties. sdk/cpp/roost/git_info.cc gives the same."""

from __future__ import annotations

import os
import re
import subprocess

_SECONDS = 2.0  # a submit does not wait longer for git


def git_properties(folder: str | os.PathLike) -> dict[str, str]:
    """``azureml.git.*`` and ``mlflow.source.git.*``; empty outside a repository. AZUREML_GIT_* variables overrule."""
    found = _read(os.fspath(folder))
    for name in ("repository_uri", "branch", "commit", "dirty", "build_id", "build_uri"):
        found[name] = os.environ.get(f"AZUREML_GIT_{name.upper()}") or found.get(name, "")
    properties = {f"azureml.git.{name}": value for name, value in found.items()}
    for name, key in (("repository_uri", "repoURL"), ("branch", "branch"), ("commit", "commit")):
        properties[f"mlflow.source.git.{key}"] = found[name]
    return {key: value for key, value in properties.items() if value}


def _read(folder: str) -> dict[str, str]:
    found: dict[str, str] = {}
    # One command for branch, commit and changes of this folder; fails outside a repository.
    status = _ask(folder, "status", "--porcelain=v2", "--branch", "--", ".")
    if status is not None:
        found["dirty"] = "False"
        for line in status.splitlines():
            if line.startswith("# branch.oid "):
                found["commit"] = line[13:].replace("(initial)", "")
            elif line.startswith("# branch.head "):
                found["branch"] = line[14:].replace("(detached)", "HEAD")
            elif line and not line.startswith("#"):
                found["dirty"] = "True"
                break
    else:  # too slow for a big tree, or no repository: the cheap questions alone
        found["commit"] = (_ask(folder, "rev-parse", "--verify", "--quiet", "HEAD") or "").strip()
        if not found["commit"]:
            return {}
        found["branch"] = (_ask(folder, "rev-parse", "--abbrev-ref", "HEAD") or "").strip()
    # git answers with the bare word "origin" when there is no remote.
    uri = (_ask(folder, "ls-remote", "--get-url") or "").strip()
    if "/" in uri or ":" in uri:
        found["repository_uri"] = strip_credentials(uri)
    return found


def strip_credentials(uri: str) -> str:
    """Without the password, and without the user of a web address, which may be a token."""
    match = re.match(r"([^/]+://)([^/]*)(.*)", uri, re.DOTALL)
    if not match:
        return uri  # a path, or git@host:path
    scheme, host, path = match.groups()
    user, at, address = host.rpartition("@")
    if scheme in ("http://", "https://"):
        return scheme + address + re.split(r"[?#]", path)[0]
    return scheme + user.split(":")[0] + at + address + path


def _ask(folder: str, *arguments: str) -> str | None:
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(["git", "-C", folder, *arguments], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, timeout=_SECONDS)  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None
