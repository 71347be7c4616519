"""The trainer as a run of the server: the component's metrics arrive while it trains, and its model is registered."""

import os

import numpy
import pytest
from harness import BINARY
from PIL import Image

PROGRAM = os.environ.get("ROOST_TRAINER")
pytestmark = pytest.mark.skipif(not PROGRAM or not BINARY, reason="needs ROOST_TRAINER and ROOST_BINARY")

JOB = """set -e
roost-trainer convert-image-directory --input-path images --output-path all
roost-trainer split-image-directory --src-path all --tgt-train-path train --tgt-test-path valid --fraction 0.75
roost-trainer resnet --model-name resnet18 --pretrained False --untrained-model-path net
roost-trainer train --untrained-model-path net --train-data-path train --valid-data-path valid --trained-model-path outputs/model --epochs 3 --batch-size 4
roost-trainer score --trained-model outputs/model --dataset valid --scored-dataset scores
roost-trainer evaluate --scored-dataset scores --output-path outputs/evaluation
"""


def entries(server, run, name):
    return server.client.get(f"/runs/{run}/metrics/entries", name=name)["items"]


def test_metrics_and_model_of_a_run(server, project):
    draw = numpy.random.default_rng(1)
    src = project({"job.sh": JOB})
    for name in ("a", "b"):
        (src / "images" / name).mkdir(parents=True)
        for n in range(8):
            Image.fromarray(draw.integers(0, 256, (33, 33, 3)).astype(numpy.uint8)).save(src / f"images/{name}/{n}.png")
    server.roost("submit", "--folder", str(src), "--experiment", "native", "--watch", "--command", "bash job.sh")
    run = server.client.get("/runs", experiment="native")["items"][0]["run_id"]
    assert server.run(run)["status"] == "Completed"
    for name in ("lr", "train_loss", "train_error", "valid_loss", "top1_acc", "top5_acc", "train_ips"):
        points = server.client.get(f"/runs/{run}/metrics/history", name=name)["points"]
        assert [point["step"] for point in points] == [1, 2, 3], name
    summaries = {item["name"]: item for item in server.client.get(f"/runs/{run}/metrics")["items"]}
    for name in ("learning rate", "Train images per second", "Train loss", "Train error", "Valid loss", "Top-1 validation accuracy", "Top-5 validation accuracy"):
        assert name in summaries, sorted(summaries)
    files = {item["path"] for item in server.client.get(f"/runs/{run}/files")["items"]}
    assert {"outputs/model/model", "outputs/model/model_spec.yaml", "outputs/model/_meta.yaml"} <= files

    wrong = len([path for path in files if path.startswith("outputs/misclassified/")])
    matrix = entries(server, run, "Validation confusion matrix")[0]["value"]
    assert matrix["schema_type"] == "confusion_matrix" and matrix["data"]["class_labels"] == ["a", "b"]
    counts = matrix["data"]["matrix"]
    assert sum(map(sum, counts)) == 4 and counts[0][1] + counts[1][0] == wrong
    accuracy = server.client.get(f"/runs/{run}/metrics/history", name="Overall_Accuracy")["points"][0]["value"]
    assert accuracy == (4 - wrong) / 4
    if wrong:
        first = entries(server, run, "Misclassified images")[0]
        assert first["value"]["path"] == "outputs/misclassified/01.png" and "taken for" in first["description"]

    server.roost("models", "register", "native", "--run", run, "--path", "outputs/model")
    assert server.client.get("/models/native/versions/1")["name"] == "native"
