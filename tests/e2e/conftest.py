"""What takes long to make, made once for all end-to-end tests: packages for environments, and a server that builds with them."""

from __future__ import annotations

import functools
import http.server
import pathlib
import threading
import zipfile

import pytest

from e2e import cifar_stand_in, real_torchvision, wheelhouse
from harness import Server, end_runs
from sdk.support import write_config


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--full"):
        skip = pytest.mark.skip(reason="takes long; runs in ./test.sh --full")
        for item in items:
            if "full" in item.keywords:
                item.add_marker(skip)


@pytest.fixture(scope="session")
def web_folder(tmp_path_factory):
    """A folder and the address where it is served: downloads without the network."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    folder = tmp_path_factory.mktemp("web")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="session")
def wheels(tmp_path_factory, web_folder) -> pathlib.Path:
    """All that the environments of these tests can have: PyTorch and its kin are those of the tests' interpreter, torchvision
    is the real one, which finds digits where CIFAR-10 would be; `future` and `tensorboard`, which no script uses, are empty."""
    folder = tmp_path_factory.mktemp("wheels")
    wheelhouse.link_installed(folder, "torch", "numpy", "pillow")
    vision, needs_operators = real_torchvision.unpacked()
    before = real_torchvision.OPERATORS if needs_operators else "def before():\n    pass\n"
    wheelhouse.make_link(folder, "torchvision", f"{real_torchvision.version()}{wheelhouse.local_version('torch')}", ["torchvision"], vision,
                         ["torch", "numpy", "pillow"], before=cifar_stand_in.write_digits(*web_folder) + before)  # fmt: skip
    for name, version in (("future", "1.0.0"), ("tensorboard", "2.20.0")):
        wheelhouse.make_wheel(folder, name, version, {f"{name}/__init__.py": ""}, modules=[name])
    return folder


@pytest.fixture(scope="session")
def own_torchvision(tmp_path_factory, wheels) -> pathlib.Path:
    """A folder for PYTHONPATH that gives torchvision, with the digits for CIFAR-10, to the tests' own interpreter."""
    folder = tmp_path_factory.mktemp("torchvision")
    (wheel,) = wheels.glob("torchvision-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extract("_torchvision_link.py", folder)
    (folder / "sitecustomize.py").write_text("import _torchvision_link\n")
    return folder


def build_options(wheels: pathlib.Path) -> list[str]:
    """Builds from these wheels alone, whatever this machine's pip is set to."""
    variables = {"PIP_CONFIG_FILE": "/dev/null", "PIP_FIND_LINKS": wheels, "UV_FIND_LINKS": wheels}
    return ["--no-index", "--find-links", str(wheels)] + [word for name, value in variables.items() for word in ("--build-env", f"{name}={value}")]


@pytest.fixture(scope="module")
def torch_server(tmp_path_factory, wheels):
    """One for the tests of a file: each environment is built once there."""
    server = Server(tmp_path_factory.mktemp("server") / "data", "--relax-pins", *build_options(wheels)).start()
    yield server
    end_runs(server)
    server.stop()


@pytest.fixture
def no_other_server(monkeypatch, tmp_path):
    """No server but the test's own can be found."""
    for name in ("ROOST_URL", "ROOST_TOKEN", "ROOST_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ROOST_DATA", str(tmp_path / "no server here"))


@pytest.fixture
def desk(no_other_server, torch_server, tmp_path, monkeypatch) -> pathlib.Path:
    """The current folder of a user of that server, with config.json in it."""
    folder = tmp_path / "desk"
    folder.mkdir()
    write_config(folder, torch_server, "config.json")
    monkeypatch.chdir(folder)
    return folder
