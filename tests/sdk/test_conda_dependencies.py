"""CondaDependencies: Azure ML's file form and defaults."""

import pytest

from azureml.core import VERSION
from azureml.core.conda_dependencies import CondaDependencies
from azureml.exceptions import UserErrorException
from roost.yaml_subset import load


def test_the_defaults_are_azures():
    conda = CondaDependencies()
    text = conda.serialize_to_string()
    assert text.startswith("#")
    assert text.split("\n\n", 1)[1] == (
        'name: project_environment\ndependencies:\n- python=3.8.13\n- pip:\n  - azureml-defaults\nchannels:\n- anaconda\n- conda-forge\n'
    )
    assert list(load(text)) == ["name", "dependencies", "channels"]
    assert conda.as_dict() == {"name": "project_environment", "dependencies": ["python=3.8.13", {"pip": ["azureml-defaults"]}], "channels": ["anaconda", "conda-forge"]}
    assert conda.get_python_version() == "3.8.13"


def test_create():
    made = CondaDependencies.create(pip_packages=["azureml-core", "azureml-sdk==1.2", "torch==1.6.0"], conda_packages=["numpy=1.19", "pytorch::torchvision"])
    assert made.pip_packages == [f"azureml-core~={VERSION}", "azureml-sdk==1.2", "torch==1.6.0"]
    assert made.conda_packages == ["python=3.10.18", "numpy=1.19", "pytorch::torchvision"]
    assert CondaDependencies.create(pip_packages=["azureml-core"], pin_sdk_version=False).pip_packages == ["azureml-core"]
    assert CondaDependencies.create(conda_packages=["numpy"]).pip_packages == ["azureml-defaults"]
    made = CondaDependencies.create(pip_indexurl="https://pypi.example/simple", python_version="3.7")
    assert (made.pip_options, made.get_python_version()) == (["--index-url https://pypi.example/simple"], "3.7")


def test_changes():
    conda = CondaDependencies()
    conda.add_pip_package("Torch==1.5")
    conda.add_pip_package("torch==1.6.0")
    conda.add_conda_package("NumPy>=1.18")
    conda.add_conda_package("conda-forge::numpy=1.19")
    conda.add_channel("pytorch")
    conda.add_channel("pytorch")
    conda.remove_channel("anaconda")
    conda.remove_pip_package("AzureML_defaults")
    conda.set_python_version("3.9")
    assert conda.pip_packages == ["torch==1.6.0"] and conda.conda_channels == ["conda-forge", "pytorch"]
    assert sorted(conda.conda_packages) == ["conda-forge::numpy=1.19", "python=3.9"]
    conda.set_pip_option("--extra-index-url https://a")
    conda.set_pip_option("--extra-index-url https://b")
    conda.set_pip_index_url("https://c")
    conda.set_pip_index_url("https://d")
    assert conda.pip_options == ["--extra-index-url https://a", "--extra-index-url https://b", "--index-url https://d"]
    conda.remove_pip_option("--extra-index-url")
    assert conda.pip_options == ["--index-url https://d"] and conda.pip_packages == ["torch==1.6.0"]
    conda.set_pip_requirements(["# comment", "", "  pillow  ", "--pre"])
    assert (conda.pip_packages, conda.pip_options) == (["pillow"], ["--pre"])
    conda.remove_conda_package("numpy")
    conda.add_tensorflow_pip_package("gpu", "2.3")
    conda.add_tensorflow_conda_package()
    assert conda.conda_packages == ["python=3.9", "tensorflow"] and conda.pip_packages == ["pillow", "tensorflow-gpu==2.3"]
    with pytest.raises(UserErrorException, match="set_pip_option"):
        conda.add_pip_package("--pre")


ARTICLE = """
channels:
- conda-forge
dependencies:
- python=3.6.2
- pip:
  - azureml-defaults
  - torch==1.6.0
"""


def test_files(tmp_path):
    (tmp_path / "env.yml").write_text(ARTICLE)
    conda = CondaDependencies(tmp_path / "env.yml")
    assert conda.conda_packages == ["python=3.6.2"] and conda.pip_packages == ["azureml-defaults", "torch==1.6.0"]
    assert conda.save(tmp_path / "a/b.yml") == str(tmp_path / "a/b.yml")
    assert CondaDependencies(tmp_path / "a/b.yml").as_dict() == conda.as_dict()
    assert conda.save_to_file(tmp_path, "c.yml") == "c.yml" and (tmp_path / "c.yml").read_text() == conda.serialize_to_string()
    for text, said in [("- a", "no conda specification"), ("dependencies: 3", "`dependencies`, a list"), ("dependencies:\n- 3.6", "`3.6` is no dependency"),
                       ("dependencies:\n- pip: torch", "pip must be a list of texts"), ("dependencies:\n- pip:\n  - 3", "quote it"),
                       ("a: &b 1", "cannot be read as a conda specification: line 1"), ("dependencies:\n\t- a", "line 2")]:  # fmt: skip
        (tmp_path / "bad.yml").write_text(text)
        with pytest.raises(UserErrorException, match=said):
            CondaDependencies(tmp_path / "bad.yml")
    with pytest.raises(UserErrorException, match="no conda specification .*missing.yml"):
        CondaDependencies(tmp_path / "missing.yml")
