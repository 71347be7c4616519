"""One rank of PyTorch's own DistributedDataParallel, the measure for roost-trainer's: started by test_data_parallel.py with the plan as JSON."""

import json
import pathlib
import sys

import numpy
import torch
from PIL import Image
from reference_models import make
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DistributedSampler


def shuffled(count: int, seed: int, epoch: int) -> list[int]:
    """The trainer's order of an epoch: Fisher and Yates with Philox 4x32-10, key seed, counter (block, epoch, 2^64 - 1)."""
    mask = 0xFFFFFFFF

    def words():
        block = 0
        while True:
            c, k = [block, epoch, mask, mask], [seed & mask, seed >> 32]
            for _ in range(10):
                a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
                c = [(b >> 32) ^ c[1] ^ k[0], b & mask, (a >> 32) ^ c[3] ^ k[1], a & mask]
                k = [(k[0] + 0x9E3779B9) & mask, (k[1] + 0xBB67AE85) & mask]
            yield from c
            block += 1

    word = words()
    order = list(range(count))
    for left in range(count, 1, -1):
        drawn = next(word) | next(word) << 32
        while drawn < (1 << 64) % left:
            drawn = next(word) | next(word) << 32
        order[left - 1], order[drawn % left] = order[drawn % left], order[left - 1]
    return order


def load(folder: pathlib.Path, classes: list[str]):
    lines = [json.loads(line) for line in (folder / "images.lst").read_text().splitlines()]
    pixels = [numpy.array(Image.open(folder / line["image_info"]["file_name"]).convert("RGB")) for line in lines]
    images = torch.stack([torch.from_numpy(image).permute(2, 0, 1) for image in pixels]).float().div(255).sub(0.5).div(0.5)
    return images, torch.tensor([classes.index(line["category"]) for line in lines])


def clip(gradients: list[torch.Tensor], limit: float) -> None:
    """torch.nn.utils.clip_grad_norm_, but with the factor in double precision as the trainer has it, so that results can be compared to the bit."""
    factor = limit / (torch.nn.utils.get_total_norm(gradients).item() + 1e-6)
    if factor < 1:
        torch._foreach_mul_(gradients, factor)


def train(plan: dict, world: int, rank: int) -> dict:
    images, targets = load(pathlib.Path(plan["train"]), plan["classes"])
    torch.manual_seed(1)
    network = make("resnet18", len(plan["classes"]))
    model = DistributedDataParallel(network)
    steps = torch.optim.SGD(network.parameters(), lr=1, momentum=0.9, nesterov=True, weight_decay=1e-4, fused=True)
    losses = []
    for epoch in range(plan["epochs"]):
        rate = 1e-7 + (plan["rate"] * world - 1e-7) * (1 - epoch / plan["epochs"]) ** 2
        for group in steps.param_groups:
            group["lr"] = rate
        order = shuffled(len(images), 1, epoch)
        shard = [order[i] for i in DistributedSampler(order, world, rank, shuffle=False)]
        batches = [shard[i : i + plan["batch"]] for i in range(0, len(shard) - plan["batch"] + 1, plan["batch"])]
        total = torch.zeros((), dtype=torch.double)
        for n, batch in enumerate(batches, 1):
            ends = n % plan["accumulate"] == 0 or n == len(batches)
            model.require_backward_grad_sync = ends  # what no_sync() sets
            loss = torch.nn.functional.cross_entropy(model(images[batch]), targets[batch])
            total += loss.detach()
            (loss / plan["accumulate"]).backward()
            if ends:
                if plan["clip"]:
                    clip([parameter.grad for parameter in network.parameters()], plan["clip"])
                steps.step()
                steps.zero_grad()
        torch.distributed.all_reduce(total)
        losses.append(total.item() / len(batches) / world)
    return {"losses": losses, "state_dict": network.state_dict()}


def main() -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo")
    rank = torch.distributed.get_rank()
    for plan in json.loads(sys.argv[1]):
        outcome = train(plan, torch.distributed.get_world_size(), rank)
        if rank == 0:
            torch.save(outcome, plan["output"])
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
