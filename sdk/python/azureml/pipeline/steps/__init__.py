"""Names of the steps of Azure ML's pipelines, which are not here; their use says what to do instead."""

from azureml.core._not_here import PIPELINES, unusable_class

__all__ = ["AdlaStep", "CommandStep", "DataTransferStep", "EstimatorStep", "HyperDriveStep", "HyperDriveStepRun", "ModuleStep", "MpiStep",
           "ParallelRunConfig", "ParallelRunStep", "PythonScriptStep", "RScriptStep"]  # fmt: skip
globals().update({name: unusable_class(__name__, name, PIPELINES) for name in __all__})
