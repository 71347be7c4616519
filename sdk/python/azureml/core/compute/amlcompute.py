"""``AmlCompute``: a cluster. Its nodes are slots of the server's machine; a run on it takes a whole node."""

from __future__ import annotations

import re
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any, Iterator, List

from azureml.core._config import warn_without_meaning
from azureml.core.compute.compute import ComputeTarget, ComputeTargetProvisioningConfiguration, compute_errors, text_of, time_of
from azureml.exceptions import ComputeTargetException

if TYPE_CHECKING:
    from azureml.core.run import Run
    from azureml.core.workspace import Workspace

__all__ = ["AmlCompute", "AmlComputeNodeStateCounts", "AmlComputeProvisioningConfiguration", "AmlComputeStatus", "ScaleSettings"]
_PRIORITIES = ("dedicated", "lowpriority")
_FINAL = ("Completed", "Failed", "Canceled")
_NODE_STATES = ("idle", "leaving", "preempted", "preparing", "running", "unusable")


class AmlComputeProvisioningConfiguration(ComputeTargetProvisioningConfiguration):
    """Size and limits of a cluster. ``vm_size`` is one of ``AmlCompute.supported_vmsizes``, empty: STANDARD_NC6."""

    def __init__(self, vm_size: str = "", vm_priority: str = "dedicated", min_nodes: int = 0, max_nodes: int | None = None,
                 idle_seconds_before_scaledown: int = 1800, admin_username: str | None = None, admin_user_password: str | None = None,
                 admin_user_ssh_key: str | None = None, vnet_resourcegroup_name: str | None = None, vnet_name: str | None = None,
                 subnet_name: str | None = None, tags: dict | None = None, description: str | None = None,
                 remote_login_port_public_access: str = "NotSpecified", identity_type: str | None = None, identity_id: list | None = None,
                 compute_location: str | None = None, enable_node_public_ip: bool = True):  # fmt: skip
        super().__init__(AmlCompute, compute_location)
        self.vm_size, self.vm_priority = vm_size, vm_priority
        self.min_nodes, self.max_nodes, self.idle_seconds_before_scaledown = min_nodes, max_nodes, idle_seconds_before_scaledown
        self.tags, self.description = tags, description
        warn_without_meaning("AmlCompute.provisioning_configuration", {
            "admin_username": admin_username, "admin_user_password": admin_user_password, "admin_user_ssh_key": admin_user_ssh_key,
            "vnet_resourcegroup_name": vnet_resourcegroup_name, "vnet_name": vnet_name, "subnet_name": subnet_name,
            "remote_login_port_public_access": None if remote_login_port_public_access == "NotSpecified" else remote_login_port_public_access,
            "identity_type": identity_type, "identity_id": identity_id, "location": compute_location,
            "enable_node_public_ip": None if enable_node_public_ip else False})  # fmt: skip
        self.validate_configuration()

    def validate_configuration(self) -> None:
        problem: str | None = None
        least, most = _whole(self.min_nodes), _whole(self.max_nodes)
        if self.max_nodes is None:
            problem = "max nodes must be given"
        elif most is None or least is None:
            problem = "min nodes and max nodes must be whole numbers from 0"
        elif most == 0:
            problem = "max nodes must be at least 1"
        elif least > most:
            problem = "min nodes must be less than or equal to max nodes"
        if problem:
            raise ComputeTargetException(f"Invalid provisioning configuration, {problem}")

    def _body(self, name: str) -> dict[str, Any]:
        return {"name": name, "vm_size": self.vm_size or "", "vm_priority": _priority(self.vm_priority), "min_nodes": _whole(self.min_nodes),
                "max_nodes": _whole(self.max_nodes), "idle_seconds_before_scaledown": _seconds(self.idle_seconds_before_scaledown),
                "description": self.description or "", "tags": _tags(self.tags)}  # fmt: skip


class AmlCompute(ComputeTarget):
    """The cluster of this name. Its attributes are as they were when it was last read; ``get_status`` and ``refresh_state`` read."""

    admin_username = admin_user_password = admin_user_ssh_key = None
    vnet_resourcegroup_name = vnet_name = subnet_name = identity_type = identity_id = None
    remote_login_port_public_access = "NotSpecified"

    @staticmethod
    def provisioning_configuration(vm_size: str = "", vm_priority: str = "dedicated", min_nodes: int = 0, max_nodes: int | None = None,
                                   idle_seconds_before_scaledown: int = 1800, admin_username: str | None = None,
                                   admin_user_password: str | None = None, admin_user_ssh_key: str | None = None,
                                   vnet_resourcegroup_name: str | None = None, vnet_name: str | None = None, subnet_name: str | None = None,
                                   tags: dict | None = None, description: str | None = None,
                                   remote_login_port_public_access: str = "NotSpecified", identity_type: str | None = None,
                                   identity_id: list | None = None, location: str | None = None,
                                   enable_node_public_ip: bool = True) -> AmlComputeProvisioningConfiguration:  # fmt: skip
        """What ``ComputeTarget.create`` takes. ``max_nodes`` is needed. What concerns networks and logins has no meaning here."""
        return AmlComputeProvisioningConfiguration(
            vm_size, vm_priority, min_nodes, max_nodes, idle_seconds_before_scaledown, admin_username, admin_user_password, admin_user_ssh_key,
            vnet_resourcegroup_name, vnet_name, subnet_name, tags, description, remote_login_port_public_access, identity_type, identity_id,
            location, enable_node_public_ip)  # fmt: skip

    @staticmethod
    def supported_vmsizes(workspace: Workspace, location: str | None = None) -> List[dict]:
        """The server's table of sizes: ``name``, ``vCPUs``, ``gpus``, ``memoryGB`` of each."""
        warn_without_meaning("AmlCompute.supported_vmsizes", {"location": location})
        with compute_errors():
            rows = workspace._client.get("/compute-sizes")["items"]
        return [{"name": row["name"], "vCPUs": row["cpus"], "gpus": row["gpus"], "memoryGB": round(row["memory_mb"] / 1024, 2)} for row in rows]

    @classmethod
    def _create(cls, workspace: Workspace, name: str, configuration: AmlComputeProvisioningConfiguration) -> AmlCompute:
        with compute_errors():
            row = workspace._client.call("POST", "/compute", configuration._body(name), repeatable=True)
        made = object.__new__(cls)
        made._open(workspace, row)
        return made

    def _take(self, row: dict[str, Any]) -> None:
        super()._take(row)
        self.vm_size, self.vm_priority = row["vm_size"], row["vm_priority"]
        self.scale_settings = ScaleSettings(row["min_nodes"], row["max_nodes"], row["idle_seconds_before_scaledown"])
        self.status = AmlComputeStatus._of(row, self.scale_settings, self.provisioning_errors)

    def get_status(self) -> AmlComputeStatus:
        self.refresh_state()
        return self.status

    def get(self) -> dict:
        """Everything that the server tells of the cluster, as the REST does; what a node really has here is in ``node``."""
        self.refresh_state()
        return dict(self._row)

    def update(self, min_nodes: int | None = None, max_nodes: int | None = None, idle_seconds_before_scaledown: int | None = None) -> None:
        """Changes what is given."""
        wanted = {"min_nodes": _needed("min_nodes", min_nodes), "max_nodes": _needed("max_nodes", max_nodes),
                  "idle_seconds_before_scaledown": None if idle_seconds_before_scaledown is None else _seconds(idle_seconds_before_scaledown)}  # fmt: skip
        with compute_errors(self.name):
            self._take(self.workspace._client.call("PATCH", self._path, {key: value for key, value in wanted.items() if value is not None}))

    def list_nodes(self) -> List[dict]:
        """``nodeId``, ``nodeState`` and ``runId`` of each; a node has no address of its own here."""
        with compute_errors(self.name):
            rows = self.workspace._client.get(f"{self._path}/nodes")["items"]
        return [{"nodeId": row["node_id"], "port": None, "publicIpAddress": None, "privateIpAddress": None, "nodeState": row["state"], "runId": row["run_id"]}
                for row in rows]  # fmt: skip

    def get_active_runs(self, type: str | None = None, tags: Any = None, properties: Any = None, status: str | None = None) -> Iterator[Run]:
        """The runs on this cluster, and those that wait for it; newest first."""
        from azureml.core.run import _run_of, _wanted

        for row in self.workspace._list("/runs", filter=f"attributes.compute_target = '{self.name}'", order_by="created_at desc"):
            if row["status"] not in _FINAL and _wanted(row, type, tags, properties, status):
                yield _run_of(self.workspace._client, row)

    def wait_for_completion(self, show_output: bool = False, min_node_count: int | None = None, timeout_in_minutes: float = 25,  # type: ignore[override]
                            is_delete_operation: bool = False) -> None:  # fmt: skip
        """Waits until the cluster is there and has ``min_node_count`` nodes (default: its min_nodes), or with
        ``is_delete_operation`` until it is gone; at most ``timeout_in_minutes``."""
        from azureml.core.compute._waiting import wait_for_nodes, wait_until_gone

        if is_delete_operation:
            wait_until_gone(self, show_output, time.monotonic() + timeout_in_minutes * 60)
        else:
            wanted = self.scale_settings.minimum_node_count if min_node_count is None else min_node_count
            wait_for_nodes(self, show_output, wanted, timeout_in_minutes)

    def serialize(self) -> dict:
        made = super().serialize()
        made["properties"].update(vmSize=self.vm_size, vmPriority=self.vm_priority, scaleSettings=self.scale_settings.serialize(), status=self.status.serialize())
        return made


class ScaleSettings:
    """How many nodes a cluster may have, and for how long idle ones are kept."""

    def __init__(self, minimum_node_count: int, maximum_node_count: int, idle_seconds_before_scaledown: int):
        self.minimum_node_count, self.maximum_node_count = minimum_node_count, maximum_node_count
        self.idle_seconds_before_scaledown = idle_seconds_before_scaledown

    def serialize(self) -> dict:
        return {"minNodeCount": self.minimum_node_count, "maxNodeCount": self.maximum_node_count, "nodeIdleTimeBeforeScaleDown": f"PT{self.idle_seconds_before_scaledown}S"}

    @staticmethod
    def deserialize(object_dict: dict | None) -> ScaleSettings | None:
        if object_dict is None:
            return None
        return ScaleSettings(object_dict["minNodeCount"], object_dict["maxNodeCount"], _seconds(object_dict["nodeIdleTimeBeforeScaleDown"]))

    def __repr__(self) -> str:
        return f"ScaleSettings({self.serialize()})"


class AmlComputeNodeStateCounts:
    """How many nodes are in which state."""

    def __init__(self, idle_node_count: int, leaving_node_count: int, preempted_node_count: int, preparing_node_count: int,
                 running_node_count: int, unusable_node_count: int):  # fmt: skip
        self.idle_node_count, self.leaving_node_count, self.preempted_node_count = idle_node_count, leaving_node_count, preempted_node_count
        self.preparing_node_count, self.running_node_count, self.unusable_node_count = preparing_node_count, running_node_count, unusable_node_count

    def serialize(self) -> dict:
        return {f"{state}NodeCount": getattr(self, f"{state}_node_count") for state in ("preparing", "running", "idle", "unusable", "leaving", "preempted")}

    @staticmethod
    def deserialize(object_dict: dict | None) -> AmlComputeNodeStateCounts | None:
        return None if object_dict is None else AmlComputeNodeStateCounts(*(object_dict[f"{state}NodeCount"] for state in _NODE_STATES))


class AmlComputeStatus:
    """A cluster at one moment."""

    def __init__(self, allocation_state: str, allocation_state_transition_time: datetime | None, creation_time: datetime | None, current_node_count: int,
                 errors: list | None, modified_time: datetime | None, node_state_counts: AmlComputeNodeStateCounts | None, provisioning_state: str,
                 provisioning_state_transition_time: datetime | None, scale_settings: ScaleSettings | None, target_node_count: int, vm_priority: str,
                 vm_size: str):  # fmt: skip
        self.allocation_state, self.allocation_state_transition_time = allocation_state, allocation_state_transition_time
        self.creation_time, self.modified_time = creation_time, modified_time
        self.current_node_count, self.target_node_count, self.node_state_counts = current_node_count, target_node_count, node_state_counts
        self.errors, self.scale_settings = errors, scale_settings
        self.provisioning_state, self.provisioning_state_transition_time = provisioning_state, provisioning_state_transition_time
        self.vm_priority, self.vm_size = vm_priority, vm_size

    @staticmethod
    def _of(row: dict[str, Any], scale: ScaleSettings, errors: list | None) -> AmlComputeStatus:
        counts = AmlComputeNodeStateCounts(*(row["node_states"].get(state, 0) for state in _NODE_STATES))
        return AmlComputeStatus(row["allocation_state"], time_of(row["allocation_state_transition_time"]), time_of(row["created_at"]), row["current_nodes"],
                                errors, time_of(row["updated_at"]), counts, row["provisioning_state"], time_of(row["provisioning_state_transition_time"]),
                                scale, row["target_nodes"], row["vm_priority"], row["vm_size"])  # fmt: skip

    def serialize(self) -> dict:
        return {"currentNodeCount": self.current_node_count, "targetNodeCount": self.target_node_count,
                "nodeStateCounts": self.node_state_counts.serialize() if self.node_state_counts else None, "allocationState": self.allocation_state,
                "allocationStateTransitionTime": text_of(self.allocation_state_transition_time), "errors": self.errors,
                "creationTime": text_of(self.creation_time), "modifiedTime": text_of(self.modified_time), "provisioningState": self.provisioning_state,
                "provisioningStateTransitionTime": text_of(self.provisioning_state_transition_time),
                "scaleSettings": self.scale_settings.serialize() if self.scale_settings else None, "vmPriority": self.vm_priority, "vmSize": self.vm_size}  # fmt: skip

    @staticmethod
    def deserialize(object_dict: dict | None) -> AmlComputeStatus | None:
        if object_dict is None:
            return None
        return AmlComputeStatus(
            object_dict["allocationState"], time_of(object_dict["allocationStateTransitionTime"]), time_of(object_dict["creationTime"]),
            object_dict["currentNodeCount"], object_dict["errors"], time_of(object_dict["modifiedTime"]),
            AmlComputeNodeStateCounts.deserialize(object_dict["nodeStateCounts"]), object_dict["provisioningState"],
            time_of(object_dict["provisioningStateTransitionTime"]), ScaleSettings.deserialize(object_dict["scaleSettings"]),
            object_dict["targetNodeCount"], object_dict["vmPriority"], object_dict["vmSize"])  # fmt: skip

    def __repr__(self) -> str:
        return f"AmlComputeStatus({self.serialize()})"


def _whole(value: Any) -> int | None:
    """A whole number from 0, also as text."""
    if isinstance(value, bool) or not re.fullmatch(r"\d+", str(value)):
        return None
    return int(value)


def _needed(name: str, value: Any) -> int | None:
    if value is not None and _whole(value) is None:
        raise ComputeTargetException(f"{name} must be a whole number from 0, not {value!r}")
    return None if value is None else _whole(value)


def _seconds(value: Any) -> int:
    """Seconds as a number, its text, or an ISO duration like PT1800S."""
    match = re.fullmatch(r"PT(\d+)S", str(value))
    seconds = int(match.group(1)) if match else _whole(value)
    if seconds is None:
        raise ComputeTargetException(f"idle_seconds_before_scaledown must be a whole number from 0, not {value!r}")
    return seconds


def _priority(value: str | None) -> str:
    priority = str(value or "dedicated").lower()
    if priority not in _PRIORITIES:
        raise ComputeTargetException(f"vm_priority must be dedicated or lowpriority, not '{value}'")
    return priority


def _tags(tags: dict | None) -> dict[str, str]:
    return {str(key): "" if value is None else str(value) for key, value in (tags or {}).items()}
