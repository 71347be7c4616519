"""What the tests of control scripts share."""

from __future__ import annotations

import json

from harness import Server


def config_of(server: Server, **more: str) -> dict:
    return {"subscription_id": "sub", "resource_group": "group", "workspace_name": "mine", "roost_url": server.url,
            "roost_token_file": str(server.folder / "token"), **more}  # fmt: skip


def write_config(folder, server: Server, place: str = ".azureml/config.json", **more: str):
    file = folder / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(config_of(server, **more)))
    return file
