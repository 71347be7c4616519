"""The server keeps to api/openapi.yaml under generated requests: schemathesis, always the same ones, a fake launcher, a scratch folder."""

import subprocess
import sys

from harness import PROJECT


def test_generated_requests_find_no_server_error_and_no_answer_outside_the_contract(make_server, request):
    server = make_server("--fake-launcher")
    examples = "500" if request.config.getoption("--full") else "50"  # 50 take about 20 s
    command = [
        sys.executable, "-m", "schemathesis.cli", "run", str(PROJECT / "api" / "openapi.yaml"),
        "--url", server.url, "-H", f"Authorization: Bearer {server.token}",
        "--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
        "--max-examples", examples, "--phases", "examples,fuzzing", "--generation-deterministic", "--suppress-health-check", "all",
        "--exclude-path-regex", "^/api/v1/(events|admin/backup|tokens/.*)$", "--request-timeout", "120", "--no-color",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert server.process.poll() is None
