"""What training scripts import of Azure ML's SDK v1: the run that they belong to."""

from azureml.core.run import Run

__version__ = "1.60.0"
VERSION = __version__
__all__ = ["Run"]
