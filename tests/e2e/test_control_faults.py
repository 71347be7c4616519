"""What goes wrong for the user of a control script, and what is said."""

from __future__ import annotations

import pathlib
import sys
import threading

import pytest

from e2e.conftest import build_options
from harness import AT_MOST, FINAL, Server, end_runs
from roost.client import Client
from sdk.support import write_config

from azureml.core import Environment, Experiment, ScriptRunConfig, Workspace
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.conda_dependencies import CondaDependencies
from azureml.core.runconfig import RunConfiguration
from azureml.exceptions import (
    ActivityFailedException,
    AuthenticationException,
    ComputeTargetException,
    UserErrorException,
)
from azureml.train.estimator import Estimator


@pytest.fixture
def ws(desk) -> Workspace:
    (desk / "src").mkdir()
    (desk / "src" / "hello.py").write_text("print('hello')\n")
    return Workspace.from_config()


def submit(ws, **config):
    return Experiment(ws, "faults").submit(ScriptRunConfig("src", "hello.py", **config))


@pytest.fixture
def impatient(monkeypatch):
    """Requests are repeated for a second instead of half a minute before they say that nobody answers."""
    call = Client.call
    monkeypatch.setattr(Client, "call", lambda self, *given, **more: call(self, *given, **{"patience": 1, **more}))


SLOW = """
import pathlib, sys, time
print("before", flush=True)
while not pathlib.Path(sys.argv[1]).exists():
    time.sleep(0.02)
print("after", flush=True)
"""


@pytest.mark.parametrize("show_output", [True, False])
def test_waiting_survives_the_server(impatient, no_other_server, server, project, tmp_path, monkeypatch, capfd, show_output):
    monkeypatch.chdir(tmp_path)
    write_config(tmp_path, server, "config.json")
    go, answers = tmp_path / "go", []
    run = Experiment(Workspace.from_config(), "away").submit(ScriptRunConfig(project({"slow.py": SLOW}), "slow.py", [str(go)]))
    waiting = threading.Thread(target=lambda: answers.append(run.wait_for_completion(show_output=show_output)))
    waiting.start()
    server.wait_for(run.id, "Running")
    server.kill()
    said = ""
    while "waiting goes on" not in said:  # the waiting thread has met the closed door
        said += capfd.readouterr().err
        assert waiting.is_alive()
        waiting.join(0.05)
    go.touch()
    server.start()
    waiting.join(AT_MOST)
    assert not waiting.is_alive() and answers[0]["status"] == "Completed"
    printed = capfd.readouterr().out
    if show_output:
        assert printed.count("after") == 1 and "Execution Summary" in printed and "waiting goes on" not in printed


def test_use_gpu_where_the_operator_requires_gpus(make_server, no_other_server, project, tmp_path, monkeypatch):
    server = make_server("--gpu", "require")
    if server.client.get("/server")["resources"]["gpus"]:
        pytest.skip("this machine has GPUs")
    monkeypatch.setattr("azureml.core._warnings._said", set())  # of other tests, which look for what is told once
    monkeypatch.chdir(tmp_path)
    write_config(tmp_path, server, "config.json")
    ws, source = Workspace.from_config(), project({"a.py": "print('never')"})
    AmlCompute.create(ws, "cpu-cluster", AmlCompute.provisioning_configuration("STANDARD_A1_V2", max_nodes=1))
    AmlCompute.create(ws, "gpu-cluster", AmlCompute.provisioning_configuration("STANDARD_NC6", max_nodes=1))
    for target in ("local", "cpu-cluster", "gpu-cluster"):
        with pytest.raises(UserErrorException, match="--gpu require"):
            Experiment(ws, "gpus").submit(Estimator(source, compute_target=target, entry_script="a.py", use_gpu=True))
    assert server.client.get("/runs")["items"] == []


def test_a_wrong_token(desk, torch_server):
    write_config(desk, torch_server, "config.json", roost_token="not this one", roost_token_file="")
    with pytest.raises(AuthenticationException, match="token"):
        Workspace.from_config().experiments


def test_a_server_that_is_not_there(impatient, desk, torch_server):
    write_config(desk, torch_server, "config.json", roost_url="http://127.0.0.1:9")
    with pytest.raises(Exception, match="127.0.0.1:9"):
        Workspace.from_config().experiments


def test_missing_compute(ws):
    with pytest.raises(ComputeTargetException, match="ComputeTargetNotFound"):
        ComputeTarget(ws, "nowhere")
    with pytest.raises(ComputeTargetException, match="nowhere"):
        submit(ws, compute_target="nowhere")


def test_conflicting_names(ws):
    AmlCompute.create(ws, "mine", AmlCompute.provisioning_configuration("STANDARD_A1_V2", max_nodes=1))
    with pytest.raises(ComputeTargetException, match="mine"):
        AmlCompute.create(ws, "mine", AmlCompute.provisioning_configuration("STANDARD_NC6", max_nodes=1))
    with pytest.raises(ComputeTargetException, match="reserved"):
        AmlCompute.create(ws, "local", AmlCompute.provisioning_configuration("STANDARD_NC6", max_nodes=1))
    # A curated environment that was changed.
    changed = ws.environments["AzureML-PyTorch-1.6-CPU"]
    changed.python.conda_dependencies.add_pip_package("scikit-learn")
    for attempt in (lambda: changed.register(ws), lambda: submit(ws, environment=changed)):
        with pytest.raises(Exception, match=r"(?s)AzureML-PyTorch-1\.6-CPU.*clone"):
            attempt()
    assert changed.clone("mine").register(ws).version == "1"
    # The same name with other content is another version, and a run takes the one that it names.
    changed = Environment("mine")
    changed.python.user_managed_dependencies = True
    changed.python.interpreter_path = sys.executable
    assert changed.register(ws).version == "2" and Environment.get(ws, "mine", version="1").python.conda_dependencies is not None


def test_an_environment_that_cannot_be_built(no_other_server, tmp_path, wheels, monkeypatch, capsys):
    server = Server(tmp_path / "data", *build_options(wheels)).start()
    try:
        monkeypatch.chdir(tmp_path)
        write_config(tmp_path, server, "config.json")
        pathlib.Path("src").mkdir()
        pathlib.Path("src/hello.py").write_text("print('hello')\n")
        ws = Workspace.from_config()
        env = Environment("broken")
        env.python.conda_dependencies = CondaDependencies.create(pip_packages=["no-such-package==1.0"])
        run = submit(ws, environment=env)
        with pytest.raises(ActivityFailedException) as failed:
            run.wait_for_completion(show_output=True)
        log = server.log(run.id, "azureml-logs/20_image_build_log.txt").decode()
        # The log ends with what the installing program said; the error ends with the log's last lines.
        reason = [line.strip() for line in log.splitlines() if "no-such-package" in line][-1]
        assert reason in failed.value.message and "installing packages" in failed.value.message, (log, failed.value.message)
        assert reason in capsys.readouterr().out  # it was streamed too
        # Nothing half-made is left, and the next one is tried anew.
        assert not [folder for folder in (server.folder / "environments").iterdir() if folder.is_dir()]
        again = submit(ws, environment=env)
        assert server.wait_for(again.id, *FINAL)["status"] == "Failed"
    finally:
        end_runs(server)
        server.stop()


RUBBISH = "dependencies:\n  - python=3.8\n - pip: [\n"


def test_conda_files_that_are_missing_or_rubbish(ws):
    with pytest.raises(UserErrorException, match="there is no conda specification nowhere.yml"):
        Environment.from_conda_specification("e", "nowhere.yml")
    pathlib.Path("rubbish.yml").write_text(RUBBISH)
    with pytest.raises(UserErrorException, match="rubbish.yml"):
        Environment.from_conda_specification("e", "rubbish.yml")
    pathlib.Path("list.yml").write_text("- torch\n")
    with pytest.raises(UserErrorException, match="list.yml"):
        Environment.from_conda_specification("e", "list.yml")
    # What only the server can tell.
    pathlib.Path("words.yml").write_text("dependencies:\n- python=3.8 or so ==\n- pip:\n  - 'torch is nice'\n")
    with pytest.raises(UserErrorException, match="torch is nice|python=3.8 or so"):
        submit(ws, environment=Environment.from_conda_specification("e", "words.yml"))


def test_a_run_configuration_that_is_rubbish(ws):
    pathlib.Path(".azureml").mkdir()
    pathlib.Path(".azureml/bad.runconfig").write_text(RUBBISH)
    with pytest.raises(Exception, match="bad"):
        RunConfiguration.load(".", "bad")
