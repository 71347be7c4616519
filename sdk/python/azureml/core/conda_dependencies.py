"""``CondaDependencies``: what a conda specification file says, to be read, changed and written."""

from __future__ import annotations

import copy
import os
import pathlib
import re
from typing import Any, List

from azureml.exceptions import UserErrorException
from roost.yaml_subset import YamlError, dump, load

__all__ = ["CondaDependencies", "DEFAULT_SDK_ORIGIN", "PYTHON_DEFAULT_VERSION"]


class _Default(str):
    """A value that nobody asked for; another object with the same text is one that was given."""


PYTHON_DEFAULT_VERSION = _Default("3.10.18")  # of `create`, and of a specification that names none
DEFAULT_SDK_ORIGIN = "https://pypi.python.org/simple"
_EMPTY_PYTHON = "3.8.13"  # of CondaDependencies() itself
_UNASKED = "# Roost: nobody asked for "  # in a file, before the Python that only the defaults put in
_HEADER = "# A conda specification: what a run's Python environment consists of.\n# Azure ML's and Roost's tools read it, and `conda env create -f` does.\n\n"
UNASKED_KEY = "roostUnaskedPython"
_NAME = re.compile(r"(?:[\w.-]+::)?([A-Za-z0-9][\w.-]*)")


class CondaDependencies:
    """Conda packages, pip packages and channels; begins with Python and ``azureml-defaults``, or with what a file has.

    A Python version that only the defaults put in is no wish: it is not sent to the server, which takes a version that it has.
    """

    def __init__(self, conda_dependencies_file_path: str | os.PathLike | None = None, _underlying_structure: dict | None = None):
        if conda_dependencies_file_path is not None and _underlying_structure is not None:
            raise UserErrorException("CondaDependencies takes a file or a structure, not both")
        self._python_is_wanted = True
        if conda_dependencies_file_path is not None:
            self._content, unasked = _read(pathlib.Path(conda_dependencies_file_path))
            self._python_is_wanted = unasked is None or self.get_python_version() != unasked
        elif _underlying_structure is not None:
            self._content = _checked(copy.deepcopy(_underlying_structure), "the structure")
            self._python_is_wanted = self._content != _defaults()
        else:
            self._content, self._python_is_wanted = _defaults(), False

    @staticmethod
    def create(pip_indexurl: str | None = None, pip_packages: List[str] | None = None, conda_packages: List[str] | None = None,
               python_version: str = PYTHON_DEFAULT_VERSION, pin_sdk_version: bool = True) -> CondaDependencies:  # fmt: skip
        """With ``pip_packages`` these take the place of ``azureml-defaults``; packages of the SDK without a version get that of
        this SDK unless ``pin_sdk_version`` is False."""
        made = CondaDependencies()
        made._set_python(python_version)
        made._python_is_wanted = python_version is not PYTHON_DEFAULT_VERSION
        if pip_indexurl:
            made.set_pip_index_url(pip_indexurl)
        if pip_packages is not None:
            made.remove_pip_package("azureml-defaults")
            for package in _texts(pip_packages, "pip_packages"):
                made.add_pip_package(_pinned(package) if pin_sdk_version else package)
        for package in _texts(conda_packages or [], "conda_packages"):
            made.add_conda_package(package)
        return made

    # -- what it has ------------------------------------------------------------------------------------------------

    @property
    def conda_channels(self) -> List[str]:
        return list(self._content.get("channels") or [])

    @property
    def conda_packages(self) -> List[str]:
        return [item for item in self._dependencies if isinstance(item, str)]

    @property
    def pip_packages(self) -> List[str]:
        return [line for line in self._pip if not line.startswith("-")]

    @property
    def pip_options(self) -> List[str]:
        """Lines such as ``--index-url https://...``."""
        return [line for line in self._pip if line.startswith("-")]

    def get_python_version(self) -> str | None:
        python = next((package for package in self.conda_packages if package_name(package) == "python"), None)
        return None if python is None else python[len("python") :].lstrip("= ") or None

    # -- changing it ------------------------------------------------------------------------------------------------

    def add_channel(self, channel: str) -> None:
        channels = self._content.setdefault("channels", [])
        if channel not in channels:
            channels.append(channel)

    def remove_channel(self, channel: str) -> None:
        self._content["channels"] = [each for each in self.conda_channels if each != channel]

    def set_python_version(self, version: str) -> None:
        self._set_python(version)
        self._python_is_wanted = True

    def add_conda_package(self, conda_package: str) -> None:
        """Takes the place of the package of the same name."""
        name = package_name(conda_package)
        if name == "python":
            self._python_is_wanted = True
        _replace(self._dependencies, name, conda_package)

    def remove_conda_package(self, conda_package: str) -> None:
        _remove(self._dependencies, package_name(conda_package))

    def add_pip_package(self, pip_package: str) -> None:
        """Takes the place of the package of the same name."""
        if pip_package.lstrip().startswith("-"):
            raise UserErrorException(f"'{pip_package}' is an option of pip; add it with set_pip_option")
        _replace(self._pip_section(), package_name(pip_package), pip_package)

    def remove_pip_package(self, pip_package: str) -> None:
        _remove(self._pip, package_name(pip_package))

    def set_pip_requirements(self, pip_requirements: List[str]) -> None:
        """The lines of a requirements file instead of all pip packages and options."""
        lines = (line.strip() for line in _texts(pip_requirements, "pip_requirements"))
        self._pip_section()[:] = [line for line in lines if line and not line.startswith("#")]

    def set_pip_index_url(self, index_url: str) -> None:
        self.set_pip_option(f"--index-url {index_url}")

    def set_pip_option(self, pip_option: str) -> None:
        """Takes the place of the option of the same name, except ``--extra-index-url``, of which there may be several."""
        name = pip_option.split()[0].split("=")[0]
        lines = self._pip_section()
        if name != "--extra-index-url":
            self.remove_pip_option(name)
        if pip_option not in lines:
            lines.insert(len(self.pip_options), pip_option)

    def remove_pip_option(self, pip_option: str) -> None:
        """``pip_option`` is its name, like ``--index-url``, or the whole line."""
        self._pip[:] = [line for line in self._pip if line != pip_option and not (line.startswith("-") and line.split()[0].split("=")[0] == pip_option)]

    def add_tensorflow_pip_package(self, core_type: str = "cpu", version: str | None = None) -> None:
        self.add_pip_package(_tensorflow(core_type) + (f"=={version}" if version else ""))

    def add_tensorflow_conda_package(self, core_type: str = "cpu", version: str | None = None) -> None:
        self.add_conda_package(_tensorflow(core_type) + (f"={version}" if version else ""))

    # -- writing it -------------------------------------------------------------------------------------------------

    def as_dict(self) -> dict:
        return copy.deepcopy(self._content)

    def serialize_to_string(self) -> str:
        unasked = self._unasked_python()
        return (_HEADER if unasked is None else f"{_HEADER[:-1]}{_UNASKED}python={unasked}\n\n") + dump(self._content)

    def save(self, path: str | os.PathLike | None = None) -> str:
        """Writes the file ``path`` (default: conda_dependencies.yml in the current folder); gives its path."""
        file = pathlib.Path(path or "conda_dependencies.yml")
        if file.is_dir():
            file = file / "conda_dependencies.yml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self.serialize_to_string(), encoding="utf-8")
        return str(file)

    def save_to_file(self, base_directory: str | os.PathLike, conda_file_path: str | None = None) -> str:
        """Writes ``conda_file_path`` (default: conda_dependencies.yml) below ``base_directory``; gives it as it is below there."""
        name = conda_file_path or "conda_dependencies.yml"
        self.save(pathlib.Path(base_directory, name))
        return name

    def __repr__(self) -> str:
        return self.serialize_to_string()

    # -- inside -----------------------------------------------------------------------------------------------------

    @property
    def _dependencies(self) -> list:
        return self._content.setdefault("dependencies", [])

    @property
    def _pip(self) -> list:
        """The lines for pip; a list of its own where there is no such part yet."""
        return next((item["pip"] for item in self._dependencies if isinstance(item, dict)), [])

    def _pip_section(self) -> list:
        if not any(isinstance(item, dict) for item in self._dependencies):
            self._dependencies.append({"pip": []})
        return self._pip

    def _set_python(self, version: str) -> None:
        version = str(version).strip()
        python = "python" + (version if version[:1] in "<>=!~" else f"={version}")
        _remove(self._dependencies, "python")
        self._dependencies.insert(0, python)

    def _complete_python(self) -> bool:
        """Puts the default in where no Python is named; tells whether it did."""
        if any(package_name(package) == "python" for package in self.conda_packages):
            return False
        self._set_python(PYTHON_DEFAULT_VERSION)
        self._python_is_wanted = False
        return True

    def _asks_nothing(self) -> bool:
        return not self._python_is_wanted and self._content == _defaults()

    def _unasked_python(self) -> str | None:
        """The version that only the defaults put in, to be kept beside the content."""
        return None if self._python_is_wanted else self.get_python_version()

    @classmethod
    def _kept(cls, content: dict, beside: dict) -> CondaDependencies:
        """``content`` as ``as_dict`` gave it; ``beside`` has ``_unasked_python`` under UNASKED_KEY, unless it is Azure ML's."""
        made = cls(_underlying_structure=content)
        if UNASKED_KEY in beside:
            made._python_is_wanted = beside[UNASKED_KEY] is None or made.get_python_version() != beside[UNASKED_KEY]
        return made

    def _wanted_packages(self) -> List[str]:
        """The conda packages that somebody asked for."""
        return [package for package in self.conda_packages if self._python_is_wanted or package_name(package) != "python"]


def package_name(text: str) -> str:
    """The name in ``torch==1.6.0``, ``pytorch::pytorch=1.6`` or ``Pillow[extra]>=5; marker``, in lower case."""
    match = _NAME.match(text.strip())
    return match.group(1).lower().replace("_", "-") if match else text.strip()


def _defaults() -> dict:
    return {"name": "project_environment", "dependencies": [f"python={_EMPTY_PYTHON}", {"pip": ["azureml-defaults"]}],
            "channels": ["anaconda", "conda-forge"]}  # fmt: skip


def _read(file: pathlib.Path) -> tuple[dict, str | None]:
    """With the version of Python in it that nobody asked for."""
    try:
        text = file.read_text(encoding="utf-8")
        content = load(text)
    except FileNotFoundError as error:
        raise UserErrorException(f"there is no conda specification {file}") from error
    except (OSError, UnicodeDecodeError, YamlError) as error:
        raise UserErrorException(f"{file} cannot be read as a conda specification: {error}") from error
    unasked = next((line[len(_UNASKED + "python=") :].strip() for line in text.splitlines() if line.startswith(_UNASKED + "python=")), None)
    return _checked(content, str(file)), unasked


def _checked(content: Any, where: str) -> dict:
    if not isinstance(content, dict) or not isinstance(content.get("dependencies") or [], list):
        raise UserErrorException(f"{where} is no conda specification: it needs `dependencies`, a list, and may have `channels` and `name`")
    made = {**content, "dependencies": []}
    lines: list[str] = []
    for item in content.get("dependencies") or []:
        if isinstance(item, dict) and set(item) == {"pip"}:
            lines += _texts(item["pip"] or [], f"{where}: pip")
            if not any(isinstance(each, dict) for each in made["dependencies"]):
                made["dependencies"].append({"pip": lines})
        elif isinstance(item, str):
            made["dependencies"].append(item)
        else:
            raise UserErrorException(f"{where}: `{item}` is no dependency; a package is written as name=version, pip's packages as a list below `pip:`")
    if content.get("channels") is not None:
        made["channels"] = _texts(content["channels"], f"{where}: channels")
    return made


def _texts(items: Any, what: str) -> List[str]:
    if isinstance(items, str) or not hasattr(items, "__iter__"):
        raise UserErrorException(f"{what} must be a list of texts, not {items!r}")
    made = list(items)
    wrong = [item for item in made if not isinstance(item, str)]
    if wrong:
        raise UserErrorException(f"{what} must be a list of texts, but has {wrong[0]!r}; quote it")
    return made


def _replace(items: list, name: str, by: str) -> None:
    for index, item in enumerate(items):
        if isinstance(item, str) and not item.startswith("-") and package_name(item) == name:
            items[index] = by
            return
    items.append(by)


def _remove(items: list, name: str) -> None:
    items[:] = [item for item in items if not isinstance(item, str) or item.startswith("-") or package_name(item) != name]


def _pinned(package: str) -> str:
    from azureml.core import VERSION

    is_bare = re.fullmatch(r"azureml[\w-]*", package.strip())
    return f"{package.strip()}~={VERSION}" if is_bare else package


def _tensorflow(core_type: str) -> str:
    if core_type not in ("cpu", "gpu"):
        raise UserErrorException(f"core_type must be cpu or gpu, not '{core_type}'")
    return "tensorflow" if core_type == "cpu" else "tensorflow-gpu"
