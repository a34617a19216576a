"""Who does not answer takes nobody's threads but those of his like."""

from collections.abc import Iterator
from itertools import permutations
from threading import Event, Semaphore

import pytest

from syncd.engine.crew import Crew, Done, Lane

WORKERS = 4
MANY = 3 * WORKERS


@pytest.fixture
def crew() -> Iterator[Crew]:
    made = Crew("test", WORKERS, lambda _: None)
    yield made
    made.close()


@pytest.fixture
def never() -> Iterator[Event]:
    """What blocked jobs wait for; it comes when the test has ended."""
    event = Event()
    yield event
    event.set()


@pytest.mark.parametrize(("blocked", "lane"), list(permutations(Lane, 2)))
def test_no_lane_waits_for_another(crew: Crew, never: Event, blocked: Lane, lane: Lane) -> None:
    crew.begin({f"blocked {number}": never.wait for number in range(MANY)}, blocked)
    assert crew.each({"job": lambda: "done"}, 5, lane) == {"job": Done("done")}


def test_silent_hosts_take_half_of_the_threads_at_most(crew: Crew, never: Event) -> None:
    begun = Semaphore(0)

    def blocked() -> None:
        begun.release()
        never.wait()

    crew.begin({f"silent {number}": blocked for number in range(MANY)}, Lane.SILENT)
    for _ in range(WORKERS // 2):
        assert begun.acquire(timeout=5)
    crew.each({"job": lambda: "done"}, 5, Lane.HOSTS)
    assert not begun.acquire(blocking=False)


def test_all_that_is_near_goes_on_at_once(crew: Crew, never: Event) -> None:
    """A restart that takes minutes, and sources that do not answer, keep nothing waiting."""
    crew.begin({f"source {number}": never.wait for number in range(MANY)}, Lane.NEAR)
    assert crew.each({"state": lambda: "read"}, 5, Lane.NEAR) == {"state": Done("read")}
