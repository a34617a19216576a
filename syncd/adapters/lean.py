"""Optional parts of libraries that are never used here, and that cost memory in a daemon of eighty megabytes."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without(package: str) -> Iterator[None]:
    """Import something within this as if an optional package of it were not installed."""
    if package in sys.modules:  # somebody needs it: then it costs nothing more
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment]  # Python's own way to say "there is none"
    try:
        yield
    finally:
        del sys.modules[package]
