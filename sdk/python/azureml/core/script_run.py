"""``azureml.core.ScriptRun``: a run that was submitted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from azureml.core.run import Run
from azureml.exceptions import UserErrorException

if TYPE_CHECKING:
    from azureml.core.experiment import Experiment


class ScriptRun(Run):
    """What ``Experiment.submit`` gives for a ``ScriptRunConfig``; the engine of the server moves its state."""

    def __init__(self, experiment: Experiment, run_id: str, directory: str | None = None, _run_config: Any = None, **kwargs: Any):
        if directory is not None:
            raise UserErrorException("ScriptRun(directory=...) is not available: the run's source is its snapshot, which restore_snapshot gives")
        super().__init__(experiment, run_id, **kwargs)
