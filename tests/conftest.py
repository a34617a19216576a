"""What all tests share."""

import os
import threading
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.bed.pytest_plugin"]
_PATIENCE = 20.0

# Both measure the machine, not the code: how long one example took, and how long the examples took to be made.
_UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("random", _UNTIMED)
settings.register_profile("required", _UNTIMED, derandomize=True)  # the same tree gives the same answer
settings.load_profile("required" if os.environ.get("SYNCD_BED") == "require" else "random")


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """A test that leaves a thread of ours behind fails; daemon threads of libraries end by themselves."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        if not thread.daemon:
            thread.join(_PATIENCE)
            assert not thread.is_alive(), f"the test left {thread.name} running"
