"""``RunDetails`` in a terminal."""

from __future__ import annotations

import shutil
from typing import Any, List, TextIO

from azureml.widgets._view import Chart, View

_BARS = "▁▂▃▄▅▆▇█"


def draw(view: View, width: int) -> List[str]:
    lines = [f"{view.experiment} / {view.run_id}", f"{view.status}{duration(view.seconds)}" + (f": {view.reason}" if view.reason else ""), view.url]
    charts = {chart.name: chart for chart in view.charts}
    if view.metrics:
        lines.append("")
        longest = max(map(len, view.metrics))
        for name, value in view.metrics.items():
            text = f"  {name:<{longest}}  {shown(value):>10}"
            chart = charts.get(name)
            lines.append(text + ("  " + spark(chart, max(10, min(40, width - len(text) - 2))) if chart else ""))
    if view.error:
        lines += ["", *view.error.splitlines()]
    if view.log_name:
        lines += ["", view.log_name, *(f"  {line}" for line in view.log)]
    return [_fitting(line, width) for line in lines]


def spark(chart: Chart, width: int) -> str:
    """The series as a row of bars."""
    values = chart.values
    if len(values) > width:
        values = [values[index * (len(values) - 1) // (width - 1)] for index in range(width)]
    low, high = min(values), max(values)
    scale = (len(_BARS) - 1) / (high - low) if high > low else 0
    return "".join(_BARS[round((value - low) * scale)] for value in values)


def shown(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    whole = int(seconds)
    return f" for {whole} s" if whole < 60 else f" for {whole // 60} min {whole % 60} s" if whole < 3600 else f" for {whole // 3600} h {whole // 60 % 60} min"


class Screen:
    """Draws one view over the one before."""

    def __init__(self, out: TextIO):
        self._out, self._height = out, 0

    def show(self, view: View) -> None:
        size = shutil.get_terminal_size()
        lines = draw(view, size.columns - 1)[: max(size.lines - 1, 3)]
        up = f"\x1b[{self._height}A\r\x1b[J" if self._height else ""
        self._out.write(up + "\n".join(lines) + "\n")
        self._out.flush()
        self._height = len(lines)


def _fitting(line: str, width: int) -> str:
    """Without control characters, which would move the cursor, and not longer than a line."""
    clean = "".join(char if char.isprintable() else " " for char in line.replace("\t", "    "))
    return clean if len(clean) <= width else clean[: max(width - 1, 0)] + "…"
