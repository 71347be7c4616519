"""The package as pip installs it, alone and beside an azureml-core."""

import ast
import subprocess
import sys
import zipfile

import pytest
from harness import SDK

# As Azure ML's wheel has it, as far as that matters for who is found first.
REAL = {
    "azureml/__init__.py": "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n",
    "azureml/_base_sdk_common/__init__.py": "",
    "azureml/core/__init__.py": "VERSION = '1.61.0.post4'\nclass Run: pass\n",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    subprocess.run(["cp", "-r", str(SDK), str(source)], check=True)  # building leaves files beside the sources
    done = subprocess.run([sys.executable, "-m", "pip", "wheel", "-q", "--no-index", "--no-deps", "--no-build-isolation", "-w", str(folder), str(source)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("roost-*.whl"))


@pytest.fixture
def site(wheel, tmp_path):
    """A folder as site-packages, with our wheel unpacked."""
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(tmp_path / "site")
    return tmp_path / "site"


def python(site, code, path=()):
    start = f"import site, sys; sys.path[:0] = {[str(p) for p in path]!r}; site.addsitedir({str(site)!r})\n"
    return subprocess.run([sys.executable, "-I", "-c", start + code], capture_output=True, text=True)


def test_alone_ours_is_found_and_complete(site):
    done = python(site, "import azureml.core, azureml.train.dnn, azureml.widgets, azureml.pipeline.core, roost; from azureml.data import OutputFileDatasetConfig\nprint(azureml.core.__file__)")
    assert done.returncode == 0, done.stderr
    assert "roost_azureml" in done.stdout and done.stderr == ""
    installed = {str(p.relative_to(site / "roost_azureml")) for p in (site / "roost_azureml").rglob("*.py")}
    assert installed == {str(p.relative_to(SDK)) for p in (SDK / "azureml").rglob("*.py")}


def test_beside_azureml_core_each_keeps_its_own(site):
    for path, text in REAL.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(text)
    real = python(site, "import azureml.core; print(azureml.core.VERSION)")
    assert real.stdout == "1.61.0.post4\n"
    mixed = python(site, "import azureml.widgets")
    assert "of Roost does not work with the azureml-core in" in mixed.stderr and "python -m roost which" in mixed.stderr
    ours = python(site, "import azureml.core; print(azureml.core._IS_ROOSTS)", [site / "roost_azureml"])
    assert ours.stdout == "True\n" and ours.stderr.count("`azureml` is Roost's here") == 1 and str(site / "azureml") in ours.stderr
    which = python(site, "import runpy; sys.argv = ['roost', 'which']; runpy.run_module('roost', run_name='__main__')")
    assert which.returncode == 1 and f"PYTHONPATH={site / 'roost_azureml'}" in which.stdout


def test_the_sources_are_for_python_3_8():
    for file in sorted(SDK.rglob("*.py")):
        ast.parse(file.read_text(), str(file), feature_version=(3, 8))
