"""Azure ML's SDK v1 names, for the scripts that train and the scripts that submit them.

Everything is imported when it is first used: a script pays for what it uses.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from azureml._beside import say_which

if TYPE_CHECKING:
    from azureml.core.compute import ComputeTarget
    from azureml.core.container_registry import ContainerRegistry
    from azureml.core.dataset import Dataset
    from azureml.core.datastore import Datastore
    from azureml.core.environment import Environment
    from azureml.core.experiment import Experiment
    from azureml.core.model import Model
    from azureml.core.run import Run
    from azureml.core.runconfig import RunConfiguration
    from azureml.core.script_run import ScriptRun
    from azureml.core.script_run_config import ScriptRunConfig
    from azureml.core.webservice import Webservice
    from azureml.core.workspace import Workspace

_IS_ROOSTS = True
__version__ = "1.60.0"
VERSION = __version__
__all__ = ["ComputeTarget", "ContainerRegistry", "Dataset", "Datastore", "Environment", "Experiment", "Model", "Run", "RunConfiguration", "ScriptRun",
           "ScriptRunConfig", "Webservice", "Workspace"]  # fmt: skip

_HOMES = {
    "ComputeTarget": "compute",
    "ContainerRegistry": "container_registry",
    "Dataset": "dataset",
    "Datastore": "datastore",
    "Environment": "environment",
    "Experiment": "experiment",
    "Model": "model",
    "Run": "run",
    "RunConfiguration": "runconfig",
    "ScriptRun": "script_run",
    "ScriptRunConfig": "script_run_config",
    "Webservice": "webservice",
    "Workspace": "workspace",
}
_SUBMODULES = {*_HOMES.values(), "authentication", "compute_target", "conda_dependencies", "resource_configuration"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        found = getattr(importlib.import_module(f"azureml.core.{_HOMES[name]}"), name)
        globals()[name] = found
        return found
    if name in _SUBMODULES:
        return importlib.import_module(f"azureml.core.{name}")
    from azureml.core._not_here import CORE, no_such_name

    raise no_such_name(__name__, name, CORE)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_SUBMODULES})


say_which(__path__[0])
