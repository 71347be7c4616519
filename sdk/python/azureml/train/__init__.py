"""Estimators; hyperparameter search says what to use instead."""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)
