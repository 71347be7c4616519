"""The client against servers that break off, and against files that change while they are sent."""

import io
import json
import os
import pickle
import socket
import threading

import pytest

from harness import AT_MOST
from roost import client as roost_client
from roost.client import Client, RoostError


class Scripted:
    """Answers each request with the next of ``answers``: a status with a body, or None, which breaks the connection off."""

    def __init__(self, *answers):
        self.answers, self.bodies = list(answers), []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.client = Client(f"http://127.0.0.1:{self.socket.getsockname()[1]}", "token")
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while self.answers:
            connection, _ = self.socket.accept()
            with connection, connection.makefile("rb") as stream:
                while self.answers:
                    length, line = 0, stream.readline()
                    if not line:
                        break
                    while line.strip():
                        if line.lower().startswith(b"content-length:"):
                            length = int(line.split(b":")[1])
                        line = stream.readline()
                    body = stream.read(length)
                    if len(body) < length:
                        break
                    self.bodies.append(body)
                    answer = self.answers.pop(0)
                    if answer is None:
                        break
                    text = json.dumps(answer[1]).encode()
                    connection.sendall(f"HTTP/1.1 {answer[0]} x\r\nContent-Length: {len(text)}\r\n\r\n".encode() + text)
        self.socket.close()


NOT_FOUND = (404, {"error": {"code": "not_found", "message": "gone"}})
UNAVAILABLE = (503, {"error": {"code": "unavailable", "message": "starting"}})


def test_what_a_repeated_delete_does_not_find_is_gone():
    assert Scripted(None, NOT_FOUND).client.call("DELETE", "/x") is None
    with pytest.raises(RoostError, match="gone"):
        Scripted(NOT_FOUND).client.call("DELETE", "/x")


def test_states_and_properties_are_told_again():
    from azureml.core import Run

    for change in (lambda run: run.add_properties({"a": 1}), lambda run: run.start(), lambda run: run.remove_tags("a")):
        server = Scripted(None, (200, {}))
        change(Run._of(server.client, "r"))
        assert len(server.bodies) == 2 and server.bodies[0] == server.bodies[1]


def test_an_upload_goes_on_when_the_server_is_back(tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    server = Scripted(None, UNAVAILABLE, (201, {"path": "x"}))
    assert server.client.upload("/x", tmp_path / "file") == {"path": "x"}
    assert server.bodies == [b"content"] * 3
    stream = io.BytesIO(b"..content")
    stream.seek(2)
    server = Scripted(None, (201, {}))
    server.client.upload("/x", stream)
    assert server.bodies == [b"content"] * 2
    with pytest.raises(RoostError, match="cannot be reached|failed"):
        server.client.upload("/x", tmp_path / "file", patience=0.2)


def test_a_file_that_changes_while_it_is_sent(tmp_path, monkeypatch):
    file = tmp_path / "file"
    remaining = roost_client._remaining

    def then(change):
        def measured(stream):
            size = remaining(stream)
            change(file)
            return size

        monkeypatch.setattr(roost_client, "_remaining", measured)

    file.write_bytes(b"content")
    server = Scripted((201, {}), (200, {"next": 1}))
    then(lambda path: path.write_bytes(b"content and more"))
    server.client.upload("/x", file)
    assert server.bodies == [b"content"] and server.client.get("/y") == {"next": 1}

    server = Scripted((201, {}), (200, {"next": 1}))
    then(lambda path: os.truncate(path, 3))
    with pytest.raises(RoostError, match="file became shorter while it was sent") as caught:
        server.client.upload("/x", file)
    assert caught.value.code == "conflict"
    monkeypatch.setattr(roost_client, "_remaining", remaining)
    server.client.upload("/x", file)
    assert server.client.get("/y") == {"next": 1}


def test_errors_can_be_pickled():
    error = pickle.loads(pickle.dumps(RoostError("conflict", "text", [{"field": "a"}], 409)))
    assert (error.code, error.message, str(error), error.details, error.status) == ("conflict", "text", "text", [{"field": "a"}], 409)


def test_exceptions_can_be_pickled():
    from azureml import exceptions

    made = [exceptions.WebserviceException("text", 404, "log"), exceptions.AzureMLAggregatedException([ValueError("a"), ValueError("b")]),
            exceptions.ServiceException("text", 503), exceptions.UserErrorException("text", inner_exception=ValueError("a"))]  # fmt: skip
    made += [getattr(exceptions, name)("text") for name in exceptions.__all__ if name not in ("AzureMLAggregatedException",)]
    for error in made:
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error) and str(again) == str(error) and again.message == error.message
        assert repr(vars(again)) == repr(vars(error))


def test_an_idle_reporter_has_no_thread(monkeypatch):
    from roost import reporter as module

    monkeypatch.setattr(module, "IDLE_SECONDS", 0.1)
    server = Scripted((200, {}), (200, {}))
    reporter = module.Reporter(server.client, "r")
    for step in range(2):
        reporter.point("loss", 0.5, step)
        assert reporter.flush(AT_MOST)
        thread = reporter._thread
        if thread is not None:
            thread.join(AT_MOST)
        assert reporter._thread is None and reporter.flush(AT_MOST)
    assert [json.loads(body)["batch"] for body in server.bodies] == [1, 2]


def test_what_did_not_reach_the_server_is_counted(capsys):
    from azureml.core import Run

    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    run = Run._of(Client(f"http://127.0.0.1:{port}", "token"), "r")
    for step in range(3):
        run.log("loss", step)
    run.flush(0.3)
    assert "roost: 3 metrics did not reach the server\n" in capsys.readouterr().err
    run._reporter._sent = run._reporter._number  # the end of this process waits for nothing


def test_a_signals_handler_may_log_within_a_log():
    from roost.reporter import Reporter

    server = Scripted((200, {}), (200, {}))
    reporter = Reporter(server.client, "r")
    append = reporter._append_report

    def interrupted(line):
        reporter._append_report = append
        reporter.point("inner", 1)
        append(line)

    reporter._append_report = interrupted
    reporter.point("outer", 1)
    assert reporter.flush(AT_MOST)
    assert sorted(point["name"] for body in server.bodies for point in json.loads(body)["points"]) == ["inner", "outer"]


def test_arguments_without_a_meaning_are_named(tmp_path, recwarn):
    from azureml.core import Run

    (tmp_path / "a").write_text("a")
    run = Run._of(Scripted((201, {}), (201, {}), (200, {"items": []}), (200, {})).client, "r")
    run.upload_files(["a"], [tmp_path / "a"], return_artifacts=True, timeout_seconds=5, datastore_name="mine")
    run.upload_file("a", tmp_path / "a", "workspaceblobstore")
    run.download_files(batch_size=10)
    run._client.close()  # there is one connection at a time here
    for step in range(2):
        run.log("loss", step, "how wrong it is")
    assert run._reporter.flush(AT_MOST)
    assert [str(each.message) for each in recwarn] == [
        "upload_files: datastore_name, return_artifacts, timeout_seconds have no meaning here and are ignored",
        "download_files: batch_size has no meaning here and is ignored",
        "log: the description of a number has no meaning here and is ignored; text, lists, rows and tables keep theirs"]  # fmt: skip


def test_plots_of_one_second_are_two_files():
    from azureml.core import Run

    class Plot:
        def savefig(self, file, format):
            file.write(b"\x89PNG")

    run, names = Run._of(Client("http://127.0.0.1:9", "token"), "r"), set()
    run._upload = lambda name, source, overwrite: names.add(name)
    run._sender = type("Silent", (), {"entry": lambda *given: None})()
    for _ in range(3):
        run.log_image("curve", plot=Plot())
    assert len(names) == 3 and all(name.startswith("curve_") and name.endswith(".png") for name in names)
