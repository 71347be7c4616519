"""Clusters whose nodes are slots of the machine: queueing against them, scaling, restarts, deletion, sizes without their GPUs."""

import json
import time

import pytest

from harness import AT_MOST
from roost.client import RoostError

WAIT = "import pathlib, sys, time\nwhile not pathlib.Path(sys.argv[1]).exists(): time.sleep(0.02)\n"


def make(server, name="blue", **settings):
    return server.client.call("POST", "/compute", {"name": name, "vm_size": "STANDARD_A1_V2", "max_nodes": 2, **settings})


def nodes(server, name="blue"):
    return server.client.get(f"/compute/{name}/nodes")["items"]


def until(condition):
    deadline = time.monotonic() + AT_MOST
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


def submit(server, folder, go, target="blue"):
    return json.loads(server.roost("submit", "--json", "--target", target, str(folder), "wait.py", "--", str(go)).stdout)


def gone(server, name="blue"):
    try:
        server.client.get(f"/compute/{name}")
    except RoostError as error:
        assert error.code == "not_found"
        return True
    return False


def test_runs_share_a_clusters_nodes_and_survive_restarts_with_them(server, project, tmp_path):
    make(server, max_nodes=1, idle_seconds_before_scaledown=1)
    folder, go = project({"wait.py": WAIT}), [tmp_path / "one", tmp_path / "two"]
    first, second = (submit(server, folder, file) for file in go)
    server.wait_for(first["run_id"], "Running")
    assert server.run(second["run_id"])["reason"] == "Waiting for a node of blue (1 of 1 busy)"
    assert [node["run_id"] for node in nodes(server)] == [first["run_id"]]
    server.kill()
    server.start()
    assert [node["run_id"] for node in nodes(server)] == [first["run_id"]]
    assert server.run(second["run_id"])["status"] == "Queued"
    go[0].touch()
    assert server.wait_for(first["run_id"])["status"] == "Completed"
    server.wait_for(second["run_id"], "Running")
    assert [(node["node_id"], node["state"], node["run_id"]) for node in nodes(server)] == [("blue-1", "running", second["run_id"])]
    go[1].touch()
    assert server.wait_for(second["run_id"])["status"] == "Completed"
    until(lambda: nodes(server) == [])


def test_a_node_whose_run_ended_while_the_server_was_away_is_free(server, project, tmp_path):
    make(server, max_nodes=1)
    go = tmp_path / "go"
    run = submit(server, project({"wait.py": WAIT}), go)
    server.wait_for(run["run_id"], "Running")
    server.kill()
    go.touch()
    time.sleep(0.5)
    server.start()
    assert server.wait_for(run["run_id"])["status"] == "Completed"
    until(lambda: [node["state"] for node in nodes(server)] == ["idle"])


def test_deleting_a_cluster_ends_its_runs_with_the_reason(server, project, tmp_path):
    make(server, max_nodes=1)
    folder = project({"wait.py": WAIT})
    running, waiting = (submit(server, folder, tmp_path / "never") for _ in range(2))
    server.wait_for(running["run_id"], "Running")
    assert "Deleting blue" in server.roost("compute", "delete", "blue").stdout
    failed = server.wait_for(waiting["run_id"])
    assert failed["status"] == "Failed" and failed["reason"] == "The compute target 'blue' was deleted while the run waited for it"
    assert failed["error"]["code"] == "StartFailed"
    canceled = server.wait_for(running["run_id"])
    assert canceled["status"] == "Canceled" and canceled["reason"] == "Canceled: its compute target 'blue' was deleted"
    until(lambda: gone(server))


def test_a_size_without_its_gpus_is_told_or_refused(make_server, project):
    server = make_server()
    if server.client.get("/server")["resources"]["gpus"]:
        pytest.skip("this machine has GPUs")
    folder = project({"a.py": "print('done')"})
    created = server.roost("compute", "create", "gpu-cluster", "--max-nodes", "1")
    assert "STANDARD_NC6" in created.stdout and "runs have CPUs only" in created.stderr
    sentence = "STANDARD_NC6 promises 1 GPU; this machine has none, so the run has CPUs only"
    submitted = server.roost("submit", "--target", "gpu-cluster", "--gpus", "1", "--watch", str(folder), "a.py")
    assert submitted.stderr.count(sentence) == 1 and "done" in submitted.stdout
    (run,) = server.client.get("/runs")["items"]
    assert run["properties"]["roost.gpu_substitution"] == sentence
    server.stop()

    server.start("--gpu", "require")
    refused = server.roost("submit", "--target", "gpu-cluster", str(folder), "a.py", check=False)
    assert refused.returncode == 2 and "--gpu require" in refused.stderr


def test_the_operators_table_of_sizes_is_used(make_server, tmp_path):
    server = make_server(start=False)
    table = {"items": [{"name": "box", "cpus": 1, "memory_mb": 512}]}
    server.folder.mkdir()
    (server.folder / "vm-sizes.json").write_text(json.dumps(table))
    server.start()
    sizes = {size["name"]: size for size in json.loads(server.roost("compute", "sizes", "--json").stdout)["items"]}
    assert sizes["BOX"] == {"name": "BOX", "cpus": 1, "gpus": 0, "memory_mb": 512} and "STANDARD_NC6" in sizes
    assert make(server, vm_size="box", max_nodes=1)["node"] == {"cpus": 1, "gpus": 0, "memory_mb": 512}
    server.stop()

    # What was made stays what it was; a file that is wrong is named and the server does not start.
    table["items"][0]["cpus"] = 64
    (server.folder / "vm-sizes.json").write_text(json.dumps(table))
    server.start()
    assert server.client.get("/compute/blue")["wanted"]["cpus"] == 1
    server.stop()
    other = tmp_path / "sizes.json"
    other.write_text('{"items": [{"name": "box"}]}')
    server.start("--vm-sizes", str(other), check=False)
    assert server.process.wait(AT_MOST) == 2
    assert "sizes.json is not usable" in server.printed() and "cpus" in server.printed()


def test_the_command_line_shows_and_changes_clusters(server):
    server.roost("compute", "create", "blue", "--size", "standard_a1_v2", "--max-nodes", "2", "--min-nodes", "1", "--idle", "2m", "--tag", "team=a")
    listed = server.roost("compute").stdout
    assert "local" in listed and "blue" in listed and "STANDARD_A1_V2" in listed
    changed = json.loads(server.roost("compute", "update", "blue", "--min-nodes", "0", "--remove-tag", "team", "--description", "x", "--json").stdout)
    assert (changed["min_nodes"], changed["max_nodes"], changed["idle_seconds_before_scaledown"]) == (0, 2, 120)
    assert changed["tags"] == {} and changed["description"] == "x"
    shown = server.roost("compute", "show", "blue").stdout
    assert "blue-1" in shown and "after 120 idle seconds" in shown
    assert server.roost("compute", "update", "blue", check=False).returncode == 2
    assert server.roost("compute", "create", "blue", "--max-nodes", "9", check=False).returncode == 5
    assert "Deleting blue" in server.roost("compute", "delete", "blue").stdout
    until(lambda: gone(server))
    assert server.roost("compute", "show", "blue", check=False).returncode == 4
