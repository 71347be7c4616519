"""Data: brought into datastores, defined as datasets, read and written by runs; what is kept never changes."""

import hashlib
import json
import pathlib

import pytest

SNAP = {"train.py": "print('unused')"}


def digest(content: bytes) -> str:
    return "b2:" + hashlib.blake2b(content, digest_size=32).hexdigest()


@pytest.fixture
def pictures(tmp_path):
    """A folder of small files, a large one, and two of the same content."""
    folder = tmp_path / "pictures"
    for name in ("train", "test"):
        (folder / name).mkdir(parents=True)
        for number in range(20):
            (folder / name / f"{number}.png").write_bytes(f"{name} {number % 19}".encode())
    (folder / "train" / "large.bin").write_bytes(bytes(range(256)) * 2000)
    return folder


def stored_contents_are_unharmed(server) -> int:
    """Reads every file of the default datastore back and compares its digest."""
    files = server.client.get("/datastores/workspaceblobstore/files", limit=10000)["items"]
    for file in files:
        content = b"".join(server.client.stream(f"/datastores/workspaceblobstore/files/{file['path']}"))
        assert digest(content) == file["digest"], file["path"]
    return len(files)


def submit(server, project, script: str, arguments=(), **fields) -> dict:
    """Submits a script with inputs and outputs and waits for its end."""
    source = project({"a.py": script}, name=f"src-{len(list(project({}, name='count').parent.iterdir()))}")
    first = json.loads(server.roost("submit", str(source), "a.py", "--json").stdout)["run_id"]
    definition = server.wait_for(first) and server.run(first)["definition"]
    definition = {**definition, "arguments": list(arguments), "display_name": None, **fields}
    run = server.client.call("POST", "/runs", definition)
    return server.wait_for(run["run_id"])


def test_a_folder_is_uploaded_once_and_comes_back(server, pictures, tmp_path):
    done = json.loads(server.roost("data", "upload", str(pictures), "--to", "birds", "--json").stdout)
    assert done["added"] == 41 and done["bytes_sent"] > 500_000
    again = json.loads(server.roost("data", "upload", str(pictures), "--to", "birds", "--json").stdout)
    assert again == {**done, "added": 0, "unchanged": 41, "bytes_sent": 0}
    other = json.loads(server.roost("data", "upload", str(pictures), "--to", "elsewhere", "--json").stdout)
    assert other["added"] == 41 and other["bytes_sent"] == 0  # the contents are there
    (pictures / "train" / "1.png").write_text("changed")
    refused = server.roost("data", "upload", str(pictures), "--to", "birds", check=False)
    assert refused.returncode == 5 and "birds/train/1.png" in refused.stderr
    server.roost("data", "upload", str(pictures), "--to", "birds", "--overwrite", "--name", "birds")
    shown = json.loads(server.roost("data", "show", "birds", "--files", "--json").stdout)
    assert shown["version"] == 1 and shown["file_count"] == 41 and shown["single_file"] is False
    assert {f["path"] for f in shown["files"]} >= {"train/1.png", "test/3.png", "train/large.bin"}
    server.roost("data", "download", "birds", "--to", str(tmp_path / "back"))
    for file in pictures.rglob("*"):
        if file.is_file():
            assert (tmp_path / "back" / file.relative_to(pictures)).read_bytes() == file.read_bytes()
    assert "birds" in server.roost("data", "list").stdout


def test_every_mounted_file_is_appended_to_and_all_contents_stay(server, project, pictures):
    server.roost("data", "upload", str(pictures), "--to", "birds", "--name", "birds")
    dataset = server.client.get("/datasets/birds/versions/latest")["dataset_id"]
    script = """
import os, pathlib, sys
changed = refused = 0
for root in sys.argv[1:]:
    for file in sorted(pathlib.Path(root).rglob('*')):
        if not file.is_file():
            continue
        try:
            os.chmod(file, 0o666)
        except OSError:
            pass
        try:
            with open(file, 'ab') as opened:
                opened.write(b'spoiled')
            changed += 1
        except OSError:
            refused += 1
    try:
        (pathlib.Path(root) / 'new').write_text('mine')
    except OSError:
        pass
print('changed', changed, 'refused', refused)
"""
    inputs = {
        "mounted": {"mode": "mount", "dataset": dataset},
        "within": {"mode": "mount", "dataset": dataset, "path_on_compute": "data/birds"},
        "fetched": {"mode": "download", "dataset": dataset},
        "place": {"mode": "mount", "datastore": "workspaceblobstore", "path": "birds/train"},
    }
    arguments = [f"DatasetConsumptionConfig:{name}" for name in inputs]
    run = submit(server, project, script, arguments, inputs=inputs)
    assert run["status"] == "Completed", run["reason"]
    printed = server.log(run["run_id"]).decode()
    assert sum(int(word) for word in printed.split() if word.isdigit()) == 41 * 3 + 21
    mechanisms = {item["name"]: item["mechanism"] for item in run["inputs"]}
    assert mechanisms["fetched"] == "download" and mechanisms["mounted"] in ("bind", "links", "copy")
    said = {"bind": "a read-only mount of the run's own", "links": "links to read-only files", "copy": "a copy", "download": "download"}
    prepared = server.log(run["run_id"], "azureml-logs/65_job_prep.txt").decode()
    for name, count in {"mounted": 41, "within": 41, "fetched": 41, "place": 21}.items():
        (line,) = [line for line in prepared.splitlines() if line.startswith(f"Input {name}: {count} files")]
        assert f" by {said[mechanisms[name]]}" in line
    if mechanisms["mounted"] == "bind":
        assert "refused 103" in printed  # everything but the download
    assert stored_contents_are_unharmed(server) == 41
    # A second run sees what the first one saw at its start.
    check = """
import hashlib, pathlib, sys
for file in sorted(pathlib.Path(sys.argv[1]).rglob('*')):
    if file.is_file():
        print(hashlib.blake2b(file.read_bytes(), digest_size=32).hexdigest(), file.relative_to(sys.argv[1]))
"""
    run = submit(server, project, check, ["DatasetConsumptionConfig:mounted"], inputs={"mounted": inputs["mounted"]})
    seen = dict(reversed(line.split(maxsplit=1)) for line in server.log(run["run_id"]).decode().splitlines())
    expected = {str(f.relative_to(pictures)): digest(f.read_bytes())[3:] for f in pictures.rglob("*") if f.is_file()}
    assert seen == expected
    prepared = server.log(run["run_id"], "azureml-logs/65_job_prep.txt").decode()
    assert "Input mounted: 41 files" in prepared
    details = server.client.get(f"/runs/{run['run_id']}/details")
    assert details["inputDatasets"][0]["dataset"]["id"] == dataset
    assert details["inputDatasets"][0]["consumptionDetails"]["mechanism"] == "Mount"


def test_arguments_and_variables_hold_the_paths(server, project, tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("a,b\n1,2\n")
    server.roost("data", "upload", str(table), "--to", "tables", "--name", "table")
    dataset = server.client.get("/datasets/table/versions/1")
    assert dataset["single_file"] is True
    script = """
import os, sys
path, reference, identity = sys.argv[1:]
assert path == reference == os.environ['table'] == os.environ['TABLE'] == os.environ['AZUREML_DATAREFERENCE_table']
assert os.environ['AZUREML_DATASET_ENVIRONMENT_VARS'] == 'direct:direct,table:mount', os.environ['AZUREML_DATASET_ENVIRONMENT_VARS']
print(open(path).read(), identity)
"""
    inputs = {"table": {"mode": "mount", "dataset": dataset["dataset_id"]}, "direct": {"mode": "direct", "dataset": dataset["dataset_id"]}}
    arguments = ["DatasetConsumptionConfig:table", "$AZUREML_DATAREFERENCE_table", "DatasetConsumptionConfig:direct"]
    run = submit(server, project, script, arguments, inputs=inputs)
    assert run["status"] == "Completed", server.log(run["run_id"]).decode()
    assert dataset["dataset_id"] in server.log(run["run_id"]).decode()


def test_the_command_line_names_inputs_and_outputs(server, project, pictures):
    server.roost("data", "upload", str(pictures), "--to", "birds", "--name", "birds")
    script = """
import os, pathlib, shutil, sys
birds, test = sys.argv[1:]
assert birds == os.environ['birds'] and len(list(pathlib.Path(birds).rglob('*.png'))) == 40
assert os.path.realpath(test).endswith('work/data/test') and len(os.listdir(test)) == 20
shutil.copy(os.path.join(test, '3.png'), os.environ['kept'])
pathlib.Path(os.environ['model'], 'm.txt').write_text('m')
"""
    source = project({"a.py": script})
    words = ["submit", str(source), "a.py", "--json", "-i", "birds=birds:1", "--input", "test=workspaceblobstore:birds/test,download,to=data/test",
             "--output", "kept=workspaceblobstore:kept/{run-id},upload,register=kept birds", "-o", "model"]  # fmt: skip
    started = json.loads(server.roost(*words, "--", "$AZUREML_DATAREFERENCE_birds", "$AZUREML_DATAREFERENCE_test").stdout)
    run = server.wait_for(started["run_id"])
    assert run["status"] == "Completed", server.log(run["run_id"]).decode()
    inputs = {each["name"]: each for each in run["inputs"]}
    assert (inputs["birds"]["dataset_name"], inputs["birds"]["version"], inputs["birds"]["mode"]) == ("birds", 1, "mount")
    assert (inputs["test"]["datastore"], inputs["test"]["path"], inputs["test"]["mode"]) == ("workspaceblobstore", "birds/test", "download")
    outputs = {each["name"]: each for each in run["outputs"]}
    assert (outputs["kept"]["dataset_name"], outputs["kept"]["path"]) == ("kept birds", f"kept/{run['run_id']}")
    assert outputs["model"]["path"] == f"dataset/{run['run_id']}/model"
    shown = server.roost("show", run["run_id"]).stdout
    assert "inputs\n  birds       birds:1 (mount, " in shown
    assert "  test        workspaceblobstore:birds/test (download)\n" in shown
    assert f"  kept        kept birds:1 in workspaceblobstore:kept/{run['run_id']} (upload)\n" in shown
    by = f"{run['display_name']} ({run['run_id']}, Completed)"
    assert f"read by      {by}\n" in (birds := server.roost("data", "show", "birds").stdout) and "written by" not in birds
    assert f"written by   {by}\n" in (kept := server.roost("data", "show", "kept birds").stdout) and "read by" not in kept
    (told,) = json.loads(server.roost("data", "show", "birds", "--json").stdout)["runs"]
    assert told["run_id"] == run["run_id"] and [item["name"] for item in told["inputs"]] == ["birds"] and told["outputs"] == []
    for words, status, text in [
        (["--input", "a=nothing"], 4, "--input a: "), (["--input", "a=birds:7"], 4, "--input a: "),
        (["--input", "a=nowhere:x"], 2, "'nowhere'"), (["--output", "o=nowhere:x"], 2, "'nowhere'"),
        (["--input", "a=birds,upload"], 2, "'upload'"),
    ]:  # fmt: skip
        refused = server.roost("submit", str(source), "a.py", *words, check=False)
        assert refused.returncode == status and text in refused.stderr, refused.stderr


def test_outputs_become_the_next_runs_input(server, project):
    script = """
import pathlib, sys
folder = pathlib.Path(sys.argv[1])
(folder / 'sub').mkdir()
(folder / 'sub' / 'numbers.txt').write_text('1 2 3')
(folder / 'left.out').write_text('x')
"""
    outputs = {"prepared": {"mode": "upload", "source_globs": ["*.txt"], "register_as": {"name": "numbers", "tags": {"made": "by a run"}}}}
    run = submit(server, project, script, ["DatasetOutputConfig:prepared"], outputs=outputs)
    assert run["status"] == "Completed", run["reason"]
    (kept,) = run["outputs"]
    assert (kept["dataset_name"], kept["version"], kept["path"]) == ("numbers", 1, f"dataset/{run['run_id']}/prepared")
    dataset = server.client.get("/datasets/numbers/versions/latest")
    assert dataset["dataset_id"] == kept["dataset_id"] and dataset["file_count"] == 1 and dataset["tags"] == {"made": "by a run"}
    details = server.client.get(f"/runs/{run['run_id']}/details")
    assert details["outputDatasets"][0]["outputDetails"] == {"outputName": "prepared"}
    script = "import pathlib, sys; print((pathlib.Path(sys.argv[1]) / 'sub' / 'numbers.txt').read_text())"
    inputs = {"numbers": {"mode": "mount", "dataset": dataset["dataset_id"]}}
    run = submit(server, project, script, ["DatasetConsumptionConfig:numbers"], inputs=inputs)
    assert server.log(run["run_id"]).strip() == b"1 2 3"


def test_a_folder_of_the_machine_is_a_datastore(server, project, tmp_path):
    disk = tmp_path / "disk"
    (disk / "in").mkdir(parents=True)
    (disk / "in" / "a.txt").write_text("from the disk")
    server.roost("datastores", "add", "disk", str(disk))
    assert str(disk) in server.roost("datastores", "list").stdout
    server.roost("data", "register", "live", "disk:in")
    dataset = server.client.get("/datasets/live/versions/1")["dataset_id"]
    (disk / "in" / "b.txt").write_text("later")
    script = """
import pathlib, sys
source, target = map(pathlib.Path, sys.argv[1:])
print(sorted(p.name for p in source.iterdir()))
try:
    open(source / 'a.txt', 'a').write('spoiled')
except OSError:
    pass
(target / 'out.txt').write_text('written')
"""
    fields = {
        "inputs": {"live": {"mode": "mount", "dataset": dataset}},
        "outputs": {"out": {"datastore": "disk", "path": "results"}},
    }
    run = submit(server, project, script, ["DatasetConsumptionConfig:live", "DatasetOutputConfig:out"], **fields)
    assert run["status"] == "Completed", run["reason"]
    assert "['a.txt', 'b.txt']" in server.log(run["run_id"]).decode()
    assert (disk / "in" / "a.txt").read_text() == "from the disk"
    assert (disk / "results" / "out.txt").read_text() == "written"
    server.roost("datastores", "remove", "disk")
    assert (disk / "in" / "a.txt").exists()


def test_data_survives_a_kill_collection_and_backup(make_server, pictures, tmp_path):
    server = make_server()
    server.roost("data", "upload", str(pictures), "--to", "birds", "--name", "birds")
    server.kill()
    server.start()
    server.roost("gc", "--grace", "0")
    assert stored_contents_are_unharmed(server) == 41
    server.roost("backup", str(tmp_path / "backup"))
    server.stop()
    import subprocess

    from harness import BINARY

    subprocess.run([BINARY, "restore", str(tmp_path / "backup"), "--data", str(tmp_path / "restored")], check=True, capture_output=True)
    other = make_server(name="restored")
    assert stored_contents_are_unharmed(other) == 41
    assert other.client.get("/datasets/birds/versions/1")["file_count"] == 41


def test_contents_that_are_there_do_not_travel_again(server, pictures):
    first = pathlib.Path(pictures) / "train"
    server.roost("data", "upload", str(first), "--to", "part")
    done = json.loads(server.roost("data", "upload", str(pictures), "--to", "birds", "--json").stdout)
    # What is left: 19 different small files of test/; train/ is known by its contents.
    assert done["added"] == 41 and done["bytes_sent"] < 1000
