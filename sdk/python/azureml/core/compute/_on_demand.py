"""Clusters for those who name a size of machine and no cluster: one for each size, which has no node while no run needs one."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.exceptions import ComputeTargetException

if TYPE_CHECKING:
    from azureml.core.workspace import Workspace

TARGET = "amlcompute"  # a run configuration's target that stands for such a cluster
_LONGEST = 24  # characters of a cluster's name


def cluster_of_size(workspace: Workspace, vm_size: str, vm_priority: str | None = None) -> str:
    """The name of the cluster, which is made where it is not there."""
    name = _name(vm_size, vm_priority)
    try:
        found = ComputeTarget(workspace, name)
    except ComputeTargetException as error:
        if "ComputeTargetNotFound" not in error.message:
            raise
        # The same settings again, by somebody who was as quick, give the same cluster.
        ComputeTarget.create(workspace, name, AmlCompute.provisioning_configuration(vm_size, vm_priority or "dedicated", max_nodes=1))
        return name
    if found.vm_size.upper() != vm_size.upper():
        raise ComputeTargetException(f"the cluster {name} has the size {found.vm_size}, not {vm_size}; give a cluster of this size as compute_target")
    return name


def _name(vm_size: str, vm_priority: str | None) -> str:
    """auto-nc6 of STANDARD_NC6, auto-nc6-low where it may be taken away."""
    short = re.sub(r"[^a-z0-9]+", "-", re.sub(r"^standard_", "", vm_size.lower())).strip("-")
    name = f"auto-{short}" + ("-low" if str(vm_priority or "").lower() == "lowpriority" else "")
    if len(name) <= _LONGEST:
        return name
    return f"{name[: _LONGEST - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
