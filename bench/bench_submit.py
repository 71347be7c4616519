#!/usr/bin/env python3
"""Submit to the script's first line: `roost submit` from its start until the script's first line runs, against the same
interpreter starting the same script bare, interleaved."""

import pathlib
import subprocess
import sys
import tempfile
import time

from common import BINARY, Server, median, quantile, report

ROUNDS = 25
SCRIPT = "import sys, time\nopen(sys.argv[1], 'w').write(str(time.time()))\n"


def main() -> None:
    over, bare, served = [], [], []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        source = folder / "src"
        source.mkdir()
        (source / "first.py").write_text(SCRIPT)
        server = Server(folder / "data").start()
        try:
            for number in range(ROUNDS):
                mark = folder / f"bare{number}"
                before = time.time()
                subprocess.run([sys.executable, "first.py", str(mark)], cwd=source, check=True)
                bare.append(float(mark.read_text()) - before)
                mark = folder / f"run{number}"
                before = time.time()
                subprocess.run([BINARY, "submit", "--python", sys.executable, "--json", str(source), "first.py", str(mark)], env=server.environment,
                               check=True, capture_output=True)  # fmt: skip
                while not mark.exists() or not mark.read_text():
                    time.sleep(0.001)
                served.append(float(mark.read_text()) - before)
                over.append(served[-1] - bare[-1])
                time.sleep(0.1)
        finally:
            server.stop()
    report("submit", {"over_bare_ms_median": round(median(over) * 1e3, 1), "over_bare_ms_p95": round(quantile(over, 0.95) * 1e3, 1),
                      "bare_ms_median": round(median(bare) * 1e3, 1), "ratio": round(median(served) / median(bare), 2)})  # fmt: skip


if __name__ == "__main__":
    main()
