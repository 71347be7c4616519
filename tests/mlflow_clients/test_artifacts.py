"""Files of runs, of models and of nobody: put, read, listed, removed; whole, in ranges and in parts."""

from __future__ import annotations

import http.client
import json
import os
import threading
import urllib.parse

import pytest

from harness import AT_MOST
from mlflow_clients.rest import BAD, INVALID, MISSING, Rest, assert_error

FILES = "/api/2.0/mlflow-artifacts/artifacts"


@pytest.fixture
def root(experiment, run_id) -> str:
    return f"{experiment}/{run_id}/artifacts"


def put(rest: Rest, path: str, content: bytes = b"x", base: str = FILES):
    return rest.call("PUT", f"{base}/{path}", raw=content, content_type=None)


def put_all(rest: Rest, root: str, files: dict[str, bytes]) -> None:
    for path, content in files.items():
        answer = put(rest, f"{root}/{urllib.parse.quote(path)}", content)
        assert (answer.status, answer.text.strip()) == (200, "{}"), answer.text


def read(rest: Rest, path: str, headers=None):
    return rest.call("GET", f"{FILES}/{path}", headers=headers)


def listed(rest: Rest, path: str) -> list[tuple]:
    files = rest.get(FILES, path=path).get("files", [])
    return [(file["path"], file["is_dir"], file.get("file_size")) for file in files]


# -- put and read ------------------------------------------------------------------------------------------------------


def test_a_file_comes_back_as_an_attachment(rest, root):
    content = os.urandom(3 << 20)
    put_all(rest, root, {"model/MLmodel": b"flavors: {}\n", "model/w.bin": content, "a b é.txt": b"1", "page.html": b"<script>", "empty": b""})
    answer = read(rest, root + "/model/w.bin")
    assert answer.body == content
    headers = {name.lower(): value for name, value in answer.headers.items()}
    assert headers["content-type"] == "application/octet-stream" and headers["content-disposition"] == "attachment; filename=w.bin"
    assert headers["x-content-type-options"] == "nosniff"
    for path, kind in {"model/MLmodel": "text/plain", "page.html": "text/html"}.items():
        answer = read(rest, f"{root}/{path}")
        assert answer.headers.get("content-type", answer.headers.get("Content-Type")) == kind
    assert read(rest, root + "/empty").body == b""


@pytest.mark.only_roost("MLflow's server fails on such a name")
def test_a_name_that_no_header_can_hold(rest, root):
    put_all(rest, root, {"é\".txt": b"1"})
    answer = read(rest, root + "/%C3%A9%22.txt")
    assert (answer.status, answer.body) == (200, b"1")
    assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''%C3%A9%22.txt"


def test_a_file_is_replaced(rest, root):
    put_all(rest, root, {"a.txt": b"first and long"})
    put_all(rest, root, {"a.txt": b"second"})
    assert read(rest, root + "/a.txt").body == b"second"
    assert listed(rest, root) == [("a.txt", False, 6)]


@pytest.mark.only_roost("MLflow's server ignores Range here")
def test_ranges(rest, root):
    put_all(rest, root, {"a.bin": b"0123456789"})
    answer = read(rest, root + "/a.bin", {"Range": "bytes=2-4"})
    assert (answer.status, answer.body, answer.headers["Content-Range"]) == (206, b"234", "bytes 2-4/10")
    assert read(rest, root + "/a.bin", {"Range": "bytes=-3"}).body == b"789"
    assert read(rest, root + "/a.bin", {"Range": "bytes=10-"}).status == 416
    tag = answer.headers["ETag"]
    assert read(rest, root + "/a.bin", {"If-None-Match": tag}).status == 304


def test_what_is_not_there(rest, root, run_id):
    assert_error(read(rest, root + "/nope.txt"), MISSING, "No such artifact: ")
    assert listed(rest, root + "/nope") == []
    assert_error(rest.call("GET", "/get-artifact", query={"run_id": "0" * 32, "path": "a"}), MISSING, "not found")


@pytest.mark.only_roost("MLflow's server answers 500, or puts the file elsewhere")
def test_a_path_is_a_file_or_a_folder(rest, root):
    put_all(rest, root, {"a/b.txt": b"1"})
    assert_error(put(rest, root + "/a/b.txt/c"), INVALID, "which is a file")
    assert_error(put(rest, root + "/a"), INVALID, "is a folder")
    assert_error(read(rest, root + "/a"), MISSING)
    assert_error(put(rest, root), INVALID, "Invalid path")
    assert listed(rest, root) == [("a", True, None)]


# -- lists -------------------------------------------------------------------------------------------------------------


def test_lists_are_of_one_level(rest, root, run_id):
    put_all(rest, root, {"a.txt": b"1", "m/MLmodel": b"22", "m/data/w": b"3", "m.txt": b"4", "zero": b""})
    assert listed(rest, root) == [("a.txt", False, 1), ("m", True, None), ("m.txt", False, 1), ("zero", False, None)]
    assert listed(rest, root + "/m/") == [("MLmodel", False, 2), ("data", True, None)]
    assert listed(rest, root + "/a.txt") == []
    answer = rest.get("artifacts/list", run_id=run_id, path="m")
    assert answer["root_uri"] == f"mlflow-artifacts:/{root}"
    assert answer["files"] == [{"path": "m/MLmodel", "is_dir": False, "file_size": 2}, {"path": "m/data", "is_dir": True}]
    assert rest.get("artifacts/list", run_uuid=run_id, path="") == rest.get("artifacts/list", run_id=run_id)
    assert "files" not in rest.get("artifacts/list", run_id=run_id, path="a.txt")
    assert_error(rest.call("GET", "artifacts/list"), INVALID, "Missing value for required parameter 'run_id'")
    assert_error(rest.call("GET", "artifacts/list", query={"run_id": "0" * 32}), MISSING)


@pytest.mark.only_roost("2,500 files take MLflow's server long")
def test_folders_of_many_files(rest, root, run_id):
    names = [f"many/{i % 2}/{i:04}" for i in range(2500)]
    for name in names:
        put(rest, f"{root}/{name}", b"x")
    put_all(rest, root, {"many.txt": b"1", "many/0.txt": b"2"})
    assert listed(rest, root) == [("many", True, None), ("many.txt", False, 1)]
    assert listed(rest, root + "/many") == [("0", True, None), ("0.txt", False, 1), ("1", True, None)]
    assert len(listed(rest, root + "/many/1")) == 1250


def test_both_prefixes(rest, root):
    ajax = "/ajax-api/2.0/mlflow-artifacts/artifacts"
    assert put(rest, root + "/a.txt", b"1", base=ajax).status == 200
    assert rest.call("GET", f"{ajax}/{root}/a.txt").body == b"1"
    assert rest.get(ajax, path=root) == rest.get(FILES, path=root)


# -- what lies beside runs ---------------------------------------------------------------------------------------------


def test_files_of_nobody(rest, name):
    put_all(rest, name, {"dir/f.csv": b"a,b", "g.txt": b"1"})
    assert read(rest, name + "/dir/f.csv").body == b"a,b"
    assert listed(rest, name) == [("dir", True, None), ("g.txt", False, 1)]
    assert rest.call("DELETE", f"{FILES}/{name}/dir").status == 200
    assert listed(rest, name) == [("g.txt", False, 1)]


# -- removal -----------------------------------------------------------------------------------------------------------


def test_a_file_and_a_tree_are_removed(rest, root):
    put_all(rest, root, {"a.txt": b"1", "m/MLmodel": b"2", "m/data/w": b"3", "m.txt": b"4"})
    for path in ("/a.txt", "/m", "/nope"):
        answer = rest.call("DELETE", FILES + "/" + root + path)
        assert (answer.status, answer.json) == (200, {}), answer.text
    assert listed(rest, root) == [("m.txt", False, 1)]


# -- safety ------------------------------------------------------------------------------------------------------------

BOTH = ["../x", "a/../../x", "%2e%2e/x", "..%2f..%2fetc%2fpasswd", "%252e%252e/x", "%25252e%25252e%25252fx", "a%23b"]
ROOST = ["..%5c..%5cx", "a%5cb", "a%255cb", "%5c%5cserver%5cshare", "C:/x", "C%3a%2fx", "C:%5cx", "a%2500b", "a%0ab", "file:///etc/passwd"]


@pytest.mark.parametrize("path", BOTH + [pytest.param(path, marks=pytest.mark.only_roost("MLflow's server takes some of these as names")) for path in ROOST])
def test_paths_that_lead_elsewhere_are_refused(rest, root, run_id, path):
    for method, raw in (("PUT", b"x"), ("GET", None), ("DELETE", None)):
        for where in (f"{FILES}/{path}", f"{FILES}/{root}/{path}"):
            assert_error(rest.call(method, where, raw=raw, content_type=None), INVALID, "Invalid path")
    assert rest.call("GET", f"{FILES}?path={path}").status == 400
    assert rest.call("GET", f"artifacts/list?run_id={run_id}&path={path}").status == 400
    assert rest.call("GET", f"/get-artifact?run_id={run_id}&path={path}").status == 400
    assert listed(rest, root) == []


@pytest.mark.only_roost("MLflow's server redirects")
def test_absolute_paths_are_refused(rest, root):
    for path in ("%2fetc/passwd", "%2f%2fetc", "%252fetc/passwd"):
        assert_error(put(rest, path), INVALID, "Invalid path")
        assert_error(read(rest, path), INVALID, "Invalid path")
        assert_error(put(rest, f"{root}/{path}"), INVALID, "Invalid path")
    assert_error(rest.call("GET", FILES, query={"path": "/etc"}), INVALID, "Invalid path")
    assert put(rest, "a%00b").status == 400


# -- by the owner ------------------------------------------------------------------------------------------------------


def test_get_artifact(rest, root, run_id):
    put_all(rest, root, {"d/a.json": b"{}"})
    for key in ("run_id", "run_uuid"):
        answer = rest.call("GET", "/get-artifact", query={key: run_id, "path": "d/a.json"})
        assert (answer.status, answer.body) == (200, b"{}")


def test_uploads_of_the_page(rest, root, run_id):
    where = "/ajax-api/2.0/mlflow/upload-artifact"
    query = {"run_uuid": run_id, "path": "up/u.txt"}
    assert rest.call("POST", where, query=query, raw=b"data", content_type="text/plain").status == 200
    assert read(rest, root + "/up/u.txt").body == b"data"
    refused = {"Request must specify run_uuid": {"path": "a"}, "Request must specify path": {"run_uuid": run_id}, "Invalid path": {"run_uuid": run_id, "path": "../a"}}
    for message, wrong in refused.items():
        assert_error(rest.call("POST", where, query=wrong, raw=b"x", content_type="text/plain"), INVALID, message)
    assert_error(rest.call("POST", where, query=query, raw=b"", content_type="text/plain"), INVALID, "Request must specify data")
    assert_error(rest.call("POST", where, query=query, raw=b"x" * (10 * 1024 * 1024 + 1), content_type="text/plain"), INVALID, "Max size is 10MB")
    assert read(rest, root + "/up/u.txt").body == b"data"


def test_presigned_uploads_are_told_as_not_there(rest, run_id):
    assert_error(rest.call("POST", "artifacts/presigned-upload-url", {"run_id": run_id, "path": "a"}), INVALID, "not supported for runs with proxied artifact storage")
    assert_error(rest.call("POST", "artifacts/presigned-upload-url", {"run_id": run_id}), INVALID, "'path'")
    answer = rest.call("GET", f"/api/2.0/mlflow-artifacts/presigned/{run_id}/a")
    assert (answer.status, answer.json["error_code"]) == (501, "NOT_IMPLEMENTED")


@pytest.mark.only_roost("the files of another place are not this server's")
def test_files_that_lie_elsewhere(rest, name):
    experiment = rest.post("experiments/create", name=name, artifact_location="s3://bucket/there")["experiment_id"]
    run = rest.create_run(experiment)
    answer = rest.call("GET", "artifacts/list", query={"run_id": run})
    assert answer.status == 501 and "s3://bucket/there" in answer.json["message"]


@pytest.mark.only_roost("native files")
def test_one_set_of_files_for_all_surfaces(rest, root, run_id):
    put_all(rest, root, {"outputs/model.pt": b"weights"})
    native = rest.call("GET", f"/api/v1/runs/{run_id}/files/outputs/model.pt")
    assert native.body == b"weights"
    assert rest.call("PUT", f"/api/v1/runs/{run_id}/files/logs/x.txt", raw=b"log").status == 201
    assert read(rest, root + "/logs/x.txt").body == b"log"


@pytest.mark.only_roost("MLflow's server has no such state")
def test_a_deleted_run_takes_no_files(rest, root, run_id):
    put_all(rest, root, {"a.txt": b"1"})
    rest.post("runs/delete", run_id=run_id)
    assert put(rest, root + "/b.txt").status == 400
    assert read(rest, root + "/a.txt").body == b"1"


def test_a_client_that_goes_away_leaves_nothing(rest, root):
    address = urllib.parse.urlsplit(rest.uri)
    connection = http.client.HTTPConnection(address.netloc, timeout=AT_MOST)
    connection.putrequest("PUT", f"{FILES}/{root}/half.bin")
    connection.putheader("Content-Length", str(8 << 20))
    if rest.token:
        connection.putheader("Authorization", f"Bearer {rest.token}")
    connection.endheaders(b"x" * (1 << 20))
    connection.close()
    put_all(rest, root, {"whole.txt": b"1"})
    assert [entry[0] for entry in listed(rest, root)] == ["whole.txt"]


# -- in parts ----------------------------------------------------------------------------------------------------------

MPU = "/api/2.0/mlflow-artifacts/mpu/"


def send_part(rest: Rest, url: str, content: bytes) -> str:
    """As the client does: no header but the body's, no token."""
    address = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(address.netloc, timeout=AT_MOST)
    connection.request("PUT", address.path, content)
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 200
    return answer.headers["ETag"]


@pytest.mark.only_roost("MLflow's server has parts only with cloud storage behind it")
class TestParts:
    def begin(self, rest, root, parts=2):
        return rest.post(MPU + "create/" + root, path="/home/me/big.bin", num_parts=parts)

    def finish(self, rest, root, upload, parts):
        return rest.call("POST", MPU + "complete/" + root, {"path": "/home/me/big.bin", "upload_id": upload["upload_id"], "parts": parts})

    def test_parts_in_any_order_become_one_file(self, rest, root):
        upload = self.begin(rest, root, 3)
        contents = [os.urandom(100_000), os.urandom(3 << 20), b""]
        parts = []
        for number in (2, 0, 1):
            credential = upload["credentials"][number]
            parts.append({"part_number": credential["part_number"], "etag": send_part(rest, credential["url"], contents[number]), "url": credential["url"]})
        parts.sort(key=lambda part: part["part_number"])
        assert listed(rest, root) == []
        answer = self.finish(rest, root, upload, parts)
        assert (answer.status, answer.json) == (200, {}), answer.text
        assert read(rest, root + "/big.bin").body == b"".join(contents)
        assert_error(self.finish(rest, root, upload, parts), MISSING, "no upload")

    def test_what_does_not_fit_is_refused(self, rest, root):
        upload = self.begin(rest, root)
        url = upload["credentials"][0]["url"]
        etag = send_part(rest, url, b"one")
        assert_error(self.finish(rest, root, upload, [{"part_number": 2}]), INVALID, "Part 2")
        assert_error(self.finish(rest, root, upload, [{"part_number": 1, "etag": "other"}]), INVALID, "etag")
        assert_error(self.finish(rest, root, upload, [{"part_number": 1, "etag": etag}] * 2), INVALID, "rising")
        assert_error(self.finish(rest, root + "/other", upload, [{"part_number": 1, "etag": etag}]), INVALID, "belongs to")
        assert_error(rest.call("POST", MPU + "create/" + root + "/%252e%252e", {"path": "x", "num_parts": 1}), INVALID, "Invalid path")
        assert_error(rest.call("POST", MPU + "create/" + root, {"path": "..", "num_parts": 1}), INVALID, "Invalid path")
        assert_error(rest.call("POST", MPU + "create/" + root, {"path": "x", "num_parts": 0}), INVALID, "num_parts")
        nobody = url.replace(upload["upload_id"], "0" * 64)
        assert rest.call("PUT", urllib.parse.urlsplit(nobody).path, raw=b"x").status == 404
        assert rest.call("PUT", urllib.parse.urlsplit(url).path[:-1] + "0", raw=b"x").status == 400

    def test_an_aborted_upload_is_gone(self, rest, root):
        upload = self.begin(rest, root)
        send_part(rest, upload["credentials"][0]["url"], b"one")
        body = {"path": "big.bin", "upload_id": upload["upload_id"]}
        assert rest.call("POST", MPU + "abort/" + root, body).json == {}
        assert_error(rest.call("POST", MPU + "abort/" + root, body), MISSING)
        assert rest.call("PUT", urllib.parse.urlsplit(upload["credentials"][0]["url"]).path, raw=b"x").status == 404

    def test_behind_a_proxy_with_tls(self, rest, root):
        answer = rest.call("POST", MPU + "create/" + root, {"path": "x", "num_parts": 1}, headers={"X-Forwarded-Proto": "https"})
        assert answer.json["credentials"][0]["url"].startswith("https://")


def test_the_client_sends_a_large_file_in_parts(rest, root, run_id, tmp_path, monkeypatch, tracking):
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed (tests/requirements.txt)")
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", "true")
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", str(6 << 20))
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", str(5 << 20))
    content = os.urandom((23 << 20) + 17)
    (tmp_path / "big.bin").write_bytes(content)
    asked = []
    if not tracking.is_stock:
        from mlflow.store.artifact.http_artifact_repo import HttpArtifactRepository

        original = HttpArtifactRepository._upload_part
        monkeypatch.setattr(HttpArtifactRepository, "_upload_part", staticmethod(lambda *args, **named: asked.append(1) or original(*args, **named)))
    mlflow.MlflowClient(tracking.uri).log_artifact(run_id, str(tmp_path / "big.bin"), "deep/er")
    assert listed(rest, root + "/deep/er") == [("big.bin", False, len(content))]
    assert read(rest, root + "/deep/er/big.bin").body == content
    assert tracking.is_stock or len(asked) == 5


# -- large files -------------------------------------------------------------------------------------------------------


@pytest.mark.only_roost("the memory of this server")
def test_memory_does_not_grow_with_the_file(rest, root, tracking):
    def memory() -> int:
        with open(f"/proc/{tracking.server.process.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) << 10

    put_all(rest, root, {"warm.bin": os.urandom(8 << 20)})
    before = memory()
    piece = os.urandom(1 << 20)
    address = urllib.parse.urlsplit(rest.uri)
    connection = http.client.HTTPConnection(address.netloc, timeout=AT_MOST)
    headers = {"Authorization": f"Bearer {rest.token}", "Content-Length": str(256 << 20)}
    connection.request("PUT", f"{FILES}/{root}/big.bin", iter([piece] * 256), headers)
    assert json.loads(connection.getresponse().read()) == {}
    connection.request("GET", f"{FILES}/{root}/big.bin", headers={"Authorization": headers["Authorization"]})
    answer = connection.getresponse()
    size = 0
    while got := answer.read(1 << 20):
        size += len(got)
    assert size == 256 << 20
    assert memory() - before < 48 << 20


def test_uploads_at_once(rest, root):
    contents = {f"f{i}": os.urandom(200_000 + i) for i in range(8)}
    threads = [threading.Thread(target=put_all, args=(rest, root, {path: content})) for path, content in contents.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for path, content in contents.items():
        assert read(rest, f"{root}/{path}").body == content


def test_bad_request_words(rest):
    answer = rest.call("GET", "/ajax-api/2.0/mlflow/logged-models/m-x/artifacts/files")
    assert_error(answer, BAD, "artifact_file_path")
