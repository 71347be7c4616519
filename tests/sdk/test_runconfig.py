"""Run configurations and their files."""

import pathlib

import pytest

from azureml.core import Environment, RunConfiguration, ScriptRunConfig
from azureml.core.compute_target import LocalTarget
from azureml.core.conda_dependencies import CondaDependencies
from azureml.core.resource_configuration import ResourceConfiguration
from azureml.core.runconfig import DockerConfiguration, MpiConfiguration, PyTorchConfiguration, TensorflowConfiguration
from azureml.core.script_run_config import get_run_config_from_script_run
from azureml.exceptions import UserErrorException


def content(config):
    return {name: content(value) if hasattr(value, "__dict__") else value for name, value in vars(config).items()}


@pytest.mark.parametrize("layout", [None, MpiConfiguration(2, 3), PyTorchConfiguration("Gloo", 4, 2), TensorflowConfiguration(2, 0)])
def test_what_is_saved_is_loaded(tmp_path, layout):
    env = Environment("my env: 1")
    env.python.user_managed_dependencies, env.python.interpreter_path = True, "/opt/py/bin/python"
    env.environment_variables = {"A": "1", "B": "# no comment", "C": "yes", "D": "", "E": "line\nline"}
    config = ScriptRunConfig(".", "train.py", ["--lr", 0.001, "--flag", "", "- x", "a: b"], compute_target=LocalTarget(), environment=env,
                             distributed_job_config=layout, max_run_duration_seconds=60)  # fmt: skip
    saved = get_run_config_from_script_run(config)
    saved.history.directories_to_watch = []
    saved.resources = ResourceConfiguration(2, 1.5, 1)
    assert saved.save(tmp_path, "mine.runconfig") == str(tmp_path / ".azureml/mine.runconfig")
    for again in (RunConfiguration.load(tmp_path, "mine"), RunConfiguration.load(tmp_path, "mine.runconfig"), RunConfiguration.load(tmp_path / ".azureml/mine.runconfig")):
        assert content(again) == content(saved)
    RunConfiguration.delete(tmp_path, "mine")
    with pytest.raises(UserErrorException, match="no run configuration 'mine'"):
        RunConfiguration.load(tmp_path, "mine")


AZURE_STYLE = """
# Written by hand.
script: train.py
arguments: [--epochs, 3, "a b"]
target: local
framework: PyTorch
communicator: Nccl
maxRunDurationSeconds:
nodeCount: 1
environment:
  name: hand
  version:
  environmentVariables:
    EXAMPLE: 'it''s'
  python:
    userManagedDependencies: true
    interpreterPath: python
  docker: {enabled: false, arguments: []}
  spark: {cache: true}
history:
  outputCollection: true
  directoriesToWatch:
  - logs
mpi: {processCountPerNode: 1}
pytorch:
  communicationBackend: nccl
  processCount: 2
hdi:
  yarnDeployMode: Cluster
"""


def test_a_file_by_hand_is_read_and_what_it_has_besides_is_named(tmp_path):
    (tmp_path / "hand.runconfig").write_text(AZURE_STYLE)
    with pytest.warns(UserWarning, match="environment.spark, hdi have no meaning"):
        config = RunConfiguration.load(tmp_path, "hand")
    assert (config.script, config.arguments, config.target, config.pytorch.process_count, config._layout()) == ("train.py", ["--epochs", 3, "a b"], "local", 2, "pytorch")
    assert config.environment_variables == {"EXAMPLE": "it's"} and config.environment.python.user_managed_dependencies
    assert config.max_run_duration_seconds is None


@pytest.mark.parametrize("text, said", [
    ("- a", "keys and values"), ("a: &x 1", "line 1"), ("script: x\n\tb: 1", "line 2: is indented with a tab"), ("environment: 3", "environment must have"),
    ("history:\n  outputCollection: 3", "history.outputCollection must be a bool"), ("arguments: text", "arguments must be a list"),
])  # fmt: skip
def test_rubbish_is_named(tmp_path, text, said):
    (tmp_path / "bad").write_text(text)
    with pytest.raises(UserErrorException, match=said):
        RunConfiguration.load(tmp_path / "bad")


def test_the_environment_is_a_file_of_its_own(tmp_path):
    config = RunConfiguration(script="a.py")
    config.environment.python.conda_dependencies = CondaDependencies.create(pip_packages=["pillow"])
    saved = pathlib.Path(config.save(tmp_path, "mine.runconfig", separate_environment_yaml=True))
    assert sorted(file.name for file in saved.parent.iterdir()) == ["environment.yml", "mine.runconfig"] and "pillow" not in saved.read_text()
    conda = CondaDependencies(saved.parent / "environment.yml")
    conda.add_pip_package("numpy")
    conda.save(saved.parent / "environment.yml")  # as one would by hand
    for folder in (saved.parent, tmp_path / "elsewhere"):
        loaded = RunConfiguration.load(saved.parent.rename(folder) / "mine.runconfig")
        assert loaded.environment.python.conda_dependencies.pip_packages == ["pillow", "numpy"] and loaded.script == "a.py"
        assert not loaded.environment.python.conda_dependencies._python_is_wanted


def test_targets():
    config = RunConfiguration()
    config.target = LocalTarget()
    assert config.target == "local"
    with pytest.raises(UserErrorException):
        config.target = 3
    with pytest.raises(UserErrorException, match="has no setting 'x'"):
        Environment("e", x=1)
    env = Environment("e")
    copy = env.clone("f")
    copy.environment_variables["A"] = "1"
    assert env.environment_variables == {} and copy.name == "f"
    with pytest.raises(NotImplementedError, match="Environment.from_docker_build_context is not here"):
        Environment.from_docker_build_context("e", None)


def test_sections_are_there_to_be_changed(fake, fake_ws, project, tmp_path):
    from azureml.core import Experiment

    source = project({"a.py": ""})

    def config(**settings):
        made = RunConfiguration()
        for name, value in settings.items():
            setattr(made, name, value)
        return made

    def submit(made):
        Experiment(fake_ws, "e").submit(ScriptRunConfig(source, "a.py", run_config=made))

    submit(config(framework="PyTorch", communicator="Nccl"))
    submit(config(communicator="OpenMpi"))
    several = config(communicator="OpenMpi")
    several.mpi.process_count_per_node = 2
    for made in (several, config(node_count=2), config(communicator="ParameterServer"), config(framework="PyTorch", communicator="gloo", pytorch=PyTorchConfiguration("Gloo", 2))):
        with pytest.raises(NotImplementedError, match="several processes"):
            submit(made)
    alone = config(mpi=MpiConfiguration(4))
    alone.amlcompute.vm_size = "STANDARD_NC6"
    with pytest.warns(UserWarning, match="the run configuration's mpi, amlcompute have no meaning here") as told:
        submit(alone)
    assert len(told) == 1
    alone.environment.docker.base_image_registry.address = "registry.example"
    alone.environment.docker.base_image_registry.password = "secret"
    alone.save(tmp_path, "mine")
    again = RunConfiguration.load(tmp_path, "mine")
    assert (again.mpi.process_count_per_node, again.amlcompute.vm_size) == (4, "STANDARD_NC6")
    registry = again.environment.docker.base_image_registry
    assert (registry.address, registry.password) == ("registry.example", None) and "secret" not in (tmp_path / ".azureml/mine").read_text()
    with pytest.warns(UserWarning, match="AmlComputeConfiguration has no setting 'size'"):
        alone.amlcompute.size = 3
    assert DockerConfiguration(arguments=None).arguments == []
