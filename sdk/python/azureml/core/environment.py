"""``azureml.core.Environment``: what a script runs with: an interpreter, packages, variables, and hints for a container."""

from __future__ import annotations

import copy
import os
import pathlib
from typing import TYPE_CHECKING, Any, Iterator, List, Mapping

from azureml.core import _not_here
from azureml.core._settings import Settings
from azureml.core.conda_dependencies import CondaDependencies
from azureml.core.container_registry import ContainerRegistry
from azureml.exceptions import UserErrorException

if TYPE_CHECKING:
    from azureml.core._environment_wire import Known
    from azureml.core.workspace import Workspace

# Names of Azure ML's images. The first is what an environment's base image is until another one is named.
DEFAULT_CPU_IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04"
DEFAULT_GPU_IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-cuda11.1-cudnn8-ubuntu20.04"


class PythonSection(Settings):
    """Where the interpreter comes from: built from ``conda_dependencies``, which ask for nothing until they are changed; with
    ``user_managed_dependencies`` the one at ``interpreter_path``, as it is; or the conda environment of the server's machine that
    ``conda_environment`` names (our own), as it is."""

    def __init__(self, **kwargs: Any):
        self.user_managed_dependencies = False
        self.interpreter_path = "python"
        self.conda_dependencies: CondaDependencies | None = CondaDependencies()
        self.conda_environment: str | None = None
        self._conda_dependencies_file: str | None = None
        _take(self, kwargs)
        self._complete = True

    @property
    def conda_dependencies_file(self) -> str | None:
        """A file, read when it is set."""
        return self._conda_dependencies_file

    @conda_dependencies_file.setter
    def conda_dependencies_file(self, value: str | None) -> None:
        if value is not None:
            self.conda_dependencies = CondaDependencies(value)
        self._conda_dependencies_file = value


class DockerSection(Settings, _not_here.KnownMissing):
    """The container: ``enabled``, and the image or Dockerfile. Beside packages they are a hint for servers that have a
    container runtime; an image without packages of its own is what the run has."""

    _missing = _not_here.DOCKER_SECTION

    def __init__(self, **kwargs: Any):
        self.enabled = False
        self.base_image: str | None = DEFAULT_CPU_IMAGE
        self.base_image_registry = ContainerRegistry()
        self._base_dockerfile: str | None = None
        self.shared_volumes = True
        self.shm_size: str | None = "2g"
        self.arguments: List[str] = []
        _take(self, kwargs)
        self._complete = True

    @property
    def base_dockerfile(self) -> str | None:
        """The text; a path is read when it is set."""
        return self._base_dockerfile

    @base_dockerfile.setter
    def base_dockerfile(self, value: str | os.PathLike | None) -> None:
        if value is not None and "\n" not in str(value) and os.path.isfile(value):
            value = pathlib.Path(value).read_text(encoding="utf-8")
        self._base_dockerfile = None if value is None else str(value)


class Environment(Settings, _not_here.KnownMissing):
    """A name and what belongs to it. ``version`` is None until the server gave one.

    An environment that asks for no package and no container is an interpreter that is there already: the submitting one where
    the server is on the same machine, else the server's own.
    """

    _missing = _not_here.ENVIRONMENT

    def __init__(self, name: str, **kwargs: Any):
        if not isinstance(name, str) or not name:
            raise UserErrorException("an environment needs a name")
        self.name = name
        self.version: str | None = None
        self.python = PythonSection()
        self.docker = DockerSection()
        self.environment_variables: dict[str, str] = {}
        self.inferencing_stack_version: str | None = None
        self.asset_id: str | None = None
        self._known: Known | None = None
        _take(self, kwargs)
        self._complete = True

    # -- made of something ------------------------------------------------------------------------------------------

    @staticmethod
    def from_conda_specification(name: str, file_path: str) -> Environment:
        """Of a conda specification, a YAML file."""
        made = Environment(name)
        made.python.conda_dependencies = _read_conda(file_path)
        return made

    @staticmethod
    def from_pip_requirements(name: str, file_path: str, pip_version: str | None = None) -> Environment:
        """Of a requirements file; ``pip_version`` is the pip that installs it, where the server has conda."""
        made = Environment(name)
        made.python.conda_dependencies = _read_requirements(file_path)
        if pip_version:
            made.python.conda_dependencies.add_conda_package(f"pip={pip_version}")
        return made

    @staticmethod
    def from_existing_conda_environment(name: str, conda_environment_name: str) -> Environment:
        """The conda environment of this name (or path) on the server's machine. It is used as it is; nothing is copied."""
        made = Environment(name)
        made.python.conda_environment = conda_environment_name
        return made

    @staticmethod
    def from_docker_image(name: str, image: str, container_registry: ContainerRegistry | None = None, conda_specification: str | None = None,
                          pip_requirements: str | None = None) -> Environment:  # fmt: skip
        """Of an image; with a conda specification or a requirements file these packages, for which the image is a hint."""
        made = _in_container(name, conda_specification, pip_requirements)
        made.docker.base_image = image
        if container_registry is not None:
            made.docker.base_image_registry = container_registry
        return made

    @staticmethod
    def from_dockerfile(name: str, dockerfile: str, conda_specification: str | None = None, pip_requirements: str | None = None) -> Environment:
        """Of a Dockerfile's text or path; packages as in ``from_docker_image``."""
        made = _in_container(name, conda_specification, pip_requirements)
        made.docker.base_image, made.docker.base_dockerfile = None, dockerfile
        return made

    @staticmethod
    def load_from_directory(path: str) -> Environment:
        """What ``save_to_directory`` wrote, as it is now."""
        from azureml.core import _environment_files

        return _environment_files.load(path)

    def save_to_directory(self, path: str, overwrite: bool = False) -> None:
        """Writes azureml_environment.json and conda_dependencies.yml (and BaseDockerfile) into a new folder."""
        from azureml.core import _environment_files

        _environment_files.save(self, path, overwrite)

    def clone(self, new_name: str) -> Environment:
        """A copy of its own under another name."""
        clone = copy.deepcopy(self)
        clone.name, clone.version, clone._known = new_name, None, None
        return clone

    # -- on the server ----------------------------------------------------------------------------------------------

    @staticmethod
    def get(workspace: Workspace, name: str, version: str | int | None = None, label: str | None = None) -> Environment:
        """The registered or curated environment; without a version (or with the label "latest") its newest."""
        from azureml.core import _environment_store

        if label is not None and (label.lower() != "latest" or version is not None):
            raise UserErrorException(f"environments have versions and the label Latest here, not '{label}'" if version is None else "give a version or a label, not both")
        return _environment_store.get(workspace, name, version)

    @staticmethod
    def list(workspace: Workspace) -> Mapping[str, Environment]:
        """The newest version of each, curated ones too, by name; each is fetched when it is looked at."""
        from azureml.core import _environment_store

        return _environment_store.Environments(workspace)

    def register(self, workspace: Workspace) -> Environment:
        """Gives the environment as the server keeps it: a new version, or the one that has this content already."""
        from azureml.core import _environment_store

        return _environment_store.register(workspace, self)

    def build(self, workspace: Workspace, image_build_compute: str | None = None) -> ImageBuildDetails:
        """Registers the environment and begins to build it on the server; gives the build, which can be waited for."""
        from azureml.core import _environment_store
        from azureml.core._warnings import warn

        if image_build_compute is not None:
            warn("image_build_compute has no meaning here and is ignored: the server itself builds environments")
        return _environment_store.build(workspace, self)

    def build_local(self, workspace: Workspace, platform: Any = None, **kwargs: Any) -> None:
        """Builds the environment on the server's machine, and waits for it with its log on the console."""
        from azureml.core._warnings import warn

        unknown = sorted(set(kwargs) - {"useDocker", "pushImageToWorkspaceAcr"})
        if unknown:
            raise UserErrorException(f"build_local does not take {', '.join(unknown)}")
        given = [*(["platform"] if platform is not None else []), *sorted(kwargs)]
        if given:
            warn(f"build_local: {', '.join(given)} has no meaning here and is ignored: the server builds environments for its own machine")
        self.build(workspace).wait_for_completion(show_output=True)

    def get_image_details(self, workspace: Workspace) -> dict:
        """Whether the environment is built, and what of: imageExistsInRegistry, ingredients, pythonEnvironment..."""
        from azureml.core import _environment_store

        return _environment_store.image_details(workspace, self)

    def __repr__(self) -> str:
        return f"Environment(Name: {self.name},\nVersion: {self.version})"


class ImageBuildDetails:
    """A build that the server does."""

    def __init__(self, environment_client: Any, location: str | None):
        """``location`` is the build's path; None for an environment that needs no build."""
        self._client, self._location = environment_client, location

    @property
    def status(self) -> str:
        """Running, Succeeded or Failed."""
        return _BUILD_STATES[self._row()["state"]]

    def get_log(self) -> str:
        if self._location is None:
            return ""
        from azureml.core._service import service_errors

        with service_errors():
            return b"".join(self._client.stream(f"{self._location}/log")).decode(errors="replace")

    def wait_for_completion(self, show_output: bool = True) -> None:
        """Waits until the build is over, with its log on the console; a failed one is an error with the log's last lines."""
        from azureml.core._environment_store import wait_for_build

        wait_for_build(self, show_output)

    def _row(self) -> dict:
        if self._location is None:
            return {"state": "ready"}
        from azureml.core._service import service_errors

        with service_errors():
            return self._client.get(self._location)

    def __repr__(self) -> str:
        return f"ImageBuildDetails(Status: {self.status})"


_BUILD_STATES = {"building": "Running", "ready": "Succeeded", "failed": "Failed"}


def _read_conda(file_path: str) -> CondaDependencies:
    conda = CondaDependencies(file_path)
    if conda._complete_python():
        print(f'No Python version provided, defaulting to "{conda.get_python_version()}"; nobody asked for it, so the server may take another.')
    return conda


def _read_requirements(file_path: str) -> CondaDependencies:
    try:
        lines = pathlib.Path(file_path).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise UserErrorException(f"there is no requirements file {file_path}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserErrorException(f"{file_path} cannot be read as a requirements file: {error}") from error
    conda = CondaDependencies.create()
    conda.set_pip_requirements(list(_joined(lines)))
    return conda


def _joined(lines: List[str]) -> Iterator[str]:
    """A backslash at a line's end goes on with the next one."""
    held = ""
    for line in lines:
        if line.endswith("\\"):
            held += line[:-1].rstrip() + " "
        else:
            yield held + line
            held = ""
    if held:
        yield held


def _in_container(name: str, conda_specification: str | None, pip_requirements: str | None) -> Environment:
    if conda_specification is not None and pip_requirements is not None:
        raise UserErrorException("give conda_specification or pip_requirements, not both")
    made = Environment(name)
    if conda_specification is not None:
        made.python.conda_dependencies = _read_conda(conda_specification)
    elif pip_requirements is not None:
        made.python.conda_dependencies = _read_requirements(pip_requirements)
    else:
        made.python.user_managed_dependencies = True
    return made


def _take(section: Any, values: dict[str, Any]) -> None:
    for name, value in values.items():
        known = sorted(each for each in [*vars(section), *vars(type(section))] if not each.startswith("_") and not callable(getattr(section, each, None)))
        if name not in known:
            raise UserErrorException(f"{type(section).__name__} has no setting '{name}'; it has {', '.join(known)}")
        setattr(section, name, value)


def __getattr__(name: str) -> Any:
    raise _not_here.no_such_name(__name__, name, _not_here.ENVIRONMENT_MODULE)
