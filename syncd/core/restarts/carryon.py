"""The remaining steps of an open restart, from observation alone.

::

    begun ──PutYml, PutSecret, RestartNode──> stopped, starting ──joined: FreeAllocation; names what it should──> done
      │                                             │
      └── cannot be prepared: failed                └── its start fails, it joins too late, it is overridden:
      └── no longer needed, held: given up              NoteFault, RollBack ──joined──> failed
                                                                        └── does not join: `rollback_failed`

Every arrow may be cut by a crash, and found half done by a process that knows nothing of it.
"""

from collections.abc import Iterator, Sequence

from syncd.core.bundle import content_digest
from syncd.core.model import FreeAllocation, Hold, Known, Need, RestartNode, RollBack, Step, Unknown
from syncd.core.restarts.stopping import unsafe
from syncd.core.restarts.takeback import fault, take_back, taken_back
from syncd.core.restarts.underway import (
    FOREIGN,
    Decision,
    Open,
    begun_by,
    end,
    freed,
    is_stale,
    joins_until,
    lasted,
    looking,
    minutes,
    unreachable,
    wait,
)


def go_on(case: Open) -> Decision:
    """The remaining steps, in order, or what they wait for."""
    if not case.policy.owner or case.cluster.owner is None:
        return wait(
            case, "not_claimed", f"its restart is open ({begun_by(case)}); the cluster is claimed first, by itself"
        )
    if case.policy.owner != case.cluster.owner:
        return wait(case, "other_owner", f"its restart is open ({begun_by(case)}): whoever keeps the cluster ends it")
    if is_stale(case.seen, case.node, case.now):
        return looking(case.name)
    steps, found = _judged(case)
    if case.overdue and (not steps or _only_mends(case, steps[0])):
        # whatever it waits for: the shards of a node that stays away are to be made elsewhere, as after any other loss;
        # first, since what takes the node back may go on failing (its disk is full, say)
        text = f"{case.name} has been away for {lasted(case)}: its shards wait no longer"
        steps = [FreeAllocation(case.record, text), *steps]
    return steps, [_stuck(case, hold) if case.long_open else hold for hold in found]


def _stuck(case: Open, hold: Hold) -> Hold:
    """What should have passed long ago does not pass by itself."""
    if hold.rule not in {"restart_under_way", "node_unreachable"}:
        return hold
    text = (
        f"its restart has been open for {lasted(case)}, and no other node is restarted meanwhile: {hold.text}. See its log, "
        f"and that http_url and restart.unit ({_unit(case)}) are this node's own. If it runs as it should and this stays, "
        f'end the restart by hand: PUT _cluster/settings {{"persistent": {{"cluster.metadata.syncd.restart": null}}}}, '
        "with cluster.routing.allocation.enable as it should be"
    )
    return Hold(hold.subject, "restart_stuck", text)


def _unit(case: Open) -> str:
    units = [node.unit for node in case.policy.nodes if node.name == case.name]
    return units[0] if units else "not configured"


def _only_mends(case: Open, first: Step) -> bool:
    """Whether what is done first neither stops a node that serves nor ends the restart, and may fail again and again."""
    return isinstance(first, RollBack) and (not case.member or not first.start)


def _judged(case: Open) -> Decision:
    if case.name not in {node.name for node in case.policy.nodes}:
        return _unconfigured(case)
    if case.record.fault:
        return taken_back(case)
    return _restarted(case) if case.restarted else _not_restarted(case)


# --- begun, not restarted


def _not_restarted(case: Open) -> Decision:
    if isinstance(case.unit, Unknown) or isinstance(case.yml, Unknown):
        return unreachable(case)
    if case.active in {"deactivating", "activating"}:
        return wait(case, "restart_under_way", f"its unit is {case.active}: the old process is being ended")
    if case.disk == "foreign" and case.late:
        return end(case, "failed", f"yml_contested: {FOREIGN}"), []
    return wait(case, "yml_contested", FOREIGN) if case.disk == "foreign" else _prepare(case)


def _prepare(case: Open) -> Decision:
    if case.member and case.late and case.cluster.allocation == case.record.allocation:
        return _give_up(case, f"it could not be restarted for {lasted(case)}, and allocation is back", ())
    preparation = _preparation(case)
    if preparation is None:
        return end(case, "given_up", "it is no longer needed as it was begun; nothing was restarted for it"), []
    if case.late and case.seen.acted and case.seen.acted >= case.record.at + case.policy.restart.join_timeout:
        return _cannot(case)  # it was tried again after all that time
    held = unsafe(case)
    if case.late and any(hold.rule != "shards_unknown" for hold in held):
        return _give_up(case, f"it could not be restarted safely for {lasted(case)}", held)
    return ([], list(held)) if held else ([*preparation, _restart(case)], [])


def _preparation(case: Open) -> list[Step] | None:
    """What is to be put in place first; None: it is not to be restarted any more.

    What was written is proven by the restart that it was written for, whatever the configuration says by now: no
    unproven settings wait on disk for a power cut.
    """
    need = case.need
    if case.disk == "wanted":
        return list(need.secrets) if need else []
    if need is None:
        return None
    if need.yml is None:
        return list(need.secrets) if case.disk == "not_edited" else None
    as_begun = content_digest(need.yml.content) == case.record.yml
    return [need.yml, *need.secrets] if as_begun else None


def _restart(case: Open) -> RestartNode:
    why = case.need.why if case.need else f"what was put into its elasticsearch.yml for change {case.record.change}"
    peers = frozenset(node.name for node in case.policy.nodes if node.name != case.name) if case.member else None
    return RestartNode(case.name, case.record.invocation, case.record.started, why, peers)


def _give_up(case: Open, text: str, held: Sequence[Hold]) -> Decision:
    """End it untried. What was written is taken back first: it would wait on disk for a power cut."""
    ended = end(case, "given_up", text)
    if case.disk != "wanted" or not isinstance(case.yml, Known) or case.yml.value.copy is None:
        return ended, list(held)
    if not case.member or case.active != "active":
        return take_back(case, text)
    return [RollBack(case.name, case.record.yml, case.invocation, text, start=False), *ended], list(held)


def _cannot(case: Open) -> Decision:
    text = f"it could not be restarted within {lasted(case)}; the steps that failed say why"
    if case.disk == "wanted":
        return take_back(case, text)
    return end(case, "failed", text), []


# --- restarted


def _restarted(case: Open) -> Decision:
    match case.active:
        case "deactivating":
            return wait(case, "restart_under_way", "its unit is deactivating")
        case "failed" | "inactive" if case.process is None:
            return fault(case, f"its unit is {case.active}: it did not start. Its log says why")
        case "failed" | "inactive":
            return looking(case.name)
    if not case.member:
        return _joining(case)
    if case.process is None or case.process.started == case.record.started:
        why = case.node.process.text if case.node and isinstance(case.node.process, Unknown) else "it still answers"
        return _to_be_verified(case, f"it is a member again; its own address does not answer yet: {why}")
    return _joined(case)


def _to_be_verified(case: Open, text: str) -> Decision:
    """Its shards need not wait for what is still to be seen of it."""
    return freed(case), wait(case, "restart_under_way", text)[1]


def _joining(case: Open) -> Decision:
    if isinstance(case.unit, Unknown) and case.process is None:
        return unreachable(case)
    until = joins_until(case)
    if case.now < until:
        text = f"started, not a member yet; it is taken back if it is not at {until:%H:%M:%S}Z"
        return wait(case, "restart_under_way", text, until)
    if case.cluster.master is None:
        return wait(
            case, "stable_master", "it has not joined in time, and the cluster has no master that it could join"
        )
    return fault(case, f"it was started, and was no member after {minutes(case.policy.restart.join_timeout)}")


def _joined(case: Open) -> Decision:
    if case.disk in {"before", "original"}:
        text = (
            "it runs, but its elasticsearch.yml is as it was before, not as it should be: taken back, by syncd or by "
            "somebody else. elasticsearch.yml.syncd-refused beside it, if there, is what was refused"
        )
        return end(case, "failed", text), []
    wrong = _unlike(case)
    if wrong is None:
        return end(case, "done", "it is a member again and runs with what it should"), []
    if isinstance(wrong, Unknown) or case.disk == "unknown":
        why = wrong.text if isinstance(wrong, Unknown) else f"{wrong}, and its host cannot be looked at"
        return _to_be_verified(case, f"it is a member again; what it runs with is not known: {why}")
    if case.disk == "foreign":
        return end(case, "failed", f"yml_contested: {FOREIGN}"), []
    text = (
        f"yml_overridden: {wrong}, though its elasticsearch.yml says so: look for -E options or ES_SETTING_ variables"
    )
    if case.disk == "wanted":
        return fault(case, text)
    return end(case, "failed", text), []


def _unlike(case: Open) -> str | Unknown | None:
    """What the process runs with otherwise than it should; None: nothing."""
    need, named = case.need, case.node.trust_paths if case.node else None
    if isinstance(named, Unknown) and (case.disk != "not_edited" or (need and (need.paths or need.unnamed))):
        return named
    if need is None or case.process is None:
        return None
    paths = named.value if isinstance(named, Known) else frozenset()
    return next(_differences(need, paths, case.process.reload_interval), None)


def _differences(need: Need, paths: frozenset[str], reload_interval: str | None) -> Iterator[str]:
    if need.paths - paths:
        yield f"the process does not name {', '.join(sorted(need.paths - paths))}"
    if need.unnamed & paths:
        yield f"the process still names {', '.join(sorted(need.unnamed & paths))}"
    if need.reload_interval not in {None, reload_interval}:
        runs = reload_interval or "its default"
        yield f"the process runs with resource.reload.interval.high {runs} instead of {need.reload_interval}"


# --- the rest


def _unconfigured(case: Open) -> Decision:
    text = f"it was taken out of the configuration while it was being restarted ({begun_by(case)})"
    if case.member or case.late:
        left = "If elasticsearch.yml.syncd-before is beside its settings, that is what they were before"
        return end(case, "given_up", f"{text}. {left}"), []
    until = case.record.at + case.policy.restart.join_timeout
    cure = "Put it back until that has ended; else allocation is restored"
    return wait(case, "restart_under_way", f"{text}. {cure} when it has joined, or at {until:%H:%M:%S}Z", until)
