"""``ResourceConfiguration``: processors, memory and GPUs that something needs."""

from __future__ import annotations

from typing import Any

from azureml.exceptions import UserErrorException


class ResourceConfiguration:
    """Assigned to ``RunConfiguration.resources`` it says what a run takes of the server's machine."""

    def __init__(self, cpu: float | None = None, memory_in_gb: float | None = None, gpu: int | None = None):
        for name, value in {"cpu": cpu, "memory_in_gb": memory_in_gb, "gpu": gpu}.items():
            if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0):
                raise UserErrorException(f"{name} must be a number from 0, not {value!r}")
        self.cpu, self.memory_in_gb, self.gpu = cpu, memory_in_gb, gpu

    def serialize(self) -> dict:
        return {"cpu": self.cpu, "memoryInGB": self.memory_in_gb, "gpu": self.gpu}

    @staticmethod
    def deserialize(payload_obj: dict[str, Any] | None) -> ResourceConfiguration | None:
        if payload_obj is None:
            return None
        return ResourceConfiguration(payload_obj.get("cpu"), payload_obj.get("memoryInGB"), payload_obj.get("gpu"))
