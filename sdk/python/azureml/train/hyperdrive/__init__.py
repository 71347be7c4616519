"""Names of Azure ML's hyperparameter search, which is not here; their use says what to do instead."""

from azureml.core._not_here import SEARCH, unusable_class, unusable_function

_CLASSES = ["BanditPolicy", "BayesianParameterSampling", "GridParameterSampling", "HyperDriveConfig", "HyperDriveRun", "HyperDriveRunConfig",
            "MedianStoppingPolicy", "NoTerminationPolicy", "PrimaryMetricGoal", "RandomParameterSampling", "TruncationSelectionPolicy"]  # fmt: skip
_FUNCTIONS = ["choice", "lognormal", "loguniform", "normal", "qlognormal", "qloguniform", "qnormal", "quniform", "randint", "uniform"]
__all__ = [*_CLASSES, *_FUNCTIONS]
globals().update({name: unusable_class(__name__, name, SEARCH) for name in _CLASSES})
globals().update({name: unusable_function(__name__, name, SEARCH) for name in _FUNCTIONS})
