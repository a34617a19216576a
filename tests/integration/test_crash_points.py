"""Promise 3: a crash at any line loses nothing.

Every start state times every cut of the changes that syncd makes from there, before and after the change: the next
lives settle in the end state of a life that was never cut, and at no moment does a node lack a CA that it needs.
"""

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from syncd.core.java.trust import verifies
from syncd.core.memory.document import parse
from syncd.ports import Deadline, now
from tests.fakes.knife import Killed
from tests.fakes.world import FILE, NAMES, Bench, Syncd


def fresh(_: Bench) -> None:
    """Nothing was ever done."""


def settled(bench: Bench) -> None:
    live(bench, 4)


def renewed(bench: Bench) -> None:
    settled(bench)
    bench.publish(bench.ca.renew(now()))


def new_key(bench: Bench) -> None:
    settled(bench)
    bench.publish(bench.ca.rekey(now()))


def followed(bench: Bench) -> None:
    new_key(bench)
    live(bench, 3)
    bench.follow()


def owner_drift(bench: Bench) -> None:
    settled(bench)
    bench.hosts[NAMES[0]].real(FILE).chmod(0o600)


def file_deleted(bench: Bench) -> None:
    settled(bench)
    bench.hosts[NAMES[1]].real(FILE).unlink()


OVERLAP_AND_A_BIT = 0.35
"""Seconds within which an old CA retires in this world."""

STARTS: tuple[Callable[[Bench], None], ...] = (fresh, settled, renewed, new_key, followed, owner_drift, file_deleted)


def live(bench: Bench, passes: int, seconds: float = 0) -> None:
    """A life of the daemon of so many passes and at least so long, or until it is killed."""
    syncd, deadline = Syncd(bench), Deadline.after(seconds)
    try:
        while passes > 0 or deadline.left():
            syncd.turn()
            passes -= 1
            never_orphaned(bench)
    finally:
        syncd.end()


def never_orphaned(bench: Bench) -> None:
    """Every file whose node had loaded trust for what the remote presents has that trust still."""
    for name in NAMES:
        if bench.on(name) and bench.es.loaded.get(name) and verifies(bench.leaf.chain, bench.es.loaded[name], now()).ok:
            assert verifies(bench.leaf.chain, bench.on(name), now()).ok, name


def settle(bench: Bench) -> None:
    """Lives that nobody cuts, until nothing is left to do."""
    syncd = Syncd(bench)
    try:
        bench.follow()
        syncd.turn_until(lambda: all(bench.on(name) == (bench.ca.cert,) for name in NAMES) and syncd.turn().settled)
    finally:
        syncd.end()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("start", STARTS, ids=lambda start: start.__name__)
def test_every_cut_settles_on_the_next_life(start: Callable[[Bench], None], tmp_path: Path, *, after: bool) -> None:
    for cut in count(1):
        bench = Bench(tmp_path / f"{cut}")
        start(bench)
        bench.knife.reset(cut, after=after)
        try:
            live(bench, 3, OVERLAP_AND_A_BIT)
        except Killed:
            pass
        else:
            assert bench.knife.changes < cut
            break
        never_orphaned(bench)
        bench.knife.reset()
        settle(bench)
    assert cut > 1 or start is settled


def test_a_ca_whose_writing_was_the_last_thing_done_is_not_foreign_to_the_next_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before its writing was noted, and not started again until ECK had published another one."""
    bench = Bench(tmp_path)
    settled(bench)
    plain, begun = bench.store.save, now()

    def save(text: str, expect: str | None, deadline: Deadline) -> str:
        if any(record.at > begun for record in parse(text, "the state").writes):
            raise Killed
        return plain(text, expect, deadline)

    bench.publish(bench.ca.rekey(now()))
    with monkeypatch.context() as patch:
        patch.setattr(bench.store, "save", save)
        with pytest.raises(Killed):
            live(bench, 3)
    assert all(bench.ca.cert in bench.on(name) for name in NAMES)
    bench.publish(bench.ca.rekey(now()))
    settle(bench)
