"""What a hostile or unlucky user meets: each case ends with a named error, or goes on, and never with a crash."""

import json
import os
import pathlib
import resource
import shutil
import signal
import socket
import subprocess
import time

import pytest
from PIL import Image
from test_trainer import INTERRUPTED, PROGRAM, SIDE, data, epochs, in_step, train_words, trainer, weights, write_images  # noqa: F401

pytestmark = pytest.mark.skipif(not PROGRAM, reason="ROOST_TRAINER names no roost-trainer")


def refusal(number, *words):
    done = trainer(*words, check=False)
    assert done.returncode == 1 and f"error {number}" in done.stderr, (done.returncode, done.stdout[-500:], done.stderr)
    return done.stderr


def test_options_out_of_range_are_told_together(data, tmp_path):
    words = ["--unreadable-images-limit", "-1", "--random-resized-crop", str(2**32), "--threads", "100000", "--epochs", "9" * 30]
    told = refusal("0008", *train_words(data, tmp_path / "m", *words))
    for name in ("unreadable images limit", "random resized crop", "threads", "Epochs"):
        assert f'"{name}"' in told


def test_many_threads_train(data, tmp_path):
    trainer(*train_words(data, tmp_path / "m", "--epochs", "1", "--threads", "1000"))


def without_category(folder: pathlib.Path) -> str:
    """Takes the category of the first image away; its name."""
    lines = (folder / "images.lst").read_text().splitlines()
    row = json.loads(lines[0])
    row["category"] = None
    (folder / "images.lst").write_text("\n".join([json.dumps(row), *lines[1:]]) + "\n")
    return row["image_info"]["file_name"]


@pytest.mark.parametrize("which", ["train", "valid"])
def test_images_without_a_category_are_named(data, tmp_path, which):
    shutil.copytree(data / which, tmp_path / which)
    name = without_category(tmp_path / which)
    told = refusal("0018", *train_words(data, tmp_path / "m", **{which: tmp_path / which}))
    assert f"1 of its images have no category, {name} the first" in told


def test_an_output_that_cannot_be_written_is_told_before_the_training(data, tmp_path):
    file = tmp_path / "file"
    file.write_text("mine")
    shutil.copytree(data / "valid", tmp_path / "copy")
    for output in (file, tmp_path / "copy"):
        refusal("0160", "resnet", "--untrained-model-path", output, "--model-name", "resnet18", "--pretrained", "False")
    for output in (file, tmp_path / "copy", data / "train", data / "net"):
        done = trainer(*train_words(data, output), check=False)
        assert done.returncode == 1 and "error 0160" in done.stderr and str(output) in done.stderr
        assert "Epoch" not in done.stdout
    assert file.read_text() == "mine"
    assert "ImageDirectory" in (data / "train/_meta.yaml").read_text()


def test_a_trained_model_is_no_untrained_one(data, tmp_path):
    words = train_words(data, tmp_path / "m", "--epochs", "1")
    trainer(*words)
    words[words.index(data / "net")] = tmp_path / "m"
    words[words.index(tmp_path / "m", words.index("--trained-model-path"))] = tmp_path / "m2"
    assert "trained already" in refusal("0159", *words)
    # Scores never replace what is there, least of all the images.
    told = refusal("0160", "score", "--trained-model", tmp_path / "m", "--dataset", data / "valid", "--scored-dataset", data / "valid")
    assert "not empty" in told and "ImageDirectory" in (data / "valid/_meta.yaml").read_text()


def test_another_split_of_as_many_images_does_not_go_on(data, tmp_path):
    for seed in (1, 2):
        parts = ["--tgt-train-path", tmp_path / f"train{seed}", "--tgt-test-path", tmp_path / f"valid{seed}"]
        trainer("split-image-directory", "--src-path", data / "all", *parts, "--fraction", "0.8", "--seed", seed)
    words = ["--epochs", "1", "--checkpoint-folder", tmp_path / "c"]
    trainer(*train_words(data, tmp_path / "m", *words, train=tmp_path / "train1", valid=tmp_path / "valid1"))
    done = trainer(*train_words(data, tmp_path / "m", *words, train=tmp_path / "train2", valid=tmp_path / "valid2"), check=False)
    assert done.returncode == 1 and "training images was" in done.stderr and "validation images was" in done.stderr
    # The same folders elsewhere are the same data, and an ended training gives its model again.
    shutil.copytree(tmp_path / "train1", tmp_path / "moved")
    done = trainer(*train_words(data, tmp_path / "m2", *words, train=tmp_path / "moved", valid=tmp_path / "valid1"))
    assert "had ended already" in done.stdout and weights(tmp_path / "m") == weights(tmp_path / "m2")


def test_two_trainings_do_not_share_checkpoints(data, tmp_path):
    words = ["--checkpoint-folder", tmp_path / "c"]
    command = train_words(data, tmp_path / "m", *words, "--epochs", "50", "--patience", "50", "--print-frequency", "1")
    running = in_step(*command)
    while "Start training" not in running.stdout.readline():
        pass
    second = trainer(*train_words(data, tmp_path / "m2", *words), check=False)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert second.returncode == 1 and "Another training" in second.stderr and str(tmp_path / "c") in second.stderr
    # A killed training leaves no lock behind, whatever it has kept.
    assert "Another training" not in trainer(*train_words(data, tmp_path / "m2", *words), check=False).stderr


def test_images_too_narrow_for_a_crop_are_left_out(data, tmp_path):
    for name in ("a", "b"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for n in range(4):
            Image.new("RGB", (SIDE, SIDE)).save(tmp_path / "images" / name / f"{n}.png")
    Image.new("RGB", (1, 30000)).save(tmp_path / "images/a/narrow.png")
    trainer("convert-image-directory", "--input-path", tmp_path / "images", "--output-path", tmp_path / "all")
    words = ["--epochs", "1", "--batch-size", "4", "--random-resized-crop", "128"]
    done = trainer(*train_words(data, tmp_path / "m", *words, train=tmp_path / "all", valid=tmp_path / "all"))
    assert "it is so narrow" in done.stdout


def test_sizes_that_count_nothing_are_refused(data):
    for side in ("0", "-1", str(2**40)):
        assert trainer("inspect", "--model-name", "resnet18", "--image-size", side, check=False).returncode == 2


def test_a_lost_checkpoint_does_not_cost_the_model(data, tmp_path):
    """A folder stands where the file belongs, so renaming it into place fails."""
    words = train_words(data, tmp_path / "m", "--epochs", "3", "--checkpoint-folder", tmp_path / "c", "--checkpoint-every", "1", "--print-frequency", "1")
    running = in_step(*words)
    while "Start training" not in running.stdout.readline():
        pass
    while True:
        (tmp_path / "c/last.pth").unlink(missing_ok=True)
        try:
            (tmp_path / "c/last.pth/in the way").mkdir(parents=True)
            break
        except FileExistsError:
            pass
    log = running.stdout.read()
    assert running.wait() == 0 and "could not be written" in log
    assert (tmp_path / "m/_meta.yaml").exists()


def test_a_training_goes_on_without_a_reader_of_its_log(data, tmp_path):
    running = subprocess.Popen([PROGRAM, *map(str, train_words(data, tmp_path / "m", "--print-frequency", "1"))], stdout=subprocess.PIPE)
    running.stdout.readline()
    running.stdout.close()
    assert running.wait() == 0 and (tmp_path / "m/_meta.yaml").exists()


def test_closed_standard_files_are_not_taken_for_other_files(data, tmp_path):
    def close():
        for fd in (0, 1, 2):
            os.close(fd)

    words = train_words(data, tmp_path / "m", "--epochs", "1", "--report", tmp_path / "r.jsonl")
    assert subprocess.run([PROGRAM, *map(str, words)], preexec_fn=close).returncode == 0
    assert [json.loads(line)["event"] for line in (tmp_path / "r.jsonl").read_text().splitlines()] == ["start", "batch", "epoch"]


def test_a_report_that_cannot_be_written_is_told_once(data, tmp_path):
    done = trainer(*train_words(data, tmp_path / "m", "--report", "/dev/full"))
    assert done.stdout.count("writing the report: No space left on device") == 1


@pytest.mark.slow
def test_a_silent_server_keeps_no_training_from_its_end(data, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        environment = {**os.environ, "ROOST_RUN_ID": "r", "ROOST_URL": address, "ROOST_TOKEN": "t"}
        started = time.monotonic()
        trainer(*train_words(data, tmp_path / "m", "--epochs", "1"), env=environment)
        assert time.monotonic() - started < 40 and (tmp_path / "m/_meta.yaml").exists()
        server.settimeout(0)
        try:
            server.accept()
        except BlockingIOError:
            pytest.skip("this trainer is built without the client")


def test_sigterm_ends_a_long_validation_and_it_is_made_up_for(data, tmp_path):
    write_images(tmp_path / "images", 150, seed=3)
    trainer("convert-image-directory", "--input-path", tmp_path / "images", "--output-path", tmp_path / "many")
    words = ["--epochs", "1", "--print-frequency", "1", "--deterministic"]

    def all_words(model, report, *more):
        return train_words(data, tmp_path / model, *words, "--report", tmp_path / report, *more, valid=tmp_path / "many")

    trainer(*all_words("whole", "whole.jsonl"))
    for attempt in range(10):  # again where the validation ended before the signal came
        command = all_words(f"m{attempt}", f"r{attempt}.jsonl", "--checkpoint-folder", tmp_path / f"c{attempt}")
        running = subprocess.Popen([PROGRAM, *map(str, command)], stdout=subprocess.PIPE, text=True)
        while "Iter: [5/6]" not in running.stdout.readline():
            pass
        time.sleep(0.1)
        running.send_signal(signal.SIGTERM)
        log = running.stdout.read()
        if running.wait() == INTERRUPTED and epochs(tmp_path / f"r{attempt}.jsonl") == []:
            break
    assert "Interrupted" in log and running.returncode == INTERRUPTED and epochs(tmp_path / f"r{attempt}.jsonl") == []
    trainer(*command)
    whole, resumed = epochs(tmp_path / "whole.jsonl"), epochs(tmp_path / f"r{attempt}.jsonl")
    for name in ("train_loss", "valid_loss", "top1_acc"):
        assert whole[0][name] == resumed[0][name]
    assert weights(tmp_path / "whole") == weights(tmp_path / f"m{attempt}")


def test_weights_that_give_no_numbers_are_never_the_best(data, tmp_path):
    """One step an epoch: its loss is finite, and after it the weights are not."""
    done = trainer(*train_words(data, tmp_path / "m", "--epochs", "1", "--batch-size", "48", "--learning-rate", "1e30"), check=False)
    assert done.returncode == 1 and "validation images is no number" in done.stderr and "lower learning rate" in done.stderr
    assert not (tmp_path / "m/_meta.yaml").exists()


def test_names_of_classes_do_not_break_the_log(data, tmp_path):
    for name in ("line\nfeed", 'quo"te\'s', " blank", "Zürich ☃"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for n in range(4):
            Image.new("RGB", (SIDE, SIDE), (n * 40, 0, 90)).save(tmp_path / "images" / name / f"{n}.png")
    folder = tmp_path / "a folder\nwith ☃ 'quotes'"
    trainer("convert-image-directory", "--input-path", tmp_path / "images", "--output-path", folder / "all")
    done = trainer(*train_words(data, folder / "m", "--epochs", "1", train=folder / "all", valid=folder / "all"))
    assert all(line[:2] == "20" for line in done.stdout.splitlines()) and "line\\x0afeed" in done.stdout
    trainer("score", "--trained-model", folder / "m", "--dataset", folder / "all", "--scored-dataset", folder / "scored")
    trainer("evaluate", "--scored-dataset", folder / "scored", "--output-path", folder / "evaluation")
    assert "line\nfeed" in json.loads((folder / "evaluation/evaluation.json").read_text())["left_port"]["labels"]


def test_want_of_memory_has_its_number(data, tmp_path):
    words = train_words(data, tmp_path / "m", "--random-resized-crop", "8192", "--batch-size", "48")

    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))

    done = trainer(*words, check=False, preexec_fn=limit)
    assert done.returncode == 1 and "error 0138" in done.stderr and "Batch size" in done.stderr
