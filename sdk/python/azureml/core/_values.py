"""Values as scripts log them, brought into the form of the wire (docs/wire.md, "Metrics")."""

from __future__ import annotations

import json
import logging
import numbers
from typing import Any

from azureml.exceptions import UserErrorException

_log = logging.getLogger("azureml.core")
TEXT_LIMIT = 255  # characters of a text cell, Azure ML's limit; longer ones are cut


def cell(value: Any) -> bool | int | float | str | None:
    """A value as a table's cell: bool, number, text or None. NumPy scalars and one-element tensors become numbers;
    what is none of these is kept as its text, with a warning."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "size", None) in (1, None) or _is_scalar_tensor(value):
        try:
            return cell(value.item())
        except (TypeError, ValueError, RuntimeError, AttributeError):
            pass
    _log.warning("A value of type %s is no number and no text; its text is logged.", type(value).__name__)
    return str(value)


def _is_scalar_tensor(value: Any) -> bool:
    numel = getattr(value, "numel", None)
    return callable(numel) and numel() == 1


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def scalar(name: str, value: Any) -> bool | int | float | str | None:
    if isinstance(value, (list, tuple, dict, set)):
        raise UserErrorException(f"log('{name}') takes one value, not a {type(value).__name__}; use log_list or log_table")
    return cell(value)


def list_of_cells(name: str, value: Any) -> list:
    if isinstance(value, (str, bytes, dict)) or not hasattr(value, "__iter__"):
        raise UserErrorException(f"log_list('{name}') takes a list, a tuple or another iterable, not {type(value).__name__}")
    return [cell(item) for item in value]


def row_of_cells(name: str, columns: dict[str, Any]) -> dict:
    for column, value in columns.items():
        if isinstance(value, (list, tuple, dict, set)):
            raise UserErrorException(f"log_row('{name}'): column '{column}' is a {type(value).__name__}; a row has one value a column")
    return {column: cell(value) for column, value in columns.items()}


def table_of_cells(name: str, value: Any) -> dict:
    if not isinstance(value, dict):
        raise UserErrorException(f"log_table('{name}') takes a dictionary of columns, not {type(value).__name__}")
    table = {str(column): list_of_cells(name, cells) if not isinstance(cells, (str, bytes)) and hasattr(cells, "__iter__") else [cell(cells)]
             for column, cells in value.items()}  # fmt: skip
    if len({len(cells) for cells in table.values()}) > 1:
        lengths = ", ".join(f"'{column}' has {len(cells)}" for column, cells in table.items())
        raise UserErrorException(f"log_table('{name}'): columns must be equally long; {lengths}")
    return table


def json_object(name: str, value: Any) -> dict:
    """The value of a confusion matrix, accuracy table, residuals or predictions: a dictionary or JSON text."""
    if isinstance(value, (str, bytes)):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise UserErrorException(f"Invalid JSON provided for '{name}': {error}") from error
    if not isinstance(value, dict):
        raise UserErrorException(f"Invalid JSON provided for '{name}': an object is needed, not {type(value).__name__}")
    try:
        json.dumps(value)
    except (TypeError, ValueError) as error:
        raise UserErrorException(f"Invalid JSON provided for '{name}': {error}; turn arrays into lists") from error
    return value
