"""The Python client of a Roost server. Standard library only.

``roost.current_context()`` describes the run that this process belongs to; ``roost.connect()`` a client of a server.
Azure ML scripts use the package ``azureml`` beside this one and need nothing of Roost's by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from roost.client import Client, RoostError, connect
from roost.context import RunContext, current_context

if TYPE_CHECKING:
    from roost.reporter import Reporter

__version__ = "0.1.0"
__all__ = ["Client", "Reporter", "RoostError", "RunContext", "connect", "current_context"]


def __getattr__(name: str) -> Any:
    if name == "Reporter":  # brings multiprocessing with it, which only those who log need
        from roost.reporter import Reporter

        return Reporter
    raise AttributeError(f"module 'roost' has no attribute '{name}'")
