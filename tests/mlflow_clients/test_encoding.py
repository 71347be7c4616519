"""How requests may look and how answers do: leniency, content types, both prefixes."""

from __future__ import annotations

import json

import pytest

from mlflow_clients.rest import INVALID, assert_error
from mlflow_clients.test_experiments import MISSING_PARAMETER


def test_answers_are_indented_and_typed(rest, run_id):
    rest.post("runs/log-metric", run_id=run_id, key="m", value=1, timestamp=1_700_000_000_123, step=3)
    answer = rest.call("GET", "runs/get", query={"run_id": run_id})
    headers = {key.lower(): value for key, value in answer.headers.items()}
    assert headers["content-type"].split(";")[0] == "application/json"
    assert answer.text.startswith('{\n  "run": {\n    "info": {\n      "run_uuid": "')
    (metric,) = answer.json["run"]["data"]["metrics"]
    assert metric == {"key": "m", "value": 1.0, "timestamp": 1_700_000_000_123, "step": 3}
    assert '"value": 1.0,' in answer.text  # a double stays one
    assert "params" not in answer.json["run"]["data"]  # what is empty is left out


def test_both_prefixes(rest, run_id):
    other = rest.with_prefix("/ajax-api/2.0/mlflow")
    assert other.get("runs/get", run_id=run_id) == rest.get("runs/get", run_id=run_id)
    other.post("runs/set-tag", run_id=run_id, key="from", value="the other")
    assert rest.data(run_id, "tags")["from"] == "the other"


def test_json_in_a_json_string(rest, experiment):
    twice = json.dumps(json.dumps({"experiment_id": experiment, "run_name": "twice"})).encode()
    assert rest.call("POST", "runs/create", raw=twice).json["run"]["info"]["run_name"] == "twice"


def test_unknown_fields_are_ignored(rest, run_id):
    rest.post("runs/log-metric", run_id=run_id, key="m", value=1, timestamp=1, brand_new={"a": [1]})
    rest.post("runs/log-batch", run_id=run_id, metrics=[{"key": "n", "value": 2, "timestamp": 1, "step": 0, "brand_new": 1}], other=None)
    assert rest.data(run_id, "metrics") == {"m": 1, "n": 2}
    assert rest.get("runs/get", run_id=run_id, brand_new="1")["run"]["info"]["run_id"] == run_id


def test_names_of_fields_in_camel_case(rest, experiment):
    assert rest.call("POST", "runs/create", {"experimentId": experiment, "runName": "camel"}).json["run"]["info"]["run_name"] == "camel"


def test_numbers_may_be_text(rest, run_id):
    rest.post("runs/log-metric", run_id=run_id, key="m", value="1.5", timestamp="20", step="3")
    assert rest.run(run_id)["data"]["metrics"] == [{"key": "m", "value": 1.5, "timestamp": 20, "step": 3}]


def test_run_uuid_is_another_name_of_run_id(rest, run_id):
    rest.post("runs/log-metric", run_uuid=run_id, key="m", value=1, timestamp=1)
    rest.post("runs/log-parameter", run_uuid=run_id, key="p", value="1")
    rest.post("runs/set-tag", run_uuid=run_id, key="t", value="1")
    assert rest.post("runs/update", run_uuid=run_id, status="FINISHED")["run_info"]["status"] == "FINISHED"
    assert len(rest.get("metrics/get-history", run_uuid=run_id, metric_key="m", max_results=10)["metrics"]) == 1
    data = rest.run(run_id)["data"]
    assert data["params"] == [{"key": "p", "value": "1"}] and {"key": "t", "value": "1"} in data["tags"]


def test_log_batch_knows_no_run_uuid(rest, run_id):
    assert_error(rest.call("POST", "runs/log-batch", {"run_uuid": run_id, "metrics": [{"key": "a", "value": 1, "timestamp": 1, "step": 0}]}), INVALID, "run_id")


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8", "application/json;charset=UTF-8"])
def test_content_types_that_pass(rest, experiment, content_type):
    assert rest.call("POST", "runs/create", {"experiment_id": experiment}, content_type=content_type).status == 200


@pytest.mark.parametrize("content_type, fragment", [("text/plain", "Content-Type must be one of ['application/json']."), ("application/x-www-form-urlencoded", "Content-Type must be one of ['application/json']."),
                                                    (None, "Content-Type header is missing.")])  # fmt: skip
def test_content_types_that_do_not(rest, experiment, content_type, fragment):
    assert_error(rest.call("POST", "runs/create", {"experiment_id": experiment}, content_type=content_type), INVALID, f"Bad Request. {fragment}")


@pytest.mark.parametrize("raw", [b"not json", b"", b"null", b"\xff\xfe", b'{"run_id": "x"', b'{"run_id": "x", "key": "a",}'])
def test_a_body_that_is_no_object_is_an_empty_one(rest, raw):
    assert_error(rest.call("POST", "runs/log-metric", raw=raw), INVALID, MISSING_PARAMETER.format("run_id"))


@pytest.mark.only_roost("MLflow's own server answers 500")
@pytest.mark.parametrize("raw", [b"5", b"[]", b"true", b'"x"', b"[1]", b'{"run_id": {}, "key": "a"}', b'{"run_id": "x", "metrics": null}', b'{"run_id": "x", "metrics": [5]}'])
@pytest.mark.parametrize("path", ["runs/log-metric", "runs/log-batch", "runs/create", "experiments/search", "runs/search"])
def test_no_body_is_an_internal_error(rest, path, raw):
    answer = rest.call("POST", path, raw=raw)
    # A search ignores the fields that it does not know.
    assert answer.status == 200 or (400 <= answer.status < 500 and answer.json["error_code"]), answer.text


@pytest.mark.only_roost("MLflow's own server answers 500")
@pytest.mark.parametrize("path", ["runs/log-metric", "runs/log-batch", "runs/create"])
def test_a_body_without_an_end_is_an_empty_one(rest, path):
    assert_error(rest.call("POST", path, raw=b"[" * 100_000), INVALID, "Missing value for required parameter")


@pytest.mark.parametrize("prefix", ["/api/2.0/mlflow", "/ajax-api/2.0/mlflow"])
def test_boolean_in_a_query(rest, prefix):
    """Booleans of a query string are the words true and false."""
    answer = rest.with_prefix(prefix).call("GET", "logged-models/m-00000000000000000000000000000000", query={"allow_deleted": "true"})
    assert answer.status == 404 and answer.json["error_code"] in ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND")


def test_a_delete_with_a_body(rest, name):
    rest.post("registered-models/create", name=name)
    assert rest.call("DELETE", "registered-models/delete", {"name": name}).status == 200
    assert rest.call("GET", "registered-models/get", query={"name": name}).status == 404


def test_a_delete_needs_no_content_type(rest, name):
    rest.post("registered-models/create", name=name)
    assert rest.call("DELETE", "registered-models/delete", {"name": name}, content_type=None).status == 200


def test_a_large_body(rest, run_id):
    """More than a megabyte in one batch: long tags that are cut."""
    tags = [{"key": f"t{n}", "value": "x" * 20_000} for n in range(100)]
    rest.post("runs/log-batch", run_id=run_id, tags=tags)
    assert len(rest.data(run_id, "tags")) == 101
