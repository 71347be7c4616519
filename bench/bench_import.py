#!/usr/bin/env python3
"""What `import azureml.core` costs a script, and what all names of a control script cost: whole processes, less the bare interpreter's own
start in the same round."""

import os
import subprocess
import sys

from common import PROJECT, median, report, timed

ROUNDS = 25
SCRIPTS = {
    "bare": "pass",
    "core": "import azureml.core",
    "run": "from azureml.core import Run; Run.get_context()",
    "control": "from azureml.core import Workspace, Experiment, Environment, ScriptRunConfig, Run, Model",
}


def main() -> None:
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "sdk" / "python")}
    times: dict[str, list[float]] = {name: [] for name in SCRIPTS}
    for number in range(ROUNDS + 1):
        for name, script in SCRIPTS.items():
            took = timed(lambda: subprocess.run([sys.executable, "-c", script], env=environment, check=True))
            if number:  # the first round writes the compiled files
                times[name].append(took * 1e3)
    over = {name: round(median([took - bare for took, bare in zip(times[name], times["bare"])]), 1) for name in SCRIPTS if name != "bare"}
    report("import", {"bare_ms": round(median(times["bare"]), 1), **{f"{name}_over_bare_ms": took for name, took in over.items()}})


if __name__ == "__main__":
    main()
