"""A daemon that runs for months: what one pass leaves behind is multiplied by a million."""

import gc
import os
import threading
from pathlib import Path

from syncd.ports import now
from tests.fakes.world import Bench, Syncd

PASSES = 2000
MOST_GROWTH_MB = 5.0


def test_memory_descriptors_and_threads_stay_flat_over_two_thousand_passes(tmp_path: Path) -> None:
    """One in a hundred of them is a rotation, so that history is written and retired too."""
    bench = Bench(tmp_path)
    daemon = Syncd(bench)
    _passes(bench, daemon, PASSES // 4)  # what is kept on purpose (caches, threads) is there by then
    before = _used()
    _passes(bench, daemon, PASSES)
    after = _used()
    daemon.end()
    assert after[0] - before[0] < MOST_GROWTH_MB, f"resident {before[0]:.1f} -> {after[0]:.1f} MB"
    assert after[1:] == before[1:], "descriptors and threads"


def _passes(bench: Bench, daemon: Syncd, count: int) -> None:
    for number in range(count):
        if number % 100 == 0:
            bench.publish(bench.ca.rekey(now()))
            bench.follow()
        daemon.turn()


def _used() -> tuple[float, int, int]:
    """(resident MB, open descriptors, threads)."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return (
        pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
        len(list(Path("/proc/self/fd").iterdir())),
        threading.active_count(),
    )
