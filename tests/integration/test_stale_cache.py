"""The API answers with what was true before: a stale cache. It looks as a rotation back does, and must cost no trust."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from syncd.ports import now
from tests.fakes.world import FILE, NAMES, Bench, Syncd


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def syncd(bench: Bench) -> Iterator[Syncd]:
    daemon = Syncd(bench)
    yield daemon
    daemon.end()


@pytest.fixture
def patient(bench: Bench) -> Iterator[Syncd]:
    """A daemon whose overlap outlasts the test."""
    bench.overlap = timedelta(hours=24)
    daemon = Syncd(bench)
    yield daemon
    daemon.end()


def stamps(bench: Bench) -> list[int]:
    return [bench.hosts[name].real(FILE).stat().st_ino for name in NAMES]


def test_a_cache_that_flaps_between_old_and_new_changes_no_file(bench: Bench, patient: Syncd) -> None:
    """Promise 1. The remote still presents the old leaf: nothing but the overlap keeps the newer CA, and it does."""
    patient.turn(4)
    old, new = bench.ca, bench.ca.rekey(now())
    bench.publish(new)
    patient.turn(2)
    before = stamps(bench)
    for stale in (old, old, old, new, old, new, old, old):
        bench.publish(stale)
        patient.turn(2)
        assert all(set(bench.on(name)) == {old.cert, new.cert} for name in NAMES)
    assert stamps(bench) == before


def test_a_stale_answer_long_after_brings_the_old_ca_back_beside_the_new_one_and_no_further(
    bench: Bench, syncd: Syncd
) -> None:
    """The old CA had retired. Its overlap passes while it is shown as current, and the newer one stays: it is in use."""
    syncd.turn(4)
    old, new = bench.ca, bench.ca.rekey(now())
    bench.publish(new)
    bench.follow()
    syncd.turn_until(lambda: all(bench.on(name) == (new.cert,) for name in NAMES))
    bench.publish(old)
    syncd.turn_until(lambda: all(set(bench.on(name)) == {old.cert, new.cert} for name in NAMES))
    end = now() + 4 * bench.overlap
    while now() < end:
        report = syncd.turn()
        assert all(new.cert in bench.on(name) for name in NAMES)
    assert "chains_verify_without" in {hold.rule for hold in report.plan.holds}
    bench.publish(new)
    syncd.turn_until(lambda: all(bench.on(name) == (new.cert,) for name in NAMES))
