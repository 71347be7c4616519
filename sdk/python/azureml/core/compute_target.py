"""``LocalTarget``: the server's machine, the place where runs execute."""

from __future__ import annotations

from typing import Any

from azureml.core import _not_here
from azureml.exceptions import ComputeTargetException

__all__ = ["AbstractComputeTarget", "ComputeTargetException", "LocalTarget"]


class AbstractComputeTarget:
    def __init__(self, compute_target_type: str, name: str):
        self._type, self._name = compute_target_type, name

    @property
    def type(self) -> str:
        return self._type

    @property
    def name(self) -> str:
        return self._name


class LocalTarget(AbstractComputeTarget):
    def __init__(self) -> None:
        super().__init__("local", "local")


def __getattr__(name: str) -> Any:
    raise _not_here.no_such_name(__name__, name, _not_here.COMPUTE_TARGET)
