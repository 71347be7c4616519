"""What the environment says about the run that this process belongs to."""

from __future__ import annotations

import os
from typing import NamedTuple


class RunContext(NamedTuple):
    """A managed run, as its launch describes it (docs/wire.md, "Environment of a run")."""

    url: str
    token: str
    run_id: str
    experiment: str
    report_file: str | None


def current_context() -> RunContext | None:
    """None when this process is not part of a run."""
    env = os.environ
    if not all(env.get(name) for name in ("ROOST_URL", "ROOST_TOKEN", "ROOST_RUN_ID")):
        return None
    return RunContext(
        url=env["ROOST_URL"],
        token=env["ROOST_TOKEN"],
        run_id=env["ROOST_RUN_ID"],
        experiment=env.get("ROOST_EXPERIMENT", "Default"),
        report_file=env.get("ROOST_REPORT_FILE") or None,
    )
