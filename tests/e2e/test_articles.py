"""Azure ML's articles, every Python block in order, against a server that relaxes pins.

What is not run as it stands: the excerpt of the tutorial runs inside its full script; the estimator's Horovod block gets the
import that it lacks; distributed blocks are prepared, and submitting them is refused with what to do.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import urllib.request
import warnings

import pytest

from e2e import articles
from e2e.conftest import build_options
from harness import AT_MOST, PROJECT, SDK, Server, end_runs
from sdk.support import write_config

EXAMPLES = PROJECT / "examples"
# What the article's file says, for where its text is not at hand.
CONDA = {"channels": ["conda-forge"], "dependencies": ["python=3.6.2", {"pip": ["azureml-defaults", "torch==1.6.0", "torchvision==0.7.0", "future==0.17.1", "pillow"]}]}


class Script:
    """A user's session: blocks run one after the other in the current folder."""

    def __init__(self, capsys):
        self.names = {"__name__": "__main__"}
        self.capsys = capsys

    def __getitem__(self, name):
        return self.names[name]

    def run(self, code: str) -> str:
        """Gives what it printed."""
        exec(compile(code, "<article>", "exec"), self.names)
        return self.capsys.readouterr().out


def conda_files() -> list[str]:
    """The article's two conda files: its own environment, and the one with Horovod."""
    if articles.is_at_hand():
        return [block.code for block in articles.of_text("at_scale") if block.language == "yaml"]
    pip = [{"pip": [line for line in CONDA["dependencies"][1]["pip"] if not line.startswith(("future", "pillow"))] + ["horovod==0.19.5"]}]
    return [json.dumps(CONDA), json.dumps({**CONDA, "dependencies": [*CONDA["dependencies"][:1], *pip]})]


def check_console(printed: str, server: Server, run, *, built: bool) -> None:
    """What waiting with show_output prints: the run, each log under its heading, the summary with the link. And the phases that the run
    went through meanwhile."""
    # Only an environment that is built is waited for before the queue; the working folder is prepared behind it.
    assert server.states_of(run.id) == [*(["Preparing", "Queued"] if built else []), "Preparing", "Starting", "Running", "Finalizing", "Completed"]
    link = run.get_portal_url()
    lines = printed.splitlines()
    assert lines[:2] == [f"RunId: {run.id}", f"Web View: {link}"]
    build, driver = "Streaming azureml-logs/20_image_build_log.txt", "Streaming azureml-logs/70_driver_log.txt"
    assert (build in lines) == built, printed
    shown = [line for line in lines if line in (build, driver)]
    assert shown[-1] == driver and lines[lines.index(driver) + 1] == "=" * len(driver)
    warned = [each["message"] for each in run.get_details()["warnings"]]
    summary = ["", "Execution Summary", "=================", f"RunId: {run.id}", f"Web View: {link}", *(["", "Warnings:", *warned] if warned else []), ""]
    assert lines[-len(summary) :] == summary
    with urllib.request.urlopen(link.partition("#")[0], timeout=AT_MOST) as answer:
        assert answer.status == 200 and b"<html" in answer.read().lower()


def check_relaxed(server: Server, run, *changes: str) -> None:
    """Every changed pin is in the run's properties and in the build's log."""
    said = run.get_properties()["roost.environment.changes"]
    log = server.log(run.id, "azureml-logs/20_image_build_log.txt").decode()
    for change in changes:
        assert re.search(change, said), said
        assert re.search(change, log), log


def check_gpu(server: Server, run) -> None:
    if server.client.get("/server")["resources"]["gpus"] == 0:
        assert "STANDARD_NC6 promises 1 GPU; this machine has none" in run.get_properties()["roost.gpu_substitution"]


def check_training(run, epochs: int) -> None:
    metrics = run.get_metrics()
    assert len(metrics["val_acc"]) == len(metrics["train_loss"]) == epochs
    assert metrics["best_val_acc"] > 0.85 and metrics["train_loss"][-1] < metrics["train_loss"][0] / 2


def check_model(file: pathlib.Path) -> None:
    import torch

    saved = torch.load(file, weights_only=True)
    assert saved["classes"] == ["eight", "three"] and saved["state_dict"]["fc.weight"].shape == (2, 512)


def test_our_stand_ins_make_the_articles_calls():
    if not articles.is_at_hand():
        pytest.skip("the articles are not at hand")
    for article, whole in (("estimator", range(11)), ("at_scale", range(16)), ("tutorial", [2])):
        of_text, own = ([block.code for block in blocks if block.language == "python"] for blocks in (articles.of_text(article), articles.of_stand_in(article)))
        assert len(of_text) == len(own)
        for number in whole:
            assert articles.calls(own[number]) == articles.calls(of_text[number]), (article, number)
    sdk = ("from azureml", "get_context", "log(")
    for number in (3, 4):
        assert [call for call in articles.calls(own[number]) if call.startswith(sdk)] == [call for call in articles.calls(of_text[number]) if call.startswith(sdk)]


def test_the_estimator(desk, torch_server, capsys, caplog):
    shutil.copy(EXAMPLES / "pytorch-birds" / "pytorch_train.py", desk)
    script, blocks = Script(capsys), articles.python_of("estimator")
    assert len(blocks) == 11
    for block in blocks[:4]:
        script.run(block)
    printed = script.run(blocks[4])
    assert "Succeeded" in printed and "AmlCompute wait for completion finished" in printed
    assert script["compute_target"].name == "gpucluster" and script["compute_target"].scale_settings.maximum_node_count == 4
    with pytest.warns(UserWarning, match="estimators are deprecated"):
        script.run(blocks[5])
    assert "framework_version is not specified, defaulting to version 1.4." in caplog.text
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on a machine without GPUs one tells of them
        printed = script.run(blocks[6])
    run = script["run"]
    check_console(printed, torch_server, run, built=True)
    assert "epoch 30/30" in printed and run.get_status() == "Completed"
    check_relaxed(torch_server, run, r"python=3\.6\.2 -> python=3\.\d+", r"torch==1\.4\.0 -> torch==\d", r"torchvision==0\.5\.0 -> torchvision==0\.\d", r"pillow==5\.4\.1 -> pillow==\d")
    check_gpu(torch_server, run)
    check_training(run, 30)

    script.run(blocks[7])
    model = script["model"]
    assert (model.name, model.version, model.run_id) == ("pt-dnn", 1, run.id)
    script.run(blocks[8])
    assert os.listdir("model") == ["model.pt"]
    check_model(desk / "model" / "model.pt")

    # Horovod: the block lacks an import; it is prepared, and submitting it says what is not here.
    pathlib.Path("pytorch-birds/script.py").write_text("import horovod\n")
    with pytest.warns(UserWarning, match="framework_version 1.13 is not one that"):
        script.run("from azureml.core.runconfig import MpiConfiguration\n" + blocks[9])
    config = script["estimator"].run_config
    assert (config.mpi.node_count, config.mpi.process_count_per_node, config.script) == (2, 1, "script.py")
    assert {"torch==1.13.*", "torchvision", "horovod"} <= set(script["estimator"].conda_dependencies.pip_packages)
    with pytest.raises(NotImplementedError, match="torchrun"):
        script["experiment"].submit(script["estimator"])
    horovod = desk / "packages" / "horovod" / "__init__.py"
    horovod.parent.mkdir(parents=True)
    horovod.write_text("")
    subprocess.run([sys.executable, "-c", blocks[10]], check=True, env={**os.environ, "PYTHONPATH": str(horovod.parent.parent)}, timeout=AT_MOST)


def test_training_at_scale(desk, torch_server, capsys):
    for file in ("pytorch-birds/pytorch_train.py", "horovod-mnist/pytorch_horovod_mnist.py"):
        shutil.copy(EXAMPLES / file, desk)
    shutil.copytree(EXAMPLES / "distributed-pytorch", desk / "src")
    plain, with_horovod = conda_files()
    pathlib.Path("conda_dependencies.yml").write_text(plain)
    script, blocks = Script(capsys), articles.python_of("at_scale")
    assert len(blocks) == 16
    for block in blocks[:3]:
        script.run(block)
    assert "AmlCompute wait for completion finished" in script.run(blocks[3])

    script.run(blocks[4])
    assert script["pytorch_env"].name == "AzureML-PyTorch-1.6-GPU"
    script.run(blocks[5])
    assert {"azureml_environment.json", "conda_dependencies.yml"} <= set(os.listdir("AzureML-PyTorch-1.6-GPU"))
    assert "torchvision" in pathlib.Path("AzureML-PyTorch-1.6-GPU/conda_dependencies.yml").read_text()
    script.run(blocks[6])
    assert {"torch==1.6.0", "future==0.17.1"} <= set(script["pytorch_env"].python.conda_dependencies.pip_packages)
    script.run(blocks[7])
    assert script["pytorch_env"].name == "pytorch-1.6-gpu"
    script.run(blocks[8])
    script.run(blocks[9])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        printed = script.run(blocks[10])
    run = script["run"]
    check_console(printed, torch_server, run, built=True)
    assert "epoch 30/30" in printed and run.experiment.name == "Tutorial-pytorch-birds"
    check_relaxed(torch_server, run, r"python=3\.6\.2 -> python=3\.\d+", r"torch==1\.6\.0 -> torch==\d", r"torchvision==0\.7\.0 -> torchvision==0\.\d", r"future==0\.17\.1 -> future==1")
    log = torch_server.log(run.id, "azureml-logs/20_image_build_log.txt").decode()
    assert "azureml-defaults is not installed: Roost's own package" in log and "openmpi3.1.2-cuda10.1" in log
    check_gpu(torch_server, run)
    check_training(run, 30)
    # The same again finds the environment ready.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        again = script["Experiment"](script["ws"], "Tutorial-pytorch-birds").submit(script["src"])
    again.wait_for_completion(show_output=True)
    check_console(capsys.readouterr().out, torch_server, again, built=False)

    script.run(blocks[11])
    assert (script["model"].name, script["model"].version) == ("pytorch-birds", 1)
    script.run(blocks[12])
    check_model(desk / "model" / "model.pt")

    # Distributed: prepared, and submitting says what is not here and what to do.
    pathlib.Path("pytorch-birds/pytorch_horovod_mnist.py").write_bytes(pathlib.Path("pytorch_horovod_mnist.py").read_bytes())
    pathlib.Path("horovod.yml").write_text(with_horovod)
    assert "horovod==0.19.5" in script["Environment"].from_conda_specification("h", "horovod.yml").python.conda_dependencies.pip_packages
    script.run(blocks[13])
    assert (script["src"].run_config.mpi.node_count, script["src"].run_config.mpi.process_count_per_node) == (2, 1)
    with pytest.raises(NotImplementedError, match="torchrun"):
        script["Experiment"](script["ws"], "experiment_name").submit(script["src"])
    for block, processes in ((blocks[14], 4), (blocks[15], 2)):
        with pytest.raises(NotImplementedError, match="torchrun"):
            script.run(block)
        config = script["src"].run_config
        assert (config.pytorch.process_count, config.pytorch.node_count) == (processes, 2)
    assert script["src"].command[:3] == ["python", "-m", "torch.distributed.launch"] and "$NODE_RANK" in script["src"].command
    # The tip on the local rank, with the variable quoted.
    script.run("src = ScriptRunConfig('./src', script='train.py', arguments=['--epochs', 50, '--local_rank', '$LOCAL_RANK'], compute_target=compute_target)")
    assert script["src"].arguments == ["--epochs", 50, "--local_rank", "$LOCAL_RANK"]
    # One process of the sort, with the variable that a launcher would set.
    pathlib.Path("src/train.py").write_text("import sys\nprint(sys.argv[1:])\n")
    script.run("env = Environment('one-process')\nenv.environment_variables = {'LOCAL_RANK': '3'}\nsrc.run_config.environment, src.run_config.target = env, 'local'\n"
               "run = Experiment(ws, 'local-rank').submit(src)\nrun.wait_for_completion()")  # fmt: skip
    assert torch_server.log(script["run"].id).decode().strip() == str(["--epochs", "50", "--local_rank", "3"])


def test_the_tutorial(desk, torch_server, capsys):
    from azureml.core import Run

    model, train, control, train_with_logging, excerpt = articles.python_of("tutorial")
    src = desk / "src"
    src.mkdir()
    (src / "model.py").write_text(model)
    (src / "train.py").write_text(train)
    (desk / "run-pytorch.py").write_text(control)
    script = Script(capsys)
    # Its first part has made the cluster.
    script.run("from azureml.core import Workspace\nfrom azureml.core.compute import AmlCompute, ComputeTarget\nws = Workspace.from_config()\n"
               "ComputeTarget.create(ws, 'cpu-cluster', AmlCompute.provisioning_configuration('STANDARD_A1_V2', max_nodes=1))")  # fmt: skip

    def submit():
        environment = {**os.environ, "PYTHONPATH": str(SDK)}
        done = subprocess.run([sys.executable, "run-pytorch.py"], capture_output=True, text=True, timeout=AT_MOST, env=environment)
        assert done.returncode == 0, done.stdout + done.stderr
        link = done.stdout.split()[-1]
        with urllib.request.urlopen(link.partition("#")[0], timeout=AT_MOST) as answer:
            assert answer.status == 200
        run = torch_server.wait_for(link.partition("#")[2], seconds=2 * AT_MOST)
        log = torch_server.log(run["run_id"]).decode()
        assert run["status"] == "Completed", (run["error"], log)
        losses = [float(found) for found in re.findall(r"epoch=\d, batch= *\d+: loss (\d+\.\d+)", log)]
        assert log.rstrip().endswith("Finished Training") and len(losses) == 2 and losses[1] < losses[0]
        assert "PyTorch 1.6" in run["properties"]["roost.environment.curated"]
        return run, losses

    first, _ = submit()
    assert Run.get(script["ws"], first["run_id"]).get_metrics() == {}
    # Locally, in the environment that was built: data beside the source folder. Without the loop, which was run already.
    python = next((torch_server.folder / "environments").glob(first["properties"]["roost.environment.key"] + "/bin/python"))
    (src / "train.py").write_text(train.replace("range(2)", "range(0)"))
    done = subprocess.run([python, "train.py"], cwd=src, capture_output=True, text=True, timeout=2 * AT_MOST)
    assert done.returncode == 0 and done.stdout.rstrip().endswith("Finished Training"), done.stdout + done.stderr
    assert (desk / "data" / "cifar-10-batches-py" / "data_batch_1").is_file()

    # With logging. The excerpt is part of it.
    lines = [line.strip() for line in train_with_logging.splitlines()]
    assert all(line.strip() in lines for line in excerpt.splitlines() if line.strip() not in ("", "..."))
    (src / "train.py").write_text(train_with_logging)
    second, losses = submit()
    logged = Run.get(script["ws"], second["run_id"]).get_metrics()["loss"]
    assert [round(value, 2) for value in logged] == losses


def test_without_relaxed_pins_the_error_names_the_setting(no_other_server, tmp_path, wheels, monkeypatch):
    from azureml.core import Environment, Experiment, ScriptRunConfig, Workspace
    from azureml.exceptions import ActivityFailedException

    server = Server(tmp_path / "data", *build_options(wheels)).start()
    try:
        write_config(tmp_path, server)
        monkeypatch.chdir(tmp_path)
        pathlib.Path("conda_dependencies.yml").write_text(conda_files()[0])
        pathlib.Path("src").mkdir()
        pathlib.Path("src/hello.py").write_text("print('hello')\n")
        env = Environment.from_conda_specification("pytorch-1.6-gpu", "conda_dependencies.yml")
        run = Experiment(Workspace.from_config(), "strict").submit(ScriptRunConfig("src", script="hello.py", environment=env))
        with pytest.raises(ActivityFailedException) as failed:
            run.wait_for_completion()
        assert "--relax-pins" in str(failed.value) and "torch==1.6.0" in str(failed.value)
        assert run.get_status() == "Failed" and run.get_details()["error"]
    finally:
        end_runs(server)
        server.stop()
