"""The server dies in the middle; no run notices and nothing is lost."""

import re
import threading
import time

import pytest

from harness import AT_MOST
from roost.client import RoostError

# Counts, and does not end before it may.
COUNTER = """
import pathlib, sys, time
from azureml.core import Run
run = Run.get_context()
for n in range(60):
    while n == 50 and not pathlib.Path(sys.argv[1]).exists():
        time.sleep(0.02)
    print(f'line {n}', flush=True)
    run.log('n', n)
    time.sleep(0.05)
open('outputs/done', 'w').write('yes')
sys.exit(3)
"""


@pytest.fixture
def may_end(tmp_path):
    return tmp_path / "may end"


def running_counter(server, project, may_end) -> str:
    run_id = server.submit(project({"a.py": COUNTER}), "a.py", "--", str(may_end))
    server.wait_for(run_id, "Running")
    return run_id


def check_counter(server, run_id):
    run = server.wait_for(run_id)
    assert run["status"] == "Failed" and "exit code 3" in run["reason"]
    # The SDK says once that metrics wait for the server, and at the end which did; it may do so in the middle of a line of print's two writes.
    log = re.sub(rb"roost: (metrics wait|\d+ metrics? did not reach)[^\n]*\n", b"", server.log(run_id))
    assert log == b"".join(b"line %d\n" % n for n in range(60))
    points = server.client.get(f"/runs/{run_id}/metrics/history", name="n")["points"]
    assert [p["value"] for p in points] == list(range(60))
    assert [f["path"] for f in server.client.get(f"/runs/{run_id}/files", prefix="outputs/")["items"]] == ["outputs/done"]


def test_a_run_survives_kills_of_the_server(server, project, may_end):
    run_id = running_counter(server, project, may_end)
    for _ in range(3):
        time.sleep(0.4)
        server.kill()
        time.sleep(0.2)
        server.start()
    may_end.touch()
    check_counter(server, run_id)


def test_a_run_that_ends_while_the_server_is_down_is_collected(server, project, may_end):
    run_id = running_counter(server, project, may_end)
    server.kill()
    may_end.touch()
    deadline = time.monotonic() + AT_MOST
    while not (server.folder / "runs" / run_id / "attempt-1" / "launch" / "exit.json").exists():
        assert time.monotonic() < deadline, "the run did not end"
        time.sleep(0.05)
    server.start()
    check_counter(server, run_id)


def test_a_graceful_stop_leaves_runs_alone(server, project, may_end):
    run_id = running_counter(server, project, may_end)
    assert server.stop() == 0
    server.start()
    may_end.touch()
    check_counter(server, run_id)


def test_waiting_runs_start_after_a_restart(server, project):
    src = project({"a.py": "import time; time.sleep(1)"})
    cpus = str(server.client.get("/server")["resources"]["cpus"])
    runs = [server.submit(src, "a.py", "--cpus", cpus) for _ in range(3)]
    server.kill()
    server.start()
    for run_id in runs:
        assert server.wait_for(run_id)["status"] == "Completed"


def test_cancel_of_a_run_that_was_found_again(server, project):
    run_id = server.submit(project({"a.py": "import time; time.sleep(600)"}), "a.py")
    server.wait_for(run_id, "Running")
    server.kill()
    server.start()
    server.roost("cancel", run_id, "--wait")
    assert server.run(run_id)["status"] == "Canceled"


def test_a_follower_of_the_log_gets_every_byte_over_a_restart(server, project, may_end):
    run_id = running_counter(server, project, may_end)
    got = bytearray()

    def follow():
        while True:
            try:
                for piece in server.client.stream(f"/runs/{run_id}/logs/azureml-logs/70_driver_log.txt", offset=len(got), follow="true"):
                    got.extend(piece)
                return
            except RoostError:
                time.sleep(0.1)

    reader = threading.Thread(target=follow, daemon=True)
    reader.start()
    deadline = time.monotonic() + AT_MOST
    while b"line 9\n" not in got:
        assert time.monotonic() < deadline and reader.is_alive(), bytes(got)
        time.sleep(0.02)
    server.kill()
    server.start()
    may_end.touch()
    server.wait_for(run_id)
    reader.join(AT_MOST)
    assert not reader.is_alive()
    assert bytes(got) == server.log(run_id)


def test_no_acknowledged_write_is_lost_over_random_kills(server, request):
    """Writers go on over kills of the server; what was answered is there afterwards. 8 kills here, 100 with --full."""
    import random

    kills = 100 if request.config.getoption("--full") else 8
    chance = random.Random(7)
    run_id = server.client.call("POST", "/runs/tracked", {"display_name": "kills"})["run_id"]
    stop = threading.Event()
    acknowledged: dict[str, list[int]] = {f"m{n}": [] for n in range(4)}
    tags: list[str] = []

    def write_points(name):
        number = 0
        while not stop.is_set():
            number += 1
            body = {"writer": name, "batch": number, "points": [{"name": name, "value": number, "step": number}]}
            while True:
                try:
                    server.client.call("POST", f"/runs/{run_id}/metrics", body, patience=0)
                    acknowledged[name].append(number)
                    break
                except RoostError as error:
                    assert error.code == "unavailable", error
                    if stop.is_set():
                        return
                    time.sleep(0.02)

    def write_tags():
        while not stop.is_set():
            key = f"t{len(tags)}"
            try:
                server.client.call("PUT", f"/runs/{run_id}/tags", {key: "x"}, patience=0)
                tags.append(key)
            except RoostError as error:
                assert error.code == "unavailable", error
                time.sleep(0.02)

    writers = [threading.Thread(target=write_points, args=(name,)) for name in acknowledged] + [threading.Thread(target=write_tags)]
    for writer in writers:
        writer.start()
    for kill in range(kills):
        time.sleep(chance.uniform(0.05, 0.3))
        deadline = time.monotonic() + AT_MOST
        while min(map(len, acknowledged.values())) <= kill:  # each wrote something between the kills
            assert time.monotonic() < deadline, "the writers stand still"
            time.sleep(0.005)
        server.kill()
        server.start()
    stop.set()
    for writer in writers:
        writer.join(AT_MOST)
        assert not writer.is_alive()
    for name, numbers in acknowledged.items():
        points = server.client.get(f"/runs/{run_id}/metrics/history", name=name, limit=100_000)["points"]
        stored = [int(p["value"]) for p in points]
        assert stored == sorted(set(stored)), f"{name}: a point is there twice or out of order"
        assert set(numbers) <= set(stored)
        assert len(numbers) >= kills
    assert set(tags) <= set(server.run(run_id)["tags"])
