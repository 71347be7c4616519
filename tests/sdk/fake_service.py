"""A server in this process that keeps environments, clusters and submitted runs as docs/wire.md says, and does nothing else."""

from __future__ import annotations

import json
import re
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NOW = "2026-11-21T07:35:28.123456Z"
CURATED = "AzureML-PyTorch-1.6-GPU"
CURATED_ROW = {"name": CURATED, "version": "1", "python": {"pip": ["azureml-defaults", "torch", "torchvision"], "version": ">=3.9"},
               "docker": {"enabled": False, "base_image": "", "base_dockerfile": "", "shm_size": "", "arguments": []}, "environment_variables": {"A": "1"}}  # fmt: skip


class No(Exception):
    def __init__(self, status: int, message: str, field: str | None = None):
        codes = {400: "invalid_argument", 404: "not_found", 409: "conflict", 503: "unavailable"}
        self.status = status
        self.body = {"error": {"code": codes[status], "message": message, "details": [{"field": field, "message": message}] if field else []}}


class FakeService:
    """``asked`` lists (method, path, body) of every request."""

    def __init__(self):
        self.asked: list[tuple[str, str, dict | None]] = []
        self.environments: dict[str, list[dict]] = {CURATED: [CURATED_ROW]}
        self.builds: dict[str, list[dict]] = {}  # key -> the answers that are left
        self.log = "Collecting torch\n"
        self.compute: dict[str, dict] = {}
        self.runs: list[dict] = []
        self.substituted: str | None = None  # what a run gets told of its GPU
        self.container_hint: str | None = None  # and of the container that it has not
        self.gpus, self.gpu_policy = 0, "substitute"
        self.away = 0  # how many requests find it on its way down
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                parts = urllib.parse.urlsplit(self.path)
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                path = parts.path[len("/api/v1") :]
                service.asked.append((self.command, path, body))
                try:
                    if service.away:
                        service.away -= 1
                        raise No(503, "the server is going down")
                    status, answer = service.answer(self.command, path, body, dict(urllib.parse.parse_qsl(parts.query)))
                except No as no:
                    status, answer = no.status, no.body
                data = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PATCH = do_DELETE = handle_any

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def bodies(self, method: str, path: str) -> list[dict]:
        return [body for asked_method, asked_path, body in self.asked if (asked_method, asked_path) == (method, path)]

    def answer(self, method, path, body, query):
        parts = [urllib.parse.unquote(part) for part in path.split("/")[1:]]
        handler = getattr(self, f"{method}_{parts[0].replace('-', '_')}", None)
        if handler is None:
            raise No(404, f"no route {method} {path}")
        return handler(parts[1:], body, query)

    # -- environments -----------------------------------------------------------------------------------------------

    def GET_environments(self, parts, body, query):
        if not parts:
            return 200, {"items": [{"name": name, "version": rows[-1]["version"], "curated": name.startswith("AzureML"), "description": "", "created_at": NOW}
                                   for name, rows in self.environments.items()], "next_page_token": None}  # fmt: skip
        name, version = parts[0], parts[2]
        for row in reversed(self.environments.get(name, [])):
            if version in ("latest", row["version"]):
                return 200, self.version_of(row)
        raise No(404, f"there is no environment '{name}' with version {version}")

    def version_of(self, row):
        return {"name": row["name"], "version": row["version"], "curated": row["name"].startswith("AzureML"), "digest": "b2:1", "key": "k1",
                "ready": "k1" in self.builds, "definition": row, "description": "", "notes": ["torch is the newest"], "created_at": NOW}  # fmt: skip

    def POST_environments(self, parts, body, query):
        name = body["name"]
        if name.startswith("AzureML"):
            raise No(400, f"{name} is curated: clone it under a new name", "environment.name")
        rows, content = self.environments.setdefault(name, []), {key: value for key, value in body.items() if key != "version"}
        for row in rows:
            if {key: value for key, value in row.items() if key != "version"} == content:
                return 200, self.version_of(row)
        rows.append({**content, "version": str(len(rows) + 1)})
        return 201, self.version_of(rows[-1])

    def POST_environment_builds(self, parts, body, query):
        self.builds.setdefault("k1", [{"state": "building"}, {"state": "building"}, {"state": "ready"}])
        return 202, {"key": "k1", "state": "building", "error": None}

    def GET_environment_builds(self, parts, body, query):
        if parts[1:] == ["log"]:
            return 200, self.log.encode()[int(query.get("offset", 0)) :].decode()
        left = self.builds[parts[0]]
        row = left.pop(0) if len(left) > 1 else left[0]
        return 200, {"key": parts[0], "python_version": "3.11.7", "tool": "uv", "packages": {"torch": "2.2.1"}, "notes": [], "bytes": 1, **row}

    # -- compute ----------------------------------------------------------------------------------------------------

    def GET_compute(self, parts, body, query):
        if not parts:
            return 200, {"items": [{**self.target({"name": "local", "max_nodes": 1}), "type": "local"}, *self.compute.values()]}
        row = self.found(parts[0])
        if parts[1:] == ["nodes"]:
            return 200, {"items": [{"node_id": "n0", "state": "running", "run_id": "r1", "since": NOW}]}
        shown = dict(row)
        if row["provisioning_state"] == "Creating":
            row["provisioning_state"] = "Succeeded"
        elif row["provisioning_state"] == "Deleting":
            del self.compute[parts[0]]
        elif row["current_nodes"] < row["target_nodes"]:
            row["current_nodes"] += 1
        return 200, shown

    def found(self, name):
        if name not in self.compute:
            raise No(404, f"there is no compute target '{name}'")
        return self.compute[name]

    def target(self, body):
        return {"type": "AmlCompute", "provider": "process", "vm_size": "STANDARD_NC6", "vm_priority": "dedicated", "min_nodes": 0, "description": "", "tags": {},
                "idle_seconds_before_scaledown": 1800, "provisioning_state": "Creating", "provisioning_state_transition_time": NOW, "allocation_state": "Steady",
                "allocation_state_transition_time": NOW, "current_nodes": 0, "target_nodes": body.get("min_nodes", 0),
                "node_states": {"preparing": 0, "running": 1, "idle": 0, "unusable": 0, "leaving": 0, "preempted": 0}, "waiting_runs": 0, "warnings": [],
                "node": {"cpus": 1, "gpus": 0, "memory_mb": 1}, "wanted": {"cpus": 6, "gpus": 1, "memory_mb": 57344}, "created_at": NOW, "updated_at": NOW,
                **{key: value for key, value in body.items() if value != ""}}  # fmt: skip

    def POST_compute(self, parts, body, query):
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]", body["name"]):
            raise No(400, "the name is not valid", "name")
        row, there = self.target(body), self.compute.get(body["name"])
        if there is not None:
            if any(there[key] != row[key] for key in ("vm_size", "min_nodes", "max_nodes")):
                raise No(409, f"compute target '{body['name']}' is there with other settings")
            return 200, there
        self.compute[body["name"]] = row
        return 201, row

    def PATCH_compute(self, parts, body, query):
        self.found(parts[0]).update(body)
        return 200, self.found(parts[0])

    def DELETE_compute(self, parts, body, query):
        self.found(parts[0])["provisioning_state"] = "Deleting"
        return 202, self.found(parts[0])

    def GET_compute_sizes(self, parts, body, query):
        return 200, {"items": [{"name": "STANDARD_NC6", "cpus": 6, "gpus": 1, "memory_mb": 57344}]}

    # -- runs -------------------------------------------------------------------------------------------------------

    def GET_server(self, parts, body, query):
        return 200, {"resources": {"cpus": 2, "gpus": self.gpus, "memory_mb": 1000}, "gpu_policy": self.gpu_policy}

    def POST_experiments(self, parts, body, query):
        return 201, {"experiment_id": "1", "name": body["name"], "tags": {}, "created_at": NOW}

    def POST_snapshots(self, parts, body, query):
        return 200, {"id": "b2:s", "missing": []}

    def POST_runs(self, parts, body, query):
        self.runs.append(body)
        target = body["compute_target"]
        if target != "local" and target not in self.compute:
            raise No(400, f"there is no compute target '{target}'", "compute_target")
        said = {"roost.gpu_substitution": self.substituted, "roost.container_hint": self.container_hint}
        properties = {name: value for name, value in said.items() if value}
        return 201, {"run_id": f"r{len(self.runs)}", "definition": body, "properties": {**body.get("properties", {}), **properties}}

    def GET_runs(self, parts, body, query):
        rows = [{"run_id": f"r{at}", "kind": "managed", "status": status, "tags": {}, "properties": {}} for at, status in enumerate(("Running", "Completed"))]
        if parts:
            sent = self.runs[int(parts[0][1:]) - 1]
            environment = sent.get("environment") or {"python": None}
            if isinstance(environment.get("version"), str) and environment["name"] in self.environments:
                environment = next(row for row in self.environments[environment["name"]] if row["version"] == environment["version"])
            return 200, {**rows[0], "properties": sent.get("properties", {}),
                         "definition": {"environment": environment, "environment_variables": sent.get("environment_variables", {})}}  # fmt: skip
        assert query["filter"] == "attributes.compute_target = 'cpu-cluster'", query
        return 200, {"items": rows, "next_page_token": None}
