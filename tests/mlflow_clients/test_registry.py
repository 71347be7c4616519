"""The model registry: registered models, versions, aliases, stages and their search, with the real client and over the wire."""

from __future__ import annotations

import json
import pathlib
import urllib.parse

import pytest

from mlflow_clients.rest import EXISTS, INVALID, MISSING, assert_error

mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed (tests/requirements.txt)")
from mlflow.exceptions import MlflowException  # noqa: E402

SEE_DOCS = "See the API docs for more information about request parameters."
SOURCE = "s3://bucket/model"


def missing(parameter: str) -> str:
    return f"Missing value for required parameter '{parameter}'. {SEE_DOCS}"


def refused(call, code: str, fragment: str) -> None:
    with pytest.raises(MlflowException) as caught:
        call()
    assert caught.value.error_code == code, str(caught.value)
    assert fragment in str(caught.value)


@pytest.fixture
def model(client, name) -> str:
    """The name of a new registered model."""
    client.create_registered_model(name)
    return name


def versions_of(client, model: str, count: int) -> list:
    return [client.create_model_version(model, f"{SOURCE}/{number}") for number in range(1, count + 1)]


# -- registered models ---------------------------------------------------------------------------------------------


def test_a_registered_model(client, name):
    created = client.create_registered_model(name, tags={"team": "vision", "empty": ""}, description="a net")
    assert created.name == name and created.description == "a net"
    assert created.tags == {"team": "vision", "empty": ""}
    assert created.creation_timestamp == created.last_updated_timestamp > 1_700_000_000_000
    assert created.latest_versions == [] and created.aliases == {}
    assert dict(client.get_registered_model(name)) == dict(created)

    updated = client.update_registered_model(name, "another")
    assert updated.description == "another" and updated.last_updated_timestamp >= created.last_updated_timestamp
    assert client.get_registered_model(name).description == "another"
    client.delete_registered_model(name)
    refused(lambda: client.get_registered_model(name), MISSING, f"Registered Model with name={name} not found")


def test_fields_come_in_their_order_and_empty_ones_not_at_all(rest, name):
    created = rest.post("registered-models/create", name=name)["registered_model"]
    assert [key for key in created if key != "user_id"] == ["name", "creation_timestamp", "last_updated_timestamp"]
    rest.post("registered-models/set-tag", name=name, key="a", value="1")
    version = rest.post("model-versions/create", name=name, source=SOURCE, tags=[{"key": "t", "value": "1"}])["model_version"]
    assert [key for key in version if key != "user_id"] == [
        "name", "version", "creation_timestamp", "last_updated_timestamp", "current_stage", "description", "source", "run_id", "status", "tags", "run_link"]  # fmt: skip
    assert version["version"] == "1" and version["status"] == "READY" and version["current_stage"] == "None"
    rest.post("registered-models/alias", name=name, alias="best", version="1")
    whole = rest.get("registered-models/get", name=name)["registered_model"]
    assert [key for key in whole if key != "user_id"] == ["name", "creation_timestamp", "last_updated_timestamp", "latest_versions", "tags", "aliases"]
    assert whole["aliases"] == [{"alias": "best", "version": "1"}] and whole["tags"] == [{"key": "a", "value": "1"}]


def test_a_name_is_given_once(client, rest, model):
    refused(lambda: client.create_registered_model(model), EXISTS, f"Registered Model (name={model}) already exists")
    prompt = {"name": model, "tags": [{"key": "mlflow.prompt.is_prompt", "value": "true"}]}
    assert_error(rest.call("POST", "registered-models/create", prompt), EXISTS, f"Tried to create a prompt with name '{model}'", "already taken by a registered model")


@pytest.mark.parametrize(
    "body, fragment",
    [
        ({}, missing("name")),
        ({"name": ""}, missing("name")),
        ({"name": "  "}, "Missing value for required parameter 'name'."),
        ({"name": 5}, "Invalid value 5 for parameter 'name' supplied:  Hint: Value was of type 'int'."),
        ({"name": "a/b"}, "Invalid model name 'a/b'. Names cannot contain '/' or ':'."),
        ({"name": "a:b"}, "Invalid model name 'a:b'. Names cannot contain '/' or ':'."),
        ({"name": ".."}, "This name would resolve to '..'"),
        ({"name": "."}, "Invalid value \".\" for parameter 'name' supplied"),
        ({"name": "fine", "tags": "x"}, "Invalid value \"x\" for parameter 'tags' supplied:  Hint: Value was of type 'str'."),
        ({"name": "fine", "tags": [{"key": "a*b", "value": "x"}]}, "Invalid value \"a*b\" for parameter 'key' supplied: Names may only contain alphanumerics"),
        ({"name": "fine", "tags": [{"key": "a/../b", "value": "x"}]}, "This name would resolve to 'b'"),
        ({"name": "fine", "tags": [{"key": "k" * 251, "value": "x"}]}, "'key' exceeds the maximum length of 250 characters"),
        ({"name": "fine", "tags": [{"key": "k", "value": "x" * 100_001}]}, "'value' exceeds the maximum length of 100000 characters"),
    ],
)
def test_models_that_are_refused(rest, body, fragment):
    assert_error(rest.call("POST", "registered-models/create", body), INVALID, fragment)


def test_a_renamed_model_is_the_same_model(client, rest, model, name):
    client.create_model_version(model, SOURCE)
    client.set_registered_model_tag(model, "a", "1")
    other = name + "-other"
    client.rename_registered_model(model, other)
    assert client.get_registered_model(other).tags == {"a": "1"}
    assert client.get_model_version(other, "1").source == SOURCE
    refused(lambda: client.get_registered_model(model), MISSING, "not found")
    client.create_registered_model(model)
    refused(lambda: client.rename_registered_model(other, model), EXISTS, f"Registered Model (name={model}) already exists")
    refused(lambda: client.rename_registered_model(other, "a/b"), INVALID, "Invalid model name 'a/b'")
    assert_error(rest.call("POST", "registered-models/rename", {"name": other, "new_name": " "}), INVALID, "Missing value for required parameter 'new_name'")
    assert_error(rest.call("POST", "registered-models/rename", {"name": other}), INVALID, missing("new_name"))
    refused(lambda: client.rename_registered_model(other + "x", "fine"), MISSING, "not found")


def test_tags_of_models(client, rest, model):
    client.set_registered_model_tag(model, "a", "1")
    client.set_registered_model_tag(model, "a", "2")
    client.set_registered_model_tag(model, "big", "x" * 100_000)
    assert client.get_registered_model(model).tags == {"a": "2", "big": "x" * 100_000}
    client.delete_registered_model_tag(model, "a")
    client.delete_registered_model_tag(model, "a")
    assert list(client.get_registered_model(model).tags) == ["big"]
    assert_error(rest.call("POST", "registered-models/set-tag", {"name": model, "value": "x"}), INVALID, missing("key"))
    assert_error(rest.call("POST", "registered-models/set-tag", {"name": model + "x", "key": "a", "value": "x"}), MISSING, f"Registered Model with name={model}x not found")
    assert_error(rest.call("DELETE", "registered-models/delete-tag", {"name": model + "x", "key": "a"}), MISSING, "not found")


@pytest.mark.parametrize(
    "method, path", [("PATCH", "update"), ("DELETE", "delete"), ("POST", "get-latest-versions"), ("GET", "get"), ("GET", "get-latest-versions")]
)
def test_models_that_are_not_there(rest, name, method, path):
    fields = {"name": name, "description": "x"} if path == "update" else {"name": name}
    sent = {"query": fields} if method == "GET" else {"body": fields}
    assert_error(rest.call(method, f"registered-models/{path}", **sent), MISSING, f"Registered Model with name={name} not found")
    empty = {} if method == "GET" else {"body": {}}
    assert_error(rest.call(method, f"registered-models/{path}", **empty), INVALID, missing("name"))


# -- versions ------------------------------------------------------------------------------------------------------


def test_versions_are_numbered(client, model):
    first = client.create_model_version(model, SOURCE, run_link="http://there/run", tags={"t": "1"}, description="the first")
    assert (first.name, first.version, first.source, first.run_link) == (model, "1", SOURCE, "http://there/run")
    assert (first.description, first.tags, first.current_stage, first.status) == ("the first", {"t": "1"}, "None", "READY")
    assert client.create_model_version(model, SOURCE).version == "2"
    client.delete_model_version(model, "2")
    assert client.create_model_version(model, SOURCE).version == "3"
    assert [version.version for version in client.get_registered_model(model).latest_versions] == ["3"]
    client.delete_registered_model(model)
    refused(lambda: client.get_model_version(model, "1"), MISSING, f"Model Version (name={model}, version=1) not found")
    client.create_registered_model(model)
    assert client.create_model_version(model, SOURCE).version == "1"


def test_a_model_outlives_its_versions(client, model):
    client.create_model_version(model, SOURCE)
    client.delete_model_version(model, "1")
    assert client.get_registered_model(model).latest_versions == []
    refused(lambda: client.delete_model_version(model, "1"), MISSING, f"Model Version (name={model}, version=1) not found")


def test_a_version_is_described(client, model):
    created = client.create_model_version(model, SOURCE)
    assert created.description == "" and created.run_id == ""
    updated = client.update_model_version(model, "1", "better")
    assert updated.description == "better" and updated.last_updated_timestamp >= created.last_updated_timestamp
    assert client.get_model_version(model, 1).description == "better"


def test_tags_of_versions(client, rest, model):
    before = client.create_model_version(model, SOURCE)
    client.set_model_version_tag(model, "1", "a", "1")
    client.set_model_version_tag(model, "1", "a", "2")
    client.set_model_version_tag(model, "1", "b", "3")
    client.delete_model_version_tag(model, "1", "b")
    client.delete_model_version_tag(model, "1", "never there")
    after = client.get_model_version(model, "1")
    assert after.tags == {"a": "2"} and after.last_updated_timestamp == before.last_updated_timestamp
    refused(lambda: client.set_model_version_tag(model, "9", "a", "1"), MISSING, f"Model Version (name={model}, version=9) not found")
    refused(lambda: client.set_model_version_tag(model, "1", "a*", "1"), INVALID, "Names may only contain alphanumerics")
    assert_error(rest.call("POST", "model-versions/set-tag", {"name": model, "version": "1", "value": "x"}), INVALID, missing("key"))


def test_versions_that_are_not_there(rest, model):
    assert_error(rest.call("GET", "model-versions/get", query={"name": model, "version": "7"}), MISSING, f"Model Version (name={model}, version=7) not found")
    assert_error(rest.call("GET", "model-versions/get", query={"name": model, "version": "abc"}), INVALID, "Parameter 'version' must be an integer, got 'abc'.")
    assert_error(rest.call("GET", "model-versions/get", query={"name": model}), INVALID, missing("version"))
    assert_error(rest.call("GET", "model-versions/get-download-uri", query={"name": model, "version": "7"}), MISSING, "not found")
    assert_error(rest.call("PATCH", "model-versions/update", {"name": model, "version": "7", "description": "x"}), MISSING, "not found")
    assert_error(rest.call("POST", "model-versions/create", {"name": model + "x", "source": SOURCE}), MISSING, f"Registered Model with name={model}x not found")
    assert_error(rest.call("POST", "model-versions/create", {"name": model}), INVALID, missing("source"))


@pytest.mark.parametrize(
    "source",
    [
        SOURCE, "s3://bucket//twice/", "dbfs:/some/path", "http://localhost/x", "https://host/api/2.0/mlflow-artifacts/artifacts/1/x", "mlflow-artifacts:/1/some/path",
        "runs:/0123456789abcdef0123456789abcdef/model", "hdfs://host:1/path with blanks", "s3://bucket/100%25",
    ],
)  # fmt: skip
def test_sources_that_are_taken_and_given_back_as_they_were(client, model, source):
    assert client.create_model_version(model, source).source == source
    assert client.get_model_version_download_uri(model, "1") == source


@pytest.mark.parametrize(
    "source",
    [
        "s3://bucket/../x", "s3://bucket/%2e%2e/x", "s3://bucket/%252e%252e%252fx", "s3://bucket/a/..", "mlflow-artifacts:/1/./x", "mlflow-artifacts:relative",
        "mlflow-artifacts:/1/x%00", "http://host/a/..%2f..%2fetc", "mlflow-artifacts://host/..%2F..%2F", "s3://bucket/x#fragment/..", "models:/",
    ],
)  # fmt: skip
def test_sources_that_lead_elsewhere(rest, model, source):
    answer = rest.call("POST", "model-versions/create", {"name": model, "source": source})
    assert_error(answer, INVALID, f"Invalid model version source: '{source}'. If supplying a source as an http, https", "Please provide an absolute path.")


@pytest.mark.parametrize("source", ["/etc/passwd", "file:///etc/passwd", "file:/etc", "relative/path", "./model", "../model", "/a/../etc/passwd"])
def test_local_sources_are_refused(rest, model, run_id, source):
    for fields in ({}, {"run_id": run_id}):
        answer = rest.call("POST", "model-versions/create", {"name": model, "source": source, **fields})
        assert_error(answer, INVALID, "Invalid model version source: '", "To use a local path as a model version source, the run_id request parameter has to be specified")


def test_a_local_source_of_a_run_that_is_not_there(rest, model):
    body = {"name": model, "source": "/tmp/x", "run_id": "f" * 32}
    assert_error(rest.call("POST", "model-versions/create", body), MISSING, "Run with id=" + "f" * 32 + " not found")


def test_a_version_of_a_version(client, rest, model, run_id):
    client.create_model_version(model, SOURCE, run_id=run_id)
    copy = client.create_model_version(model, f"models:/{model}/1")
    assert copy.source == f"models:/{model}/1"
    assert client.get_model_version_download_uri(model, copy.version) == SOURCE
    again = client.create_model_version(model, f"models:/{model}/2")
    assert client.get_model_version_download_uri(model, again.version) == SOURCE


# A server error would make clients try again for minutes.
@pytest.mark.only_roost("MLflow answers 500")
@pytest.mark.parametrize("suffix", ["/77", "@nobody", "/Staging", "/latest"])
def test_a_version_of_a_version_that_is_not_there(rest, model, suffix):
    answer = rest.call("POST", "model-versions/create", {"name": model, "source": f"models:/{model}{suffix}"})
    assert answer.status in (400, 404), answer.text
    assert f"Unable to fetch model from model URI source artifact location 'models:/{model}{suffix}'." in answer.json["message"]


def test_copy_model_version(client, model, name):
    client.create_model_version(model, SOURCE)
    copied = client.copy_model_version(f"models:/{model}/1", name + "-copy")
    assert (copied.name, copied.version, copied.source) == (name + "-copy", "1", f"models:/{model}/1")
    assert client.get_model_version_download_uri(copied.name, "1") == SOURCE


# -- aliases -------------------------------------------------------------------------------------------------------


def test_aliases(client, model):
    versions_of(client, model, 3)
    client.set_registered_model_alias(model, "best", "1")
    client.set_registered_model_alias(model, "Other_2-x", "1")
    assert client.get_model_version_by_alias(model, "best").version == "1"
    assert sorted(client.get_model_version(model, "1").aliases) == ["Other_2-x", "best"]
    client.set_registered_model_alias(model, "best", "3")
    assert client.get_model_version_by_alias(model, "best").aliases == ["best"]
    assert client.get_registered_model(model).aliases == {"best": "3", "Other_2-x": "1"}
    client.delete_registered_model_alias(model, "best")
    client.delete_registered_model_alias(model, "best")
    assert client.get_registered_model(model).aliases == {"Other_2-x": "1"}
    refused(lambda: client.get_model_version_by_alias(model, "best"), INVALID, "Registered model alias best not found.")


def test_latest_is_an_alias_that_nobody_sets(client, rest, model):
    assert_error(rest.call("GET", "registered-models/alias", query={"name": model, "alias": "latest"}), MISSING, f"Latest version not found for model {model}.")
    versions_of(client, model, 2)
    assert client.get_model_version_by_alias(model, "Latest").version == "2"


@pytest.mark.parametrize(
    "alias, fragment",
    [
        ("latest", "'latest' alias name (case insensitive) is reserved."),
        ("LATEST", "'latest' alias name (case insensitive) is reserved."),
        ("v12", "Version alias name 'v12' is reserved."),
        ("V1", "Version alias name 'V1' is reserved."),
        ("a b", "Invalid alias name: 'a b'. Names may only contain alphanumerics, underscores (_), and dashes (-)."),
        ("a/b", "Invalid alias name: 'a/b'."),
        ("x" * 256, "'Registered model alias name' exceeds the maximum length of 255 characters"),
        ("", missing("alias")),
    ],
)
def test_aliases_that_are_refused(rest, model, alias, fragment):
    rest.post("model-versions/create", name=model, source=SOURCE)
    assert_error(rest.call("POST", "registered-models/alias", {"name": model, "alias": alias, "version": "1"}), INVALID, fragment)


def test_aliases_of_what_is_not_there(rest, model):
    assert_error(rest.call("POST", "registered-models/alias", {"name": model, "alias": "a", "version": "9"}), MISSING, f"Model Version (name={model}, version=9) not found")
    assert_error(rest.call("GET", "registered-models/alias", query={"name": model + "x", "alias": "a"}), MISSING, f"Registered Model with name={model}x not found")
    assert_error(rest.call("DELETE", "registered-models/alias", {"name": model + "x", "alias": "a"}), MISSING, "not found")


# MLflow's own server keeps an alias of a version that was deleted over REST.
@pytest.mark.only_roost("MLflow leaves the alias behind")
def test_an_alias_goes_with_its_version(client, model):
    client.create_model_version(model, SOURCE)
    client.set_registered_model_alias(model, "best", "1")
    client.delete_model_version(model, "1")
    assert client.get_registered_model(model).aliases == {}
    refused(lambda: client.get_model_version_by_alias(model, "best"), INVALID, "Registered model alias best not found.")


# -- stages --------------------------------------------------------------------------------------------------------


def test_stages(client, model):
    versions_of(client, model, 4)
    assert client.transition_model_version_stage(model, "1", "production").current_stage == "Production"
    assert client.transition_model_version_stage(model, "2", "Staging").current_stage == "Staging"
    moved = client.transition_model_version_stage(model, "3", "Production", archive_existing_versions=True)
    assert moved.current_stage == "Production"
    assert client.get_model_version(model, "1").current_stage == "Archived"
    latest = {version.current_stage: version.version for version in client.get_latest_versions(model)}
    assert latest == {"Archived": "1", "Staging": "2", "Production": "3", "None": "4"}
    assert [version.version for version in client.get_latest_versions(model, ["PRODUCTION", "Staging"])] in (["2", "3"], ["3", "2"])
    assert client.get_latest_versions(model, ["None"])[0].version == "4"


def test_latest_versions_are_asked_for_in_two_ways(client, rest, model):
    versions_of(client, model, 2)
    posted = rest.post("registered-models/get-latest-versions", name=model, stages=["None"])
    assert [version["version"] for version in posted["model_versions"]] == ["2"]
    assert rest.get("registered-models/get-latest-versions", name=model, stages=["None", "Staging"]) == posted
    assert rest.get("registered-models/get-latest-versions", name=model, stages="Staging") == {}


def test_stages_that_are_refused(rest, model):
    rest.post("model-versions/create", name=model, source=SOURCE)
    body = {"name": model, "version": "1", "stage": "Staging", "archive_existing_versions": False}
    assert_error(
        rest.call("POST", "model-versions/transition-stage", {**body, "stage": "bogus"}), INVALID,
        "Invalid Model Version stage: bogus. Value must be one of None, Staging, Production, Archived.",
    )  # fmt: skip
    assert_error(rest.call("POST", "model-versions/transition-stage", {**body, "version": "9"}), MISSING, f"Model Version (name={model}, version=9) not found")
    assert_error(
        rest.call("POST", "model-versions/transition-stage", {**body, "archive_existing_versions": "x"}), INVALID,
        "Invalid value \"x\" for parameter 'archive_existing_versions' supplied:  Hint: Value was of type 'str'.",
    )  # fmt: skip
    assert_error(rest.call("POST", "model-versions/transition-stage", {"name": model, "version": "1"}), INVALID, missing("stage"))
    assert_error(rest.call("POST", "registered-models/get-latest-versions", {"name": model, "stages": ["bogus"]}), INVALID, "Invalid Model Version stage: bogus.")


@pytest.mark.only_roost("MLflow answers 500")
def test_only_active_stages_archive_others(rest, model):
    rest.post("model-versions/create", name=model, source=SOURCE)
    body = {"name": model, "version": "1", "stage": "Archived", "archive_existing_versions": True}
    assert_error(rest.call("POST", "model-versions/transition-stage", body), INVALID, "because 'Archived' is not an Active stage. Valid stages are ['Staging', 'Production']")


# -- search --------------------------------------------------------------------------------------------------------


def names_of(found) -> list[str]:
    return [model.name.rsplit("-", 1)[-1] for model in found]


@pytest.fixture
def family(client, rest, name) -> str:
    """Three models and a prompt whose names begin alike."""
    client.create_registered_model(name + "-b", tags={"team": "Vision", "x": "1"})
    client.create_registered_model(name + "-a", tags={"team": "speech"})
    client.create_registered_model(name + "-C")
    tags = [{"key": "mlflow.prompt.is_prompt", "value": "true"}, {"key": "team", "value": "speech"}]
    rest.post("registered-models/create", name=name + "-prompt", tags=tags)  # the client refuses to
    return name


def test_search_of_models(client, family):
    def found(more: str = "", **fields) -> list[str]:
        return names_of(client.search_registered_models(f"name LIKE '{family}-%'{more}", **fields))

    assert found() == ["C", "a", "b"]
    assert found(" AND tags.team = 'speech'") == ["a"]
    assert found(" AND tags.team != 'speech'") == ["b"]
    assert found(" AND tags.`team` ILIKE '%IS%' AND tags.x = '1'") == ["b"]
    assert found(" AND tags.team LIKE '%vis%'") == []
    assert found(f" AND name != '{family}-a'") == ["C", "b"]
    assert names_of(client.search_registered_models(f"name ILIKE '{family}-c'")) == ["C"]
    assert names_of(client.search_registered_models(f"name = '{family}-b'")) == ["b"]
    assert found(order_by=["name DESC"]) == ["b", "a", "C"]
    client.update_registered_model(family + "-a", "now the newest")
    assert found(order_by=["last_updated_timestamp DESC"])[0] == "a"
    assert found(order_by=["timestamp", "name"])[-1] == "a"


def test_prompts_are_hidden_until_asked_for(client, rest, family):
    def found(condition: str) -> list[str]:
        return names_of(client.search_registered_models(f"name LIKE '{family}-%' AND {condition}"))

    assert found("tags.`mlflow.prompt.is_prompt` = 'true'") == ["prompt"]
    assert found("tags.`mlflow.prompt.is_prompt` != 'false'") == ["prompt"]
    assert found("tags.`mlflow.prompt.is_prompt` = 'false'") == ["C", "a", "b"]
    assert found("tags.`mlflow.prompt.is_prompt` != 'true'") == ["C", "a", "b"]
    prompt = [{"key": "mlflow.prompt.is_prompt", "value": "true"}]
    rest.post("model-versions/create", name=family + "-prompt", source="prompt-template", tags=prompt)
    client.create_model_version(family + "-a", SOURCE)
    assert client.search_model_versions(f"name = '{family}-prompt'") == []
    asked = client.search_model_versions(f"name = '{family}-prompt' AND tags.`mlflow.prompt.is_prompt` = 'true'")
    assert [version.version for version in asked] == ["1"]


def test_pages_of_models(client, family):
    first = client.search_registered_models(f"name LIKE '{family}-%'", max_results=2)
    assert names_of(first) == ["C", "a"] and first.token
    last = client.search_registered_models(f"name LIKE '{family}-%'", max_results=2, page_token=first.token)
    assert names_of(last) == ["b"] and not last.token


def test_found_models_have_their_latest_versions(client, model):
    versions_of(client, model, 2)
    client.set_registered_model_alias(model, "best", "1")
    (found,) = client.search_registered_models(f"name = '{model}'")
    assert [version.version for version in found.latest_versions] == ["2"] and found.aliases == {"best": "1"}


def test_search_of_versions(client, model, run_id):
    client.create_model_version(model, SOURCE + "/one", run_id=run_id, tags={"lr": "0.1"})
    client.create_model_version(model, SOURCE + "/two", tags={"lr": "0.2"})
    client.create_model_version(model, "s3://other/one", run_id=run_id)

    def found(more: str = "", **fields) -> list[str]:
        return [version.version for version in client.search_model_versions(f"name = '{model}'{more}", **fields)]

    assert sorted(found()) == ["1", "2", "3"]
    assert found(f" AND run_id = '{run_id}'", order_by=["version_number ASC"]) == ["1", "3"]
    assert found(f" AND run_id IN ('{run_id}', 'nobody')", order_by=["version_number DESC"]) == ["3", "1"]
    assert found(" AND source_path LIKE 's3://bucket/%'", order_by=["version_number"]) == ["1", "2"]
    assert found(" AND version_number >= 2", order_by=["creation_timestamp ASC"]) == ["2", "3"]
    assert found(" AND tags.lr = '0.2'") == ["2"]
    assert found(" AND tags.lr != '0.2'") == ["1"]
    client.update_model_version(model, "1", "now the newest")
    assert found()[0] == "1"
    client.delete_model_version(model, "1")
    assert sorted(found()) == ["2", "3"]


def test_pages_of_versions(client, rest, model):
    versions_of(client, model, 5)
    query = {"filter": f"name = '{model}'", "order_by": "version_number ASC", "max_results": 2}
    first = rest.get("model-versions/search", **query)
    assert [version["version"] for version in first["model_versions"]] == ["1", "2"]
    second = rest.get("model-versions/search", **query, page_token=first["next_page_token"])
    last = rest.get("model-versions/search", **query, page_token=second["next_page_token"])
    assert [version["version"] for version in last["model_versions"]] == ["5"] and "next_page_token" not in last


@pytest.mark.parametrize("noun", ["registered-models", "model-versions"])
@pytest.mark.parametrize(
    "query, fragment",
    [
        ({"max_results": "x"}, "Invalid value \"x\" for parameter 'max_results' supplied:  Hint: Value was of type 'str'."),
        ({"max_results": "1000000"}, "Invalid value \"1000000\" for parameter 'max_results' supplied"),
        ({"page_token": "xyz"}, "Invalid page token, could not base64-decode"),
        ({"page_token": "e30="}, "Invalid page token"),
        ({"filter": "bogus = 'x'"}, "Invalid attribute key 'bogus' specified."),
        ({"filter": "metrics.x > 1"}, "Invalid"),
        ({"filter": "name = x"}, ""),
        ({"filter": "name = 'a' OR name = 'b'"}, "Invalid clause(s) in filter string"),
        ({"order_by": "bogus"}, "'bogus' specified."),
        ({"order_by": "name SIDEWAYS"}, "Invalid ordering key in order_by clause 'name SIDEWAYS'."),
    ],
)
def test_searches_that_are_refused(rest, noun, query, fragment):
    assert_error(rest.call("GET", f"{noun}/search", query=query), INVALID, fragment)


def test_a_page_of_versions_has_at_least_one(rest):
    assert_error(rest.call("GET", "model-versions/search", query={"max_results": 0}), INVALID, "Invalid value for max_results. It must be a positive integer, but got 0")


# -- with runs and with Roost's own surface ------------------------------------------------------------------------


def test_a_version_knows_its_run(client, model, run_id):
    version = client.create_model_version(model, SOURCE, run_id=run_id)
    assert version.run_id == run_id
    assert [found.version for found in client.search_model_versions(f"run_id = '{run_id}'")] == ["1"]
    assert client.create_model_version(model, SOURCE, run_id="of another server").run_id == "of another server"


def test_register_model_from_a_run(client, run_id, name, tmp_path):
    client.log_text(run_id, "flavors: {}", "model/MLmodel")
    client.log_text(run_id, "weights", "model/data/weights.txt")
    version = mlflow.register_model(f"runs:/{run_id}/model", name, tags={"a": "1"})
    assert (version.version, version.run_id, version.tags) == ("1", run_id, {"a": "1"})
    assert version.source == client.get_run(run_id).info.artifact_uri + "/model"
    fetched = mlflow.artifacts.download_artifacts(f"models:/{name}/1", dst_path=str(tmp_path / "fetched"))
    assert (pathlib.Path(fetched) / "data" / "weights.txt").read_text() == "weights"


def test_a_logged_model_is_told_of_its_versions(rest, client, experiment, run_id, name):
    model = client.create_logged_model(experiment, name="net", source_run_id=run_id)
    rest.post("registered-models/create", name=name)
    rest.post("model-versions/create", name=name, source=model.artifact_location, run_id=run_id, model_id=model.model_id)
    assert client.get_logged_model(model.model_id).tags["mlflow.modelVersions"] == f'[{{"name": "{name}", "version": 1}}]'


def versions_made_of(client, model) -> set:
    """By the logged model's tag, to which the server adds the number and the client the number as text."""
    return {(made["name"], int(made["version"])) for made in json.loads(client.get_logged_model(model.model_id).tags["mlflow.modelVersions"])}


def test_register_a_logged_model(client, experiment, run_id, name, tmp_path):
    model = client.create_logged_model(experiment, name="net", source_run_id=run_id)
    (tmp_path / "MLmodel").write_text("flavors: {}")
    client.log_model_artifacts(model.model_id, str(tmp_path))
    client.finalize_logged_model(model.model_id, "READY")
    version = mlflow.register_model(f"models:/{model.model_id}", name)
    assert (version.source, version.run_id) == (f"models:/{model.model_id}", run_id)
    assert client.get_model_version_download_uri(name, "1") == model.artifact_location
    assert versions_made_of(client, model) == {(name, 1)}
    client.create_model_version(name, model.artifact_location, model_id=model.model_id)
    assert versions_made_of(client, model) == {(name, 1), (name, 2)}
    fetched = mlflow.artifacts.download_artifacts(f"models:/{name}/1", dst_path=str(tmp_path / "fetched"))
    assert (pathlib.Path(fetched) / "MLmodel").read_text() == "flavors: {}"


def test_a_logged_model_that_is_not_there(rest, model):
    answer = rest.call("POST", "model-versions/create", {"name": model, "source": SOURCE, "model_id": "m-" + "f" * 32})
    assert_error(answer, MISSING, "Logged model with ID 'm-" + "f" * 32 + "' not found.")


@pytest.mark.only_roost("Roost's own surface")
def test_both_surfaces_show_the_same_models(client, rest, run_id, model, name):
    files = f"/api/v1/runs/{run_id}/files/model"
    for path, content in (("MLmodel", b"flavors: {}"), ("data/weights.bin", b"weights")):
        assert rest.call("PUT", f"{files}/{path}", raw=content, content_type=None).status == 201
    native = rest.call("POST", "/api/v1/models", {"name": name + "-native", "run_id": run_id, "path": "model"})
    assert native.status == 201, native.text
    seen = client.get_model_version(name + "-native", "1")
    assert (seen.run_id, seen.source, seen.status) == (run_id, "model", "READY")
    client.set_registered_model_alias(name + "-native", "best", "1")
    client.transition_model_version_stage(name + "-native", "1", "Production")

    root = client.get_run(run_id).info.artifact_uri
    client.create_model_version(model, f"{root}/model", run_id=run_id)
    pinned = rest.get(f"/api/v1/models/{model}/versions/1/files")["items"]
    assert [(file["path"], file["size"]) for file in pinned] == [("MLmodel", 11), ("data/weights.bin", 7)]
    copy = client.copy_model_version(f"models:/{model}/1", model + "-copy")
    again = rest.get(f"/api/v1/models/{copy.name}/versions/1/files")["items"]
    assert again == pinned
    shown = rest.get(f"/api/v1/models/{name}-native")
    assert shown["aliases"] == {"best": 1} and shown["versions"][0]["stage"] == "Production" and shown["versions"][0]["aliases"] == ["best"]
    client.delete_registered_model(model)
    assert rest.call("GET", f"/api/v1/models/{model}").status == 404


@pytest.mark.only_roost("Roost's own surface")
def test_a_model_without_versions_is_shown_natively(rest, model):
    shown = rest.get(f"/api/v1/models/{urllib.parse.quote(model)}")
    assert shown["latest_version"] is None and shown["versions"] == []


@pytest.mark.only_roost("MLflow has webhooks")
def test_webhooks_are_not_there(rest):
    assert rest.call("GET", "webhooks").status == 404
