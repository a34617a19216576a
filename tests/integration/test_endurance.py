"""A daemon that runs for months: what one pass leaves behind is multiplied by a million."""

import gc
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from syncd.ports import now
from tests.fakes.world import Bench, Syncd

PASSES = 2000
MOST_GROWTH_MB = 5.0

pytestmark = pytest.mark.timeout(1800)  # half a minute of processor time, on whatever machine


def test_memory_descriptors_and_threads_stay_flat_over_two_thousand_passes(tmp_path: Path) -> None:
    """One in a hundred of them is a rotation, so that history is written and retired too.

    In a process of its own: in this one other tests have threads and descriptors that end when they like.
    """
    measure = f"from {__name__} import measure; measure({str(tmp_path)!r})"
    done = subprocess.run([sys.executable, "-c", measure], stdout=subprocess.PIPE, check=True)
    before, after = json.loads(done.stdout)
    assert after[0] - before[0] < MOST_GROWTH_MB, f"resident {before[0]:.1f} -> {after[0]:.1f} MB"
    assert after[1:] == before[1:], "descriptors and threads"


def measure(folder: str) -> None:
    """Print what is used before and after, as JSON."""
    bench = Bench(Path(folder))
    daemon = Syncd(bench)
    _passes(bench, daemon, PASSES // 4)  # what is kept on purpose (caches, threads) is there by then
    before = _used()
    _passes(bench, daemon, PASSES)
    after = _used()
    daemon.end()
    sys.stdout.write(json.dumps((before, after)))


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
