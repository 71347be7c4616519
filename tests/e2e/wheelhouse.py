"""Wheels that lead to packages which the tests' own interpreter has.

An environment with PyTorch costs 200 MB and a minute; tests need several. A wheel made here has a package's true name,
version and dependencies, so that definitions are resolved, relaxed, installed and imported as always, but instead of the
package's files a finder that leads to them.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import pathlib
import re
import zipfile

from packaging.requirements import Requirement

# Put into the environment as <module>.py and started by <module>.pth, which Python reads when it starts.
FINDER = '''\
"""Finds some packages in another folder."""

import importlib.machinery
import sys

NAMES, FOLDER = {names!r}, {folder!r}


{before}


class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name not in NAMES:
            return None
        before()
        return importlib.machinery.PathFinder.find_spec(name, [FOLDER], target)


sys.meta_path.append(Finder)
'''


def make_wheel(folder: pathlib.Path, name: str, version: str, files: dict[str, str], requires: list[str] = [], modules: list[str] = []) -> pathlib.Path:
    """A pure wheel of these files; `modules` are what an import check shall import."""
    stem = f"{re.sub(r'[-_.]+', '_', name)}-{version}"
    info = f"{stem}.dist-info"
    metadata = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"] + [f"Requires-Dist: {each}" for each in requires]
    files = {**files, f"{info}/METADATA": "\n".join(metadata) + "\n", f"{info}/top_level.txt": "\n".join(modules) + "\n",
             f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"}  # fmt: skip
    record = []
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record.append(f"{path},sha256={digest},{len(text.encode())}")
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,"]) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return wheel


def make_link(folder: pathlib.Path, name: str, version: str, modules: list[str], where: pathlib.Path, requires: list[str] = [],
              more: list[str] = [], before: str = "def before():\n    pass") -> pathlib.Path:  # fmt: skip
    """A wheel whose modules are found in the folder `where`, and those named in `more` too.

    `before` is the code of a function that is called before a module is imported.
    """
    finder = f"_{re.sub(r'[-_.]+', '_', name)}_link"
    files = {f"{finder}.py": FINDER.format(names=(*modules, *more), folder=str(where), before=before), f"{finder}.pth": f"import {finder}\n"}
    return make_wheel(folder, name, version, files, requires, modules)


def link_installed(folder: pathlib.Path, *names: str) -> None:
    """Links to installed distributions. What they need comes along in the same wheel: fewer wheels, less work for pip."""
    for name in names:
        found = importlib.metadata.distribution(name)
        needed: dict[str, list[str]] = {}
        waiting = [name]
        while waiting:
            distribution = importlib.metadata.distribution(waiting.pop())
            for requirement in map(Requirement, distribution.requires or []):
                if requirement.name not in needed and (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
                    needed[requirement.name] = _modules(importlib.metadata.distribution(requirement.name))
                    waiting.append(requirement.name)
        more = [module for modules in needed.values() for module in modules]
        make_link(folder, found.metadata["Name"], found.version, _modules(found), pathlib.Path(found.locate_file("")), more=more)


def _modules(distribution: importlib.metadata.Distribution) -> list[str]:
    tops = {str(file).split("/")[0] for file in distribution.files or [] if str(file).endswith((".py", ".so"))}
    names = {top.split(".")[0] for top in tops if not top.endswith((".dist-info", ".libs")) and not top.startswith("..")}
    return sorted(name for name in names if name.isidentifier())


def local_version(name: str) -> str:
    """"+cpu" of "2.13.0+cpu"."""
    plus = importlib.metadata.version(name).partition("+")
    return plus[1] + plus[2]
