"""Rubbish in, clear errors out; nothing crashes, nothing is lost."""

import json
import os
import pathlib
import socket
import subprocess
import sys
import time

import pytest

from harness import AT_MOST, BINARY, Server, end_runs
from roost.client import Client, RoostError


def test_missing_folder_and_script_and_interpreter(server, project):
    done = server.roost("submit", "/no/such/folder", "a.py", check=False)
    assert done.returncode in (2, 4) and "/no/such/folder" in done.stderr
    src = project({"a.py": "print(1)"})
    done = server.roost("submit", str(src), "missing.py", check=False)
    assert done.returncode in (2, 4) and "missing.py" in done.stderr
    done = server.roost("submit", str(src), "a.py", "--python", "/no/python", check=False)
    assert done.returncode == 2 and "/no/python" in done.stderr
    done = server.roost("submit", str(src), "../a.py", check=False)
    assert done.returncode == 2
    assert server.client.get("/runs")["items"] == []


def test_all_problems_of_a_submit_are_told_at_once(server):
    with pytest.raises(RoostError) as caught:
        server.client.call("POST", "/runs", {"script": "a.py", "resources": {"cpus": 1e9}, "time_limit_seconds": -1,
                                             "environment": {"python": "relative"}, "tag": {}})  # fmt: skip
    fields = {problem["field"] for problem in caught.value.details}
    assert {"time_limit_seconds", "tag"} <= fields, fields


@pytest.mark.skipif(os.getuid() == 0, reason="root may read every file")
def test_an_unreadable_file_is_named(server, project):
    src = project({"a.py": "", "secret": "x"})
    (src / "secret").chmod(0)
    done = server.roost("submit", str(src), "a.py", check=False)
    assert done.returncode != 0 and "secret" in done.stderr


def test_a_script_that_is_no_utf8_and_one_that_prints_none(server, project):
    src = project({"a.py": b"import sys\nsys.stdout.buffer.write(b'\\xff\\xfe bytes\\n')\n", "b.py": b"# \xff\nprint(1)\n"})
    run = server.wait_for(server.submit(src, "a.py"))
    assert run["status"] == "Completed" and server.log(run["run_id"]) == b"\xff\xfe bytes\n"
    run = server.wait_for(server.submit(src, "b.py"))
    assert run["status"] == "Failed" and "SyntaxError" in run["error"]["message"]


def test_a_link_out_of_the_folder_is_refused_and_one_inside_is_followed(server, project):
    src = project({"a.py": "print(open('alias.txt').read())", "real.txt": "content"})
    (src / "alias.txt").symlink_to("real.txt")
    assert "content" in server.roost("submit", str(src), "a.py", "--watch").stdout
    (src / "out").symlink_to("/etc/passwd")
    done = server.roost("submit", str(src), "a.py", check=False)
    assert done.returncode == 2 and "out" in done.stderr


def test_a_body_of_100_mb_is_refused_before_it_is_read(server):
    with socket.create_connection(("127.0.0.1", server.port)) as peer:
        peer.sendall(
            f"POST /api/v1/runs HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nAuthorization: Bearer {server.token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {100 << 20}\r\n\r\n".encode()
        )
        assert b" 413 " in peer.recv(4096).split(b"\r\n")[0]
    assert server.client.get("/server")


def test_slow_and_silent_clients_do_not_hold_up_others(server):
    peers = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(200)]
    for peer in peers:
        peer.sendall(b"GET /api/v1/runs HT")
    for _ in range(5):
        assert server.client.get("/runs")["items"] == []
    for peer in peers:
        peer.close()


def test_garbage_on_the_socket(server):
    for garbage in (b"\0\xff" * 500, b"GET / HTTP/9.9\r\n\r\n", b"\r\n\r\n\r\n", b"GET " + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=AT_MOST) as peer:
            try:
                peer.sendall(garbage)
                peer.shutdown(socket.SHUT_WR)
                peer.recv(4096)
            except (ConnectionResetError, BrokenPipeError):
                pass
    assert server.client.get("/runs")["items"] == []


def test_files_do_not_leave_their_run(server):
    run_id = server.client.call("POST", "/runs/tracked", {})["run_id"]
    for path in ("../x", "a/../../x", "/etc/x", "a//b", "./a"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=AT_MOST) as peer:
            quoted = path.replace("/", "%2F")
            peer.sendall(f"PUT /api/v1/runs/{run_id}/files/{quoted} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
                         f"Authorization: Bearer {server.token}\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx".encode())  # fmt: skip
            assert b" 400 " in peer.recv(4096).split(b"\r\n")[0], path


def test_wrong_token(server):
    with pytest.raises(RoostError) as caught:
        Client(server.url, "wrong").get("/runs")
    assert caught.value.code == "unauthenticated"
    done = subprocess.run([BINARY, "runs"], env={**server.environment, "ROOST_TOKEN": "wrong"}, capture_output=True, text=True)
    assert done.returncode == 3 and "token" in done.stderr


def test_beyond_loopback_nobody_gets_in_without_a_token(make_server):
    server = make_server("--host", "0.0.0.0")
    assert (server.folder / "token").stat().st_mode & 0o777 == 0o600
    for token in ("", "guess"):
        with pytest.raises(RoostError) as caught:
            Client(server.url, token).get("/runs")
        assert caught.value.code == "unauthenticated"


def test_a_folder_in_use_is_left_alone(server):
    done = subprocess.run([BINARY, "serve", "--data", str(server.folder), "--port", "0"], capture_output=True, text=True, timeout=AT_MOST)
    assert done.returncode == 8 and str(server.process.pid) in done.stderr
    assert server.client.get("/runs")["items"] == []


def test_a_corrupt_database_is_named_and_not_overwritten(make_server):
    server = make_server(start=False)
    server.folder.mkdir()
    database = server.folder / "roost.db"
    database.write_bytes(b"this is no database" * 1000)
    done = subprocess.run([BINARY, "serve", "--data", str(server.folder), "--port", "0"], capture_output=True, text=True, timeout=AT_MOST)
    assert done.returncode != 0 and "roost.db" in done.stderr
    assert database.read_bytes() == b"this is no database" * 1000


def test_a_newer_database_is_refused(server):
    server.stop()
    import sqlite3

    with sqlite3.connect(server.folder / "roost.db") as db:
        db.execute("PRAGMA user_version = 999")
    db.close()
    done = subprocess.run([BINARY, "serve", "--data", str(server.folder), "--port", "0"], capture_output=True, text=True, timeout=AT_MOST)
    assert done.returncode != 0 and "999" in done.stderr and "newer" in done.stderr


def test_a_hook_address_without_curl_is_refused_at_the_start(tmp_path):
    done = subprocess.run([BINARY, "serve", "--data", str(tmp_path), "--port", "0", "--python", sys.executable, "--on-run-end", "http://127.0.0.1:9/"],
                          env={**os.environ, "PATH": str(tmp_path)}, capture_output=True, text=True, timeout=AT_MOST)  # fmt: skip
    assert done.returncode != 0 and "curl" in done.stderr and "apt-get install" in done.stderr


def test_a_trainer_that_is_not_there_is_refused_and_one_that_is_there_is_in_path(server, tmp_path):
    done = subprocess.run([BINARY, "serve", "--data", str(tmp_path / "other"), "--port", "0", "--trainer", "/no/trainer"], capture_output=True, text=True, timeout=AT_MOST)
    assert done.returncode != 0 and "/no/trainer" in done.stderr
    program = tmp_path / "tools" / "roost-trainer"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho the trainer\n")
    program.chmod(0o755)
    server.stop()
    server.start("--trainer", str(program))
    assert str(program) in server.roost("status").stdout
    done = server.roost("submit", "--no-folder", "--watch", "--command", "roost-trainer")
    assert "the trainer" in done.stdout


def test_200_runs_queued_at_once(server, project):
    src = project({"a.py": "print('ran')"})
    first = server.submit(src, "a.py")
    definition = server.run(first)["definition"]
    body = {"snapshot": definition["snapshot"], "command": "echo ran"}
    runs = [server.client.call("POST", "/runs", body)["run_id"] for _ in range(200)]
    for run_id in runs:
        assert server.wait_for(run_id)["status"] == "Completed"
    assert len(set(runs)) == 200


@pytest.mark.skipif(os.getuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_loses_nothing_that_was_answered(make_server, tmp_path, project):
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(small)], capture_output=True)
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    server = Server(small / "data")
    try:
        server.start()
        run_id = server.client.call("POST", "/runs/tracked", {})["run_id"]
        filler = small / "filler"
        kept = []
        with open(filler, "wb") as file:
            try:
                while True:
                    file.write(b"x" * (1 << 16))
                    file.flush()
            except OSError:
                pass
        with pytest.raises(RoostError) as caught:  # snapshot blobs
            server.client.upload(f"/runs/{run_id}/files/big", _file_of(tmp_path, 4 << 20))
        assert caught.value.code == "exhausted"
        for n in range(2000):  # the database, until its own file is full
            try:
                server.client.call("POST", f"/runs/{run_id}/metrics", {"points": [{"name": "m", "value": n, "step": n}] * 50}, patience=0)
                kept.append(n)
            except RoostError as error:
                assert error.code == "exhausted", error.message
                break
        filler.unlink()
        server.client.call("POST", f"/runs/{run_id}/metrics", {"points": [{"name": "after", "value": 1}]})
        points = server.client.get(f"/runs/{run_id}/metrics/history", name="m", limit=100_000)["points"] if kept else []
        assert len(points) >= 50 * len(kept)
        assert server.process.poll() is None
        # A script fills the disk: it fails, and everything goes on once there is space again.
        src = project({"a.py": "open('outputs/big', 'wb').write(b'x' * (40 << 20))"})
        run_id = server.submit(src, "a.py")
        claim = server.folder / "runs" / run_id / "attempt-1" / "launch" / "claim"
        deadline = time.monotonic() + AT_MOST
        while not claim.exists() or pathlib.Path(f"/proc/{json.loads(claim.read_text())['child_pid']}").exists():  # it has not come to its end
            assert time.monotonic() < deadline and server.process.poll() is None
            time.sleep(0.05)
        subprocess.run(["mount", "-o", "remount,size=128m", str(small)], check=True)
        run = server.wait_for(run_id)
        said = run["error"]["message"]
        assert run["status"] == "Failed" and ("exit code 1" in said or "No space left" in said)  # its log seldom has room for a traceback
        run = server.wait_for(server.submit(project({"b.py": "print(1)"}, "b"), "b.py"))
        assert run["status"] == "Completed"
    finally:
        end_runs(server)
        server.kill()
        subprocess.run(["umount", "-l", str(small)])


def _file_of(folder, size):
    path = folder / "payload"
    path.write_bytes(os.urandom(size))
    return path


def test_deleted_and_collected_leaves_others_whole(server, project):
    src = project({"a.py": "import sys; open('outputs/same', 'w').write('same'); open('outputs/own', 'w').write(sys.argv[1])"})
    first, second = (server.wait_for(server.submit(src, "a.py", "--", who))["run_id"] for who in ("one", "two"))
    server.roost("delete", first)
    time.sleep(1.2)  # even without grace, contents of the current second are left alone
    report = server.client.call("POST", "/admin/gc", {"grace_seconds": 0})
    assert report["runs_removed"] == 1 and report["blobs_removed"] >= 1
    assert b"".join(server.client.stream(f"/runs/{second}/files/outputs/same")) == b"same"
    assert b"".join(server.client.stream(f"/runs/{second}/files/outputs/own")) == b"two"
    with pytest.raises(RoostError):
        server.client.get(f"/runs/{first}")


def test_backup_of_a_running_server_and_restore(server, project, tmp_path, make_server):
    src = project({"a.py": "open('outputs/m', 'w').write('model'); print('said')"})
    run = server.wait_for(server.submit(src, "a.py"))
    server.roost("backup", str(tmp_path / "backup"))
    copy = make_server(name="copy", start=False)
    subprocess.run([BINARY, "restore", str(tmp_path / "backup"), "--data", str(copy.folder)], check=True, capture_output=True)
    copy.start()
    assert copy.run(run["run_id"])["status"] == "Completed"
    assert b"".join(copy.client.stream(f"/runs/{run['run_id']}/files/outputs/m")) == b"model"
    assert copy.log(run["run_id"]) == b"said\n"
    assert copy.client.get("/server")["epoch"] != server.client.get("/server")["epoch"]


def test_free_space_floor_pauses_the_queue(make_server, project):
    server = make_server(start=False).start("--min-free", "1000000G")
    run_id = server.submit(project({"a.py": "print(1)"}), "a.py")
    deadline = time.monotonic() + AT_MOST
    while "free" not in (run := server.run(run_id))["reason"]:
        assert run["status"] == "Queued" and time.monotonic() < deadline, run
        time.sleep(0.05)
    assert run["status"] == "Queued"
    server.stop()
    server.start("--min-free", "0")
    assert server.wait_for(run_id)["status"] == "Completed"


def test_the_hook_at_a_runs_end(make_server, project, tmp_path):
    said = tmp_path / "said"
    server = make_server("--on-run-end", f"cat > {said}; echo $ROOST_RUN_STATUS >> {said}")
    run = server.wait_for(server.submit(project({"a.py": "print(1)"}), "a.py"))
    deadline = time.monotonic() + AT_MOST
    while not (said.exists() and "Completed\n" in said.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert run["run_id"] in said.read_text() and said.read_text().endswith("Completed\n")


def test_memory_beyond_the_limit_is_told(server, project):
    src = project({"a.py": "import time\nheld = []\nfor _ in range(40):\n    held.append(bytearray(b'x' * (25 << 20)))\n    time.sleep(0.05)\ntime.sleep(600)"})
    run = server.wait_for(server.submit(src, "a.py", "--memory", "200M"))
    assert run["status"] == "Failed" and run["error"]["code"] == "OutOfMemory", run["error"]
