"""The edit of a hundred elasticsearch.yml and the plan of their rolling restart: pure, so it is timed as it is called."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from statistics import median

from bench.budgets import budget
from bench.measured import Measured
from syncd.core.guard import guard
from syncd.core.model import NodeName, NodePolicy, Observed, Plan, Policy
from syncd.core.plan import make_plan
from tests.fakes.eck_side import fresh as mint
from tests.unit.test_settings import ALIAS, BARE, CLIENT, CONFIG, NOW, PATHS, TRANSPORT, node, policy, world

NODES, LINES, ROUNDS = 100, 150, 5
_NAMES = tuple(NodeName(f"es-{number:03}") for number in range(NODES))


def measure() -> Measured:
    """Every node lacks the same lines, in a file of its own; each round has other files."""
    wanted = replace(policy("certificate", reload_interval="1s"), nodes=tuple(map(_node, _NAMES)))
    seconds, again = [], []
    for number in range(ROUNDS):
        seen = _seen(number)
        plan, took = _timed(partial(_plan, seen, wanted))
        seconds.append(took)
        again.append(_timed(partial(_plan, seen, wanted))[1])
    detail = f"{len(plan.needs)} nodes to restart, {LINES} lines each; the same files again {median(again):.2f} s"
    return Measured((budget("plan_edit").row(median(seconds), detail),))


def _plan(seen: Observed, wanted: Policy) -> Plan:
    return guard(make_plan(seen, wanted, NOW, mint), seen, NOW)


def _timed(make: Callable[[], Plan]) -> tuple[Plan, float]:
    began = time.perf_counter()
    return make(), time.perf_counter() - began


def _node(name: NodeName) -> NodePolicy:
    return NodePolicy(name, PATHS[CLIENT], PATHS, CONFIG)


def _seen(number: int) -> Observed:
    seen = world(*(replace(node(text=_yml(f"{name}-{number}")), name=name) for name in _NAMES))
    return replace(seen, remotes={ALIAS: replace(seen.remotes[ALIAS], context=TRANSPORT)})


def _yml(name: str) -> str:
    return BARE + "".join(f"# {name}: line {number}\nnode.attr.of_{number}: {name}\n" for number in range(LINES // 2))
