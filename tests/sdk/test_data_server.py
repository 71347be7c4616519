"""Data against the real server: what a control script uploads, a run reads and writes, and what is known of it afterwards."""

import hashlib
import os
import pathlib

import pytest

from azureml.core import Dataset, Datastore, Experiment, ScriptRunConfig
from azureml.data import OutputFileDatasetConfig
from azureml.data.datapath import DataPath
from azureml.exceptions import UserErrorException


@pytest.fixture
def data(ws):
    return ws


TRAIN = """
import os, sys
from azureml.core import Run

run = Run.get_context()
images, picture, ids, made, kept = sys.argv[1:6]
print(sorted(os.listdir(images)), open(picture).read(), run.input_datasets['picture'] == picture == os.environ['picture'], sep='|')
print(run.input_datasets['ids'].to_path(), run.input_datasets['ids'].id == ids, sep='|')
assert os.environ['AZUREML_DATAREFERENCE_images'] == images
for path in (os.path.join(images, 'a.png'), picture):
    try:
        with open(path, 'a') as file:
            file.write('spoiled')
    except OSError as error:
        print('not written')
with open(os.path.join(made, 'model.pt'), 'w') as file:
    file.write('weights')
with open(os.path.join(kept, 'a.txt'), 'w') as file:
    file.write('kept')
with open(os.path.join(kept, 'a.tmp'), 'w') as file:
    file.write('not kept')
assert run.output_datasets == {'made': made, 'kept': kept}
"""


def test_a_run_reads_and_writes_data(data, project):
    store = data.get_default_datastore()
    assert store.name == "workspaceblobstore"
    source = project({"train.py": TRAIN})
    store.upload(project({"a.png": "a", "b.png": "b"}, "images"), "day/images", show_progress=False)
    images = Dataset.File.from_files((store, "day/images")).register(data, "images", tags={"k": "v"})
    made = OutputFileDatasetConfig("made").register_on_complete("made", description="by a run")
    kept = OutputFileDatasetConfig("kept", (store, "day/kept")).as_upload(source_globs="*.txt")
    config = ScriptRunConfig(source, "train.py", [images.as_named_input("images").as_mount(), Dataset.File.from_files((store, "day/images/b.png")).as_named_input("picture").as_download(),
                                                  images.as_named_input("ids"), made, kept])  # fmt: skip
    run = Experiment(data, "data").submit(config)
    run.wait_for_completion()
    log = run.get_details_with_logs()["logFiles"]["azureml-logs/70_driver_log.txt"]
    assert "['a.png', 'b.png']|b|True" in log and "['/a.png', '/b.png']|True" in log
    found = Dataset.get_by_name(data, "made")
    assert found.description == "by a run" and found.to_path() == ["/model.pt"]
    (file,) = found.download("made")
    assert pathlib.Path(file).read_text() == "weights"
    assert Dataset.File.from_files((store, "day/kept")).to_path() == ["/a.txt"]
    assert run.input_datasets["images"].id == images.id and run.output_datasets["made"].id == found.id
    assert {item["consumptionDetails"]["inputName"] for item in run.get_details()["inputDatasets"]} == {"images", "picture", "ids"}
    for item in data._client.get("/datastores/workspaceblobstore/files", prefix="day/images/")["items"]:
        content = b"".join(data._client.stream(f"/datastores/workspaceblobstore/files/{item['path']}"))
        assert item["digest"] == "b2:" + hashlib.blake2b(content, digest_size=32).hexdigest() and b"spoiled" not in content


def test_an_output_goes_into_a_later_run(data, project):
    made = OutputFileDatasetConfig("made")
    experiment = Experiment(data, "chain")
    run = experiment.submit(ScriptRunConfig(project({}, "one"), command=["cd", made, "&& echo weights > w.pt"]))
    run.wait_for_completion()
    config = ScriptRunConfig(project({}, "two"), command="cat $AZUREML_DATAREFERENCE_before/w.pt > outputs/got")
    config.run_config.data = {"before": made.as_input("before")}
    later = experiment.submit(config)
    later.wait_for_completion()
    later.download_file("outputs/got", "got")
    assert pathlib.Path("got").read_text() == "weights\n"


def test_references_and_resuming(data, project, tmp_path):
    (tmp_path / "share/deep").mkdir(parents=True)
    (tmp_path / "share/deep/last.pt").write_text("epoch 3")
    share = Datastore.register_folder(data, "share", tmp_path / "share")
    source = project({"train.py": "import sys\nassert sys.argv[2] == '--resume-from'\nprint(open(sys.argv[1]).read(), open(sys.argv[3] + '/last.pt').read(), sep='|')"})
    config = ScriptRunConfig(source, "train.py", [f"{share.path('deep', 'deep')}/last.pt"], resume_from=DataPath(share, "deep"))
    config.run_config.data_references = {"deep": share.path("deep", "deep").to_config()}
    run = Experiment(data, "references").submit(config)
    run.wait_for_completion()
    assert "epoch 3|epoch 3" in run.get_details_with_logs()["logFiles"]["azureml-logs/70_driver_log.txt"]
    share.unregister()
    assert (tmp_path / "share/deep/last.pt").exists() and "share" not in data.datastores


def test_versions_tags_and_uploads_again(data, project):
    store = data.get_default_datastore()
    folder = project({f"{n:04}.txt": str(n % 50) for n in range(1500)}, "many")
    store.upload(folder, "many", show_progress=False)
    first = Dataset.File.from_files((store, "many")).register(data, "many", tags={"a": 1})
    (folder / "0001.txt").write_text("changed")
    store.upload(folder, "many", show_progress=False)
    assert len(first.to_path()) == 1500 and Dataset.get_by_id(data, first.id).version == 1
    with pytest.raises(UserErrorException, match="a dataset 'many' already"):
        Dataset.File.from_files((store, "many/00*.txt")).register(data, "many")
    second = Dataset.File.from_files((store, "many/00*.txt")).register(data, "many", create_new_version=True)
    assert (second.version, len(second.to_path()), Dataset.get_by_name(data, "many").version) == (2, 100, 2)
    store.upload(folder, "many", overwrite=True, show_progress=False)
    with first.mount() as mounted:
        assert pathlib.Path(mounted.mount_point, "0001.txt").read_text() == "1", "a version's files do not change"
        assert len(os.listdir(mounted.mount_point)) == 1500
    with Dataset.File.from_files((store, "many/0001.txt")).mount() as mounted:
        assert pathlib.Path(mounted.mount_point, "0001.txt").read_text() == "changed"
    with pytest.raises(UserErrorException):
        Dataset.File.from_files((store, "nothing here"))
    assert store.download("all", "many/00", show_progress=False) == 100


def test_tags_and_descriptions_of_a_version_may_change(data, project):
    store = data.get_default_datastore()
    store.upload(project({"x.txt": "x"}, "tagged"), "tagged", show_progress=False)
    dataset = Dataset.File.from_files((store, "tagged")).register(data, "tagged", tags={"a": "1"})
    dataset.add_tags({"b": "2"})
    dataset.remove_tags(["a"])
    dataset.update(description="new")
    again = Dataset.get_by_name(data, "tagged")
    assert (again.tags, again.description, again.version) == ({"b": "2"}, "new", 1)
