"""Metrics over the wire, one by one and in batches: values, the last value, duplicates, limits and messages."""

from __future__ import annotations

import itertools

import pytest

from mlflow_clients.rest import INVALID, MISSING, assert_error
from mlflow_clients.test_experiments import MISSING_PARAMETER
from mlflow_clients.test_runs import ONLY_CHARACTERS, hint

LARGEST = 1.7976931348623157e308


def metric(key="m", value=1, timestamp=1, step=0) -> dict:
    return {"key": key, "value": value, "timestamp": timestamp, "step": step}


def last(rest, run_id: str, key: str = "m") -> tuple:
    (found,) = [metric for metric in rest.run(run_id)["data"]["metrics"] if metric["key"] == key]
    return found["value"], found["timestamp"], found["step"]


def history(rest, run_id: str, key: str = "m") -> list[tuple]:
    return [(m["value"], m["timestamp"], m["step"]) for m in rest.get("metrics/get-history", run_id=run_id, metric_key=key, max_results=25000).get("metrics", [])]


@pytest.mark.parametrize(
    "given, kept",
    [
        (0, 0), (-0.5, -0.5), (1e308, 1e308), (5e-324, 5e-324), (0.1, 0.1), (12345678901234567890, 1.2345678901234567e19), (True, 1),
        ("NaN", "NaN"), ("Infinity", LARGEST), ("-Infinity", -LARGEST), ("inf", LARGEST), ("1e3", 1000),
    ],
)  # fmt: skip
def test_values(rest, run_id, given, kept):
    rest.post("runs/log-metric", run_id=run_id, **metric(value=given))
    assert last(rest, run_id)[0] == kept and history(rest, run_id) == [(kept, 1, 0)]


@pytest.mark.only_roost("MLflow's own server takes them for 0")
@pytest.mark.parametrize("literal, kept", [("NaN", "NaN"), ("Infinity", LARGEST), ("-Infinity", -LARGEST), ("1e999", LARGEST)])
def test_values_as_bare_words(rest, run_id, literal, kept):
    raw = f'{{"run_id": "{run_id}", "key": "m", "value": {literal}, "timestamp": 1}}'.encode()
    assert rest.call("POST", "runs/log-metric", raw=raw).status == 200
    raw = f'{{"run_id": "{run_id}", "metrics": [{{"key": "b", "value": {literal}, "timestamp": 1, "step": 0}}]}}'.encode()
    assert rest.call("POST", "runs/log-batch", raw=raw).status == 200
    assert last(rest, run_id)[0] == kept and last(rest, run_id, "b")[0] == kept


@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize(
    "points, expected",
    [
        ([(1, 1, 1), (2, 2, 0)], (1, 1, 1)),  # the largest step wins over the later time
        ([(1, 5, 1), (2, 2, 1)], (1, 5, 1)),  # then the later time
        ([(3, 1, 1), (2, 1, 1)], (3, 1, 1)),  # then the larger value
        ([(1, 1, -4), (2, 1, -3)], (2, 1, -3)),
        ([(9, 1, 0), (1, 2, 0), (5, 2, 0)], (5, 2, 0)),
        ([("NaN", 1, 5), (3, 1, 5)], (3, 1, 5)),
        ([(7, 1, 1), ("NaN", 2, 1)], ("NaN", 2, 1)),
    ],
)
def test_the_last_value(rest, run_id, points, expected, batched):
    for order in itertools.permutations(points):
        key = f"m{abs(hash(order))}"
        metrics = [metric(key, *point) for point in order]
        if batched:
            rest.post("runs/log-batch", run_id=run_id, metrics=metrics)
        else:
            for one in metrics:
                rest.post("runs/log-metric", run_id=run_id, **one)
        assert last(rest, run_id, key) == expected


def test_the_same_point_counts_once(rest, run_id):
    for _ in range(2):
        rest.post("runs/log-metric", run_id=run_id, **metric(value=2))
    rest.post("runs/log-batch", run_id=run_id, metrics=[metric(value=2), metric(value=2), metric(value=3), metric(value=2, step=1), metric(value=2, timestamp=2)])
    assert history(rest, run_id) == [(2, 1, 0), (3, 1, 0), (2, 1, 1), (2, 2, 0)] or sorted(history(rest, run_id)) == [(2, 1, 0), (2, 1, 1), (2, 2, 0), (3, 1, 0)]


def test_a_point_without_a_step_is_at_zero(rest, run_id):
    rest.post("runs/log-metric", run_id=run_id, key="m", value=4, timestamp=7)
    assert last(rest, run_id) == (4, 7, 0)


@pytest.mark.parametrize("timestamp, step", [(0, 0), (9_223_372_036_854_775, 9223372036854775807), (1, -9223372036854775808)])
def test_extremes_of_time_and_step(rest, run_id, timestamp, step):
    rest.post("runs/log-metric", run_id=run_id, **metric(timestamp=timestamp, step=step))
    assert last(rest, run_id) == (1, timestamp, step)


@pytest.mark.parametrize("key", ["a", "k" * 250, "a b-c_d.e/f:g", "é日本", "val/loss", "0"])
def test_names(rest, run_id, key):
    rest.post("runs/log-metric", run_id=run_id, **metric(key))
    rest.post("runs/log-batch", run_id=run_id, metrics=[metric(key, 2, 2)])
    assert rest.data(run_id, "metrics") == {key: 2} and len(history(rest, run_id, key)) == 2


@pytest.mark.parametrize(
    "changes, code, fragment",
    [
        ({"run_id": None}, INVALID, MISSING_PARAMETER.format("run_id")),
        ({"key": None}, INVALID, MISSING_PARAMETER.format("key")),
        ({"key": ""}, INVALID, MISSING_PARAMETER.format("key")),
        ({"value": None}, INVALID, MISSING_PARAMETER.format("value")),
        ({"timestamp": None}, INVALID, MISSING_PARAMETER.format("timestamp")),
        ({"key": 5}, INVALID, hint("5", "key", "int")),
        ({"value": "x"}, INVALID, hint('"x"', "value", "str")),
        ({"timestamp": "x"}, INVALID, hint('"x"', "timestamp", "str")),
        ({"step": "x"}, INVALID, hint('"x"', "step", "str")),
        ({"timestamp": -1}, INVALID, "Invalid value -1 for parameter 'timestamp' supplied: metric 'm' (value=1.0). Timestamp must be a nonnegative long (64-bit integer)"),
        ({"key": "k" * 251}, INVALID, "'Metric name' exceeds the maximum length of 250 characters"),
        ({"run_id": "nope"}, MISSING, "Run with id=nope not found"),
    ],
)
def test_what_log_metric_refuses(rest, run_id, changes, code, fragment):
    fields = {"run_id": run_id, **metric(), **changes}
    assert_error(rest.call("POST", "runs/log-metric", {key: value for key, value in fields.items() if value is not None}), code, fragment)
    assert_error(rest.call("POST", "runs/log-metric", fields), code, fragment)  # null is as if absent
    assert rest.data(run_id, "metrics") == {}


@pytest.mark.only_roost("MLflow's own server answers 500")
@pytest.mark.parametrize("value", [{}, [], [1], {"a": 1}])
def test_a_value_of_another_kind(rest, run_id, value):
    assert_error(rest.call("POST", "runs/log-metric", {"run_id": run_id, **metric(value=value)}), INVALID, "for parameter 'value' supplied")


# -- batches ----------------------------------------------------------------------------------------------------------


def test_a_batch_of_everything(rest, run_id):
    assert rest.post("runs/log-batch", run_id=run_id, metrics=[metric("a", 1.5, 10, 1), metric("b", "NaN", 10, 1)], params=[{"key": "p", "value": "1"}], tags=[{"key": "t", "value": "x"}]) == {}
    assert rest.data(run_id, "metrics") == {"a": 1.5, "b": "NaN"} and rest.data(run_id, "params") == {"p": "1"} and rest.data(run_id, "tags")["t"] == "x"


def test_an_empty_batch(rest, run_id):
    assert rest.post("runs/log-batch", run_id=run_id) == {}
    assert rest.post("runs/log-batch", run_id=run_id, metrics=[], params=[], tags=[]) == {}


def test_batches_at_the_limits(rest, run_id):
    rest.post("runs/log-batch", run_id=run_id, metrics=[metric(step=n) for n in range(1000)])
    rest.post("runs/log-batch", run_id=run_id, metrics=[metric("other", step=n) for n in range(800)], params=[{"key": f"p{n}", "value": "x"} for n in range(100)],
              tags=[{"key": f"t{n}", "value": "x"} for n in range(100)])  # fmt: skip
    assert len(history(rest, run_id)) == 1000 and len(history(rest, run_id, "other")) == 800
    assert len(rest.data(run_id, "params")) == 100 and len(rest.data(run_id, "tags")) == 101


def test_what_can_be_no_run(rest):
    for path, fields in (("log-batch", {"metrics": [metric()]}), ("log-inputs", {"datasets": []})):
        for bad in ("a/b", "-a", "a b", "x" * 257):
            assert_error(rest.call("POST", f"runs/{path}", {"run_id": bad, **fields}), INVALID, f"Invalid value \"{bad}\" for parameter 'run_id' supplied")


def many(kind: str, count: int) -> list[dict]:
    return [metric(str(n)) if kind == "metrics" else {"key": str(n), "value": "x"} for n in range(count)]


@pytest.mark.parametrize(
    "fields, fragment",
    [
        ({"metrics": many("metrics", 1001)}, "A batch logging request can contain at most 1000 metrics. Got 1001 metrics. Please split up metrics across multiple requests and try again."),
        ({"params": many("params", 101)}, "A batch logging request can contain at most 100 params. Got 101 params. Please split up params across multiple requests and try again."),
        ({"tags": many("tags", 101)}, "A batch logging request can contain at most 100 tags. Got 101 tags. Please split up tags across multiple requests and try again."),
        ({"metrics": many("metrics", 900), "params": many("params", 100)},
         "A batch logging request can contain at most 1000 metrics, params, and tags. Got 1001 metrics, params, and tags. Please split up metrics, params, and tags across multiple requests and try again."),
        ({"metrics": [{"value": 1, "timestamp": 1}]}, MISSING_PARAMETER.format("metrics[0].key")),
        ({"metrics": [metric(), {"key": "a", "timestamp": 1}]}, MISSING_PARAMETER.format("metrics[1].value")),
        ({"metrics": [metric(), metric(), {"key": "a", "value": 1}]}, MISSING_PARAMETER.format("metrics[2].timestamp")),
        ({"metrics": [metric(value=None)]}, MISSING_PARAMETER.format("metrics[0].value")),
        ({"metrics": "x"}, hint('"x"', "metrics", "str")),
        ({"metrics": {}}, hint("{}", "metrics", "dict")),
        ({"params": [{"value": "1"}]}, MISSING_PARAMETER.format("params[0].key")),
        ({"tags": [{"key": "ok", "value": "1"}, {"value": "1"}]}, MISSING_PARAMETER.format("tags[1].key")),
        ({"metrics": [metric("bad%")]}, f"Invalid value \"bad%\" for parameter 'metrics[0].name' supplied: {ONLY_CHARACTERS}"),
        ({"metrics": [metric(), metric("k" * 251)]}, "'Metric name' exceeds the maximum length of 250 characters"),
        ({"params": [{"key": "bad%", "value": "x"}]}, f"Invalid value \"bad%\" for parameter 'params[0].key' supplied: {ONLY_CHARACTERS}"),
        ({"params": [{"key": "k" * 251, "value": "x"}]}, "'Param key' exceeds the maximum length of 250 characters"),
        ({"tags": [{"key": "k" * 251, "value": "x"}]}, "'tags[0].key' exceeds the maximum length of 250 characters"),
        ({"tags": [{"key": "ok", "value": "x"}, {"key": "bad%", "value": "x"}]}, f"Invalid value \"bad%\" for parameter 'tags[1].key' supplied: {ONLY_CHARACTERS}"),
        ({"params": [{"key": "d", "value": "1"}, {"key": "d", "value": "1"}]}, "Duplicate parameter keys have been submitted: ['d']. Please ensure the request contains only one param value per param key."),
        ({"params": [{"key": "d", "value": "1"}, {"key": "d", "value": "2"}]}, "Duplicate parameter keys have been submitted: ['d']."),
        ({"params": [{"key": key, "value": "1"} for key in "abacb"]}, "Duplicate parameter keys have been submitted: ['a', 'b']."),
        ({"metrics": [metric(timestamp=-1)]}, "Timestamp must be a nonnegative long (64-bit integer)"),
    ],
    ids=str,
)  # fmt: skip
def test_what_a_batch_refuses_it_refuses_as_a_whole(rest, run_id, fields, fragment):
    whole = {"run_id": run_id, "tags": [{"key": "before", "value": "x"}], **fields}
    if "metrics" in fields and isinstance(fields["metrics"], list) and len(fields["metrics"]) < 1000 and "params" not in fields:
        whole["metrics"] = fields["metrics"] + [metric("good")]
    assert_error(rest.call("POST", "runs/log-batch", whole), INVALID, fragment)
    assert set(rest.data(run_id, "tags")) == {"mlflow.runName"} and rest.data(run_id, "metrics") == {} and rest.data(run_id, "params") == {}


def test_a_batch_for_a_run_that_is_not_there(rest):
    assert_error(rest.call("POST", "runs/log-batch", {"run_id": "nope", "metrics": [metric()]}), MISSING, "Run with id=nope not found")
    assert_error(rest.call("POST", "runs/log-batch", {"metrics": [metric()]}), INVALID, "run_id")


def test_a_batch_that_changes_a_parameter(rest, run_id):
    rest.post("runs/log-parameter", run_id=run_id, key="p", value="1")
    fields = {"run_id": run_id, "params": [{"key": "new", "value": "1"}, {"key": "p", "value": "2"}]}
    assert_error(rest.call("POST", "runs/log-batch", fields), INVALID, "Changing param values is not allowed. Params were already logged='[{'key': 'p', 'old_value': '1', 'new_value': '2'}]' for run ID='" + run_id + "'.")
    assert rest.data(run_id, "params") == {"p": "1"}
    assert rest.post("runs/log-batch", run_id=run_id, params=[{"key": "p", "value": "1"}, {"key": "new", "value": "2"}]) == {}
    assert rest.data(run_id, "params") == {"p": "1", "new": "2"}


def test_long_values_in_a_batch_are_cut(rest, run_id):
    rest.post("runs/log-batch", run_id=run_id, params=[{"key": "p", "value": "x" * 6001}], tags=[{"key": "t", "value": "x" * 8001}])
    assert len(rest.data(run_id, "params")["p"]) == 6000 and len(rest.data(run_id, "tags")["t"]) == 8000


def test_the_last_of_two_tags_stays(rest, run_id):
    rest.post("runs/log-batch", run_id=run_id, tags=[{"key": "t", "value": "1"}, {"key": "t", "value": "2"}])
    assert rest.data(run_id, "tags")["t"] == "2"


def test_numbers_as_text_in_a_batch(rest, run_id):
    rest.post("runs/log-batch", run_id=run_id, metrics=[{"key": "m", "value": "7.5", "timestamp": "5", "step": "6"}])
    assert last(rest, run_id) == (7.5, 5, 6)
