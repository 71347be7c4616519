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


# -- pages of other sites -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/health", "/version", "/api/2.0/mlflow/experiments/get?experiment_id=0"])
def test_browsers_are_told_to_be_careful(rest, path):
    headers = {key.lower(): value for key, value in rest.call("GET", path).headers.items()}
    assert headers["x-content-type-options"] == "nosniff" and headers["x-frame-options"] == "SAMEORIGIN"


@pytest.mark.parametrize("prefix", ["/api/2.0", "/ajax-api/2.0"])
def test_changes_from_other_sites_are_blocked(rest, experiment, prefix):
    def create(origin: str):
        return rest.call("POST", f"{prefix}/mlflow/runs/create", {"experiment_id": experiment}, headers={"Origin": origin})

    for origin in ("http://evil.example", "https://localhost.evil.example", "null", "http://192.168.7.7:3000"):
        answer = create(origin)
        assert (answer.status, answer.text) == (403, "Cross-origin request blocked"), origin
    for origin in ("http://localhost:3000", "http://127.0.0.1", "http://[::1]:8080"):
        assert create(origin).status == 200, origin
    read = rest.call("GET", f"{prefix}/mlflow/experiments/get?experiment_id=0", headers={"Origin": "http://evil.example"})
    assert read.status == 200


def test_names_that_are_not_this_servers_are_refused(rest):
    def get(path: str, host: str):
        return rest.call("GET", path, headers={"Host": host})

    path = "/api/2.0/mlflow/experiments/get?experiment_id=0"
    for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example:5000", "8.8.8.8"):
        answer = get(path, host)
        assert (answer.status, answer.text) == (403, "Invalid Host header - possible DNS rebinding attack detected"), host
    for host in ("localhost", "127.0.0.1:5000", "[::1]:5000", "0.0.0.0:5000", "192.168.1.9:5000", "10.1.2.3:80", "172.16.0.1"):
        assert get(path, host).status == 200, host
    assert get("/health", "evil.example").status == 200 == get("/version", "evil.example").status
