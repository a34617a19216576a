"""A thousand nodes on fifty sshd, twenty to each, by the default configuration: 100 sessions are kept warm."""

import time
from contextlib import suppress

from bench.budgets import budget
from bench.field import field_of
from bench.measured import Measured

NODES = 1000
SETTLE_SECONDS = 240


def measure(nodes: int = NODES) -> Measured:
    """Measure start, one rotation, and what stays resident after it."""
    with field_of(nodes) as field:
        began = time.monotonic()
        field.daemon.start()
        cold = field.until_everywhere(began)
        settled = "settled"
        try:
            field.settle(SETTLE_SECONDS)
        except TimeoutError:
            settled = f"not settled {SETTLE_SECONDS} s after the start"
        warm = field.rotate()
        with suppress(TimeoutError):  # it is told above
            field.settle(SETTLE_SECONDS if settled == "settled" else 1)
        resident, peak = field.daemon.memory(), field.daemon.memory("VmHWM")
    return Measured(
        rows=(
            budget("thousand_memory").row(resident, f"after a rotation; {settled}"),
            budget("thousand_peak").row(peak),
            budget("thousand_start").row(cold, "once"),
            budget("thousand_warm").row(warm, "once"),
        )
    )
