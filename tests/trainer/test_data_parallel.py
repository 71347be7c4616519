"""roost-trainer train as several processes. ROOST_TRAINER names the program."""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys

import pytest
import torch
from test_trainer import CLASSES, INTERRUPTED, PROGRAM, data, epochs, in_step, train_words, trainer, weights, write_images  # noqa: F401

pytestmark = pytest.mark.skipif(not PROGRAM, reason="ROOST_TRAINER names no roost-trainer")
TOLERANCE = 1e-6  # of each tensor of weights and buffers, at the end
DEAD_WITHIN = 240  # seconds; on a quiet machine about four


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(rank: int, world: int, port: int) -> dict[str, str]:
    return os.environ | {"RANK": str(rank), "WORLD_SIZE": str(world), "LOCAL_RANK": str(rank), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}


@contextlib.contextmanager
def started(commands: list[list], first_in_step=False):
    """One process a rank; what still runs at the end is killed."""
    port = free_port()
    ranks = []
    for rank, words in enumerate(commands):
        options = {"stderr": subprocess.PIPE, "env": environment(rank, len(commands), port)}
        if first_in_step and rank == 0:
            ranks.append(in_step(*words[1:], **options))
        else:
            ranks.append(subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE, text=True, **options))
    try:
        yield ranks
    finally:
        for process in ranks:
            process.kill()
            process.communicate()


def finish(ranks, timeout=600) -> list[tuple[int, str, str]]:
    ends = []
    for process in ranks:
        output, errors = process.communicate(timeout=timeout)
        ends.append((process.returncode, output, errors))
    return ends


def run(words, count=2, check=True) -> list[tuple[int, str, str]]:
    with started([[PROGRAM, *words]] * count) as ranks:
        ends = finish(ranks)
    assert not check or all(code == 0 for code, _, _ in ends), ends
    return ends


def until(process, text: str) -> None:
    for line in process.stdout:
        if text in line:
            return
    raise AssertionError(f"never said {text}: {process.stderr.read()}")


def last_weights(folder: pathlib.Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "last.pth", weights_only=True)["state_dict"]


def test_ranks_equal_pytorchs_distributed_data_parallel(data, tmp_path):  # noqa: F811
    # In the contiguous layout both compute by torch's own operations, so that rounding cannot grow.
    common = {"train": str(data / "train"), "classes": CLASSES, "epochs": 2, "batch": 7, "rate": 0.002}
    plans = [common | {"accumulate": 1, "clip": 0, "output": str(tmp_path / "plain.pth")}, common | {"accumulate": 2, "clip": 0.5, "output": str(tmp_path / "clipped.pth")}]
    reference = pathlib.Path(__file__).parent / "ddp_reference.py"
    with started([[sys.executable, reference, json.dumps(plans)]] * 2) as ranks:
        for n, plan in enumerate(plans):
            run(train_words(data, tmp_path / "m", "--epochs", plan["epochs"], "--batch-size", plan["batch"], "--learning-rate", plan["rate"], "--accumulate", plan["accumulate"],
                            "--clip-norm", plan["clip"], "--report", tmp_path / f"{n}.jsonl", "--checkpoint-folder", tmp_path / str(n), "--deterministic", "--channels-last", "false"))  # fmt: skip
        ends = finish(ranks)
    assert all(code == 0 for code, _, _ in ends), ends
    for n, plan in enumerate(plans):
        expected = torch.load(plan["output"], weights_only=True)
        for report, loss in zip(epochs(tmp_path / f"{n}.jsonl"), expected["losses"], strict=True):
            assert report["train_loss"] == pytest.approx(loss, rel=1e-6)
        found = last_weights(tmp_path / str(n))
        assert found.keys() == expected["state_dict"].keys()
        for name, tensor in expected["state_dict"].items():  # batch norms' buffers too
            error = (found[name].double() - tensor.double()).norm() / (tensor.double().norm() + 1e-12)
            assert error <= TOLERANCE, (plan, name, error)


def test_all_ranks_decide_alike_and_only_the_first_writes(data, tmp_path):  # noqa: F811
    for rank in (0, 1):
        (tmp_path / str(rank)).mkdir()
    commands = [[PROGRAM, *train_words(data, tmp_path / f"{rank}/m", "--epochs", "12", "--learning-rate", "0.2", "--patience", "1", "--report", tmp_path / f"{rank}/r.jsonl",
                                       "--checkpoint-folder", tmp_path / f"{rank}/c", "--ema", "0.5", "--mixup", "0.2")] for rank in (0, 1)]  # fmt: skip
    with started(commands) as ranks:
        ends = finish(ranks)
    assert [code for code, _, _ in ends] == [0, 0], ends
    assert "2 processes train together, with a learning rate of 0.2 x 2." in ends[0][1] and "Early stopped." in ends[0][1]
    assert ends[1][1] == ""
    assert list((tmp_path / "1").iterdir()) == []
    reports = epochs(tmp_path / "0/r.jsonl")
    assert reports[0]["learning_rate"] == pytest.approx(0.4)
    scored = trainer("score", "--trained-model", tmp_path / "0/m", "--dataset", data / "valid", "--scored-dataset", tmp_path / "scored")
    assert scored.returncode == 0
    best = max(reports, key=lambda report: report["top1_acc"])
    evaluated = trainer("evaluate", "--scored-dataset", tmp_path / "scored", "--output-path", tmp_path / "evaluation").stdout
    assert f"{best['top1_acc']:.6f}" in evaluated  # validation in shards judges each image once


def test_sigterm_of_one_rank_ends_all_and_they_go_on_exactly(data, tmp_path):  # noqa: F811
    def words(name):
        return train_words(data, tmp_path / name, "--epochs", "2", "--batch-size", "6", "--deterministic", "--print-frequency", "1", "--report", tmp_path / f"{name}.jsonl",
                           "--checkpoint-folder", tmp_path / f"c-{name}")  # fmt: skip

    run(words("whole"))
    with started([[PROGRAM, *words("m")]] * 2, first_in_step=True) as ranks:
        until(ranks[0], "Epoch: [1/2]\tIter: [1/4]")
        ranks[1].send_signal(signal.SIGTERM)
        ends = finish(ranks)
    assert [code for code, _, _ in ends] == [INTERRUPTED] * 2, ends
    assert not (tmp_path / "m/model").exists()
    alone = trainer(*words("m"), check=False)
    assert alone.returncode == 1 and "processes was 2 and is 1" in alone.stderr
    ends = run(words("m"))
    assert "Going on from the checkpoint at epoch 1, batch " in ends[0][1]
    assert weights(tmp_path / "m") == weights(tmp_path / "whole")
    whole, found = last_weights(tmp_path / "c-whole"), last_weights(tmp_path / "c-m")
    assert all(torch.equal(tensor, found[name]) for name, tensor in whole.items())
    assert epochs(tmp_path / "m.jsonl")[-1]["valid_loss"] == epochs(tmp_path / "whole.jsonl")[-1]["valid_loss"]


@pytest.mark.parametrize("killed", [0, 1])
def test_a_killed_rank_ends_all_and_is_named(data, tmp_path, killed):  # noqa: F811
    words = train_words(data, tmp_path / "m", "--epochs", "500", "--patience", "500", "--print-frequency", "1")
    with started([[PROGRAM, "--error-info", tmp_path / f"info{rank}", *words] for rank in (0, 1)]) as ranks:
        until(ranks[0], "Iter: [1/3]")
        ranks[killed].kill()
        code, _, errors = finish(ranks, timeout=DEAD_WITHIN)[1 - killed]
    assert code == 1 and "error 0072" in errors and f"Rank {killed} of 2" in errors
    assert json.loads((tmp_path / f"info{1 - killed}/error_info.json").read_text())["Exception"]["ErrorCode"] == 72


def test_a_rank_that_stands_still_is_named_within_the_limit(data, tmp_path):  # noqa: F811
    for limit in (2, 20, 200):  # again with more time where a rank is so slow that it is late by itself
        words = train_words(data, tmp_path / "m", "--epochs", "500", "--patience", "500", "--print-frequency", "1", "--process-group-timeout", limit)
        with started([[PROGRAM, *words]] * 2) as ranks:
            goes = any("Iter: [1/3]" in line for line in ranks[0].stdout)
            ranks[1].send_signal(signal.SIGSTOP)
            _, errors = ranks[0].communicate(timeout=limit + DEAD_WITHIN)
        if goes and "Rank 1 of 2" in errors:
            break
    assert goes and ranks[0].returncode == 1 and "Rank 1 of 2" in errors


def test_an_error_of_one_rank_is_told_by_all(data, tmp_path):  # noqa: F811
    good = train_words(data, tmp_path / "m")
    other = train_words(data, tmp_path / "m", "--momentum", "0.5")
    with started([[PROGRAM, *good], [PROGRAM, *other]]) as ranks:
        ends = finish(ranks, timeout=DEAD_WITHIN)
    assert [code for code, _, _ in ends] == [1, 1]
    for _, _, errors in ends:
        assert "momentum is 0.9" in errors and "in rank 1 it is 0.5" in errors
    assert "Rank 1 of 2 has ended" in ends[0][2]


@pytest.mark.skipif(torch.cuda.device_count() > 1, reason="two ranks have a GPU each here")
def test_all_train_on_one_kind_of_device(data, tmp_path):  # noqa: F811
    def words(device):
        return train_words(data, tmp_path / "m", "--epochs", "1", "--device", device)

    for device in ("cuda", "cuda:0"):
        for code, _, errors in run(words(device), check=False):
            assert code == 1 and "train on GPUs where each has one of its own, but rank " in errors and "--device cpu" in errors
    with started([[PROGRAM, *words("cpu")], [PROGRAM, *words("cuda")]]) as ranks:
        for code, _, errors in finish(ranks):
            assert code == 1 and "rank 1 wants a GPU and rank 0 the processor" in errors
    ends = run(words("auto"))
    assert "All processes train on processors: rank " in ends[0][1]
    ends = run(words("cpu"))
    assert "All processes train on processors.\n" in ends[0][1]


def test_half_a_group_is_refused(data, tmp_path):  # noqa: F811
    def refused(text, *words, **variables):
        done = trainer(*train_words(data, tmp_path / "m", *words), check=False, env=os.environ | variables)
        assert done.returncode == 1 and text in done.stderr, done.stderr

    refused("RANK is set but WORLD_SIZE is not", RANK="0")
    refused("OMPI_COMM_WORLD_SIZE is set but OMPI_COMM_WORLD_RANK is not", OMPI_COMM_WORLD_SIZE="2")
    refused("MASTER_ADDR is not set", RANK="0", WORLD_SIZE="2")
    refused("These ranks of 2 have not come to 127.0.0.1", "--process-group-timeout", "3", "--rank", "0", "--world-size", "2", "--master-addr", "127.0.0.1",
            "--master-port", str(free_port()))  # fmt: skip


def test_a_batch_above_a_shard_is_refused(data, tmp_path):  # noqa: F811
    for code, _, errors in run(train_words(data, tmp_path / "m", "--batch-size", "25"), check=False):
        assert code == 1 and "error 0007" in errors and "train data count of each of 2 processes value 24" in errors


def test_images_that_another_rank_cannot_read_count(data, tmp_path):  # noqa: F811
    write_images(tmp_path / "images", 8, seed=5)
    trainer("convert-image-directory", "--input-path", tmp_path / "images", "--output-path", tmp_path / "all")
    for broken in sorted((tmp_path / "all/image").glob("*.png"))[1::2]:
        broken.write_bytes(b"no image any more")
    words = train_words(data, tmp_path / "m", "--epochs", "1", "--batch-size", "1")
    words[words.index(data / "train")] = tmp_path / "all"
    for code, _, errors in run(words, check=False):
        assert code == 1 and "cannot be read" in errors
    # With a batch norm over one image: batches of one rank are then often empty, and none waits for ever.
    ends = run([*words, "--unreadable-images-limit", "1", "--random-resized-crop", "40"])
    assert ends[1][2].count("rank 1: An image is left out: ") > 0


def test_torchrun_launches_it(data, tmp_path):  # noqa: F811
    words = map(str, train_words(data, tmp_path / "m", "--epochs", "1"))
    done = subprocess.run([sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--no-python", PROGRAM, *words],
                          capture_output=True, text=True, timeout=600)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 processes train together" in done.stdout and (tmp_path / "m/model").exists()
