"""Runs over the wire: create, get, update, parameters, tags, delete and restore."""

from __future__ import annotations

import re

import pytest

from mlflow_clients.rest import INVALID, MISSING, assert_error
from mlflow_clients.test_experiments import MISSING_PARAMETER, NO_SUCH

ONLY_CHARACTERS = "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and slashes (/)."
NOT_A_PATH = "Names may be treated as files in certain cases, and must not resolve to other names when treated as such. This name would resolve to"


def hint(value: str, parameter: str, python_type: str) -> str:
    return f"Invalid value {value} for parameter '{parameter}' supplied:  Hint: Value was of type '{python_type}'. See the API docs for more information about request parameters."


def test_a_new_run(rest, experiment):
    run = rest.post("runs/create", experiment_id=experiment, run_name="first", user_id="ada", start_time=1_700_000_000_123, tags=[{"key": "a", "value": "b"}])["run"]
    info = run["info"]
    assert re.fullmatch("[0-9a-f]{32}", info["run_id"]) and info["run_uuid"] == info["run_id"]
    assert info == {
        "run_uuid": info["run_id"], "experiment_id": experiment, "run_name": "first", "user_id": "ada", "status": "RUNNING", "start_time": 1_700_000_000_123,
        "artifact_uri": f"mlflow-artifacts:/{experiment}/{info['run_id']}/artifacts", "lifecycle_stage": "active", "run_id": info["run_id"],
    }  # fmt: skip
    assert {tag["key"]: tag["value"] for tag in run["data"]["tags"]} == {"a": "b", "mlflow.runName": "first"}
    assert run["inputs"] == {}
    assert rest.run(info["run_id"])["info"] == info


def test_a_run_without_a_name_gets_one(rest, experiment):
    for fields in ({}, {"run_name": ""}):
        run = rest.post("runs/create", experiment_id=experiment, **fields)["run"]
        assert run["info"]["run_name"]
        assert run["data"]["tags"] == [{"key": "mlflow.runName", "value": run["info"]["run_name"]}]


def test_the_name_may_come_as_a_tag(rest, experiment):
    run = rest.post("runs/create", experiment_id=experiment, tags=[{"key": "mlflow.runName", "value": "by tag"}])["run"]
    assert run["info"]["run_name"] == "by tag"
    both = {"experiment_id": experiment, "run_name": "a", "tags": [{"key": "mlflow.runName", "value": "t"}]}
    assert_error(rest.call("POST", "runs/create", both), INVALID, "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values (run_name='a', mlflow.runName='t').")


def test_long_and_many_tags_at_creation(rest, experiment):
    tags = [{"key": f"k{n}", "value": "v" * 8000} for n in range(50)]
    run_id = rest.create_run(experiment, tags=tags)
    assert {key: len(value) for key, value in rest.data(run_id, "tags").items() if key.startswith("k")} == {f"k{n}": 8000 for n in range(50)}


def test_tags_at_creation_are_taken_as_they_are(rest, experiment):
    run_id = rest.create_run(experiment, tags=[{"key": "a%b", "value": "v" * 9000}, {"key": "k" * 300, "value": ""}])
    tags = rest.data(run_id, "tags")
    assert len(tags["a%b"]) == 9000 and tags["k" * 300] == ""


def test_a_parent_comes_and_goes(rest, experiment, run_id):
    child = rest.create_run(experiment, tags=[{"key": "mlflow.parentRunId", "value": run_id}])
    parent = lambda: rest.data(child, "tags").get("mlflow.parentRunId")  # noqa: E731
    for value in ("no such run", run_id, "another one", run_id):
        rest.post("runs/set-tag", run_id=child, key="mlflow.parentRunId", value=value)
        assert parent() == value
    assert rest.post("runs/delete-tag", run_id=child, key="mlflow.parentRunId") == {}
    assert parent() is None
    assert rest.call("POST", "runs/delete-tag", {"run_id": child, "key": "mlflow.parentRunId"}).status == 404


def test_a_parent_is_a_tag(rest, experiment, run_id):
    child = rest.create_run(experiment, tags=[{"key": "mlflow.parentRunId", "value": run_id}])
    orphan = rest.create_run(experiment, tags=[{"key": "mlflow.parentRunId", "value": "no such run"}])
    assert rest.data(child, "tags")["mlflow.parentRunId"] == run_id
    assert rest.data(orphan, "tags")["mlflow.parentRunId"] == "no such run"
    later = rest.create_run(experiment)
    rest.post("runs/set-tag", run_id=later, key="mlflow.parentRunId", value=run_id)
    assert rest.data(later, "tags")["mlflow.parentRunId"] == run_id
    found = rest.post("runs/search", experiment_ids=[experiment], filter=f"tags.mlflow.parentRunId = '{run_id}'")["runs"]
    assert {run["info"]["run_id"] for run in found} == {child, later}


@pytest.mark.parametrize(
    "fields, code, fragment",
    [
        ({"experiment_id": NO_SUCH}, MISSING, f"No Experiment with id={NO_SUCH} exists"),
        ({"experiment_id": "abc"}, INVALID, "Invalid experiment ID 'abc'. Experiment ID must be a valid integer."),
        ({"experiment_id": 0}, INVALID, hint("0", "experiment_id", "int")),
        ({"experiment_id": "0", "start_time": "x"}, INVALID, hint('"x"', "start_time", "str")),
        ({"experiment_id": "0", "run_name": 5}, INVALID, hint("5", "run_name", "int")),
    ],
)
def test_what_create_refuses(rest, fields, code, fragment):
    assert_error(rest.call("POST", "runs/create", fields), code, fragment)


def test_create_without_an_experiment_is_refused(rest):
    answer = rest.call("POST", "runs/create", {})
    assert answer.status == 400 and answer.json["error_code"] in ("BAD_REQUEST", INVALID)


def test_get_by_either_name_of_the_id(rest, run_id):
    assert rest.get("runs/get", run_uuid=run_id) == rest.get("runs/get", run_id=run_id)


@pytest.mark.parametrize("bad", ["nope", "a/../b", "x" * 300, "%00", "'; drop table runs; --", "A" * 32])
def test_a_run_that_is_not_there(rest, bad):
    assert_error(rest.call("GET", "runs/get", query={"run_id": bad}), MISSING, f"Run with id={bad} not found")


def test_get_needs_an_id(rest):
    for query in ({}, {"run_id": ""}):
        assert_error(rest.call("GET", "runs/get", query=query), INVALID, MISSING_PARAMETER.format("run_id"))


# -- update -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["FINISHED", "FAILED", "KILLED", "RUNNING", "SCHEDULED"])
def test_every_status_can_be_set(rest, run_id, status):
    info = rest.post("runs/update", run_id=run_id, status=status, end_time=1_700_000_000_999)["run_info"]
    assert info["status"] == status and rest.run(run_id)["info"]["status"] == status


def test_a_finished_run_may_go_on(rest, run_id):
    rest.post("runs/update", run_id=run_id, status="FINISHED", end_time=99)
    assert rest.run(run_id)["info"]["end_time"] == 99
    rest.post("runs/log-metric", run_id=run_id, key="after", value=1, timestamp=1)
    rest.post("runs/log-parameter", run_id=run_id, key="after", value="1")
    rest.post("runs/set-tag", run_id=run_id, key="after", value="1")
    assert rest.data(run_id, "metrics") == {"after": 1} and rest.data(run_id, "params") == {"after": "1"}
    assert rest.post("runs/update", run_id=run_id, status="RUNNING")["run_info"]["status"] == "RUNNING"


def test_update_changes_only_what_is_given(rest, run_id):
    before = rest.run(run_id)["info"]
    assert rest.post("runs/update", run_id=run_id)["run_info"] == before
    assert rest.post("runs/update", run_id=run_id, run_name="")["run_info"] == before
    assert rest.post("runs/update", run_uuid=run_id, run_name="renamed")["run_info"] == {**before, "run_name": "renamed"}
    assert rest.data(run_id, "tags")["mlflow.runName"] == "renamed"
    assert rest.post("runs/update", run_id=run_id, status="KILLED", end_time="123")["run_info"] == {**before, "run_name": "renamed", "status": "KILLED", "end_time": 123}


def test_an_end_is_what_the_client_says(rest, run_id):
    update = lambda **fields: rest.post("runs/update", run_id=run_id, **fields)["run_info"]  # noqa: E731
    ended = update(end_time=5)
    assert (ended["status"], ended["end_time"]) == ("RUNNING", 5)
    assert update(status="FINISHED", end_time=7)["end_time"] == 7
    again = update(status="FINISHED", end_time=9)
    assert (again["status"], again["end_time"]) == ("FINISHED", 9)
    resumed = update(status="RUNNING", end_time=9)  # as the fluent client goes on with a run
    assert (resumed["status"], resumed["end_time"]) == ("RUNNING", 9)


@pytest.mark.parametrize("given, status", [(1, "RUNNING"), (2, "SCHEDULED"), (3, "FINISHED"), ("3", "FINISHED"), (4, "FAILED"), (5, "KILLED")])
def test_a_status_may_be_its_number(rest, run_id, given, status):
    assert rest.post("runs/update", run_id=run_id, status=given)["run_info"]["status"] == status


@pytest.mark.parametrize(
    "fields, code, fragment",
    [
        ({}, INVALID, MISSING_PARAMETER.format("run_id")),
        ({"run_id": "nope", "status": "FINISHED"}, MISSING, "Run with id=nope not found"),
        ({"run_id": "{run}", "end_time": "x"}, INVALID, hint('"x"', "end_time", "str")),
        ({"run_id": "{run}", "run_name": 7}, INVALID, hint("7", "run_name", "int")),
    ],
)
def test_what_update_refuses(rest, run_id, fields, code, fragment):
    fields = {key: run_id if value == "{run}" else value for key, value in fields.items()}
    assert_error(rest.call("POST", "runs/update", fields), code, fragment)


# -- parameters ---------------------------------------------------------------------------------------------------


def test_parameters_do_not_change(rest, run_id):
    for _ in range(2):  # the same again is fine
        assert rest.post("runs/log-parameter", run_id=run_id, key="lr", value="0.1") == {}
    answer = rest.call("POST", "runs/log-parameter", {"run_id": run_id, "key": "lr", "value": "0.2"})
    assert_error(answer, INVALID, "Changing param values is not allowed. Param with key='lr' was already logged with value='0.1' for run ID="
                 f"'{run_id}'. Attempted logging new value '0.2'.")  # fmt: skip
    assert rest.data(run_id, "params") == {"lr": "0.1"}


@pytest.mark.parametrize(
    "key, value, kept",
    [
        ("a b-c_d.e/f:g", "x", "x"), ("é日本", "日本語\n\t\"quoted\"", "日本語\n\t\"quoted\""), ("empty", "", ""), ("k" * 250, "x", "x"), ("long", "v" * 6000, "v" * 6000),
        ("cut", "v" * 6001, "v" * 6000), ("megabyte", "v" * 1_000_000, "v" * 6000), ("cut between characters", "ü" * 6500, "ü" * 6000), ("a", "None", "None"),
    ],
    ids=lambda value: value[:12],
)  # fmt: skip
def test_parameters_are_kept(rest, run_id, key, value, kept):
    assert rest.post("runs/log-parameter", run_id=run_id, key=key, value=value) == {}
    assert rest.data(run_id, "params") == {key: kept}


def test_a_parameter_without_a_value_is_empty(rest, run_id):
    rest.post("runs/log-parameter", run_id=run_id, key="n")
    rest.post("runs/log-parameter", run_id=run_id, key="null", value=None)
    assert rest.data(run_id, "params") == {"n": "", "null": ""}


BAD_NAMES = [("bad%", ONLY_CHARACTERS), ("a(b)", ONLY_CHARACTERS), ("a\\b", ONLY_CHARACTERS), ("a,b", ONLY_CHARACTERS), ("..", f"{NOT_A_PATH} '..'"), (".", f"{NOT_A_PATH} '.'"),
             ("../x", f"{NOT_A_PATH} '../x'"), ("/x", f"{NOT_A_PATH} '/x'"), ("a//b", f"{NOT_A_PATH} 'a/b'"), ("a/./b", f"{NOT_A_PATH} 'a/b'"), ("a/", f"{NOT_A_PATH} 'a'"), ("./a", f"{NOT_A_PATH} 'a'")]  # fmt: skip


@pytest.mark.parametrize("key, fragment", BAD_NAMES)
@pytest.mark.parametrize("path, parameter, fields", [("log-parameter", "key", {"value": "x"}), ("set-tag", "key", {"value": "x"}), ("log-metric", "name", {"value": 1, "timestamp": 1})])
def test_names_that_are_refused(rest, run_id, path, parameter, fields, key, fragment):
    answer = rest.call("POST", f"runs/{path}", {"run_id": run_id, "key": key, **fields})
    assert_error(answer, INVALID, f'Invalid value "{key.replace(chr(92), chr(92) * 2)}" for parameter \'{parameter}\' supplied: {fragment}')


@pytest.mark.parametrize(
    "path, fields, code, fragment",
    [
        ("log-parameter", {}, INVALID, MISSING_PARAMETER.format("run_id")),
        ("log-parameter", {"run_id": "{run}", "value": "x"}, INVALID, MISSING_PARAMETER.format("key")),
        ("log-parameter", {"run_id": "{run}", "key": "", "value": "x"}, INVALID, MISSING_PARAMETER.format("key")),
        ("log-parameter", {"run_id": "{run}", "key": "q", "value": 5}, INVALID, hint("5", "value", "int")),
        ("log-parameter", {"run_id": "{run}", "key": "q", "value": 5.5}, INVALID, hint("5.5", "value", "float")),
        ("log-parameter", {"run_id": "{run}", "key": "q", "value": True}, INVALID, hint("true", "value", "bool")),
        ("log-parameter", {"run_id": "{run}", "key": "q", "value": {"a": [1]}}, INVALID, hint('{"a":[1]}', "value", "dict")),
        ("log-parameter", {"run_id": "{run}", "key": "k" * 251, "value": "x"}, INVALID, "'Param key' exceeds the maximum length of 250 characters"),
        ("log-parameter", {"run_id": "nope", "key": "a", "value": "x"}, MISSING, "Run with id=nope not found"),
        ("set-tag", {}, INVALID, MISSING_PARAMETER.format("run_id")),
        ("set-tag", {"run_id": "{run}", "value": "x"}, INVALID, MISSING_PARAMETER.format("key")),
        ("set-tag", {"run_id": "{run}", "key": "x", "value": 7}, INVALID, hint("7", "value", "int")),
        ("set-tag", {"run_id": "{run}", "key": "k" * 251, "value": "x"}, INVALID, "'key' exceeds the maximum length of 250 characters"),
        ("set-tag", {"run_id": "nope", "key": "a", "value": "x"}, MISSING, "Run with id=nope not found"),
        ("delete-tag", {}, INVALID, MISSING_PARAMETER.format("run_id")),
        ("delete-tag", {"run_id": "{run}"}, INVALID, MISSING_PARAMETER.format("key")),
        ("delete-tag", {"run_id": "nope", "key": "a"}, MISSING, "Run with id=nope not found"),
        ("delete-tag", {"run_id": "{run}", "key": "no such"}, MISSING, "No tag with name: no such in run with id {run}"),
        ("delete", {}, INVALID, MISSING_PARAMETER.format("run_id")),
        ("delete", {"run_id": "nope"}, MISSING, "Run with id=nope not found"),
        ("restore", {}, INVALID, MISSING_PARAMETER.format("run_id")),
        ("restore", {"run_id": "nope"}, MISSING, "Run with id=nope not found"),
    ],
)  # fmt: skip
def test_what_calls_refuse(rest, run_id, path, fields, code, fragment):
    fields = {key: run_id if value == "{run}" else value for key, value in fields.items()}
    assert_error(rest.call("POST", f"runs/{path}", fields), code, fragment.replace("{run}", run_id))


# -- tags -----------------------------------------------------------------------------------------------------------


def test_tags_overwrite_and_go(rest, run_id):
    for key, value in (("t", "1"), ("t", "2"), ("empty", ""), ("k" * 250, "v"), ("a b-c_d.e/f:g", "ü"), ("long", "v" * 8001), ("mlflow.note.content", "# A note"),
                       ("mlflow.source.name", "train.py"), ("mlflow.user", "ada")):  # fmt: skip
        assert rest.post("runs/set-tag", run_id=run_id, key=key, value=value) == {}
    tags = rest.data(run_id, "tags")
    del tags["mlflow.runName"]
    assert tags == {"t": "2", "empty": "", "k" * 250: "v", "a b-c_d.e/f:g": "ü", "long": "v" * 8000, "mlflow.note.content": "# A note", "mlflow.source.name": "train.py", "mlflow.user": "ada"}
    for key in ("t", "mlflow.note.content"):
        assert rest.post("runs/delete-tag", run_id=run_id, key=key) == {}
        assert key not in rest.data(run_id, "tags")


def test_the_name_follows_its_tag(rest, run_id):
    rest.post("runs/set-tag", run_id=run_id, key="mlflow.runName", value="by tag")
    assert rest.run(run_id)["info"]["run_name"] == "by tag"
    rest.post("runs/log-batch", run_id=run_id, tags=[{"key": "mlflow.runName", "value": "by batch"}])
    assert rest.run(run_id)["info"]["run_name"] == "by batch" and rest.data(run_id, "tags")["mlflow.runName"] == "by batch"


def test_an_empty_name_changes_nothing(rest, run_id):
    name = rest.run(run_id)["info"]["run_name"]
    rest.post("runs/set-tag", run_id=run_id, key="mlflow.runName", value="")
    rest.post("runs/log-batch", run_id=run_id, tags=[{"key": "mlflow.runName", "value": ""}])
    assert rest.run(run_id)["info"]["run_name"] == name == rest.data(run_id, "tags")["mlflow.runName"]
    assert rest.post("runs/delete-tag", run_id=run_id, key="mlflow.runName") == {}
    assert rest.run(run_id)["info"]["run_name"] == name


def test_an_empty_note_is_a_tag(rest, run_id):
    note = lambda: rest.data(run_id, "tags").get("mlflow.note.content")  # noqa: E731
    for value in ("a note", "", "another", ""):
        rest.post("runs/set-tag", run_id=run_id, key="mlflow.note.content", value=value)
        assert note() == value
    rest.post("runs/delete-tag", run_id=run_id, key="mlflow.note.content")
    assert note() is None


# -- delete and restore -----------------------------------------------------------------------------------------------


def test_delete_and_restore(rest, experiment, run_id):
    rest.post("runs/log-metric", run_id=run_id, key="m", value=1, timestamp=1)
    for _ in range(2):  # again is fine
        assert rest.post("runs/delete", run_id=run_id) == {}
    assert rest.run(run_id)["info"]["lifecycle_stage"] == "deleted"
    assert rest.data(run_id, "metrics") == {"m": 1}
    assert rest.post("runs/search", experiment_ids=[experiment]).get("runs", []) == []
    for _ in range(2):
        assert rest.post("runs/restore", run_id=run_id) == {}
    assert rest.run(run_id)["info"]["lifecycle_stage"] == "active"
    assert len(rest.post("runs/search", experiment_ids=[experiment])["runs"]) == 1


@pytest.mark.parametrize(
    "path, fields",
    [
        ("log-metric", {"key": "a", "value": 1, "timestamp": 1}), ("log-parameter", {"key": "a", "value": "1"}), ("set-tag", {"key": "a", "value": "1"}), ("delete-tag", {"key": "mlflow.runName"}),
        ("update", {"status": "FINISHED"}), ("log-batch", {"metrics": [{"key": "a", "value": 1, "timestamp": 1, "step": 0}]}),
    ],
)  # fmt: skip
def test_a_deleted_run_takes_nothing(rest, run_id, path, fields):
    rest.post("runs/delete", run_id=run_id)
    answer = rest.call("POST", f"runs/{path}", {"run_id": run_id, **fields})
    assert_error(answer, INVALID, f"The run {run_id} must be in the 'active' state. Current state is deleted.")
