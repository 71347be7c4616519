"""Between ``Environment`` objects and the server's environment definitions (docs/wire.md)."""

from __future__ import annotations

import os
import re
import shutil
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from azureml.core._config import same_server
from azureml.core._environment_files import content_of
from azureml.core._warnings import warn
from azureml.core.conda_dependencies import CondaDependencies
from azureml.core.environment import DEFAULT_CPU_IMAGE, Environment
from azureml.exceptions import UserErrorException
from roost.client import RoostError, local_server
from roost.context import current_context

if TYPE_CHECKING:
    from azureml.core.environment import DockerSection
    from azureml.core.runconfig import DockerConfiguration
    from roost.client import Client

UNNAMED = "default-environment"  # a run configuration's own, which is not registered
_LOOPBACK = re.compile(r"https?://(127\.|localhost\b|\[::1\])")
_ANY_PYTHON = {"pip": ["azureml-defaults"]}  # what an environment comes to that asks for no package


class RunEnvironment(NamedTuple):
    definition: dict[str, Any] | None  # the run definition's `environment`; None: the server's own interpreter
    variables: dict[str, str]  # the run's own, beside those of the definition


class Known(NamedTuple):
    """What the server has under the environment's name and version, to tell whether the object was changed since."""

    name: str
    version: str
    content: dict[str, Any]
    variables: dict[str, str]


def is_local(client: Client) -> bool:
    """The server is on this machine, so that paths mean the same for both: a loopback address alone may be the end of a tunnel,
    so the server's own files have to name the same address and token. A run's own token is of a server that started it here."""
    if not _LOOPBACK.match(client.url):
        return False
    context = current_context()
    if context is not None and (context.url, context.token) == (client.url, client.token):
        return True
    for folder in (None, *([client.token_file.parent] if client.token_file is not None else [])):
        try:
            here, token_file = local_server(folder)
            if same_server(client.url, here) and token_file.read_text().strip() == client.token:
                return True
        except (RoostError, OSError):
            pass
    return False


def for_run(environment: Environment, docker: DockerConfiguration, local: bool, target: str) -> RunEnvironment:
    """How a run names its environment: by name and version when the server has it as it is here, as an interpreter when
    nothing is to be installed, else as a definition, which the server registers."""
    _warn_of_settings(environment)
    variables = _variables(environment)
    known = _unchanged(environment)
    if known is not None and set(known.variables) <= set(variables):
        if docker.use_docker and not environment.docker.enabled:
            warn(f"use_docker has no meaning for environment '{environment.name}', which is used as it is registered; clone it and set "
                          "docker.enabled for a container")  # fmt: skip
        more = {name: value for name, value in variables.items() if known.variables.get(name) != value}
        return RunEnvironment({"name": known.name, "version": known.version}, more)
    container = _docker(environment, docker)
    if not container and _is_interpreter(environment):
        path = _interpreter(environment, local, submitting=local and target == "local")
        return RunEnvironment({"python": path} if path else None, variables)
    return RunEnvironment(_definition(environment, container, local), {})


def reference(environment: Environment, local: bool) -> dict[str, Any]:
    """The environment for a build: by name and version, or as a definition."""
    known = _unchanged(environment)
    if known is not None and known.variables == _variables(environment):
        return {"name": known.name, "version": known.version}
    return definition(environment, local)


def definition(environment: Environment, local: bool) -> dict[str, Any]:
    _warn_of_settings(environment)
    return _definition(environment, _docker(environment, None), local)


def known(environment: Environment) -> Known | None:
    if environment.version is None:
        return None
    return Known(environment.name, environment.version, _compared(environment), _variables(environment))


def from_definition(made: Environment, body: dict[str, Any]) -> None:
    """Fills an environment with what the server tells."""
    python, docker = body.get("python") or {}, body.get("docker") or {}
    made.version = body.get("version")
    if isinstance(python, str):  # an interpreter that a run named itself
        python = {"interpreter": python}
    conda = python.get("conda")
    if conda is not None or "pip" in python:
        packages = list((conda or {}).get("packages") or [])
        version = python.get("version")
        if version:
            packages.insert(0, "python" + (version if version[:1] in "<>=!~" else f"={version}"))
        lines = list(conda.get("pip") or []) if conda is not None else list(python["pip"])
        content: dict[str, Any] = {"name": "project_environment", "dependencies": [*packages, {"pip": lines}]}
        if conda is not None and conda.get("channels"):
            content["channels"] = list(conda["channels"])
        made.python.conda_dependencies = CondaDependencies(_underlying_structure=content)
    elif python.get("conda_environment"):
        made.python.conda_environment = python["conda_environment"]
    else:
        made.python.user_managed_dependencies = True
        made.python.interpreter_path = python.get("interpreter") or "python"
    made.docker.enabled = bool(docker.get("enabled"))
    made.docker.base_image = docker.get("base_image") or (None if docker.get("base_dockerfile") else DEFAULT_CPU_IMAGE)
    made.docker.base_dockerfile = docker.get("base_dockerfile") or None
    made.docker.shm_size = docker.get("shm_size") or made.docker.shm_size
    made.docker.arguments = list(docker.get("arguments") or [])
    made.environment_variables = dict(body.get("environment_variables") or {})


# -- inside -----------------------------------------------------------------------------------------------------------


def _definition(environment: Environment, container: dict[str, Any], local: bool) -> dict[str, Any]:
    made: dict[str, Any] = {"python": _python(environment, container, local)}
    if environment.name != UNNAMED:
        made["name"] = environment.name
    if container:
        made["docker"] = container
    variables = _variables(environment)
    if variables:
        made["environment_variables"] = variables
    return made


def _python(environment: Environment, container: dict[str, Any], local: bool) -> dict[str, Any]:
    python = environment.python
    conda = _conda(environment)
    if python.conda_environment:
        return {"conda_environment": python.conda_environment}
    if python.user_managed_dependencies:
        if container and python.interpreter_path in (None, "python"):
            return {}  # the image's own
        path = _interpreter(environment, local, submitting=False)
        return {"interpreter": path} if path else {}
    if conda is None:
        return dict(_ANY_PYTHON)
    packages, lines = conda._wanted_packages(), conda.pip_options + conda.pip_packages
    if not packages:
        return {"pip": lines}
    return {"conda": {"channels": conda.conda_channels, "packages": packages, "pip": lines}}


def _interpreter(environment: Environment, local: bool, submitting: bool) -> str | None:
    """None lets the server take its own; ``submitting``: where none is named, it is the one that runs this."""
    python = environment.python
    if not python.user_managed_dependencies or python.interpreter_path in (None, "python"):
        return sys.executable if submitting and sys.executable else None
    path = os.path.expanduser(python.interpreter_path)
    if not os.path.isabs(path) and local:
        path = shutil.which(path) or path
    if not os.path.isabs(path):
        raise UserErrorException(f"environment '{environment.name}': python.interpreter_path '{path}' must be an absolute path of the server's machine")
    return path


def _conda(environment: Environment) -> CondaDependencies | None:
    """The dependencies where they ask for something, checked."""
    python = environment.python
    conda = python.conda_dependencies
    if conda is None or python.user_managed_dependencies:
        return None
    if not isinstance(conda, CondaDependencies):
        raise UserErrorException(f"environment '{environment.name}': python.conda_dependencies must be CondaDependencies, not {type(conda).__name__}")
    if conda._asks_nothing():
        return None
    if python.conda_environment:
        raise UserErrorException(f"environment '{environment.name}' is the conda environment '{python.conda_environment}', in which nothing is installed; "
                                 "set python.conda_environment = None to build one from python.conda_dependencies")  # fmt: skip
    if conda.as_dict().get("variables"):
        raise UserErrorException(f"environment '{environment.name}': `variables` of a conda specification are not read; write them into environment_variables")
    return conda


def _is_interpreter(environment: Environment) -> bool:
    """Nothing is to be installed and no conda environment is named."""
    return _conda(environment) is None and not environment.python.conda_environment


def _docker(environment: Environment, run: DockerConfiguration | None) -> dict[str, Any]:
    """The definition's `docker`; empty when there is neither a wish for a container nor an image."""
    section = environment.docker
    used = run if run is not None and run.use_docker else None
    image, dockerfile = _image(environment.name, section), section.base_dockerfile
    enabled = section.enabled or used is not None
    if image == DEFAULT_CPU_IMAGE and (dockerfile or not environment.python.user_managed_dependencies or not enabled):
        image = None  # the default, which nobody asked for; only a run without packages of its own is what the image has
    settings: DockerConfiguration | DockerSection = used or section
    if not (enabled or image or dockerfile):
        if section.shm_size not in (None, "2g") or section.arguments or not section.shared_volumes:
            warn(f"environment '{environment.name}': its docker settings have no meaning without a container and are ignored")
        return {}
    if not settings.shared_volumes:
        warn(f"environment '{environment.name}': shared_volumes=False has no meaning here and is ignored: a container sees the run's folders")  # fmt: skip
    made: dict[str, Any] = {"enabled": enabled}
    if image:
        made["base_image"] = image
    if dockerfile:
        made["base_dockerfile"] = dockerfile
    if settings.shm_size:
        made["shm_size"] = settings.shm_size
    arguments = list(section.arguments or []) + list(used.arguments or [] if used else [])
    if arguments:
        made["arguments"] = arguments
    return made


def _image(name: str, section: DockerSection) -> str | None:
    registry = section.base_image_registry
    if registry.username or registry.password or registry.registry_identity:
        raise UserErrorException(f"environment '{name}': the server pulls images as its own user; log that user in at the registry instead of "
                                 "giving a name and password")  # fmt: skip
    image = section.base_image
    if image and registry.address and image != DEFAULT_CPU_IMAGE and not image.startswith(registry.address.rstrip("/") + "/"):
        return f"{registry.address.rstrip('/')}/{image}"
    return image


def _variables(environment: Environment) -> dict[str, str]:
    return {str(key): str(value) for key, value in (environment.environment_variables or {}).items()}


def _compared(environment: Environment) -> dict[str, Any]:
    content = content_of(environment)
    return {key: value for key, value in content.items() if key not in ("name", "version", "environmentVariables")}


def _unchanged(environment: Environment) -> Known | None:
    found = environment._known
    if found is None or (found.name, found.version) != (environment.name, environment.version):
        return None
    return found if found.content == _compared(environment) else None


def _warn_of_settings(environment: Environment) -> None:
    if environment.inferencing_stack_version is not None:
        warn(f"environment '{environment.name}': inferencing_stack_version has no meaning here and is ignored: models are not deployed")
