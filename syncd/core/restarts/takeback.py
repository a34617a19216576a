"""Taking a node back to what it was before: its start failed, it did not join, or it runs with other settings.

First the fault is written into the record, with the start that failed; only then is anything put back. So a crash at any
point leaves a node that is taken back once, and started once.
"""

from dataclasses import replace

from syncd.core.model import Hold, NoteFault, RestartRecord, RollBack, Step, Unknown
from syncd.core.restarts.stopping import unsafe_back
from syncd.core.restarts.underway import FOREIGN, Decision, Open, end, freed, joins_until, unreachable, wait


def fault(case: Open, text: str) -> Decision:
    """A restart that failed, and why: the node is taken back, unless its settings are somebody else's by now."""
    match case.disk:
        case "unknown":
            return unreachable(case)
        case "foreign":
            return wait(case, "yml_contested", f"{text}; {FOREIGN}")
        case _:
            return take_back(case, text)


def take_back(case: Open, text: str) -> Decision:
    """Note the fault, and take the node back. One that serves is stopped like any other: when nothing forbids it."""
    if held := unsafe_back(case):
        later = f"{text}. It is taken back to what it was before as soon as it may be stopped"
        return freed(case), [*held, Hold(case.name, "restart_failed", later)]
    ended = case.cluster.processes.get(case.name)
    noted = replace(case.record, fault=text, refused=case.invocation, noted=case.now, refused_process=ended)
    steps: list[Step] = [NoteFault(noted, f"{case.name}: {text}"), _roll_back(case, noted)]
    return steps, [Hold(case.name, "restart_failed", f"{text}. It is taken back to what it was before")]


def _roll_back(case: Open, record: RestartRecord) -> RollBack:
    ours = record.yml if case.disk == "wanted" else None
    runs_on = case.member and case.active == "active" and not case.restarted
    return RollBack(case.name, ours, record.refused, record.fault, start=not runs_on)


def taken_back(case: Open) -> Decision:
    """What is missing of taking a node back. Its shards wait for nothing that is still to be seen of it."""
    steps, found = _missing(case)
    return steps or (freed(case) if case.came_back else []), found


def _missing(case: Open) -> Decision:
    if isinstance(case.unit, Unknown) or case.disk == "unknown":
        return unreachable(case)
    if case.disk == "foreign" and not (case.member and case.process):
        return wait(case, "yml_contested", f"{case.record.fault}; {FOREIGN}")
    if case.disk == "foreign" or (case.disk != "wanted" and not case.restarted):
        return end(case, "failed", case.record.fault), []  # it runs, with what is there or with what it had
    if case.disk == "wanted" and case.record.refused != case.invocation:
        return take_back(case, case.record.fault)  # it was started again with what is to be taken back
    return _back(case) if _tried_again(case) else _start_with_what_was(case)


def _start_with_what_was(case: Open) -> Decision:
    """A process takes a while to end: to restart its unit meanwhile could end the next one, too."""
    if case.active == "deactivating":
        return wait(case, "restart_under_way", f"taken back ({case.record.fault}): the process is being ended")
    if case.serves:
        return take_back(case, case.record.fault)  # it was noted a while ago: allocation may be free again
    return [_roll_back(case, case.record)], [Hold(case.name, "restart_failed", case.record.fault)]


def _tried_again(case: Open) -> bool:
    """Whether the node was started after it was taken back."""
    if case.record.refused:
        return case.invocation != case.record.refused
    return case.seen.acted is not None and case.disk != "wanted"  # a service that counts no starts: once by each syncd


def _back(case: Open) -> Decision:
    if case.member and case.process and case.active == "active":
        return end(case, "failed", case.record.fault), []
    until = joins_until(case)
    starting = case.active in {"active", "activating"} and case.now < until
    if case.came_back:
        text = f"taken back ({case.record.fault}); a member again, and its own address does not answer yet"
        return wait(case, "restart_under_way", text)
    if case.active == "deactivating" or starting:
        return wait(case, "restart_under_way", f"taken back ({case.record.fault}), not a member yet", until)
    text = (
        f"it was taken back ({case.record.fault}) and does not come up either (its unit is {case.active}): something else "
        f"keeps it down, such as a line that was in its elasticsearch.yml before. Its log says what; mend that and start "
        f"it. No other node is touched until then"
    )
    return wait(case, "rollback_failed", text)
