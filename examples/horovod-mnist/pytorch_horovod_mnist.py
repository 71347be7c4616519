"""Handwritten digits with Horovod: every process trains on its share of MNIST, Horovod averages the gradients.

    python pytorch_horovod_mnist.py --epochs 2                          one process
    horovodrun -np 2 python pytorch_horovod_mnist.py --epochs 2         two processes on this machine

Needs torch, torchvision and Horovod. MNIST is read from `--data_dir`, and downloaded into it where it is not there. Rank 0
logs metrics to the run and writes model.pt to the output folder.
"""

import argparse
import os
import sys

import torch
from azureml.core import Run
from torch import nn
from torch.utils.data import DataLoader, DistributedSampler
from torchvision import datasets, transforms

try:
    import horovod.torch as hvd
except ImportError as error:
    sys.exit(
        f"Horovod is not in this environment ({error}). It is compiled against the environment's PyTorch: name torch, cmake and "
        "then horovod in the environment's packages on a machine with a C++ compiler and MPI or Gloo. Without it, "
        "DistributedDataParallel does the same: examples/distributed-pytorch."
    )


def make_model():
    return nn.Sequential(
        nn.Conv2d(1, 10, 5), nn.MaxPool2d(2), nn.ReLU(),
        nn.Conv2d(10, 20, 5), nn.MaxPool2d(2), nn.ReLU(),
        nn.Flatten(), nn.Linear(320, 50), nn.ReLU(), nn.Linear(50, 10),
    )  # fmt: skip


@torch.no_grad()
def evaluate(model, loader, device):
    """Mean loss and accuracy over all processes' shares."""
    model.eval()
    sums = torch.zeros(3)
    for images, labels in loader:
        scores = model(images.to(device)).cpu()
        sums += torch.tensor([nn.functional.cross_entropy(scores, labels, reduction="sum"), (scores.argmax(1) == labels).sum(), len(labels)])
    loss, right, count = hvd.allreduce(sums, op=hvd.Sum, name="test").tolist()
    return loss / count, right / count


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch_size", type=int, default=64, help="of each process")
    parser.add_argument("--learning_rate", type=float, default=0.01, help="of one process; multiplied by their number")
    parser.add_argument("--data_dir", default="./data")
    parser.add_argument("--output_dir", default="./outputs")
    args = parser.parse_args()

    hvd.init()
    device = torch.device("cuda", hvd.local_rank()) if torch.cuda.is_available() else torch.device("cpu")
    if device.type == "cuda":
        torch.cuda.set_device(device)
    torch.manual_seed(0)
    run = Run.get_context() if hvd.rank() == 0 else None
    print(f"process {hvd.rank()} of {hvd.size()} on {device}", flush=True)

    prepare = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
    # Each machine's first process downloads; the others begin to read when it is done.
    if hvd.local_rank() == 0:
        datasets.MNIST(args.data_dir, download=True)
    hvd.allreduce(torch.zeros(1), name="downloaded")
    shares = [datasets.MNIST(args.data_dir, train=part, transform=prepare) for part in (True, False)]
    samplers = [DistributedSampler(share, num_replicas=hvd.size(), rank=hvd.rank(), shuffle=part) for part, share in zip((True, False), shares)]
    training, test = (DataLoader(share, args.batch_size, sampler=sampler) for share, sampler in zip(shares, samplers))

    model = make_model().to(device)
    optimizer = torch.optim.SGD(model.parameters(), args.learning_rate * hvd.size(), momentum=0.5)
    hvd.broadcast_parameters(model.state_dict(), root_rank=0)
    hvd.broadcast_optimizer_state(optimizer, root_rank=0)
    optimizer = hvd.DistributedOptimizer(optimizer, named_parameters=model.named_parameters())

    for epoch in range(1, args.epochs + 1):
        samplers[0].set_epoch(epoch)
        model.train()
        for step, (images, labels) in enumerate(training):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(images.to(device)), labels.to(device))
            loss.backward()
            optimizer.step()
            if run is not None and step % 10 == 0:
                run.log("loss", loss.item())
        test_loss, accuracy = evaluate(model, test, device)
        if run is not None:
            run.log("test_loss", test_loss)
            run.log("accuracy", accuracy)
            print(f"epoch {epoch}/{args.epochs}: test loss {test_loss:.4f}, accuracy {accuracy:.4f}", flush=True)
    if run is not None:
        os.makedirs(args.output_dir, exist_ok=True)
        torch.save(model.state_dict(), os.path.join(args.output_dir, "model.pt"))


if __name__ == "__main__":
    main()
