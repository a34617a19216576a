"""syncd's way of copying against its peers', on the same hosts in the same run, for growing numbers of hosts."""

from contextlib import ExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from bench.budgets import budget
from bench.hosts import Hosts
from bench.measured import Figures, Measured
from bench.ways import WAYS, peers_python
from syncd.demo.pki import EckCa
from syncd.ports import now

ROUNDS = {5: 3, 10: 3, 25: 3, 50: 3, 1000: 2}
"""By number of hosts."""
SLOW = frozenset({"ansible copy"})
"""Measured once for each number of hosts: a round takes a minute."""
SMALL = frozenset({"ansible copy", "scp"})
"""Measured up to 50 hosts: they start a process for each, and a thousand at once are more than this machine carries."""
MOST_SMALL = 50
PEER = "parallel-ssh"


def measure(rounds: dict[int, int] = ROUNDS) -> Measured:
    """Measure every way. The ways take turns, so that none has the quiet moments for itself."""
    peers_python()
    figures: Figures = {way: {} for way in WAYS}
    for count, times in rounds.items():
        taken = [_round(count, number) for number in range(times)]
        for way in WAYS:
            mine = [each[way] for each in taken if way in each]
            if mine:
                figures[way][str(count)] = {kind: median(took[kind] for took in mine) for kind in mine[0]}
                print(f"{count:>6} hosts  {way:<14} {figures[way][str(count)]}", flush=True)
    small, large = sorted(rounds)[-2:]
    return Measured(
        rows=(
            budget("cold_50").row(_ratio(figures, small), f"medians of {rounds[small]}"),
            budget("cold_1000").row(_ratio(figures, large), f"medians of {rounds[large]}"),
        ),
        figures=figures,
    )


def _ratio(figures: Figures, count: int) -> float:
    return figures["syncd"][str(count)]["cold"] / figures[PEER][str(count)]["cold"]


def _round(count: int, number: int) -> dict[str, dict[str, float]]:
    """Every way once, each round beginning with another."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="syncd-bench-")))
        hosts = Hosts.start(folder, count, stack)
        content = EckCa.create(now()).pem
        names = [way for way in WAYS if _takes_part(way, count, number)]
        turn = number % len(names)
        return {way: WAYS[way](hosts, content) for way in names[turn:] + names[:turn]}


def _takes_part(way: str, count: int, number: int) -> bool:
    return (number == 0 or way not in SLOW) and (count <= MOST_SMALL or way not in SMALL)
