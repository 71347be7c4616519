"""azureml.core.Run inside submitted scripts, against the real server."""

import json
import math
import time

import pytest

from harness import AT_MOST

LOG_EVERYTHING = """
import json, math, pathlib, struct, zlib
import numpy as np
from azureml.core import Run

run = Run.get_context(allow_offline=False)
run.log('once', 0.5)
for value in (1, 2.5, float('nan'), float('inf')):
    run.log('many', value)
run.log('np', np.float32(0.25)); run.log('np', np.int64(3))
run.log('stepped', 1.0, step=10); run.log('stepped', 2.0, step=20)
run.log('text', 'a text'); run.log('flag', True)
run.log_list('list', [1, np.float64(2), 'three', None, True])
run.log_list('generated', (n * n for n in range(4)))
run.log_row('one_row', x=1, y='a')
for n in range(3):
    run.log_row('rows', x=n, y=n * n) if n != 1 else run.log_row('rows', x=n)
run.log_table('table', {'a': [1, 2], 'b': ['x', 'y']})
matrix = {'schema_type': 'confusion_matrix', 'schema_version': '1.0.0', 'data': {'class_labels': ['a', 'b'], 'matrix': [[1, 0], [0, 2]]}}
run.log_confusion_matrix('confusion', matrix)
run.log_residuals('residuals', json.dumps({'schema_type': 'residuals', 'schema_version': '1.0.0', 'data': {'bin_edges': [0, 1, 2], 'bin_counts': [3, 4]}}))
run.log_predictions('predictions', {'schema_type': 'predictions', 'schema_version': '1.0.0',
    'data': {'bin_averages': [1], 'bin_errors': [0.1], 'bin_counts': [5], 'bin_edges': [0, 1]}})
run.log_accuracy_table('accuracy_table', {'schema_type': 'accuracy_table', 'schema_version': '1.0.1', 'data': {
    'probability_tables': [[[1, 0, 0, 1], [1, 0, 0, 1]]], 'percentile_tables': [[[1, 0, 0, 1], [1, 0, 0, 1]]],
    'class_labels': ['0'], 'probability_thresholds': [0.0, 1.0], 'percentile_thresholds': [0.0, 1.0]}})

def chunk(kind, data):
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
png = b'\\x89PNG\\r\\n\\x1a\\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', 1, 1, 8, 0, 0, 0, 0)) + chunk(b'IDAT', zlib.compress(b'\\0\\0')) + chunk(b'IEND', b'')
pathlib.Path('dot.png').write_bytes(png)
run.log_image('image', path='dot.png')

class Plot:
    def savefig(self, file, format): file.write(png)
run.log_image('plot', plot=Plot())

for bad in (lambda: run.log('bad', [1]), lambda: run.log_row('bad', x=[1]), lambda: run.log_table('bad', {'a': [1], 'b': [1, 2]}),
            lambda: run.log_confusion_matrix('bad', '{'), lambda: run.log_image('bad'), lambda: run.log_image('bad', path=__file__)):
    try:
        bad()
    except Exception as error:
        assert type(error).__name__ == 'UserErrorException', error
    else:
        raise AssertionError('accepted')

run.tag('stage', 'test'); run.tag('flag'); run.set_tags({'a': 1})
assert run.get_tags() == {'stage': 'test', 'flag': None, 'a': '1'}, run.get_tags()
run.remove_tags('a')
run.add_properties({'p': 'q'}); run.add_properties({'p': 'q'})
try:
    run.add_properties({'p': 'other'})
except Exception as error:
    assert type(error).__name__ == 'ServiceException'
else:
    raise AssertionError('a property changed')

pathlib.Path('up').mkdir(); pathlib.Path('up/a.txt').write_text('a'); pathlib.Path('up/deep').mkdir(); pathlib.Path('up/deep/b.txt').write_text('b')
run.upload_file('single.txt', 'up/a.txt')
run.upload_files(['x/1.txt', 'x/2.txt'], ['up/a.txt', 'up/deep/b.txt'])
run.upload_folder('folder', 'up')
try:
    run.upload_file('single.txt', 'up/deep/b.txt')
except Exception as error:
    assert type(error).__name__ == 'ServiceException'
else:
    raise AssertionError('an artifact was replaced')
assert {'single.txt', 'x/1.txt', 'x/2.txt', 'folder/a.txt', 'folder/deep/b.txt', 'dot.png'} <= set(run.get_file_names())
run.download_file('folder/deep/b.txt', 'got/b.txt'); assert pathlib.Path('got/b.txt').read_text() == 'b'
run.download_files(prefix='x/', output_directory='got'); assert pathlib.Path('got/x/2.txt').read_text() == 'b'

run.flush()
got = run.get_metrics()
json.dump({k: v for k, v in got.items()}, open('outputs/metrics.json', 'w'))

with run.child_run(name='child') as child:
    child.log('c', 1)
try:
    with run.child_run() as broken:
        raise RuntimeError('broken child')
except RuntimeError:
    pass
children = list(run.get_children())
assert [c.status for c in children] == ['Failed', 'Completed'], [c.status for c in children]
assert children[1].parent.id == run.id and children[1].name == 'child'
assert len(run.create_children(tag_key='n', tag_values=[1, 2])) == 2
assert len(list(run.get_children(tags={'n': '1'}))) == 1

pathlib.Path('outputs/model').mkdir(); pathlib.Path('outputs/model/w.bin').write_bytes(b'w')
run.upload_folder('outputs/model', 'outputs/model')
model = run.register_model('net', model_path='outputs/model', tags={'kind': 'test'})
try:
    run.register_model('net', model_path='outputs/nothing')
except Exception as error:
    assert type(error).__name__ == 'ModelPathNotFoundException' and 'outputs/nothing' in error.message
run.complete()
print('said after complete', run.get_status())
"""


def test_everything_a_script_may_log(server, project):
    run = server.wait_for(server.submit(project({"a.py": LOG_EVERYTHING}), "a.py"))
    log = server.log(run["run_id"]).decode()
    assert run["status"] == "Completed", log
    assert "said after complete Running" in log  # the engine alone ends a submitted run
    metrics = json.loads(b"".join(server.client.stream(f"/runs/{run['run_id']}/files/outputs/metrics.json")))
    assert metrics["once"] == 0.5
    assert metrics["many"][:2] == [1, 2.5] and math.isnan(metrics["many"][2]) and metrics["many"][3] == math.inf
    assert metrics["np"] == [0.25, 3] and metrics["stepped"] == [1, 2] and metrics["text"] == "a text" and metrics["flag"] == 1
    assert metrics["list"] == [1, 2, "three", None, True] and metrics["generated"] == [0, 1, 4, 9]
    assert metrics["one_row"] == {"x": 1, "y": "a"}
    assert metrics["rows"] == {"x": [0, 1, 2], "y": [0, None, 4]}
    assert metrics["table"] == {"a": [1, 2], "b": ["x", "y"]}
    assert metrics["confusion"]["data"]["matrix"] == [[1, 0], [0, 2]]
    assert metrics["residuals"]["data"]["bin_counts"] == [3, 4]
    assert metrics["image"] == "dot.png" and metrics["plot"].startswith("plot_")
    steps = [p["step"] for p in server.client.get(f"/runs/{run['run_id']}/metrics/history", name="stepped")["points"]]
    assert steps == [10, 20]
    assert server.client.get("/models/net/versions/1")["tags"] == {"kind": "test"}


WORKERS = """
import os, sys, time
import torch
from torch.utils.data import DataLoader, Dataset
from azureml.core import Run

run = Run.get_context()

class Numbers(Dataset):
    def __len__(self): return 40
    def __getitem__(self, n):
        if n % 10 == 0:
            Run.get_context().log('from_workers', n)
        return n

if __name__ == '__main__':
    run.log('main', -1)
    for epoch in range(2):
        for batch in DataLoader(Numbers(), batch_size=4, num_workers=2, multiprocessing_context=sys.argv[1]):
            run.log('main', batch.sum().item())
    print('finished')
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_of_a_data_loader_neither_send_twice_nor_hang(server, project, method):
    run = server.wait_for(server.submit(project({"a.py": WORKERS}), "a.py", "--", method), seconds=2 * AT_MOST)
    assert run["status"] == "Completed", server.log(run["run_id"]).decode()
    history = lambda name: [p["value"] for p in server.client.get(f"/runs/{run['run_id']}/metrics/history", name=name)["points"]]
    assert history("main") == [-1] + [sum(range(n, n + 4)) for n in range(0, 40, 4)] * 2
    assert sorted(history("from_workers")) == [0, 0, 10, 10, 20, 20, 30, 30]


def test_logging_never_holds_up_a_script_whose_server_is_gone(server, project, tmp_path):
    src = project({"a.py": """
import pathlib, sys, time
from azureml.core import Run
run = Run.get_context()
while not pathlib.Path(sys.argv[1], 'gone').exists():
    time.sleep(0.02)
for n in range(2000):
    run.log('n', n)
pathlib.Path(sys.argv[1], 'logged').touch()
"""})
    run_id = server.submit(src, "a.py", "--", str(tmp_path))
    server.wait_for(run_id, "Running")
    server.kill()
    (tmp_path / "gone").touch()
    deadline = time.monotonic() + AT_MOST
    while not (tmp_path / "logged").exists():  # while nobody answers
        assert time.monotonic() < deadline, "logging waits for the server"
        time.sleep(0.05)
    server.start()
    run = server.wait_for(run_id)
    assert run["status"] == "Completed", server.log(run_id).decode()
    values = [p["value"] for p in server.client.get(f"/runs/{run_id}/metrics/history", name="n", limit=10_000)["points"]]
    assert values == list(range(2000))


def test_a_killed_script_keeps_what_it_logged(server, project):
    src = project({"a.py": """
import os, signal
from azureml.core import Run
run = Run.get_context()
for n in range(500):
    run.log('n', n)
os.kill(os.getpid(), signal.SIGKILL)
"""})
    run = server.wait_for(server.submit(src, "a.py"))
    assert run["status"] == "Failed"
    values = [p["value"] for p in server.client.get(f"/runs/{run['run_id']}/metrics/history", name="n")["points"]]
    assert values == list(range(500))


def test_one_bad_metric_takes_no_other_with_it(server, project):
    src = project({"a.py": """
from azureml.core import Run
run = Run.get_context()
run.log('good', 1); run.log('x' * 5000, 1); run.log('good', 2)
"""})
    run = server.wait_for(server.submit(src, "a.py"))
    assert run["status"] == "Completed"
    values = [p["value"] for p in server.client.get(f"/runs/{run['run_id']}/metrics/history", name="good")["points"]]
    assert values == [1, 2]
    assert b"roost: " in server.log(run["run_id"])


def test_waiting_prints_what_azure_prints(server, project):
    inner = project({"a.py": "print('the log')"})
    run_id = server.submit(inner, "a.py")
    from azureml.core import Run

    import contextlib
    import io

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        details = Run._of(server.client, run_id).wait_for_completion(show_output=True)
    assert details["status"] == "Completed" and details["runId"] == run_id
    text = printed.getvalue()
    assert text.startswith(f"RunId: {run_id}\nWeb View: ")
    assert "\nStreaming azureml-logs/70_driver_log.txt\n========================================\n\nthe log\n" in text
    assert "\nExecution Summary\n=================\nRunId: " in text


def test_a_failed_run_raises_its_error(server, project):
    from azureml.core import Run
    from azureml.exceptions import ActivityFailedException

    run_id = server.submit(project({"a.py": "raise KeyError('bird')"}), "a.py")
    with pytest.raises(ActivityFailedException) as caught:
        Run._of(server.client, run_id).wait_for_completion()
    assert "KeyError" in caught.value.message


FAMILY = """
import pathlib
from azureml.core import Run

run = Run.get_context()
run.log('loss', 0.5); run.log('loss', 0.25); run.log('only_mine', 1)
for name in ('a', 'b', 'b'):
    pathlib.Path(name + '.png').write_bytes(b'\\x89PNG ' + name.encode())
    run.log_image('image_' + name, path=name + '.png')
with run.child_run('child') as child:
    child.log('loss', 0.125)
    with child.child_run('grandchild') as grandchild:
        grandchild.log('loss', 0.0625)
with run.child_run('silent'):
    pass
"""


def test_get_metrics_takes_its_arguments_as_azure_does(server, project):
    from azureml.core import Run

    row = server.wait_for(server.submit(project({"a.py": FAMILY}), "a.py"))
    assert row["status"] == "Completed", server.log(row["run_id"]).decode()
    run = Run._of(server.client, row["run_id"])
    ids = {child.name: child.id for child in run.get_children(recursive=True)}
    assert set(ids) == {"child", "grandchild", "silent"}

    assert run.get_metrics("loss") == {"loss": [0.5, 0.25]}
    everything = run.get_metrics(recursive=True)
    assert set(everything) == {run.id, ids["child"], ids["grandchild"]}  # the silent one has none
    assert next(iter(everything)) == run.id and everything[run.id]["only_mine"] == 1
    assert everything[ids["grandchild"]] == {"loss": 0.0625}
    assert run.get_metrics("only_mine", recursive=True) == {run.id: {"only_mine": 1}}

    children = {ids["child"]: {"loss": 0.125}, ids["grandchild"]: {"loss": 0.0625}}
    assert run.get_metrics(recursive=True, run_type="Run") == children
    assert set(run.get_metrics(recursive=True, run_type="azureml.scriptrun")) == {run.id}
    assert run.get_metrics(run_type="Run") == {}
    assert run.get_metrics("loss", run_type="azureml.scriptrun") == {"loss": [0.5, 0.25]}

    assert run.get_metrics("image_a") == {"image_a": "a.png"}
    images = {"image_a": b"\x89PNG a", "image_b": [b"\x89PNG b"] * 2}
    assert {name: value for name, value in run.get_metrics(populate=True).items() if name in images} == images
    assert run.get_metrics("image_a", recursive=True, populate=True) == {run.id: {"image_a": b"\x89PNG a"}}


@pytest.mark.parametrize("show_output", [False, True])
def test_a_run_that_was_waited_for_has_its_files(server, project, show_output):
    from azureml.core import Run

    run = Run._of(server.client, server.submit(project({"a.py": "open('outputs/model', 'w').write('weights')"}), "a.py"))
    details = run.wait_for_completion(show_output=show_output)
    assert details["status"] == "Completed" and details["exitCode"] == 0
    assert "outputs/model" in run.get_file_names()


class SteppedRun:
    """A run that is one step further each time that someone looks."""

    id, _path = "r", "/runs/r"

    def __init__(self, *rows):
        self.rows = [{"status": status, "exit_code": code} for status, code in rows]
        self.shown = self.rows[0]

    def _row(self):
        self.shown = self.rows.pop(0) if len(self.rows) > 1 else self.rows[0]
        return self.shown

    def get_status(self):
        return self._row()["status"]

    def get_details(self):
        return {"status": self.shown["status"], "error": {"error": {"message": "no"}} if self.shown["status"] == "Failed" else None}

    def get_portal_url(self):
        return "http://web/r"

    def _call(self, method, path):
        return {"items": []}


@pytest.mark.parametrize("steps, show_output, wait_post_processing, last", [
    ([("Running", None), ("Finalizing", 0), ("Completed", 0)], False, False, "Completed"),
    ([("Running", None), ("Finalizing", 0), ("Completed", 0)], False, True, "Completed"),
    ([("Running", None), ("Finalizing", 0), ("Completed", 0)], True, False, "Completed"),
    ([("Running", None), ("Finalizing", None), ("Canceled", None)], False, False, "Canceled"),
    ([("Running", None), ("CancelRequested", None), ("Canceled", None)], False, False, "CancelRequested"),
    ([("Running", None), ("CancelRequested", None), ("Canceled", None)], False, True, "Canceled"),
    ([("Running", None), ("CancelRequested", None), ("Canceled", None)], True, False, "CancelRequested"),
    ([("Running", None), ("CancelRequested", None), ("Canceled", None)], True, True, "Canceled"),
])  # fmt: skip
def test_post_processing_is_waited_for_when_asked(monkeypatch, steps, show_output, wait_post_processing, last):
    from azureml.core import _waiting

    monkeypatch.setattr(_waiting.time, "sleep", lambda seconds: None)
    run = SteppedRun(*steps)
    assert _waiting.wait_for_completion(run, show_output, wait_post_processing, raise_on_error=True)["status"] == last


def test_a_script_that_failed_is_waited_for_to_raise_its_error(monkeypatch):
    from azureml.core import _waiting
    from azureml.exceptions import ActivityFailedException

    monkeypatch.setattr(_waiting.time, "sleep", lambda seconds: None)
    run = SteppedRun(("Running", None), ("Finalizing", 1), ("Failed", 1))
    with pytest.raises(ActivityFailedException):
        _waiting.wait_for_completion(run, show_output=False, wait_post_processing=False, raise_on_error=True)


@pytest.mark.parametrize("show_output", [False, True])
def test_waiting_goes_on_while_the_server_is_away(monkeypatch, capsys, show_output):
    from azureml.core import _waiting
    from azureml.exceptions import ServiceException

    monkeypatch.setattr(_waiting.time, "sleep", lambda seconds: None)
    refusals = [ServiceException("no answer", 0)] * 40 + [ServiceException("still starting", 503)]

    class AwayAtFirst(SteppedRun):
        def get_status(self):
            if refusals:
                raise refusals.pop()
            return super().get_status()

    run = AwayAtFirst(("Running", None), ("Completed", 0))
    assert _waiting.wait_for_completion(run, show_output, False, raise_on_error=True)["status"] == "Completed"
    assert capsys.readouterr().err == "roost: still starting; waiting goes on\n"
    refusals.append(ServiceException("wrong token", 401))
    with pytest.raises(ServiceException, match="wrong token"):
        _waiting.wait_for_completion(run, show_output, False, raise_on_error=True)


class LoggingRun(SteppedRun):
    """Its looks at the logs are answered by ``lists``, its streams by ``streams``: texts, or errors."""

    def __init__(self, steps, lists, streams):
        super().__init__(*steps)
        self.lists, self.streams, self.asked, self._client = lists, streams, [], self

    def _call(self, method, path):
        return {"items": [{"path": f"azureml-logs/{name}", "attempt": attempt} for name, attempt in (self.lists.pop(0) if len(self.lists) > 1 else self.lists[0])]}

    def stream(self, path, offset, attempt):
        self.asked.append((path.split("/")[-1], offset, attempt))
        answer = self.streams.pop(0)
        if isinstance(answer, Exception):
            raise answer
        yield answer.encode()


def test_streaming_follows_the_newest_attempt_and_shows_the_end(monkeypatch, capsys):
    from azureml.core import _waiting
    from roost.client import RoostError

    monkeypatch.setattr(_waiting.time, "sleep", lambda seconds: None)
    away, gone = RoostError("unavailable", "away"), RoostError("not_found", "gone", status=404)
    run = LoggingRun([("Running", None), ("Running", None), ("Completed", 0)], [[("70_driver_log.txt", 1)], [("70_driver_log.txt", 1), ("65_job_prep.txt", 2)],
                     [("70_driver_log.txt", 1), ("70_driver_log.txt", 2)]], ["first\n", gone, "prep\n", away, "", "second\n"])  # fmt: skip
    details = _waiting.wait_for_completion(run, True, False, raise_on_error=True)
    assert details["status"] == "Completed"
    assert run.asked == [("70_driver_log.txt", 0, 1), ("70_driver_log.txt", 6, 1), ("65_job_prep.txt", 0, 2), ("65_job_prep.txt", 5, 2), ("65_job_prep.txt", 5, 2),
                         ("70_driver_log.txt", 0, 2)]  # fmt: skip
    run = LoggingRun([("Completed", 0)], [[("70_driver_log.txt", 1)]], [away, away, "all of it\n"])
    run.get_details = lambda: {"status": "Completed", "warnings": [{"message": "no GPU"}]}
    _waiting.wait_for_completion(run, True, False, raise_on_error=True)
    assert "all of it\n" in (text := capsys.readouterr().out) and "\nWarnings:\nno GPU\n" in text


def test_details_tell_the_end_and_what_was_not_as_asked(monkeypatch):
    from azureml.core import Run

    answer = {"endTimeUtc": None, "properties": {"roost.gpu_substitution": "no GPU"}}
    monkeypatch.setattr(Run, "_call", lambda self, method, path: dict(answer))
    run = Run._of(None, "r")
    assert run.get_details() == {"properties": answer["properties"], "warnings": [{"source": "roost.gpu_substitution", "message": "no GPU"}]}
    answer = {"properties": {"roost.container_hint": "no container", "other": "x"}}
    assert run.get_details()["warnings"] == [{"source": "roost.container_hint", "message": "no container"}]
    answer = {"endTimeUtc": "2026-11-21T07:35:28.123456Z", "properties": {}}
    assert run.get_details() == {**answer, "warnings": []}
