"""The trainer's tests; they need no server."""


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: every model, not only one of each kind; left out with -m 'not slow'")
