"""Waiting for a thing, never for a time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_for(look: Callable[[], T], timeout: float, what: str, every: float = 0.05) -> T:
    """The first true result of `look`; an error counts as not yet, a failed assertion is raised.

    Raises TimeoutError naming what did not come.
    """
    end = time.monotonic() + timeout
    error: Exception | None = None
    while time.monotonic() < end:
        try:
            result = look()
        except AssertionError:
            raise
        except Exception as caught:  # noqa: BLE001 - whatever it is, it is not there yet
            error = caught
        else:
            if result:
                return result
        time.sleep(every)
    raise TimeoutError(f"{what} did not come in {timeout:g} s" + (f" (last error: {error!r})" if error else ""))
