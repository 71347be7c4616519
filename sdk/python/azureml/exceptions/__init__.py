"""The exceptions that scripts catch, by Azure ML's names."""

from __future__ import annotations

import json
import traceback
from typing import Any


class AzureMLException(Exception):
    """``message`` is the plain text; ``str()`` is Azure ML's several lines."""

    _error_code: str | None = None

    def __init__(self, exception_message: str, **kwargs: Any):
        inner_exception: BaseException | None = kwargs.get("inner_exception")
        super().__init__(exception_message, inner_exception)
        self._message, self._inner_exception = exception_message, inner_exception

    @property
    def message(self) -> str:
        return self._message

    @message.setter
    def message(self, value: str) -> None:
        self._message = value

    @property
    def inner_exception(self) -> BaseException | None:
        return self._inner_exception

    @inner_exception.setter
    def inner_exception(self, value: BaseException | None) -> None:
        self._inner_exception = value

    def __reduce__(self) -> tuple:
        return _unpickled, (type(self), self.args, self.__dict__)

    def print_stacktrace(self) -> None:
        """Prints the inner exception's traceback, or where this one came from."""
        error = self._inner_exception or self
        traceback.print_exception(type(error), error, error.__traceback__)

    def __str__(self) -> str:
        error = {"message": self._message}
        if self._error_code:
            error = {"code": self._error_code, **error}
        response = json.dumps({"error": error}, indent=4)
        return f"{type(self).__name__}:\n\tMessage: {self._message}\n\tInnerException {self._inner_exception}\n\tErrorResponse \n{response}"


def _unpickled(kind: type, args: tuple, state: dict) -> Exception:
    """Not by the constructors, whose parameters differ."""
    made = kind.__new__(kind, *args)
    made.__dict__.update(state)
    return made


class ActivityFailedException(AzureMLException):
    """A run that was waited for has failed."""


class ComputeTargetException(AzureMLException):
    """There is no such compute target, or it cannot do what is asked."""


class DiscoveryUrlNotFoundException(AzureMLException):
    """Kept for scripts that catch it; there is no discovery service here."""


class ExperimentExecutionException(AzureMLException):
    """A run could not be submitted, or following it was interrupted."""


class ModelNotFoundException(AzureMLException):
    """There is no such model, or no such version of it."""


class ModelPathNotFoundException(AzureMLException):
    """The run has no file that belongs to the model's path."""


class ProjectSystemException(AzureMLException):
    """A configuration on disk cannot be used."""


class RunConfigurationException(AzureMLException):
    """A run configuration is not valid."""


class RunEnvironmentException(AzureMLException):
    """The process does not belong to a submitted run."""


class SnapshotException(AzureMLException):
    """The source folder cannot be taken: too large, or not readable."""


class TrainingException(AzureMLException):
    """A training configuration is not valid."""


class UserErrorException(AzureMLException):
    """The call itself is wrong: a missing file, a wrong value."""

    _error_code = "UserError"


class AuthenticationException(UserErrorException):
    """The server does not accept the token, or there is none."""


class WebserviceException(AzureMLException):
    """An error of models; by Azure ML's tradition a missing model is one."""

    def __init__(self, exception_message: str, status_code: int | None = None, logs: str | None = None, **kwargs: Any):
        super().__init__(exception_message, **kwargs)
        self.status_code, self.logs = status_code, logs


class WorkspaceException(AzureMLException):
    """The workspace cannot be reached or made."""


class WorkspacePrivateEndpointException(AzureMLException):
    """Kept for scripts that catch it; there are no private endpoints here."""


class ParallelRunException(AzureMLException):
    """Kept for scripts that catch it; there are no parallel runs here."""


class HyperDriveException(AzureMLException):
    """Kept for scripts that catch it; there is no hyperparameter search here."""


class HyperDriveConfigException(HyperDriveException):
    """As HyperDriveException."""


class AzureMLAggregatedException(AzureMLException):
    """Several errors at once, as a list."""

    def __init__(self, exceptions: list[BaseException], **kwargs: Any):
        self.exceptions = list(exceptions)
        super().__init__("\n".join(getattr(error, "message", str(error)) for error in self.exceptions), **kwargs)


class ServiceException(Exception):
    """The server's no: ``status_code`` and ``message``."""

    def __init__(self, message: str, status_code: int = 0):
        super().__init__(message)
        self.message, self.status_code = message, status_code


__all__ = [name for name in dir() if name.endswith("Exception") and name[0].isupper()]
