"""The programs that people have: mlflow's fluent API, its client and command line, autologging, Lightning, Transformers."""

from __future__ import annotations

import json
import math
import os
import pathlib
import subprocess
import sys
import threading
import time

import pytest

from harness import AT_MOST

mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed (tests/requirements.txt)")
import mlflow.pyfunc  # noqa: E402
from mlflow.entities import Metric, Param, RunTag, ViewType  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402


@pytest.fixture
def own_experiment(experiment):
    """The fluent API writes into a new experiment."""
    mlflow.set_experiment(experiment_id=experiment)
    return experiment


@pytest.fixture
def autologging(monkeypatch):
    """Off again after the test. A model's packages are guessed for a second only, by a process that takes longer: then the usual ones are noted."""
    monkeypatch.setenv("MLFLOW_REQUIREMENTS_INFERENCE_TIMEOUT", "1")
    yield
    mlflow.autolog(disable=True, silent=True)


# -- fluent -----------------------------------------------------------------------------------------------------------


def test_a_first_script(name, client):
    mlflow.set_experiment(name)
    with mlflow.start_run(run_name="first", description="what it is", tags={"team": "vision"}) as run:
        mlflow.log_param("lr", 0.1)
        mlflow.log_params({"layers": [1, 2], "on": True, "none": None})
        for step in range(3):
            mlflow.log_metric("loss", 1.0 / (step + 1), step=step)
        mlflow.log_metrics({"acc": 0.5, "nan": math.nan, "inf": math.inf}, step=2)
        mlflow.set_tag("phase", "train")
        mlflow.set_tags({"a": 1, "b": "x"})
    found = client.get_run(run.info.run_id)
    assert found.info.status == "FINISHED" and found.info.end_time >= found.info.start_time and found.info.run_name == "first"
    assert found.data.params == {"lr": "0.1", "layers": "[1, 2]", "on": "True", "none": "None"}
    assert found.data.metrics["loss"] == 1 / 3 and found.data.metrics["acc"] == 0.5
    assert math.isnan(found.data.metrics["nan"]) and found.data.metrics["inf"] == sys.float_info.max
    assert {"team": "vision", "phase": "train", "a": "1", "b": "x", "mlflow.note.content": "what it is"}.items() <= found.data.tags.items()
    assert found.data.tags["mlflow.user"] and found.data.tags["mlflow.source.name"] and found.data.tags["mlflow.source.type"] == "LOCAL"
    assert [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, "loss")] == [(0, 1.0), (1, 0.5), (2, 1 / 3)]
    assert mlflow.get_experiment_by_name(name).experiment_id == found.info.experiment_id


def test_an_error_in_a_script_fails_the_run(own_experiment, client):
    with pytest.raises(ZeroDivisionError), mlflow.start_run() as run:
        1 / 0
    assert client.get_run(run.info.run_id).info.status == "FAILED"


def test_nested_runs(own_experiment, client):
    with mlflow.start_run(run_name="parent") as parent:
        children = []
        for n in range(3):
            with mlflow.start_run(run_name=f"child {n}", nested=True) as child:
                mlflow.log_metric("n", n)
                children.append(child.info.run_id)
                assert mlflow.get_parent_run(child.info.run_id).info.run_id == parent.info.run_id
    found = client.search_runs([own_experiment], f"tags.mlflow.parentRunId = '{parent.info.run_id}'", order_by=["metrics.n ASC"])
    assert [run.info.run_id for run in found] == children
    assert client.get_parent_run(parent.info.run_id) is None


def test_a_run_goes_on(own_experiment, client):
    with mlflow.start_run() as run:
        mlflow.log_metric("m", 1)
    with mlflow.start_run(run_id=run.info.run_id):
        assert client.get_run(run.info.run_id).info.status == "RUNNING"
        mlflow.log_metric("m", 2, step=1)
    assert client.get_run(run.info.run_id).data.metrics == {"m": 2} and client.get_run(run.info.run_id).info.status == "FINISHED"


def test_a_run_named_by_the_environment(own_experiment, client, run_id, monkeypatch):
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    with mlflow.start_run():
        mlflow.log_param("from", "the environment")
    assert client.get_run(run_id).data.params == {"from": "the environment"}


def test_search_runs_as_a_table(own_experiment):
    for n in range(3):
        with mlflow.start_run(run_name=f"r{n}"):
            mlflow.log_param("n", n)
            mlflow.log_metric("square", n * n)
    table = mlflow.search_runs([own_experiment], "metrics.square > 0", order_by=["metrics.square DESC"])
    assert list(table["metrics.square"]) == [4, 1] and list(table["params.n"]) == ["2", "1"] and list(table["tags.mlflow.runName"]) == ["r2", "r1"]


def test_more_runs_than_a_page(rest, client, experiment):
    for n in range(25):
        rest.create_run(experiment, start_time=n + 1)
    first = client.search_runs([experiment], max_results=10)
    second = client.search_runs([experiment], max_results=10, page_token=first.token)
    third = client.search_runs([experiment], max_results=10, page_token=second.token)
    assert [len(page) for page in (first, second, third)] == [10, 10, 5] and not third.token
    assert [run.info.start_time for page in (first, second, third) for run in page] == list(range(25, 0, -1))


def test_delete_and_restore(client, own_experiment):
    with mlflow.start_run() as run:
        pass
    mlflow.delete_run(run.info.run_id)
    assert client.search_runs([own_experiment]) == []
    assert [found.info.run_id for found in client.search_runs([own_experiment], run_view_type=ViewType.DELETED_ONLY)] == [run.info.run_id]
    client.restore_run(run.info.run_id)
    mlflow.delete_experiment(own_experiment)
    assert client.get_experiment(own_experiment).lifecycle_stage == "deleted"
    client.restore_experiment(own_experiment)
    assert client.get_run(run.info.run_id).info.lifecycle_stage == "active"


def test_errors_reach_the_caller(client, run_id):
    client.log_param(run_id, "lr", "0.1")
    for call, code, text in (
        (lambda: client.log_param(run_id, "lr", "0.2"), "INVALID_PARAMETER_VALUE", "Changing param values is not allowed"),
        (lambda: client.get_run("f" * 32), "RESOURCE_DOES_NOT_EXIST", "not found"),
        (lambda: client.get_experiment("999999999"), "RESOURCE_DOES_NOT_EXIST", "No Experiment with id=999999999 exists"),
        (lambda: client.create_experiment("Default"), "RESOURCE_ALREADY_EXISTS", "already exists"),
        (lambda: client.search_runs(["0"], "nope"), "INVALID_PARAMETER_VALUE", "Invalid clause(s) in filter string"),
    ):
        with pytest.raises(MlflowException) as raised:
            call()
        assert raised.value.error_code == code and text in str(raised.value)


@pytest.mark.only_roost("MLflow's own server runs without logins here")
def test_a_name_and_a_password_log_in(tracking, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_TOKEN")
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "anybody")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", tracking.token)
    assert mlflow.MlflowClient(tracking.uri).get_experiment("0").name == "Default"
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "wrong")
    with pytest.raises(MlflowException, match="401|token|UNAUTHENTICATED"):
        mlflow.MlflowClient(tracking.uri).get_experiment("0")
    monkeypatch.delenv("MLFLOW_TRACKING_USERNAME")
    monkeypatch.delenv("MLFLOW_TRACKING_PASSWORD")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "wrong")
    with pytest.raises(MlflowException, match="401|token|UNAUTHENTICATED"):
        mlflow.MlflowClient(tracking.uri).log_param("x", "a", "1")


def test_a_large_batch_of_the_client(client, run_id):
    now = int(time.time() * 1000)
    client.log_batch(run_id, metrics=[Metric("m", n * 0.5, now + n, n) for n in range(2500)], params=[Param(f"p{n}", str(n)) for n in range(150)], tags=[RunTag(f"t{n}", "x") for n in range(150)])
    found = client.get_run(run_id)
    assert len(found.data.params) == 150 and len([key for key in found.data.tags if key.startswith("t")]) == 150
    assert [m.step for m in client.get_metric_history(run_id, "m")] == list(range(2500))


def test_async_logging(own_experiment, client):
    with mlflow.start_run() as run:
        waits = [mlflow.log_metric("m", n, step=n, synchronous=False) for n in range(500)]
        waits.append(mlflow.log_params({"a": 1, "b": 2}, synchronous=False))
        waits.append(mlflow.set_tag("t", "x", synchronous=False))
        for one in waits:
            one.wait()
    found = client.get_run(run.info.run_id)
    assert found.data.params == {"a": "1", "b": "2"} and found.data.tags["t"] == "x"
    assert [m.value for m in client.get_metric_history(run.info.run_id, "m")] == [float(n) for n in range(500)]


def test_system_metrics(own_experiment, client):
    pytest.importorskip("psutil", reason="psutil is not installed (tests/requirements.txt)")
    mlflow.set_system_metrics_sampling_interval(0.2)
    mlflow.set_system_metrics_samples_before_logging(1)
    try:
        with mlflow.start_run(log_system_metrics=True) as run:
            deadline = time.monotonic() + AT_MOST
            while "system/cpu_utilization_percentage" not in client.get_run(run.info.run_id).data.metrics:
                assert time.monotonic() < deadline, "no system metrics came"
                time.sleep(0.1)
    finally:
        mlflow.set_system_metrics_sampling_interval(None)
        mlflow.set_system_metrics_samples_before_logging(None)
    assert client.get_run(run.info.run_id).data.metrics["system/system_memory_usage_megabytes"] > 0


def test_inputs(own_experiment, client):
    import pandas

    data = mlflow.data.from_pandas(pandas.DataFrame({"x": [1, 2], "y": [0.5, 1.5]}), source="https://example.com/wine.csv", name="wine", targets="y")
    with mlflow.start_run() as run:
        mlflow.log_input(data, context="training", tags={"split": "a"})
    (found,) = client.get_run(run.info.run_id).inputs.dataset_inputs
    assert (found.dataset.name, found.dataset.digest, found.dataset.source_type) == ("wine", data.digest, "http")
    assert {tag.key: tag.value for tag in found.tags} == {"mlflow.data.context": "training", "split": "a"}
    assert json.loads(found.dataset.schema)["mlflow_colspec"][0]["name"] == "x"
    assert [r.info.run_id for r in client.search_runs([own_experiment], "dataset.name = 'wine'")] == [run.info.run_id]


# -- artifacts ----------------------------------------------------------------------------------------------------------


def test_files_and_folders(own_experiment, client, tmp_path):
    folder = tmp_path / "made"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    (folder / "deep" / "er" / "b c.bin").write_bytes(bytes(range(256)) * 1000)
    with mlflow.start_run() as run:
        mlflow.log_artifact(folder / "a.txt")
        mlflow.log_artifacts(folder, "all")
        mlflow.log_text("hello", "notes/hello.txt")
        mlflow.log_dict({"a": [1, 2]}, "config.json")
        mlflow.log_dict({"a": [1, 2]}, "config.yaml")
        assert mlflow.get_artifact_uri("notes") == f"mlflow-artifacts:/{own_experiment}/{run.info.run_id}/artifacts/notes"
    listed = {file.path: (file.is_dir, file.file_size) for file in client.list_artifacts(run.info.run_id)}
    assert listed["a.txt"] == (False, 1) and listed["all"] == (True, None) and set(listed) == {"a.txt", "all", "notes", "config.json", "config.yaml"}
    assert [file.path for file in client.list_artifacts(run.info.run_id, "all/deep/er")] == ["all/deep/er/b c.bin"]
    down = pathlib.Path(client.download_artifacts(run.info.run_id, "all", tmp_path))
    assert (down / "deep" / "er" / "b c.bin").read_bytes() == bytes(range(256)) * 1000 and (down / "a.txt").read_text() == "a"
    assert mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/notes/hello.txt") == "hello"
    assert mlflow.artifacts.load_dict(f"runs:/{run.info.run_id}/config.json") == {"a": [1, 2]}
    whole = pathlib.Path(mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="", dst_path=str(tmp_path / "whole")))
    assert len([path for path in whole.rglob("*") if path.is_file()]) == 6


@pytest.mark.only_roost("MLflow's own server answers 500: the name in a header must be ASCII there")
def test_names_of_files_beyond_ascii(own_experiment, tmp_path):
    with mlflow.start_run() as run:
        mlflow.log_text("x", "日本/ü \"quoted\".txt")
    assert mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/日本/ü \"quoted\".txt") == "x"
    down = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, dst_path=str(tmp_path))
    assert (pathlib.Path(down) / "日本" / "ü \"quoted\".txt").read_text() == "x"


def test_a_file_is_replaced(own_experiment):
    with mlflow.start_run() as run:
        mlflow.log_text("first", "a.txt")
        mlflow.log_text("second", "a.txt")
    assert mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/a.txt") == "second"


def test_images_figures_tables(own_experiment, client):
    import numpy
    from matplotlib.figure import Figure
    from PIL import Image

    pixels = numpy.arange(32 * 32 * 3, dtype=numpy.uint8).reshape(32, 32, 3)
    figure = Figure()
    figure.subplots().plot([1, 2], [3, 4])
    with mlflow.start_run() as run:
        mlflow.log_image(pixels, "one.png")
        for step in range(2):
            mlflow.log_image(pixels, key="sample", step=step)
        mlflow.log_image(Image.fromarray(pixels), key="pil")
        mlflow.log_figure(figure, "plots/line.png")
        mlflow.log_table({"question": ["a", "b"], "score": [0.5, 1.0]}, "eval.json")
        mlflow.log_table({"question": ["c"], "score": [0.1]}, "eval.json")
    mlflow.flush_artifact_async_logging()
    run_id = run.info.run_id
    assert [file.path for file in client.list_artifacts(run_id, "plots")] == ["plots/line.png"]
    images = [file.path for file in client.list_artifacts(run_id, "images")]
    assert len([path for path in images if path.endswith(".png")]) == 3 and len([path for path in images if path.endswith(".webp")]) == 3
    assert (numpy.asarray(mlflow.artifacts.load_image(f"runs:/{run_id}/one.png")) == pixels).all()
    tags = client.get_run(run_id).data.tags
    assert tags["mlflow.loggedImages"] == "True" and json.loads(tags["mlflow.loggedArtifacts"]) == [{"path": "eval.json", "type": "table"}]
    table = mlflow.load_table("eval.json", run_ids=[run_id])
    assert list(table["question"]) == ["a", "b", "c"]


def test_artifacts_are_deleted(own_experiment, client):
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    with mlflow.start_run() as run:
        mlflow.log_text("x", "a/b.txt")
        mlflow.log_text("x", "c.txt")
    get_artifact_repository(run.info.artifact_uri).delete_artifacts("a")
    assert [file.path for file in client.list_artifacts(run.info.run_id)] == ["c.txt"]


# -- models and the registry ----------------------------------------------------------------------------------------------


class Doubles(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input: list[float]) -> list[float]:
        return [2 * value for value in model_input]


def test_a_python_model(own_experiment, client, tmp_path):
    with mlflow.start_run() as run:
        logged = mlflow.pyfunc.log_model(name="doubles", python_model=Doubles(), pip_requirements=[])
    assert mlflow.pyfunc.load_model(logged.model_uri).predict([1.0, 2.5]) == [2.0, 5.0]
    assert mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/doubles").predict([4.0]) == [8.0]
    model = mlflow.get_logged_model(logged.model_id)
    assert model.name == "doubles" and model.source_run_id == run.info.run_id and model.status == "READY"
    assert [found.model_id for found in mlflow.search_logged_models([own_experiment], output_format="list")] == [logged.model_id]
    (output,) = client.get_run(run.info.run_id).outputs.model_outputs
    assert output.model_id == logged.model_id


@pytest.fixture
def iris():
    from sklearn.datasets import load_iris

    return load_iris(return_X_y=True)


def test_a_scikit_learn_model_and_the_registry(own_experiment, client, name, iris):
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=500).fit(*iris)
    with mlflow.start_run():
        logged = mlflow.sklearn.log_model(model, name="iris", registered_model_name=name, input_example=iris[0][:2], pip_requirements=["scikit-learn"])
    assert (mlflow.sklearn.load_model(logged.model_uri).predict(iris[0]) == model.predict(iris[0])).all()
    assert (mlflow.pyfunc.load_model(f"models:/{name}/1").predict(iris[0]) == model.predict(iris[0])).all()
    client.set_registered_model_alias(name, "champion", "1")
    assert (mlflow.sklearn.load_model(f"models:/{name}@champion").predict(iris[0]) == model.predict(iris[0])).all()
    assert client.get_model_version_by_alias(name, "champion").version in (1, "1")
    second = mlflow.register_model(logged.model_uri, name, tags={"second": "yes"})
    assert str(second.version) == "2" and client.get_model_version(name, "2").tags == {"second": "yes"}
    client.set_registered_model_alias(name, "champion", "2")
    assert str(client.get_model_version_by_alias(name, "champion").version) == "2"
    assert sorted(str(found.version) for found in client.search_model_versions(f"name = '{name}'")) == ["1", "2"]
    client.delete_registered_model_alias(name, "champion")
    with pytest.raises(MlflowException, match="alias champion not found"):
        client.get_model_version_by_alias(name, "champion")
    client.update_model_version(name, "1", description="the first")
    assert client.get_model_version(name, "1").description == "the first"
    with pytest.warns(FutureWarning):
        client.transition_model_version_stage(name, "1", "Production")
        assert [str(found.version) for found in client.get_latest_versions(name, ["Production"])] == ["1"]
    client.delete_model_version(name, "1")
    client.delete_registered_model(name)
    with pytest.raises(MlflowException, match="not found"):
        client.get_registered_model(name)


def test_a_torch_model(own_experiment):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2)).eval()
    inputs = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    with mlflow.start_run():
        logged = mlflow.pytorch.log_model(network, name="net", pip_requirements=["torch"])
        mlflow.pytorch.log_state_dict(network.state_dict(), "state")
        uri = mlflow.get_artifact_uri("state")
    loaded = mlflow.pytorch.load_model(logged.model_uri)
    assert torch.equal(loaded(inputs), network(inputs))
    assert torch.equal(mlflow.pytorch.load_state_dict(uri)["0.weight"], network.state_dict()["0.weight"])


# -- autologging --------------------------------------------------------------------------------------------------------


def test_autologging_of_scikit_learn(own_experiment, client, iris, autologging):
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import GridSearchCV

    mlflow.sklearn.autolog(log_input_examples=True, silent=True)
    with mlflow.start_run() as run:
        forest = RandomForestClassifier(n_estimators=5, random_state=0).fit(*iris)
        forest.score(*iris)
    found = client.get_run(run.info.run_id)
    assert found.data.params["n_estimators"] == "5" and found.data.metrics["training_accuracy_score"] > 0.9
    assert found.data.tags["estimator_name"] == "RandomForestClassifier" and len(found.inputs.dataset_inputs) >= 1 and len(found.outputs.model_outputs) == 1
    assert "training_confusion_matrix.png" in {file.path for file in client.list_artifacts(run.info.run_id)}
    GridSearchCV(RandomForestClassifier(random_state=0), {"n_estimators": [2, 3]}, cv=2).fit(*iris)
    search = client.search_runs([own_experiment], "tags.estimator_name = 'GridSearchCV'")[0]
    children = client.search_runs([own_experiment], f"tags.mlflow.parentRunId = '{search.info.run_id}'")
    assert sorted(child.data.params["n_estimators"] for child in children) == ["2", "3"]


def lightning_parts():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    lightning = pytest.importorskip("pytorch_lightning", reason="pytorch-lightning is not installed (tests/requirements.txt)")

    class Line(lightning.LightningModule):
        def __init__(self, rate: float = 0.01):
            super().__init__()
            self.save_hyperparameters()
            self.layer = torch.nn.Linear(1, 1)

        def training_step(self, batch, _):
            inputs, targets = batch
            loss = torch.nn.functional.mse_loss(self.layer(inputs), targets)
            self.log("train_loss", loss, on_step=True, on_epoch=True)
            return loss

        def validation_step(self, batch, _):
            inputs, targets = batch
            self.log("val_loss", torch.nn.functional.mse_loss(self.layer(inputs), targets))

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=self.hparams.rate)

    inputs = torch.linspace(0, 1, 32).unsqueeze(1)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(inputs, 3 * inputs + 1), batch_size=8)
    quiet = {"accelerator": "cpu", "devices": 1, "enable_progress_bar": False, "enable_model_summary": False}
    return lightning, Line, loader, quiet


def test_autologging_of_lightning(own_experiment, client, tmp_path, autologging):
    lightning, Line, loader, quiet = lightning_parts()
    mlflow.pytorch.autolog(log_every_n_epoch=1, silent=True)
    with mlflow.start_run() as run:
        lightning.Trainer(max_epochs=2, default_root_dir=tmp_path, logger=False, enable_checkpointing=False, **quiet).fit(Line(), loader, loader)
    found = client.get_run(run.info.run_id)
    assert found.data.params["optimizer_name"] == "SGD" and {"train_loss", "val_loss"} <= set(found.data.metrics)
    assert len(client.get_metric_history(run.info.run_id, "val_loss")) == 2
    assert len(found.outputs.model_outputs) == 1


def test_the_logger_of_lightning(tracking, client, name, tmp_path):
    lightning, Line, loader, quiet = lightning_parts()
    from pytorch_lightning.loggers import MLFlowLogger

    logger = MLFlowLogger(experiment_name=name, run_name="lit", tracking_uri=tracking.uri, log_model=True)
    trainer = lightning.Trainer(max_epochs=2, logger=logger, log_every_n_steps=1, default_root_dir=tmp_path, **quiet)
    trainer.fit(Line(rate=0.05), loader, loader)
    found = client.get_run(logger.run_id)
    assert found.info.status == "FINISHED" and found.info.run_name == "lit" and found.data.params == {"rate": "0.05"}
    assert len(client.get_metric_history(logger.run_id, "train_loss_step")) == 8 and len(client.get_metric_history(logger.run_id, "val_loss")) == 2
    (folder,) = client.list_artifacts(logger.run_id)
    files = {pathlib.PurePath(file.path).suffix: file.file_size for file in client.list_artifacts(logger.run_id, folder.path)}
    assert files.keys() == {".ckpt", ".yaml", ".txt"} and files[".ckpt"] > 1000


def test_the_callback_of_transformers(client, name, tmp_path, monkeypatch):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    transformers = pytest.importorskip("transformers", reason="transformers is not installed (tests/requirements.txt)")
    pytest.importorskip("accelerate", reason="accelerate is not installed (tests/requirements.txt)")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", name)
    monkeypatch.setenv("MLFLOW_TAGS", '{"from": "transformers"}')
    monkeypatch.setenv("MLFLOW_FLATTEN_PARAMS", "1")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    config = transformers.BertConfig(vocab_size=30, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, max_position_embeddings=16, num_labels=2)
    rows = [{"input_ids": torch.tensor([1, 2, n % 20 + 3]), "attention_mask": torch.tensor([1, 1, 1]), "labels": n % 2} for n in range(32)]
    settings = transformers.TrainingArguments(output_dir=str(tmp_path / "out"), max_steps=6, logging_steps=1, per_device_train_batch_size=4, report_to=["mlflow"], use_cpu=True, save_strategy="no",
                                              disable_tqdm=True, eval_strategy="steps", eval_steps=3, run_name="tiny")  # fmt: skip
    transformers.Trainer(model=transformers.BertForSequenceClassification(config), args=settings, train_dataset=rows, eval_dataset=rows).train()
    mlflow.flush_async_logging()
    while mlflow.active_run():
        mlflow.end_run()
    (found,) = client.search_runs([client.get_experiment_by_name(name).experiment_id])
    assert found.info.run_name == "tiny" and found.data.tags["from"] == "transformers" and found.data.params["hidden_size"] == "8" and len(found.data.params) > 100
    assert len(client.get_metric_history(found.info.run_id, "loss")) == 6 and len(client.get_metric_history(found.info.run_id, "eval_loss")) == 2


# -- the command line -----------------------------------------------------------------------------------------------------


def command(*arguments: str) -> str:
    """A subcommand of `mlflow` in this process: its start takes seconds."""
    from click.testing import CliRunner
    from mlflow.cli import cli

    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0, f"{arguments}: {done.output}\n{done.exception!r}"
    return done.stdout


def test_the_command_line(client, name, tmp_path):
    command("experiments", "create", "--experiment-name", name)
    experiment = client.get_experiment_by_name(name).experiment_id
    run = client.create_run(experiment, run_name="by hand")
    client.log_metric(run.info.run_id, "m", 1)
    client.log_text(run.info.run_id, "content", "folder/a.txt")
    assert name in command("experiments", "search")
    listed = command("runs", "list", "--experiment-id", experiment)
    assert run.info.run_id in listed and "by hand" in listed
    assert json.loads(command("runs", "describe", "--run-id", run.info.run_id))["info"]["run_id"] == run.info.run_id
    assert json.loads(command("artifacts", "list", "--run-id", run.info.run_id)) == [{"path": "folder", "is_dir": True}]
    (tmp_path / "up.txt").write_text("up")
    command("artifacts", "log-artifact", "--local-file", str(tmp_path / "up.txt"), "--run-id", run.info.run_id)
    command("artifacts", "download", "--run-id", run.info.run_id, "--dst-path", str(tmp_path / "down"))
    assert (tmp_path / "down" / "folder" / "a.txt").read_text() == "content" and (tmp_path / "down" / "up.txt").read_text() == "up"
    command("runs", "delete", "--run-id", run.info.run_id)
    assert client.get_run(run.info.run_id).info.lifecycle_stage == "deleted"
    command("runs", "restore", "--run-id", run.info.run_id)
    command("experiments", "csv", "--experiment-id", experiment, "--filename", str(tmp_path / "table.csv"))
    assert run.info.run_id in (tmp_path / "table.csv").read_text()
    command("experiments", "rename", "--experiment-id", experiment, "--new-name", name + " renamed")
    command("experiments", "delete", "--experiment-id", experiment)
    assert client.get_experiment(experiment).lifecycle_stage == "deleted"


def test_the_command_as_a_program(run_id, experiment):
    done = subprocess.run([sys.executable, "-m", "mlflow", "runs", "list", "--experiment-id", experiment], env=os.environ, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0 and run_id in done.stdout, done.stderr


# -- several at once --------------------------------------------------------------------------------------------------------


def at_once(count: int, work) -> None:
    """Runs work(n) in threads; the first error is the test's."""
    errors = []

    def guarded(n: int) -> None:
        try:
            work(n)
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_clients_at_once(client, experiment, run_id):
    """Eight clients: each its own run, and all of them one."""
    mine: dict[int, str] = {}

    def work(n: int) -> None:
        mine[n] = client.create_run(experiment, run_name=f"client {n}").info.run_id
        for step in range(40):
            client.log_metric(mine[n], "own", n * 1000 + step, step=step, timestamp=1)
            client.log_metric(run_id, "shared", step, step=n * 1000 + step, timestamp=1)
            client.set_tag(run_id, f"tag {n}", str(step))
        client.log_param(run_id, f"param {n}", "x")
        client.log_text(run_id, f"text {n}", f"files/{n}.txt")
        client.set_terminated(mine[n])

    at_once(8, work)
    for n in range(8):
        assert [m.value for m in client.get_metric_history(mine[n], "own")] == [float(n * 1000 + step) for step in range(40)]
    shared = client.get_run(run_id)
    assert sorted(m.step for m in client.get_metric_history(run_id, "shared")) == sorted(n * 1000 + step for n in range(8) for step in range(40))
    assert shared.data.params == {f"param {n}": "x" for n in range(8)} and all(shared.data.tags[f"tag {n}"] == "39" for n in range(8))
    assert len(client.list_artifacts(run_id, "files")) == 8


def test_one_name_at_once(client, name):
    """Of clients that create one experiment at the same time one does; the others hear that it exists."""
    made, refused = [], []

    def work(_: int) -> None:
        try:
            made.append(client.create_experiment(name))
        except MlflowException as error:
            assert error.error_code == "RESOURCE_ALREADY_EXISTS"
            refused.append(1)

    at_once(8, work)
    assert len(made) == 1 and len(refused) == 7


def test_one_parameter_at_once(rest, run_id):
    """Different values for one parameter at the same time: one is kept, the others are refused."""
    kept = []

    def work(n: int) -> None:
        answer = rest.call("POST", "runs/log-parameter", {"run_id": run_id, "key": "p", "value": str(n)})
        assert answer.status in (200, 400), answer.text
        if answer.status == 200:
            kept.append(str(n))

    at_once(8, work)
    assert len(kept) == 1 and rest.data(run_id, "params") == {"p": kept[0]}
