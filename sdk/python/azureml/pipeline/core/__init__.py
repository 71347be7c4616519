"""Names of Azure ML's pipelines, which are not here; their use says what to do instead."""

from azureml.core._not_here import PIPELINES, unusable_class

__all__ = ["InputPortBinding", "Module", "ModuleVersion", "OutputPortBinding", "Pipeline", "PipelineData", "PipelineDataset", "PipelineDraft",
           "PipelineEndpoint", "PipelineParameter", "PipelineRun", "PipelineStep", "PortDataReference", "PublishedPipeline", "Schedule",
           "ScheduleRecurrence", "StepRun", "StepSequence", "TrainingOutput"]  # fmt: skip
globals().update({name: unusable_class(__name__, name, PIPELINES) for name in __all__})
