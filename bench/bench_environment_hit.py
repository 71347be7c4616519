#!/usr/bin/env python3
"""What an environment that is built already costs a submit: from `roost submit` to the script's first line, by an environment's name and by
naming the same environment's interpreter, interleaved."""

import json
import pathlib
import subprocess
import tempfile
import time

from bench_submit import SCRIPT
from common import BINARY, Server, median, quantile, report

ROUNDS = 40


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        source = folder / "src"
        source.mkdir()
        (source / "first.py").write_text(SCRIPT)
        (folder / "environment.json").write_text(json.dumps({"name": "ready", "python": {"pip": []}}))
        server = Server(folder / "data").start()
        times = {"name": [], "interpreter": []}
        try:
            for arguments in (["register", str(folder / "environment.json")], ["build", "ready"]):
                subprocess.run([BINARY, "environments", *arguments], env=server.environment, check=True, capture_output=True)
            (build,) = server.client.get("/environment-builds")["items"]
            python = server.folder / "environments" / build["key"] / "bin" / "python"
            for number in range(ROUNDS):
                for kind, options in (("name", ["--environment", "ready"]), ("interpreter", ["--python", str(python)])):
                    mark = folder / f"{kind}{number}"
                    before = time.time()
                    subprocess.run([BINARY, "submit", *options, "--json", str(source), "first.py", str(mark)], env=server.environment, check=True, capture_output=True)
                    while not mark.exists() or not mark.read_text():
                        time.sleep(0.001)
                    times[kind].append(float(mark.read_text()) - before)
                    time.sleep(0.1)
        finally:
            server.stop()
    over = [name - interpreter for name, interpreter in zip(times["name"], times["interpreter"])]
    report("environment_hit", {"over_interpreter_ms_median": round(median(over) * 1e3, 1), "over_interpreter_ms_p95": round(quantile(over, 0.95) * 1e3, 1),
                               "interpreter_ms_median": round(median(times["interpreter"]) * 1e3, 1)})  # fmt: skip


if __name__ == "__main__":
    main()
