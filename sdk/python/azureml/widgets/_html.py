"""``RunDetails`` in a notebook: HTML with charts as SVG, without scripts."""

from __future__ import annotations

from html import escape

from azureml.widgets._text import duration, shown
from azureml.widgets._view import Chart, View

_COLOURS = {"Completed": "#1a7f37", "Failed": "#b42318", "Canceled": "#6b7280"}
_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 320, 160, 52, 22


def page(view: View) -> str:
    colour = _COLOURS.get(view.status, "#1f5fbf")
    parts = [f"<div style='font-family:sans-serif;font-size:13px;max-width:1000px'><div><b>{escape(view.experiment)}</b> / "
             f"<a href='{escape(view.url, quote=True)}' target='_blank' rel='noopener'>{escape(view.run_id)}</a></div>"
             f"<div><b style='color:{colour}'>{escape(view.status)}</b>{escape(duration(view.seconds))}{escape(': ' + view.reason if view.reason else '')}</div>"]  # fmt: skip
    if view.error:
        parts.append(f"<pre style='color:{_COLOURS['Failed']};white-space:pre-wrap'>{escape(view.error)}</pre>")
    parts.append("<div style='display:flex;flex-wrap:wrap;gap:12px;margin:8px 0'>" + "".join(chart(each) for each in view.charts) + "</div>")
    if view.metrics:
        rows = "".join(f"<tr><td>{escape(name)}</td><td style='text-align:right'>{escape(shown(value))}</td></tr>" for name, value in view.metrics.items())
        parts.append(f"<table><thead><tr><th>metric</th><th>last value</th></tr></thead><tbody>{rows}</tbody></table>")
    if view.log_name:
        log = escape("\n".join(view.log))
        parts.append(f"<div style='margin-top:8px'>{escape(view.log_name)}</div><pre style='max-height:16em;overflow:auto'>{log}</pre>")
    return "".join(parts) + "</div>"


def chart(series: Chart) -> str:
    """A line chart with the ends of both axes written."""
    low, high = min(series.values), max(series.values)
    first, last = series.steps[0], series.steps[-1]
    right, top = _WIDTH - 8, 24
    bottom = _HEIGHT - _BOTTOM

    def x(step: float) -> float:
        return _LEFT + (right - _LEFT) * ((step - first) / (last - first) if last > first else 0.5)

    def y(value: float) -> float:
        return bottom - (bottom - top) * ((value - low) / (high - low) if high > low else 0.5)

    points = " ".join(f"{x(step):.1f},{y(value):.1f}" for step, value in zip(series.steps, series.values))
    texts = [(_LEFT, 14, "start", series.name), (_LEFT - 4, top + 4, "end", shown(float(high))), (_LEFT - 4, bottom, "end", shown(float(low))),
             (_LEFT, _HEIGHT - 6, "start", shown(first)), (right, _HEIGHT - 6, "end", shown(last))]  # fmt: skip
    labels = "".join(f"<text x='{at}' y='{line}' text-anchor='{anchor}' font-size='11' fill='currentColor'>{escape(text)}</text>" for at, line, anchor, text in texts)
    return (f"<svg role='img' aria-label='{escape(series.name, quote=True)}' width='{_WIDTH}' height='{_HEIGHT}' viewBox='0 0 {_WIDTH} {_HEIGHT}'>"
            f"<path d='M{_LEFT} {top}V{bottom}H{right}' fill='none' stroke='currentColor' stroke-opacity='0.4'/>"
            f"<polyline points='{points}' fill='none' stroke='#1f5fbf' stroke-width='1.5'/>{labels}</svg>")  # fmt: skip
