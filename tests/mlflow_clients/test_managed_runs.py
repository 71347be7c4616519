"""Scripts that know MLflow alone, submitted to Roost: what they log is in their run, and each side sees the same run."""

from __future__ import annotations

import pytest

from harness import AT_MOST

import mlflow

pytestmark = pytest.mark.only_roost("MLflow's own server runs no scripts")

TRAIN = """
import os, pathlib, time
import mlflow

mlflow.log_param("rate", 0.1)
for step in range(5):
    mlflow.log_metric("loss", 1 / (step + 1), step=step)
mlflow.set_tag("team", "birds")
mlflow.log_dict({"layers": 18}, "config.json")
pathlib.Path("notes.txt").write_text("by hand")
mlflow.log_artifact("notes.txt", "texts")
pathlib.Path("outputs/weights.bin").write_bytes(b"0123456789")
assert mlflow.active_run().info.run_id == os.environ["ROOST_RUN_ID"]
mlflow.end_run()
print("goes on")
"""


def submit(server, folder, *options: str, state: str = "Completed", script: str = "train.py") -> str:
    run_id = server.submit(folder, script, *options)
    run = server.wait_for(run_id, "Completed", "Failed", "Canceled")
    assert run["status"] == state, server.log(run_id).decode()
    return run_id


def values(server, run_id: str, name: str) -> list[float]:
    return [point["value"] for point in server.client.get(f"/runs/{run_id}/metrics/history", name=name)["points"]]


def test_what_a_script_logs_is_its_runs(tracking, client, project, name):
    server = tracking.server
    run_id = submit(server, project({"train.py": TRAIN}), "--experiment", name, "--tag", "from=the desk")
    # As Roost shows it.
    run = server.run(run_id)
    assert run["params"] == {"rate": "0.1"} and "rate = 0.1" in server.roost("show", run_id).stdout
    assert run["tags"]["team"] == "birds" and run["tags"]["from"] == "the desk"
    assert values(server, run_id, "loss") == [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5]
    files = {file["path"]: file["size"] for file in server.client.get(f"/runs/{run_id}/files")["items"]}
    assert files["outputs/weights.bin"] == 10
    assert any(path.endswith("texts/notes.txt") for path in files) and any(path.endswith("config.json") for path in files)
    # As MLflow's client shows it, from outside.
    seen = client.get_run(run_id)
    assert seen.info.status == "FINISHED" and seen.info.end_time >= seen.info.start_time
    assert seen.data.params == {"rate": "0.1"} and seen.data.metrics == {"loss": 1 / 5} and seen.data.tags["team"] == "birds"
    assert [point.value for point in client.get_metric_history(run_id, "loss")] == [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5]
    assert mlflow.artifacts.load_dict(f"runs:/{run_id}/config.json") == {"layers": 18}
    assert mlflow.artifacts.load_text(f"runs:/{run_id}/texts/notes.txt") == "by hand"
    (found,) = client.search_runs([seen.info.experiment_id], "params.rate = '0.1' and metrics.loss < 0.3 and tags.team = 'birds'")
    assert found.info.run_id == run_id
    other = client.create_run(seen.info.experiment_id, run_name="from outside").info.run_id
    client.log_param(other, "rate", 0.7)
    compared = server.roost("compare", run_id, other).stdout
    assert "params.rate" in compared and "0.7" in compared and "metrics.loss" in compared


def test_the_process_and_not_end_run_ends_a_run(tracking, client, project, name):
    """A script that tells MLflow that it is finished may go on for hours."""
    server = tracking.server
    source = project({"train.py": "import mlflow, pathlib, time\nwith mlflow.start_run():\n    mlflow.log_metric('a', 1)\nprint('told', flush=True)\n"
                                  "while not pathlib.Path('outputs/go').exists(): time.sleep(0.05)\nmlflow.MlflowClient().log_metric('%s', 'b', 2)\n"})  # fmt: skip
    script = source / "train.py"
    script.write_text(script.read_text().replace("'%s'", "__import__('os').environ['ROOST_RUN_ID']"))
    run_id = server.submit(source, "train.py", "--experiment", name)
    try:
        server.wait_for(run_id, "Running")
        wait_for_text(server, run_id, b"told")
        assert server.run(run_id)["status"] == "Running"
        assert client.get_run(run_id).info.status == "RUNNING"
    finally:
        (outputs,) = server.folder.glob(f"runs/{run_id}/attempt-1/**/outputs")
        (outputs / "go").touch()
    assert server.wait_for(run_id, "Completed", "Failed")["status"] == "Completed"
    assert client.get_run(run_id).data.metrics == {"a": 1, "b": 2}


def wait_for_text(server, run_id: str, text: bytes, seconds: float = AT_MOST) -> None:
    import time

    end = time.monotonic() + seconds
    while text not in server.log(run_id):
        assert time.monotonic() < end, server.log(run_id).decode()
        time.sleep(0.05)


def test_nested_runs_are_children(tracking, client, project, name):
    server = tracking.server
    source = project({"train.py": "import mlflow\nwith mlflow.start_run() as run:\n"
                                  "    for rate in (0.1, 0.2):\n        with mlflow.start_run(nested=True, run_name=f'rate {rate}'):\n"
                                  "            mlflow.log_param('rate', rate)\n            mlflow.log_metric('loss', rate)\n"})  # fmt: skip
    run_id = submit(server, source, "--experiment", name)
    experiment = client.get_run(run_id).info.experiment_id
    children = client.search_runs([experiment], f"tags.mlflow.parentRunId = '{run_id}'", order_by=["metrics.loss ASC"])
    assert [(child.info.run_name, child.info.status, child.data.metrics["loss"]) for child in children] == [("rate 0.1", "FINISHED", 0.1), ("rate 0.2", "FINISHED", 0.2)]
    assert {child["run_id"] for child in server.client.get(f"/runs/{run_id}/children")["items"]} == {child.info.run_id for child in children}


def test_a_script_that_fails(tracking, client, project, name):
    source = project({"train.py": "import mlflow\nwith mlflow.start_run():\n    mlflow.log_metric('a', 1)\n    raise ValueError('no such bird')\n"})
    run_id = submit(tracking.server, source, "--experiment", name, state="Failed")
    assert "no such bird" in tracking.server.run(run_id)["error"]["message"]
    seen = client.get_run(run_id)
    assert seen.info.status == "FAILED" and seen.data.metrics == {"a": 1}


def test_autologging_and_a_model_for_the_registry(tracking, client, project, name):
    pytest.importorskip("sklearn", reason="scikit-learn is not installed (tests/requirements.txt)")
    source = project({"train.py": f"""
import mlflow
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
mlflow.sklearn.autolog(silent=True, log_datasets=False, registered_model_name={name!r})
LogisticRegression(max_iter=300).fit(*load_iris(return_X_y=True))
"""})  # fmt: skip
    run_id = submit(tracking.server, source, "--experiment", name)
    seen = client.get_run(run_id)
    assert seen.data.params["max_iter"] == "300" and seen.data.metrics["training_accuracy_score"] > 0.9
    version = client.get_model_version(name, "1")
    assert version.run_id == run_id
    from sklearn.datasets import load_iris

    inputs, targets = load_iris(return_X_y=True)
    loaded = mlflow.sklearn.load_model(f"models:/{name}/1")
    assert (loaded.predict(inputs) == targets).mean() > 0.9
    (listed,) = [model for model in tracking.server.client.get("/models")["items"] if model["name"] == name]
    assert listed["latest_version"] == 1


def test_a_script_of_both_worlds(tracking, client, project, name):
    """Azure ML's Run and MLflow's calls in one script speak of one run."""
    source = project({"train.py": "import mlflow\nfrom azureml.core import Run\nrun = Run.get_context()\nrun.log('loss', 0.5)\nmlflow.log_metric('accuracy', 0.75)\n"
                                  "assert mlflow.active_run().info.run_id == run.id\nrun.flush()\nassert run.get_metrics()['accuracy'] == 0.75\n"})  # fmt: skip
    run_id = submit(tracking.server, source, "--experiment", name)
    assert client.get_run(run_id).data.metrics == {"loss": 0.5, "accuracy": 0.75}


def test_another_server_stays_the_users(tracking, project, name, tmp_path):
    """Who names a tracking server keeps it: nothing of ours is mixed in."""
    source = project({"train.py": "import mlflow, os\nassert 'MLFLOW_RUN_ID' not in os.environ and 'MLFLOW_TRACKING_TOKEN' not in os.environ\n"
                                  "with mlflow.start_run():\n    mlflow.log_metric('a', 1)\n"})  # fmt: skip
    elsewhere = f"sqlite:///{tmp_path}/elsewhere.db"
    run_id = submit(tracking.server, source, "--experiment", name, "--env", f"MLFLOW_TRACKING_URI={elsewhere}")
    assert tracking.server.client.get(f"/runs/{run_id}/metrics")["items"] == []
    (theirs,) = mlflow.MlflowClient(elsewhere).search_runs(["0"])
    assert theirs.data.metrics == {"a": 1}
