"""The SDK with every Python that it is for, as far as this machine has them: on PATH as python3.X, or among pyenv's versions."""

import functools
import os
import pathlib
import shutil
import subprocess

import pytest

from harness import SDK
from sdk.support import write_config

PYTHONS = ["3.8", "3.9", "3.10", "3.11", "3.12", "3.13"]
SMOKE = pathlib.Path(__file__).with_name("smoke_of_python.py")


@functools.lru_cache(maxsize=None)
def find_python(version: str):
    """Its interpreter, or None. One is taken only when it starts and says that it is that version: pyenv's shims may not."""
    pyenv = pathlib.Path(os.environ.get("PYENV_ROOT") or pathlib.Path.home() / ".pyenv") / "versions"
    candidates = [shutil.which(f"python{version}"), *sorted(map(str, pyenv.glob(f"{version}.*/bin/python")))]
    for candidate in filter(None, candidates):
        asked = subprocess.run([candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2], sys.executable)"], capture_output=True, text=True)
        if asked.returncode == 0 and asked.stdout.split(" ", 1)[0] == version:
            return asked.stdout.split(" ", 1)[1].strip()
    return None


def test_there_are_pythons_to_test_with():
    """A look that finds none is broken: the tests' own Python is one of them."""
    assert [version for version in PYTHONS if find_python(version)]


@pytest.mark.parametrize("version", PYTHONS)
def test_a_control_script_runs(shared_server, tmp_path, version):
    python = find_python(version)
    if python is None:
        absent = ", ".join(each for each in PYTHONS if not find_python(each))
        pytest.skip(f"Python {version} is not on this machine (absent: {absent})")
    write_config(tmp_path, shared_server, "config.json")
    environment = {"PYTHONPATH": str(SDK), "PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([python, str(SMOKE), str(tmp_path)], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == f"all is well with {version}", done.stdout + done.stderr
