"""Metrics as ``Run.get_metrics`` gives them: one value or a list by how often a name was logged."""

from __future__ import annotations

from typing import Any

from roost.client import Client, quote_path

_NUMBERS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


def number(value: Any) -> Any:
    """A wire number, whose NaN and infinities are texts."""
    return _NUMBERS.get(value, value) if isinstance(value, str) else value


def read_metrics(client: Client, run_path: str, name: str | None, populate: bool) -> dict[str, Any]:
    """``populate`` gives the content of images instead of the names of their files."""
    found: dict[str, Any] = {}
    for item in client.get(f"{run_path}/metrics")["items"]:
        if name is not None and item["name"] != name:
            continue
        if item["type"] == "scalar":
            values = [number(point["value"]) for point in _points(client, run_path, item["name"])]
            found[item["name"]] = values[0] if len(values) == 1 else values
        else:
            entries = _entries(client, run_path, item["name"])
            found[item["name"]] = _from_entries(item["type"], entries)
            if populate and item["type"] == "image":
                images = [b"".join(client.stream(f"{run_path}/files/{quote_path(entry['value']['path'])}")) for entry in entries]
                found[item["name"]] = images[0] if len(images) == 1 else images
    return found


def _points(client: Client, run_path: str, name: str) -> list[dict]:
    points, after = [], 0
    while True:
        page = client.get(f"{run_path}/metrics/history", name=name, after_seq=after, limit=100_000)
        points += page["points"]
        if not page.get("next_seq"):
            return points
        after = page["points"][-1]["seq"]


def _entries(client: Client, run_path: str, name: str) -> list[dict]:
    entries, after = [], 0
    while True:
        page = client.get(f"{run_path}/metrics/entries", name=name, after_seq=after, limit=1000)["items"]
        entries += page
        if len(page) < 1000:
            return entries
        after = page[-1]["seq"]


def _from_entries(kind: str, entries: list[dict]) -> Any:
    values = [entry["value"] for entry in entries]
    if kind in ("row", "table"):
        return _table(entries)
    if kind == "list":
        return [number(item) for value in values for item in value]
    if kind == "image":
        values = [value["path"] for value in values]
    return values[0] if len(values) == 1 else values


def _table(entries: list[dict]) -> dict:
    """Rows and tables of one name as a dictionary of lists, missing cells None; one row as a dictionary of values."""
    columns: dict[str, list] = {}
    rows = 0
    for entry in entries:
        added = {column: cells if entry["type"] == "table" else [cells] for column, cells in entry["value"].items()}
        height = max((len(cells) for cells in added.values()), default=0)
        for column in added:
            columns.setdefault(column, [None] * rows)
        for column, cells in columns.items():
            cells += [number(item) for item in added.get(column, [])] or [None] * height
        rows += height
    return {column: cells[0] for column, cells in columns.items()} if rows == 1 else columns
