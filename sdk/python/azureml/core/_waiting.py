"""``wait_for_completion``: the growing log on the console, in the order that Azure ML prints."""

from __future__ import annotations

import codecs
import json
import re
import sys
import time
from typing import TYPE_CHECKING, Any, Callable

from azureml.exceptions import ActivityFailedException, ExperimentExecutionException, ServiceException
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
            while not _is_over(_ask(run.get_status), wait_post_processing):
                time.sleep(0.5)
    except KeyboardInterrupt:
        raise ExperimentExecutionException("The output streaming for the run interrupted.\nBut the run is still executing on the compute target.") from None
    details = _ask(run.get_details)
    error = details.get("error")
    if show_output:
        print(f"\nExecution Summary\n=================\nRunId: {run.id}\nWeb View: {run.get_portal_url()}")
        if error and not raise_on_error:
            print("Error:\n" + json.dumps(error, indent=4))
        print()
    if details["status"] == "Failed" and raise_on_error:
        raise ActivityFailedException("Activity Failed:\n" + json.dumps(error or {"error": {"message": "Detailed error not set on the Run. Please check the logs for details."}}, indent=4))
    return details


def _is_over(status: str, wait_post_processing: bool) -> bool:
    return status in _FINAL or (status == "CancelRequested" and not wait_post_processing)


def _ask(question: Callable[[], Any]) -> Any:
    """The answer, however long the server is away: the run goes on without it, and so does waiting."""
    told = False
    while True:
        try:
            return question()
        except ServiceException as error:
            if error.status_code not in (0, 503):  # 0: no answer at all
                raise
            if not told:
                print(f"roost: {error.message}; waiting goes on", file=sys.stderr)
            told = True
            time.sleep(1)


def _stream(run: Run, wait_post_processing: bool) -> None:
    """Follows the highest-numbered driver log; moves on when a higher one appears."""
    shown: str | None = None
    offset = 0
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while True:
        status = _ask(run.get_status)
        over = _is_over(status, wait_post_processing)
        names = sorted({item["path"] for item in _ask(lambda: run._call("GET", "/logs"))["items"] if _LOG.fullmatch(item["path"])})
        newest = _primary(names)
        if newest is not None and newest != shown:
            if shown is not None:
                _show(run, shown, offset, decoder)  # what came between the last look and the next log
            print(f"\nStreaming {newest}\n{'=' * len('Streaming ' + newest)}\n")
            shown, offset = newest, 0
            decoder.reset()
        if shown is not None:
            offset = _show(run, shown, offset, decoder)
        if over:
            return
        time.sleep(0.3)


def _show(run: Run, log: str, offset: int, decoder: codecs.IncrementalDecoder) -> int:
    """Prints what is there from an offset on, and gives the next one."""
    try:
        for piece in run._client.stream(f"{run._path}/logs/{quote_path(log)}", offset=offset):
            offset += len(piece)
            sys.stdout.write(decoder.decode(piece))
        sys.stdout.flush()
    except RoostError as error:
        if error.code != "unavailable":
            raise
    return offset


def _primary(names: list[str]) -> str | None:
    if not names:
        return None
    highest = max(name[:15] for name in names)
    same = [name for name in names if name.startswith(highest)]
    return next((name for name in same if re.search(r"(rank_0|worker_0|_0\.txt)", name)), same[0])
