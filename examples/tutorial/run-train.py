"""Part 2: a network is trained in an environment that has PyTorch."""

from azureml.core import Experiment, ScriptRunConfig, Workspace

if __name__ == "__main__":
    ws = Workspace.from_config()
    config = ScriptRunConfig(source_directory="./src", script="train.py", compute_target="local")
    # The server takes what is current for this old name.
    config.run_config.environment = ws.environments["AzureML-PyTorch-1.6-CPU"]
    run = Experiment(ws, "tutorial-train").submit(config)
    print(run.get_portal_url())
    run.wait_for_completion(show_output=True)
    print("loss:", run.get_metrics()["loss"])
