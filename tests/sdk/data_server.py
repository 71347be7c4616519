"""A thin server that speaks the data part of docs/wire.md from memory: what the SDK's data tests run against.

It keeps what it was sent (``requests``), can cut connections (``cut_blobs``) and never starts a run.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import re
import threading
import urllib.parse
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGE = 3  # files of a list's page: small, so that every list has several


def digest_of(content: bytes) -> str:
    return "b2:" + hashlib.blake2b(content, digest_size=32).hexdigest()


class Refused(Exception):
    def __init__(self, status: int, code: str, message: str, field: str | None = None):
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.details = [{"field": field, "message": message}] if field else []


class DataServer:
    token = "secret"

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.datastores = {name: self._datastore(name, None, name == "workspaceblobstore") for name in ("workspaceblobstore", "workspacefilestore")}
        self.files: dict[str, dict[str, bytes]] = {name: {} for name in self.datastores}
        self.datasets: dict[str, dict] = {}
        self.runs: dict[str, dict] = {}
        self.snapshots: set[str] = set()
        self.requests: list[tuple[str, str]] = []
        self.received_bytes = self.cut_blobs = 0
        self.lock = threading.RLock()
        server = self

        class Handler(_Handler):
            owner = server

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    @staticmethod
    def _datastore(name: str, path: str | None, is_default: bool = False, read_only: bool = False) -> dict:
        return {"name": name, "type": "folder" if path else "store", "path": path, "is_default": is_default, "read_only": read_only,
                "created_at": "2026-11-21T07:35:28.123456Z"}  # fmt: skip

    # -- the routes, by method and path -----------------------------------------------------------------------------

    def get_server(self, query):
        return {"version": "0"}

    def get_datastores(self, query):
        return {"items": [*self.datastores.values()]}

    def post_datastores(self, query, body):
        name = body["name"]
        if name in self.datastores:
            raise Refused(409, "conflict", f"datastore {name} is there")
        self.datastores[name], self.files[name] = self._datastore(name, body["path"], False, body["read_only"]), {}
        if body["is_default"]:
            self.patch_datastores_x(name, query, {"is_default": True})
        return self.datastores[name]

    def get_datastores_x(self, name, query):
        return self._found(self.datastores, name, "datastore")

    def patch_datastores_x(self, name, query, body):
        self._found(self.datastores, name, "datastore")
        for each in self.datastores.values():
            each["is_default"] = each["name"] == name
        return self.datastores[name]

    def delete_datastores_x(self, name, query):
        self._found(self.datastores, name, "datastore")
        del self.datastores[name], self.files[name]

    def get_datastores_x_files(self, name, query):
        files = self._found(self.files, name, "datastore")
        return self._page([(path, content) for path, content in files.items() if path.startswith(query.get("prefix", ""))], query)

    def get_datastores_x_files_y(self, name, path, query):
        return self._found(self._found(self.files, name, "datastore"), path, "file")

    def post_datastores_x_upload(self, name, query, body):
        files = self._found(self.files, name, "datastore")
        missing = sorted({file["digest"] for file in body["files"]} - set(self.blobs))
        if missing:
            return 202, {"added": 0, "unchanged": 0, "missing": missing}
        new = {file["path"]: self.blobs[file["digest"]] for file in body["files"]}
        other = [path for path, content in new.items() if files.get(path, content) != content]
        if other and not body["overwrite"]:
            raise Refused(409, "conflict", f"{other[0]} is there with another content")
        unchanged = sum(path in files for path in new)
        files.update(new)
        return {"added": len(new) - unchanged, "unchanged": unchanged, "missing": []}

    def post_blobs(self, stream: bytes):
        place = 0
        while place < len(stream):
            digest, size = "b2:" + stream[place : place + 32].hex(), int.from_bytes(stream[place + 32 : place + 40], "little")
            content = stream[place + 40 : place + 40 + size]
            assert digest_of(content) == digest, "a blob has another content than its digest says"
            self.blobs[digest] = content
            place += 40 + size
        return {"received": 1, "bytes": len(stream)}

    def post_snapshots(self, query, body):
        missing = sorted({file["digest"] for file in body["files"]} - set(self.blobs))
        return (202, {"id": None, "missing": missing}) if missing else {"id": digest_of(json.dumps(body).encode()), "missing": []}

    def get_datasets(self, query):
        newest: dict[str, dict] = {}
        for row in self.datasets.values():
            if row["name"] and row["version"] > newest.get(row["name"], {"version": 0})["version"]:
                newest[row["name"]] = row
        return {"items": [*newest.values()]}

    def post_datasets(self, query, body):
        files = self._files_of(body["paths"])
        if not files and not any("url" in place for place in body["paths"]):
            raise Refused(400, "invalid_argument", f"nothing is at {body['paths'][0]}")
        if body["name"] is None:
            same = str(uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(body["paths"])))
            return self.datasets.setdefault(same, self._dataset(same, None, None, body, files))
        versions = [row for row in self.datasets.values() if row["name"] == body["name"]]
        if versions and not body["create_new_version"]:
            raise Refused(409, "conflict", f"dataset {body['name']} is there")
        if versions and versions[-1]["paths"] == body["paths"]:
            return versions[-1]
        row = self._dataset(str(uuid.uuid4()), body["name"], len(versions) + 1, body, files)
        self.datasets[row["dataset_id"]] = row
        return row

    def get_datasets_x_versions_y(self, name, version, query):
        versions = [row for row in self.datasets.values() if row["name"] == name and version in ("latest", str(row["version"]))]
        if not versions:
            raise Refused(404, "not_found", f"there is no dataset {name}, version {version}")
        return versions[-1]

    def patch_datasets_x_versions_y(self, name, version, query, body):
        row = self.get_datasets_x_versions_y(name, version, query)
        tags = {**row["tags"], **body.get("tags", {})}
        row.update(tags={key: value for key, value in tags.items() if value is not None}, description=body.get("description", row["description"]))
        return row

    def delete_datasets_x(self, name, query):
        for row in self.datasets.values():
            if row["name"] == name:
                row.update(name=None, version=None)

    def get_dataset_ids_x(self, dataset_id, query):
        return self._found(self.datasets, dataset_id, "dataset")

    def get_dataset_ids_x_files(self, dataset_id, query):
        return self._page([*self._found(self.datasets, dataset_id, "dataset")["_files"].items()], query)

    def get_dataset_ids_x_files_y(self, dataset_id, path, query):
        return self._found(self._found(self.datasets, dataset_id, "dataset")["_files"], path, "file")

    def post_runs(self, query, body):
        for name, item in body.get("inputs", {}).items():
            if "datastore" in item and item["datastore"] not in self.datastores:
                raise Refused(400, "invalid_argument", f"there is no datastore {item['datastore']}", f"inputs.{name}.datastore")
        run_id = f"{body['experiment']}_{len(self.runs) + 1}"
        outputs = {name: {**each, "path": (each.get("path") or f"dataset/{{run-id}}/{name}").replace("{run-id}", run_id)} for name, each in body.get("outputs", {}).items()}
        self.runs[run_id] = {"run_id": run_id, "experiment": body["experiment"], "kind": "managed", "status": "Queued", "tags": {}, "properties": {},
                             "definition": {**body, "outputs": outputs}, "inputs": [], "outputs": []}  # fmt: skip
        return self.runs[run_id]

    def get_runs_x(self, run_id, query):
        return self._found(self.runs, run_id, "run")

    def get_experiments(self, query):
        return {"items": []}

    def post_experiments(self, query, body):
        return {"experiment_id": "1", "name": body["name"], "tags": {}, "description": "", "lifecycle": "active", "archived_at": None}

    # -- helpers ----------------------------------------------------------------------------------------------------

    @staticmethod
    def _found(among: dict, key: str, kind: str):
        if key not in among:
            raise Refused(404, "not_found", f"there is no {kind} {key}")
        return among[key]

    @staticmethod
    def _page(files: list[tuple[str, bytes]], query: dict) -> dict:
        files = sorted(each for each in files if each[0] > query.get("after", ""))
        items = [{"path": path, "size": len(content), "digest": digest_of(content), "modified_at": None} for path, content in files[:PAGE]]
        return {"items": items, "next_after": items[-1]["path"] if len(files) > PAGE else None}

    def _files_of(self, places: list[dict]) -> dict[str, bytes]:
        """The files with their paths below the folder that all have in common."""
        found = {}
        for place in places:
            if "url" in place:
                found[place["url"]] = place["url"].encode()
                continue
            path = place["path"]
            for name, content in self.files[place["datastore"]].items():
                if path in ("", name) or name.startswith(path + "/") or ("*" in path and fnmatch.fnmatch(name, path)):
                    found[name] = content
        folders = [name.split("/")[:-1] for name in found]
        common = 0
        while folders and all(len(each) > common and each[common] == folders[0][common] for each in folders):
            common += 1
        return {"/".join(name.split("/")[common:]): content for name, content in found.items()}

    @staticmethod
    def _dataset(dataset_id: str, name: str | None, version: int | None, body: dict, files: dict) -> dict:
        return {"dataset_id": dataset_id, "name": name, "version": version, "type": "file", "description": body.get("description", ""),
                "tags": body.get("tags", {}), "paths": body["paths"], "file_count": len(files), "bytes": sum(map(len, files.values())),
                "single_file": len(body["paths"]) == 1 and body["paths"][0].get("path", "").split("/")[-1] in files, "created_at": "2026-11-21T07:35:28.123456Z", "_files": files}  # fmt: skip


def _shown(value):
    """Without what the server keeps for itself."""
    if isinstance(value, dict):
        return {key: _shown(item) for key, item in value.items() if key != "_files"}
    return [_shown(item) for item in value] if isinstance(value, list) else value


class _Handler(BaseHTTPRequestHandler):
    owner: DataServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        parts = urllib.parse.urlsplit(self.path)
        assert parts.path.startswith("/api/v1/")
        path = parts.path[len("/api/v1/") :]
        query = dict(urllib.parse.parse_qsl(parts.query))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) if path != "blobs" else b""
        self.owner.requests.append((self.command, path))
        try:
            if self.headers["Authorization"] != f"Bearer {self.owner.token}":
                raise Refused(401, "unauthenticated", "who is it?")
            if path == "blobs":
                answer = self._blobs()
            else:
                route, arguments = self._route(path)
                with self.owner.lock:
                    answer = route(*arguments, query, *([json.loads(body)] if body else []))
        except Refused as refused:
            answer = refused.status, {"error": {"code": refused.code, "message": refused.message, "details": refused.details}}
        if answer is not False:
            self._answer(answer)

    do_POST = do_PATCH = do_DELETE = do_PUT = do_GET

    def _blobs(self):
        if self.owner.cut_blobs:
            self.owner.cut_blobs -= 1
            self.rfile.read(10)
            self.close_connection = True
            self.connection.close()
            return False
        stream = self.rfile.read(int(self.headers["Content-Length"]))
        with self.owner.lock:
            self.owner.received_bytes += len(stream)
            return self.owner.post_blobs(stream)

    def _route(self, path: str):
        """runs/x -> get_runs_x("x"); what follows files/ is one argument."""
        parts = path.split("/files/", 1)
        words = parts[0].split("/")
        name, arguments = f"{self.command.lower()}_{words[0].replace('-', '_')}", []
        for place, word in enumerate(words[1:]):
            if place % 2 == 0:
                arguments.append(urllib.parse.unquote(word))
                name += f"_{'xy'[len(arguments) - 1]}"
            else:
                name += f"_{word}"
        if len(parts) == 2:
            arguments.append(urllib.parse.unquote(parts[1]))
            name += "_files_y"
        route = getattr(self.owner, name, None)
        if route is None:
            raise Refused(404, "not_found", f"there is no {self.command} {path}")
        return route, arguments

    def _answer(self, answer):
        status = 200
        if isinstance(answer, tuple):
            status, answer = answer
        if isinstance(answer, dict):
            answer = json.dumps(_shown(answer)).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer or b"")))
        self.end_headers()
        self.wfile.write(answer or b"")

    def log_message(self, *_):
        pass
