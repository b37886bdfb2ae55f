"""Shared fixtures."""

import signal
from pathlib import Path

import pytest
from hypothesis import settings

SHARED = Path(__file__).resolve().parents[2] / "shared"


# The same commit gives the same result; `pytest --hypothesis-profile=default` looks for new examples.
settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")


def pytest_configure():
    """Hear Ctrl-C, also where a shell has started the tests in the background with it switched off."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    """Skip tests that need the data folder where it is absent."""
    if SHARED.is_dir():
        return
    for item in items:
        if item.get_closest_marker("shared"):
            item.add_marker(pytest.mark.skip(reason="needs the data folder beside the project"))


@pytest.fixture(scope="session")
def shared():
    """Folder of the data beside the project."""
    return SHARED
