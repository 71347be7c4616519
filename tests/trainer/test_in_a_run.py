"""The trainer as a run of the server: the component's metrics arrive while it trains, and its model is registered."""

import os

import numpy
import pytest
from harness import BINARY
from PIL import Image

PROGRAM = os.environ.get("ROOST_TRAINER")
pytestmark = pytest.mark.skipif(not PROGRAM or not BINARY, reason="needs ROOST_TRAINER and ROOST_BINARY")

JOB = """set -e
"$TRAINER" convert-image-directory --input-path images --output-path all
"$TRAINER" split-image-directory --src-path all --tgt-train-path train --tgt-test-path valid --fraction 0.75
"$TRAINER" resnet --model-name resnet18 --pretrained False --untrained-model-path net
"$TRAINER" train --untrained-model-path net --train-data-path train --valid-data-path valid --trained-model-path outputs/model --epochs 3 --batch-size 4
"""


def test_metrics_and_model_of_a_run(server, project):
    draw = numpy.random.default_rng(1)
    src = project({"job.sh": JOB})
    for name in ("a", "b"):
        (src / "images" / name).mkdir(parents=True)
        for n in range(8):
            Image.fromarray(draw.integers(0, 256, (33, 33, 3)).astype(numpy.uint8)).save(src / f"images/{name}/{n}.png")
    server.roost("submit", "--folder", str(src), "--env", f"TRAINER={PROGRAM}", "--experiment", "native", "--watch", "--command", "bash job.sh")
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
    server.roost("models", "register", "native", "--run", run, "--path", "outputs/model")
    assert server.client.get("/models/native/versions/1")["name"] == "native"
