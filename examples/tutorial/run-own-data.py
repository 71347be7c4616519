"""Part 3: data of your own. The folder ./data goes to the server once; the run reads it from there.

`python train.py` in src/ (part 2 on this machine) has filled ./data with CIFAR-10.
"""

from azureml.core import Dataset, Experiment, ScriptRunConfig, Workspace

if __name__ == "__main__":
    ws = Workspace.from_config()
    datastore = ws.get_default_datastore()
    datastore.upload(src_dir="./data/cifar-10-batches-py", target_path="datasets/cifar10/cifar-10-batches-py", overwrite=True)
    dataset = Dataset.File.from_files(path=(datastore, "datasets/cifar10")).register(ws, "cifar10", create_new_version=True)

    config = ScriptRunConfig(
        source_directory="./src",
        script="train.py",
        compute_target="local",
        arguments=["--data_path", dataset.as_named_input("pictures").as_mount(), "--no_download", "--learning_rate", 0.03, "--momentum", 0.92],
    )
    config.run_config.environment = ws.environments["AzureML-PyTorch-1.6-CPU"]
    run = Experiment(ws, "tutorial-own-data").submit(config)
    print(run.get_portal_url())
    run.wait_for_completion(show_output=True)
    model = run.register_model("cifar-net", model_path="outputs/cifar_net.pt")
    print(f"registered {model.name} version {model.version}")
