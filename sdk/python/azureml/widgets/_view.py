"""What ``RunDetails`` shows of a run, read from the server."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from azureml.core._service import service_errors
from azureml.core._waiting import _LOG, _primary
from roost.client import RoostError, quote_path

if TYPE_CHECKING:
    from azureml.core.run import Run

_FINAL = ("Completed", "Failed", "Canceled")
CHARTS = 6  # at most
POINTS = 300  # of a chart
LINES = 12  # of the log


@dataclass
class Chart:
    name: str
    steps: list[float]
    values: list[float]


@dataclass
class View:
    run_id: str
    experiment: str
    status: str
    reason: str
    seconds: float | None
    url: str
    error: str | None = None
    metrics: dict[str, Any] = field(default_factory=dict)  # last values
    charts: list[Chart] = field(default_factory=list)
    log_name: str | None = None
    log: list[str] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        return self.status in _FINAL


def look(run: Run) -> View:
    row = run._row()
    error = (row["error"] or {}).get("message")
    view = View(row["run_id"], row["experiment"], row["status"], row["reason"] or "", _seconds(row["started_at"], row["ended_at"]), run.get_portal_url(), error)
    with service_errors():
        for item in run._client.get(f"{run._path}/metrics")["items"]:
            if item["type"] != "scalar":
                view.metrics[item["name"]] = _of_entries(run, item)
                continue
            view.metrics[item["name"]] = item["last"]["value"]
            if item["count"] > 1 and len(view.charts) < CHARTS:
                series = run._client.get(f"{run._path}/metrics/chart", name=item["name"], points=POINTS)
                points = [(step, value) for step, value in zip(series["step"], map(_number, series["value"])) if value is not None]
                if points:
                    view.charts.append(Chart(item["name"], [step for step, _ in points], [value for _, value in points]))
        _read_log(run, view)
    return view


def as_dict(view: View) -> dict[str, Any]:
    return asdict(view)


def _of_entries(run: Run, item: dict[str, Any]) -> str:
    if item["type"] == "text" and item["count"] == 1:
        return run._client.get(f"{run._path}/metrics/entries", name=item["name"], limit=1)["items"][0]["value"]
    return f"{item['count']} × {item['type']}"


def _read_log(run: Run, view: View) -> None:
    names = sorted(item["path"] for item in run._client.get(f"{run._path}/logs")["items"] if _LOG.fullmatch(item["path"]))
    view.log_name = _primary(names)
    if view.log_name is None:
        return
    try:
        text = b"".join(run._client.stream(f"{run._path}/logs/{quote_path(view.log_name)}", tail=LINES, fold="true"))
    except RoostError as error:
        if error.status != 404:  # it was moved to the run's files meanwhile
            raise
        return
    view.log = text.decode(errors="replace").splitlines()[-LINES:]


def _seconds(start: str | None, end: str | None) -> float | None:
    if start is None:
        return None
    until = datetime.now(timezone.utc) if end is None else datetime.fromisoformat(end.replace("Z", "+00:00"))
    return (until - datetime.fromisoformat(start.replace("Z", "+00:00"))).total_seconds()


def _number(value: Any) -> float | None:
    """None for texts and for what is not finite."""
    return float(value) if isinstance(value, (int, float)) and value == value and abs(value) != float("inf") else None
