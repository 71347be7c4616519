"""Submits pytorch_train.py to a cluster, waits for it, and registers the model.

    python submit.py [--data_dir FOLDER] [--epochs 30]

config.json in the current folder or above says which server. FOLDER is a path on the server's machine.
"""

import argparse
import pathlib

from azureml.core import Environment, Experiment, ScriptRunConfig, Workspace
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.compute_target import ComputeTargetException

HERE = pathlib.Path(__file__).resolve().parent


def cluster(ws, name="gpu-cluster", size="STANDARD_NC6"):
    try:
        return ComputeTarget(ws, name)
    except ComputeTargetException:
        made = ComputeTarget.create(ws, name, AmlCompute.provisioning_configuration(vm_size=size, max_nodes=4))
        made.wait_for_completion(show_output=True)
        return made


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data_dir")
    parser.add_argument("--epochs", type=int, default=30)
    args = parser.parse_args()
    ws = Workspace.from_config()
    arguments = ["--num_epochs", args.epochs, "--output_dir", "./outputs"]
    arguments += ["--data_dir", args.data_dir] if args.data_dir else []
    config = ScriptRunConfig(str(HERE), script="pytorch_train.py", arguments=arguments, compute_target=cluster(ws),
                             environment=Environment.get(ws, "AzureML-PyTorch-1.6-GPU"))  # fmt: skip
    run = Experiment(ws, "pytorch-birds").submit(config)
    run.wait_for_completion(show_output=True)
    model = run.register_model("pytorch-birds", model_path="outputs/model.pt", tags={"best_val_acc": f"{run.get_metrics()['best_val_acc']:.4f}"})
    print(f"registered {model.name} version {model.version}")


if __name__ == "__main__":
    main()
