"""Histories of metrics: pages, many runs, the interval that charts draw."""

from __future__ import annotations

import json

import pytest

from mlflow_clients.rest import INVALID, assert_error
from mlflow_clients.test_experiments import MISSING_PARAMETER
from mlflow_clients.test_logging import LARGEST, metric
from mlflow_clients.test_runs import hint


@pytest.fixture
def logged(rest, run_id) -> str:
    points = [(3, 5, 1), (2, 5, 1), (1, 9, 0), (1, 1, 7), ("NaN", 5, 1), ("Infinity", 5, 1)]
    rest.post("runs/log-batch", run_id=run_id, metrics=[metric("h", *point) for point in points] + [metric("other")])
    return run_id


@pytest.fixture
def ramp(rest, experiment) -> str:
    """A run with steps 0 to 1999, the value the step."""
    run_id = rest.create_run(experiment)
    for start in (0, 1000):
        rest.post("runs/log-batch", run_id=run_id, metrics=[metric("c", step, step, step) for step in range(start, start + 1000)])
    return run_id


def points(answer: dict) -> list[tuple]:
    return [(m["value"], m["timestamp"], m["step"]) for m in answer.get("metrics", [])]


IN_ORDER = [(1, 1, 7), ("NaN", 5, 1), (2, 5, 1), (3, 5, 1), (LARGEST, 5, 1), (1, 9, 0)]


def test_a_history_is_in_order_of_time(rest, logged):
    found = points(rest.get("metrics/get-history", run_id=logged, metric_key="h", max_results=25000))
    assert found == IN_ORDER


def test_pages(rest, logged):
    found, token, pages = [], None, 0
    while True:
        answer = rest.get("metrics/get-history", run_id=logged, metric_key="h", max_results=4, **({"page_token": token} if token else {}))
        found += points(answer)
        pages += 1
        token = answer.get("next_page_token")
        if not token:
            break
    assert found == IN_ORDER and pages == 2


def test_long_history_in_pages(rest, ramp):
    found, token = [], ""
    while True:
        answer = rest.get("metrics/get-history", run_id=ramp, metric_key="c", max_results=700, **({"page_token": token} if token else {}))
        found += [m["step"] for m in answer["metrics"]]
        if not (token := answer.get("next_page_token")):
            break
    assert found == list(range(2000))


def test_what_is_not_there_is_empty(rest, logged):
    assert rest.get("metrics/get-history", run_id=logged, metric_key="nope", max_results=10) == {}
    assert rest.get("metrics/get-history", run_id="nope", metric_key="h", max_results=10) == {}


def test_a_deleted_run_keeps_its_history(rest, logged):
    rest.post("runs/delete", run_id=logged)
    assert points(rest.get("metrics/get-history", run_id=logged, metric_key="h", max_results=100)) == IN_ORDER


@pytest.mark.only_roost("MLflow's own server gives an empty page and a token to nowhere")
def test_without_a_limit_all_comes(rest, ramp):
    answer = rest.get("metrics/get-history", run_id=ramp, metric_key="c")
    assert len(answer["metrics"]) == 2000 and "next_page_token" not in answer


@pytest.mark.parametrize(
    "path, query, fragment",
    [
        ("get-history", {}, MISSING_PARAMETER.format("run_id")),
        ("get-history", {"run_id": "x"}, MISSING_PARAMETER.format("metric_key")),
        ("get-history", {"run_id": "x", "metric_key": ""}, MISSING_PARAMETER.format("metric_key")),
        ("get-history", {"run_id": "x", "metric_key": "h", "page_token": "rubbish"}, "Invalid page token, could not base64-decode"),
        ("get-history-bulk-interval", {}, MISSING_PARAMETER.format("run_ids")),
        ("get-history-bulk-interval", {"run_ids": ["x"]}, MISSING_PARAMETER.format("metric_key")),
        ("get-history-bulk-interval", {"metric_key": "x"}, MISSING_PARAMETER.format("run_ids")),
        ("get-history-bulk-interval", {"run_ids": ["x"], "metric_key": "c", "start_step": 1}, "If either start step or end step are specified, both must be specified."),
        ("get-history-bulk-interval", {"run_ids": ["x"], "metric_key": "c", "end_step": 1}, "If either start step or end step are specified, both must be specified."),
        ("get-history-bulk-interval", {"run_ids": ["x"], "metric_key": "c", "start_step": 100, "end_step": 50}, "end_step must be greater than start_step. Found start_step=100 and end_step=50."),
        ("get-history-bulk-interval", {"run_ids": ["x"], "metric_key": "c", "max_results": 2501}, "max_results must be between 1 and 2500."),
        ("get-history-bulk-interval", {"run_ids": ["x"], "metric_key": "c", "max_results": 0}, "max_results must be between 1 and 2500."),
        ("get-history-bulk-interval", {"run_ids": ["x"], "metric_key": "c", "max_results": "x"}, hint('"x"', "max_results", "str")),
        ("get-history-bulk-interval", {"run_ids": ["x"] * 101, "metric_key": "c"}, "GetMetricHistoryBulkInterval request must specify at most 100 run_ids. Received 101 run_ids."),
    ],
)  # fmt: skip
def test_what_histories_refuse(rest, path, query, fragment):
    assert_error(rest.call("GET", f"metrics/{path}", query=query), INVALID, fragment)


@pytest.mark.parametrize("prefix", ["/api/2.0/mlflow", "/ajax-api/2.0/mlflow"])
def test_the_interval_thins_evenly_and_keeps_both_ends(rest, ramp, prefix):
    answer = rest.with_prefix(prefix).get("metrics/get-history-bulk-interval", run_ids=[ramp], metric_key="c", max_results=320)
    steps = [m["step"] for m in answer["metrics"]]
    assert steps[0] == 0 and steps[-1] == 1999 and 320 <= len(steps) <= 321 and steps == sorted(set(steps))
    assert max(b - a for a, b in zip(steps, steps[1:])) <= 8
    assert answer["metrics"][1] == {"key": "c", "value": float(steps[1]), "timestamp": steps[1], "step": steps[1], "run_id": ramp}


@pytest.mark.parametrize(
    "query, steps",
    [
        ({"max_results": 5}, [0, 400, 800, 1200, 1600, 1999]),
        ({"max_results": 1}, [0, 1999]),
        ({"max_results": 2}, [0, 1000, 1999]),
        ({"max_results": 5, "start_step": 100, "end_step": 120}, [100, 104, 108, 112, 116, 120]),
        ({"max_results": 100, "start_step": 10, "end_step": 14}, [10, 11, 12, 13, 14]),
        ({"max_results": 3, "start_step": 5, "end_step": 5}, [5]),
        ({"max_results": 3, "start_step": 5000, "end_step": 6000}, []),
        ({}, list(range(2000))),
    ],
)
def test_steps_of_an_interval(rest, ramp, query, steps):
    assert [m["step"] for m in rest.get("metrics/get-history-bulk-interval", run_ids=[ramp], metric_key="c", **query).get("metrics", [])] == steps


def test_an_interval_of_several_runs(rest, experiment, ramp):
    short = rest.create_run(experiment)
    rest.post("runs/log-batch", run_id=short, metrics=[metric("c", -step, step, step) for step in range(0, 2000, 500)])
    answer = rest.get("metrics/get-history-bulk-interval", run_ids=[ramp, short, "nope"], metric_key="c", max_results=4)
    by_run = {run: [m["step"] for m in answer["metrics"] if m["run_id"] == run] for run in (ramp, short)}
    assert by_run[short] == [0, 500, 1000, 1500]
    assert by_run[ramp] == [0, 500, 1000, 1500, 1999]
    assert len(answer["metrics"]) == 9


def test_an_interval_of_values_that_json_has_not(rest, logged):
    answer = rest.get("metrics/get-history-bulk-interval", run_ids=[logged], metric_key="h")
    assert sorted(points(answer), key=str) == sorted(IN_ORDER, key=str) and [m["step"] for m in answer["metrics"]] == [0, 1, 1, 1, 1, 7]


# -- the charts' other route ------------------------------------------------------------------------------------------


@pytest.fixture
def ajax(rest):
    return rest.with_prefix("/ajax-api/2.0/mlflow")


def test_bulk_history_of_runs(ajax, rest, experiment, ramp, logged):
    answer = ajax.get("metrics/get-history-bulk", run_id=[logged, ramp], metric_key="c", max_results=3)
    assert answer["metrics"] == [{"key": "c", "run_id": ramp, "step": n, "timestamp": n, "value": float(n)} for n in range(3)]
    assert ajax.get("metrics/get-history-bulk", run_id=["nope"], metric_key="c") == {"metrics": []}
    second = rest.create_run(experiment)
    rest.post("runs/log-batch", run_id=second, metrics=[metric("h", 8, 8, 8)])
    found = ajax.get("metrics/get-history-bulk", run_id=[second, logged], metric_key="h")["metrics"]
    assert sorted(m["timestamp"] for m in found if m["run_id"] == logged) == [1, 5, 5, 5, 5, 9] and len(found) == 7
    assert [m["run_id"] for m in found] == sorted(m["run_id"] for m in found)  # by run, then by time


@pytest.mark.parametrize(
    "query, fragment",
    [
        ({}, "GetMetricHistoryBulk request must specify at least one run_id."),
        ({"metric_key": "h"}, "GetMetricHistoryBulk request must specify at least one run_id."),
        ({"run_id": ["x"]}, "GetMetricHistoryBulk request must specify a metric_key."),
        ({"run_id": ["x"] * 101, "metric_key": "h"}, "GetMetricHistoryBulk request cannot specify more than 100 run_ids. Received 101 run_ids."),
    ],
)
def test_what_bulk_history_refuses(ajax, query, fragment):
    assert_error(ajax.call("GET", "metrics/get-history-bulk", query=query), INVALID, fragment)


def test_bulk_history_is_one_of_the_page_alone(rest, logged):
    assert rest.call("GET", "metrics/get-history-bulk", query={"run_id": [logged], "metric_key": "h"}).status == 404


@pytest.mark.only_roost("MLflow's own server answers 500")
def test_bulk_history_with_a_limit_that_is_no_number(ajax, logged):
    assert_error(ajax.call("GET", "metrics/get-history-bulk", query={"run_id": [logged], "metric_key": "h", "max_results": "x"}), INVALID, "max_results")


def test_nan_in_bulk_history(ajax, logged):
    """This route writes NaN as the bare word, which browsers of MLflow's page are prepared for."""
    answer = ajax.call("GET", "metrics/get-history-bulk", query={"run_id": [logged], "metric_key": "h", "max_results": 2})
    second = json.loads(answer.body)["metrics"][1]["value"]
    assert second != second or second == "NaN"
