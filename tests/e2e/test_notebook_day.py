"""A day at a notebook: trying things out by hand, comparing, keeping the best, taking it elsewhere, improving it."""

from __future__ import annotations

import pathlib
import zipfile

import pytest
from PIL import Image

from azureml.core import Experiment, Model, Run, Workspace
from azureml.core.model import Model as ModelOfSubmodule
from azureml.widgets import RunDetails
from sdk.support import write_config


def train(rate: float) -> tuple[list[float], float]:
    """Least squares of y = 3x by gradient descent: losses, and the weight found."""
    weight, losses = 0.0, []
    for _ in range(20):
        error = weight - 3
        losses.append(error * error)
        weight -= rate * 2 * error
    return losses, weight


def test_a_day_at_a_notebook(desk, torch_server, monkeypatch, tmp_path, capsys):
    ws = Workspace.from_config()
    experiment = Experiment(ws, "notebook-day")
    pathlib.Path("analysis.py").write_text("print('kept with the run')\n")

    # An interactive run: values, lists, rows, tables, a picture, a file.
    run = experiment.start_logging(display_name="try")
    assert run.get_status() == "Running"
    for step, loss in enumerate(train(0.1)[0]):
        run.log("loss", loss, step=step)
    run.log_list("rates", [0.01, 0.1, 0.4])
    run.log_row("best so far", rate=0.1, loss=0.01)
    run.log_table("confusions", {"true": ["a", "b"], "count": [3, 4]})
    Image.new("RGB", (4, 3), "red").save("curve.png")
    run.log_image("curve", path="curve.png")
    run.log_confusion_matrix("matrix", {"schema_type": "confusion_matrix", "schema_version": "1.0.0",
                                        "data": {"class_labels": ["a", "b"], "matrix": [[3, 1], [0, 4]]}})  # fmt: skip
    run.upload_file("outputs/notes.txt", "analysis.py")
    run.tag("who", "me")

    # Child runs, one for each rate.
    for rate in (0.01, 0.1, 0.4):
        with run.child_run(f"rate {rate}") as child:
            losses, weight = train(rate)
            child.log("rate", rate)
            for loss in losses:
                child.log("loss", loss)
            child.log("final_loss", losses[-1])
            pathlib.Path("weights.txt").write_text(str(weight))
            child.upload_file("outputs/weights.txt", "weights.txt")
    run.complete()
    assert run.get_status() == "Completed"

    # Looked at, from the server's side.
    run = Run(experiment, run.id)
    metrics = run.get_metrics()
    assert len(metrics["loss"]) == 20 and metrics["rates"] == [0.01, 0.1, 0.4] and metrics["best so far"] == {"rate": 0.1, "loss": 0.01}
    assert metrics["confusions"] == {"true": ["a", "b"], "count": [3, 4]}
    (picture,) = [name for name in run.get_file_names() if name.endswith(".png")]
    run.download_file(picture, "back.png")
    assert Image.open("back.png").size == (4, 3)
    RunDetails(run).show()
    assert run.id in capsys.readouterr().out
    with zipfile.ZipFile(run.restore_snapshot(path="snapshot")) as snapshot:
        assert snapshot.read("analysis.py") == b"print('kept with the run')\n"

    # Compared.
    children = list(run.get_children())
    assert len(children) == 3 and {child.parent.id for child in children} == {run.id}
    by_child = run.get_metrics(name="final_loss", recursive=True)
    best_id = min((value["final_loss"], key) for key, value in by_child.items() if value)[1]
    best = next(child for child in children if child.id == best_id)
    assert best.get_metrics()["rate"] == 0.4
    shown = torch_server.roost("compare", *(child.id for child in children)).stdout
    assert any(line.lstrip().startswith("*") and "final_loss" in line for line in shown.splitlines()), shown
    found = torch_server.roost("runs", "--experiment", "notebook-day", "--filter", "metrics.final_loss < 0.001", "--all").stdout
    assert best.id in found or best.display_name in found

    # The best one is kept.
    model = best.register_model("line", model_path="outputs/weights.txt", tags={"rate": 0.4}, description="y = 3x")
    assert (model.version, model.tags["rate"], model.run_id) == (1, "0.4", best.id)

    # Elsewhere: another folder, another session.
    other = tmp_path / "elsewhere"
    write_config(other, torch_server)
    monkeypatch.chdir(other)
    there = Workspace.from_config()
    taken = Model(there, "line")
    file = pathlib.Path(taken.download("got"))
    assert abs(float((file if file.is_file() else next(file.rglob("weights.txt"))).read_text()) - 3) < 0.01
    assert taken.run.id == best.id and taken.description == "y = 3x"

    # A new version, made by hand; the first one stays as it was.
    pathlib.Path("exact.txt").write_text("3.0")
    second = ModelOfSubmodule.register(there, model_path="exact.txt", model_name="line", tags={"rate": "none"})
    assert second.version == 2 and Model(there, "line").version == 2
    assert [each.version for each in Model.list(there, name="line")] == [2, 1] and [each.version for each in Model.list(there, tags=[["rate", "0.4"]])] == [1]
    first = pathlib.Path(Model(there, "line", version=1).download("first"))
    assert (first if first.is_file() else next(first.rglob("weights.txt"))).read_text() != "3.0"
    with pytest.raises(Exception, match="line"):
        Model(there, "line", version=3)
