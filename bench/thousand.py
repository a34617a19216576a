"""A thousand nodes on fifty sshd, twenty to each, by the default configuration: 100 sessions are kept warm."""

import time
from collections.abc import Callable

from bench.budgets import PARTS, budget
from bench.field import Field, field_of
from bench.measured import Measured
from bench.rows import Row

NODES = 1000
SETTLE_SECONDS = 120


def measure(nodes: int = NODES) -> Measured:
    """Measure start, one rotation, and what is resident; what does not come in time is told, and memory all the same."""
    with field_of(nodes) as field:
        began = time.monotonic()
        field.daemon.start()
        rows, state = [], "settled"
        for key, step in _steps(field, began):
            try:
                seconds = step()
            except TimeoutError as late:
                state = str(late)
                break
            rows += [budget(key).row(seconds, "once")] if key else []
        rows += [
            budget("thousand_memory").row(field.daemon.memory(), state, f"{field.daemon.wakeups()[1]} threads"),
            budget("thousand_peak").row(field.daemon.memory("VmHWM"), state),
        ]
    return Measured((*rows, *_not_reached(rows, state)))


def _steps(field: Field, began: float) -> list[tuple[str, Callable[[], float | None]]]:
    """What is done in turn, and the budget of its seconds."""
    return [
        ("thousand_start", lambda: field.until_everywhere(began)),
        ("", lambda: field.settle(SETTLE_SECONDS)),
        ("thousand_warm", field.rotate),
        ("", lambda: field.settle(SETTLE_SECONDS)),
    ]


def _not_reached(rows: list[Row], why: str) -> list[Row]:
    reached = {row.budget for row in rows}
    return [each.not_measured(why) for each in PARTS["thousand"] if each not in reached]
