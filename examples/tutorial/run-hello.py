"""Part 1: a script runs on the server."""

from azureml.core import Experiment, ScriptRunConfig, Workspace

if __name__ == "__main__":
    ws = Workspace.from_config()
    config = ScriptRunConfig(source_directory="./src", script="hello.py", compute_target="local")
    run = Experiment(ws, "tutorial-hello").submit(config)
    print(run.get_portal_url())
    run.wait_for_completion(show_output=True)
