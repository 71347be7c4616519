"""Everything below examples/ runs: on its own, on the server, as a notebook."""

from __future__ import annotations

import gzip
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tarfile

import pytest

from e2e import articles, cifar_stand_in
from harness import AT_MOST, PROJECT, SDK

from azureml.core import Environment, Experiment, ScriptRunConfig, Workspace

EXAMPLES = PROJECT / "examples"
DATA = PROJECT.parent / "shared" / "data"


def python(*arguments, check=True, paths=(), cwd=None, timeout=3 * AT_MOST):
    """Runs the tests' interpreter; gives what was printed."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (*paths, SDK))), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, *map(str, arguments)], capture_output=True, text=True, env=environment, cwd=cwd, timeout=timeout)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done.stdout if check else done


def test_transfer_learning_without_a_server(no_other_server, tmp_path, own_torchvision):
    import torch

    script = EXAMPLES / "pytorch-birds" / "pytorch_train.py"
    printed = python(script, "--num_epochs", 2, "--output_dir", "made", paths=[own_torchvision], cwd=tmp_path)
    assert "120 images to train with, 80 to validate with; classes eight, three" in printed and "Attempted to log scalar metric best_val_acc" in printed
    # The same images as a folder of one's own, all layers trained, from these weights.
    weights = torch.load(tmp_path / "made" / "model.pt", weights_only=True)["state_dict"]
    weights.update({"fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)})
    torch.save(weights, tmp_path / "weights.pth")
    printed = python(script, "--num_epochs", 1, "--data_dir", "digits", "--image_size", 16, "--weights", "weights.pth", "--fine_tune", paths=[own_torchvision], cwd=tmp_path)
    assert "epoch 1/1" in printed
    tuned = torch.load(tmp_path / "outputs" / "model.pt", weights_only=True)
    assert tuned["image_size"] == 16 and not torch.equal(tuned["state_dict"]["conv1.weight"], weights["conv1.weight"])


def test_a_cluster_a_registered_model_and_onnx(desk, torch_server, own_torchvision):
    printed = python(EXAMPLES / "pytorch-birds" / "submit.py", "--epochs", 3)
    assert "epoch 3/3" in printed and "registered pytorch-birds version" in printed
    printed = python(EXAMPLES / "pytorch-birds" / "export_onnx.py", "--output", "birds.onnx", paths=[own_torchvision])
    assert "(eight, three) written to birds.onnx" in printed
    import onnx

    assert "ONNX Runtime agrees with PyTorch" in printed
    model = onnx.load("birds.onnx")
    onnx.checker.check_model(model)
    assert [each.name for each in model.graph.input] == ["images"] and [each.name for each in model.graph.output] == ["scores"]


RUN_NOTEBOOK = """
import ast, json, sys
names = {"__name__": "__main__"}
for number, cell in enumerate(json.load(open(sys.argv[1]))["cells"]):
    if cell["cell_type"] != "code":
        continue
    print(f"[{number}]", flush=True)
    tree = ast.parse("".join(cell["source"]))
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, f"cell {number}", "exec"), names)
    if last is not None:
        print(repr(eval(compile(ast.Expression(last.value), f"cell {number}", "eval"), names)))
"""


def test_the_notebook(desk, torch_server, own_torchvision):
    source = EXAMPLES / "pytorch-birds"
    notebook = json.loads((source / "pytorch-estimator.ipynb").read_text())
    assert (notebook["nbformat"], notebook["metadata"]["kernelspec"]["language"]) == (4, "python")
    for cell in notebook["cells"]:
        assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", cell["id"]) and isinstance(cell["source"], list)
        assert cell["cell_type"] == "markdown" or (cell["outputs"], cell["execution_count"]) == ([], None)
    for file in ("pytorch_train.py", "export_onnx.py"):
        shutil.copy(source / file, desk)
    (desk / "run_notebook.py").write_text(RUN_NOTEBOOK)
    printed = python(desk / "run_notebook.py", source / "pytorch-estimator.ipynb", paths=[own_torchvision])
    assert "epoch 10/10" in printed and "['model.pt']" in printed
    models = torch_server.client.get("/models/pt-dnn")["versions"]
    assert f"pt-dnn {len(models)} " in printed and (desk / "model" / "model.onnx").is_file()
    assert float(printed.splitlines()[-1]) < 1e-3


def test_data_parallel_in_one_process_and_in_two(no_other_server, torch_server, tmp_path):
    folder = EXAMPLES / "distributed-pytorch"
    printed = python(folder / "train.py", "--epochs", 2, cwd=tmp_path)
    assert "process 0 of 1" in printed and (tmp_path / "outputs" / "model.pt").is_file()
    command = "torchrun --standalone --nproc_per_node 2 train.py --epochs 2"
    submitted = torch_server.roost("submit", "--folder", str(folder), "--env", "OMP_NUM_THREADS=1", "--command", command, "--json")
    run = torch_server.wait_for(json.loads(submitted.stdout)["run_id"])
    log = torch_server.log(run["run_id"]).decode()
    assert run["status"] == "Completed" and "process 0 of 2 on cpu" in log and "process 1 of 2 on cpu" in log, log
    metrics = {item["name"]: item for item in torch_server.client.get(f"/runs/{run['run_id']}/metrics")["items"]}
    assert metrics["loss"]["count"] == metrics["accuracy"]["count"] == 2 and metrics["accuracy"]["max"] > 0.6
    assert "outputs/model.pt" in [item["path"] for item in torch_server.client.get(f"/runs/{run['run_id']}/files")["items"]]


# One process's Horovod: what the script calls, with nobody to talk to.
HOROVOD = """
Sum = "sum"
def init(): pass
def rank(): return 0
def local_rank(): return 0
def size(): return 1
def allreduce(tensor, name=None, op=None): return tensor
def broadcast_parameters(parameters, root_rank): assert root_rank == 0 and parameters
def broadcast_optimizer_state(optimizer, root_rank): assert root_rank == 0
def DistributedOptimizer(optimizer, named_parameters): assert list(named_parameters); return optimizer
"""


def write_mnist(folder: pathlib.Path) -> None:
    """Digits in MNIST's files, as torchvision reads them."""
    import numpy as np
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.zeros((len(digits.target), 28, 28), np.uint8)
    images[:, 2:26, 2:26] = np.round(digits.images * (255 / 16)).astype(np.uint8).repeat(3, 1).repeat(3, 2)
    folder.mkdir(parents=True)
    for name, part in (("train", slice(0, 1500)), ("t10k", slice(1500, None))):
        chosen, labels = images[part], digits.target[part].astype(np.uint8)
        for file, header, content in ((f"{name}-images-idx3-ubyte", struct.pack(">4I", 2051, len(chosen), 28, 28), chosen),
                                      (f"{name}-labels-idx1-ubyte", struct.pack(">2I", 2049, len(labels)), labels)):  # fmt: skip
            (folder / file).write_bytes(header + content.tobytes())
            with gzip.open(folder / f"{file}.gz", "wb", 1) as packed:
                packed.write(header + content.tobytes())


def test_horovod(no_other_server, tmp_path, own_torchvision):
    script = EXAMPLES / "horovod-mnist" / "pytorch_horovod_mnist.py"
    (tmp_path / "none" / "horovod").mkdir(parents=True)
    (tmp_path / "none" / "horovod" / "__init__.py").touch()
    done = python(script, check=False, paths=[tmp_path / "none", own_torchvision], cwd=tmp_path)
    assert done.returncode == 1 and done.stderr.startswith("Horovod is not in this environment (No module named 'horovod.torch')")
    (tmp_path / "one" / "horovod").mkdir(parents=True)
    (tmp_path / "one" / "horovod" / "torch.py").write_text(HOROVOD)
    write_mnist(tmp_path / "data" / "MNIST" / "raw")
    printed = python(script, "--epochs", 3, "--learning_rate", 0.05, paths=[tmp_path / "one", own_torchvision], cwd=tmp_path)
    accuracies = [float(found) for found in re.findall(r"accuracy (\d\.\d+)", printed)]
    assert len(accuracies) == 3 and accuracies[-1] > 0.6 and (tmp_path / "outputs" / "model.pt").is_file(), printed


@pytest.fixture
def tutorial(desk):
    shutil.copytree(EXAMPLES / "tutorial", desk, dirs_exist_ok=True)
    return desk


def test_the_tutorials_first_two_parts(tutorial, torch_server):
    printed = python("run-hello.py")
    assert "Streaming azureml-logs/70_driver_log.txt" in printed and "\nHello world!\n" in printed and "Execution Summary" in printed
    printed = python("run-train.py")
    losses = json.loads(re.search(r"^loss: (\[.*\])$", printed, re.MULTILINE)[1])
    assert "8000 pictures in ../data" in printed and len(losses) == 5 and losses[-1] < losses[0] / 2


def test_the_tutorials_third_part(tutorial, torch_server, own_torchvision):
    # Fills ./data, as part 2 on this machine does.
    python("train.py", "--epochs", 0, paths=[own_torchvision], cwd=tutorial / "src")
    printed = python("run-own-data.py")
    assert "8000 pictures in /" in printed and re.search(r"registered cifar-net version \d+", printed), printed
    ws = Workspace.from_config()
    (used,) = ws.models["cifar-net"].run.get_details()["inputDatasets"]
    assert used["dataset"]["id"] == ws.datasets["cifar10"].id and used["consumptionDetails"]["inputName"] == "pictures"
    assert ws.datasets["cifar10"].version == 1 and len(ws.datasets["cifar10"].to_path()) == 7


needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the larger data sets are not at hand")


@needs_data
def test_a_few_ants_and_bees(desk, torch_server):
    kept: dict[str, int] = {}
    with tarfile.open(DATA / "hymenoptera.tar") as archive:
        for member in archive:
            folder = str(pathlib.PurePosixPath(member.name).parent)
            kept[folder] = kept.get(folder, 0) + member.isfile()
            if member.isfile() and kept[folder] <= (12 if "/train/" in folder else 5):
                archive.extract(member, desk)
    ws = Workspace.from_config()
    arguments = ["--data_dir", str(desk / "hymenoptera"), "--weights", "none", "--fine_tune", "--image_size", 32, "--num_epochs", 2]
    run = Experiment(ws, "hymenoptera").submit(ScriptRunConfig(EXAMPLES / "pytorch-birds", "pytorch_train.py", arguments,
                                                               environment=Environment.get(ws, "AzureML-PyTorch-1.6-CPU")))  # fmt: skip
    assert run.wait_for_completion()["status"] == "Completed"
    log = run.get_details_with_logs()["logFiles"]["azureml-logs/70_driver_log.txt"]
    assert "24 images to train with, 10 to validate with; classes ants, bees" in log and "epoch 2/2" in log, log
    assert 0 <= run.get_metrics()["best_val_acc"] <= 1 and "outputs/model.pt" in run.get_file_names()


@pytest.mark.slow
@needs_data
def test_ants_and_bees(desk, torch_server):
    subprocess.run(["tar", "-xf", DATA / "hymenoptera.tar", "-C", desk], check=True)
    ws = Workspace.from_config()
    # Without the weights of ImageNet, which would have to be downloaded: from random ones, all layers.
    arguments = ["--data_dir", str(desk / "hymenoptera"), "--weights", "none", "--fine_tune", "--image_size", 64, "--num_epochs", 8]
    run = Experiment(ws, "hymenoptera").submit(ScriptRunConfig(EXAMPLES / "pytorch-birds", "pytorch_train.py", arguments,
                                                               environment=Environment.get(ws, "AzureML-PyTorch-1.6-CPU")))  # fmt: skip
    details = run.wait_for_completion()
    log = run.get_details_with_logs()["logFiles"]["azureml-logs/70_driver_log.txt"]
    assert details["status"] == "Completed" and "classes ants, bees" in log and run.get_metrics()["best_val_acc"] > 0.55, log


def serve_cifar(tmp_path, web_folder, *wildcards: str) -> pathlib.Path:
    """Real pictures in CIFAR-10's own archive, all or those that the wildcards choose, where the web folder is; gives a folder for
    PYTHONPATH that sends torchvision there."""
    import numpy as np
    from PIL import Image

    subprocess.run(["tar", "-xf", DATA / "cifar10-jpeg.tar.gz", "-C", tmp_path, *(["--wildcards", *wildcards] if wildcards else [])], check=True)
    root = tmp_path / "cifar10"
    classes = sorted(folder.name for folder in (root / "train").iterdir())

    def images(part):
        files = [(file, number) for number, name in enumerate(classes) for file in sorted((root / part / name).glob("*.jpg"))]
        order = np.random.default_rng(0).permutation(len(files))
        return np.stack([np.asarray(Image.open(files[at][0])).transpose(2, 0, 1) for at in order]), [files[at][1] for at in order]

    web, address = web_folder
    (web / tmp_path.name).mkdir()
    redirect = cifar_stand_in.write(web / tmp_path.name, f"{address}/{tmp_path.name}", images("train"), images("test"), classes)
    # The finder that comes last is asked first.
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text("import _torchvision_link\n" + redirect)
    return tmp_path / "site"


@needs_data
def test_the_articles_script_on_a_part_of_cifar_10(torch_server, tmp_path, web_folder, own_torchvision):
    site = serve_cifar(tmp_path, web_folder, "cifar10/train/*/0[0-7]??.jpg", "cifar10/test/*/000?.jpg")
    model, _, _, train, _ = articles.python_of("tutorial")
    src = tmp_path / "src"
    src.mkdir()
    (src / "model.py").write_text(model)
    (src / "train.py").write_text(train)
    run = torch_server.submit(src, "train.py", "--env", f"PYTHONPATH={site}:{own_torchvision}", "--env", "OMP_NUM_THREADS=1")
    assert torch_server.wait_for(run, seconds=2 * AT_MOST)["status"] == "Completed", torch_server.log(run).decode()
    log = torch_server.log(run).decode()
    losses = [float(found) for found in re.findall(r"epoch=\d, batch= *\d+: loss (\d+\.\d+)", log)]
    assert log.rstrip().endswith("Finished Training") and len(losses) == 2 and losses[1] < losses[0], log


@pytest.mark.slow
@needs_data
def test_cifar_10_itself(torch_server, tmp_path, web_folder, own_torchvision):
    site = serve_cifar(tmp_path, web_folder)
    src = EXAMPLES / "tutorial" / "src"
    run = torch_server.submit(src, "train.py", "--env", f"PYTHONPATH={site}:{own_torchvision}", "--env", "OMP_NUM_THREADS=1", "--", "--epochs", "1")
    assert torch_server.wait_for(run, seconds=900)["status"] == "Completed"
    log = torch_server.log(run).decode()
    losses = [float(found) for found in re.findall(r"loss (\d\.\d+)", log)]
    assert "50000 pictures" in log and len(losses) == 15 and losses[-1] < losses[0] - 0.3, log
