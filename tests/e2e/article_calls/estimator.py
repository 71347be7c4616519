"""The calls of "Train PyTorch with the estimator"; see articles.py."""

# ---
import os
import shutil

from azureml.core.workspace import Workspace
from azureml.core import Experiment
from azureml.core.compute import ComputeTarget, AmlCompute
from azureml.core.compute_target import ComputeTargetException
from azureml.train.dnn import PyTorch

# ---
ws = Workspace.from_config()
# ---
project_folder = "./pytorch-birds"
os.makedirs(project_folder, exist_ok=True)
wanted = "pytorch-birds"
experiment = Experiment(ws, name=wanted)
# ---
shutil.copy("pytorch_train.py", project_folder)
# ---
wanted = "gpucluster"
try:
    compute_target = ComputeTarget(workspace=ws, name=wanted)
except ComputeTargetException:
    settings = AmlCompute.provisioning_configuration(vm_size="STANDARD_NC6", max_nodes=4)
    compute_target = ComputeTarget.create(ws, wanted, settings)
    compute_target.wait_for_completion(show_output=True, min_node_count=None, timeout_in_minutes=20)
# ---
script_params = {"--num_epochs": 30, "--output_dir": "./outputs"}
estimator = PyTorch(source_directory=project_folder, script_params=script_params, compute_target=compute_target,
                    entry_script="pytorch_train.py", use_gpu=True, pip_packages=["pillow==5.4.1"])  # fmt: skip
# ---
run = experiment.submit(estimator)
run.wait_for_completion(show_output=True)
# ---
model = run.register_model(model_name="pt-dnn", model_path="outputs/")
# ---
os.makedirs("./model", exist_ok=True)
for path in run.get_file_names():
    if path.startswith("outputs/model"):
        copy = os.path.join("./model", path.split("/")[-1])
        run.download_file(name=path, output_file_path=copy)
# ---
from azureml.train.dnn import PyTorch

estimator = PyTorch(source_directory=project_folder, compute_target=compute_target, script_params=script_params, entry_script="script.py",
                    node_count=2, process_count_per_node=1, distributed_training=MpiConfiguration(), framework_version="1.13", use_gpu=True)  # fmt: skip
# ---
import torch
import horovod
