"""roost-trainer as its users run it: folders in, a trained model out. ROOST_TRAINER names the program."""

import csv
import hashlib
import io
import json
import math
import os
import pathlib
import resource
import signal
import socket
import subprocess

import numpy
import pytest
import torch
from PIL import Image
from reference_models import make

PROGRAM = os.environ.get("ROOST_TRAINER")
pytestmark = pytest.mark.skipif(not PROGRAM, reason="ROOST_TRAINER names no roost-trainer")

CLASSES = ("Zürich", "cat", "snow owl")  # in the order of their bytes, as the components sort them
SIDE = 40
INTERRUPTED = 75


def trainer(*words, check=True, **options):
    done = subprocess.run([PROGRAM, *map(str, words)], capture_output=True, text=True, timeout=600, **options)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def in_step(*words, **options) -> subprocess.Popen:
    """A training that is never more than a few lines of its log ahead of its reader, however long that one takes: the socket that
    its output goes into holds no more, and is read byte by byte."""
    ours, theirs = socket.socketpair()
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    with ours, theirs:
        process = subprocess.Popen([PROGRAM, *map(str, words)], stdout=theirs, text=True, **options)
        process.stdout = io.TextIOWrapper(ours.makefile("rb", buffering=0))
    process.stdout._CHUNK_SIZE = 1
    return process


def write_images(folder: pathlib.Path, count: int, seed: int = 0) -> None:
    """Class folders of PNG images; a class is a colour under noise."""
    draw = numpy.random.default_rng(seed)
    for index, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True)
        for n in range(count):
            pixels = draw.integers(0, 120, (SIDE, SIDE, 3))
            pixels[:, :, index] += 100
            Image.fromarray(pixels.astype(numpy.uint8)).save(folder / name / f"{n}.png")


@pytest.fixture(scope="session")
def data(tmp_path_factory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("trainer")
    write_images(folder / "images", 20)
    trainer("convert-image-directory", "--input-path", folder / "images", "--output-path", folder / "all")
    trainer("split-image-directory", "--src-path", folder / "all", "--tgt-train-path", folder / "train", "--tgt-test-path", folder / "valid", "--fraction", "0.8")
    trainer("resnet", "--untrained-model-path", folder / "net", "--model-name", "resnet18", "--pretrained", "False")
    return folder


def train_words(data, output, *more, train="train", valid="valid"):
    return ["train", "--untrained-model-path", data / "net", "--train-data-path", data / train, "--valid-data-path", data / valid,
            "--trained-model-path", output, "--epochs", "2", "--batch-size", "8", "--learning-rate", "0.01", *more]  # fmt: skip


def weights(folder: pathlib.Path) -> str:
    return hashlib.sha256((folder / "model").read_bytes()).hexdigest()


def epochs(report: pathlib.Path) -> list[dict]:
    return [event for event in map(json.loads, report.read_text().splitlines()) if event["event"] == "epoch"]


def as_tensor(path: pathlib.Path) -> torch.Tensor:
    return (torch.from_numpy(numpy.array(Image.open(path).convert("RGB"))).permute(2, 0, 1).float() / 255 - 0.5) / 0.5


@pytest.fixture(scope="session")
def trained(data) -> pathlib.Path:
    done = trainer(*train_words(data, data / "model", "--epochs", "3", "--report", data / "report.jsonl", "--deterministic"))
    (data / "log.txt").write_text(done.stdout)
    return data / "model"


def test_a_model_is_trained_scored_and_evaluated(data, trained):
    log = (data / "log.txt").read_text()
    for text in ("Dataset classes: Zürich, cat, snow owl", "Start building model.", "Epoch: [1/3]\tIter: [0/6]\tAvg_Time_Batch", "Epoch 3,train_ips: ", "Saving trained model"):
        assert text in log
    trainer("score", "--trained-model", trained, "--dataset", data / "valid", "--scored-dataset", data / "scored")
    rows = list(csv.DictReader(io.StringIO((data / "scored/_data.csv").read_text())))
    assert len(rows) == 12
    for row in rows:
        shares = [float(row[f"Scored Probabilities_{name}"]) for name in CLASSES]
        assert math.isclose(sum(shares), 1, abs_tol=1e-5)
        assert row["Scored Labels"] == CLASSES[shares.index(max(shares))]
    done = trainer("evaluate", "--scored-dataset", data / "scored", "--output-path", data / "evaluation")
    accuracy = sum(row["category"] == row["Scored Labels"] for row in rows) / len(rows)
    assert f"{accuracy:.6f}" in done.stdout and accuracy > 0.8


def test_python_reads_the_model_and_gives_the_same_probabilities(data, trained):
    state = torch.load(trained / "model", weights_only=True)
    network = make("resnet18", len(CLASSES)).eval()
    network.load_state_dict({name.removeprefix("model."): value for name, value in state.items()})
    trainer("score", "--trained-model", trained, "--dataset", data / "valid", "--scored-dataset", data / "scored-again")
    rows = list(csv.DictReader(io.StringIO((data / "scored-again/_data.csv").read_text())))
    lines = [json.loads(line) for line in (data / "valid/images.lst").read_text().splitlines()]
    with torch.no_grad():
        images = torch.stack([as_tensor(data / "valid" / line["image_info"]["file_name"]) for line in lines])
        expected = network(images).softmax(1)
    found = torch.tensor([[float(row[f"Scored Probabilities_{name}"]) for name in CLASSES] for row in rows])
    assert torch.allclose(found, expected, atol=1e-4)


def test_the_best_epoch_is_what_is_kept(data, trained):
    reports = epochs(data / "report.jsonl")
    best = max(reports, key=lambda report: report["top1_acc"])  # the first of equals
    assert [report["epoch"] for report in reports if report["best"]][-1] == best["epoch"]
    assert f"Saving trained model, of epoch {best['epoch']}." in (data / "log.txt").read_text()


def test_the_same_seed_gives_the_same_model_on_any_number_of_threads(data, trained, tmp_path):
    trainer(*train_words(data, tmp_path / "m", "--epochs", "3", "--deterministic", "--threads", "5"))
    assert weights(tmp_path / "m") == weights(trained)
    trainer(*train_words(data, tmp_path / "other", "--epochs", "3", "--deterministic", "--random-seed", "2"))
    assert weights(tmp_path / "other") != weights(trained)


@pytest.mark.parametrize("kill", [signal.SIGTERM, signal.SIGKILL])
def test_a_training_that_was_ended_goes_on_exactly(data, trained, tmp_path, kill):
    words = train_words(data, tmp_path / "m", "--epochs", "3", "--deterministic", "--print-frequency", "1", "--checkpoint-folder", tmp_path / "c", "--checkpoint-every", "1")
    words = list(map(str, words))
    for after in ("Epoch: [1/3]\tIter: [3/6]", "Epoch: [2/3]\tIter: [4/6]"):
        process = in_step(*words)
        for line in process.stdout:
            if after in line:
                process.send_signal(kill)
                break
        process.stdout.read()
        assert process.wait() == (INTERRUPTED if kill == signal.SIGTERM else -kill)
        assert not (tmp_path / "m" / "_meta.yaml").exists()
    done = trainer(*words, "--report", tmp_path / "report.jsonl")
    assert "Going on from the checkpoint at epoch" in done.stdout
    assert weights(tmp_path / "m") == weights(trained)
    last = epochs(tmp_path / "report.jsonl")[-1]
    reference = epochs(data / "report.jsonl")[-1]
    for name in ("train_loss", "train_error", "valid_loss", "top1_acc"):
        assert last[name] == reference[name]


def test_other_settings_do_not_go_on_from_a_checkpoint(data, tmp_path):
    trainer(*train_words(data, tmp_path / "m", "--epochs", "1", "--checkpoint-folder", tmp_path / "c"))
    done = trainer(*train_words(data, tmp_path / "m", "--epochs", "1", "--momentum", "0.5", "--checkpoint-folder", tmp_path / "c"), check=False)
    assert done.returncode == 1 and "momentum was 0.9" in done.stderr and "0.5" in done.stderr
    (tmp_path / "c/last.pth").write_bytes(b"rubbish")
    done = trainer(*train_words(data, tmp_path / "m", "--checkpoint-folder", tmp_path / "c"), check=False)
    assert done.returncode == 1 and "last.pth" in done.stderr


@pytest.mark.parametrize("words", [
    ("--schedule", "cosine"), ("--optimizer", "adamw"), ("--momentum", "0"), ("--weight-decay", "0.1"), ("--label-smoothing", "0.1"),
    ("--mixup", "0.4"), ("--ema", "0.5"), ("--clip-norm", "0.1"), ("--accumulate", "2"), ("--random-resized-crop", "32"), ("--warmup-epochs", "1"), ("--progressive-resolution", "32"),
])  # fmt: skip
def test_every_option_changes_the_training(data, tmp_path, words):
    last = []
    for more in ((), words):
        report = tmp_path / f"{len(more)}.jsonl"
        trainer(*train_words(data, tmp_path / "m", "--deterministic", "--report", report, *more))
        last.append((epochs(report)[-1]["train_loss"], epochs(report)[-1]["valid_loss"]))
    assert last[0] != last[1] and all(map(math.isfinite, last[1]))


def test_layouts_agree(data, tmp_path):
    losses = []
    for layout in ("true", "false"):
        trainer(*train_words(data, tmp_path / layout, "--epochs", "1", "--learning-rate", "0.0001", "--channels-last", layout, "--report", tmp_path / f"{layout}.jsonl"))
        losses.append(epochs(tmp_path / f"{layout}.jsonl")[0]["train_loss"])
    assert math.isclose(*losses, rel_tol=1e-3)


def notes(report: pathlib.Path) -> list[str]:
    return [event["message"] for event in map(json.loads, report.read_text().splitlines()) if event["event"] == "note"]


def test_images_grow_with_the_epochs_and_validation_sees_them_whole(data, tmp_path):
    words = train_words(data, tmp_path / "m", "--epochs", "3", "--deterministic", "--progressive-resolution", "32", "--progressive-share", "0.5")
    trainer(*words, "--report", tmp_path / "r.jsonl")
    assert notes(tmp_path / "r.jsonl") == ["Images of 32 x 32 pixels from epoch 1 on.", "Images of 40 x 40 pixels from epoch 3 on."]
    # What score computes from whole images is what the best epoch's validation told.
    trainer("score", "--trained-model", tmp_path / "m", "--dataset", data / "valid", "--scored-dataset", tmp_path / "scored")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "scored/_data.csv").read_text())))
    loss = -sum(math.log(float(row[f"Scored Probabilities_{row['category']}"])) for row in rows) / len(rows)
    best = [report for report in epochs(tmp_path / "r.jsonl") if report["best"]][-1]
    assert math.isclose(loss, best["valid_loss"], rel_tol=1e-4)

    words[words.index(tmp_path / "m")] = tmp_path / "again"
    words = [*map(str, words), "--checkpoint-folder", str(tmp_path / "c"), "--checkpoint-every", "1", "--print-frequency", "1"]
    process = in_step(*words)
    for line in process.stdout:
        if "Epoch: [2/3]\tIter: [1/6]" in line:
            process.send_signal(signal.SIGTERM)
            break
    process.stdout.read()
    assert process.wait() == INTERRUPTED
    trainer(*words)
    assert weights(tmp_path / "again") == weights(tmp_path / "m")
    refused = trainer(*train_words(data, tmp_path / "m", "--progressive-resolution", "64"), check=False)
    assert refused.returncode == 1 and "progressive resolution" in refused.stderr and "40" in refused.stderr


def test_a_cache_changes_nothing_but_the_time(data, tmp_path):
    words = ("--epochs", "1", "--deterministic", "--random-resized-crop", "32")
    cache = ("--cache", tmp_path / "cache")
    trainer(*train_words(data, tmp_path / "plain", *words))
    for name in ("first", "again"):
        trainer(*train_words(data, tmp_path / name, *words, *cache, "--report", tmp_path / f"{name}.jsonl"))
        assert weights(tmp_path / name) == weights(tmp_path / "plain")
    made = [note for note in notes(tmp_path / "first.jsonl") if note.startswith("Making the image cache")]
    assert len(made) == 2 and "of 48 images" in made[0] and "of 12 images" in made[1]
    assert notes(tmp_path / "again.jsonl") == []
    (tmp_path / "cache/training.images").write_bytes(b"something else")
    done = trainer(*train_words(data, tmp_path / "m", *words, *cache), check=False)
    assert done.returncode == 1 and "training.images is no image cache" in done.stderr


def test_winograd_trains_the_same_but_for_rounding(data, tmp_path):
    for name, more in (("plain", ()), ("winograd", ("--winograd",))):
        trainer(*train_words(data, tmp_path / name, "--batch-size", "24", "--learning-rate", "0.0001", "--deterministic", "--report", tmp_path / f"{name}.jsonl", *more))
    losses = [epochs(tmp_path / f"{name}.jsonl")[-1]["train_loss"] for name in ("plain", "winograd")]
    assert math.isclose(*losses, rel_tol=1e-3)
    if "avx512vl" in pathlib.Path("/proc/cpuinfo").read_text():  # elsewhere it would be slower and is not used
        assert weights(tmp_path / "plain") != weights(tmp_path / "winograd")


def test_the_systems_memory_gives_the_same_model(data, trained, tmp_path):
    trainer(*train_words(data, tmp_path / "m", "--epochs", "3", "--deterministic"), env={**os.environ, "ROOST_TRAINER_MEMORY": "system"})
    assert weights(tmp_path / "m") == weights(trained)


@pytest.mark.parametrize("wish, found", [(None, "passive"), ("active", "active")])
def test_threads_wait_passively_unless_told_otherwise(data, tmp_path, wish, found):
    environment = {name: value for name, value in os.environ.items() if name not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    if wish:
        environment["OMP_WAIT_POLICY"] = wish
    process = in_step(*train_words(data, tmp_path / "m", "--print-frequency", "1"), env=environment)
    try:
        assert process.stdout.readline()
        started_with = pathlib.Path(f"/proc/{process.pid}/environ").read_text()  # what OpenMP was loaded with
    finally:
        process.kill()
        process.communicate()
    assert f"OMP_WAIT_POLICY={found}" in started_with.split("\0")


@pytest.mark.parametrize("options, optimizer", [
    ((), lambda p: torch.optim.SGD(p, lr=1, momentum=0.9, nesterov=True, weight_decay=1e-4)),
    (("--optimizer", "adamw", "--weight-decay", "0.01"), lambda p: torch.optim.AdamW(p, lr=1, weight_decay=0.01)),
    (("--label-smoothing", "0.1", "--clip-norm", "0.5"), lambda p: torch.optim.SGD(p, lr=1, momentum=0.9, nesterov=True, weight_decay=1e-4)),
])  # fmt: skip
def test_a_training_equals_pytorchs_own_loop(data, tmp_path, options, optimizer):
    """One batch an epoch, so that the order of the images does not matter; the same first weights by the same seed."""
    count, last = 48, 4
    trainer(*train_words(data, tmp_path / "m", "--epochs", last, "--batch-size", count, "--learning-rate", "0.001", "--warmup-epochs", "1", "--report", tmp_path / "r.jsonl", *options))
    torch.manual_seed(1)
    network = make("resnet18", len(CLASSES))
    lines = [json.loads(line) for line in (data / "train/images.lst").read_text().splitlines()]
    assert len(lines) == count
    images = torch.stack([as_tensor(data / "train" / line["image_info"]["file_name"]) for line in lines])
    targets = torch.tensor([CLASSES.index(line["category"]) for line in lines])
    steps = optimizer(network.parameters())
    for epoch, report in enumerate(epochs(tmp_path / "r.jsonl")):
        rate = 1e-4 if epoch < 1 else 1e-7 + (0.001 - 1e-7) * (1 - (epoch - 1) / (last - 1)) ** 2
        assert math.isclose(report["learning_rate"], rate, rel_tol=1e-9)
        for group in steps.param_groups:
            group["lr"] = rate
        logits = network(images)
        loss = torch.nn.functional.cross_entropy(logits, targets, label_smoothing=0.1 if "--label-smoothing" in options else 0)
        assert math.isclose(report["train_loss"], loss.item(), rel_tol=2e-3)
        steps.zero_grad()
        loss.backward()
        if "--clip-norm" in options:
            torch.nn.utils.clip_grad_norm_(network.parameters(), 0.5)
        steps.step()


# --- Bad input ---


def test_unreadable_images_are_left_out_and_named(data, tmp_path):
    write_images(tmp_path / "images", 12, seed=5)
    trainer("convert-image-directory", "--input-path", tmp_path / "images", "--output-path", tmp_path / "all")
    broken = sorted((tmp_path / "all/image").glob("*.png"))[3]
    broken.write_bytes(b"no image any more")
    words = train_words(data, tmp_path / "m", "--epochs", "1")
    words[words.index(data / "train")] = tmp_path / "all"
    done = trainer(*words)
    assert done.stdout.count(f"An image is left out: {broken}") <= 1
    refused = trainer(*words, "--unreadable-images-limit", "0", check=False)
    assert refused.returncode == 1 and "error 0018" in refused.stderr and broken.name in refused.stderr


def test_errors_have_azures_numbers(data, tmp_path):
    def refused(number, text, *words, **folders):
        info = tmp_path / "info"
        done = trainer("--error-info", info, *train_words(data, tmp_path / "m", *words, **folders), check=False)
        assert done.returncode == 1
        assert f"error {number}" in done.stderr and text in done.stderr, done.stderr
        assert json.loads((info / "error_info.json").read_text())["Exception"]["ErrorCode"] == int(number)

    refused("0007", 'Parameter "Batch size" value 100 should be less than or equal to train data count value 48.', "--batch-size", "100")
    refused("0004", '"Epochs"', "--epochs", "0")
    refused("0018", "Training dataset", train="net")
    write_images(tmp_path / "flat-source", 2)
    flat = tmp_path / "flat"
    flat.mkdir()
    for n, file in enumerate((tmp_path / "flat-source").rglob("*.png")):
        file.rename(flat / f"{n}.png")
    trainer("convert-image-directory", "--input-path", flat, "--output-path", data / "unlabelled")
    refused("0024", "label", train="unlabelled")
    (tmp_path / "two/cat").mkdir(parents=True)
    (tmp_path / "two/dog").mkdir()
    for n in range(3):
        Image.new("RGB", (SIDE, SIDE)).save(tmp_path / "two/cat" / f"{n}.png")
        Image.new("RGB", (SIDE, SIDE)).save(tmp_path / "two/dog" / f"{n}.png")
    trainer("convert-image-directory", "--input-path", tmp_path / "two", "--output-path", data / "two")
    refused("0018", "Validation dataset", valid="two")
    Image.new("RGB", (SIDE + 1, SIDE)).save(tmp_path / "two/cat" / "3.png")
    trainer("convert-image-directory", "--input-path", tmp_path / "two", "--output-path", data / "sizes")
    refused("0018", "one size", "--batch-size", "6", train="sizes", valid="sizes")


def test_a_loss_that_is_no_number_ends_the_training_with_advice(data, tmp_path):
    done = trainer(*train_words(data, tmp_path / "m", "--learning-rate", "1e30"), check=False)
    assert done.returncode == 1 and "lower learning rate" in done.stderr


def test_early_stop(data, tmp_path):
    done = trainer(*train_words(data, tmp_path / "m", "--epochs", "12", "--learning-rate", "0.5", "--patience", "1", "--report", tmp_path / "r.jsonl"))
    losses = [report["valid_loss"] for report in epochs(tmp_path / "r.jsonl")]
    rises = [n for n in range(1, len(losses)) if losses[n] >= losses[n - 1]]
    assert "Early stopped." in done.stdout
    assert rises == [len(losses) - 1] and len(losses) < 12


def test_a_full_disk_leaves_the_checkpoint_before(data, tmp_path):
    """Stands for a full disk: no file may grow beyond a megabyte, and a write beyond it fails."""
    words = train_words(data, tmp_path / "m", "--epochs", "1", "--checkpoint-folder", tmp_path / "c")

    def limit():
        import resource

        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

    done = trainer(*words, check=False, preexec_fn=limit)
    assert "last.pth" in done.stdout  # a checkpoint is a note: the model may lie on another disk
    assert done.returncode == 1 and str(tmp_path / "m") in done.stderr
    assert not list((tmp_path / "c").glob("*last*"))
    trainer(*words)


def test_outputs_that_cannot_be_written_are_refused_before_training(data, tmp_path):
    (tmp_path / "file").write_text("")
    for output, more in ((tmp_path / "file", ()), ("/proc", ()), (tmp_path / "m", ("--checkpoint-folder", "/proc")), (tmp_path / "m", ("--report", "/proc/report"))):
        done = trainer(*train_words(data, output, *more), check=False)
        assert done.returncode == 1 and "error 0160" in done.stderr, done.stderr
        assert (str(output) if not more else "/proc") in done.stderr and "Start" not in done.stdout


def test_memory_does_not_grow_with_the_number_of_images_beyond_the_index(data, tmp_path):
    """For each image the list of names (20 bytes and the name, up to twice that where vectors grow) and the epoch's order (8 bytes)."""

    def peak(count):
        folder = tmp_path / str(count)
        folder.mkdir()
        for file in ("_schema.json", "_meta.yaml", "_samples.json"):
            (folder / file).write_bytes((data / "train" / file).read_bytes())
        lines = (data / "train/images.lst").read_text().splitlines()
        (folder / "images.lst").write_text("\n".join(lines[n % len(lines)] for n in range(count)) + "\n")
        (folder / "image").symlink_to(data / "train/image")
        words = train_words(data, tmp_path / "m", "--batch-size", "4", "--print-frequency", "1", "--deterministic", "--threads", "1", train=folder)
        process = in_step(*words)
        for line in process.stdout:
            if "Iter: [20/" in line:
                process.send_signal(signal.SIGTERM)
                break
        process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == INTERRUPTED
        return usage.ru_maxrss * 1024

    few, many = peak(200), peak(200_200)
    assert many - few < 200_000 * 150, (few, many)


def test_start_is_quick_and_help_is_there():
    def used() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before = used()
    assert "train" in trainer("--help").stdout
    assert used() - before < 30  # seconds of the processor, not of a clock: the machine may have other things to do
    assert trainer("train", "--bogus", check=False).returncode == 2
