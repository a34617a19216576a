"""syncd's way of copying against its peers', on the same hosts in the same run, for growing numbers of hosts."""

from contextlib import ExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from bench.hosts import Hosts
from bench.ways import WAYS, peers_python
from syncd.demo.pki import EckCa
from syncd.ports import now

COUNTS = (5, 10, 25, 50)
ROUNDS = 3
SLOW = frozenset({"ansible copy"})
"""Measured once for each number of hosts: a round takes a minute."""

Figures = dict[str, dict[int, dict[str, float]]]
"""Way -> number of hosts -> cold and warm seconds, the median of the rounds."""


def compare() -> Figures:
    """Measure every way. The ways take turns, so that none has the quiet moments for itself."""
    peers_python()
    figures: Figures = {way: {} for way in WAYS}
    for count in COUNTS:
        rounds = [_round(count, number) for number in range(ROUNDS)]
        for way in WAYS:
            mine = [taken[way] for taken in rounds if way in taken]
            figures[way][count] = {kind: median(took[kind] for took in mine) for kind in mine[0]}
            print(f"{count:>4} hosts  {way:<14} {figures[way][count]}", flush=True)
    return figures


def _round(count: int, number: int) -> dict[str, dict[str, float]]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="syncd-bench-")))
        hosts = Hosts.start(folder, count, stack)
        content = EckCa.create(now()).pem
        return {way: copy(hosts, content) for way, copy in WAYS.items() if number == 0 or way not in SLOW}
