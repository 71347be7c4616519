"""Environments: what is sent for them, and what comes back."""

import json
import sys

import pytest

from azureml.core import Environment, Experiment, Run, ScriptRunConfig
from azureml.core.conda_dependencies import CondaDependencies
from azureml.core.container_registry import ContainerRegistry
from azureml.core.environment import DEFAULT_CPU_IMAGE, DEFAULT_GPU_IMAGE
from azureml.core.runconfig import DockerConfiguration, RunConfiguration
from azureml.exceptions import UserErrorException
from sdk.fake_service import CURATED

ARTICLE = "channels:\n- conda-forge\ndependencies:\n- python=3.6.2\n- pip:\n  - azureml-defaults\n  - torch==1.6.0\n"


@pytest.fixture
def sent(fake, fake_ws, project):
    """Submits with an environment; gives the run definition as it was sent."""
    source = project({"a.py": ""})

    def submit(environment, **more):
        fake.run = Experiment(fake_ws, "e").submit(ScriptRunConfig(source, "a.py", environment=environment, **more))
        return fake.runs[-1]

    return submit


@pytest.fixture
def article(tmp_path):
    (tmp_path / "conda_dependencies.yml").write_text(ARTICLE)
    return Environment.from_conda_specification(name="pytorch-1.6-gpu", file_path=str(tmp_path / "conda_dependencies.yml"))


def test_a_conda_specification_is_sent_as_it_is(sent, article):
    article.docker.enabled = True
    article.docker.base_image = "mcr.microsoft.com/azureml/openmpi3.1.2-cuda10.1-cudnn7-ubuntu18.04"
    article.environment_variables = {"N": 1}
    assert sent(article)["environment"] == {
        "name": "pytorch-1.6-gpu",
        "python": {"conda": {"channels": ["conda-forge"], "packages": ["python=3.6.2"], "pip": ["azureml-defaults", "torch==1.6.0"]}},
        "docker": {"enabled": True, "base_image": "mcr.microsoft.com/azureml/openmpi3.1.2-cuda10.1-cudnn7-ubuntu18.04", "shm_size": "2g"},
        "environment_variables": {"N": "1"},
    }


def test_requirements(sent, tmp_path, capsys):
    (tmp_path / "requirements.txt").write_text("# of the run\n--index-url https://pypi.example/simple\ntorch==2.2.1\n\npillow>=5 \\\n  ; python_version > '3'\n")
    env = Environment.from_pip_requirements("reqs", str(tmp_path / "requirements.txt"))
    lines = ["--index-url https://pypi.example/simple", "torch==2.2.1", "pillow>=5   ; python_version > '3'"]
    assert sent(env)["environment"] == {"name": "reqs", "python": {"pip": lines}}
    env = Environment.from_pip_requirements("reqs", str(tmp_path / "requirements.txt"), pip_version="20.2")
    assert sent(env)["environment"]["python"]["conda"]["packages"] == ["pip=20.2"]
    assert capsys.readouterr().out == ""
    with pytest.raises(UserErrorException, match="no requirements file nothing.txt"):
        Environment.from_pip_requirements("e", "nothing.txt")
    with pytest.raises(UserErrorException, match="no conda specification nothing.yml"):
        Environment.from_conda_specification("e", "nothing.yml")


def test_a_python_version_that_nobody_asked_for_is_not_sent(sent, tmp_path, capsys):
    (tmp_path / "env.yml").write_text("dependencies:\n- numpy\n")
    env = Environment.from_conda_specification("e", str(tmp_path / "env.yml"))
    assert capsys.readouterr().out.startswith('No Python version provided, defaulting to "3.10.18"')
    assert env.python.conda_dependencies.get_python_version() == "3.10.18"
    assert sent(env)["environment"]["python"] == {"conda": {"channels": [], "packages": ["numpy"], "pip": []}}
    env.python.conda_dependencies.set_python_version("3.10.18")
    assert sent(env)["environment"]["python"]["conda"]["packages"] == ["python=3.10.18", "numpy"]
    env = Environment("e")
    env.python.conda_dependencies = CondaDependencies.create(pip_packages=["torch"], python_version="3.9")
    assert sent(env)["environment"]["python"]["conda"]["packages"] == ["python=3.9"]
    env.python.conda_dependencies = CondaDependencies.create(pip_packages=["torch"])
    assert sent(env)["environment"]["python"] == {"pip": ["torch"]}
    env = Environment("e")
    env.python.conda_dependencies.add_pip_package("pillow")
    assert sent(env)["environment"]["python"] == {"pip": ["azureml-defaults", "pillow"]}


def test_a_python_version_that_nobody_asked_for_is_none_after_saving_either(sent, tmp_path):
    def copies(conda):
        env = Environment("e")
        env.python.conda_dependencies = conda
        env.save_to_directory(tmp_path / "folder", overwrite=True)
        yield Environment.load_from_directory(tmp_path / "folder")
        (tmp_path / "folder/conda_dependencies.yml").unlink()
        yield Environment.load_from_directory(tmp_path / "folder")
        config = RunConfiguration(conda_dependencies=conda)
        yield RunConfiguration.load(config.save(tmp_path, "mine")).environment
        yield Environment.from_conda_specification("e", conda.save(tmp_path / "env.yml"))

    for env in copies(CondaDependencies.create(pip_packages=["torch"])):
        assert sent(env)["environment"]["python"] == {"pip": ["torch"]}
        env.python.conda_dependencies.set_python_version("3.10.18")
        assert sent(env)["environment"]["python"]["conda"]["packages"] == ["python=3.10.18"]
    asked = CondaDependencies()
    asked.set_python_version("3.8.13")
    for env in copies(asked):
        assert sent(env)["environment"]["python"]["conda"]["packages"] == ["python=3.8.13"]
    for env in copies(CondaDependencies()):
        assert sent(env)["environment"]["python"] == sys.executable
    # An edited file has a wish.
    CondaDependencies.create(pip_packages=["torch"]).save(tmp_path / "env.yml")
    (tmp_path / "env.yml").write_text((tmp_path / "env.yml").read_text().replace("- python=3.10.18", "- python=3.9"))
    assert sent(Environment.from_conda_specification("e", tmp_path / "env.yml"))["environment"]["python"]["conda"]["packages"] == ["python=3.9"]


def test_an_environment_that_asks_for_nothing_is_an_interpreter(sent, fake):
    assert sent(None)["environment"] == {"python": sys.executable} and "name" not in fake.runs[-1]
    env = Environment("mine")
    env.environment_variables = {"COLOUR": "red"}
    body = sent(env)
    assert body["environment"] == {"python": sys.executable} and body["environment_variables"] == {"COLOUR": "red"}
    assert body["properties"]["roost.environment"] == "mine"
    env.python.user_managed_dependencies, env.python.interpreter_path = True, "/opt/bin/python"
    env.python.conda_dependencies.add_pip_package("not looked at")
    assert sent(env)["environment"] == {"python": "/opt/bin/python"}
    fake.compute["cpu-cluster"] = fake.target({"name": "cpu-cluster", "max_nodes": 1})
    assert "environment" not in sent(None, compute_target="cpu-cluster")
    assert sent(Environment.from_existing_conda_environment("e", "base"))["environment"] == {"name": "e", "python": {"conda_environment": "base"}}
    bad = Environment.from_existing_conda_environment("e", "base")
    bad.python.conda_dependencies.add_pip_package("pillow")
    with pytest.raises(UserErrorException, match="in which nothing is installed"):
        sent(bad)


def test_the_end_of_a_tunnel_is_another_machine(sent, fake, tmp_path):
    (tmp_path / "fake's data/token").write_text("another")
    assert "environment" not in sent(None)
    (tmp_path / "fake's data/token").write_text("token")
    assert sent(None)["environment"] == {"python": sys.executable}
    (tmp_path / "fake's data/server.json").write_text(json.dumps({"address": "http://127.0.0.1:1"}))
    assert "environment" not in sent(None)


def test_containers(sent, tmp_path, article):
    image = Environment.from_docker_image("i", "registry/image:1")
    assert sent(image)["environment"] == {"name": "i", "python": {}, "docker": {"enabled": False, "base_image": "registry/image:1", "shm_size": "2g"}}
    (tmp_path / "Dockerfile").write_text("FROM debian\n")
    for given in (str(tmp_path / "Dockerfile"), "FROM debian\n"):
        body = sent(Environment.from_dockerfile("d", given, conda_specification=str(tmp_path / "conda_dependencies.yml")))["environment"]
        assert body["docker"] == {"enabled": False, "base_dockerfile": "FROM debian\n", "shm_size": "2g"} and body["python"]["conda"]["packages"] == ["python=3.6.2"]
    used = DockerConfiguration(use_docker=True, arguments=["--ipc=host"], shm_size="4g")
    assert sent(article, docker_runtime_config=used)["environment"]["docker"] == {"enabled": True, "shm_size": "4g", "arguments": ["--ipc=host"]}
    # Managed dependencies that ask for nothing are our package in any Python; without them the run has what the image has.
    assert sent(Environment("e"), docker_runtime_config=DockerConfiguration(True))["environment"]["python"] == {"pip": ["azureml-defaults"]}
    own = Environment("e")
    own.python.user_managed_dependencies = True
    body = sent(own, docker_runtime_config=DockerConfiguration(True))["environment"]
    assert body["python"] == {} and body["docker"]["base_image"] == DEFAULT_CPU_IMAGE
    registry = ContainerRegistry()
    registry.address = "registry.example"
    image = Environment.from_docker_image("i", "image:1", registry)
    assert sent(image)["environment"]["docker"]["base_image"] == "registry.example/image:1"
    registry.password = "secret"
    with pytest.raises(UserErrorException, match="log that user in"):
        sent(image)
    with pytest.raises(UserErrorException, match="not both"):
        Environment.from_dockerfile("d", "FROM debian\n", "a", "b")


def test_a_container_that_the_run_has_not_is_warned_of_once(fake, fake_ws, project):
    source, environment = project({"a.py": ""}), Environment("e")
    environment.docker.base_image = "img:1"
    environment.python.conda_dependencies = CondaDependencies.create(pip_packages=["tiny"])
    fake.container_hint = "The environment names the image img:1, which is a hint"
    with pytest.warns(UserWarning, match="names the image img:1, which is a hint") as caught:
        run = Experiment(fake_ws, "e").submit(ScriptRunConfig(source, "a.py", environment=environment))
    assert len(caught) == 1 and caught[0].filename == __file__ and run.id == "r1"


def test_settings_without_a_meaning_are_named_once(sent):
    for change, said in [(lambda env: setattr(env.docker, "shm_size", "8g"), "docker settings have no meaning without a container"),
                         (lambda env: setattr(env, "inferencing_stack_version", "latest"), "inferencing_stack_version has no meaning")]:  # fmt: skip
        env = Environment("e")
        change(env)
        with pytest.warns(UserWarning, match=said) as caught:
            sent(env)
        assert len(caught) == 1 and caught[0].filename == __file__


def test_a_setting_that_is_not_here_is_named():
    config = RunConfiguration()
    for target, name in [(config.environment.docker, "gpu_support"), (config.environment.python, "conda_dependency"), (config, "prepare_environment"),
                         (config.history, "x"), (config.environment, "pyton")]:  # fmt: skip
        with pytest.warns(UserWarning, match=f"{type(target).__name__} has no setting '{name}' here, so it has no effect; it has .*") as caught:
            setattr(target, name, True)
        assert len(caught) == 1 and caught[0].filename == __file__
    with pytest.raises(NotImplementedError, match="Environment.spark is not here"):
        config.environment.spark.precache_packages = False
    with pytest.raises(UserErrorException, match="has no setting 'x'; it has .*base_dockerfile"):
        type(config.environment.docker)(x=1)


def test_registering(fake, fake_ws, article):
    registered = article.register(fake_ws)
    assert (registered.name, registered.version, article.version) == ("pytorch-1.6-gpu", "1", None)
    assert article.register(fake_ws).version == "1"
    article.python.conda_dependencies.add_pip_package("pillow")
    assert article.register(fake_ws).version == "2"
    assert Environment.get(fake_ws, "pytorch-1.6-gpu").version == "2" == Environment.get(fake_ws, "pytorch-1.6-gpu", label="Latest").version
    first = Environment.get(fake_ws, "pytorch-1.6-gpu", version=1)
    assert first.python.conda_dependencies.pip_packages == ["azureml-defaults", "torch==1.6.0"] and first.python.conda_dependencies.get_python_version() == "3.6.2"
    with pytest.raises(UserErrorException, match="Environment 'nothing' is not there"):
        Environment.get(fake_ws, "nothing")
    with pytest.raises(UserErrorException, match="version 7 is not there"):
        Environment.get(fake_ws, "pytorch-1.6-gpu", 7)
    with pytest.raises(UserErrorException, match="label Latest"):
        Environment.get(fake_ws, "pytorch-1.6-gpu", label="Stable")
    interpreter = Environment("i")
    interpreter.python.user_managed_dependencies, interpreter.python.interpreter_path = True, "/usr/bin/python3"
    again = interpreter.register(fake_ws)
    assert again.python.interpreter_path == "/usr/bin/python3" and again.python.user_managed_dependencies


def test_curated_names(fake, fake_ws, sent, tmp_path):
    assert CURATED in fake_ws.environments and "AzureML-Nothing" not in fake_ws.environments
    fake.asked.clear()
    everything = fake_ws.environments
    assert list(everything) == [CURATED] and len(fake.asked) == 1  # no look at those that nobody wants
    with pytest.raises(KeyError):
        everything["nothing"]
    env = everything[CURATED]
    assert env is everything[CURATED] and env.python.conda_dependencies.pip_packages == ["azureml-defaults", "torch", "torchvision"]
    assert env.python.conda_dependencies.conda_packages == ["python>=3.9"]

    assert sent(env)["environment"] == {"name": CURATED, "version": "1"} and "environment_variables" not in fake.runs[-1]
    env.environment_variables["B"] = "2"
    body = sent(env)
    assert body["environment"] == {"name": CURATED, "version": "1"} and body["environment_variables"] == {"B": "2"}
    with pytest.warns(UserWarning, match="use_docker has no meaning for environment 'AzureML"):
        assert sent(env, docker_runtime_config=DockerConfiguration(True))["environment"] == {"name": CURATED, "version": "1"}

    clone = env.clone("mine")
    assert sent(clone)["environment"]["python"] == {"conda": {"channels": [], "packages": ["python>=3.9"], "pip": ["azureml-defaults", "torch", "torchvision"]}}
    env.python.conda_dependencies.add_pip_package("pillow")
    assert sent(env)["environment"]["name"] == CURATED and "version" not in fake.runs[-1]["environment"]  # which the server refuses
    with pytest.raises(UserErrorException, match="clone it under a new name"):
        env.register(fake_ws)


def test_curated_names_that_cannot_be_served_are_in_no_list(fake, fake_ws):
    rows = fake.GET_environments

    def with_another(parts, body, query):
        if parts == ["AzureML-Old", "versions", "latest"]:
            return 200, {"name": "AzureML-Old", "version": None, "definition": None, "description": "its packages are gone"}
        status, answer = rows(parts, body, query)
        if not parts:
            answer["items"].append({"name": "AzureML-Old", "definition": None})
        return status, answer

    fake.GET_environments = with_another
    assert [environment.name for environment in fake_ws.environments.values()] == [CURATED]
    with pytest.raises(UserErrorException, match="its packages are gone"):
        Environment.get(fake_ws, "AzureML-Old")
    environments = fake_ws.environments
    with pytest.raises(UserErrorException, match="'AzureML-Old' cannot be used here: its packages are gone"):
        environments["AzureML-Old"]
    assert "AzureML-Old" not in environments and environments.get("AzureML-Old", 1) == 1
    with pytest.raises(KeyError, match="nothing"):
        environments["nothing"]


def test_a_folder(fake_ws, tmp_path, article):
    env = Environment.get(fake_ws, CURATED)
    env.save_to_directory(path=str(tmp_path / CURATED))
    assert sorted(file.name for file in (tmp_path / CURATED).iterdir()) == ["azureml_environment.json", "conda_dependencies.yml"]
    with pytest.raises(FileExistsError, match="overwrite=True"):
        env.save_to_directory(tmp_path / CURATED)
    content = json.loads((tmp_path / CURATED / "azureml_environment.json").read_text())
    assert list(content) == ["name", "version", "environmentVariables", "python", "docker", "spark", "databricks", "r", "inferencingStackVersion", "assetId"]
    assert content["docker"]["baseImage"] == DEFAULT_CPU_IMAGE and content["python"]["userManagedDependencies"] is False
    again = Environment.load_from_directory(tmp_path / CURATED)
    again.save_to_directory(tmp_path / "again")
    assert json.loads((tmp_path / "again/azureml_environment.json").read_text()) == content
    # As the article does it: the file that was written is edited and read.
    file = tmp_path / CURATED / "conda_dependencies.yml"
    file.write_text(file.read_text().replace("- torchvision", "- torchvision\n  - pillow"))
    assert Environment.from_conda_specification("new", file).python.conda_dependencies.pip_packages[-1] == "pillow"
    assert Environment.load_from_directory(tmp_path / CURATED).python.conda_dependencies.pip_packages[-1] == "pillow"

    env = Environment.from_dockerfile("d", "FROM debian\n")
    env.save_to_directory(tmp_path / "again", overwrite=True)
    assert (tmp_path / "again/BaseDockerfile").read_text() == "FROM debian\n"
    loaded = Environment.load_from_directory(tmp_path / "again")
    assert (loaded.docker.base_dockerfile, loaded.docker.base_image, loaded.python.user_managed_dependencies) == ("FROM debian\n", None, True)
    article.save_to_directory(tmp_path / "again", overwrite=True)
    assert not (tmp_path / "again/BaseDockerfile").exists()
    for text, said in [("[]", "cannot be read as an environment"), ("{", "cannot be read as an environment")]:
        (tmp_path / "again/azureml_environment.json").write_text(text)
        with pytest.raises(UserErrorException, match=said):
            Environment.load_from_directory(tmp_path / "again")
    with pytest.raises(UserErrorException, match="no environment in"):
        Environment.load_from_directory(tmp_path / "nothing")


def test_waiting_for_a_build_outlives_the_server(fake, fake_ws, article, impatient, capsys):
    build = article.build(fake_ws)
    fake.away = 3
    build.wait_for_completion()
    printed = capsys.readouterr()
    assert fake.away == 0 and printed.out == "Collecting torch\n" and printed.err.count("waiting goes on") == 1


def test_building(fake, fake_ws, article, capsys):
    build = article.build(fake_ws)
    assert build.status == "Running"
    build.wait_for_completion()
    assert build.status == "Succeeded" and capsys.readouterr().out == "Collecting torch\n" and build.get_log() == "Collecting torch\n"
    assert fake.bodies("POST", "/environment-builds") == [{"environment": {"name": "pytorch-1.6-gpu", "version": "1"}}]
    details = article.get_image_details(fake_ws)
    assert details["imageExistsInRegistry"] is True and details["pythonEnvironment"] == {"version": "3.11.7", "tool": "uv", "packages": {"torch": "2.2.1"}}
    assert details["ingredients"]["dockerfile"] is None and details["ingredients"]["notes"] == ["torch is the newest"]
    fake.builds["k1"] = [{"state": "failed", "error": "torch==1.6.0 cannot be had; the setting `relax pins` takes the nearest"}]
    with pytest.warns(UserWarning, match="platform, useDocker has no meaning"), pytest.raises(UserErrorException, match="relax pins.*\nCollecting torch"):
        article.build_local(fake_ws, platform="linux", useDocker=True)
    fake.POST_environment_builds = lambda *_: (202, {"key": None, "state": "failed", "error": "there is no podman"})
    with pytest.raises(UserErrorException, match="cannot be built: there is no podman"):
        article.build(fake_ws)
    fake.POST_environment_builds = lambda *_: (202, {"key": None, "state": "ready", "error": None})
    build = article.build(fake_ws)
    build.wait_for_completion()
    assert (build.status, build.get_log()) == ("Succeeded", "")
    with pytest.raises(UserErrorException, match="does not take cache"):
        article.build_local(fake_ws, cache=True)
    fake.asked.clear()
    Environment.get(fake_ws, CURATED).build(fake_ws)
    assert ("POST", "/environments") not in [(method, path) for method, path, _ in fake.asked]  # the server has it already


def test_the_environment_of_a_run(fake, fake_ws, sent, article):
    env = Environment.get(fake_ws, CURATED)
    env.environment_variables["B"] = "2"
    sent(env)
    found = Run.get(fake_ws, fake.run.id).get_environment()
    assert (found.name, found.version) == (CURATED, "1") and found.environment_variables == {"A": "1", "B": "2"}
    assert sent(found)["environment"] == {"name": CURATED, "version": "1"}
    mine = Environment("mine")
    sent(mine)
    found = fake.run.get_environment()
    assert found.name == "mine" and found.version is None and found.python.interpreter_path == sys.executable
    sent(article)
    assert fake.run.get_environment().python.conda_dependencies.pip_packages == ["azureml-defaults", "torch==1.6.0"]


def test_in_the_file_of_a_run_configuration(tmp_path, article):
    config = RunConfiguration(conda_dependencies=article.python.conda_dependencies)
    config.environment.docker.base_image = DEFAULT_GPU_IMAGE
    config.save(tmp_path, "mine")
    again = RunConfiguration.load(tmp_path, "mine").environment
    assert again.python.conda_dependencies.as_dict() == article.python.conda_dependencies.as_dict() and again.docker.base_image == DEFAULT_GPU_IMAGE
    file = tmp_path / ".azureml/mine"
    file.write_text("script: a.py\nenvironment:\n  python:\n    condaDependenciesFile: conda_dependencies.yml\n")
    assert RunConfiguration.load(tmp_path, "mine").environment.python.conda_dependencies.conda_packages == ["python=3.6.2"]
    section = Environment("e").python
    section.conda_dependencies_file = str(tmp_path / "conda_dependencies.yml")
    assert section.conda_dependencies.conda_packages == ["python=3.6.2"] and section.conda_dependencies_file.endswith("conda_dependencies.yml")


@pytest.fixture
def real(ws):
    """The real server."""
    return ws


def test_registering_on_the_server(real):
    env = Environment("of-the-tests")
    env.python.conda_dependencies = CondaDependencies.create(pip_packages=["azureml-defaults"])
    env.environment_variables = {"A": "1"}
    registered = env.register(real)
    assert registered.version == env.register(real).version and registered.python.conda_dependencies.pip_packages[0].startswith("azureml-defaults")
    assert Environment.get(real, "of-the-tests").environment_variables == {"A": "1"} and "of-the-tests" in real.environments
    for get in (lambda: Environment.get(real, "nothing"), lambda: Environment.get(real, "of-the-tests", version=7)):
        with pytest.raises(UserErrorException, match="is not there"):
            get()
    env.python.conda_dependencies.add_pip_package("===")
    with pytest.raises(UserErrorException, match="environment 'of-the-tests'.*==="):
        env.register(real)


def test_every_kind_of_definition_is_taken(real, article, tmp_path):
    (tmp_path / "requirements.txt").write_text("--pre\npillow>=5 ; python_version > '3'\n")
    interpreter = Environment("interpreter")
    interpreter.python.user_managed_dependencies, interpreter.python.interpreter_path = True, sys.executable
    article.docker.enabled = True
    for env in (article, Environment.from_pip_requirements("reqs", tmp_path / "requirements.txt", "20.2"), Environment.from_pip_requirements("reqs", tmp_path / "requirements.txt"),
                Environment.from_existing_conda_environment("existing", "base"), Environment.from_docker_image("image", "debian:12"),
                Environment.from_dockerfile("dockerfile", "FROM debian\n", pip_requirements=tmp_path / "requirements.txt"), interpreter, Environment("empty")):  # fmt: skip
        first = env.register(real)
        again = first.register(real)
        assert (again.name, again.version) == (env.name, first.version), f"{env.name}: what the server gave is another version when it is sent back"


def test_building_on_the_server(real, capsys):
    env = Environment("to-be-built")
    env.python.conda_dependencies = CondaDependencies.create()  # our own package alone, which needs no index
    env.build(real).wait_for_completion()
    assert "azureml-defaults" in capsys.readouterr().out
    details = env.get_image_details(real)
    assert details["imageExistsInRegistry"] and details["pythonEnvironment"]["version"].startswith("3.")
    assert env.build(real).status == "Succeeded"
    env.python.conda_dependencies.add_pip_package("/there/is/no/such.whl")
    with pytest.raises(UserErrorException, match="the environment cannot be built: (.|\n)*such.whl"):
        env.build_local(real)


def test_a_run_with_a_registered_environment(real, project):
    env = Environment("of-a-run")
    env.python.user_managed_dependencies, env.python.interpreter_path = True, sys.executable
    env.environment_variables = {"A": "1"}
    registered = env.register(real)
    registered.environment_variables["B"] = "2"
    run = Experiment(real, "e").submit(ScriptRunConfig(project({"a.py": "import os, sys; print(os.environ['A'], os.environ['B'], sys.executable)"}), "a.py", environment=registered))
    run.wait_for_completion()
    assert f"1 2 {sys.executable}" in run.get_details_with_logs()["logFiles"]["azureml-logs/70_driver_log.txt"]
    found = run.get_environment()
    assert (found.name, found.version, found.environment_variables) == ("of-a-run", registered.version, {"A": "1", "B": "2"})


def test_curated_environments_of_the_server(real, tmp_path, project):
    assert "AzureML-Tutorial" in real.environments
    changed = real.environments["AzureML-PyTorch-1.6-CPU"]
    changed.save_to_directory(tmp_path / "saved")
    assert (tmp_path / "saved/conda_dependencies.yml").is_file()
    changed.python.conda_dependencies.add_pip_package("tabulate")
    with pytest.raises(UserErrorException, match="clone"):
        changed.register(real)
    with pytest.raises(UserErrorException, match="clone"):
        Experiment(real, "e").submit(ScriptRunConfig(project({"a.py": ""}), "a.py", environment=changed))
    assert changed.clone("mine").register(real).version == "1"
