"""``azureml.core.ScriptRun``: a run that was submitted."""

from azureml.core.run import Run


class ScriptRun(Run):
    """What ``Experiment.submit`` gives for a ``ScriptRunConfig``; the engine of the server moves its state."""
