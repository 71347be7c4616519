"""``ComputeTarget``: finding, listing and creating clusters by name."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, List

from azureml.core import _not_here
from azureml.core.compute_target import LocalTarget
from azureml.exceptions import ComputeTargetException, ServiceException, UserErrorException
from roost.client import RoostError, quote

if TYPE_CHECKING:
    from azureml.core.workspace import Workspace

__all__ = ["ComputeTarget", "ComputeTargetProvisioningConfiguration"]


class ComputeTargetProvisioningConfiguration:
    """What a target is created with."""

    def __init__(self, type: Any, location: str | None):
        self._compute_type, self.location = type, location

    def validate_configuration(self) -> None:
        """Raises ComputeTargetException when it cannot be served."""


class ComputeTarget(_not_here.KnownMissing):
    """``ComputeTarget(workspace, name)`` gives the cluster of this name, an ``AmlCompute``, or ``LocalTarget`` for "local";
    ComputeTargetException when there is none."""

    _missing = _not_here.COMPUTE

    def __new__(cls, workspace: Workspace, name: str) -> Any:
        from azureml.core.compute.amlcompute import AmlCompute

        if name == "local":
            if cls is not ComputeTarget:
                raise ComputeTargetException("local is the server's machine itself, no cluster; use compute_target='local'")
            return LocalTarget()
        return object.__new__(AmlCompute if cls is ComputeTarget else cls)

    def __init__(self, workspace: Workspace, name: str):
        self._open(workspace, _get(workspace, name))

    @classmethod
    def _of(cls, workspace: Workspace, row: dict[str, Any]) -> ComputeTarget:
        made = object.__new__(cls)
        made._open(workspace, row)
        return made

    def _open(self, workspace: Workspace, row: dict[str, Any]) -> None:
        self.workspace = workspace
        self._take(row)

    def _take(self, row: dict[str, Any]) -> None:
        self._row = row
        self.name, self.type, self.description, self.tags = row["name"], row["type"], row["description"], dict(row["tags"])
        self.location = self.cluster_location = self.workspace.location
        self.provisioning_state, self.provisioning_errors = row["provisioning_state"], _errors(row)
        self.created_on, self.modified_on = time_of(row["created_at"]), time_of(row["updated_at"])
        self.is_attached, self.cluster_resource_id = False, None
        self.id = f"{self.workspace._scope()}/computes/{self.name}"

    @staticmethod
    def create(workspace: Workspace, name: str, provisioning_configuration: ComputeTargetProvisioningConfiguration) -> ComputeTarget:
        """Creates the cluster; the one that is there when it has the same settings, ComputeTargetException when it has others."""
        if not isinstance(provisioning_configuration, ComputeTargetProvisioningConfiguration):
            raise ComputeTargetException(f"provisioning_configuration must be made by AmlCompute.provisioning_configuration, not {provisioning_configuration!r}")
        provisioning_configuration.validate_configuration()
        return provisioning_configuration._compute_type._create(workspace, name, provisioning_configuration)

    @staticmethod
    def list(workspace: Workspace) -> List[ComputeTarget]:
        """The clusters; `local`, which every server has, is not among them."""
        from azureml.core.compute.amlcompute import AmlCompute

        with compute_errors():
            rows = workspace._client.get("/compute")["items"]
        return [AmlCompute._of(workspace, row) for row in rows if row["type"] == "AmlCompute"]

    def refresh_state(self) -> None:
        """Reads everything about the target anew."""
        self._take(_get(self.workspace, self.name))

    def get_status(self) -> Any:
        self.refresh_state()
        return self.provisioning_state

    def wait_for_completion(self, show_output: bool = False, is_delete_operation: bool = False) -> None:
        """Waits until the target is there, or gone."""
        from azureml.core.compute._waiting import wait_until_gone, wait_until_provisioned

        (wait_until_gone if is_delete_operation else wait_until_provisioned)(self, show_output)

    def delete(self) -> None:
        """Deletes the target. Runs that wait for it fail, those on it are canceled."""
        with compute_errors(self.name):
            self.workspace._client.call("DELETE", self._path)
        self.provisioning_state = "Deleting"

    def serialize(self) -> dict:
        return {"id": self.id, "name": self.name, "location": self.location, "tags": self.tags,
                "properties": {"computeType": self.type, "description": self.description, "provisioningState": self.provisioning_state,
                               "provisioningErrors": self.provisioning_errors, "createdOn": text_of(self.created_on), "modifiedOn": text_of(self.modified_on),
                               "isAttachedCompute": self.is_attached}}  # fmt: skip

    @property
    def _path(self) -> str:
        return f"/compute/{quote(self.name)}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}(workspace={self.workspace!r}, name={self.name}, type={self.type}, provisioning_state={self.provisioning_state})"


class compute_errors:
    """The server's no as the exception that scripts expect; ``name`` is the target that is asked about."""

    def __init__(self, name: str | None = None):
        self._name = name

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        if isinstance(value, RoostError):
            if value.status == 404 and self._name is not None:
                raise ComputeTargetException(f"ComputeTargetNotFound: Compute Target with name {self._name} not found in provided workspace") from value
            if value.status in (400, 404, 409):
                said = [problem["message"] for problem in value.details if problem.get("message") and problem["message"] not in value.message]
                raise ComputeTargetException(value.message + (f": {'; '.join(said)}" if said else "")) from value
            raise ServiceException(value.message, value.status) from value


def _get(workspace: Workspace, name: str) -> dict[str, Any]:
    if not isinstance(name, str) or not name:
        raise UserErrorException(f"a compute target's name must be a text, not {name!r}")
    with compute_errors(name):
        return workspace._client.get(f"/compute/{quote(name)}")


def _errors(row: dict[str, Any]) -> List[dict] | None:
    return [{"error": {"message": text}} for text in row.get("warnings") or []] if row["provisioning_state"] == "Failed" else None


def time_of(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text.replace("Z", "+00:00"))


def text_of(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def __getattr__(name: str) -> Any:
    raise _not_here.no_such_name(__name__, name, _not_here.COMPUTE_MODULE)
