"""A script is submitted with the command line, watched, and everything it leaves is kept."""

import json
import os
import signal
import subprocess
import sys
import time

from harness import AT_MOST, BINARY, SDK


def test_a_script_runs_and_everything_is_kept(server, project):
    src = project({
        "train.py": """
import argparse, os, pathlib, sys
import helper
from azureml.core import Run
parser = argparse.ArgumentParser(); parser.add_argument('--lr', type=float); args = parser.parse_args()
run = Run.get_context()
for step in range(5):
    run.log('loss', 1.0 / (step + 1) * args.lr)
print('to stdout'); print('to stderr', file=sys.stderr)
assert os.path.isdir('outputs') and os.path.isdir('logs')
pathlib.Path('outputs/model.bin').write_bytes(b'weights')
pathlib.Path('logs/notes.txt').write_text('a note')
pathlib.Path('../data').mkdir(); pathlib.Path('../data/file').write_text('beside')
print('module path', sys.path[0] == os.getcwd(), helper.WHERE)
""",
        "helper.py": "WHERE = 'helper found'",
    })  # fmt: skip
    done = server.roost("submit", str(src), "train.py", "--watch", "--experiment", "birds", "--tag", "team=vision", "--", "--lr", "0.5")
    assert "to stdout" in done.stdout and "module path True helper found" in done.stdout
    run = server.client.get("/runs", experiment="birds")["items"][0]
    run = server.run(run["run_id"])
    assert run["status"] == "Completed" and run["tags"] == {"team": "vision"} and run["submitter"] == "owner"
    assert run["definition"]["arguments"] == ["--lr", "0.5"]
    assert run["run_id"].startswith("birds_")
    log = server.log(run["run_id"])
    assert log.splitlines()[:2] == [b"to stdout", b"to stderr"]
    values = [p["value"] for p in server.client.get(f"/runs/{run['run_id']}/metrics/history", name="loss")["points"]]
    assert values == [0.5, 0.25, 0.5 / 3, 0.125, 0.1]
    files = {f["path"]: f["size"] for f in server.client.get(f"/runs/{run['run_id']}/files")["items"]}
    assert files["outputs/model.bin"] == 7 and files["logs/notes.txt"] == 6
    assert "azureml-logs/70_driver_log.txt" in files
    assert not any("data" in path for path in files)
    # The scratch folder, with what the script left in ../data, is gone.
    attempt = server.folder / "runs" / run["run_id"] / "attempt-1"
    assert not (attempt / "scratch").exists()


def test_watch_ends_with_the_scripts_exit_code_and_the_reason_says_why(server, project):
    src = project({"train.py": "import sys\nprint('before')\nraise ValueError('no such bird')"})
    done = server.roost("submit", str(src), "train.py", "--watch", check=False)
    assert done.returncode == 1
    run = server.client.get("/runs")["items"][0]
    run = server.run(run["run_id"])
    assert run["status"] == "Failed"
    assert run["error"]["code"] == "UserError"
    assert "ValueError" in run["error"]["message"] and "no such bird" in run["error"]["message"]
    assert "no such bird" in run["reason"]
    src = project({"seven.py": "import sys; sys.exit(7)"}, "seven")
    assert server.roost("submit", str(src), "seven.py", "--watch", check=False).returncode == 7
    run = server.client.get("/runs")["items"][0]
    assert run["exit_code"] == 7
    assert server.client.get(f"/runs/{run['run_id']}/details")["exitCode"] == 7
    shown = server.roost("show", run["run_id"]).stdout.splitlines()
    assert ["exit", "code", "7"] in [line.split() for line in shown]
    src = project({"killed.py": "import os; os.kill(os.getpid(), 9)"}, "killed")
    assert server.roost("submit", str(src), "killed.py", "--watch", check=False).returncode == 137


def test_a_signal_is_named(server, project):
    src = project({"a.py": "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"})
    run = server.wait_for(server.submit(src, "a.py"))
    assert run["status"] == "Failed" and "SIGSEGV" in run["reason"] + run["error"]["message"]
    assert run["exit_code"] == 139


def test_a_command_runs_in_a_shell(server, project):
    src = project({"a.txt": "content"})
    done = server.roost("submit", "--folder", str(src), "--command", 'export A=1 && echo "A is $A" | cat - a.txt', "--watch", "--env", "B=2")
    assert "A is 1\ncontent" in done.stdout


def test_variables_in_arguments_are_filled_in_where_the_script_runs(server, project):
    src = project({"a.py": "import sys; print(sys.argv[1:])"})
    done = server.roost("submit", str(src), "a.py", "--env", "WHO=owl", "--watch", "--", "--name", "$WHO")
    assert "['--name', 'owl']" in done.stdout


def test_cancel_ends_the_whole_tree_also_daemons_and_those_that_ignore_term(server, project):
    src = project({"a.py": """
import os, signal, subprocess, sys, time
marker = sys.argv[1]
signal.signal(signal.SIGTERM, signal.SIG_IGN)
code = "import os, signal, time\\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\\nopen(%r + str(os.getpid()), 'w').close()\\ntime.sleep(600)" % marker
for _ in range(2):
    subprocess.Popen([sys.executable, '-c', code], start_new_session=True)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open(marker + str(os.getpid()), 'w').close()
        time.sleep(600)
    os._exit(0)
print('ready', flush=True)
time.sleep(600)
"""})
    marks = server.folder.parent / "marks"
    marks.mkdir()
    server.stop()
    server.start("--grace", "1s")
    run_id = server.submit(src, "a.py", "--", f"{marks}/")
    deadline = time.monotonic() + AT_MOST
    while len(list(marks.iterdir())) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    pids = [int(mark.name) for mark in marks.iterdir()]
    assert len(pids) == 3
    server.roost("cancel", run_id, "--wait")
    run = server.wait_for(run_id)
    assert run["status"] == "Canceled"
    assert not any(os.path.exists(f"/proc/{pid}") for pid in pids)


def test_what_a_script_leaves_behind_ends_with_it(server, project):
    src = project({"a.py": """
import subprocess, sys
child = subprocess.Popen(['sleep', '600'], start_new_session=True)
open('outputs/pid', 'w').write(str(child.pid))
"""})
    run = server.wait_for(server.submit(src, "a.py"))
    assert run["status"] == "Completed"
    pid = b"".join(server.client.stream(f"/runs/{run['run_id']}/files/outputs/pid")).decode()
    assert not os.path.exists(f"/proc/{pid}")


def test_the_time_limit_ends_a_run_and_is_named(server, project):
    src = project({"a.py": "import time\nprint('start', flush=True)\ntime.sleep(600)"})
    run = server.wait_for(server.submit(src, "a.py", "--time-limit", "1s"))
    assert run["status"] in ("Canceled", "Failed")
    assert run["error"]["code"] == "TimeLimit" and "1 s" in run["reason"]


def test_runs_beyond_the_machine_wait_and_say_for_what(server, project):
    cpus = server.client.get("/server")["resources"]["cpus"]
    src = project({"a.py": "import time; time.sleep(600)"})
    first = server.submit(src, "a.py", "--cpus", str(cpus))
    server.wait_for(first, "Running")
    second = server.submit(src, "a.py", "--cpus", "1")
    deadline = time.monotonic() + AT_MOST
    while "CPU" not in (run := server.run(second))["reason"]:
        assert run["status"] == "Queued" and time.monotonic() < deadline, run
        time.sleep(0.05)
    assert run["status"] == "Queued"
    server.roost("cancel", first, "--wait")
    server.wait_for(second, "Running")
    server.roost("cancel", second, "--wait")


def test_watching_can_be_interrupted_and_the_run_goes_on(server, project):
    src = project({"a.py": "import time\nprint('ready', flush=True)\ntime.sleep(600)"})
    watch = subprocess.Popen([BINARY, "submit", "--watch", str(src), "a.py"], env=server.environment, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
    assert any("ready" in line for line in iter(watch.stdout.readline, ""))
    watch.send_signal(signal.SIGINT)
    assert watch.wait(AT_MOST) == 130
    (run,) = server.client.get("/runs")["items"]
    assert server.wait_for(run["run_id"], "Running")  # its log can be there a moment earlier


def test_the_snapshot_leaves_out_what_the_ignore_file_names(server, project):
    src = project({".amlignore": "data/\n*.log\n!keep.log\n", ".gitignore": "a.py\n", "a.py": "import os; print(sorted(os.listdir()))",
                   "data/big": "x", "b.log": "x", "keep.log": "x"})  # fmt: skip
    done = server.roost("submit", str(src), "a.py", "--watch")
    assert "'a.py'" in done.stdout and "'keep.log'" in done.stdout
    assert "'b.log'" not in done.stdout and "'data'" not in done.stdout


def test_too_large_a_folder_is_refused_with_the_largest_named(server, project):
    src = project({"a.py": "", **{f"many/{n}.txt": "x" for n in range(2001)}})
    done = server.roost("submit", str(src), "a.py", check=False)
    assert done.returncode == 6
    assert "exceeds the file limit of 2000" in done.stderr and "many" in done.stderr


def test_progress_bars_are_kept_sensible(server, project):
    src = project({"a.py": "import sys\nfor n in range(100):\n    sys.stderr.write(f'\\r{n}%')\nsys.stderr.write('\\r100%\\n')\nprint('done')"})
    run = server.wait_for(server.submit(src, "a.py"))
    raw = server.log(run["run_id"])
    assert raw.count(b"\r") >= 100
    folded = b"".join(server.client.stream(f"/runs/{run['run_id']}/logs/azureml-logs/70_driver_log.txt", fold="true"))
    assert folded == b"100%\ndone\n"


def test_model_registration_download_and_export(server, project, tmp_path):
    src = project({"a.py": "open('outputs/m.pt', 'w').write('w'); open('outputs/l.json', 'w').write('[]')"})
    run = server.wait_for(server.submit(src, "a.py"))
    server.roost("models", "register", "birds", "--run", run["run_id"], "--path", "outputs")
    model = server.client.get("/models/birds/versions/latest")
    assert model["version"] == 1 and model["file_count"] == 2 and model["snapshot"] == run["snapshot"]
    server.roost("models", "download", "birds", "--to", str(tmp_path / "m"))
    assert sorted(p.name for p in (tmp_path / "m").rglob("*") if p.is_file()) == ["l.json", "m.pt"]
    server.roost("export", run["run_id"], "--to", str(tmp_path / "run.tar.gz"))
    names = subprocess.run(["tar", "-tzf", str(tmp_path / "run.tar.gz")], capture_output=True, text=True, check=True).stdout
    assert "run.json" in names and "outputs/m.pt" in names and "70_driver_log.txt" in names and "a.py" in names


def test_submitting_twice_with_one_key_makes_one_run(server, project):
    src = project({"a.py": "print(1)"})
    first = json.loads(server.roost("submit", str(src), "a.py", "--json", "--idempotency-key", "k1").stdout)
    second = json.loads(server.roost("submit", str(src), "a.py", "--json", "--idempotency-key", "k1").stdout)
    assert first["run_id"] == second["run_id"]
    other = server.roost("submit", str(src), "a.py", "--idempotency-key", "k1", "--", "--other", check=False)
    assert other.returncode == 5


def test_git_state_becomes_properties(server, project):
    src = project({"a.py": "print(1)"})
    git = ["git", "-C", str(src), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", "init", "-qb", "trunk", str(src)], check=True)
    subprocess.run([*git, "remote", "add", "origin", "https://user:secret@example.org/x.git"], check=True)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "one"], check=True)
    (src / "a.py").write_text("print(2)")
    run = server.run(server.submit(src, "a.py"))
    properties = run["properties"]
    assert properties["azureml.git.branch"] == "trunk" and len(properties["azureml.git.commit"]) == 40
    assert properties["azureml.git.dirty"] == "True"
    assert properties["azureml.git.repository_uri"] == "https://example.org/x.git"


def test_a_written_config_leads_scripts_to_the_server(server, tmp_path):
    def write(*options, environment=None, check=True):
        command = [BINARY, "workspace", "config", str(tmp_path), *options]
        done = subprocess.run(command, env={**os.environ, **(environment or {})}, capture_output=True, text=True, timeout=AT_MOST)
        assert not check or done.returncode == 0, done.stderr
        return done

    def connect():
        script = "from azureml.core import Workspace; ws = Workspace.from_config(); print(ws.name, len(ws.experiments))"
        clean = {key: value for key, value in os.environ.items() if not key.startswith("ROOST_")}
        done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env={**clean, "PYTHONPATH": str(SDK)}, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    write("--data", str(server.folder), "--name", "mine")
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["roost_token_file"] == str(server.folder / "token") and server.token not in str(config)
    assert connect().startswith("mine ")
    conflict = write("--data", str(server.folder), "--with-token", check=False)
    assert conflict.returncode == 5 and "--overwrite" in conflict.stderr
    write("--data", str(server.folder), "--with-token", "--overwrite")
    assert (tmp_path / "config.json").stat().st_mode & 0o777 == 0o600 and connect().startswith("roost ")
    unknown = write("--server", server.url, "--token", server.token, "--overwrite", environment={"XDG_DATA_HOME": str(tmp_path)}, check=False)
    assert unknown.returncode == 2 and "--token-env" in unknown.stderr
