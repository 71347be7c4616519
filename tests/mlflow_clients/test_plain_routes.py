"""Routes outside the JSON API: health, version, server info, and what is not served."""

from __future__ import annotations

import re

import pytest


def test_health(rest):
    answer = rest.call("GET", "/health")
    assert (answer.status, answer.text) == (200, "OK")


def test_version_is_one_that_clients_know(rest):
    answer = rest.call("GET", "/version")
    assert answer.status == 200 and re.fullmatch(r"3\.\d+\.\d+", answer.text)


@pytest.mark.parametrize("prefix", ["/api/3.0", "/ajax-api/3.0"])
def test_server_info(rest, prefix):
    info = rest.with_prefix(prefix).get("mlflow/server-info")
    assert info["store_type"] == "SqlStore" and info["workspaces_enabled"] is False


@pytest.mark.parametrize("path", ["/api/2.0/mlflow/nope", "/api/2.0/mlflow/runs", "/api/1.0/mlflow/runs/get", "/api/2.0/mlflow/runs/get/", "/api/2.0/mlflow/users/get"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_is_not_there(rest, method, path):
    assert rest.call(method, path, body={} if method == "POST" else None).status == 404


@pytest.mark.parametrize("method, path", [("GET", "runs/create"), ("PUT", "runs/create"), ("POST", "runs/get"), ("DELETE", "runs/search"), ("POST", "/health")])
def test_another_verb(rest, method, path):
    assert rest.call(method, path, body={} if method != "GET" else None).status == 405


@pytest.mark.only_roost("MLflow's own server has these, Roost leaves them out")
@pytest.mark.parametrize(
    "method, path",
    [
        ("POST", "/api/3.0/mlflow/traces"), ("POST", "/api/2.0/mlflow/traces"), ("GET", "/api/2.0/mlflow/traces"), ("POST", "/api/3.0/mlflow/traces/search"),
        ("GET", "/api/3.0/mlflow/traces/tr-1"), ("POST", "/api/3.0/mlflow/traces/tr-1/assessments"), ("GET", "/api/3.0/mlflow/scorers/list"), ("POST", "/api/3.0/mlflow/datasets/search"),
        ("POST", "/api/3.0/mlflow/datasets/create"), ("GET", "/api/3.0/mlflow/gateway/endpoints/list"), ("GET", "/api/3.0/mlflow/workspaces"),
        ("POST", "/graphql"), ("GET", "/graphql"), ("POST", "/v1/traces"), ("POST", "/ajax-api/2.0/mlflow/runs/create-promptlab-run"), ("POST", "/ajax-api/2.0/mlflow/gateway-proxy"),
    ],
)  # fmt: skip
def test_generative_calls_are_not_served(rest, method, path):
    """A 404 that says so, or NOT_IMPLEMENTED: a client stops instead of trying again."""
    answer = rest.call(method, path, body={} if method == "POST" else None)
    if answer.status == 501:
        assert answer.json["error_code"] == "NOT_IMPLEMENTED"
    else:
        assert answer.status == 404 and answer.json.get("error_code", "ENDPOINT_NOT_FOUND") == "ENDPOINT_NOT_FOUND", answer.text
