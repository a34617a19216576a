"""Waiting for a thing, never for a time."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from syncd.ports import Deadline

T = TypeVar("T")
_TICK, _MARGIN = 0.01, 0.5


def soon() -> Deadline:
    """For a call that ends by itself: longer than any machine makes it last."""
    return Deadline.after(20)


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


@contextmanager
def ending_by(seconds: float) -> Iterator[None]:
    """Fail where what is done in it goes on for more than half a second after so many seconds.

    Beside it a control thread sleeps as long, and then in small steps: what is late is counted in its steps, so that a
    machine that stands still delays both and counts for nothing. Nor does the time in which this thread was ready to run and
    got no processor: whoever sleeps most is woken first, so the control thread alone would not notice.
    """
    before = _starved()
    done, late = threading.Event(), []

    def control() -> None:
        if not done.wait(seconds):
            while not done.wait(_TICK):
                late.append(_TICK)

    thread = threading.Thread(target=control)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    assert sum(late) - (_starved() - before) < _MARGIN, (
        f"it went on for {sum(late):.2f} s after the {seconds:g} s that it had"
    )


def _starved() -> float:
    """Seconds for which this thread has waited for a processor since it began (proc(5), schedstat)."""
    return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9
