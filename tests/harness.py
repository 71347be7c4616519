"""What the black-box tests and benchmarks share: the real `roost` binary on a data folder of its own.

ROOST_BINARY names the binary (default: the release build).
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import signal
import socket
import sqlite3
import subprocess
import sys
import time

PROJECT = pathlib.Path(__file__).resolve().parent.parent
SDK = PROJECT / "sdk" / "python"
sys.path.insert(0, str(SDK))

from roost.client import Client, RoostError  # noqa: E402

BINARY = os.environ.get("ROOST_BINARY", str(PROJECT / "build" / "release" / "src" / "cli" / "roost"))
FINAL = ("Completed", "Failed", "Canceled")
AT_MOST = 240.0  # seconds for what takes none on a quiet machine: a test that waits for so long has failed, a slow machine has not


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """One server process; may be killed and started again on the same folder and port."""

    def __init__(self, folder: pathlib.Path, *options: str):
        self.folder, self.options, self.port = folder, options, free_port()
        self.process: subprocess.Popen | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def token(self) -> str:
        return (self.folder / "token").read_text().strip()

    @property
    def client(self) -> Client:
        return Client(self.url, self.token, timeout=AT_MOST)

    @property
    def environment(self) -> dict[str, str]:
        """What the command line needs to find this server."""
        return {**os.environ, "ROOST_URL": self.url, "ROOST_TOKEN": self.token, "NO_COLOR": "1"}

    def start(self, *options: str, check: bool = True) -> "Server":
        self.output = open(self.folder.parent / f"{self.folder.name}.out", "ab")
        self.process = subprocess.Popen(
            [BINARY, "serve", "--data", str(self.folder), "--port", str(self.port), "--python", sys.executable, "--sdk", str(SDK),
             *self.options, *options, *([] if "--min-free" in self.options + options else ["--min-free", "0"])],
            stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.output, start_new_session=True,
        )  # fmt: skip
        if check:
            self.wait_until_up()
        return self

    def wait_until_up(self, seconds: float = AT_MOST) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=AT_MOST):
                    pass
                if (self.folder / "token").exists():
                    self.client.get("/server")
                    return
            except (OSError, RoostError):
                pass
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended with {self.process.returncode}: {self.printed()}")
            time.sleep(0.02)
        raise AssertionError(f"the server did not answer: {self.printed()}")

    def printed(self) -> str:
        return (self.folder.parent / f"{self.folder.name}.out").read_text(errors="replace")

    def kill(self) -> None:
        """As a power cut of the process: SIGKILL, nothing is finished."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, seconds: float = AT_MOST) -> int:
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(seconds)

    # -- what tests do ------------------------------------------------------------------------------------------

    def roost(self, *arguments: str, check: bool = True, timeout: float = 2 * AT_MOST, **options) -> subprocess.CompletedProcess:
        if arguments[0] == "submit" and not {"--", "--command"} & set(arguments):
            arguments += ("--",)  # options may then stand behind the script
        if arguments[0] == "submit" and "--python" not in arguments:
            arguments = ("submit", "--python", sys.executable, *arguments[1:])
        done = subprocess.run([BINARY, *arguments], env=self.environment, capture_output=True, text=True, timeout=timeout, **options)
        if check:
            assert done.returncode == 0, f"roost {' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def submit(self, folder: pathlib.Path, *arguments: str) -> str:
        """Submits without waiting; gives the run's id."""
        return json.loads(self.roost("submit", str(folder), arguments[0], "--json", *arguments[1:]).stdout)["run_id"]

    def run(self, run_id: str) -> dict:
        return self.client.get(f"/runs/{run_id}")

    def wait_for(self, run_id: str, *states: str, seconds: float = AT_MOST) -> dict:
        """For a state that is not the last one the run must wait for the test in it: one that goes on by itself may be seen too late."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            run = self.run(run_id)
            if run["status"] in (states or FINAL):
                return run
            if run["status"] in FINAL:
                break
            time.sleep(0.05)
        raise AssertionError(f"run {run_id} is {run['status']} ({run['reason']}), not {' or '.join(states or FINAL)}")

    def states_of(self, run_id: str) -> list[str]:
        """The states that the run came into one after the other, from the store's events."""
        with contextlib.closing(sqlite3.connect(f"{(self.folder / 'roost.db').as_uri()}?mode=ro", uri=True)) as database:
            rows = database.execute("SELECT body FROM events WHERE run_id = ? AND kind = 'run_state' ORDER BY id", (run_id,))
            return [json.loads(body)["status"] for (body,) in rows]

    def log(self, run_id: str, path: str = "azureml-logs/70_driver_log.txt") -> bytes:
        return b"".join(self.client.stream(f"/runs/{run_id}/logs/{path}"))


def end_runs(server: Server) -> None:
    try:
        for run in server.client.get("/runs", limit=1000)["items"]:
            if run["status"] not in FINAL and run["kind"] == "managed":
                server.client.call("POST", f"/runs/{run['run_id']}/cancel")
    except RoostError:
        pass
