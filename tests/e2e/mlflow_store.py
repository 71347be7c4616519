"""What a real MLflow client writes, in each of the forms that MLflow keeps: run with the interpreter that has it.

    python mlflow_store.py <tracking uri>          writes experiments, runs, models
    python mlflow_store.py <tracking uri> --bulk RUNS POINTS
"""

import sys

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelInput, LoggedModelOutput, Metric, Param, RunTag


def write_runs(client: MlflowClient, experiment: str) -> tuple[str, str]:
    parent = client.create_run(experiment, run_name="parent", tags={"stage": "one", "mlflow.note.content": "What it is about."}).info.run_id
    client.log_batch(
        parent,
        metrics=[Metric("loss", 1 / (step + 1), 1_700_000_000_000 + step, step) for step in range(700)],
        params=[Param("lr", "0.1"), Param("text", "a 'quoted' text, with ümläuts\nand a second line")],
        tags=[RunTag("mlflow.source.name", "train.py"), RunTag("mlflow.user", "ada")],
    )
    for value in (float("nan"), float("inf"), float("-inf"), -0.5):
        client.log_metric(parent, "odd", value, timestamp=1_700_000_000_500, step=-3)
    client.log_text(parent, "hello", "notes/a.txt")
    client.log_text(parent, "weights " * 1000, "weights/w.bin")
    child = client.create_run(experiment, run_name="child", tags={"mlflow.parentRunId": parent}).info.run_id
    client.set_terminated(child, "FAILED")
    client.set_terminated(parent)
    client.create_run(experiment, run_name="still running")
    gone = client.create_run(experiment, run_name="gone").info.run_id
    client.log_metric(gone, "loss", 0.25, timestamp=1_700_000_000_000, step=1)
    client.log_text(gone, "kept", "kept.txt")
    client.delete_run(gone)
    return parent, child


def write_models(client: MlflowClient, experiment: str, run_id: str) -> None:
    model = client.create_logged_model(experiment, name="net", source_run_id=run_id, model_type="torch", tags={"a": "b"}, params={"depth": "2"})
    client.log_metric(run_id, "acc", 0.5, timestamp=1_700_000_001_000, step=1, model_id=model.model_id, dataset_name="digits", dataset_digest="d1")
    client.finalize_logged_model(model.model_id, "READY")
    client.log_inputs(
        run_id,
        [DatasetInput(Dataset("digits", "d1", "local", "/data", schema='{"a": 1}'), [InputTag("mlflow.data.context", "training")])],
        [LoggedModelInput(model.model_id)],
    )
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, 3)])
    client.create_registered_model("net", tags={"team": "vision"}, description="The net.")
    client.create_model_version("net", f"models:/{model.model_id}", run_id=run_id, tags={"checked": "yes"}, description="First.", model_id=model.model_id)
    uri = client.get_run(run_id).info.artifact_uri
    client.create_model_version("net", f"{uri}/weights", run_id=run_id)
    client.set_registered_model_alias("net", "champion", "2")
    client.transition_model_version_stage("net", "1", "Production")
    client.create_registered_model("empty")


def write_all(uri: str) -> None:
    client = MlflowClient(uri)
    experiment = client.create_experiment("vision", tags={"team": "a", "mlflow.note.content": "About pictures."})
    parent, _ = write_runs(client, experiment)
    write_models(client, experiment, parent)
    client.create_run("0", run_name="of Default")
    deleted = client.create_experiment("deleted")
    client.create_run(deleted, run_name="deleted with its experiment")
    client.delete_experiment(deleted)


def write_bulk(uri: str, runs: int, points: int) -> None:
    client = MlflowClient(uri)
    experiment = client.create_experiment("bulk")
    for _ in range(runs):
        run = client.create_run(experiment).info.run_id
        client.log_batch(run, metrics=[Metric("loss", 1 / (step + 1), 1_700_000_000_000 + step, step) for step in range(points)])
        client.set_terminated(run)


if __name__ == "__main__":
    mlflow.set_tracking_uri(sys.argv[1])
    mlflow.set_registry_uri(sys.argv[1])
    if "--bulk" in sys.argv:
        write_bulk(sys.argv[1], int(sys.argv[3]), int(sys.argv[4]))
    else:
        write_all(sys.argv[1])
