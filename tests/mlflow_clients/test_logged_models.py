"""Logged models, their files, parameters, tags and metrics; what runs used and made."""

from __future__ import annotations

import json
import time

import pytest

from mlflow_clients.rest import BAD, INVALID, MISSING, Rest, assert_error

CONTEXT = "mlflow.data.context"


def make(rest: Rest, experiment: str, **fields) -> dict:
    return rest.post("logged-models", experiment_id=experiment, **fields)["model"]


def model_of(rest: Rest, model_id: str) -> dict:
    return rest.get(f"logged-models/{model_id}")["model"]


def found(rest: Rest, experiment: str, **fields) -> list[str]:
    return [model["info"]["name"] for model in rest.post("logged-models/search", experiment_ids=[experiment], **fields).get("models", [])]


def log(rest: Rest, run_id: str, model_id: str, key: str, value, step: int = 0, timestamp: int = 1000, **dataset) -> None:
    rest.post("runs/log-metric", run_id=run_id, key=key, value=value, timestamp=timestamp, step=step, model_id=model_id, **dataset)


# -- made, changed, deleted --------------------------------------------------------------------------------------------


def test_a_model_is_made(rest, experiment, run_id):
    model = make(rest, experiment, name="net", model_type="agent", source_run_id=run_id, params=[{"key": "lr", "value": "0.1"}], tags=[{"key": "team", "value": "vision"}])
    info = model["info"]
    assert info["model_id"].startswith("m-") and len(info["model_id"]) == 34
    assert info["artifact_uri"] == f"mlflow-artifacts:/{experiment}/models/{info['model_id']}/artifacts"
    assert info["status"] == "LOGGED_MODEL_PENDING" and info["model_type"] == "agent" and info["source_run_id"] == run_id
    assert info["creation_timestamp_ms"] == info["last_updated_timestamp_ms"] > 1_600_000_000_000
    assert info["tags"] == [{"key": "team", "value": "vision"}] and model["data"] == {"params": [{"key": "lr", "value": "0.1"}]}
    assert list(info)[:9] == ["model_id", "experiment_id", "name", "creation_timestamp_ms", "last_updated_timestamp_ms", "artifact_uri", "status", "model_type", "source_run_id"]
    assert model_of(rest, info["model_id"]) == model


def test_a_model_without_a_name_gets_one(rest, experiment):
    first, second = make(rest, experiment), make(rest, experiment, name="")
    assert first["info"]["name"] and second["info"]["name"] and first["info"]["name"] != second["info"]["name"]
    assert first["info"]["model_type"] == first["info"]["source_run_id"] == ""


@pytest.mark.parametrize("character", "/:.%\"'")
def test_characters_that_no_name_has(rest, experiment, character):
    assert_error(rest.call("POST", "logged-models", {"experiment_id": experiment, "name": f"a{character}b"}), INVALID, "Invalid model name (", "cannot contain the following characters")


def test_models_that_are_not_made(rest, experiment):
    assert_error(rest.call("POST", "logged-models", {}), INVALID, "Missing value for required parameter 'experiment_id'")
    assert_error(rest.call("POST", "logged-models", {"experiment_id": "987654321"}), MISSING, "No Experiment with id=987654321 exists")
    assert_error(rest.call("POST", "logged-models", {"experiment_id": experiment, "tags": "x"}), INVALID, "Invalid value \"x\" for parameter 'tags' supplied")
    rest.post("experiments/delete", experiment_id=experiment)
    assert_error(rest.call("POST", "logged-models", {"experiment_id": experiment}), INVALID, "must be in the 'active' state")


@pytest.mark.parametrize("status, expected", [("LOGGED_MODEL_READY", "LOGGED_MODEL_READY"), (2, "LOGGED_MODEL_READY"), ("3", "LOGGED_MODEL_UPLOAD_FAILED"), (1, "LOGGED_MODEL_PENDING")])
def test_a_model_is_finished(rest, experiment, status, expected):
    made = make(rest, experiment)["info"]
    answer = rest.call("PATCH", f"logged-models/{made['model_id']}", {"model_id": made["model_id"], "status": status})
    assert answer.json["model"]["info"]["status"] == expected
    assert answer.json["model"]["info"]["last_updated_timestamp_ms"] >= made["last_updated_timestamp_ms"]


def test_a_model_that_is_not_finished_rightly(rest, experiment):
    model_id = make(rest, experiment)["info"]["model_id"]
    assert_error(rest.call("PATCH", f"logged-models/{model_id}", {"model_id": model_id}), INVALID, "'status'")
    assert_error(rest.call("PATCH", f"logged-models/{model_id}", {"status": 2}), INVALID, "'model_id'")
    missing = "m-" + "0" * 32
    assert_error(rest.call("PATCH", f"logged-models/{missing}", {"model_id": missing, "status": 2}), MISSING, f"Logged model with ID '{missing}' not found.")


@pytest.mark.only_roost("MLflow's server takes any status")
def test_a_status_that_there_is_not(rest, experiment):
    model_id = make(rest, experiment)["info"]["model_id"]
    for status in ("BOGUS", 9, [2]):
        assert_error(rest.call("PATCH", f"logged-models/{model_id}", {"model_id": model_id, "status": status}), INVALID, "'status'")


def test_tags_and_params(rest, experiment):
    model_id = make(rest, experiment, tags=[{"key": "a", "value": "1"}])["info"]["model_id"]
    where = f"logged-models/{model_id}"
    assert rest.call("PATCH", where + "/tags", {"tags": [{"key": "a", "value": "2"}, {"key": "b/c d", "value": ""}]}).json == {}
    assert model_of(rest, model_id)["info"]["tags"] == [{"key": "a", "value": "2"}, {"key": "b/c d", "value": ""}]
    assert rest.call("DELETE", where + "/tags/a").json == {}
    assert_error(rest.call("DELETE", where + "/tags/a"), MISSING, f"No tag with key 'a' found for model with ID '{model_id}'.")
    assert rest.post(where + "/params", model_id=model_id, params=[{"key": "lr", "value": "0.1"}]) == {}
    assert model_of(rest, model_id)["data"]["params"] == [{"key": "lr", "value": "0.1"}]
    assert rest.call("POST", where + "/params", {"model_id": model_id, "params": [{"key": "lr", "value": "0.2"}]}).status == 400
    assert model_of(rest, model_id)["data"]["params"] == [{"key": "lr", "value": "0.1"}]


def test_a_deleted_model(rest, experiment):
    model_id = make(rest, experiment, name="gone")["info"]["model_id"]
    assert rest.call("DELETE", f"logged-models/{model_id}").json == {}
    assert_error(rest.call("GET", f"logged-models/{model_id}"), MISSING, f"Logged model with ID '{model_id}' not found.")
    assert rest.get(f"logged-models/{model_id}", allow_deleted="true")["model"]["info"]["name"] == "gone"
    assert found(rest, experiment) == []
    assert rest.call("DELETE", f"logged-models/{model_id}").status == 200
    assert_error(rest.call("DELETE", "logged-models/m-nope"), MISSING)


# -- files -------------------------------------------------------------------------------------------------------------


def test_files_of_a_model(rest, experiment):
    model_id = make(rest, experiment)["info"]["model_id"]
    root = f"{experiment}/models/{model_id}/artifacts"
    base = "/api/2.0/mlflow-artifacts/artifacts"
    for path in ("MLmodel", "data/w.bin"):
        assert rest.call("PUT", f"{base}/{root}/{path}", raw=b"x: 1", content_type=None).status == 200
    where = f"logged-models/{model_id}/artifacts/"
    answer = rest.get(where + "directories")
    assert answer == {"root_uri": f"mlflow-artifacts:/{root}", "files": [{"path": "MLmodel", "is_dir": False, "file_size": 4}, {"path": "data", "is_dir": True}]}
    assert rest.get(where + "directories", artifact_directory_path="data")["files"] == [{"path": "data/w.bin", "is_dir": False, "file_size": 4}]
    assert_error(rest.call("GET", where + "directories", query={"artifact_directory_path": "../x"}), INVALID, "Invalid path")
    page = rest.with_prefix("/ajax-api/2.0/mlflow")
    assert page.call("GET", where + "files", query={"artifact_file_path": "data/w.bin"}).body == b"x: 1"
    assert_error(page.call("GET", where + "files"), BAD, "artifact_file_path")
    assert_error(page.call("GET", where + "files", query={"artifact_file_path": "nope"}), MISSING, "No such artifact")
    assert rest.call("GET", f"{base}/{root}/MLmodel").body == b"x: 1"
    assert rest.call("DELETE", f"{base}/{root}/data").status == 200
    assert [file["path"] for file in rest.get(where + "directories")["files"]] == ["MLmodel"]
    assert_error(rest.call("GET", "logged-models/m-nope/artifacts/directories"), MISSING)


# -- metrics -----------------------------------------------------------------------------------------------------------


def test_metrics_belong_to_run_and_model(rest, experiment, run_id):
    model_id = make(rest, experiment, source_run_id=run_id)["info"]["model_id"]
    for _ in range(2):  # the same point once more is the same point
        log(rest, run_id, model_id, "acc", 0.5, step=1, dataset_name="ds", dataset_digest="d1")
    rest.post("runs/log-batch", run_id=run_id, metrics=[{"key": "loss", "value": 1.5, "timestamp": 1000, "step": 1, "model_id": model_id}, {"key": "other", "value": 2, "timestamp": 1000, "step": 0}])
    assert model_of(rest, model_id)["data"]["metrics"] == [
        {"key": "acc", "value": 0.5, "timestamp": 1000, "step": 1, "dataset_name": "ds", "dataset_digest": "d1", "model_id": model_id, "run_id": run_id},
        {"key": "loss", "value": 1.5, "timestamp": 1000, "step": 1, "model_id": model_id, "run_id": run_id},
    ]
    assert rest.data(run_id, "metrics") == {"acc": 0.5, "loss": 1.5, "other": 2.0}


def test_metrics_that_are_refused(rest, experiment, run_id):
    model_id = make(rest, experiment)["info"]["model_id"]
    metric = {"key": "acc", "value": 1, "timestamp": 1, "step": 0, "model_id": model_id, "dataset_name": "ds"}
    assert_error(rest.call("POST", "runs/log-metric", {"run_id": run_id, **metric}), INVALID, "Both dataset_name and dataset_digest must be provided if one is provided")
    nobody = {**metric, "dataset_digest": "d", "model_id": "m-" + "0" * 32}
    assert 400 <= rest.call("POST", "runs/log-metric", {"run_id": run_id, **nobody}).status < 500


@pytest.mark.only_roost("MLflow's server keeps half of it")
def test_a_metric_of_a_model_that_is_not_there_is_not_kept(rest, run_id):
    metric = {"key": "acc", "value": 1, "timestamp": 1, "step": 0, "model_id": "m-" + "0" * 32}
    assert_error(rest.call("POST", "runs/log-metric", {"run_id": run_id, **metric}), MISSING, "Logged model with ID")
    assert_error(rest.call("POST", "runs/log-batch", {"run_id": run_id, "metrics": [metric]}), MISSING, "Logged model with ID")
    assert rest.data(run_id, "metrics") == {}


@pytest.mark.only_roost("MLflow's server makes it 0")
def test_nan_stays_nan(rest, experiment, run_id):
    model_id = make(rest, experiment)["info"]["model_id"]
    log(rest, run_id, model_id, "acc", "NaN")
    assert model_of(rest, model_id)["data"]["metrics"][0]["value"] == "NaN"
    assert found(rest, experiment, filter="metrics.acc < 1") == []


# -- search ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def three(rest, experiment, run_id) -> dict[str, str]:
    """alpha, beta and gamma, made in this order."""
    ids = {}
    for name, fields in {
        "alpha": {"tags": [{"key": "team", "value": "vision"}]},
        "beta": {"params": [{"key": "lr", "value": "0.1"}], "model_type": "agent"},
        "gamma": {"source_run_id": run_id},
    }.items():
        ids[name] = make(rest, experiment, name=name, **fields)["info"]["model_id"]
        time.sleep(0.005)  # the order is by milliseconds
    log(rest, run_id, ids["alpha"], "acc", 0.5, dataset_name="ds", dataset_digest="d1")
    log(rest, run_id, ids["beta"], "acc", 0.9, dataset_name="ds", dataset_digest="d2")
    log(rest, run_id, ids["beta"], "acc", 0.4, timestamp=2000, step=2, dataset_name="other", dataset_digest="d")
    return ids


@pytest.mark.parametrize(
    "filter, names",
    [
        ("", ["gamma", "beta", "alpha"]),
        ("name = 'beta'", ["beta"]),
        ("name LIKE '%ta'", ["beta"]),
        ("name ILIKE 'AL%'", ["alpha"]),
        ("name LIKE 'AL%'", []),
        ("name != 'beta'", ["gamma", "alpha"]),
        ("name IN ('beta', 'gamma')", ["gamma", "beta"]),
        ("model_type = 'agent'", ["beta"]),
        ("tags.team = 'vision'", ["alpha"]),
        ("tags.`team` = 'vision'", ["alpha"]),
        ("params.lr = '0.1'", ["beta"]),
        ("metrics.acc > 0.45", ["beta", "alpha"]),
        ("metrics.acc > 0.45 AND name = 'alpha'", ["alpha"]),
        ("metrics.nope > 0", []),
        ("creation_timestamp > 0", ["gamma", "beta", "alpha"]),
        ("last_updated_timestamp < 5", []),
    ],
)
def test_filters(rest, experiment, three, filter, names):
    assert found(rest, experiment, filter=filter) == names


def test_filters_by_ids(rest, experiment, run_id, three):
    assert found(rest, experiment, filter=f"model_id = '{three['beta']}'") == ["beta"]
    assert found(rest, experiment, filter=f"source_run_id = '{run_id}'") == ["gamma"]
    made = model_of(rest, three["beta"])["info"]["creation_timestamp_ms"]
    assert found(rest, experiment, filter=f"creation_timestamp = {made}") == ["beta"]


def test_metrics_on_datasets(rest, experiment, three):
    one = [{"dataset_name": "ds", "dataset_digest": "d1"}]
    assert found(rest, experiment, filter="metrics.acc > 0.45", datasets=one) == ["alpha"]
    assert found(rest, experiment, datasets=[{"dataset_name": "other", "dataset_digest": "d"}]) == ["beta"]
    assert found(rest, experiment, datasets=one + [{"dataset_name": "ds", "dataset_digest": "d2"}]) == ["beta", "alpha"]
    assert_error(rest.call("POST", "logged-models/search", {"experiment_ids": [experiment], "datasets": [{"dataset_digest": "x"}]}), INVALID, "`dataset_name` in the `datasets` clause must be specified.")


@pytest.mark.only_roost("MLflow's server finds nothing then")
def test_a_dataset_of_any_digest(rest, experiment, three):
    assert found(rest, experiment, datasets=[{"dataset_name": "ds"}]) == ["beta", "alpha"]


@pytest.mark.only_roost("MLflow's server compares the status with a number of its own")
def test_filters_by_status(rest, experiment, three):
    rest.call("PATCH", f"logged-models/{three['beta']}", {"model_id": three["beta"], "status": 2})
    assert found(rest, experiment, filter="status = 'READY'") == ["beta"]
    assert found(rest, experiment, filter="status != 'READY'") == ["gamma", "alpha"]


@pytest.mark.parametrize(
    "order, names",
    [
        ([{"field_name": "name"}], ["alpha", "beta", "gamma"]),
        ([{"field_name": "name", "ascending": False}], ["gamma", "beta", "alpha"]),
        ([{"field_name": "creation_timestamp", "ascending": True}], ["alpha", "beta", "gamma"]),
        ([{"field_name": "metrics.acc"}], ["beta", "alpha", "gamma"]),
        ([{"field_name": "metrics.acc", "ascending": False}], ["alpha", "beta", "gamma"]),
        ([{"field_name": "metrics.acc", "ascending": False, "dataset_name": "ds"}], ["beta", "alpha", "gamma"]),
        ([{"field_name": "metrics.acc", "ascending": False, "dataset_name": "ds", "dataset_digest": "d1"}, {"field_name": "name"}], ["alpha", "beta", "gamma"]),
    ],
)
def test_orders(rest, experiment, three, order, names):
    assert found(rest, experiment, order_by=order) == names


def test_pages(rest, experiment, three):
    body = {"experiment_ids": [experiment], "max_results": 2, "order_by": [{"field_name": "name"}]}
    first = rest.post("logged-models/search", **body)
    second = rest.post("logged-models/search", **body, page_token=first["next_page_token"])
    assert [model["info"]["name"] for model in first["models"] + second["models"]] == ["alpha", "beta", "gamma"]
    assert "next_page_token" not in second
    for change, message in (({"order_by": []}, "Order by in the page token does not match"), ({"filter": "name = 'x'"}, "Filter string in the page token does not match"), ({"experiment_ids": ["0"]}, "Experiment IDs in the page token do not match")):
        assert_error(rest.call("POST", "logged-models/search", {**body, **change, "page_token": first["next_page_token"]}), INVALID, message)


def test_searches_that_are_refused(rest, experiment):
    def search(**fields):
        return rest.call("POST", "logged-models/search", {"experiment_ids": [experiment], **fields})

    assert_error(rest.call("POST", "logged-models/search", {}), INVALID, "'experiment_ids'")
    assert rest.post("logged-models/search", experiment_ids=[]) == {}
    assert_error(search(filter="name = 'a' OR name = 'b'"), INVALID, "Invalid filter string")
    assert_error(search(filter="name > 'a'"), INVALID, "Invalid comparison operator")
    assert_error(search(filter="bogus.x = 'a'"), INVALID, "Invalid entity type")
    assert_error(search(order_by=[{"field_name": "bogus"}]), INVALID, "Invalid order by field name: bogus")
    assert_error(search(order_by=[{"field_name": "params.lr"}]), INVALID, "Only metrics are supported")
    assert_error(search(order_by=[{}]), INVALID, "Invalid order by field name")


@pytest.mark.only_roost("MLflow's server answers 500, or nothing of use")
def test_rubbish_in_searches(rest, experiment):
    for fields in ({"page_token": "zzz"}, {"page_token": "1.2.3"}, {"page_token": "-1.a.b.c"}, {"max_results": -1}, {"experiment_ids": ["nope"]}, {"filter": "bogus = 'x'"}, {"datasets": "x"}, {"datasets": [1]}):
        answer = rest.call("POST", "logged-models/search", {"experiment_ids": [experiment], **fields})
        assert_error(answer, INVALID)


# -- what runs used and made -------------------------------------------------------------------------------------------

DATASET = {"name": "mnist", "digest": "d1", "source_type": "local", "source": '{"uri": "x"}', "schema": "s", "profile": "p"}


def used(dataset: dict, context: str = "") -> dict:
    return {"tags": [{"key": CONTEXT, "value": context}] if context else [], "dataset": dataset}


def test_inputs_and_outputs(rest, run_id):
    assert rest.run(run_id)["inputs"] == {} and rest.run(run_id)["outputs"] == {}
    plain = {"name": "plain", "digest": "d", "source_type": "s", "source": "x"}
    assert rest.post("runs/log-inputs", run_id=run_id, datasets=[used(DATASET, "train")], models=[{"model_id": "m-1"}]) == {}
    assert rest.post("runs/log-inputs", run_id=run_id, datasets=[used(DATASET, "other"), used(plain)]) == {}
    assert rest.post("runs/outputs", run_id=run_id, models=[{"model_id": "m-2", "step": 3}]) == {}
    run = rest.run(run_id)
    key = lambda entry: entry["dataset"]["name"]  # noqa: E731
    assert sorted(run["inputs"]["dataset_inputs"], key=key) == [{"tags": [{"key": CONTEXT, "value": "train"}], "dataset": DATASET}, {"dataset": plain}]
    assert run["inputs"]["model_inputs"] == [{"model_id": "m-1"}]
    assert run["outputs"] == {"model_outputs": [{"model_id": "m-2", "step": 3}]}


def test_limits_of_inputs(rest, run_id):
    def refused(message, **change):
        answer = rest.call("POST", "runs/log-inputs", {"run_id": run_id, "datasets": [{"dataset": {**DATASET, **change}}]})
        assert_error(answer, INVALID, message)

    refused("'name' exceeds the maximum length of 500 characters", name="x" * 501)
    refused("'digest' exceeds the maximum length of 36 characters", digest="x" * 37)
    refused("'source' exceeds the maximum length of 65535 characters", source="x" * 65_536)
    refused("'schema' exceeds the maximum length of 1048575 characters", schema="x" * 1_048_576)
    for key, value, message in (("k" * 256, "v", "'key' exceeds the maximum length of 255"), ("k", "v" * 501, "'value' exceeds the maximum length of 500")):
        answer = rest.call("POST", "runs/log-inputs", {"run_id": run_id, "datasets": [{"tags": [{"key": key, "value": value}], "dataset": DATASET}]})
        assert_error(answer, INVALID, message)
    assert_error(rest.call("POST", "runs/log-inputs", {"run_id": "0" * 32}), MISSING)
    assert_error(rest.call("POST", "runs/log-inputs", {}), INVALID, "'run_id'")
    assert_error(rest.call("POST", "runs/outputs", {"run_id": run_id}), INVALID, "'models'")
    assert_error(rest.call("POST", "runs/outputs", {"run_id": "0" * 32, "models": [{"model_id": "m", "step": 1}]}), MISSING)
    assert rest.run(run_id)["inputs"] == {}


def test_a_deleted_run_takes_no_inputs(rest, run_id):
    rest.post("runs/delete", run_id=run_id)
    assert_error(rest.call("POST", "runs/log-inputs", {"run_id": run_id, "datasets": [used(DATASET)]}), INVALID, "must be in the 'active' state")
    assert_error(rest.call("POST", "runs/outputs", {"run_id": run_id, "models": [{"model_id": "m", "step": 1}]}), INVALID, "must be in the 'active' state")


def test_datasets_of_experiments(rest, experiment, run_id):
    page = rest.with_prefix("/ajax-api/2.0/mlflow")
    other = rest.create_run(experiment)
    rest.post("runs/log-inputs", run_id=run_id, datasets=[used(DATASET, "train")])
    rest.post("runs/log-inputs", run_id=other, datasets=[used(DATASET, "eval"), used({**DATASET, "name": "plain"})])
    summaries = page.post("experiments/search-datasets", experiment_ids=[experiment])["dataset_summaries"]
    same = {"experiment_id": experiment, "digest": "d1"}
    assert sorted(summaries, key=json.dumps) == sorted([{**same, "name": "mnist", "context": "train"}, {**same, "name": "mnist", "context": "eval"}, {**same, "name": "plain"}], key=json.dumps)
    assert page.post("experiments/search-datasets", experiment_ids=["987654321"]) == {}
    assert_error(page.call("POST", "experiments/search-datasets", {}), INVALID, "must specify at least one experiment_id")
    assert_error(page.call("POST", "experiments/search-datasets", {"experiment_ids": [experiment] * 21}), INVALID, "cannot specify more than 20")
    assert rest.call("POST", "experiments/search-datasets", {"experiment_ids": [experiment]}).status == 404


def test_the_older_way_to_log_a_model(rest, run_id):
    model = {"artifact_path": "model", "flavors": {"python_function": {"loader_module": "x", "config": {"a": 1}}}, "utc_time_created": "now", "run_id": run_id, "model_uuid": "u"}
    for path in ("model", "second"):
        assert rest.post("runs/log-model", run_id=run_id, model_json=json.dumps({**model, "artifact_path": path})) == {}
    text = rest.data(run_id, "tags")["mlflow.log-model.history"]
    history = json.loads(text)
    assert text == json.dumps(history)  # as Python writes it
    assert [entry["artifact_path"] for entry in history] == ["model", "second"]
    assert history[0]["flavors"] == {"python_function": {"loader_module": "x"}} and history[0]["model_uuid"] == "u"
    assert_error(rest.call("POST", "runs/log-model", {"run_id": run_id, "model_json": "{"}), INVALID, "Malformed model info.", "is not a valid JSON.")
    assert_error(rest.call("POST", "runs/log-model", {"run_id": run_id, "model_json": "{}"}), INVALID, "Model json is missing mandatory fields: ", "'artifact_path'")
    assert_error(rest.call("POST", "runs/log-model", {"run_id": run_id}), INVALID, "'model_json'")


def test_a_history_of_models_goes_on(rest, run_id):
    model = {"artifact_path": "m" * 3000, "flavors": {"x": {}}, "utc_time_created": "now", "run_id": run_id}
    for _ in range(4):
        rest.post("runs/log-model", run_id=run_id, model_json=json.dumps(model))
    assert len(json.loads(rest.data(run_id, "tags")["mlflow.log-model.history"])) == 4


# -- the client --------------------------------------------------------------------------------------------------------


def test_with_the_client(experiment, client, tmp_path):
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed (tests/requirements.txt)")
    from mlflow.entities import LoggedModelInput, LoggedModelOutput, LoggedModelStatus

    mlflow.set_experiment(experiment_id=experiment)
    with mlflow.start_run() as run:
        model = mlflow.create_external_model(name="external", model_type="agent", params={"depth": "3"}, tags={"team": "vision"})
        assert model.status is LoggedModelStatus.READY and model.source_run_id == run.info.run_id
        mlflow.log_metric("acc", 0.9, step=1, model_id=model.model_id)
        mlflow.log_metrics({"loss": 0.1, "f1": 0.8}, step=2, model_id=model.model_id)
        mlflow.log_model_params({"width": "4"}, model_id=model.model_id)
        mlflow.set_logged_model_tags(model.model_id, {"stage": "best"})
        client.log_outputs(run.info.run_id, [LoggedModelOutput(model.model_id, step=1)])
        client.log_inputs(run.info.run_id, models=[LoggedModelInput(model.model_id)])
    got = mlflow.get_logged_model(model.model_id)
    assert got.params == {"depth": "3", "width": "4"} and got.tags["stage"] == "best"
    assert {metric.key: (metric.value, metric.step, metric.run_id) for metric in got.metrics} == {"acc": (0.9, 1, run.info.run_id), "loss": (0.1, 2, run.info.run_id), "f1": (0.8, 2, run.info.run_id)}
    assert [found.model_id for found in mlflow.search_logged_models([experiment], filter_string="metrics.acc > 0.5", output_format="list")] == [model.model_id]
    assert mlflow.search_logged_models([experiment], order_by=[{"field_name": "metrics.loss"}]).shape[0] >= 1
    final = client.get_run(run.info.run_id)
    assert [output.model_id for output in final.outputs.model_outputs] == [model.model_id]
    assert [entry.model_id for entry in final.inputs.model_inputs] == [model.model_id]
    mlflow.delete_logged_model_tag(model.model_id, "stage")
    assert "stage" not in mlflow.get_logged_model(model.model_id).tags
    (tmp_path / "notes.txt").write_text("hello")
    client.log_model_artifact(model.model_id, str(tmp_path / "notes.txt"))
    client.log_model_artifacts(model.model_id, str(tmp_path))
    assert [file.path for file in client.list_logged_model_artifacts(model.model_id)] == ["MLmodel", "notes.txt"]
    client.delete_logged_model(model.model_id)
    assert mlflow.search_logged_models([experiment], output_format="list") == []


def test_a_model_that_could_not_be_sent(experiment, client, monkeypatch):
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed (tests/requirements.txt)")
    import mlflow.pyfunc

    class Broken(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            return model_input

    def fail(*args, **named):
        raise OSError("the disk is full")

    monkeypatch.setattr("mlflow.tracking.client.MlflowClient.log_model_artifacts", fail)
    mlflow.set_experiment(experiment_id=experiment)
    with pytest.raises(Exception, match="the disk is full"), mlflow.start_run():
        mlflow.pyfunc.log_model(name="broken", python_model=Broken(), pip_requirements=[])
    (model,) = mlflow.search_logged_models([experiment], output_format="list")
    assert str(model.status) == "FAILED" or model.status.name in ("UPLOAD_FAILED", "FAILED")
