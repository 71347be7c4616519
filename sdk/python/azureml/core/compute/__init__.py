"""``ComputeTarget`` and ``AmlCompute``: clusters, whose nodes are slots of the server's machine."""

from __future__ import annotations

from typing import Any

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
    if name in _ABSENT:
        # Not an AttributeError, of which `from azureml.core.compute import X` would keep the name alone.
        raise ImportError(f"azureml.core.compute.{name} is not here: {_ABSENT[name]}.")
    raise AttributeError(f"module 'azureml.core.compute' has no attribute '{name}'")
