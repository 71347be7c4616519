"""The calls of "Train PyTorch models at scale"; see articles.py."""

# ---
import os
import shutil

from azureml.core.workspace import Workspace
from azureml.core import Experiment
from azureml.core import Environment
from azureml.core.compute import ComputeTarget, AmlCompute
from azureml.core.compute_target import ComputeTargetException

# ---
ws = Workspace.from_config()
# ---
project_folder = "./pytorch-birds"
os.makedirs(project_folder, exist_ok=True)
shutil.copy("pytorch_train.py", project_folder)
# ---
wanted = "gpu-cluster"
try:
    compute_target = ComputeTarget(workspace=ws, name=wanted)
except ComputeTargetException:
    settings = AmlCompute.provisioning_configuration(vm_size="STANDARD_NC6", max_nodes=4)
    compute_target = ComputeTarget.create(ws, wanted, settings)
    compute_target.wait_for_completion(show_output=True, min_node_count=None, timeout_in_minutes=20)
# ---
curated = "AzureML-PyTorch-1.6-GPU"
pytorch_env = Environment.get(workspace=ws, name=curated)
# ---
pytorch_env.save_to_directory(path=curated)
# ---
pytorch_env = Environment.from_conda_specification(name="pytorch-1.6-gpu", file_path="./conda_dependencies.yml")
# ---
pytorch_env = pytorch_env.clone(new_name="pytorch-1.6-gpu")
# ---
pytorch_env = Environment.from_conda_specification(name="pytorch-1.6-gpu", file_path="./conda_dependencies.yml")
pytorch_env.docker.enabled = True
pytorch_env.docker.base_image = "mcr.microsoft.com/azureml/openmpi3.1.2-cuda10.1-cudnn7-ubuntu18.04"
# ---
from azureml.core import ScriptRunConfig

src = ScriptRunConfig(source_directory=project_folder, script="pytorch_train.py", arguments=["--num_epochs", 30, "--output_dir", "./outputs"],
                      compute_target=compute_target, environment=pytorch_env)  # fmt: skip
# ---
run = Experiment(ws, name="Tutorial-pytorch-birds").submit(src)
run.wait_for_completion(show_output=True)
# ---
model = run.register_model(model_name="pytorch-birds", model_path="outputs/model.pt")
# ---
os.makedirs("./model", exist_ok=True)
run.download_file(name="outputs/model.pt", output_file_path="./model/model.pt")
# ---
from azureml.core import ScriptRunConfig
from azureml.core.runconfig import MpiConfiguration

src = ScriptRunConfig(source_directory=project_folder, script="pytorch_horovod_mnist.py", compute_target=compute_target,
                      environment=pytorch_env, distributed_job_config=MpiConfiguration(node_count=2))  # fmt: skip
# ---
from azureml.core import ScriptRunConfig
from azureml.core.runconfig import PyTorchConfiguration

curated = "AzureML-PyTorch-1.6-GPU"
pytorch_env = Environment.get(workspace=ws, name=curated)
distr_config = PyTorchConfiguration(process_count=4, node_count=2)
src = ScriptRunConfig(source_directory="./src", script="train.py", arguments=["--epochs", 25], compute_target=compute_target,
                      environment=pytorch_env, distributed_job_config=distr_config)  # fmt: skip
run = Experiment(ws, "experiment_name").submit(src)
# ---
from azureml.core import ScriptRunConfig
from azureml.core.runconfig import PyTorchConfiguration

curated = "AzureML-PyTorch-1.6-GPU"
pytorch_env = Environment.get(workspace=ws, name=curated)
distr_config = PyTorchConfiguration(node_count=2)
launch_cmd = ("python -m torch.distributed.launch --nproc_per_node 2 --nnodes 2 --node_rank $NODE_RANK --master_addr $MASTER_ADDR "
              "--master_port $MASTER_PORT --use_env train.py --epochs 50").split()  # fmt: skip
src = ScriptRunConfig(source_directory="./src", command=launch_cmd, compute_target=compute_target, environment=pytorch_env,
                      distributed_job_config=distr_config)  # fmt: skip
run = Experiment(ws, "experiment_name").submit(src)
