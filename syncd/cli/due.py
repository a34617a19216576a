"""A restart that is due, and that a command about something else leaves to others. Pure."""

from collections.abc import Iterator
from dataclasses import replace

from syncd.core.model import BeginRestart, Plan, PutSecret, PutYml, RestartNode, Step

_NOT_HERE = "restart_pending"


def without_a_new_restart(plan: Plan) -> Plan:
    """The plan with the restart that it would begin put off; the steps of one that is open stay."""
    if not any(isinstance(step, BeginRestart) for step in plan.now):
        return plan
    put_off = tuple(step for step in plan.now if _is_of_a_restart(step))
    going_on = tuple(step for step in plan.now if step not in put_off)
    return replace(plan, now=going_on, later=(*plan.later, *((step, _NOT_HERE) for step in put_off)))


def due_text(plan: Plan) -> Iterator[str]:
    """What is said of a restart that was put off so."""
    for step, rule in plan.later:
        if isinstance(step, BeginRestart) and rule == _NOT_HERE:
            which = f"a restart of {step.record.node} is due for {step.why}"
            yield f"{plan.cluster}: {which}; this command begins none: `syncd once` (or the daemon) does"


def _is_of_a_restart(step: Step) -> bool:
    return isinstance(step, BeginRestart | PutYml | RestartNode) or (
        isinstance(step, PutSecret) and step.within_restart
    )
