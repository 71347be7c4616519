"""The exceptions that scripts catch, by Azure ML's names."""

import json


class AzureMLException(Exception):
    """``message`` is the plain text; ``str()`` is Azure ML's several lines."""

    _error_code: str | None = None

    def __init__(self, message: str = "", inner_exception: BaseException | None = None, **kwargs):
        super().__init__(message, inner_exception)
        self.message, self.inner_exception = message, inner_exception
        self._details = kwargs.get("details")

    def __str__(self) -> str:
        error = {"message": self.message}
        if self._error_code:
            error = {"code": self._error_code, **error}
        response = json.dumps({"error": error}, indent=4)
        return f"{type(self).__name__}:\n\tMessage: {self.message}\n\tInnerException {self.inner_exception}\n\tErrorResponse \n{response}"


class UserErrorException(AzureMLException):
    _error_code = "UserError"


class RunEnvironmentException(AzureMLException):
    pass


class ActivityFailedException(AzureMLException):
    pass


class ModelPathNotFoundException(AzureMLException):
    pass


class ModelNotFoundException(AzureMLException):
    pass


class SnapshotException(AzureMLException):
    pass


class ExperimentExecutionException(AzureMLException):
    pass


class ServiceException(Exception):
    """The server's no: ``status_code`` and ``message``."""

    def __init__(self, message: str, status_code: int = 0):
        super().__init__(message)
        self.message, self.status_code = message, status_code


__all__ = [name for name in dir() if name.endswith("Exception") and name[0].isupper()]
