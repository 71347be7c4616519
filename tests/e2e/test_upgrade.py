"""The program is replaced while a run goes on; and what is installed works without the source tree."""

import os
import pathlib
import shutil
import subprocess

import harness
from harness import BINARY, Server

# Does not end before it may.
SCRIPT = """
import pathlib, sys, time
from azureml.core import Run
run = Run.get_context()
for n in range(40):
    print('line', n, flush=True); run.log('n', n); time.sleep(0.05)
    while n == 30 and not pathlib.Path(sys.argv[1]).exists(): time.sleep(0.02)
open('outputs/done', 'w').write('yes')
"""


def install(prefix: pathlib.Path) -> pathlib.Path:
    build = pathlib.Path(BINARY).parents[2]
    subprocess.run(["cmake", "--install", str(build), "--prefix", str(prefix)], check=True, capture_output=True)
    return prefix / "bin" / "roost"


def test_an_upgrade_with_a_live_run(tmp_path, project, monkeypatch):
    old, new = install(tmp_path / "old"), install(tmp_path / "new")
    monkeypatch.setattr(harness, "BINARY", str(old))
    server = Server(tmp_path / "data").start()
    try:
        run_id = server.submit(project({"a.py": SCRIPT}), "a.py", "--", str(tmp_path / "may end"))
        server.wait_for(run_id, "Running")
        assert server.stop() == 0
        shutil.rmtree(tmp_path / "old")  # as a package manager replaces every file
        monkeypatch.setattr(harness, "BINARY", str(new))
        server.start()
        (tmp_path / "may end").touch()
        run = server.wait_for(run_id)
        assert run["status"] == "Completed", run["reason"]
        lines = [line for line in server.log(run_id).splitlines() if line.startswith(b"line")]
        assert len(lines) == 40
        points = server.client.get(f"/runs/{run_id}/metrics/history", name="n")["points"]
        assert [p["value"] for p in points] == list(range(40))
    finally:
        harness.end_runs(server)
        server.stop()


def test_the_installed_tree_has_what_a_package_needs(tmp_path):
    roost = install(tmp_path / "prefix")
    assert os.access(roost, os.X_OK) and os.access(tmp_path / "prefix" / "libexec" / "roost" / "roost-shim", os.X_OK)
    names = {str(p.relative_to(tmp_path / "prefix")) for p in (tmp_path / "prefix").rglob("*")}
    assert any(n.endswith("python/azureml/core/run.py") for n in names)
    unit = next(p for p in (tmp_path / "prefix").rglob("roost.service")).read_text()
    assert "KillMode=process" in unit
