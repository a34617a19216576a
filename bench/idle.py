"""What the daemon costs while nothing happens, and that it then writes nothing."""

import os
import signal
import time
from statistics import median

from bench.budgets import budget
from bench.daemon import imported
from bench.field import Field, field_of
from bench.measured import Measured

NODES = 100
QUIET_SECONDS = 75.0
"""After the last change: what a change sets off (proofs, handshakes from each node) is not idling."""
IDLE_SECONDS = 120.0
"""Two looks at Elasticsearch and the remote, by the default interval."""
PASSES = 10
_ASKED = 10
_LOOK_SECONDS = 5.0


def measure(nodes: int = NODES, quiet: float = QUIET_SECONDS, idle: float = IDLE_SECONDS) -> Measured:
    """Measure a daemon that has nothing left to do."""
    with field_of(nodes) as field:
        began = time.monotonic()
        field.daemon.start()
        field.until_everywhere(began)
        field.settle(300)
        field.rotate()
        field.settle(300)
        time.sleep(quiet)
        world, asked_before = field.written(), field.servers.requests()
        cpu, woken = field.daemon.cpu(), field.daemon.wakeups()[0]
        time.sleep(idle)
        share = (field.daemon.cpu() - cpu) / idle
        wakeups, threads = field.daemon.wakeups()
        asked = field.servers.requests() - asked_before
        slowest, asked_by_pass = _passes(field)
        changed = {key for key, value in field.written().items() if world.get(key) != value}
        resident, imports = field.daemon.memory(), imported()
    a_second = (wakeups - woken) / idle
    reads = asked["GET"] / nodes * 60 / idle
    writes = len(changed) + asked["PUT"] + asked["DELETE"]
    sleepless = f"its {threads} threads wake up {a_second:.0f} times a second"
    return Measured(
        rows=(
            budget("idle_memory").row(resident, f"{threads} threads", f"{imports:.0f} MB are there after the imports"),
            budget("idle_imports").row(imports),
            budget("idle_cpu").row(share * 100, f"over {idle:g} s", sleepless),
            budget("idle_wakeups").row(a_second, f"{threads} threads"),
            budget("idle_pass").row(slowest * 1000, f"the slowest of {PASSES}"),
            budget("idle_writes").row(writes, f"over {idle:g} s and {PASSES} passes", ", ".join(sorted(changed)[:5])),
            budget("idle_asked").row(reads, f"{dict(asked)} of all nodes over {idle:g} s"),
            budget("pass_asked").row(asked_by_pass, f"the median of {PASSES}"),
        )
    )


def _passes(field: Field) -> tuple[float, float]:
    """Seconds of the slowest of some passes with nothing to do; requests of one to all nodes.

    The median, since Elasticsearch is looked at each minute beside the passes, perhaps during one of them.
    """
    slowest, requests = 0.0, []
    for _ in range(PASSES):
        asked, (count, total) = field.servers.requests(), _passed(field)
        after = _look(field, count)
        slowest = max(slowest, (after[1] - total) / (after[0] - count))
        requests.append((field.servers.requests() - asked).total())
    return slowest, median(requests)


def _look(field: Field, count: float) -> tuple[float, float]:
    """Ask for a pass, again where none came: a signal may be missed, and the minute's pass is not waited for."""
    for _ in range(_ASKED):
        os.kill(field.daemon.pid, signal.SIGHUP)
        end = time.monotonic() + _LOOK_SECONDS
        while time.monotonic() < end:
            if (after := _passed(field))[0] > count:
                return after
            time.sleep(0.05)
    raise TimeoutError(f"no pass followed {_ASKED} SIGHUP, {_LOOK_SECONDS:g} s each")


def _passed(field: Field) -> tuple[float, float]:
    """How many passes were made, and their seconds."""
    count, total = (f"syncd_pass_duration_seconds_{kind}" for kind in ("count", "sum"))
    return field.daemon.metric(count), field.daemon.metric(total)
