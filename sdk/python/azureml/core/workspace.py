"""``azureml.core.Workspace``: one Roost server. Its Azure names are labels that config.json gives it."""

from __future__ import annotations

import os
import pathlib
import re
from typing import TYPE_CHECKING, Any, Mapping

from azureml.core import _config, _not_here
from azureml.core._config import WorkspaceConfig
from azureml.core._service import service_errors
from azureml.exceptions import AuthenticationException, UserErrorException, WorkspaceException
from roost.client import Client, RoostError

if TYPE_CHECKING:
    from azureml.core.authentication import AbstractAuthentication
    from azureml.core.compute import ComputeTarget
    from azureml.core.datastore import Datastore
    from azureml.core.environment import Environment
    from azureml.core.experiment import Experiment
    from azureml.core.model import Model
    from azureml.core.run import Run
    from azureml.data.file_dataset import FileDataset

_NAME = re.compile(r"[a-zA-Z0-9][\w-]{1,31}", re.ASCII)
_DEFAULT = ("local", "local", "roost")  # what the server itself tells its runs


class Workspace(_not_here.KnownMissing):
    """Everything that one server keeps.

    A server has one workspace, so the names select nothing: they are what config.json, the arguments or the run's environment
    say. Which server it is, and the token for it, comes from config.json (``roost_url``, ``roost_token_file``...), from
    ROOST_URL and ROOST_TOKEN, or is the server of this machine.
    """

    _missing = _not_here.WORKSPACE

    def __init__(self, subscription_id: str, resource_group: str, workspace_name: str, auth: AbstractAuthentication | None = None,
                 _location: str | None = None, _disable_service_check: bool = False, _workspace_id: str | None = None,
                 sku: str = "basic", tags: dict | None = None, _cloud: str = "AzureCloud"):  # fmt: skip
        _config.warn_without_meaning("Workspace", {"tags": tags, "sku": None if sku == "basic" else sku})
        self._open(WorkspaceConfig(subscription_id, resource_group, workspace_name), auth, check=not _disable_service_check)

    def _open(self, config: WorkspaceConfig, auth: AbstractAuthentication | None, check: bool = True) -> None:
        own = auth._own_token() if auth is not None else None
        self._config, self._client = config, _config.connect(config, own)
        if own is not None:
            config.token_key = config.token_value = None  # the login's business, not the file's
        if auth is not None:
            auth._bind(self._client.token)
        if check:
            self._server()

    @classmethod
    def _from_client(cls, client: Client) -> Workspace:
        """The workspace of a run that is known by its connection alone."""
        workspace = cls.__new__(cls)
        told = [os.environ.get(f"AZUREML_ARM_{key}") for key in ("SUBSCRIPTION", "RESOURCEGROUP", "WORKSPACE_NAME")]
        subscription, group, name = (value or default for value, default in zip(told, _DEFAULT))
        workspace._config = WorkspaceConfig(subscription, group, name, url=client.url)
        workspace._client = client
        return workspace

    def _server(self) -> dict:
        try:
            return self._client.get("/server")
        except RoostError as error:
            if error.status in (401, 403):
                raise AuthenticationException(f"{self._client.url} does not accept the token: {error.message}") from error
            raise WorkspaceException(f"the workspace cannot be reached: {error.message}") from error

    # -- finding it -------------------------------------------------------------------------------------------------

    @staticmethod
    def from_config(path: str | None = None, auth: AbstractAuthentication | None = None, _logger: Any = None,
                    _file_name: str | None = None) -> Workspace:  # fmt: skip
        """The workspace that a config.json describes: the file ``path``, or the one found from the folder ``path`` (default: the
        current one) upwards."""
        workspace = Workspace.__new__(Workspace)
        workspace._open(_config.read_config(_config.find_config(path, _file_name)), auth)
        return workspace

    @staticmethod
    def get(name: str, auth: AbstractAuthentication | None = None, subscription_id: str | None = None, resource_group: str | None = None,
            location: str | None = None, cloud: str = "AzureCloud", id: str | None = None) -> Workspace:  # fmt: skip
        """The workspace of the server that ROOST_URL names, or of this machine's; WorkspaceException when there is none."""
        _config.warn_without_meaning("Workspace.get", {"location": location, "id": id, "cloud": None if cloud == "AzureCloud" else cloud})
        return Workspace(subscription_id or _DEFAULT[0], resource_group or _DEFAULT[1], name, auth)

    @staticmethod
    def create(name: str, auth: AbstractAuthentication | None = None, subscription_id: str | None = None, resource_group: str | None = None,
               location: str | None = None, create_resource_group: bool = True, sku: str = "basic", tags: dict | None = None,
               friendly_name: str | None = None, storage_account: str | None = None, key_vault: str | None = None,
               app_insights: str | None = None, container_registry: str | None = None, adb_workspace: str | None = None,
               primary_user_assigned_identity: str | None = None, cmk_keyvault: str | None = None, resource_cmk_uri: str | None = None,
               hbi_workspace: bool = False, default_cpu_compute_target: Any = None, default_gpu_compute_target: Any = None,
               private_endpoint_config: Any = None, private_endpoint_auto_approval: bool = True, exist_ok: bool = False,
               show_output: bool = True, user_assigned_identity_for_cmk_encryption: str | None = None,
               system_datastores_auth_mode: str = "accessKey", v1_legacy_mode: bool | None = None) -> Workspace:  # fmt: skip
        """The server's workspace, which exists as soon as the server runs: without ``exist_ok`` that is an error, as for every
        name that is taken. What describes Azure's own resources selects nothing here."""
        if not _NAME.fullmatch(name):
            raise UserErrorException(f"'{name}' is no workspace name: 2 to 32 letters, digits, '-' and '_', the first a letter or digit")
        given = {"location": location, "sku": None if sku == "basic" else sku, "tags": tags, "friendly_name": friendly_name, "storage_account": storage_account, "key_vault": key_vault,
                 "app_insights": app_insights, "container_registry": container_registry, "adb_workspace": adb_workspace,
                 "primary_user_assigned_identity": primary_user_assigned_identity, "cmk_keyvault": cmk_keyvault,
                 "resource_cmk_uri": resource_cmk_uri, "hbi_workspace": hbi_workspace or None,
                 "default_cpu_compute_target": default_cpu_compute_target, "default_gpu_compute_target": default_gpu_compute_target,
                 "private_endpoint_config": private_endpoint_config,
                 "user_assigned_identity_for_cmk_encryption": user_assigned_identity_for_cmk_encryption,
                 "v1_legacy_mode": v1_legacy_mode}  # fmt: skip
        _config.warn_without_meaning("Workspace.create", given)
        workspace = Workspace.get(name, auth, subscription_id, resource_group)
        if not exist_ok:
            raise WorkspaceException(
                f"Workspace with name '{name}' already exists: it is the server at {workspace._client.url}. Use exist_ok=True, or Workspace.get; "
                "another workspace is another server (`roost serve --data FOLDER`)"
            )
        return workspace

    def write_config(self, path: str | None = None, file_name: str | None = None) -> None:
        """Writes ``path``/.azureml/config.json (default: the current folder) for Workspace.from_config. It names the server and
        where its token is; the token itself stays where it was found."""
        folder = pathlib.Path(path or ".")
        target = folder if folder.name == ".azureml" else folder / ".azureml"
        _config.write_config(self._config, target / (file_name or "config.json"))

    # -- what it is -------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        return self._config.workspace_name

    @property
    def subscription_id(self) -> str:
        return self._config.subscription_id

    @property
    def resource_group(self) -> str:
        return self._config.resource_group

    @property
    def location(self) -> str:
        """The server's address."""
        return self._client.url

    @property
    def sku(self) -> str:
        return "basic"

    def get_details(self) -> dict:
        """Azure ML's names as labels; ``server`` is what the server tells of itself."""
        return {"id": self._scope(), "name": self.name, "location": self.location, "sku": self.sku, "workspaceid": _DEFAULT[2],
                "description": "", "friendlyName": self.name, "tags": {}, "server": self._server()}  # fmt: skip

    def _scope(self) -> str:
        scope = f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}/providers/Microsoft.MachineLearningServices/workspaces"
        return f"{scope}/{self.name}"

    def get_mlflow_tracking_uri(self, _with_auth: bool = False) -> str:
        """The server's address, which speaks MLflow's REST. MLflow's client takes its token from MLFLOW_TRACKING_TOKEN: that is
        set in this process unless the user has set a login for MLflow already."""
        if not any(os.environ.get(name) for name in ("MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_USERNAME")):
            os.environ["MLFLOW_TRACKING_TOKEN"] = self._client.token
        return self._client.url

    # -- what it has ------------------------------------------------------------------------------------------------

    @property
    def experiments(self) -> dict[str, Experiment]:
        """The active ones by name."""
        from azureml.core.experiment import Experiment

        return {experiment.name: experiment for experiment in Experiment.list(self)}

    @property
    def environments(self) -> Mapping[str, Environment]:
        """The newest version of each by name, the curated ones too; each is fetched when it is looked at."""
        from azureml.core.environment import Environment

        return Environment.list(self)

    @property
    def compute_targets(self) -> dict[str, ComputeTarget]:
        """The clusters by name; `local`, which every server has, is not among them."""
        from azureml.core.compute import ComputeTarget

        return {target.name: target for target in ComputeTarget.list(self)}

    @property
    def models(self) -> dict[str, Model]:
        """The newest version of each by name."""
        from azureml.core.model import Model

        return {model.name: model for model in Model.list(self, latest=True)}

    @property
    def datastores(self) -> dict[str, Datastore]:
        from azureml.core.datastore import all_datastores

        return all_datastores(self)

    @property
    def datasets(self) -> dict[str, FileDataset]:
        """The newest version of each by name."""
        from azureml.core.dataset import Dataset

        return Dataset.get_all(self)

    def get_default_datastore(self) -> Datastore:
        from azureml.core.datastore import Datastore

        return Datastore(self)

    def set_default_datastore(self, name: str) -> None:
        from azureml.core.datastore import Datastore

        Datastore(self, name).set_as_default()

    def get_run(self, run_id: str) -> Run:
        from azureml.core.run import Run

        return Run.get(self, run_id)

    def _list(self, path: str, **query: Any) -> list[dict]:
        with service_errors():
            return list(self._client.items(path, **query))

    def __repr__(self) -> str:
        return f"Workspace.create(name='{self.name}', subscription_id='{self.subscription_id}', resource_group='{self.resource_group}')"
