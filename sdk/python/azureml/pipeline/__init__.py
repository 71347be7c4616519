"""Names of Azure ML's pipelines, which are not here; their use says what to do instead."""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)
