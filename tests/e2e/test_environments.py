"""Environments from files, built by the machine's own tools out of packages that the tests make."""

import io
import json
import subprocess
import sys
import tarfile
import time
import zipfile

import harness
import pytest
from harness import AT_MOST, Server

# Builds its wheel only once the file GO exists; says so while it waits.
SLOW_BACKEND = """
import os, sys, time, zipfile
META = "Metadata-Version: 2.1\\nName: roost_slow\\nVersion: 1.0\\n"
def prepare_metadata_for_build_wheel(folder, config_settings=None):
    os.mkdir(folder + "/roost_slow-1.0.dist-info")
    open(folder + "/roost_slow-1.0.dist-info/METADATA", "w").write(META)
    return "roost_slow-1.0.dist-info"
def build_wheel(folder, config_settings=None, metadata_directory=None):
    open(os.environ["GO"] + ".started", "w").close()
    while not os.path.exists(os.environ["GO"]): time.sleep(0.05)
    write_wheel(folder, "roost_slow", "1.0")
    return "roost_slow-1.0-py3-none-any.whl"
"""
WRITE_WHEEL = '''
import zipfile
def write_wheel(folder, name, version):
    info = f"{name}-{version}.dist-info/"
    with zipfile.ZipFile(f"{folder}/{name}-{version}-py3-none-any.whl", "w") as out:
        out.writestr(f"{name}/__init__.py", f"version = '{version}'\\n")
        out.writestr(info + "METADATA", f"Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n")
        out.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        out.writestr(info + "RECORD", "".join(path + ",,\\n" for path in out.namelist()) + info + "RECORD,,\\n")
'''
exec(WRITE_WHEEL)  # the backend has the same function
SCRIPT = "import sys, os, roost_tiny; print(roost_tiny.version, sys.prefix == os.environ['VIRTUAL_ENV'])"


def write_source(folder, name):
    with tarfile.open(folder / f"{name}-1.0.tar.gz", "w:gz") as out:
        for path, text in (("pyproject.toml", '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'),
                           ("backend.py", WRITE_WHEEL + SLOW_BACKEND), ("PKG-INFO", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")):  # fmt: skip
            entry = tarfile.TarInfo(f"{name}-1.0/{path}")
            entry.size = len(text)
            out.addfile(entry, io.BytesIO(text.encode()))


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packages")
    write_wheel(folder, "roost_tiny", "1.0")  # noqa: F821
    write_wheel(folder, "roost_tiny", "2.0")  # noqa: F821
    write_source(folder, "roost_slow")
    return folder


@pytest.fixture
def server(tmp_path, packages):
    server = Server(tmp_path / "data", "--no-index", "--find-links", str(packages), "--build-env", f"GO={tmp_path / 'go'}",
                    "--build-env", f"UV_CACHE_DIR={tmp_path / 'cache'}", "--build-env", "PIP_NO_CACHE_DIR=1")  # fmt: skip
    server.start()
    yield server
    harness.end_runs(server)
    server.stop()


def conda(tmp_path, *pip, name="mine"):
    file = tmp_path / f"{name}.yml"
    file.write_text(f"name: {name}\nchannels: [conda-forge]\ndependencies:\n  - python={sys.version_info[0]}.{sys.version_info[1]}\n  - pip:\n"
                    + "".join(f"    - {one}\n" for one in pip))  # fmt: skip
    return str(file)


def submit(server, folder, *options, check=True):
    """As a user types it; the harness would name its own interpreter."""
    done = subprocess.run([harness.BINARY, "submit", *options, str(folder), "a.py"], env=server.environment, capture_output=True, text=True, timeout=2 * AT_MOST)
    if check:
        assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_a_conda_file_is_built_once_and_its_log_is_live(server, project, tmp_path):
    folder = project({"a.py": SCRIPT})
    first = submit(server, folder, "--conda-file", conda(tmp_path, "azureml-defaults", "roost_tiny==1.0"), "--watch")
    assert first.stdout == "1.0 True\n"
    # The watch may miss the state itself when the build takes no time; its log is there in any case.
    assert "import roost_tiny" in first.stderr and "azureml-defaults is not installed: Roost's own" in first.stderr
    run = server.client.get("/runs", experiment="Default")["items"][0]
    logs = {log["path"] for log in server.client.get(f"/runs/{run['run_id']}/logs")["items"]}
    assert logs == {"azureml-logs/20_image_build_log.txt", "azureml-logs/70_driver_log.txt"}
    assert "azureml-logs/20_image_build_log.txt" in server.roost("files", run["run_id"]).stdout

    again = submit(server, folder, "--environment", "mine", "--watch")
    assert again.stdout == "1.0 True\n" and "Preparing the environment" not in again.stderr
    listed = json.loads(server.roost("environments", "--json").stdout)
    assert [one["name"] for one in listed["environments"]] == ["mine"] and len(listed["builds"]) == 1
    key = listed["builds"][0]["key"]
    assert "Ready: Python" in server.roost("environments", "log", key).stdout
    assert json.loads(server.roost("environments", "show", "mine@1").stdout)["key"] == key
    assert "Removed 1 unused" in server.roost("environments", "prune").stdout
    assert not (server.folder / "environments" / key).exists()
    assert "Ready" in server.roost("environments", "build", "mine").stdout  # and it comes again


def test_a_failed_build_says_why_and_leaves_nothing(server, project, tmp_path):
    failed = submit(server, project({"a.py": SCRIPT}), "--conda-file", conda(tmp_path, "roost_tiny==7"), "--watch", check=False)
    assert failed.returncode == 1 and "roost-tiny==7 -> roost-tiny==2.0" in failed.stderr and "--relax-pins" in failed.stderr
    (run,) = server.client.get("/runs")["items"]
    assert run["status"] == "Failed" and run["error"]["code"] == "EnvironmentFailed" and "roost-tiny==2.0" in run["reason"] and "--relax-pins" in run["reason"]
    (build,) = server.client.get("/environment-builds")["items"]
    assert build["state"] == "failed" and "roost-tiny==2.0" in build["error"]
    assert not (server.folder / "environments" / build["key"]).exists()


def test_a_server_that_dies_in_a_build_builds_again(server, project, tmp_path):
    run_id = json.loads(submit(server, project({"a.py": "import roost_slow; print('here')"}), "--conda-file", conda(tmp_path, "roost_slow"), "--json").stdout)["run_id"]
    started = tmp_path / "go.started"
    deadline = time.monotonic() + AT_MOST
    while not started.exists():
        assert time.monotonic() < deadline, server.run(run_id)
        time.sleep(0.02)
    assert server.run(run_id)["status"] == "Preparing"
    server.kill()
    (tmp_path / "go").touch()
    server.start()
    assert server.wait_for(run_id)["status"] == "Completed"
    assert server.log(run_id) == b"here\n"


def test_a_cancel_ends_the_build(server, project, tmp_path):
    run_id = json.loads(submit(server, project({"a.py": ""}), "--conda-file", conda(tmp_path, "roost_slow"), "--json").stdout)["run_id"]
    deadline = time.monotonic() + AT_MOST
    while not (tmp_path / "go.started").exists():
        assert time.monotonic() < deadline, server.run(run_id)
        time.sleep(0.02)
    server.roost("cancel", run_id)
    assert server.wait_for(run_id)["status"] == "Canceled"
    deadline = time.monotonic() + AT_MOST
    while server.client.get("/environment-builds")["items"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("text, said", [("dependencies: [python", "no YAML"), ("dependencies:\n  - conda: [a]\n", ":2: an item of dependencies"),
                                        ("name: x\nchanels: []\ndependencies: [a]\n", ":2: 'chanels' is not known"), ("name: x\n", "no dependencies")])  # fmt: skip
def test_a_file_that_is_wrong_is_told_with_its_line(server, project, tmp_path, text, said):
    file = tmp_path / "wrong.yml"
    file.write_text(text)
    done = submit(server, project({"a.py": ""}), "--conda-file", str(file), check=False)
    assert done.returncode == 2 and said in done.stderr and "wrong.yml" in done.stderr


def test_what_is_not_there_is_told_at_submit(server, project, tmp_path):
    folder = project({"a.py": ""})
    missing = submit(server, folder, "--conda-file", str(tmp_path / "none.yml"), check=False)
    assert missing.returncode == 4 and "none.yml" in missing.stderr
    unknown = submit(server, folder, "--environment", "nobody", check=False)
    assert unknown.returncode == 2 and "There is no environment named 'nobody'" in unknown.stderr
    horovod = submit(server, folder, "--environment", "AzureML-NoSuchThing", check=False)
    assert horovod.returncode == 2 and "AzureML-NoSuchThing" in horovod.stderr
