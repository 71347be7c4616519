"""``azureml.core.ScriptRun``: a run that was submitted."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from azureml.core.run import Run
from azureml.exceptions import UserErrorException

if TYPE_CHECKING:
    from azureml.core.experiment import Experiment


class ScriptRun(Run):
    """What ``Experiment.submit`` gives for a ``ScriptRunConfig``; the engine of the server moves its state. ``directory`` is where its
    source is on this machine, for the script's own use: what the run has is its snapshot."""

    directory: str | None = None

    def __init__(self, experiment: Experiment, run_id: str, directory: str | None = None, _run_config: Any = None, **kwargs: Any):
        if directory is not None and not os.path.isdir(directory):
            raise UserErrorException(f"there is no folder {directory} with the source of run {run_id}")
        super().__init__(experiment, run_id, **kwargs)
        self.directory = directory
