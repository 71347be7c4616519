"""Raw calls of MLflow's REST API: what goes over the wire, with nothing of the client in between."""

from __future__ import annotations

import dataclasses
import http.client
import json
import urllib.parse

from harness import AT_MOST

MISSING = "RESOURCE_DOES_NOT_EXIST"
INVALID = "INVALID_PARAMETER_VALUE"
EXISTS = "RESOURCE_ALREADY_EXISTS"
BAD = "BAD_REQUEST"


@dataclasses.dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self):
        return json.loads(self.body)


class Rest:
    """Calls below /api/2.0/mlflow of one server; paths that begin with / are taken as they are."""

    def __init__(self, uri: str, token: str = "", prefix: str = "/api/2.0/mlflow"):
        self.uri, self.token, self.prefix = uri, token, prefix

    def with_prefix(self, prefix: str) -> "Rest":
        return Rest(self.uri, self.token, prefix)

    def call(self, method: str, path: str, body=None, query=None, raw: bytes | None = None, content_type: str | None = "application/json", headers=None) -> Answer:
        """`body` is sent as JSON, `raw` as it is."""
        address = urllib.parse.urlsplit(self.uri)
        target = path if path.startswith("/") else f"{self.prefix}/{path}"
        if query:
            target += "?" + urllib.parse.urlencode(query, doseq=True)
        sent = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        if raw is None and body is not None:
            raw = json.dumps(body).encode()
        if raw is not None and content_type:
            sent["Content-Type"] = content_type
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=AT_MOST)
        try:
            connection.request(method, target, body=raw, headers={**sent, **(headers or {})})
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    def get(self, path: str, /, **query) -> dict:
        return self._expect_200(self.call("GET", path, query=query), path)

    def post(self, path: str, /, **body) -> dict:
        return self._expect_200(self.call("POST", path, body), path)

    @staticmethod
    def _expect_200(answer: Answer, path: str) -> dict:
        assert answer.status == 200, f"{path}: {answer.status} {answer.text}"
        return answer.json

    # -- what most tests begin with ------------------------------------------------------------------------------

    def create_run(self, experiment: str, **fields) -> str:
        return self.post("runs/create", experiment_id=experiment, **fields)["run"]["info"]["run_id"]

    def run(self, run_id: str) -> dict:
        return self.get("runs/get", run_id=run_id)["run"]

    def data(self, run_id: str, kind: str) -> dict:
        """Metrics, params or tags of a run by key."""
        return {item["key"]: item["value"] for item in self.run(run_id)["data"].get(kind, [])}


def assert_error(answer: Answer, code: str, *fragments: str, status: int | None = None) -> None:
    """The error that clients decide by: code, HTTP status, and the parts of the message that they compare."""
    expected = status or {MISSING: 404, "ENDPOINT_NOT_FOUND": 404, "PERMISSION_DENIED": 403, "UNAUTHENTICATED": 401, "INVALID_STATE": 500, "INTERNAL_ERROR": 500}.get(code, 400)
    assert (answer.status, answer.json.get("error_code")) == (expected, code), f"{answer.status} {answer.text}"
    for fragment in fragments:
        assert fragment in answer.json["message"], f"{fragment!r} is not in {answer.json['message']!r}"
