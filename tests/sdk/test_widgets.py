"""RunDetails: a run drawn as text and as HTML."""

import codecs
import fcntl
import io
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import types
import xml.etree.ElementTree

import pytest

from harness import AT_MOST, SDK

from azureml.core import Experiment, ScriptRunConfig
from azureml.exceptions import UserErrorException
from azureml.widgets import RunDetails
from azureml.widgets._html import page
from azureml.widgets._text import Screen, draw, duration, spark
from azureml.widgets._view import Chart, View

TRAIN = """
from azureml.core import Run
run = Run.get_context()
for n in range(5):
    run.log('loss', 1 / (n + 1)); run.log('broken', float('nan')); print('epoch', n)
run.log('name', 'net')
run.log_list('curve', [1, 2])
raise ValueError('<b>no</b>')
"""


def view(**more):
    return View(**{"run_id": "r1", "experiment": "e", "status": "Running", "reason": "", "seconds": 61.0, "url": "http://h/#r1", **more})


@pytest.fixture
def run(ws, project):
    run = Experiment(ws, "widgets").submit(ScriptRunConfig(project({"train.py": TRAIN}), "train.py"))
    run.wait_for_completion(raise_on_error=False)
    return run


def test_what_is_shown(run, capsys, monkeypatch):
    data = RunDetails(run).get_widget_data()
    assert (data["run_id"], data["experiment"], data["status"], data["url"]) == (run.id, "widgets", "Failed", run.get_portal_url())
    assert data["metrics"]["loss"] == 0.2 and data["metrics"]["name"] == "net" and data["metrics"]["curve"] == "1 × list"
    assert [(chart["name"], chart["values"]) for chart in data["charts"]] == [("loss", [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5])]
    assert data["log_name"] == "azureml-logs/70_driver_log.txt" and "ValueError: <b>no</b>" in data["log"][-1] and len(data["log"]) <= 12
    with pytest.warns(UserWarning, match="widget_settings has no meaning"):
        RunDetails(run).show(widget_settings={"debug": True})
    printed = capsys.readouterr().out
    assert f"widgets / {run.id}" in printed and "\x1b" not in printed and "█" in printed and "ValueError" in printed

    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    RunDetails(run).show()  # returns, since the run is over
    assert f"widgets / {run.id}" in capsys.readouterr().out


GOES_ON = """
import pathlib, sys, time
for step in (1, 2):
    while not pathlib.Path(sys.argv[1], str(step)).exists():
        time.sleep(0.02)
    print('step', step, flush=True)
while not pathlib.Path(sys.argv[1], 'end').exists():
    time.sleep(0.02)
"""
SHOW = """
import sys
from azureml.core import Run, Workspace
from azureml.widgets import RunDetails
RunDetails(Run.get(Workspace.from_config(), sys.argv[1])).show()
print('the next line')
"""


def test_a_run_that_goes_on_in_a_terminal(ws, shared_server, project, tmp_path):
    run = Experiment(ws, "widgets").submit(ScriptRunConfig(project({"goes_on.py": GOES_ON}), "goes_on.py", [str(tmp_path)]))
    shared_server.wait_for(run.id, "Running")  # its log can be there a moment earlier
    terminal, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    shows = subprocess.Popen([sys.executable, "-c", SHOW, run.id], stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, "PYTHONPATH": str(SDK)},
                             start_new_session=True)  # fmt: skip
    os.close(theirs)
    drawn, decoder = "", codecs.getincrementaldecoder("utf-8")()

    def until(text):
        nonlocal drawn
        while text not in drawn:
            assert select.select([terminal], [], [], AT_MOST)[0], f"{text} was not drawn:\n{drawn}"
            drawn += decoder.decode(os.read(terminal, 1 << 16))

    try:
        for step in (1, 2):
            (tmp_path / str(step)).touch()
            until(f"step {step}")
        assert "the next line" not in drawn and "Completed" not in drawn and "Running" in drawn
        (tmp_path / "end").touch()
        until("the next line")
        assert shows.wait(AT_MOST) == 0
    finally:
        shows.kill()
        os.close(terminal)
    screens = re.split("\x1b\\[\\d+A\r\x1b\\[J", drawn)  # each is drawn over the one before
    assert len(screens) >= 3 and all(f"widgets / {run.id}" in screen for screen in screens)
    assert "step 1" in screens[-1] and "step 2" in screens[-1] and "Completed" in screens[-1]
    assert all(len(line) < 80 for screen in screens for line in screen.splitlines())


def test_in_a_notebook(run, monkeypatch):
    shown = []
    handle = types.SimpleNamespace(update=shown.append)
    display = types.SimpleNamespace(HTML=str, display=lambda content, display_id: shown.append(content) or handle)
    ipython = types.SimpleNamespace(get_ipython=lambda: types.SimpleNamespace(kernel=object()), display=display)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    RunDetails(run).show()
    assert len(shown) == 1 and "<svg" in shown[0] and "&lt;b&gt;no&lt;/b&gt;" in shown[0] and "<b>no</b>" not in shown[0]


def test_it_goes_on_until_the_run_is_over(monkeypatch):
    looks = iter([view(), view(reason="almost", log_name="l", log=["a", "b"]), view(status="Completed")])
    details = RunDetails.__new__(RunDetails)
    monkeypatch.setattr(RunDetails, "_look", lambda self: next(looks))
    monkeypatch.setattr("azureml.widgets._PAUSE", 0)
    assert [each.status for each in details._views()] == ["Running", "Running", "Completed"]


def test_text():
    lines = draw(view(metrics={"loss": 0.123456789, "name": "net"}, charts=[Chart("loss", [0, 1, 2], [3.0, 2.0, 1.0])], error="bad\nworse", log_name="l", log=["\x1b[31mred\t" + "x" * 200]), 60)
    assert lines[:3] == ["e / r1", "Running for 1 min 1 s", "http://h/#r1"]
    assert "  loss     0.12346  █▅▁" in lines
    assert {"bad", "worse", "l"} <= set(lines) and all(len(line) <= 60 for line in lines) and "\x1b" not in "".join(lines)
    assert spark(Chart("c", [0, 1], [1.0, 1.0]), 10) == "▁▁" and len(spark(Chart("c", [], [float(n) for n in range(1000)]), 40)) == 40
    assert [duration(each) for each in (None, 5, 3725)] == ["", " for 5 s", " for 1 h 2 min"]
    out = io.StringIO()
    screen = Screen(out)
    screen.show(view())
    screen.show(view(status="Completed"))
    assert re.findall("\x1b\\[(\\d+)A", out.getvalue()) == ["3"] and out.getvalue().count("e / r1") == 2


def test_html():
    charts = [Chart("a'b<c", [0, 5, 10], [1.0, 3.0, 2.0]), Chart("flat", [7], [1.0])]
    text = page(view(status="Failed", experiment="<e>", reason="it's", error="<x>", metrics={"<m>": 1.5}, charts=charts, log_name="l", log=["<script>alert(1)</script>"]))
    assert "<script" not in text and "<x>" not in text
    root = xml.etree.ElementTree.fromstring(text)  # well-formed
    lines = [each.get("points") for each in root.iter("polyline")]
    assert lines == ["52.0,138.0 182.0,24.0 312.0,81.0", "182.0,81.0"]
    assert {"a'b<c", "3", "1", "0", "10"} <= {each.text for each in root.iter("text")}


def test_only_runs_of_the_server():
    with pytest.raises(UserErrorException, match="not str"):
        RunDetails("r1")
