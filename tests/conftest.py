"""What all tests share."""

import threading
from collections.abc import Iterator

import pytest

pytest_plugins = ["tests.bed.pytest_plugin"]
_PATIENCE = 3.0


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """A test that leaves a thread of ours behind fails; daemon threads of libraries end by themselves."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        if not thread.daemon:
            thread.join(_PATIENCE)
            assert not thread.is_alive(), f"the test left {thread.name} running"
