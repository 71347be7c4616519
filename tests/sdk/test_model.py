"""Models that are sent from here."""

import os
import pathlib

import pytest

from azureml.core import Model
from azureml.exceptions import ModelNotFoundException, ServiceException, UserErrorException, WebserviceException


@pytest.fixture
def weights(tmp_path):
    (tmp_path / "net/deep").mkdir(parents=True)
    (tmp_path / "net/w.bin").write_text("w")
    (tmp_path / "net/deep/v.bin").write_text("v")
    return tmp_path / "net"


def test_register_list_download(ws, weights):
    one = Model.register(ws, weights, "folder", tags={"stage": "test"}, properties={"p": 1}, description="d", model_framework=Model.Framework.PYTORCH,
                         model_framework_version="2.0")  # fmt: skip
    two = Model.register(ws, str(weights / "w.bin"), "folder", tags={"stage": "test", "best": "yes"})
    assert (one.version, two.version, one.id, two.id) == (1, 2, "folder:1", "folder:2")
    assert (one.properties, one.description, one.model_framework, one.model_framework_version, one.created_by) == ({"p": "1"}, "d", "PyTorch", "2.0", "owner")
    assert one.run is None and one.run_id is None

    assert one.download("got") == "got/net" and pathlib.Path("got/net/deep/v.bin").read_text() == "v"
    assert two.download("got") == "got/w.bin" and pathlib.Path("got/w.bin").read_text() == "w"
    with pytest.raises(WebserviceException, match="exists already"):
        one.download("got")
    one.download("got", exist_ok=True)

    part = Model.register(ws, weights, "part", child_paths=["deep"])
    assert [*os.walk(part.download("part"))][-1][2] == ["v.bin"]

    assert [model.id for model in Model.list(ws)] == ["part:1", "folder:2", "folder:1"]
    assert [model.id for model in Model.list(ws, name="folder", latest=True)] == ["folder:2"]
    assert [model.id for model in Model.list(ws, tags=["best"])] == ["folder:2"] == [model.id for model in Model.list(ws, tags=[["best", "yes"]])]
    assert [model.id for model in Model.list(ws, tags=[["stage", "test"], "best"])] == ["folder:2"]
    assert [model.id for model in Model.list(ws, properties={"p": "1"})] == ["folder:1"] == [model.id for model in Model.list(ws, model_framework="PyTorch")]
    assert {name: model.version for name, model in ws.models.items()} == {"folder": 2, "part": 1}

    assert Model(ws, "folder").version == 2 and Model(ws, "folder", version=1).id == Model(ws, id="folder:1").id == "folder:1"
    assert Model(ws, tags={"best": "yes"}).id == "folder:2"
    for missing in ({"name": "nothing"}, {"name": "folder", "version": 3}, {"id": "folder:9"}, {"run_id": "nothing"}):
        with pytest.raises(WebserviceException, match="ModelNotFound: Model with") as caught:
            Model(ws, **missing)
        assert isinstance(caught.value, ModelNotFoundException)
    with pytest.raises(UserErrorException, match="name:version"):
        Model(ws, id="folder")


def test_changing(ws, weights):
    model = Model.register(ws, weights, "changing", tags={"a": "1"})
    model.add_tags({"b": 2})
    model.remove_tags(["a"])
    assert model.tags == Model(ws, "changing").tags == {"b": "2"}
    model.update(tags={"c": "3"}, description="new")
    assert Model(ws, "changing").serialize()["tags"] == {"c": "3"} and Model(ws, "changing").description == "new"
    model.update_tags_properties(add_tags={"d": "4"}, remove_tags=["c"])
    assert model.tags == {"d": "4"}
    model.add_properties({"x": 1})
    model.update_tags_properties(add_properties={"x": "1", "y": "2"})
    assert model.properties == Model(ws, "changing").properties == {"x": "1", "y": "2"} and model.tags == {"d": "4"}
    with pytest.raises(ServiceException, match="'x' has a value already"):
        model.add_properties({"x": "2", "z": "3"})
    assert Model(ws, "changing").properties == {"x": "1", "y": "2"}
    model.delete()
    with pytest.raises(WebserviceException):
        Model(ws, "changing")


def test_mistakes(ws, weights):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        Model.register(ws, "nowhere", "bad")
    with pytest.raises(FileNotFoundError, match="child_paths"):
        Model.register(ws, weights, "bad", child_paths=["nowhere"])
    (weights / "empty").mkdir()
    with pytest.raises(UserErrorException, match="no files"):
        Model.register(ws, weights / "empty", "bad")
    with pytest.raises(UserErrorException, match="list of .scenario, dataset."):
        Model.register(ws, weights, "bad", datasets=[1])
    with pytest.raises(NotImplementedError, match="Model.deploy is not here"):
        Model.deploy(ws, "service", [])
    assert "bad" not in ws.models


def test_what_has_no_meaning_is_named(ws, weights):
    with pytest.warns(UserWarning) as told:
        model = Model.register(ws, weights, "described", datasets=[("training", "id1"), ("training", "id2")], sample_input_dataset=3, resource_configuration=4)
    assert [str(each.message) for each in told if each.category is UserWarning] == [
        "Model.register: sample_input_dataset, resource_configuration have no meaning here and are ignored",
        "a model is not registered with datasets here: their ids are kept as the properties roost.dataset.training"]  # fmt: skip
    assert model.properties == {"roost.dataset.training": "id1,id2"}
    assert [found.id for found in Model.list(ws, dataset_id="id2")] == [model.id]
    assert Model.list(ws, dataset_id="id") == [] and Model.list(ws, "other", dataset_id="id2") == []
    with pytest.warns(UserWarning, match="Model.update: resource_configuration has no meaning"):
        model.update(tags={"a": 1}, resource_configuration=4)
    assert model.tags == {"a": "1"}


IN_A_RUN = """
import pathlib
from azureml.core import Dataset, Model, Run
run = Run.get_context()
pathlib.Path('w.bin').write_text('w')
store = run.experiment.workspace.get_default_datastore()
store.upload_files(['w.bin'], target_path='inside')
dataset = Dataset.File.from_files((store, 'inside/w.bin'))
model = Model.register(run.experiment.workspace, 'w.bin', 'inside', tags={'epoch': 3}, datasets=[('training', dataset)])
assert model.run_id == run.id and model.tags == {'epoch': '3'} and len(model.properties) == 1, model
pathlib.Path('outputs/v.bin').write_text('v')
run.upload_file('v.bin', 'w.bin', datastore_name='workspaceblobstore')
again = run.register_model('inside', 'v.bin', tags={'epoch': 4}, properties={5: 1.5}, sample_input_dataset=dataset)
assert (again.version, again.tags, again.properties) == (2, {'epoch': '4'}, {'5': '1.5'}), again
"""


def test_a_script_registers_models_of_its_run(shared_server, ws, project):
    run = shared_server.wait_for(shared_server.submit(project({"a.py": IN_A_RUN}), "a.py"))
    log = shared_server.log(run["run_id"]).decode()
    assert run["status"] == "Completed", log
    model = Model(ws, "inside", version=1)
    assert {scenario: [type(each).__name__ for each in found] for scenario, found in model.datasets.items()} == {"training": ["FileDataset"]}
    assert model.datasets["training"][0].to_path() == ["/w.bin"] and Model(ws, "inside").datasets == {}
    assert (model.parent_id, model.derived_model_ids, model.unpack) == (None, [], False)
    assert "UserWarning: register_model: sample_input_dataset has no meaning" in log and "datastore_name" not in log
