"""The part of a run that scripts log with: metrics of every kind, and reading them back."""

from __future__ import annotations

import io
import time
import uuid
from typing import TYPE_CHECKING, Any, Iterator

from azureml.core import _values
from azureml.core._metrics import read_metrics
from azureml.core._run_files import artifact_name
from azureml.core._service import service_errors
from azureml.core._warnings import warn_once
from azureml.exceptions import UserErrorException

if TYPE_CHECKING:
    from roost.client import Client
    from roost.reporter import Reporter

_IMAGE_HEADS = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"RIFF", b"<svg", b"<?xml")


class RunMetrics:
    _client: Client
    _path: str

    if TYPE_CHECKING:  # what the run has beside

        @property
        def id(self) -> str: ...

        @property
        def type(self) -> str: ...

        @property
        def _reporter(self) -> Reporter: ...

        def get_children(self, recursive: bool = False, tags: Any = None, properties: Any = None, type: str | None = None) -> Iterator[Any]: ...

        def _upload(self, name: str, source: Any, overwrite: bool) -> None: ...

    def log(self, name: str, value: Any, description: str = "", step: int | None = None) -> None:
        """Logs a number or a text under ``name``; repeated calls make a series."""
        value = _values.scalar(name, value)
        if value is None:
            value = "None"
        if isinstance(value, bool):
            value = int(value)
        if _values.is_number(value):
            if description:
                warn_once("log: the description of a number has no meaning here and is ignored; text, lists, rows and tables keep theirs")
            self._reporter.point(name, value, step)
        else:
            self._reporter.entry(name, "text", value, step, description)

    def log_list(self, name: str, value: Any, description: str = "") -> None:
        self._reporter.entry(name, "list", _values.list_of_cells(name, value), None, description)

    def log_row(self, name: str, description: str | None = None, **kwargs: Any) -> None:
        self._reporter.entry(name, "row", _values.row_of_cells(name, kwargs), None, description or "")

    def log_table(self, name: str, value: dict, description: str = "") -> None:
        self._reporter.entry(name, "table", _values.table_of_cells(name, value), None, description)

    def log_image(self, name: str, path: str | None = None, plot: Any = None, description: str = "") -> None:
        """Keeps an image with the run: the file at ``path``, or what ``plot.savefig`` draws."""
        if (path is None) == (plot is None):
            raise UserErrorException(f"log_image('{name}') takes exactly one of path and plot")
        if plot is not None:
            drawn = io.BytesIO()
            plot.savefig(drawn, format="png")
            drawn.seek(0)
            # Two plots of one second, or of two processes, are two files.
            artifact = f"{name}_{int(time.time())}_{uuid.uuid4().hex[:8]}.png"
            self._upload(artifact, drawn, overwrite=True)
        elif path is not None:
            with open(path, "rb") as file:
                head = file.read(12)
            if not head.lstrip().startswith(_IMAGE_HEADS):
                raise UserErrorException(f"log_image('{name}'): {path} is not an image that is known")
            artifact = artifact_name(path)
            self._upload(artifact, path, overwrite=True)
        self._reporter.entry(name, "image", {"path": artifact}, None, description)

    def log_confusion_matrix(self, name: str, value: Any, description: str = "") -> None:
        self._reporter.entry(name, "confusion_matrix", _values.json_object(name, value), None, description)

    def log_accuracy_table(self, name: str, value: Any, description: str = "") -> None:
        self._reporter.entry(name, "accuracy_table", _values.json_object(name, value), None, description)

    def log_residuals(self, name: str, value: Any, description: str = "") -> None:
        self._reporter.entry(name, "residuals", _values.json_object(name, value), None, description)

    def log_predictions(self, name: str, value: Any, description: str = "") -> None:
        self._reporter.entry(name, "predictions", _values.json_object(name, value), None, description)

    def flush(self, timeout_seconds: float = 300) -> None:
        """Waits until everything logged is on the server; says how much is not, when time ran out."""
        if not self._reporter.flush(timeout_seconds):
            self._reporter.tell_undelivered()

    def get_metrics(self, name: str | None = None, recursive: bool = False, run_type: str | None = None, populate: bool = False) -> dict:
        """Metrics by name: a number logged once is a value, several times a list; rows and tables are dictionaries; an
        image is the name of its file, with ``populate`` its bytes.

        With ``recursive`` the metrics of this run and of all runs below it, each run's under its id: this one first, then
        the newest. Runs without such metrics are left out, and those of another type than ``run_type``."""
        self._reporter.flush()
        with service_errors():
            runs = [self] if run_type is None or run_type == self.type else []
            if not recursive:
                return read_metrics(self._client, self._path, name, populate) if runs else {}
            runs += self.get_children(recursive=True, type=run_type)
            found = {run.id: read_metrics(self._client, run._path, name, populate) for run in runs}
            return {run_id: metrics for run_id, metrics in found.items() if metrics}
