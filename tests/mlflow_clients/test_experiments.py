"""Experiments over the wire: create, get, update, tags, delete and restore, with the errors that clients compare."""

from __future__ import annotations

import pytest

from mlflow_clients.rest import EXISTS, INVALID, MISSING, assert_error

NO_SUCH = "999999999"
MISSING_PARAMETER = "Missing value for required parameter '{}'. See the API docs for more information about request parameters."


def experiment_of(rest, experiment_id: str) -> dict:
    return rest.get("experiments/get", experiment_id=experiment_id)["experiment"]


def tags_of(rest, experiment_id: str) -> dict:
    return {tag["key"]: tag["value"] for tag in experiment_of(rest, experiment_id).get("tags", [])}


def test_default_is_there_from_the_start(rest):
    default = experiment_of(rest, "0")
    assert default["name"] == "Default" and default["artifact_location"] == "mlflow-artifacts:/0"
    assert rest.get("experiments/get-by-name", experiment_name="Default")["experiment"] == default


def test_a_new_experiment(rest, name):
    created = rest.post("experiments/create", name=name, tags=[{"key": "team", "value": "vision"}, {"key": "note", "value": ""}])
    assert list(created) == ["experiment_id"] and created["experiment_id"].isdigit()
    experiment = experiment_of(rest, created["experiment_id"])
    assert experiment["name"] == name and experiment["lifecycle_stage"] == "active"
    assert experiment["artifact_location"] == f"mlflow-artifacts:/{created['experiment_id']}"
    assert experiment["creation_time"] == experiment["last_update_time"] > 1_700_000_000_000
    assert tags_of(rest, created["experiment_id"]) == {"team": "vision", "note": ""}
    assert rest.get("experiments/get-by-name", experiment_name=name)["experiment"] == experiment


def test_the_place_of_artifacts_is_kept(rest, name):
    for n, location in enumerate(("s3://bucket/some/where", "s3://bucket/some/where?region=eu")):
        created = rest.post("experiments/create", name=f"{name}-{n}", artifact_location=location)
        assert experiment_of(rest, created["experiment_id"])["artifact_location"] == location
        run = rest.post("runs/create", experiment_id=created["experiment_id"])["run"]["info"]
        assert run["artifact_uri"] == location.replace("/some/where", f"/some/where/{run['run_id']}/artifacts")


@pytest.mark.parametrize("odd", ["with 'quotes' and \"more\"", "日本語 und Ünïcode", "a/b/../c", "x" * 500, " blanks ", "percent %41"])
def test_names_are_free_text(rest, name, odd):
    text = (odd + name)[-500:]
    created = rest.post("experiments/create", name=text)
    assert rest.get("experiments/get-by-name", experiment_name=text)["experiment"]["experiment_id"] == created["experiment_id"]


@pytest.mark.parametrize(
    "body, fragment",
    [
        ({}, MISSING_PARAMETER.format("name")),
        ({"name": ""}, MISSING_PARAMETER.format("name")),
        ({"name": None}, MISSING_PARAMETER.format("name")),
        ({"name": 5}, "Invalid value 5 for parameter 'name' supplied:  Hint: Value was of type 'int'. See the API docs for more information about request parameters."),
        ({"name": ["a"]}, 'Invalid value ["a"] for parameter \'name\' supplied:  Hint: Value was of type \'list\'.'),
        ({"name": "x" * 501}, "'name' exceeds the maximum length of 500 characters"),
        ({"name": "bad tags", "tags": "x"}, "Invalid value \"x\" for parameter 'tags' supplied:  Hint: Value was of type 'str'."),
        ({"name": "bad place", "artifact_location": "/tmp/x#fragment"}, "'artifact_location' URL can't include fragments or params."),
        ({"name": "bad place", "artifact_location": "https://host/x;a=b"}, "'artifact_location' URL can't include fragments or params."),
        ({"name": "bad place", "artifact_location": "s3://bucket/x?a=/../b"}, "Invalid query string"),
        ({"name": "bad place", "artifact_location": "s3://bucket/x?a=%2E%2E/b"}, "Invalid query string"),
        ({"name": "bad place", "artifact_location": "runs:/abc/models"}, "Artifact location cannot be a runs:/ URI. Given: 'runs:/abc/models'"),
        ({"name": "long place", "artifact_location": "x" * 2049}, "Invalid artifact path length. The length of the artifact path cannot be greater than 2048 characters."),
    ],
)
def test_what_create_refuses(rest, body, fragment):
    assert_error(rest.call("POST", "experiments/create", body), INVALID, fragment)


def test_a_name_is_taken_once_also_when_deleted(rest, name):
    created = rest.post("experiments/create", name=name)["experiment_id"]
    assert_error(rest.call("POST", "experiments/create", {"name": name}), EXISTS, f"Experiment(name={name}) already exists.")
    rest.post("experiments/delete", experiment_id=created)
    assert_error(rest.call("POST", "experiments/create", {"name": name}), EXISTS, f"Experiment(name={name}) already exists.")
    assert rest.get("experiments/get-by-name", experiment_name=name)["experiment"]["lifecycle_stage"] == "deleted"


@pytest.mark.parametrize(
    "method, path, fields, code, fragment",
    [
        ("GET", "get", {}, INVALID, MISSING_PARAMETER.format("experiment_id")),
        ("GET", "get", {"experiment_id": ""}, INVALID, MISSING_PARAMETER.format("experiment_id")),
        ("GET", "get", {"experiment_id": NO_SUCH}, MISSING, f"No Experiment with id={NO_SUCH} exists"),
        ("GET", "get", {"experiment_id": "abc"}, INVALID, "Invalid experiment ID 'abc'. Experiment ID must be a valid integer."),
        ("GET", "get-by-name", {}, INVALID, MISSING_PARAMETER.format("experiment_name")),
        ("GET", "get-by-name", {"experiment_name": "no such experiment"}, MISSING, "Could not find experiment with name 'no such experiment'"),
        ("POST", "update", {"new_name": "x"}, INVALID, MISSING_PARAMETER.format("experiment_id")),
        ("POST", "update", {"experiment_id": "0"}, INVALID, MISSING_PARAMETER.format("new_name")),
        ("POST", "update", {"experiment_id": "0", "new_name": ""}, INVALID, MISSING_PARAMETER.format("new_name")),
        ("POST", "update", {"experiment_id": NO_SUCH, "new_name": "x"}, MISSING, f"No Experiment with id={NO_SUCH} exists"),
        ("POST", "update", {"experiment_id": "0", "new_name": "x" * 501}, INVALID, "'name' exceeds the maximum length of 500 characters"),
        ("POST", "delete", {}, INVALID, MISSING_PARAMETER.format("experiment_id")),
        ("POST", "delete", {"experiment_id": NO_SUCH}, MISSING, f"No Experiment with id={NO_SUCH} exists"),
        ("POST", "restore", {}, INVALID, MISSING_PARAMETER.format("experiment_id")),
        ("POST", "restore", {"experiment_id": NO_SUCH}, MISSING, f"No Experiment with id={NO_SUCH} exists"),
        ("POST", "set-experiment-tag", {"experiment_id": "0", "value": "x"}, INVALID, MISSING_PARAMETER.format("key")),
        ("POST", "set-experiment-tag", {"key": "k", "value": "x"}, INVALID, MISSING_PARAMETER.format("experiment_id")),
        ("POST", "set-experiment-tag", {"experiment_id": NO_SUCH, "key": "k", "value": "x"}, MISSING, f"No Experiment with id={NO_SUCH} exists"),
        ("POST", "set-experiment-tag", {"experiment_id": "0", "key": "k" * 251, "value": "x"}, INVALID, "'key' exceeds the maximum length of 250 characters"),
        ("POST", "set-experiment-tag", {"experiment_id": "0", "key": "k", "value": "x" * 5001}, INVALID, "'value' exceeds the maximum length of 5000 characters"),
        ("POST", "set-experiment-tag", {"experiment_id": "0", "key": "../x", "value": "x"}, INVALID, "Invalid value \"../x\" for parameter 'key' supplied: Names may be treated as files in certain cases, and must not resolve to other names when treated as such. This name would resolve to '../x'"),
        ("POST", "delete-experiment-tag", {"experiment_id": "0"}, INVALID, MISSING_PARAMETER.format("key")),
        ("POST", "delete-experiment-tag", {"experiment_id": "0", "key": "no such"}, MISSING, "No tag with name: no such in experiment with id 0"),
        ("POST", "delete-experiment-tag", {"experiment_id": NO_SUCH, "key": "k"}, MISSING, f"No Experiment with id={NO_SUCH} exists"),
    ],
)  # fmt: skip
def test_what_calls_refuse(rest, method, path, fields, code, fragment):
    answer = rest.call(method, f"experiments/{path}", **({"query": fields} if method == "GET" else {"body": fields}))
    assert_error(answer, code, fragment)


def test_rename(rest, experiment, name):
    before = experiment_of(rest, experiment)
    assert rest.post("experiments/update", experiment_id=experiment, new_name=name + " renamed") == {}
    after = experiment_of(rest, experiment)
    assert after["name"] == name + " renamed" and after["last_update_time"] >= before["last_update_time"]
    assert rest.call("GET", "experiments/get-by-name", query={"experiment_name": name}).status == 404
    taken = rest.call("POST", "experiments/update", {"experiment_id": experiment, "new_name": "Default"})
    assert taken.status == 400 and taken.json["error_code"] in ("BAD_REQUEST", EXISTS)
    assert experiment_of(rest, experiment)["name"] == name + " renamed"


def test_tags_are_set_overwritten_and_deleted(rest, experiment):
    for key, value in (("a", "1"), ("a", "2"), ("with blanks/and.more:x-y_z", "ü"), ("empty", ""), ("long", "x" * 5000), ("k" * 250, "v")):
        assert rest.post("experiments/set-experiment-tag", experiment_id=experiment, key=key, value=value) == {}
    assert tags_of(rest, experiment) == {"a": "2", "with blanks/and.more:x-y_z": "ü", "empty": "", "long": "x" * 5000, "k" * 250: "v"}
    assert rest.post("experiments/delete-experiment-tag", experiment_id=experiment, key="a") == {}
    assert "a" not in tags_of(rest, experiment)


def test_a_tag_without_a_value_is_empty(rest, experiment):
    assert rest.post("experiments/set-experiment-tag", experiment_id=experiment, key="k") == {}
    assert tags_of(rest, experiment) == {"k": ""}


def test_delete_takes_the_runs_along_and_restore_brings_them_back(rest, experiment, run_id):
    assert rest.post("experiments/delete", experiment_id=experiment) == {}
    assert experiment_of(rest, experiment)["lifecycle_stage"] == "deleted"
    assert rest.run(run_id)["info"]["lifecycle_stage"] == "deleted"
    assert_error(rest.call("POST", "experiments/delete", {"experiment_id": experiment}), MISSING, f"No Experiment with id={experiment} exists")
    assert rest.post("experiments/restore", experiment_id=experiment) == {}
    assert experiment_of(rest, experiment)["lifecycle_stage"] == "active"
    assert rest.run(run_id)["info"]["lifecycle_stage"] == "active"
    assert_error(rest.call("POST", "experiments/restore", {"experiment_id": experiment}), MISSING, f"No Experiment with id={experiment} exists")


@pytest.mark.parametrize(
    "path, fields, code, fragment",
    [
        ("runs/create", {}, INVALID, "must be in the 'active' state. Current state is deleted."),
        ("experiments/update", {"new_name": "another name of a deleted one"}, "INVALID_STATE", "Cannot rename a non-active experiment."),
        ("experiments/set-experiment-tag", {"key": "a", "value": "b"}, INVALID, "must be in the 'active' state. Current state is deleted."),
    ],
)
def test_a_deleted_experiment_takes_nothing(rest, experiment, path, fields, code, fragment):
    rest.post("experiments/delete", experiment_id=experiment)
    assert_error(rest.call("POST", path, {"experiment_id": experiment, **fields}), code, fragment)


def test_a_run_of_a_deleted_experiment_takes_nothing(rest, experiment, run_id):
    rest.post("experiments/delete", experiment_id=experiment)
    answer = rest.call("POST", "runs/log-metric", {"run_id": run_id, "key": "a", "value": 1, "timestamp": 1})
    assert_error(answer, INVALID, f"The run {run_id} must be in the 'active' state. Current state is deleted.")
