"""Estimators: the ScriptRunConfig that they come to."""

import warnings

import pytest

import azureml.core._warnings
from azureml.core import Dataset, Environment, Experiment, RunConfiguration, ScriptRunConfig
from azureml.core.runconfig import MpiConfiguration
from azureml.data.datapath import DataPath
from azureml.exceptions import ComputeTargetException, ExperimentExecutionException, TrainingException, UserErrorException
from azureml.train.dnn import Gloo, Mpi, Nccl, PyTorch
from azureml.train.estimator import Estimator


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """The deprecation was told already, as after a process's first estimator."""
    monkeypatch.setattr(azureml.core._warnings, "_said", {"estimators are deprecated: ScriptRunConfig with an Environment replaces them and says more"})


def made(**more):
    return PyTorch("src", **{"compute_target": "local", "entry_script": "train.py", "framework_version": "1.6", **more})


def test_the_article(fake, fake_ws, project, monkeypatch, caplog):
    monkeypatch.setattr(azureml.core._warnings, "_said", set())
    source = project({"pytorch_train.py": ""})
    fake.compute["gpucluster"] = fake.target({"name": "gpucluster", "max_nodes": 4})
    target = fake_ws.compute_targets["gpucluster"]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            estimator = PyTorch(source_directory=source, script_params={"--num_epochs": 30, "--output_dir": "./outputs"}, compute_target=target,
                                entry_script="pytorch_train.py", use_gpu=True, pip_packages=["pillow==5.4.1"])  # fmt: skip
    told = [each for each in caught if each.category is UserWarning]
    assert ["ScriptRunConfig" in str(each.message) for each in told] == [True] and told[0].filename == __file__
    assert caplog.messages == ["framework_version is not specified, defaulting to version 1.4."] * 2
    run = Experiment(fake_ws, "pytorch-birds").submit(estimator)
    sent = fake.runs[-1]
    assert run.id and (sent["script"], sent["arguments"], sent["compute_target"]) == ("pytorch_train.py", ["--num_epochs", "30", "--output_dir", "./outputs"], "gpucluster")
    conda = sent["environment"]["python"]["conda"]
    assert conda["packages"] == ["python=3.6.2"]
    assert conda["pip"] == ["azureml-defaults", "torch==1.4.0", "torchvision==0.5.0", "future", "tensorboard", "pillow==5.4.1"]
    assert "name" not in sent["environment"] and "docker" not in sent["environment"] and "resources" not in sent and "roost.gpu_substitution" not in sent["properties"]


def test_arguments_keep_their_order_and_kind():
    estimator = made(script_params={"--a": 1, "--flag": "", "--b": 0.5})
    assert estimator.run_config.arguments == ["--a", 1, "--flag", "--b", 0.5] and estimator.run_config.script == "train.py"
    assert estimator.source_directory == "src" and estimator.run_config.target == "local" and estimator.run_config.max_run_duration_seconds is None


def test_versions():
    assert PyTorch.get_supported_versions() == ["1.0", "1.1", "1.2", "1.3", "1.4", "1.5", "1.6"]
    assert made().framework_version == "1.6" and {"torch==1.6.0", "torchvision==0.7.0"} <= set(made().conda_dependencies.pip_packages)
    with pytest.warns(UserWarning, match="1.13 is not one that") as caught:
        estimator = made(framework_version="1.13", distributed_training=MpiConfiguration(), node_count=2)
    assert len(caught) == 1 and {"torch==1.13.*", "torchvision", "horovod"} <= set(estimator.conda_dependencies.pip_packages)
    assert estimator.conda_dependencies._wanted_packages() == []
    with pytest.raises(TrainingException, match="is not currently supported by the PyTorch estimator"):
        made(framework_version="latest")


@pytest.mark.parametrize("settings, framework, communicator, nodes", [
    ({"distributed_training": MpiConfiguration(), "node_count": 2}, "Python", "IntelMpi", 2), ({"distributed_training": Mpi(2)}, "Python", "IntelMpi", 1),
    ({"distributed_training": Gloo(), "node_count": 3}, "PyTorch", "gloo", 3), ({"distributed_training": Nccl()}, "PyTorch", "nccl", 1),
    ({"distributed_backend": "mpi", "process_count_per_node": 4}, "Python", "IntelMpi", 1), ({}, "Python", "None", 1),
])  # fmt: skip
def test_distributed(settings, framework, communicator, nodes):
    estimator = made(**settings)
    config = estimator.run_config
    assert (config.framework, config.communicator, config.node_count) == (framework, communicator, nodes)
    assert any(package.startswith("horovod") for package in estimator.conda_dependencies.pip_packages) == (communicator == "IntelMpi")
    if config.mpi is not None:
        assert config.mpi.process_count_per_node == max(settings.get("process_count_per_node", 1), getattr(settings.get("distributed_training"), "process_count_per_node", 1))


def test_several_processes_are_refused_at_submit(fake, fake_ws, project):
    with pytest.raises(NotImplementedError, match="several processes"):
        Experiment(fake_ws, "e").submit(PyTorch(project({"a.py": ""}), compute_target="local", entry_script="a.py", framework_version="1.6", node_count=2,
                                                distributed_training=Nccl()))  # fmt: skip
    assert fake.runs == []


@pytest.mark.parametrize("settings, said", [
    ({"compute_target": None}, "Either compute_target or vm_size"), ({"vm_size": "STANDARD_NC6"}, "not both"), ({"vm_priority": "lowpriority"}, "goes with vm_size"),
    ({"entry_script": None}, "entry_script is needed"), ({"script_params": ["--a"]}, "must be a dictionary"), ({"node_count": 2}, "need distributed_training"),
    ({"distributed_training": Gloo(), "process_count_per_node": 2}, "one process on each node"), ({"distributed_training": "mpi"}, "must be Mpi"),
    ({"distributed_backend": "ps"}, "must be mpi, gloo, nccl"), ({"distributed_backend": "mpi", "distributed_training": Mpi()}, "old form"),
    ({"custom_docker_base_image": "a", "custom_docker_image": "b"}, "is the old name of"), ({"user_managed": True, "pip_packages": ["a"]}, "pip_packages cannot be served"),
    ({"environment_definition": "e"}, "must be an Environment"), ({"inputs": ["d"]}, "must be a named dataset"),
])  # fmt: skip
def test_mistakes(settings, said):
    with pytest.raises(TrainingException, match=said):
        made(**settings)


def test_packages(project, monkeypatch):
    source = project({"env.yml": "channels: [conda-forge]\ndependencies:\n- python=3.9\n- numpy\n", "reqs.txt": "--pre\npillow\n"})
    estimator = Estimator(source, compute_target="local", entry_script="a.py", conda_dependencies_file="env.yml", pip_requirements_file_path="reqs.txt",
                          conda_packages=["scipy"], pip_packages=["torch"], environment_variables={"A": "1"}, custom_docker_base_image="image", shm_size="4g")  # fmt: skip
    conda = estimator.conda_dependencies
    assert conda.conda_packages == ["python=3.9", "numpy", "scipy"] and conda.pip_packages == ["pillow", "torch"] and conda.pip_options == ["--pre"]
    environment = estimator.run_config.environment
    assert environment.environment_variables == {"A": "1"}
    assert (environment.docker.enabled, environment.docker.base_image, environment.docker.shm_size) == (True, "image", "4g")
    monkeypatch.chdir(source)
    assert Estimator("elsewhere", compute_target="local", entry_script="a.py", conda_dependencies_file="env.yml").conda_dependencies.get_python_version() == "3.9"
    with pytest.raises(UserErrorException, match="no conda specification"):
        Estimator(source, compute_target="local", entry_script="a.py", conda_dependencies_file="nothing.yml")
    env = Environment("mine")
    with pytest.warns(UserWarning, match="environment_definition is given, so pip_packages, framework_version is not used"):
        assert made(environment_definition=env, pip_packages=["a"]).run_config.environment is env
    assert made(user_managed=True, use_docker=False).run_config.environment.python.user_managed_dependencies
    with pytest.warns(UserWarning, match="source_directory_data_store has no meaning"):
        made(source_directory_data_store="d")


def test_data(data_ws, data_server, project):
    store = data_ws.get_default_datastore()
    store.upload(project({"a.png": "a"}, "images"), "images", show_progress=False)
    images = Dataset.File.from_files((store, "images"))
    estimator = PyTorch(project({"a.py": ""}), compute_target="local", entry_script="a.py", framework_version="1.6",
                        script_params={"--data": images.as_named_input("train").as_mount(), "--n": 1}, inputs=[images.as_named_input("more"), store.path("images").as_download()],
                        resume_from=DataPath(store, "images"))  # fmt: skip
    run = Experiment(data_ws, "e").submit(estimator)
    definition = data_server.runs[run.id]["definition"]
    assert definition["arguments"][:4] == ["--data", "DatasetConsumptionConfig:train", "--n", "1"] and definition["arguments"][4] == "--resume-from"
    modes = {name: item["mode"] for name, item in definition["inputs"].items()}
    assert modes["train"] == "mount" and modes["more"] == "direct" and "download" in modes.values() and len(modes) == 4


def with_gpu(source, target="local"):
    return PyTorch(source, compute_target=target, entry_script="a.py", framework_version="1.6", use_gpu=True)


def test_use_gpu_on_the_servers_machine(fake, fake_ws, project):
    estimator = with_gpu(project({"a.py": ""}))
    with pytest.warns(UserWarning, match="the server's machine has none, so the run has CPUs only"):
        Experiment(fake_ws, "e").submit(estimator)
    assert "CPUs only" in fake.runs[-1]["properties"]["roost.gpu_substitution"] and "gpus" not in fake.runs[-1].get("resources", {})
    fake.gpus = 1
    Experiment(fake_ws, "e").submit(estimator)
    assert fake.runs[-1]["resources"] == {"gpus": 1} and "properties" in fake.runs[-1] and "roost.gpu_substitution" not in fake.runs[-1]["properties"]


def test_use_gpu_on_a_cluster_without_gpus(fake, fake_ws, project):
    source, size = project({"a.py": ""}), {"cpus": 2, "gpus": 0, "memory_mb": 7168}
    fake.compute["cpu-cluster"] = fake.target({"name": "cpu-cluster", "max_nodes": 1, "vm_size": "STANDARD_D2_V2", "wanted": size})
    with pytest.warns(UserWarning, match=r"the nodes of 'cpu-cluster' \(STANDARD_D2_V2\) have none, so the run has CPUs only") as caught:
        Experiment(fake_ws, "e").submit(with_gpu(source, "cpu-cluster"))
    assert len(caught) == 1 and "CPUs only" in fake.runs[-1]["properties"]["roost.gpu_substitution"] and "resources" not in fake.runs[-1]
    with pytest.raises(ComputeTargetException, match="ComputeTargetNotFound"):
        Experiment(fake_ws, "e").submit(with_gpu(source, "nothing"))


def test_use_gpu_under_the_operators_require(fake, fake_ws, project):
    source, size = project({"a.py": ""}), {"cpus": 2, "gpus": 0, "memory_mb": 7168}
    fake.compute["cpu-cluster"] = fake.target({"name": "cpu-cluster", "max_nodes": 1, "vm_size": "STANDARD_D2_V2", "wanted": size})
    fake.gpu_policy = "require"
    for target in ("local", "cpu-cluster"):
        with pytest.raises(UserErrorException, match="have none|has none.*started with --gpu require"):
            Experiment(fake_ws, "e").submit(with_gpu(source, target))
    assert fake.runs == []
    fake.gpus = 1
    Experiment(fake_ws, "e").submit(with_gpu(source))
    assert fake.runs[-1]["resources"] == {"gpus": 1}


def test_a_size_without_a_cluster(fake, fake_ws, project):
    source = project({"a.py": ""})
    for _ in range(2):
        Experiment(fake_ws, "e").submit(Estimator(source, vm_size="STANDARD_NC6", entry_script="a.py"))
    assert [run["compute_target"] for run in fake.runs] == ["auto-nc6"] * 2
    (body,) = fake.bodies("POST", "/compute")
    assert (body["name"], body["vm_size"], body["vm_priority"], body["min_nodes"], body["max_nodes"]) == ("auto-nc6", "STANDARD_NC6", "dedicated", 0, 1)
    fake.compute["auto-nc6"]["max_nodes"] = 4  # what its owner changed stays
    config = RunConfiguration()
    config.target, config.amlcompute.vm_size = "amlcompute", "Standard_NC6"
    Experiment(fake_ws, "e").submit(ScriptRunConfig(source, "a.py", run_config=config))
    assert fake.runs[-1]["compute_target"] == "auto-nc6" and len(fake.bodies("POST", "/compute")) == 1
    fake.compute["auto-nc6"]["vm_size"] = "STANDARD_D2_V2"
    with pytest.raises(ComputeTargetException, match="auto-nc6 has the size STANDARD_D2_V2, not Standard_NC6"):
        Experiment(fake_ws, "e").submit(ScriptRunConfig(source, "a.py", run_config=config))
    config.amlcompute.vm_size = None
    with pytest.raises(ExperimentExecutionException, match="vm_size, which is not set"):
        Experiment(fake_ws, "e").submit(ScriptRunConfig(source, "a.py", run_config=config))
    long = Estimator(source, vm_size="Standard_ND96amsr_A100_v4", vm_priority="lowpriority", entry_script="a.py")
    Experiment(fake_ws, "e").submit(long)
    name = fake.runs[-1]["compute_target"]
    assert len(name) == 24 and name.startswith("auto-nd96amsr-a") and fake.compute[name]["vm_priority"] == "lowpriority"


def test_what_else_dnn_had():
    with pytest.raises(ImportError, match="TensorFlow is not here"):
        from azureml.train.dnn import TensorFlow  # noqa: F401
    Mpi().validate("Chainer")
    Gloo().validate("PyTorch")
    with pytest.raises(TrainingException, match="Nccl goes with the PyTorch estimator"):
        Nccl().validate("Chainer")
