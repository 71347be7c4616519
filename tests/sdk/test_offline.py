"""A script on its own has an offline run that prints."""

import subprocess
import sys

import pytest

from harness import AT_MOST, SDK


def run_script(code, **environment):
    return subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(SDK), "PATH": "/usr/bin:/bin", **environment},
                          capture_output=True, text=True, timeout=AT_MOST)  # fmt: skip


def test_an_offline_run_prints():
    done = run_script("""
from azureml.core import Run
run = Run.get_context()
assert run.id.startswith('OfflineRun_')
run.log('loss', 0.5); run.log_list('l', [1]); run.log_row('r', x=1); run.tag('k', 'v'); run.set_tags({'a': 'b'})
run.upload_file('n', 'p'); run.upload_folder('n', 'p'); run.flush(); run.complete()
with run.child_run('c') as child:
    print(child.id == run.id + '.c')
run.fail('details', 'Code')
""")
    assert done.returncode == 0, done.stderr
    for line in ("Attempted to log scalar metric loss:\n0.5", "Attempted to log list metric l:\n[1]", "Attempted to log row metric r:\n{'x': 1}",
                 "Attempted to add tag k with value v", "Attempted to set tags {'a': 'b'}", "Attempted to track file n at p", "[START] Run ", "\nTrue\n",
                 "Run failed with error code Code:\ndetails"):  # fmt: skip
        assert line in done.stdout, line


def test_without_offline_runs_it_raises():
    done = run_script("from azureml.core import Run; Run.get_context(allow_offline=False)")
    assert done.returncode != 0 and "RunEnvironmentException" in done.stderr and "experiment.start_logging" in done.stderr


def test_a_server_that_is_never_there_does_not_hold_up_the_end(tmp_path):
    done = run_script("from azureml.core import Run; Run.get_context().log('a', 1)",
                      ROOST_URL="http://127.0.0.1:9", ROOST_TOKEN="t", ROOST_RUN_ID="r", ROOST_REPORT_FILE=str(tmp_path / "report.jsonl"))  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert '"name":"a"' in (tmp_path / "report.jsonl").read_text()
    assert "roost: metrics wait" in done.stderr


def test_numbers_texts_and_what_is_neither():
    import numpy
    import torch

    from azureml.core._values import cell

    assert cell(numpy.float64(1.5)) == 1.5 and cell(torch.tensor(2.5)) == 2.5 and cell(numpy.array(3)) == 3
    assert cell(True) is True and cell(None) is None and cell("a") == "a"
    assert cell({"a"}) == "{'a'}"


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_packages_are_clean(tmp_path, kind):
    import shutil
    import tarfile
    import zipfile

    copy = tmp_path / "source"
    shutil.copytree(SDK, copy, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "build", "dist"))
    subprocess.run([sys.executable, "-m", "build", f"--{kind}", "--no-isolation", "--outdir", str(tmp_path / "dist"), str(copy)],
                   check=True, capture_output=True)  # fmt: skip
    made = next((tmp_path / "dist").iterdir())
    names = zipfile.ZipFile(made).namelist() if kind == "wheel" else [n.split("/", 1)[-1] for n in tarfile.open(made).getnames()]
    folder = "roost_azureml/azureml" if kind == "wheel" else "azureml"  # see test_install.py
    assert "roost/client.py" in names and f"{folder}/core/run.py" in names
    assert not any("__pycache__" in n or "test" in n for n in names)
