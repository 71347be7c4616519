"""What a control script does, in the plainest form; run by test_pythons.py with every Python that this machine has.

    smoke_of_python.py FOLDER    # FOLDER has a config.json
"""

import importlib
import pathlib
import pkgutil
import sys
import warnings

warnings.simplefilter("error")  # what a new Python deprecates is found here first

import azureml  # noqa: E402
import roost  # noqa: E402

for package in (azureml, roost):
    for _, name, _ in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not name.endswith("__main__"):
            importlib.import_module(name)

from azureml.core import Dataset, Environment, Experiment, Model, Run, ScriptRunConfig, Workspace  # noqa: E402
from azureml.core.compute import AmlCompute, ComputeTarget  # noqa: E402
from azureml.core.conda_dependencies import CondaDependencies  # noqa: E402
from azureml.core.runconfig import PyTorchConfiguration, RunConfiguration  # noqa: E402
from azureml.data import OutputFileDatasetConfig  # noqa: E402
from azureml.exceptions import ComputeTargetException, UserErrorException  # noqa: E402

SCRIPT = """
import os, sys
from azureml.core import Run

run = Run.get_context()
assert not run.id.startswith("OfflineRun")
words, made = sys.argv[1:]
with open(os.path.join(words, "words.txt")) as file:
    count = len(file.read().split())
for step in range(3):
    run.log("count", count + step)
run.log_row("rows", x=1, y=2.5)
with open(os.path.join(made, "m.txt"), "w") as file:
    file.write("made")
os.makedirs("outputs", exist_ok=True)
with open("outputs/model.bin", "wb") as file:
    file.write(b"weights")
print("%d.%d says %d words" % (sys.version_info[0], sys.version_info[1], count))
"""


def main(folder):
    python = "%d.%d" % sys.version_info[:2]
    name = "py" + python.replace(".", "")
    ws = Workspace.from_config(str(folder))

    # Environments: conda files and folders there and back.
    dependencies = CondaDependencies.create(conda_packages=["numpy"], pip_packages=["torch==2.1.0"], python_version="3.10")
    file = dependencies.save_to_file(str(folder), "conda.yml")
    environment = Environment.from_conda_specification(name, str(folder / "conda.yml"))
    assert file and "torch==2.1.0" in list(environment.python.conda_dependencies.pip_packages)
    environment.save_to_directory(str(folder / "environment"))
    again = Environment.load_from_directory(str(folder / "environment"))
    assert again.python.conda_dependencies.serialize_to_string() == environment.python.conda_dependencies.serialize_to_string()
    assert environment.register(ws).version == "1" and name in ws.environments

    # Run configurations as YAML.
    config = RunConfiguration()
    config.script, config.environment_variables = "train.py", {"A": "1"}
    config.save(str(folder), name)
    assert RunConfiguration.load(str(folder), name).environment_variables == {"A": "1"}
    assert PyTorchConfiguration(process_count=2).process_count == 2

    # Data, a run with this interpreter, its results.
    (folder / "data").mkdir()
    (folder / "data" / "words.txt").write_text("one two three")
    store = ws.get_default_datastore()
    store.upload(str(folder / "data"), target_path=name, show_progress=False)
    words = Dataset.File.from_files((store, name)).register(ws, name, create_new_version=True)
    source = folder / "source"
    source.mkdir()
    (source / "train.py").write_text(SCRIPT)
    mine = Environment("mine")
    mine.python.user_managed_dependencies = True
    mine.python.interpreter_path = sys.executable
    made = OutputFileDatasetConfig("made", (store, name + "-made"))
    config = ScriptRunConfig(str(source), "train.py", [words.as_named_input("words").as_mount(), made], environment=mine)
    run = Experiment(ws, "pythons").submit(config, tags={"python": python})
    run.wait_for_completion(show_output=False)
    assert run.get_status() == "Completed", run.get_details()
    assert run.get_metrics() == {"count": [3, 4, 5], "rows": {"x": 1, "y": 2.5}}, run.get_metrics()
    assert python + " says 3 words" in run.get_details_with_logs()["logFiles"]["azureml-logs/70_driver_log.txt"]
    model = run.register_model(name, "outputs/model.bin")
    assert pathlib.Path(model.download(str(folder / "model"))).read_bytes() == b"weights"
    assert [found.version for found in Model.list(ws, name)] == [1]
    store.download(str(folder / "back"), name + "-made", show_progress=False)
    assert (folder / "back" / (name + "-made") / "m.txt").read_text() == "made"

    # Interactive, and what is refused.
    with Experiment(ws, "pythons").start_logging(snapshot_directory=None) as interactive:
        interactive.log("loss", 0.5)
        interactive.log_list("losses", [1, 2])
    assert interactive.get_metrics() == {"loss": 0.5, "losses": [1, 2]}
    assert Run.get_context().id.startswith("OfflineRun")
    cluster = ComputeTarget.create(ws, name + "-c", AmlCompute.provisioning_configuration("STANDARD_D2_V2", max_nodes=1))
    cluster.wait_for_completion()
    assert cluster.provisioning_state == "Succeeded"
    cluster.delete()
    for wrong, error in ((lambda: ComputeTarget(ws, "nowhere"), ComputeTargetException), (lambda: Environment.get(ws, "nowhere"), UserErrorException)):
        try:
            wrong()
        except error:
            continue
        raise AssertionError("nothing was raised")
    print("all is well with", python)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]).resolve())
