"""``ComputeTarget`` and ``AmlCompute``: clusters, whose nodes are slots of the server's machine."""

from __future__ import annotations

from typing import Any

from azureml.core._not_here import no_such_name
from azureml.core.compute.amlcompute import AmlCompute
from azureml.core.compute.compute import ComputeTarget

__all__ = ["AmlCompute", "ComputeTarget"]

_OTHERS = "create an AmlCompute, or use compute_target='local', the server's own machine"
_ABSENT = {
    "ComputeInstance": f"there are no machines of one's own to log in to; {_OTHERS}",
    **{name: f"Azure's other kinds of compute are not served; {_OTHERS}"
       for name in ("AksCompute", "BatchCompute", "DataFactoryCompute", "DatabricksCompute", "AdlaCompute", "HDInsightCompute", "KubernetesCompute",
                    "RemoteCompute", "SynapseCompute", "KustoCompute")},
}  # fmt: skip


def __getattr__(name: str) -> Any:
    raise no_such_name(__name__, name, _ABSENT)
