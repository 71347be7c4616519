"""Datasets, references and outputs in submitted runs: what the run definition says, and what the script finds."""

import pytest

from azureml.core import Dataset, Datastore, Experiment, Run, RunConfiguration, ScriptRunConfig, Workspace
from azureml.core.runconfig import Data, DataLocation, DataPath as PathSettings, Dataset as DatasetSettings, OutputData, OutputOptions
from azureml.core.script_run_config import get_run_config_from_script_run
from azureml.data import OutputFileDatasetConfig
from azureml.data.data_reference import DataReference
from azureml.data.datapath import DataPath, DataPathComputeBinding
from azureml.data.dataset_consumption_config import DatasetConsumptionConfig
from azureml.data.output_dataset_config import OutputDatasetConfig
from azureml.exceptions import ExperimentExecutionException, UserErrorException


@pytest.fixture
def store(data_ws, project):
    store = data_ws.get_default_datastore()
    store.upload(project({"a.png": "a", "b.png": "b"}, "images"), "images", show_progress=False)
    return store


@pytest.fixture
def images(store):
    return Dataset.File.from_files((store, "images"))


@pytest.fixture
def submit(data_ws, data_server, project):
    source = project({"train.py": ""})

    def submitted(arguments=None, change=None, **settings):
        if "command" not in settings:
            settings["script"] = "train.py"
        config = ScriptRunConfig(source, arguments=arguments, **settings)
        if change:
            change(config.run_config)
        run = Experiment(data_ws, "data").submit(config)
        return data_server.runs[run.id]["definition"]

    return submitted


def test_datasets_in_arguments(submit, images):
    mount, copy = images.as_mount(), images.as_download("/tmp/copy")
    definition = submit(["--data", images.as_named_input("images").as_mount("rel/x"), "--id", images.as_named_input("direct"), mount, copy, images.as_mount(), 3])
    assert definition["arguments"] == ["--data", "DatasetConsumptionConfig:images", "--id", "DatasetConsumptionConfig:direct", f"DatasetConsumptionConfig:{mount.name}",
                                       f"DatasetConsumptionConfig:{copy.name}", f"DatasetConsumptionConfig:{mount.name}", "3"]  # fmt: skip
    assert mount.name.startswith("input_") and mount.name != copy.name
    assert definition["inputs"] == {
        "images": {"mode": "mount", "dataset": images.id, "path_on_compute": "rel/x", "overwrite": False},
        "direct": {"mode": "direct", "dataset": images.id, "overwrite": False},
        mount.name: {"mode": "mount", "dataset": images.id, "overwrite": False},
        copy.name: {"mode": "download", "dataset": images.id, "path_on_compute": "/tmp/copy", "overwrite": False},
    }
    assert definition["outputs"] == {}


def test_a_command_with_data(submit, images):
    definition = submit(command=["python train.py --data", images.as_named_input("d").as_download(), "&& ls", OutputFileDatasetConfig("o")])
    assert definition["command"] == "python train.py --data DatasetConsumptionConfig:d && ls DatasetOutputConfig:o"
    assert list(definition["inputs"]) == ["d"] and list(definition["outputs"]) == ["o"]


def test_web_addresses_are_registered_at_submit(submit, data_server):
    definition = submit([Dataset.File.from_files("https://example.org/a.csv").as_named_input("web").as_mount()])
    assert data_server.datasets[definition["inputs"]["web"]["dataset"]]["paths"] == [{"url": "https://example.org/a.csv"}]


def test_the_same_data_twice_is_one_input(submit, images, data_ws, store):
    images.register(data_ws, "birds")
    found = [Dataset.get_by_name(data_ws, "birds") for _ in range(2)]
    made = OutputFileDatasetConfig("made", (store, "images"))
    submit([made])
    definition = submit([each.as_mount() for each in found] + [each.as_named_input("birds").as_mount() for each in found] + [made.as_mount().as_input("m"), made.as_input("m")])
    assert len(definition["inputs"]) == 3
    other = Dataset.File.from_files((store, "images/a.png")).register(data_ws, "birds", create_new_version=True)
    with pytest.raises(UserErrorException, match="have the name 'birds'"):
        submit([found[0].as_named_input("birds"), other.as_named_input("birds")])


def test_one_name_for_two_things_is_refused(submit, images, store, data_server):
    for one, other in [(images.as_named_input("x").as_mount(), images.as_named_input("x").as_download()), (images.as_named_input("x"), OutputFileDatasetConfig("x")),
                       (store.path("a", "x"), store.path("b", "x"))]:  # fmt: skip
        with pytest.raises(UserErrorException, match="have the name 'x'; name them apart"):
            submit([one, other])
    for bad in ("1x", "a-b", "", None, "ä"):
        with pytest.raises(UserErrorException, match="is no name"):
            images.as_named_input(bad)
    assert not data_server.runs


def test_a_bare_dataset_is_an_error_that_says_how(submit, images, store, data_server):
    for item, said in [(images, r"as_named_input\('name'\).as_mount\(\)"), (store, "path"), (DataPath(store, "x"), "path"), ([1], "not list"), (None, "not NoneType")]:
        with pytest.raises(UserErrorException, match=said):
            submit(["--data", item])
    assert not data_server.runs


def test_outputs(submit, store, data_server):
    plain = OutputFileDatasetConfig()
    full = OutputFileDatasetConfig("model", (store, "models/{output-name}"), "made").as_upload(True, ["*.pt", "logs/**"]).register_on_complete("net", "a net", {"k": 1})
    definition = submit([plain, "--out", full, full.as_mount().as_upload(True, ["*.pt", "logs/**"])])
    assert definition["arguments"] == [f"DatasetOutputConfig:{plain.name}", "--out", "DatasetOutputConfig:model", "DatasetOutputConfig:model"]
    assert plain.name.startswith("output_")
    assert definition["outputs"] == {
        plain.name: {"mode": "mount", "datastore": "workspaceblobstore", "path": f"dataset/data_1/{plain.name}", "overwrite": False, "source_globs": []},
        "model": {"mode": "upload", "datastore": "workspaceblobstore", "path": "models/model", "overwrite": True, "source_globs": ["*.pt", "logs/**"], "source": "made",
                  "register_as": {"name": "net", "description": "a net", "tags": {"k": "1"}}},
    }  # fmt: skip
    default = OutputFileDatasetConfig("o", destination=DataPath(store, "dataset/{run-id}/{output-name}")).as_upload(source_globs="*.pt")
    definition = submit([default])
    assert definition["outputs"]["o"]["path"] == "dataset/data_2/o" and definition["outputs"]["o"]["source_globs"] == ["*.pt"]
    submit([OutputFileDatasetConfig("o", (store, "all/{run-id}"))])  # replaced by the server
    for wrong, said in [(lambda: OutputFileDatasetConfig("a b"), "is no name"), (lambda: OutputFileDatasetConfig("o", "path"), "a destination is"),
                        (lambda: OutputDatasetConfig("direct"), "none of mount, upload"), (lambda: OutputDatasetConfig("mount", x=1), "does not take x")]:  # fmt: skip
        with pytest.raises(UserErrorException, match=said):
            wrong()
    with pytest.warns(UserWarning, match="disable_metadata_cache has no meaning"):
        full.as_mount(disable_metadata_cache=True)


def test_an_output_is_the_input_of_a_later_run(submit, store, data_server):
    made = OutputFileDatasetConfig("made")
    with pytest.raises(UserErrorException, match="the output 'made' has no files yet"):
        submit(["--data", made.as_input()])
    submit(["--out", made.as_mount()])
    later = made.as_input("data")
    with pytest.raises(UserErrorException, match="nothing is at"):
        submit(["--data", later])
    data_server.files["workspaceblobstore"]["dataset/data_1/made/x.pt"] = b"weights"
    definition = submit(["--data", later])
    entry = definition["inputs"]["data"]
    assert entry["mode"] == "mount" and data_server.datasets[entry["dataset"]]["paths"] == [{"datastore": "workspaceblobstore", "path": "dataset/data_1/made"}]


def test_references(submit, store):
    whole, part = store.as_mount(), store.path("images", "pics").as_download("here", overwrite=True)
    back = store.path("results").path("new").as_upload("outputs/made")

    def configure(run_config):
        run_config.data_references = {"pics": part.to_config()}

    definition = submit([whole, str(part), f"{part}/a.png", part, back], configure)
    assert definition["arguments"] == [str(whole), "$AZUREML_DATAREFERENCE_pics", "$AZUREML_DATAREFERENCE_pics/a.png", "$AZUREML_DATAREFERENCE_pics",
                                       f"DatasetOutputConfig:{back.data_reference_name}"]  # fmt: skip
    assert definition["inputs"] == {
        "pics": {"mode": "download", "datastore": "workspaceblobstore", "path": "images", "path_on_compute": "here", "overwrite": True},
        whole.data_reference_name: {"mode": "mount", "datastore": "workspaceblobstore", "path": "", "overwrite": False},
    }
    assert definition["outputs"] == {back.data_reference_name: {"mode": "upload", "datastore": "workspaceblobstore", "path": "results/new", "overwrite": False, "source": "outputs/made"}}
    assert definition == {**submit(change=lambda run: run.data_references.update(pics=part), arguments=[whole, str(part), f"{part}/a.png", part, back]), "outputs": definition["outputs"]}
    with pytest.raises(UserErrorException, match="uploads to the whole datastore"):
        submit([store.as_upload()])
    for text in ("$AZUREML_DATAREFERENCE_other", "${AZUREML_DATAREFERENCE_other}/x"):
        with pytest.raises(UserErrorException, match=r"refers to nothing .* run_config.data_references\['other'\] = reference.to_config"):
            submit([text])
    assert submit(command=["cat ${AZUREML_DATAREFERENCE_pics}/a.png", part])["command"].startswith("cat $AZUREML_DATAREFERENCE_pics/a.png")
    assert submit([str(back)], lambda run: run.data_references.update({back.data_reference_name: back.to_config()}))["arguments"] == [f"DatasetOutputConfig:{back.data_reference_name}"]


def test_references_and_paths_are_made_of_each_other(store):
    path = DataPath(store, "a/b", "named")
    reference = path.create_data_reference("r", DataPathComputeBinding("download", "/tmp/x", True))
    assert (reference.data_reference_name, reference.mode, reference.path_on_compute, reference.overwrite) == ("r", "download", "/tmp/x", True)
    again = DataPathComputeBinding.create_from_data_reference(reference)
    assert vars(again.create_data_reference("r", DataPath.create_from_data_reference(reference))) == vars(reference)
    assert (path.datastore_name, path.path_on_datastore) == ("workspaceblobstore", "a/b")
    assert reference.as_mount().mode == "mount" and reference.mode == "download"
    assert DataReference(store).as_download().data_reference_name != DataReference(store).data_reference_name == store.as_mount().data_reference_name
    for wrong in (lambda: DataReference(store, mode="copy"), lambda: DataPathComputeBinding("x"), lambda: DataReference.create("r"), lambda: DataPath().create_data_reference()):
        with pytest.raises(UserErrorException):
            wrong()


def test_resume_from(submit, store):
    definition = submit(["--epochs", 1], resume_from=DataPath(store, "images"))
    assert definition["arguments"] == ["--epochs", "1", "--resume-from", "$AZUREML_DATAREFERENCE_resume_from"]
    assert definition["inputs"]["resume_from"] == {"mode": "mount", "datastore": "workspaceblobstore", "path": "images", "overwrite": False}
    with pytest.raises(ExperimentExecutionException, match="resume_from go with a script"):
        submit(command="true", resume_from=DataPath(store, "images"))
    for wrong in ("images", DataPath(None, "x"), (store, "images")):
        with pytest.raises(UserErrorException, match="must be a DataPath"):
            ScriptRunConfig(".", "train.py", resume_from=wrong)


def test_data_of_a_run_configuration(submit, images, store, data_ws, data_server):
    images.register(data_ws, "birds")
    output = OutputFileDatasetConfig("made", (store, "made"))

    def configure(run):
        run.data = {"one": images.as_named_input("one").as_mount(), "two": Data.create(images.as_named_input("two").as_download("x")),
                    "three": Data(DataLocation(dataset=DatasetSettings(dataset_name="birds")), mechanism="Mount"),
                    "four": Data(DataLocation(data_path=PathSettings("workspaceblobstore", "/images/")), mechanism="download", overwrite=True),
                    "five": Data(DataLocation(uri="https://example.org/x"), mechanism="mount")}  # fmt: skip
        run.output_data = {"made": output, "other": OutputData(mechanism="Upload")}

    definition = submit(["DatasetConsumptionConfig:one", output], configure)
    inputs = definition["inputs"]
    assert inputs["one"]["dataset"] == inputs["two"]["dataset"] == images.id and inputs["two"]["path_on_compute"] == "x"
    assert data_server.datasets[inputs["three"]["dataset"]]["name"] == "birds" and inputs["three"]["mode"] == "mount"
    assert inputs["four"] == {"mode": "download", "datastore": "workspaceblobstore", "path": "images", "overwrite": True}
    assert data_server.datasets[inputs["five"]["dataset"]]["paths"] == [{"url": "https://example.org/x"}]
    assert definition["outputs"]["made"]["path"] == "made" and definition["outputs"]["other"]["mode"] == "upload"
    for change, said in [
        (lambda run: run.data.update(x=Data(DataLocation(data_path=PathSettings("gone", "x")), mechanism="mount")), "there is no datastore gone"),
        (lambda run: (run.data.update(x=images.as_mount()), run.data_references.update(x=store.as_mount())), "have the name 'x'"),
        (lambda run: run.data.update(x=1), "the input 'x' must be"),
        (lambda run: run.data.update(x=Data()), "has no data_location"),
        (lambda run: run.data.update(x=Data(DataLocation(uri="https://example.org/x"), environment_variable_name="y")), "has its name"),
        (lambda run: run.data.update({"a b": images.as_mount()}), "is no name"),
        (lambda run: run.output_data.update(x=1), "output_data"),
        (lambda run: run.data.update(x=DatasetConsumptionConfig("x", 3)), "not of a int"),
    ]:
        with pytest.raises(UserErrorException, match=said):
            submit(change=change)


def test_data_of_a_run_configuration_is_saved(images, store, data_ws, tmp_path, submit):
    config = get_run_config_from_script_run(ScriptRunConfig(".", "train.py"))
    config.data = {"one": images.as_named_input("one").as_mount("/data")}
    config.output_data = {"made": OutputFileDatasetConfig("made", (store, "made/here")).as_upload(True, "*.pt").register_on_complete("net", tags={"k": "v"})}
    config.data_references = {"pics": store.path("images", "pics").as_download().to_config()}
    config.save(tmp_path, "data")
    again = RunConfiguration.load(tmp_path, "data")
    want = submit(change=lambda run: vars(run).update(data=config.data, output_data=config.output_data, data_references=config.data_references))
    got = submit(change=lambda run: vars(run).update(data=again.data, output_data=again.output_data, data_references=again.data_references))
    assert want["inputs"] == got["inputs"] and want["outputs"] == got["outputs"] and len(got["inputs"]) == 2 and got["outputs"]["made"]["register_as"]["tags"] == {"k": "v"}
    (tmp_path / "bad").write_text("data: {x: 3}\n")
    with pytest.raises(UserErrorException, match="data.x must have keys"):
        RunConfiguration.load(tmp_path / "bad")
    (tmp_path / "more").write_text("dataReferences: {x: {mode: mount, cached: true}}\n")
    with pytest.warns(UserWarning, match="dataReferences.x.cached have no meaning"):
        assert RunConfiguration.load(tmp_path / "more").data_references["x"].mode == "mount"


def test_data_of_another_server_is_refused(submit, images, store, data_ws, monkeypatch):
    from sdk.data_server import DataServer

    other = DataServer()
    try:
        monkeypatch.setenv("ROOST_URL", other.url)
        far = Datastore(Workspace("s", "g", "mine", auth=data_auth()))
        other.files["workspaceblobstore"]["x"] = b"x"
        for item in (Dataset.File.from_files((far, "x")).as_mount(), far.as_mount(), OutputFileDatasetConfig("o", far)):
            with pytest.raises(UserErrorException, match=f"of the server {other.url}, not of {store.workspace._client.url}"):
                submit([item])
        with pytest.raises(UserErrorException, match="must be of one workspace"):
            Dataset.File.from_files([(far, "x"), (store, "images")])
    finally:
        other.stop()


def data_auth():
    from azureml.core.authentication import TokenAuthentication
    from sdk.data_server import DataServer

    return TokenAuthentication(lambda audience: DataServer.token)


def test_inside_the_run_inputs_and_outputs_are_there_by_name(images, data_server, monkeypatch):
    for name, value in {"ROOST_URL": data_server.url, "ROOST_TOKEN": data_server.token, "ROOST_RUN_ID": "r1", "images": "/mnt/images", "ids": images.id, "made": "/work/made",
                        "AZUREML_DATASET_ENVIRONMENT_VARS": "images:mount,ids:direct", "AZUREML_DATASET_FILE_OUTPUTS": "made"}.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    run = Run.get_context()
    inputs = run.input_datasets
    assert inputs["images"] == "/mnt/images" and inputs["ids"].to_path() == ["/a.png", "/b.png"] and list(inputs) == ["images", "ids"]
    assert run.output_datasets == {"made": "/work/made"}
    web = Dataset.File.from_files("https://example.org/x")
    assert web.to_path() == ["/x"], "without a workspace of its own it takes the run's"
    monkeypatch.delenv("AZUREML_DATASET_ENVIRONMENT_VARS")
    monkeypatch.delenv("AZUREML_DATASET_FILE_OUTPUTS")
    assert run.input_datasets == {} == run.output_datasets


def test_from_outside_a_run_tells_what_it_read(submit, images, data_ws, data_server):
    submit([images.as_named_input("birds").as_mount()])
    run = Run.get(data_ws, "data_1")
    assert run.input_datasets == {}
    data_server.runs["data_1"]["inputs"] = [{"name": "birds", "dataset_id": images.id}, {"name": "pics", "dataset_id": None}]
    data_server.runs["data_1"]["outputs"] = [{"name": "made", "dataset_id": images.id}]
    assert {name: each.id for name, each in run.input_datasets.items()} == {"birds": images.id}
    assert {name: each.id for name, each in run.output_datasets.items()} == {"made": images.id}


class OneNumber:
    """As NumPy's and PyTorch's: an array of one element."""

    size = 1

    def item(self):
        return 0.5


def test_numbers_of_every_kind_are_arguments(submit):
    from fractions import Fraction

    assert submit(["--lr", OneNumber(), Fraction(1, 2)])["arguments"] == ["--lr", "0.5", "1/2"]
