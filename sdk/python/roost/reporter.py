"""Metrics on their way to the server, without the training ever waiting for it.

``log`` costs some microseconds: a line appended to the run's report file (where there is one) and to a list. A thread
sends what has gathered, again and again over a restart of the server, and marks each batch with the writer and a number,
so a batch that arrived twice is stored once. What never arrives is read from the report file by the server.

Safe under fork (a child starts with an empty list, a writer of its own and no thread) and spawn (a new process).
"""

from __future__ import annotations

import atexit
import multiprocessing.process
import multiprocessing.util
import os
import sys
import threading
import time
import uuid
import weakref
from typing import Any

from roost.client import Client, RoostError, quote, to_json

GATHER_SECONDS = 0.05  # after the first point, so that a burst travels together
IDLE_SECONDS = 30.0  # without a point; the thread and its connection end then, until there is another
MOST_IN_A_BATCH = 5000
EXIT_PATIENCE = 10.0  # seconds that the end of a process waits for a server that does not answer
MOST_WAITING = 1_000_000  # points without a server and without a report file; older ones are dropped with a warning


class Reporter:
    """Sends the metrics of one run from one process."""

    def __init__(self, client: Client, run_id: str, report_file: str | None = None):
        self._client, self._path = client, f"/runs/{quote(run_id)}/metrics"
        self._report_file = report_file
        self._reset()
        _live.add(self)

    def _reset(self) -> None:
        self._writer = uuid.uuid4().hex
        self._pid = os.getpid()
        self._lock = threading.RLock()  # a signal's handler may log while its own thread does
        self._wake = threading.Condition(self._lock)
        self._number = 0
        self._waiting: list[tuple[int, str, dict]] = []  # (number, "points" or "entries", item)
        self._sent = 0  # numbers up to here are durable on the server, or were refused
        self._thread: threading.Thread | None = None
        self._report: int | None = None
        self._urgent = False
        self._ends_with_worker = False
        self._warned: set[str] = set()

    # -- what scripts call ----------------------------------------------------------------------------------------

    def point(self, name: str, value: float, step: int | None = None) -> None:
        item = {"name": name, "value": value, "time": _now()}
        if step is not None:
            item["step"] = step
        self._add("points", item)

    def entry(self, name: str, kind: str, value: Any, step: int | None = None, description: str = "") -> None:
        item = {"name": name, "type": kind, "value": value, "time": _now(), "description": description}
        if step is not None:
            item["step"] = step
        self._add("entries", item)

    def flush(self, timeout: float | None = 300.0) -> bool:
        """Waits until everything logged so far is durable on the server; False when time ran out."""
        if self._pid != os.getpid():
            return True  # nothing was logged in this child
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._wake:
            wanted = self._number
            self._urgent = True
            self._wake.notify_all()
            while self._sent < wanted:
                left = None if deadline is None else deadline - time.monotonic()
                if self._thread is None:
                    self._start()  # it could not be started before
                if (left is not None and left <= 0) or self._thread is None:
                    return False
                self._wake.wait(left)
        return True

    # -- inside -----------------------------------------------------------------------------------------------------

    def _add(self, kind: str, item: dict) -> None:
        with self._lock:
            number = self._number = self._number + 1  # a handler of a signal in here takes the next ones
            self._append_report({"writer": self._writer, "batch": number, kind: [item]})
            if len(self._waiting) >= MOST_WAITING and self._report is None:
                self._warn("full", f"more than {MOST_WAITING} metric points wait for the server; the oldest are dropped")
                del self._waiting[: MOST_WAITING // 10]
            self._waiting.append((number, kind, item))
            if self._thread is None:
                self._start()
            elif len(self._waiting) == 1:
                self._wake.notify_all()

    def _append_report(self, line: dict) -> None:
        if self._report_file is None:
            return
        try:
            if self._report is None:
                self._report = os.open(self._report_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)
            os.write(self._report, (to_json(line) + "\n").encode())
        except OSError as error:
            self._warn("report", f"the report file {self._report_file} cannot be written: {error}")
            self._report_file = None

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._send_forever, name="roost-metrics", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # the interpreter is going down: the report file has the points
            self._thread = None
            return
        if not self._ends_with_worker:
            self._ends_with_worker = True
            _at_exit_of_workers(self)

    def _send_forever(self) -> None:
        while True:
            with self._wake:
                idle_until = time.monotonic() + IDLE_SECONDS
                while not self._waiting:
                    left = idle_until - time.monotonic()
                    if left <= 0:
                        self._thread = None  # under the lock: the next point starts another
                        self._client.close()
                        return
                    self._wake.wait(left)
                if not self._urgent:
                    self._wake.wait(GATHER_SECONDS)
                batch = self._waiting[:MOST_IN_A_BATCH]
                del self._waiting[: len(batch)]
                if not self._waiting:
                    self._urgent = False
            self._send(batch)
            with self._wake:
                self._sent = max(number for number, _, _ in batch)
                self._wake.notify_all()

    def _send(self, batch: list[tuple[int, str, dict]]) -> None:
        body: dict[str, Any] = {"writer": self._writer, "batch": max(number for number, _, _ in batch), "points": [], "entries": []}
        for _, kind, item in batch:
            body[kind].append(item)
        pause = 0.1
        while True:
            try:
                # Writer and number make it safe to send the same batch again.
                self._client.call("POST", self._path, body, patience=0)
                return
            except RoostError as error:
                if error.code not in ("unavailable", "exhausted", "deadline", "internal"):
                    self._refused(batch, error)
                    return
                self._warn("down", f"metrics wait: {error.message}")
            except Exception as error:  # a training must not end by its logging
                self._warn("failed", f"metrics could not be sent: {error!r}")
                return
            time.sleep(pause)
            pause = min(pause * 2, 2.0)

    def tell_undelivered(self) -> None:
        with self._lock:
            count = self._number - self._sent if self._pid == os.getpid() else 0
        if count:
            rest = "; the server reads them from the run's report file" if self._report is not None else ""
            self._warn(f"undelivered {count}", f"{count} metric{'s' * (count != 1)} did not reach the server{rest}")

    def _refused(self, batch: list[tuple[int, str, dict]], error: RoostError) -> None:
        """One bad item does not take the others of its batch with it: each goes alone, with its own number."""
        if len(batch) > 1 and error.code in ("invalid_argument", "conflict", "too_large"):
            for item in batch:
                self._send([item])
        else:
            name = batch[0][2]["name"] if len(batch) == 1 else f"{len(batch)} metrics"
            self._warn("refused " + error.message, f"{name}: {error.message}")

    def _warn(self, what: str, message: str) -> None:
        if what not in self._warned and len(self._warned) < 20:
            self._warned.add(what)
            print(f"roost: {message}", file=sys.stderr)


_live: "weakref.WeakSet[Reporter]" = weakref.WeakSet()


def _now() -> int:
    return time.time_ns() // 1000


def _flush_all() -> None:
    deadline = time.monotonic() + EXIT_PATIENCE
    for reporter in list(_live):
        if not reporter.flush(max(0.0, deadline - time.monotonic())):
            reporter.tell_undelivered()


def _at_exit_of_workers(reporter: Reporter) -> None:
    """Processes of multiprocessing leave without atexit; they run these finalizers instead."""
    if multiprocessing.process.parent_process() is not None:
        multiprocessing.util.Finalize(reporter, _flush_all, exitpriority=10)


def _after_fork() -> None:
    for reporter in list(_live):
        if reporter._report is not None:
            os.close(reporter._report)
        reporter._reset()


atexit.register(_flush_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
