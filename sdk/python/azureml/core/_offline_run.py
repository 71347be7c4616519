"""The run of a script that nobody submitted: it prints what it is told, so that a script can be tried by hand."""

from __future__ import annotations

import uuid
from typing import Any


class _OfflineRun:
    def __init__(self, parent_logger: Any = None, run_id: str | None = None, **kwargs: Any):
        self._id = run_id or f"OfflineRun_{uuid.uuid4()}"

    @property
    def id(self) -> str:
        return self._id

    @property
    def status(self) -> str:
        return "Running"

    def get_status(self) -> str:
        return self.status

    def log(self, name: str, value: Any, description: str = "", step: int | None = None) -> None:
        self._logged("scalar", name, value)

    def log_list(self, name: str, value: Any, description: str = "") -> None:
        self._logged("list", name, value)

    def log_row(self, name: str, description: str | None = None, **kwargs: Any) -> None:
        self._logged("row", name, kwargs)

    def log_table(self, name: str, value: Any, description: str = "") -> None:
        self._logged("table", name, value)

    def log_image(self, name: str, path: str | None = None, plot: Any = None, description: str = "") -> None:
        self._logged("image", name, path if path is not None else plot)

    def log_residuals(self, name: str, value: Any, description: str | None = None) -> None:
        self._logged("residual", name, value)

    def log_predictions(self, name: str, value: Any, description: str | None = None) -> None:
        self._logged("predictions", name, value)

    def log_accuracy_table(self, name: str, value: Any, description: str | None = None) -> None:
        self._logged("accuracy_table", name, value)

    def log_confusion_matrix(self, name: str, value: Any, description: str | None = None) -> None:
        self._logged("confusion_matrix", name, value)

    def tag(self, name: str, value: str | None = None) -> None:
        print(f"Attempted to add tag {name} with value {value}")

    def set_tags(self, tags: dict) -> None:
        print(f"Attempted to set tags {tags}")

    def add_properties(self, properties: dict) -> None:
        print(f"Attempted to add properties {properties}")

    def upload_file(self, name: str, path_or_stream: Any, datastore_name: str | None = None) -> None:
        print(f"Attempted to track file {name} at {path_or_stream}")

    def upload_files(self, name: list, paths: list, return_artifacts: bool = False,
                     timeout_seconds: int | None = None, datastore_name: str | None = None) -> None:  # fmt: skip
        for each, path in zip(name, paths):
            print(f"Attempted to track file {each} at {path}")

    def upload_folder(self, name: str, path: str, datastore_name: str | None = None) -> None:
        print(f"Attempted to track folder {name} at {path}")

    def flush(self, timeout_seconds: int = 300) -> None:
        print(f"Attempted to flush run with id {self._id}")

    def complete(self) -> None:
        pass

    def fail(self, error_details: Any = None, error_code: str | None = None) -> None:
        print(f"Run failed with error code {error_code}:\n{error_details}")

    def cancel(self) -> None:
        pass

    def child_run(self, name: str | None = None, run_id: str | None = None, outputs: Any = None) -> "_OfflineRun":
        if outputs is not None:
            print(f"Attempted to track folder {outputs} at {outputs}")
        return _OfflineRun(run_id=run_id or f"{self._id}.{name or uuid.uuid4()}")

    def __enter__(self) -> "_OfflineRun":
        print(f"[START] Run {self._id} context")
        return self

    def __exit__(self, kind: Any, value: Any, traceback: Any) -> None:
        print(f"[STOP] Run {self._id} context")

    def _logged(self, kind: str, name: str, value: Any) -> None:
        print(f"Attempted to log {kind} metric {name}:\n{value}")
