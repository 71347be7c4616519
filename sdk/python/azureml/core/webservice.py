"""Names of Azure ML's deployments, which are not here; their use says what to do instead."""

from typing import TYPE_CHECKING, Any

from azureml.core._not_here import SERVICES, unusable_class
from azureml.exceptions import WebserviceException

_CLASSES = ["AciWebservice", "AksEndpoint", "AksWebservice", "LocalWebservice", "Webservice"]
__all__ = [*_CLASSES, "WebserviceException"]
globals().update({name: unusable_class(__name__, name, SERVICES) for name in _CLASSES})

if TYPE_CHECKING:  # which cannot see names that are made

    def __getattr__(name: str) -> Any: ...
