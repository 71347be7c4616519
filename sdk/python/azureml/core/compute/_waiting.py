"""Waiting for compute targets, with Azure ML's texts on the console."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from azureml.core._service import ask_until_answered
from azureml.exceptions import ComputeTargetException

if TYPE_CHECKING:
    from azureml.core.compute.amlcompute import AmlCompute
    from azureml.core.compute.compute import ComputeTarget

_LONGEST_PAUSE = 5.0  # seconds; the first pauses are short, since a server on the same machine is quick


class _Console:
    """A line that grows by a dot while nothing changes."""

    def __init__(self, shown: bool):
        self._shown, self._line, self._pause = shown, "", 0.1

    def tell(self, line: str) -> None:
        if self._shown and line != self._line:
            print(("\n" if self._line else "") + line, end="", flush=True)
        elif self._shown:
            print(".", end="", flush=True)
        self._line = line

    def rest(self) -> None:
        time.sleep(self._pause)
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)

    def end(self, *lines: str) -> None:
        if self._shown:
            print(*([""] if self._line else []), *lines, sep="\n")


def wait_until_provisioned(target: ComputeTarget, shown: bool, deadline: float | None = None) -> bool:
    """Tells whether that was before ``deadline``."""
    console = _Console(shown)
    while True:
        ask_until_answered(target.refresh_state, deadline)
        console.tell(target.provisioning_state)
        if target.provisioning_state in ("Failed", "Deleting"):
            console.end()
            said = "; ".join(target._row.get("warnings") or []) or f"it is {target.provisioning_state}"
            raise ComputeTargetException(f"compute target {target.name} is not provisioned: {said}")
        is_over = target.provisioning_state == "Succeeded"
        if is_over or (deadline is not None and time.monotonic() >= deadline):
            console.end()
            return is_over
        console.rest()


def wait_for_nodes(target: AmlCompute, shown: bool, wanted: int, minutes: float) -> None:
    deadline = time.monotonic() + minutes * 60
    in_time = wait_until_provisioned(target, shown, deadline)
    console = _Console(shown)
    while in_time:
        status = ask_until_answered(target.get_status, deadline)
        if status.current_node_count >= wanted:
            break
        console.tell(f"Waiting for cluster to scale. {status.current_node_count} out of {wanted} nodes ready.")
        in_time = time.monotonic() < deadline
        if in_time:
            console.rest()
    console.end("AmlCompute wait for completion finished", "",
                "Minimum number of nodes requested have been provisioned" if in_time else "Wait timeout has been reached")  # fmt: skip


def wait_until_gone(target: ComputeTarget, shown: bool, deadline: float | None = None) -> None:
    console = _Console(shown)
    while deadline is None or time.monotonic() < deadline:
        try:
            ask_until_answered(target.refresh_state, deadline)
        except ComputeTargetException as error:
            if "ComputeTargetNotFound" in error.message:
                console.end("Delete operation finished")
                return
            raise
        console.tell(target.provisioning_state)
        console.rest()
    console.end("Wait timeout has been reached")
