"""The Python client of a Roost server. Standard library only.

``roost.current_context()`` describes the run that this process belongs to; ``roost.connect()`` a client of a server.
Azure ML scripts use the package ``azureml`` beside this one and need nothing of Roost's by name.
"""

from roost.client import Client, RoostError, connect
from roost.context import RunContext, current_context
from roost.reporter import Reporter

__version__ = "0.1.0"
__all__ = ["Client", "Reporter", "RoostError", "RunContext", "connect", "current_context"]
