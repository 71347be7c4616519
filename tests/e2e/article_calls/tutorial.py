"""The calls of "Train your first machine learning model", with a network and a loop of our own; see articles.py."""

# ---
from torch import nn


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 8, 5, stride=2), nn.ReLU(), nn.Conv2d(8, 16, 5, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 25, 10)
        )
# ---
import torch
import torchvision
from model import Net

images = torchvision.datasets.CIFAR10(root="../data", train=True, download=True, transform=torchvision.transforms.ToTensor())
batches = torch.utils.data.DataLoader(images, batch_size=4, shuffle=True, num_workers=2)

if __name__ == "__main__":
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.001, momentum=0.9)
    for epoch in range(2):
        total = 0.0
        for step, (inputs, labels) in enumerate(batches, 1):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(net(inputs), labels)
            loss.backward()
            optimizer.step()
            total += loss.item()
            if step % 2000 == 0:
                print(f"epoch={epoch + 1}, batch={step:5}: loss {total / 2000:.2f}")
                total = 0.0
    print("Finished Training")
# ---
from azureml.core import Workspace
from azureml.core import Experiment
from azureml.core import Environment
from azureml.core import ScriptRunConfig

if __name__ == "__main__":
    ws = Workspace.from_config()
    experiment = Experiment(workspace=ws, name="day1-experiment-train")
    config = ScriptRunConfig(source_directory="./src", script="train.py", compute_target="cpu-cluster")
    config.run_config.environment = ws.environments["AzureML-PyTorch-1.6-CPU"]
    run = experiment.submit(config)
    aml_url = run.get_portal_url()
    print(aml_url)
# ---
import torch
import torchvision
from model import Net
from azureml.core import Run

run = Run.get_context()
images = torchvision.datasets.CIFAR10(root="./data", train=True, download=True, transform=torchvision.transforms.ToTensor())
batches = torch.utils.data.DataLoader(images, batch_size=4, shuffle=True, num_workers=2)

if __name__ == "__main__":
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.001, momentum=0.9)
    for epoch in range(2):
        total = 0.0
        for step, (inputs, labels) in enumerate(batches, 1):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(net(inputs), labels)
            loss.backward()
            optimizer.step()
            total += loss.item()
            if step % 2000 == 0:
                loss = total / 2000
                run.log("loss", loss)
                print(f"epoch={epoch + 1}, batch={step:5}: loss {loss:.2f}")
                total = 0.0
    print("Finished Training")
# ---
run = Run.get_context()
...
run.log("loss", loss)
