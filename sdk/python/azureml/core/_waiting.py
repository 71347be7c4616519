"""``wait_for_completion``: the growing log on the console, in the order that Azure ML prints."""

from __future__ import annotations

import codecs
import json
import re
import sys
import time
from typing import TYPE_CHECKING

from azureml.core._service import ask_until_answered
from azureml.exceptions import ActivityFailedException, ExperimentExecutionException
from roost.client import RoostError, quote_path

if TYPE_CHECKING:
    from azureml.core.run import Run

_LOG = re.compile(r"azureml-logs/\d{2}.+\.txt")
_FINAL = ("Completed", "Failed", "Canceled")


def wait_for_completion(run: Run, show_output: bool, wait_post_processing: bool, raise_on_error: bool) -> dict:
    try:
        if show_output:
            print(f"RunId: {run.id}\nWeb View: {run.get_portal_url()}")
            _stream(run, wait_post_processing)
        else:
            while not _is_over(ask_until_answered(run.get_status), wait_post_processing):
                time.sleep(0.5)
    except KeyboardInterrupt:
        raise ExperimentExecutionException("The output streaming for the run interrupted.\nBut the run is still executing on the compute target.") from None
    details = ask_until_answered(run.get_details)
    error = details.get("error")
    if show_output:
        print(f"\nExecution Summary\n=================\nRunId: {run.id}\nWeb View: {run.get_portal_url()}")
        if details.get("warnings"):
            print("\nWarnings:", *(each["message"] for each in details["warnings"]), sep="\n")
        if error and not raise_on_error:
            print("Error:\n" + json.dumps(error, indent=4))
        print()
    if details["status"] == "Failed" and raise_on_error:
        raise ActivityFailedException("Activity Failed:\n" + json.dumps(error or {"error": {"message": "Detailed error not set on the Run. Please check the logs for details."}}, indent=4))
    return details


def _is_over(status: str, wait_post_processing: bool) -> bool:
    return status in _FINAL or (status == "CancelRequested" and not wait_post_processing)


def _stream(run: Run, wait_post_processing: bool) -> None:
    """Follows the highest-numbered driver log of the newest attempt; moves on when a higher one appears, or another attempt."""
    shown: tuple[str, int] | None = None  # path and attempt
    offset = 0
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while True:
        status = ask_until_answered(run.get_status)
        over = _is_over(status, wait_post_processing)
        newest = _newest(ask_until_answered(lambda: run._call("GET", "/logs"))["items"])
        if newest is not None and newest != shown:
            if shown is not None:
                _show_rest(run, shown, offset, decoder)  # what came between the last look and the next log
            print(f"\nStreaming {newest[0]}\n{'=' * len('Streaming ' + newest[0])}\n")
            shown, offset = newest, 0
            decoder.reset()
        if shown is not None and over:
            _show_rest(run, shown, offset, decoder)
        elif shown is not None:
            offset, _ = _show(run, shown, offset, decoder)
        if over:
            return
        time.sleep(0.3)


def _newest(items: list[dict]) -> tuple[str, int] | None:
    logs = [item for item in items if _LOG.fullmatch(item["path"])]
    attempt = max((item["attempt"] for item in logs), default=0)
    path = _primary(sorted({item["path"] for item in logs if item["attempt"] == attempt}))
    return None if path is None else (path, attempt)


def _show(run: Run, log: tuple[str, int], offset: int, decoder: codecs.IncrementalDecoder) -> tuple[int, bool]:
    """Prints what is there from an offset on; gives the next one, and whether all that there is was printed."""
    path, attempt = log
    try:
        for piece in run._client.stream(f"{run._path}/logs/{quote_path(path)}", offset=offset, attempt=attempt):
            offset += len(piece)
            sys.stdout.write(decoder.decode(piece))
        sys.stdout.flush()
    except RoostError as error:
        if error.status == 404:
            return offset, True  # gone meanwhile
        if error.code != "unavailable":
            raise
        return offset, False
    return offset, True


def _show_rest(run: Run, log: tuple[str, int], offset: int, decoder: codecs.IncrementalDecoder) -> None:
    """However long the server is away."""
    is_whole = False
    while not is_whole:
        offset, is_whole = _show(run, log, offset, decoder)
        if not is_whole:
            time.sleep(1)


def _primary(names: list[str]) -> str | None:
    if not names:
        return None
    highest = max(name[:15] for name in names)
    same = [name for name in names if name.startswith(highest)]
    return next((name for name in same if re.search(r"(rank_0|worker_0|_0\.txt)", name)), same[0])
