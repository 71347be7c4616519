#!/usr/bin/env python3
"""An environment of 200 packages: virtual environment, resolution, download and installation with the commands that the server's builds run,
by uv against plain pip (`python -m venv`, `python -m pip`), interleaved. The packages are generated (20 modules of 1 KiB each, every one needs up to
three others, three versions of each) and come from an index of this machine over HTTP, so no network is measured. Cold: nothing cached;
warm: a second environment. Needs uv in PATH, or UV=/path/to/uv."""

import http.server
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import zipfile

from common import median, report, timed

PACKAGES = 200
VERSIONS = ("1.0", "1.1", "2.0")
MODULES = 20
ROUNDS = 3


def write_wheel(folder: pathlib.Path, name: str, version: str, needs: "list[str]") -> None:
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as wheel:
        for number in range(MODULES):
            wheel.writestr(f"{name}/module{number}.py", f"NUMBER = {number}\n" + "# filling\n" * 100)
        wheel.writestr(f"{name}/__init__.py", f"VERSION = {version!r}\n")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" + "".join(f"Requires-Dist: {n}\n" for n in needs))
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: bench\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "".join(f"{path},,\n" for path in wheel.namelist()) + f"{info}/RECORD,,\n")


def write_index(folder: pathlib.Path) -> "list[str]":
    """Pages as PEP 503 has them; gives the requirements: a third is pinned, the rest is not."""
    pick = random.Random(1)
    names = [f"pack{number:03}" for number in range(PACKAGES)]
    for number, name in enumerate(names):
        page = folder / "simple" / name
        page.mkdir(parents=True)
        for version in VERSIONS:
            needs = [f"{other}>=1.0" for other in pick.sample(names[:number], min(number, pick.randint(0, 3)))]
            write_wheel(page, name, version, needs)
        links = "".join(f'<a href="{file.name}">{file.name}</a><br>\n' for file in sorted(page.iterdir()))
        (page / "index.html").write_text(f"<!DOCTYPE html><html><body>\n{links}</body></html>\n")
    return [f"{name}==1.1" if number % 3 == 0 else name for number, name in enumerate(names)]


class Quiet(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass


def install(tool: str, uv: str, folder: pathlib.Path, index: str, requirements: pathlib.Path, environment: "dict[str, str]") -> None:
    python = str(folder / "bin" / "python")
    if tool == "uv":
        commands = [
            [uv, "venv", "--python", sys.executable, str(folder)],
            [uv, "pip", "install", "--python", python, "--link-mode", "copy", "--index-strategy", "unsafe-best-match", "--index-url", index, "-r", str(requirements)],
        ]  # fmt: skip
    else:
        commands = [
            [sys.executable, "-m", "venv", str(folder)],
            [python, "-m", "pip", "install", "--index-url", index, "-r", str(requirements)],
        ]
    for command in commands:
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    count = sum(1 for _ in folder.glob("lib/python*/site-packages/pack*.dist-info"))
    if count != PACKAGES:
        raise SystemExit(f"{tool} installed {count} of {PACKAGES} packages")


def main() -> None:
    uv = os.environ.get("UV") or shutil.which("uv")
    if not uv:
        raise SystemExit("bench_environments needs uv in PATH, or UV=/path/to/uv")
    # Settings of this machine's pip and uv (further indexes, caches) would be measured too.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
    times: "dict[str, list[float]]" = {}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        requirements = folder / "requirements.txt"
        requirements.write_text("\n".join(write_index(folder)) + "\n")
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), lambda *args: Quiet(*args, directory=name))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        index = f"http://127.0.0.1:{server.server_address[1]}/simple"
        for number in range(ROUNDS):
            for tool in ("uv", "pip"):
                cache = folder / f"cache-{tool}-{number}"
                environment = {**kept, "UV_CACHE_DIR": str(cache), "PIP_CACHE_DIR": str(cache), "PIP_DISABLE_PIP_VERSION_CHECK": "1",
                               "PIP_CONFIG_FILE": os.devnull, "UV_NO_CONFIG": "1"}  # fmt: skip
                for state in ("cold", "warm"):
                    place = folder / f"{tool}-{state}"
                    took = timed(lambda: install(tool, uv, place, index, requirements, environment))
                    times.setdefault(f"{tool}_{state}", []).append(took)
                    shutil.rmtree(place)
                shutil.rmtree(cache, ignore_errors=True)
        server.shutdown()
    result = {f"{kind}_s": round(median(values), 2) for kind, values in times.items()}
    for state in ("cold", "warm"):
        result[f"pip_over_uv_{state}"] = round(median([pip / uv_ for pip, uv_ in zip(times[f"pip_{state}"], times[f"uv_{state}"])]), 1)
    report("environments", {"packages": PACKAGES, **result})


if __name__ == "__main__":
    main()
