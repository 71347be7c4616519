#!/usr/bin/env python3
"""60,000 small files (as many as CIFAR-10 has) through the Python SDK: uploaded the first time, again unchanged, fetched by FileDataset.mount(), and
mounted in a run (submit to its end, the first run and the second, which finds the tree made).

The anchors, in the same round: reading all of them once, `cp -r` as it is, which leaves its files to the page cache, and `cp -r` followed by `sync -f`,
which has them on the disk as an upload that was answered.
"""

import os
import pathlib
import shutil
import subprocess
import tempfile

from common import Server, median, report, timed

FILES, BYTES, ROUNDS = int(os.environ.get("FILES", 60_000)), 2500, int(os.environ.get("ROUNDS", 3))


def read_all(folder: pathlib.Path) -> None:
    for top, _, files in os.walk(folder):
        for file in files:
            with open(os.path.join(top, file), "rb") as stream:
                stream.read()


def main() -> None:
    first, again, mount, run_first, run_again, read, bare_copy, copy = [], [], [], [], [], [], [], []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for number in range(ROUNDS):
            server = Server(folder / f"data{number}").start()
            os.environ["ROOST_URL"], os.environ["ROOST_TOKEN"] = server.url, server.token
            from azureml.core import Dataset, Experiment, ScriptRunConfig, Workspace

            store = Workspace.get("bench").get_default_datastore()
            source = folder / "files"
            for n in range(FILES):
                file = source / f"class{n % 10}" / f"{n:05}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(os.urandom(BYTES))
            subprocess.run(["sync"], check=True)
            read.append(timed(lambda: read_all(source)))
            send = lambda: store.upload(str(source), "images", show_progress=False)
            first.append(timed(send))
            again.append(timed(send))
            images = Dataset.File.from_files((store, "images"))
            context = images.mount()
            mount.append(timed(context.start))
            context.stop()
            script = folder / "src" / "count.py"
            script.parent.mkdir(exist_ok=True)
            script.write_text("import pathlib, sys; print(sum(1 for _ in pathlib.Path(sys.argv[1]).rglob('*.png')))")

            def mounted() -> None:
                config = ScriptRunConfig(str(script.parent), "count.py", [images.as_named_input("images").as_mount()])
                run = Experiment(Workspace.get("bench"), "mount").submit(config)
                run.wait_for_completion()
                assert run.get_details_with_logs()["logFiles"]["azureml-logs/70_driver_log.txt"].split()[-1] == str(FILES)

            run_first.append(timed(mounted))
            run_again.append(timed(mounted))
            subprocess.run(["sync"], check=True)
            bare_copy.append(timed(lambda: subprocess.run(["cp", "-r", source, folder / "bare"], check=True)))
            shutil.rmtree(folder / "bare")
            subprocess.run(["sync"], check=True)
            copy.append(timed(lambda: subprocess.run(f"cp -r {source} {folder}/copy && sync -f {folder}/copy", shell=True, check=True)))
            server.stop()
            for path in ("files", "copy", f"data{number}"):
                shutil.rmtree(folder / path)
    report("data", {"files": FILES, "first_s": round(median(first), 2), "unchanged_s": round(median(again), 2), "sdk_mount_s": round(median(mount), 2),
                    "run_mount_s": round(median(run_first), 2), "run_mount_again_s": round(median(run_again), 2), "read_s": round(median(read), 2), "cp_s": round(median(bare_copy), 2), "cp_and_sync_s": round(median(copy), 2),
                    "first_over_cp": round(median(first) / median(bare_copy), 2), "first_over_cp_and_sync": round(median(first) / median(copy), 2),
                    "run_mount_over_cp": round(median(run_first) / median(bare_copy), 2), "run_mount_over_cp_and_sync": round(median(run_first) / median(copy), 2), "first_over_read": round(median(first) / median(read), 2)})  # fmt: skip


if __name__ == "__main__":
    main()
