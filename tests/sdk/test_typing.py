"""The annotations, which ship with the packages (py.typed), as a type checker reads them."""

import os
import subprocess
import sys

from harness import SDK


def checked(tmp_path, *arguments, **options):
    return subprocess.run([sys.executable, "-m", "mypy", "--cache-dir", str(tmp_path / "cache"), *arguments], capture_output=True, text=True, timeout=300, **options)


def test_the_packages_agree_with_their_annotations(tmp_path):
    done = checked(tmp_path, cwd=SDK)  # its pyproject.toml says what and how
    assert done.returncode == 0 and "no issues found" in done.stdout, done.stdout + done.stderr


def test_a_script_is_told_of_its_mistakes(tmp_path):
    (tmp_path / "script.py").write_text(
        "from azureml.core import Experiment, Model, ScriptRunConfig, Webservice, Workspace\n"
        "ws = Workspace.from_config()\n"
        "run = Experiment(ws, 'e').submit(ScriptRunConfig('src', 'train.py', arguments=['--epochs', 2]))\n"
        "Webservice(ws, 'w')\n"
        "version: int = Model(ws, 'm').version\n"
        "run.tag(3)\n"
        "name: int = run.id\n"
    )
    done = checked(tmp_path, "--python-version", "3.10", "script.py", cwd=tmp_path, env={**os.environ, "MYPYPATH": str(SDK)})
    assert [line.split(": ")[0] for line in done.stdout.splitlines() if ": error:" in line] == ["script.py:6", "script.py:7"], done.stdout + done.stderr
