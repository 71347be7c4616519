#!/usr/bin/env python3
"""A snapshot of 10,000 small files: sent the first time, and again unchanged. Measured as `roost submit`, whole process, on a server whose
queue is paused (it keeps the run and starts nothing).

The anchor is `cp -r` of the same folder followed by `sync -f`, in the same round.
"""

import pathlib
import shutil
import subprocess
import tempfile

from common import BINARY, Server, median, report, timed

FILES, ROUNDS = 10_000, 5


def main() -> None:
    first, again, copy = [], [], []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for number in range(ROUNDS):
            server = Server(folder / f"data{number}").start("--min-free", "1000000G")
            source = folder / "src"
            for n in range(FILES):
                file = source / f"d{n % 100}" / f"{n}.py"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(f"# file {n} of round {number}\n" * 20)
            # What lies dirty in the page cache would be charged to the first sync that comes.
            subprocess.run(["sync"], check=True)
            send = lambda: subprocess.run([BINARY, "submit", "--max-snapshot-files", "0", "--folder", str(source), "--command", "true"], env=server.environment, check=True, capture_output=True)
            first.append(timed(send))
            again.append(timed(send))
            subprocess.run(["sync"], check=True)
            copy.append(timed(lambda: subprocess.run(f"cp -r {source} {folder}/copy && sync -f {folder}/copy", shell=True, check=True)))
            server.stop()
            for path in ("src", "copy", f"data{number}"):
                shutil.rmtree(folder / path)
    report("snapshot", {"files": FILES, "first_s": round(median(first), 3), "unchanged_s": round(median(again), 3), "cp_and_sync_s": round(median(copy), 3),
                        "first_over_cp": round(median(first) / median(copy), 2)})  # fmt: skip


if __name__ == "__main__":
    main()
