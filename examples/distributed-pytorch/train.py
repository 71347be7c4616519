"""DistributedDataParallel: every process trains on its share of the data, gradients are averaged.

    python train.py --epochs 5                                          one process
    torchrun --standalone --nproc_per_node 2 train.py --epochs 5        two processes on this machine

The processes find each other by MASTER_ADDR, MASTER_PORT, WORLD_SIZE, RANK and LOCAL_RANK, which the launcher sets; without
them this is the only process. The task needs no files: tell which way the stripes of a noisy picture run. Needs torch alone.

Rank 0 logs metrics to the run and writes model.pt to the output folder.
"""

import argparse
import os

import torch
import torch.distributed as dist
from azureml.core import Run
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

DIRECTIONS = 4


def stripes(count, seed, size=24, noise=0.8):
    """`count` pictures [1, size, size] of stripes under noise, and which of the directions each one has."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.randint(DIRECTIONS, (count,), generator=random)
    angles = labels * torch.pi / DIRECTIONS
    phases = torch.rand(count, generator=random) * 2 * torch.pi
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    along = x * angles.cos()[:, None, None] + y * angles.sin()[:, None, None]
    pictures = torch.sin(along + phases[:, None, None]) + noise * torch.randn(count, size, size, generator=random)
    return TensorDataset(pictures[:, None], labels)


def make_model():
    return nn.Sequential(
        nn.Conv2d(1, 16, 5, stride=2), nn.BatchNorm2d(16), nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2), nn.BatchNorm2d(32), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, DIRECTIONS),
    )  # fmt: skip


@torch.no_grad()
def accuracy(model, data):
    model.eval()
    pictures, labels = data.tensors
    device = next(model.parameters()).device
    return (model(pictures.to(device)).argmax(1).cpu() == labels).float().mean().item()


def train(args, rank, processes, device):
    torch.manual_seed(0)
    data, held_back = stripes(args.images, seed=1), stripes(256, seed=2)
    sampler = DistributedSampler(data)  # a different share for each rank
    loader = DataLoader(data, args.batch_size, sampler=sampler)
    model = DistributedDataParallel(make_model().to(device))
    optimizer = torch.optim.SGD(model.parameters(), args.learning_rate, momentum=0.9)
    loss_function = nn.CrossEntropyLoss()
    run = Run.get_context() if rank == 0 else None

    for epoch in range(1, args.epochs + 1):
        sampler.set_epoch(epoch)
        model.train()
        total = torch.zeros(1, device=device)
        for pictures, labels in loader:
            loss = loss_function(model(pictures.to(device)), labels.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach()
        dist.all_reduce(total)  # of all processes
        if rank == 0:
            loss, right = total.item() / (len(loader) * processes), accuracy(model.module, held_back)
            run.log("loss", loss)
            run.log("accuracy", right)
            print(f"epoch {epoch}/{args.epochs}: loss {loss:.4f}, accuracy {right:.4f}", flush=True)
    if rank == 0:
        os.makedirs(args.output_dir, exist_ok=True)
        torch.save(model.module.state_dict(), os.path.join(args.output_dir, "model.pt"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch_size", type=int, default=32, help="of each process")
    parser.add_argument("--learning_rate", type=float, default=0.05)
    parser.add_argument("--images", type=int, default=1024)
    parser.add_argument("--output_dir", default="./outputs")
    parser.add_argument("--local_rank", type=int, help="for launchers that pass it; LOCAL_RANK comes first")
    args = parser.parse_args()

    for name, value in (("MASTER_ADDR", "127.0.0.1"), ("MASTER_PORT", "0"), ("WORLD_SIZE", "1"), ("RANK", "0")):
        os.environ.setdefault(name, value)
    local_rank = int(os.environ.get("LOCAL_RANK", args.local_rank or 0))
    has_gpu = torch.cuda.is_available()
    device = torch.device("cuda", local_rank) if has_gpu else torch.device("cpu")
    if has_gpu:
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if has_gpu else "gloo")
    rank, processes = dist.get_rank(), dist.get_world_size()
    print(f"process {rank} of {processes} on {device}", flush=True)

    train(args, rank, processes, device)
    # All are here and nothing uses the group any more: none leaves while another still speaks to it.
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
