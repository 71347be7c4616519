"""Names of Azure ML's pipelines, which are not here; their use says what to do instead."""

from pkgutil import extend_path

from azureml._beside import need_ours

need_ours(__name__)

__path__ = extend_path(__path__, __name__)
