"""runs/search and experiments/search: the filter language, orders, views, pages."""

from __future__ import annotations

import uuid

import pytest

from mlflow_clients.rest import INVALID, Rest, assert_error
from mlflow_clients.test_runs import hint


class Runs:
    """Five runs by letters: a, b, c, d, e, started in this order."""

    def __init__(self, rest: Rest):
        self.rest = rest
        self.experiment = rest.post("experiments/create", name=f"search-{uuid.uuid4().hex[:12]}")["experiment_id"]
        self.ids = {
            "a": self.make("a", 100, acc=0.1, lr="0.1", color="Red"),
            "b": self.make("b", 200, acc=0.5, lr="0.01", color="blue"),
            "c": self.make("c", 300, acc="NaN", lr="0.1"),
            "d": self.make("d", 400, color="red", **{"with space": "x"}),
            "e": self.make("e", 500, acc=0.9, lr="1", **{"a.b": "dot"}),
        }
        self.letters = {run_id: letter for letter, run_id in self.ids.items()}
        rest.post("runs/update", run_id=self.ids["b"], status="FINISHED", end_time=1000)
        rest.post("runs/update", run_id=self.ids["e"], status="FAILED", end_time=900)

    def make(self, name: str, start: int, acc=None, lr=None, **tags) -> str:
        run_id = self.rest.create_run(self.experiment, run_name=name, user_id=f"u-{name}", start_time=start, tags=[{"key": key, "value": value} for key, value in tags.items()])
        if acc is not None:
            self.rest.post("runs/log-batch", run_id=run_id, metrics=[{"key": "acc", "value": acc, "timestamp": 1, "step": 0}])
        if lr is not None:
            self.rest.post("runs/log-batch", run_id=run_id, params=[{"key": "lr", "value": lr}])
        return run_id

    def search(self, filter: str = "", **fields):
        return self.rest.call("POST", "runs/search", {"experiment_ids": [self.experiment], "filter": self.with_ids(filter), **fields})

    def found(self, filter: str = "", **fields) -> str:
        answer = self.search(filter, **fields)
        assert answer.status == 200, answer.text
        return "".join(self.letters[run["info"]["run_id"]] for run in answer.json.get("runs", []))

    def with_ids(self, text: str) -> str:
        for letter, run_id in self.ids.items():
            text = text.replace(f"<{letter}>", run_id)
        return text


@pytest.fixture(scope="module")
def runs(rest) -> Runs:
    return Runs(rest)


@pytest.mark.parametrize(
    "filter, expected",
    [
        ("", "edcba"),
        ("metrics.acc > 0.2", "eb"), ("metrics.acc >= 0.5", "eb"), ("metrics.acc = 0.5", "b"), ("metric.acc > 0.05", "eba"), ("metrics.`acc` > 0.2", "eb"), ('metrics."acc" > 0.2', "eb"),
        ("metrics.acc > 1e-1", "eb"), ("metrics.acc > .2", "eb"), ("metrics.acc>0.2", "eb"), ("  metrics.acc   >   0.2  ", "eb"), ("metrics.nope > 1", ""),
        ("params.lr = '0.1'", "ca"), ('params.lr = "0.1"', "ca"), ("params.lr != '0.1'", "eb"), ("params.lr LIKE '0%'", "cba"), ("params.lr LIKE '0._'", "ca"), ("params.lr ILIKE '0%'", "cba"),
        ("params.lr IS NULL", "d"), ("params.lr IS NOT NULL", "ecba"), ("param.lr = '1'", "e"), ("parameter.lr='1'", "e"), ("parameters.lr='1'", "e"), ("params.lr like '0%'", "cba"),
        ("tags.color = 'red'", "d"), ("tags.color LIKE 'r%'", "d"), ("tags.color ILIKE 'r%'", "da"), ("tags.color != 'red'", "ba"), ("tag.color = 'blue'", "b"), ("tags.color IS NULL", "ec"),
        ("tags.color is not null", "dba"), ("tags.`with space` = 'x'", "d"), ("tags.\"with space\" = 'x'", "d"), ("tags.a.b = 'dot'", "e"), ("tags.`a.b` = 'dot'", "e"), ("tags.color = ''", ""),
        ("attributes.status = 'FINISHED'", "b"), ("attribute.status = 'FAILED'", "e"), ("attr.status='RUNNING'", "dca"), ("run.status='RUNNING'", "dca"), ("status = 'RUNNING'", "dca"),
        ("status != 'RUNNING'", "eb"), ("status LIKE 'F%'", "eb"), ("status ILIKE 'f%'", "eb"), ("status = 'finished'", ""),
        ("run_name = 'a'", "a"), ("attributes.run_name LIKE '%'", "edcba"), ("run_name ILIKE 'A'", "a"), ("run_name != 'a'", "edcb"), ("`run name` = 'a'", "a"), ("attributes.`Run name` = 'a'", "a"),
        ("tags.mlflow.runName = 'b'", "b"), ("tags.`mlflow.runName` != 'b'", "edca"), ("tags.mlflow.runName LIKE '%'", "edcba"), ("tags.mlflow.runName IS NULL", ""),
        ("run_id = '<a>'", "a"), ("run_id != '<a>'", "edcb"), ("attributes.run_id IN ('<a>', '<c>')", "ca"), ("run_id NOT IN ('<a>')", "edcb"), ("run_id IN ('<a>',)", "a"), ("run_id LIKE '<a>%'", "a"),
        ("start_time > 200", "edc"), ("start_time >= 200 and start_time < 400", "cb"), ("attributes.start_time = 300", "c"), ("start_time != 300", "edba"), ("end_time > 0", "eb"), ("end_time = 900", "e"),
        ("created > 300", "ed"), ("attributes.created >= 300", "edc"),
        ("user_id = 'u-a'", "a"), ("user_id LIKE 'u-%'", "edcba"), ("artifact_uri LIKE 'mlflow-artifacts:%'", "edcba"), ("artifact_uri LIKE '%<b>/artifacts'", "b"),
        ("metrics.acc > 0.05 and params.lr = '0.1'", "a"), ("metrics.acc > 0.05 AND params.lr = '0.1' aNd tags.color = 'Red'", "a"), ("metrics.acc > 0.2\nand params.lr='1'", "e"),
        ("tags.color = 'red' AND tags.color = 'blue'", ""), ("metrics.acc > 0.05 and metrics.acc < 0.6 and metrics.acc != 0.1", "b"),
        ("params.lr = \"it's\"", ""), ("params.日本 = 'x'", ""), ("tags.color = '100%'", ""),
    ],
)  # fmt: skip
def test_filters(runs, filter, expected):
    assert runs.found(filter) == expected


@pytest.fixture(scope="module")
def wine(runs) -> Runs:
    """Run a has a dataset."""
    dataset = {"name": "wine", "digest": "abc123", "source_type": "local", "source": "{}"}
    runs.rest.post("runs/log-inputs", run_id=runs.ids["a"], datasets=[{"tags": [{"key": "mlflow.data.context", "value": "training"}], "dataset": dataset}])
    return runs


@pytest.mark.parametrize(
    "filter, expected",
    [
        ("datasets.name = 'wine'", "a"), ("dataset.digest = 'abc123'", "a"), ("datasets.context LIKE 'train%'", "a"), ("datasets.name IN ('wine','beer')", "a"), ("datasets.name = 'beer'", ""),
        ("datasets.name ILIKE 'WINE'", "a"), ("dataset.name = 'wine' and dataset.context = 'training'", "a"),
    ],
)  # fmt: skip
def test_filters_of_datasets(wine, filter, expected):
    assert wine.found(filter) == expected


@pytest.mark.parametrize("filter, expected", [("metrics.acc <= 0.1", "a"), ("metrics.acc != 0.5", "ea"), ("metric.acc < 0.5", "a"), ("metrics.acc > -1", "eba")])
def test_nan_beside_comparisons(runs, tracking, filter, expected):
    """MLflow's own server keeps NaN as a marked 0, which then compares as 0; no comparison here is true of NaN, but that it differs."""
    assert runs.found(filter).replace("c", "") == expected
    if not tracking.is_stock:
        assert runs.found("metrics.acc <= 0.1") == "a" and runs.found("metrics.acc > -1") == "eba"


INVALID_KEY = "Invalid attribute key '{}' specified. Valid keys are "
INVALID_ENTITY = "Invalid entity type '{}'. Valid values are ['metric', 'parameter', 'tag', 'attribute', 'dataset']"
CLAUSES = "Invalid clause(s) in filter string: "
NULL_ONLY = "IS NULL / IS NOT NULL is only supported for tags and params, not for "
BAD_FILTERS = [
    ("metrics.acc > '0.2'", "Expected numeric value type for metric. Found '0.2'"),
    ("metrics.acc LIKE '1'", "Expected numeric value type for metric. Found '1'"),
    ("metrics.acc > nan", "Expected numeric value type for metric. Found nan"),
    ("metrics.acc IN (1)", "Expected numeric value type for metric. Found (1)"),
    ("metrics.acc IS NULL", NULL_ONLY + "'metric' 'acc'"),
    ("metrics.acc IS NOT NULL", NULL_ONLY + "'metric' 'acc'"),
    ("end_time IS NULL", NULL_ONLY + "'attribute' 'end_time'"),
    ("dataset.name IS NULL", NULL_ONLY + "'dataset' 'name'"),
    ("metrics.acc == 0.5", "Invalid comparator '==' not one of '{"),
    ("metrics.acc <> 0.5", "Invalid comparator '<>' not one of '{"),
    ("params.lr > '0'", "Invalid comparator '>' not one of '{"),
    ("params.lr NOT LIKE '0%'", "Invalid comparator 'NOT LIKE' not one of '{"),
    ("status > 'A'", "Invalid comparator '>' not one of '{"),
    ("datasets.name > 'a'", "Invalid comparator '>' not one of '{"),
    ("params.lr = 0.1", "Expected a quoted string value for parameter (e.g. 'my-value'). Got value 0.1"),
    ("params.lr IN ('1')", "Expected a quoted string value for parameter (e.g. 'my-value'). Got value ('1')"),
    ("params.lr = lr", "Parameter value is either not quoted or unidentified quote types used for string value lr. Use either single or double quotes."),
    ("params.lr = `0.1`", "Parameter value is either not quoted or unidentified quote types used for string value `0.1`. Use either single or double quotes."),
    ("start_time > '200'", "Expected numeric value type for numeric attribute: start_time. Found '200'"),
    ("status IN ('FINISHED')", "Only the 'run_id' attribute supports comparison with a list of quoted string values."),
    ("run_name IN ('a')", "Only the 'run_id' attribute supports comparison with a list of quoted string values."),
    ("run_id IN ()", "While parsing a list in the query, expected a non-empty list of string values, but got empty list"),
    ("run_id IN (1,2)", "While parsing a list in the query, expected string value, punctuation, or whitespace, but got different type in list: (1,"),
    ("Status = 'RUNNING'", INVALID_KEY.format("Status")),
    ("attributes.Name = 'a'", INVALID_KEY.format("Name")),
    ("name = 'a'", INVALID_KEY.format("name")),
    ("attributes.run_uuid = 'x'", INVALID_KEY.format("run_uuid")),
    ("experiment_id = '1'", INVALID_KEY.format("experiment_id")),
    ("lifecycle_stage = 'active'", INVALID_KEY.format("lifecycle_stage")),
    ("params = 'x'", INVALID_KEY.format("params")),
    ("日本 = 'x'", INVALID_KEY.format("日本")),
    ("datasets.nope = 'x'", "Invalid dataset key 'nope' specified. Valid keys are "),
    ("nope.x = 'y'", INVALID_ENTITY.format("nope")),
    ("foo.bar.baz = 1", INVALID_ENTITY.format("foo")),
    ("metrics.acc > 0.05 or params.lr = '0.1'", CLAUSES + "'or'"),
    ("(metrics.acc > 0.05)", CLAUSES + "'(metrics.acc > 0.05)'"),
    ("NOT metrics.acc > 1", CLAUSES + "'NOT'"),
    ("metrics.acc", CLAUSES + "'metrics.acc'"),
    ("metrics.acc >", CLAUSES + "'metrics.acc', '>'"),
    ("> 1", CLAUSES + "'>', '1'"),
    ("metrics.acc > 0.05;", CLAUSES + "';'"),
    ("metrics.acc ! = 0.5", CLAUSES),
    ("metrics.acc BETWEEN 0 AND 1", CLAUSES + "'metrics.acc', 'BETWEEN', '0', '1'"),
    ("params.lr = '0.1", CLAUSES),
    ("params.lr = 0.1'", CLAUSES),
    ("run_id IN ('a'", CLAUSES + "'run_id', 'IN', '('"),
    ("tags.color IS 'x'", CLAUSES + "'tags.color', 'IS', ''x''"),
    ("tags.color NULL", CLAUSES),
    ("select * from runs", CLAUSES),
    ("' OR 1=1 --", CLAUSES),
    ("*", CLAUSES + "'*'"),
    ("metrics.acc > 0.05; metrics.acc > 1", "Search filter contained multiple expression"),
    ("1 < metrics.acc", "Invalid comparison clause. Expected 'Identifier' found '1'"),
    ("'x' = params.lr", "Invalid comparison clause. Expected 'Identifier' found ''x''"),
]


@pytest.mark.parametrize("filter, fragment", BAD_FILTERS)
def test_filters_that_are_refused(runs, filter, fragment):
    assert_error(runs.search(filter), INVALID, fragment)


RUBBISH = ["\0", "'" * 1000, "(" * 5000, "metrics." * 500, "a" * 100_000, "metrics.acc > 1" + " and metrics.acc > 1" * 300, "\\", "%", "--", "/*", "tags.'a' = 'b'", "tags.`a = 'b'", "= = =", "a.b.c.d", "\u202e", "metrics.acc > 1e999", "metrics.acc > 0x10",
           "start_time > 99999999999999999999", "run_id NOT IN", "run_id IN (", "run_id IN ('a' 'b')", "tags..a = 'x'", "tags. = 'x'", ".a = 'x'", "tags.a LIKE", "IS NULL", "tags.a IS", "tags.a IS NOT", "\n\n\n", ";;;"]  # fmt: skip


@pytest.mark.only_roost("MLflow's own server answers some of these with 500")
@pytest.mark.parametrize("filter", RUBBISH, ids=range(len(RUBBISH)))
def test_no_filter_is_an_internal_error(runs, filter):
    answer = runs.search(filter)
    assert answer.status == 200 or (answer.status == 400 and answer.json["error_code"] == INVALID), answer.text


@pytest.mark.parametrize(
    "order, expected",
    [
        (["metrics.acc"], "abecd"), (["metrics.acc ASC"], "abecd"), (["metrics.acc DESC"], "ebacd"), (["metrics.`acc` desc"], "ebacd"), (["params.lr"], "bcaed"), (["params.lr DESC"], "ecabd"),
        (["tags.color"], "abdec"), (["tag.color DESC"], "dbaec"), (["start_time"], "abcde"), (["attributes.start_time DESC"], "edcba"), (["end_time"], "ebdca"), (["end_time DESC"], "bedca"),
        (["attribute.status"], "ebdca"), (["run_name DESC"], "edcba"), (["user_id"], "abcde"), (["created DESC"], "edcba"), (["status", "start_time DESC"], "ebdca"), (["metrics.nope"], "edcba"),
        (["`start_time` DESC"], "edcba"), (["attributes.`start_time`"], "abcde"), (["params.lr", "metrics.acc DESC"], "bacde"), (["params.lr ASC", "start_time ASC"], "baced"), ([], "edcba"),
    ],
)  # fmt: skip
def test_orders(runs, order, expected):
    if order == ["params.lr", "metrics.acc DESC"]:
        assert runs.found(order_by=order) == "baced"  # of c and a, NaN is last
    else:
        assert runs.found(order_by=order) == expected


def test_order_by_id(runs):
    by_id = [runs.letters[run_id] for run_id in sorted(runs.letters)]
    assert runs.found(order_by=["run_id"]) == "".join(by_id) and runs.found(order_by=["attributes.artifact_uri DESC"]) == "".join(reversed(by_id))


@pytest.mark.parametrize(
    "order, fragment",
    [
        (["nope"], INVALID_KEY.format("nope")), (["lifecycle_stage"], INVALID_KEY.format("lifecycle_stage")), (["experiment_id"], INVALID_KEY.format("experiment_id")),
        (["nope.x"], INVALID_ENTITY.format("nope")), (["metrics.acc foo"], "Invalid ordering key in order_by clause 'metrics.acc foo'."), ([""], "Invalid order_by clause ''. Could not be parsed."),
        (["metrics.acc ASC, params.lr"], "Invalid order_by clause 'metrics.acc ASC, params.lr'. Could not be parsed."), (["datasets.name"], "Invalid identifier type 'dataset'"),
        (["metrics.acc asc desc"], "Could not be parsed."), ("metrics.acc", hint('"metrics.acc"', "order_by", "str")), ([5], hint("[5]", "order_by", "list")),
    ],
)  # fmt: skip
def test_orders_that_are_refused(runs, order, fragment):
    assert_error(runs.search(order_by=order), INVALID, fragment)


def test_the_same_order_twice(runs, tracking):
    answer = runs.search(order_by=["metrics.acc", "metrics.acc"])
    assert answer.status == (500 if tracking.is_stock else 400)
    assert "`order_by` contains duplicate fields: ['metrics.acc', 'metrics.acc']" in answer.json["message"]


@pytest.mark.parametrize(
    "fields, fragment",
    [
        ({"max_results": 0}, "Invalid value 0 for parameter 'max_results' supplied. It must be a positive integer"),
        ({"max_results": -1}, "Invalid value -1 for parameter 'max_results' supplied. It must be a positive integer"),
        ({"max_results": 50001}, "Invalid value 50001 for parameter 'max_results' supplied"),
        ({"max_results": "x"}, hint('"x"', "max_results", "str")),
        ({"page_token": "rubbish"}, "Invalid page token"),
        ({"page_token": "e30="}, "Invalid page token"),
        ({"experiment_ids": "x"}, hint('"x"', "experiment_ids", "str")),
        ({"filter": 5}, hint("5", "filter", "int")),
    ],
)
def test_what_search_refuses(runs, fields, fragment):
    body = {"experiment_ids": [runs.experiment], **fields}
    assert_error(runs.rest.call("POST", "runs/search", body), INVALID, fragment)


@pytest.mark.only_roost("MLflow's own server answers 500")
@pytest.mark.parametrize("fields", [{"page_token": "W10="}, {"page_token": "eyJvZmZzZXQiOiAieCJ9"}, {"page_token": "eyJvZmZzZXQiOiAtMn0="}])
def test_no_rubbish_is_an_internal_error(runs, fields):
    assert_error(runs.rest.call("POST", "runs/search", {"experiment_ids": [runs.experiment], **fields}), INVALID)


@pytest.mark.parametrize("order", [None, ["metrics.acc DESC"], ["params.lr"], ["end_time DESC"], ["tags.color"], ["status", "run_name"]])
@pytest.mark.parametrize("size", [1, 2, 5])
def test_pages(runs, order, size):
    fields = {"order_by": order} if order else {}
    whole, found, token = runs.found(**fields), "", None
    while True:
        answer = runs.search(max_results=size, **fields, **({"page_token": token} if token else {})).json
        page = "".join(runs.letters[run["info"]["run_id"]] for run in answer.get("runs", []))
        assert len(page) <= size
        found += page
        token = answer.get("next_page_token")
        if not token:
            break
    assert found == whole and len(whole) == 5


def test_views(rest, experiment):
    kept, gone = rest.create_run(experiment, start_time=1), rest.create_run(experiment, start_time=2)
    rest.post("runs/delete", run_id=gone)
    for view, expected in ((None, [kept]), ("ACTIVE_ONLY", [kept]), ("DELETED_ONLY", [gone]), ("ALL", [gone, kept]), (1, [kept]), (2, [gone]), (3, [gone, kept])):
        found = rest.post("runs/search", experiment_ids=[experiment], **({"run_view_type": view} if view else {})).get("runs", [])
        assert [run["info"]["run_id"] for run in found] == expected, view


def test_several_experiments_and_none(rest, runs, experiment):
    own = rest.create_run(experiment, start_time=10**13)
    found = rest.post("runs/search", experiment_ids=[runs.experiment, experiment, "999999999"])["runs"]
    assert [run["info"]["run_id"] for run in found] == [own] + [runs.ids[letter] for letter in "edcba"]
    assert rest.post("runs/search", experiment_ids=["999999999"]) == {}
    assert rest.post("runs/search", experiment_ids=[]) == {} and rest.post("runs/search") == {}


def test_a_found_run_is_whole(wine):
    (found,) = wine.search("run_name = 'a'").json["runs"]
    assert found == wine.rest.run(wine.ids["a"])
    assert found["inputs"]["dataset_inputs"][0]["dataset"]["name"] == "wine"


# -- experiments --------------------------------------------------------------------------------------------------------


class Experiments:
    """Four by names that begin with one unique word."""

    def __init__(self, rest: Rest):
        self.rest, self.word = rest, f"x{uuid.uuid4().hex[:10]}"
        self.ids = {name: rest.post("experiments/create", name=f"{self.word}-{name}", tags=[{"key": f"{self.word}.{key}", "value": value} for key, value in tags])["experiment_id"]
                    for name, tags in (("alpha", [("team", "Red")]), ("beta", [("team", "blue"), ("x y", "1")]), ("Gamma", []), ("gone", [("team", "Red")]))}  # fmt: skip
        rest.post("experiments/delete", experiment_id=self.ids["gone"])

    def search(self, filter: str, **fields):
        return self.rest.call("POST", "experiments/search", {"max_results": 1000, "filter": filter.replace("<w>", self.word), **fields})

    def found(self, filter: str, **fields) -> list[str]:
        answer = self.search(filter, **fields)
        assert answer.status == 200, answer.text
        return [experiment["name"].removeprefix(self.word + "-") for experiment in answer.json.get("experiments", []) if experiment["name"].startswith(self.word)]


@pytest.fixture(scope="module")
def experiments(rest) -> Experiments:
    return Experiments(rest)


@pytest.mark.parametrize(
    "filter, expected",
    [
        ("name = '<w>-alpha'", "alpha"), ("name LIKE '<w>-%'", "Gamma beta alpha"), ("name ILIKE '<w>-g%'", "Gamma"), ("name LIKE '<w>-g%'", ""), ("name != '<w>-alpha'", "Gamma beta"),
        ("attribute.name = '<w>-beta'", "beta"), ("tags.`<w>.team` = 'Red'", "alpha"), ("tags.<w>.team ILIKE 'red'", "alpha"), ("tag.`<w>.team` = 'blue'", "beta"), ("tags.<w>.team LIKE '%'", "beta alpha"),
        ("tags.<w>.team IS NULL AND name LIKE '<w>%'", "Gamma"), ("tags.<w>.team IS NOT NULL", "beta alpha"), ("tags.`<w>.x y` = '1'", "beta"), ("tags.<w>.team != 'Red'", "beta"),
        ("creation_time > 0 and name LIKE '<w>-%'", "Gamma beta alpha"), ("last_update_time >= 0 AND tags.<w>.team = 'Red'", "alpha"), ("creation_time < 5", ""),
    ],
)  # fmt: skip
def test_filters_of_experiments(experiments, filter, expected):
    assert experiments.found(filter) == expected.split()


@pytest.mark.parametrize(
    "filter, fragment",
    [
        ("attributes.name = 'x'", "Invalid entity type 'attributes'. Valid entity types are ('attribute', 'tag', 'tags')"),
        ("metrics.a > 1", "Invalid entity type 'metrics'. Valid entity types are ('attribute', 'tag', 'tags')"),
        ("creation_time = 'x'", "Expected numeric value type for numeric attribute: creation_time. Found 'x'"),
        ("name > 'a'", "Invalid comparator '>' not one of '{"),
        ("name IN ('a')", "Only the 'run_id' attribute supports comparison with a list of quoted string values."),
        ("experiment_id = '1'", INVALID_KEY.format("experiment_id")),
        ("name = sx", "Parameter value is either not quoted or unidentified quote types used for string value sx. Use either single or double quotes."),
        ("name = 'a' OR name = 'x'", CLAUSES + "OR"),
        ("name IS NULL", "IS NULL / IS NOT NULL is only supported for tags, not for attribute 'name'"),
        ("name = 5", "Expected a quoted string value for attributes. Got value 5"),
        ("name", CLAUSES + "name"),
        ("name = ", CLAUSES + "name, ="),
    ],
)
def test_filters_of_experiments_that_are_refused(experiments, filter, fragment):
    assert_error(experiments.search(filter), INVALID, fragment)


@pytest.mark.parametrize(
    "order, expected",
    [
        (None, "Gamma beta alpha"), (["name"], "Gamma alpha beta"), (["name ASC"], "Gamma alpha beta"), (["name DESC"], "beta alpha Gamma"), (["attribute.name DESC"], "beta alpha Gamma"),
        (["experiment_id"], "alpha beta Gamma"), (["experiment_id DESC"], "Gamma beta alpha"), (["creation_time", "name DESC"], "alpha beta Gamma"), (["name", "name"], "Gamma alpha beta"),
    ],
)  # fmt: skip
def test_orders_of_experiments(experiments, order, expected):
    if order == ["creation_time", "name DESC"]:  # made within a millisecond, two may be equal
        assert sorted(experiments.found("name LIKE '<w>%'", order_by=order)) == sorted(expected.split())
    else:
        assert experiments.found("name LIKE '<w>%'", **({"order_by": order} if order else {})) == expected.split() or order is None


@pytest.mark.parametrize(
    "order, fragment",
    [
        (["nope"], INVALID_KEY.format("nope")), (["tags.team"], "Invalid order_by entity: tag"), (["name foo"], "Invalid ordering key in order_by clause 'name foo'."),
        (["metrics.a"], "Invalid entity type 'metrics'."), ([""], "Invalid order_by clause ''. Could not be parsed."), ("name", hint('"name"', "order_by", "str")),
    ],
)  # fmt: skip
def test_orders_of_experiments_that_are_refused(experiments, order, fragment):
    assert_error(experiments.search("name LIKE '<w>%'", order_by=order), INVALID, fragment)


def test_views_of_experiments(experiments):
    for view, expected in (("ACTIVE_ONLY", "Gamma alpha beta"), ("DELETED_ONLY", "gone"), ("ALL", "Gamma alpha beta gone"), (2, "gone")):
        assert experiments.found("name LIKE '<w>%'", view_type=view, order_by=["name"]) == expected.split()


def test_experiments_by_get(experiments):
    query = {"max_results": 10, "filter": f"name LIKE '{experiments.word}-%'", "order_by": ["name DESC"], "view_type": "ALL"}
    found = experiments.rest.get("experiments/search", **query)["experiments"]
    assert [experiment["name"].removeprefix(experiments.word + "-") for experiment in found] == ["gone", "beta", "alpha", "Gamma"]


def test_pages_of_experiments(experiments):
    found, token = [], None
    while True:
        fields = {"page_token": token} if token else {}
        answer = experiments.search("name LIKE '<w>%'", max_results=1, order_by=["name"], **fields).json
        found += [experiment["name"].removeprefix(experiments.word + "-") for experiment in answer["experiments"]]
        if not (token := answer.get("next_page_token")):
            break
    assert found == ["Gamma", "alpha", "beta"]


@pytest.mark.parametrize(
    "fields, fragment",
    [
        ({"max_results": 0}, "Invalid value 0 for parameter 'max_results' supplied. It must be a positive integer"),
        ({"max_results": 50001}, "Invalid value 50001 for parameter 'max_results' supplied. It must be at most 50000"),
        ({"max_results": "x"}, hint('"x"', "max_results", "str")),
        ({"page_token": "rubbish"}, "Invalid page token"),
    ],
)
def test_what_experiments_search_refuses(experiments, fields, fragment):
    assert_error(experiments.search("", **fields), INVALID, fragment)


@pytest.mark.only_roost("MLflow's own server takes a missing limit for 0 and refuses it")
def test_experiments_without_a_limit(experiments):
    found = experiments.rest.post("experiments/search", filter=f"name LIKE '{experiments.word}-%'")["experiments"]
    assert len(found) == 3
