"""Uploads that are cut off go on where they were, inside of a large file too, and neither end's memory grows with a file's size."""

import hashlib
import json
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time

import pytest

from harness import AT_MOST, BINARY, SDK

MIB = 1 << 20
SDK_UPLOAD = """
import pathlib, sys
from roost.client import Client
from roost.data_upload import Source, find_files, upload
url, token, file, target = sys.argv[1:]
one = pathlib.Path(file).is_file()
sources = [Source(target, file, pathlib.Path(file).stat().st_size)] if one else [each._replace(path=f"{target}/{each.path}") for each in find_files(file)]
print(upload(Client(url, token), "workspaceblobstore", sources, False, False))
"""
SDK_DOWNLOAD = """
import sys
from roost.client import Client
from roost.data_files import fetch
url, token, prefix, folder = sys.argv[1:]
print(fetch(Client(url, token), "/datastores/workspaceblobstore/files", folder, False, False, prefix=prefix))
"""


class Proxy:
    """Stands between client and server, counts what goes to the server, cuts the connection each time that the count passes one of
    ``cuts``, and lets no more than ``at_most`` through."""

    def __init__(self, port: int, cuts: tuple[int, ...] = (), at_most: int = 1 << 60):
        self._port, self._cuts, self._at_most, self.sent = port, list(cuts), at_most, 0
        self._ended = threading.Event()
        self._lock = threading.Lock()  # guards sent and _cuts
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._port))
                server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 256 << 10)  # what waits in it when the connection is cut is lost
            except OSError:
                client.close()
                continue
            threading.Thread(target=self._pass, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, False), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        try:
            while piece := source.recv(64 << 10):
                if counted and self._is_cut(len(piece)):
                    break
                if self.sent > self._at_most:
                    self._ended.wait()
                    break
                target.sendall(piece)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()  # with data in it that nobody reads: the other end notices at once

    def _is_cut(self, count: int) -> bool:
        with self._lock:
            self.sent += count
            if self._cuts and self.sent >= self._cuts[0]:
                self._cuts.pop(0)
                return True
            return False

    @property
    def is_full(self) -> bool:
        with self._lock:
            return self.sent > self._at_most

    @property
    def cuts_left(self) -> int:
        with self._lock:
            return len(self._cuts)

    def stop(self) -> None:
        self._ended.set()
        self._listener.close()


@pytest.fixture
def make_proxy(server):
    proxies: list[Proxy] = []

    def make(**options) -> Proxy:
        proxies.append(Proxy(server.port, **options))
        return proxies[-1]

    yield make
    for proxy in proxies:
        proxy.stop()


def large_file(path: pathlib.Path, size: int, mark: str) -> pathlib.Path:
    """Sparse, so that it costs no disk here, with marks of its own near both ends."""
    with open(path, "wb") as file:
        file.write(mark.encode())
        file.truncate(size)
        file.seek(size - 100)
        file.write(mark.encode())
    return path


def upload(client: str, url: str, token: str, file: pathlib.Path, folder: str, **options) -> subprocess.Popen:
    if client == "command":
        words = [BINARY, "data", "upload", str(file), "--to", folder, "--json"]
    else:
        words = [sys.executable, "-c", SDK_UPLOAD, url, token, str(file), folder if file.is_dir() else f"{folder}/{file.name}"]
    environment = {**os.environ, "ROOST_URL": url, "ROOST_TOKEN": token, "PYTHONPATH": str(SDK)}
    return subprocess.Popen(words, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def is_stored(server, path: str, file: pathlib.Path) -> bool:
    found = server.client.get("/datastores/workspaceblobstore/files", prefix=path)["items"]
    b2sum = subprocess.run(["b2sum", "-l", "256", str(file)], capture_output=True, text=True, check=True).stdout.split()[0]
    return [(each["size"], each["digest"]) for each in found] == [(file.stat().st_size, f"b2:{b2sum}")]


@pytest.mark.parametrize("client", ["command", "sdk"])
def test_a_file_that_was_cut_off_twice_is_gone_on_with_inside(server, make_proxy, tmp_path, client):
    file = large_file(tmp_path / "large.bin", 100 * MIB, client)
    proxy = make_proxy(cuts=(40 * MIB, 70 * MIB))
    done = upload(client, proxy.url, server.token, file, "in")
    output, errors = done.communicate(timeout=AT_MOST)
    assert done.returncode == 0, output + errors
    assert proxy.cuts_left == 0
    assert proxy.sent < 110 * MIB  # a file that begins anew after each cut would be 170
    assert is_stored(server, "in/large.bin", file)


@pytest.mark.parametrize("client", ["command", "sdk"])
def test_a_file_is_gone_on_with_after_client_and_server_were_killed(server, make_proxy, tmp_path, client):
    file = large_file(tmp_path / "large.bin", 100 * MIB, client)
    parts = server.folder / "blobs" / "parts"
    killed = upload(client, make_proxy(at_most=50 * MIB).url, server.token, file, "in")
    while sum(part.stat().st_size for part in parts.iterdir()) < 48 * MIB:
        assert killed.poll() is None, killed.communicate()
        time.sleep(0.01)
    killed.kill()
    killed.communicate()
    assert not server.client.get("/datastores/workspaceblobstore/files", prefix="in/")["items"]
    server.kill()
    (part,) = parts.iterdir()
    there = part.stat().st_size
    server.start()
    counted = make_proxy()
    done = upload(client, counted.url, server.token, file, "in")
    output, errors = done.communicate(timeout=AT_MOST)
    assert done.returncode == 0, output + errors
    assert counted.sent < file.stat().st_size - there + MIB
    assert is_stored(server, "in/large.bin", file)
    assert not list(parts.iterdir())


@pytest.mark.parametrize("client", ["command", "sdk"])
def test_many_small_files_that_were_cut_off_do_not_travel_twice(server, make_proxy, tmp_path, client):
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(2000):
        (folder / f"{number:04}.txt").write_text(f"{client} {number} ".ljust(2000, "."))
    listed = [{"path": f"in/{file.name}", "digest": f"b2:{hashlib.blake2b(file.read_bytes(), digest_size=32).hexdigest()}", "size": 2000}
              for file in sorted(folder.iterdir())]  # fmt: skip

    def missing() -> int:
        return len(server.client.call("POST", "/datastores/workspaceblobstore/upload", {"files": listed, "overwrite": False})["missing"])

    broken = make_proxy(at_most=2 * MIB)
    killed = upload(client, broken.url, server.token, folder, "in")
    while not broken.is_full:
        assert killed.poll() is None, killed.communicate()
        time.sleep(0.01)
    killed.kill()
    killed.communicate()
    broken.stop()  # now the server sees that the connection is gone
    deadline = time.monotonic() + AT_MOST
    while (left := missing()) == 2000:
        assert time.monotonic() < deadline, "nothing of it was stored"
        time.sleep(0.05)
    assert left > 0  # a part arrived, and a part did not; the server may still be storing the last of it, so this is a bound
    assert not server.client.get("/datastores/workspaceblobstore/files", prefix="in/")["items"]
    counted = make_proxy()
    done = upload(client, counted.url, server.token, folder, "in")
    output, errors = done.communicate(timeout=AT_MOST)
    assert done.returncode == 0, output + errors
    if client == "command":
        assert 0 < json.loads(output)["bytes_sent"] <= left * 2000
    assert counted.sent < left * 2040 + 2 * len(json.dumps(listed)) + 100_000
    files = server.client.get("/datastores/workspaceblobstore/files", prefix="in/", limit=10000)["items"]
    assert [(file["path"], file["digest"]) for file in files] == [(each["path"], each["digest"]) for each in listed]


def peak_of(pid: int) -> int:
    """The most memory that the process ever had resident, in bytes."""
    (line,) = [line for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) << 10


MEASURE = "import resource, subprocess, sys; code = subprocess.call(sys.argv[1:], stdout=2); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(code)"


def run_and_measure(words: list[str], environment: dict) -> int:
    """Gives the peak of the process's resident memory in bytes: by a small process between, since a child begins with what its parent has."""
    done = subprocess.run([sys.executable, "-S", "-c", MEASURE, *words], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return int(done.stdout) << 10


@pytest.mark.parametrize("size", [256 * MIB, pytest.param(10 << 30, marks=pytest.mark.slow)], ids=["256MiB", "10GiB"])
def test_memory_does_not_grow_with_the_file(make_server, tmp_path, size):
    server = make_server()
    environment = {**os.environ, "ROOST_URL": server.url, "ROOST_TOKEN": server.token, "PYTHONPATH": str(SDK)}
    clients = {
        "command": lambda file: [BINARY, "data", "upload", str(file), "--to", "in"],
        "sdk": lambda file: [sys.executable, "-c", SDK_UPLOAD, server.url, server.token, str(file), f"in/{file.name}"],
    }
    downloads = {
        "command": lambda file: [BINARY, "data", "download", file.stem, "--to", str(tmp_path / "back")],
        "sdk": lambda file: [sys.executable, "-c", SDK_DOWNLOAD, server.url, server.token, f"in/{file.name}", str(tmp_path / "back")],
    }
    baseline = {name: run_and_measure(words(large_file(tmp_path / f"small-{name}", 1000, name)), environment) for name, words in clients.items()}
    before = peak_of(server.process.pid)
    told = {"server before": before}
    for name, words in clients.items():
        file = large_file(tmp_path / f"{name}.bin", size, name)
        told[f"{name} up"] = run_and_measure(words(file), environment)
        assert is_stored(server, f"in/{file.name}", file)
        server.roost("data", "register", name, f"workspaceblobstore:in/{file.name}")
        told[f"{name} down"] = run_and_measure(downloads[name](file), environment)
        for each in (tmp_path / "back").rglob("*.bin"):
            assert each.stat().st_size == size
            each.unlink()
        assert told[f"{name} up"] < baseline[name] + 40 * MIB, told
        assert told[f"{name} down"] < baseline[name] + 40 * MIB, told
        file.unlink()
        server.roost("data", "unregister", name)  # so that 10 GiB are there once at a time
        server.client.call("DELETE", f"/datastores/workspaceblobstore/files/in/{file.name}")
        server.roost("gc", "--grace", "0")
    told["server after"] = peak_of(server.process.pid)
    print({name: f"{count / MIB:.0f} MiB" for name, count in told.items()})
    assert told["server after"] < before + 40 * MIB, told
