"""A control script's day: submit, wait, look, download, register; interactive runs."""

import io
import json
import os
import pathlib
import subprocess
import sys
import threading
import time
import zipfile
from contextlib import redirect_stdout

import pytest

from harness import AT_MOST, SDK
from sdk.support import write_config

from azureml.core import Environment, Experiment, Model, Run, ScriptRun, ScriptRunConfig
from azureml.core.runconfig import MpiConfiguration, PyTorchConfiguration, RunConfiguration
from azureml.core.resource_configuration import ResourceConfiguration
from azureml.exceptions import (
    ActivityFailedException,
    ComputeTargetException,
    ExperimentExecutionException,
    ModelPathNotFoundException,
    ServiceException,
    SnapshotException,
    UserErrorException,
)

CONTROL = """
from azureml.core import Workspace
from azureml.core import Experiment
from azureml.core import Environment
from azureml.core import ScriptRunConfig

if __name__ == "__main__":
    ws = Workspace.from_config()
    experiment = Experiment(workspace=ws, name='day1-experiment-train')
    config = ScriptRunConfig(source_directory='./src', script='train.py', compute_target='local', arguments=['--epochs', 2])

    env = Environment('mine')
    env.python.user_managed_dependencies = True
    config.run_config.environment = env

    run = experiment.submit(config)
    print(run.get_portal_url())
    run.wait_for_completion(show_output=True)
    run.register_model(model_name='net', model_path='outputs/')
"""
TRAIN = """
import argparse, os
from azureml.core import Run

parser = argparse.ArgumentParser()
parser.add_argument('--epochs', type=int)
run = Run.get_context()
for epoch in range(parser.parse_args().epochs):
    print('epoch', epoch)
    run.log('loss', 1 / (epoch + 1))
print(os.environ.get('COLOUR'))
os.makedirs('outputs', exist_ok=True)
open('outputs/model.pt', 'w').write('weights')
"""


def test_a_script_as_the_tutorial_has_it_runs_in_a_process_of_its_own(shared_server, tmp_path, project):
    write_config(tmp_path, shared_server)
    project({"train.py": TRAIN})
    (tmp_path / "run.py").write_text(CONTROL)
    done = subprocess.run([sys.executable, "run.py"], cwd=tmp_path, env={"PATH": os.environ["PATH"], "PYTHONPATH": str(SDK), "HOME": str(tmp_path)},
                          capture_output=True, text=True, timeout=AT_MOST)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    run_id = lines[1].split()[1]
    assert run_id.startswith("day1-experiment-train_")
    assert lines[0] == f"{shared_server.url}/#{run_id}"
    assert lines[1:] == [
        f"RunId: {run_id}", f"Web View: {lines[0]}", "", "Streaming azureml-logs/70_driver_log.txt", "=" * 40, "", "epoch 0", "epoch 1", "None", "",
        "Execution Summary", "=================", f"RunId: {run_id}", f"Web View: {lines[0]}", "",
    ]  # fmt: skip
    row = shared_server.run(run_id)
    assert row["properties"]["roost.environment"] == "mine"
    assert row["definition"]["arguments"] == ["--epochs", "2"] and row["definition"]["environment"]["python"] == {"interpreter": sys.executable}
    assert shared_server.client.get("/models/net/versions/1/files")["items"][0]["path"] == "model.pt"


@pytest.fixture
def experiment(ws):
    return Experiment(ws, "control")


def test_a_run_from_outside(experiment, project):
    env = Environment("mine")
    env.environment_variables = {"COLOUR": "red"}
    config = ScriptRunConfig(project({"train.py": TRAIN}), "train.py", ["--epochs", 3], environment=env)
    run = experiment.submit(config, tags={"team": "vision", "n": 1})
    assert isinstance(run, ScriptRun) and run.experiment is experiment and run.type == "azureml.scriptrun"
    details = run.wait_for_completion()
    assert details["status"] == run.get_status() == run.status == "Completed" and details["runId"] == run.id
    assert details["runDefinition"]["script"] == "train.py" and details["target"] == "local"
    assert "red" in run.get_details_with_logs()["logFiles"]["azureml-logs/70_driver_log.txt"]
    assert run.get_tags() == {"team": "vision", "n": "1"}
    run.tag("team", "speech")
    run.remove_tags("n")
    assert run.tags == {"team": "speech"}
    run.add_properties({"p": "1"})
    assert run.properties["p"] == "1"
    with pytest.raises(ServiceException):
        run.add_properties({"p": "2"})
    assert run.get_metrics() == {"loss": [1, 1 / 2, 1 / 3]}
    assert {"outputs/model.pt", "azureml-logs/70_driver_log.txt"} <= set(run.get_file_names())
    run.download_file("outputs/model.pt")
    run.download_files("outputs/", "got")
    run.download_file("azureml-logs/70_driver_log.txt", "log.txt")
    assert pathlib.Path("model.pt").read_text() == pathlib.Path("got/outputs/model.pt").read_text() == "weights"
    assert "epoch 2" in pathlib.Path("log.txt").read_text()
    assert pathlib.Path(run.restore_snapshot()).stat().st_size > 0 and run.get_snapshot_id() == details["properties"]["ContentSnapshotId"]

    environment = run.get_environment()
    assert environment.name == "mine" and environment.python.interpreter_path == sys.executable and environment.environment_variables == {"COLOUR": "red"}
    same = Run(experiment, run.id)
    assert same.get_details() == run.get_details() and Run.get(experiment.workspace, run.id).number == run.number
    assert f"Id: {run.id},\nType: azureml.scriptrun,\nStatus: Completed" in repr(run)
    with pytest.raises(UserErrorException, match="belongs to experiment 'control'"):
        Run(Experiment(experiment.workspace, "another"), run.id)
    with pytest.raises(ServiceException):
        Run(experiment, "nothing")


def test_register_model_takes_a_prefix_of_whole_names(experiment, project):
    config = ScriptRunConfig(project({}), command="mkdir -p outputs/net outputs/network && echo a > outputs/net/a && echo b > outputs/net/b && echo c > outputs/network/c")
    run = experiment.submit(config)
    run.wait_for_completion()
    folder = run.register_model("folder", "./outputs/net/", tags={"k": "v"}, properties={"p": "q"}, model_framework="PyTorch", description="d")
    assert (folder.name, folder.version, folder.id, folder.run_id, folder.model_framework) == ("folder", 1, "folder:1", run.id, "PyTorch")
    assert folder.run.id == run.id and folder.experiment_name == "control"
    assert sorted(os.listdir(folder.download("got"))) == ["a", "b"]
    single = run.register_model("single", model_path="outputs/net/b")
    assert single.download("got") == "got/b" and pathlib.Path("got/b").read_text() == "b\n"
    assert run.register_model("single", model_path="outputs/net/a").version == 2
    with pytest.raises(ModelPathNotFoundException, match=r"Could not locate the provided model_path outputs/ne in the set of files uploaded to the run: \["):
        run.register_model("bad", "outputs/ne")
    with pytest.raises(UserErrorException, match="datasets"):
        run.register_model("bad", "outputs/net", datasets=[1])


def test_a_failed_run_raises_and_prints_its_error(experiment, project):
    config = ScriptRunConfig(project({"a.py": "raise KeyError('bird')"}), "a.py")
    with pytest.raises(ActivityFailedException, match="Activity Failed:\n{") as caught:
        experiment.submit(config).wait_for_completion(show_output=False)
    assert "KeyError" in caught.value.message
    printed = io.StringIO()
    with redirect_stdout(printed):
        details = experiment.submit(config).wait_for_completion(show_output=True, raise_on_error=False)
    assert details["status"] == "Failed"
    error = json.loads(printed.getvalue().split("\nError:\n")[1])
    assert error == details["error"] and error["error"]["code"] == "UserError"


def test_cancelling(experiment, project):
    run = experiment.submit(ScriptRunConfig(project({"a.py": "import time; time.sleep(600)"}), "a.py"))
    run.cancel()
    assert run.wait_for_completion(wait_post_processing=True)["status"] == "Canceled"


def test_waiting_outlives_the_server(make_server, project, tmp_path, monkeypatch):
    from azureml.core import Workspace

    server = make_server()
    ws = Workspace.from_config(write_config(tmp_path, server))
    run = Experiment(ws, "e").submit(ScriptRunConfig(project({"a.py": "import time\nfor n in range(6): print(n, flush=True); time.sleep(1)"}), "a.py"))
    printed, details = io.StringIO(), []
    with redirect_stdout(printed):
        waiting = threading.Thread(target=lambda: details.append(run.wait_for_completion(show_output=True)))
        waiting.start()
        deadline = time.monotonic() + AT_MOST
        while "\n1\n" not in printed.getvalue() and time.monotonic() < deadline:
            time.sleep(0.05)
        server.kill()
        time.sleep(1)
        server.start()
        waiting.join(AT_MOST)
    assert [d["status"] for d in details] == ["Completed"]
    assert printed.getvalue().count("\n0\n1\n2\n3\n4\n5\n") == 1


def test_commands_and_resources(experiment, project):
    config = ScriptRunConfig(project({}), command=["export X=1 &&", "echo", "$X", 2, ">", "outputs/said"])
    config.run_config.resources = ResourceConfiguration(cpu=0.5, memory_in_gb=0.25)
    config.run_config.max_run_duration_seconds = 90
    run = experiment.submit(config)
    run.wait_for_completion()
    run.download_file("outputs/said")
    assert pathlib.Path("said").read_text() == "1 2\n"
    definition = Run.get(experiment.workspace, run.id)._row()["definition"]
    assert definition["resources"] == {"cpus": 0.5, "gpus": 0, "memory_mb": 256} and definition["time_limit_seconds"] == 90


def test_git_and_children(experiment, project):
    source = project({"a.py": "from azureml.core import Run, ScriptRunConfig\nRun.get_context().submit_child(ScriptRunConfig('.', 'b.py')).wait_for_completion()",
                      "b.py": "print('child')"})  # fmt: skip
    for command in (["init", "-qb", "trunk"], ["add", "."], ["-c", "user.name=n", "-c", "user.email=e", "commit", "-qm", "m"]):
        subprocess.run(["git", "-C", str(source), *command], check=True)
    (source / "a.py").write_text((source / "a.py").read_text() + "\n")
    run = experiment.submit(ScriptRunConfig(source, "a.py"))
    run.wait_for_completion()
    properties = run.get_properties()
    assert properties["azureml.git.branch"] == "trunk" and properties["azureml.git.dirty"] == "True" and len(properties["mlflow.source.git.commit"]) == 40
    (child,) = run.get_children()
    assert child.parent.id == run.id and child.status == "Completed" and isinstance(child, ScriptRun)
    with run.child_run("by hand") as by_hand:
        by_hand.log("x", 1)
    assert [each.id for each in run.get_children()] == [by_hand.id, child.id]
    assert child.id not in [each.id for each in experiment.get_runs()]
    assert {child.id, by_hand.id, run.id} <= {each.id for each in experiment.get_runs(include_children=True)}


def test_mistakes_are_told_before_anything_is_sent(experiment, project, shared_server):
    source = project({"a.py": ""})
    before = len(list(experiment.get_runs()))

    def configured(change):
        config = ScriptRunConfig(source, "a.py")
        change(config)
        return config

    def conda(config):
        config.run_config.environment.python.conda_dependencies = {"dependencies": ["python=3.8"]}

    for config, error, said in [
        (ScriptRunConfig(source, "b.py"), ExperimentExecutionException, "script path doesn't exist"),
        (ScriptRunConfig(source), ExperimentExecutionException, "needs a script or a command"),
        (ScriptRunConfig(source, "a.py", command="true"), ExperimentExecutionException, "not both"),
        (ScriptRunConfig(source, command="true", arguments=[1]), ExperimentExecutionException, "arguments go with a script"),
        (ScriptRunConfig(source, "a.py", [object()]), UserErrorException, "not object"),
        (ScriptRunConfig(source, "a.py", compute_target="gpu-cluster"), ComputeTargetException, "gpu-cluster"),
        (ScriptRunConfig(source, "a.py", distributed_job_config=MpiConfiguration(2)), NotImplementedError, "torchrun"),
        (configured(conda), UserErrorException, "must be CondaDependencies, not dict"),
        (configured(lambda config: config.run_config.data.update(x=1)), UserErrorException, "the input 'x' must be"),
        ("a.py", NotImplementedError, "ScriptRunConfig"),
    ]:
        with pytest.raises(error, match=said):
            experiment.submit(config)
    with pytest.raises(UserErrorException, match="regenerate_outputs"):
        experiment.submit(ScriptRunConfig(source, "a.py"), regenerate_outputs=True)
    with pytest.warns(UserWarning, match="priority"):
        experiment.submit(configured(lambda config: setattr(config.run_config, "priority", 1))).wait_for_completion()
    with pytest.warns(UserWarning, match="docker settings have no meaning"):
        experiment.submit(configured(lambda config: setattr(config.run_config.environment.docker, "shm_size", "8g"))).wait_for_completion()
    assert len(list(experiment.get_runs())) == before + 2


def test_distributed_configurations_are_kept(project):
    config = ScriptRunConfig(".", "a.py", distributed_job_config=PyTorchConfiguration("Gloo", process_count=4, node_count=2)).run_config
    assert (config.framework, config.communicator, config.node_count, config.pytorch.process_count) == ("PyTorch", "gloo", 2, 4)
    config = ScriptRunConfig(".", "a.py", distributed_job_config=MpiConfiguration(2, 3)).run_config
    assert (config.framework, config.communicator, config.node_count, config.mpi.process_count_per_node) == ("Python", "IntelMpi", 3, 2)
    from azureml.exceptions import RunConfigurationException

    with pytest.raises(RunConfigurationException, match="mpi is not a supported backend"):
        PyTorchConfiguration("mpi")
    for bad in (lambda: PyTorchConfiguration(process_count=3, node_count=2), lambda: MpiConfiguration(0), lambda: ScriptRunConfig(".", distributed_job_config="mpi")):
        with pytest.raises(RunConfigurationException):
            bad()
    with pytest.warns(UserWarning, match="compute_target, environment is not used"):
        ScriptRunConfig(".", "a.py", run_config=RunConfiguration(), compute_target="local", environment=Environment("e"))


def test_too_large_a_folder(experiment, project):
    source = project({"a.py": ""})
    with open(source / "data.bin", "wb") as file:
        file.truncate((300 << 20) + 1)
    with pytest.raises(SnapshotException, match=r"Your total snapshot size exceeds the limit of 300.0 MB.\nThe largest: data.bin \(300.0 MB\)"):
        experiment.submit(ScriptRunConfig(source, "a.py"))
    (source / ".amlignore").write_text("*.bin\n")
    for n in range(2001):
        (source / f"{n}.txt").touch()
    with pytest.raises(SnapshotException, match=r"Your project exceeds the file limit of 2000.\nThe fullest folders: /"):
        experiment.submit(ScriptRunConfig(source, "a.py"))


def test_an_interactive_run(experiment, project, monkeypatch):
    monkeypatch.chdir(project({"notebook.py": "1"}))
    run = experiment.start_logging(display_name="by hand")
    assert run.get_status() == "Running" and run.type == "Run" and run.display_name == "by hand" and run.get_snapshot_id().startswith("b2:")
    run.log("loss", 0.5)
    run.upload_file("outputs/w.bin", "notebook.py")
    run.complete()
    assert run.get_status() == "Completed" and run.get_metrics() == {"loss": 0.5}
    assert run.register_model("by-hand", "outputs/w.bin").version == 1
    with pytest.raises(ValueError), experiment.start_logging(snapshot_directory=None) as broken:
        raise ValueError("no")
    assert broken.status == "Failed" and broken.get_snapshot_id() is None
    assert broken.get_details()["error"]["error"]["message"] == "User program failed with ValueError: no"
    stopped = experiment.start_logging(snapshot_directory=None)
    stopped.fail("by choice", "Mine")
    assert stopped.get_details()["error"]["error"] == {"code": "Mine", "message": "by choice"}
    cancelled = experiment.start_logging(snapshot_directory=None)
    cancelled.cancel()
    assert cancelled.status == "Canceled"
    with pytest.raises(UserErrorException, match="not submitted"):
        run.get_environment()
    with pytest.raises(NotImplementedError, match="Run.get_secret is not here"):
        run.get_secret("x")
    assert run.input_datasets == {} == run.output_datasets
    assert Model(experiment.workspace, run_id=run.id).name == "by-hand"


def test_an_interactive_runs_outputs(experiment, project, monkeypatch):
    monkeypatch.chdir(project({"notebook.py": "1"}))
    run = experiment.start_logging(outputs="results", snapshot_directory=None)
    pathlib.Path("results/deep").mkdir()
    pathlib.Path("results/deep/a.txt").write_text("a")
    pathlib.Path("results/b.txt").write_text("half")
    run.upload_file("results/b.txt", "results/b.txt")
    pathlib.Path("results/b.txt").write_text("whole")
    with run.child_run(outputs="results/deep") as child:
        assert child.get_file_names() == []
    assert child.get_file_names() == ["results/deep/a.txt"] and run.get_file_names() == ["results/b.txt"]
    run.complete()
    assert run.get_file_names() == ["results/b.txt", "results/deep/a.txt"]
    run.download_file("results/b.txt", "got")
    assert pathlib.Path("got").read_text() == "whole"

    open_run = experiment.start_logging(snapshot_directory=None)
    elsewhere = project({"c.txt": "c"}, "elsewhere")
    Run(experiment, open_run.id, outputs=str(elsewhere)).complete()
    assert open_run.get_file_names() == ["elsewhere/c.txt"] and open_run.status == "Completed"
    for place in (".", ".."):
        with pytest.raises(UserErrorException, match="holds the current folder"):
            experiment.start_logging(outputs=place, snapshot_directory=None)


def test_an_interactive_runs_snapshot_is_taken_once(experiment, project, monkeypatch):
    monkeypatch.chdir(project({"notebook.py": "1", "src/a.py": "2"}))
    run = experiment.start_logging(snapshot_directory=None)
    assert run.get_snapshot_id() is None
    snapshot = run.take_snapshot("src")
    assert run.get_snapshot_id() == snapshot and zipfile.ZipFile(run.restore_snapshot()).namelist() == ["a.py"]
    with pytest.raises(SnapshotException, match="has a snapshot already"):
        run.take_snapshot("src")
    run.complete()
    alone = experiment.start_logging(snapshot_directory=None)
    alone.take_snapshot("notebook.py")
    assert zipfile.ZipFile(alone.restore_snapshot()).namelist() == ["notebook.py"]
    with pytest.raises(SnapshotException, match="nowhere"):
        experiment.start_logging(snapshot_directory=None).take_snapshot("nowhere")


def test_the_folder_of_a_run(experiment, project):
    source = project({"a.py": ""})
    run = experiment.submit(ScriptRunConfig(source, "a.py"))
    assert run.directory == str(source) == ScriptRun(experiment, run.id, directory=str(source)).directory
    assert ScriptRun(experiment, run.id).directory is None
    with pytest.raises(UserErrorException, match="there is no folder nowhere"):
        ScriptRun(experiment, run.id, directory="nowhere")


def test_a_second_attempt_to_log_in_an_archived_experiment(ws):
    experiment = Experiment(ws, "to-archive")
    experiment.start_logging(snapshot_directory=None).complete()
    experiment.archive()
    assert experiment.archived_time and "to-archive" not in ws.experiments
    assert [each.name for each in Experiment.list(ws, view_type="ArchivedOnly")] == ["to-archive"]
    experiment.reactivate()
    assert experiment.archived_time is None and "to-archive" in ws.experiments


def test_experiments(ws):
    experiment = Experiment(ws, "first")
    assert Experiment(ws, "first").id == experiment.id and experiment.workspace is ws
    experiment.set_tags({"a": 1, "b": 2})
    experiment.tag("c", "3")
    experiment.remove_tags("b")
    assert experiment.tags == {"a": "1", "c": "3"}
    Experiment(ws, "second")
    assert [each.name for each in Experiment.list(ws, tags={"a": 1})] == ["first"] == [each.name for each in Experiment.list(ws, tags="c")]
    assert [each.name for each in Experiment.list(ws, experiment_name="second")] == ["second"]
    for bad in ("", "a b", ".x", "x" * 256):
        with pytest.raises(UserErrorException, match="no experiment name"):
            Experiment(ws, bad)
    Experiment.delete(ws, Experiment(ws, "second").id)
    assert "second" not in ws.experiments
    with pytest.raises(ServiceException, match="deleted"):
        Experiment(ws, "second")

    runs = [experiment.start_logging(snapshot_directory=None) for _ in range(3)]
    runs[0].tag("kind", "x")
    runs[1].tag("kind", "y")
    runs[2].complete()
    assert [run.id for run in experiment.get_runs()] == [run.id for run in reversed(runs)]
    assert [run.id for run in experiment.get_runs(tags="kind")] == [runs[1].id, runs[0].id]
    assert [run.id for run in experiment.get_runs(tags={"kind": "x"})] == [runs[0].id]
    assert [run.id for run in Run.list(experiment, status="Completed")] == [runs[2].id]
    assert [*experiment.get_runs(type="azureml.scriptrun")] == []


def test_variables_in_arguments_have_the_values_of_the_node(experiment, project):
    config = ScriptRunConfig(project({"a.py": "import sys; print(sys.argv[1:])"}), "a.py", arguments=["--out", "$AZUREML_RUN_ID/x", "${WHO}", "$NOBODY"])
    config.run_config.environment.environment_variables = {"WHO": "me"}
    run = experiment.submit(config)
    run.wait_for_completion()
    assert f"['--out', '{run.id}/x', 'me', '$NOBODY']" in run.get_details_with_logs()["logFiles"]["azureml-logs/70_driver_log.txt"]
