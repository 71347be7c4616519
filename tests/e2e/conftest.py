import pytest


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--full"):
        skip = pytest.mark.skip(reason="takes long; runs in ./test.sh --full")
        for item in items:
            if "full" in item.keywords:
                item.add_marker(skip)
