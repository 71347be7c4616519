"""What a crash of the server and a client that goes away leave behind."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
import urllib.parse

import pytest

from harness import AT_MOST
from mlflow_clients.rest import Rest

pytestmark = pytest.mark.only_roost("a server of the test's own is killed")


class Writer(threading.Thread):
    """A client that writes one request after the other on one connection and keeps what was acknowledged; what breaks it sends again, as MLflow's client does."""

    def __init__(self, rest: Rest, number: int, own: str, shared: str):
        super().__init__(daemon=True)
        self.rest, self.number, self.own, self.shared = rest, number, own, shared
        self.steps: set[int] = set()
        self.batches: set[int] = set()
        self.refused: list[str] = []
        self.acknowledged = 0
        self.stop = threading.Event()

    def run(self) -> None:
        connection, n = None, 0
        while not self.stop.is_set():
            path, body = self.request(n)
            try:
                connection = connection or http.client.HTTPConnection(urllib.parse.urlsplit(self.rest.uri).netloc, timeout=AT_MOST)
                connection.request("POST", "/api/2.0/mlflow/" + path, json.dumps(body), {"Content-Type": "application/json", "Authorization": f"Bearer {self.rest.token}"})
                answer = connection.getresponse()
                text = answer.read().decode()
            except (OSError, http.client.HTTPException):
                if connection:
                    connection.close()
                connection = None
                time.sleep(0.02)
                continue
            if answer.status != 200:
                self.refused.append(text)
                return
            (self.batches if n % 5 == 4 else self.steps).add(n)
            self.acknowledged += 1
            n += 1

    def request(self, n: int) -> tuple[str, dict]:
        if n % 5 == 4:
            metrics = [{"key": "batched", "value": k, "timestamp": n, "step": n * 100 + k} for k in range(50)]
            return "runs/log-batch", {"run_id": self.own, "metrics": metrics, "params": [{"key": f"p{n}", "value": str(n)}], "tags": [{"key": f"t{n}", "value": str(n)}]}
        key, run = ("own", self.own) if n % 2 else (f"shared{self.number}", self.shared)
        return "runs/log-metric", {"run_id": run, "key": key, "value": n * 0.5, "timestamp": n, "step": n}


def whole_history(rest: Rest, run_id: str, key: str) -> list[dict]:
    found, token = [], None
    while True:
        answer = rest.get("metrics/get-history", run_id=run_id, metric_key=key, max_results=25000, **({"page_token": token} if token else {}))
        found += answer.get("metrics", [])
        if not (token := answer.get("next_page_token")):
            return found


def test_every_acknowledged_write_is_there_once(make_server):
    server = make_server()
    rest = Rest(server.url, server.token)
    experiment = rest.post("experiments/create", name="killed")["experiment_id"]
    shared = rest.create_run(experiment)
    writers = [Writer(rest, n, rest.create_run(experiment), shared) for n in range(8)]
    for writer in writers:
        writer.start()
    for _ in range(3):
        before = [writer.acknowledged for writer in writers]
        deadline = time.monotonic() + AT_MOST
        while any(writer.acknowledged < had + 40 and writer.is_alive() for writer, had in zip(writers, before)):
            assert time.monotonic() < deadline, "the writers stand still"
            time.sleep(0.005)
        server.kill()
        server.start()
    for writer in writers:
        writer.stop.set()
    for writer in writers:
        writer.join(AT_MOST)
        assert not writer.refused and not writer.is_alive()
    for writer in writers:
        data = rest.run(writer.own)["data"]
        assert {f"p{n}" for n in writer.batches} <= {param["key"] for param in data["params"]}
        assert {f"t{n}" for n in writer.batches} <= {tag["key"] for tag in data["tags"]}
        batched = [(m["step"], m["value"]) for m in whole_history(rest, writer.own, "batched")]
        assert len(batched) == len(set(batched)) and {(n * 100 + k, float(k)) for n in writer.batches for k in range(50)} <= set(batched)
        singles = [(m["step"], m["value"]) for m in whole_history(rest, writer.own, "own") + whole_history(rest, shared, f"shared{writer.number}")]
        assert len(singles) == len(set(singles)) and {(n, n * 0.5) for n in writer.steps} <= set(singles)
        # Nothing came from nowhere: at most the one request that broke each time is there without an answer.
        assert len(singles) + len(batched) / 50 <= writer.acknowledged + 3


def test_runs_and_experiments_of_a_killed_server(make_server):
    server = make_server()
    rest = Rest(server.url, server.token)
    experiment = rest.post("experiments/create", name="kept", tags=[{"key": "a", "value": "b"}])["experiment_id"]
    runs = [rest.create_run(experiment, run_name=f"r{n}", start_time=n) for n in range(20)]
    rest.post("runs/update", run_id=runs[0], status="FINISHED", end_time=5)
    rest.post("runs/delete", run_id=runs[1])
    before = [rest.run(run) for run in runs]
    server.kill()
    server.start()
    assert [rest.run(run) for run in runs] == before
    assert rest.get("experiments/get-by-name", experiment_name="kept")["experiment"]["tags"] == [{"key": "a", "value": "b"}]


def open_upload(rest: Rest, path: str, promised: int, sent: bytes) -> socket.socket:
    address = urllib.parse.urlsplit(rest.uri)
    connection = socket.create_connection((address.hostname, address.port), timeout=AT_MOST)
    head = f"PUT {path} HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer {rest.token}\r\nContent-Type: application/octet-stream\r\nContent-Length: {promised}\r\n\r\n"
    connection.sendall(head.encode() + sent)
    return connection


@pytest.mark.parametrize("size", [100, 5_000_000])
def test_a_client_that_stops_in_an_upload(make_server, size):
    """Nothing of the file is seen, what was there before stays, and the next upload is whole."""
    server = make_server()
    rest = Rest(server.url, server.token)
    experiment = rest.post("experiments/create", name="uploads")["experiment_id"]
    run = rest.create_run(experiment)
    root = f"/api/2.0/mlflow-artifacts/artifacts/{experiment}/{run}/artifacts"
    assert rest.call("PUT", f"{root}/kept.bin", raw=b"before", content_type="application/octet-stream").status == 200
    for name in ("new.bin", "kept.bin"):
        open_upload(rest, f"{root}/{name}", size, b"x" * (size // 2)).close()
        holding = open_upload(rest, f"{root}/{name}", size, b"x" * (size // 2))
        assert rest.call("GET", "/health").status == 200  # others are served meanwhile
        assert rest.call("GET", f"{root}/new.bin").status == 404
        assert rest.call("GET", f"{root}/kept.bin").body == b"before"
        holding.close()
    listed = rest.get("artifacts/list", run_id=run)
    assert [file["path"] for file in listed["files"]] == ["kept.bin"]
    assert rest.call("PUT", f"{root}/new.bin", raw=b"y" * size, content_type="application/octet-stream").status == 200
    assert rest.call("GET", f"{root}/new.bin").body == b"y" * size


def test_a_server_killed_in_an_upload(make_server):
    server = make_server()
    rest = Rest(server.url, server.token)
    experiment = rest.post("experiments/create", name="uploads")["experiment_id"]
    run = rest.create_run(experiment)
    root = f"/api/2.0/mlflow-artifacts/artifacts/{experiment}/{run}/artifacts"
    assert rest.call("PUT", f"{root}/whole.bin", raw=b"z" * 1_000_000, content_type="application/octet-stream").status == 200
    open_upload(rest, f"{root}/half.bin", 2_000_000, b"x" * 1_000_000)
    server.kill()
    server.start()
    assert [file["path"] for file in rest.get("artifacts/list", run_id=run)["files"]] == ["whole.bin"]
    assert rest.call("GET", f"{root}/whole.bin").body == b"z" * 1_000_000
    assert rest.call("GET", f"{root}/half.bin").status == 404
