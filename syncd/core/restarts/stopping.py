"""Whether the node of an open restart may be stopped now: it may have been begun, or have started, long ago."""

from dataclasses import replace

from syncd.core.model import BeginRestart, ClusterState, Hold, Need, RestartNode, RestartRecord
from syncd.core.restarts.health import unwell
from syncd.core.restarts.rules import SAFETY, Case, holds
from syncd.core.restarts.underway import Open

_WHILE_DOWN = frozenset({"peers_fine", "trust_file_there"})


def unsafe(case: Open) -> tuple[Hold, ...]:
    """What forbids it. A node that is down already is started."""
    if not case.member:
        return _held(case, _WHILE_DOWN)
    return (*_held(case, {name for name, _ in SAFETY}), *_worse(case))


def _worse(case: Open) -> tuple[Hold, ...]:
    """Replicas that are missing since it was begun: the node may have the only copy of theirs.

    While allocation is restricted none is made, also of an index that is new: then the restart is given up in the end, and
    begun anew when they are there.
    """
    more = _more_unassigned(case.record, case.cluster)
    if more is None:
        return ()
    until = case.record.at + case.policy.restart.join_timeout
    text = f"{more}; lifted when they are back, else it is given up at {until:%H:%M:%S}Z, and begun again later"
    return (Hold(case.name, "recovered", f"its restart is open: {text}", until),)


def unsafe_back(case: Open) -> tuple[Hold, ...]:
    """What forbids to stop one that runs, to start it with what it had before; nothing where it is down."""
    return _held(case, {name for name, _ in SAFETY} - {"trust_file_there"}) if case.serves else ()


def _held(case: Open, names: set[str] | frozenset[str]) -> tuple[Hold, ...]:
    need = case.need or Need(case.name, f"change {case.record.change}", case.record.change)
    judged = Case(need, case.policy, case.seen, case.cluster, case.needs, case.now)
    return holds(judged, tuple(rule for rule in SAFETY if rule[0] in names))


def changed(step: BeginRestart | RestartNode, cluster: ClusterState) -> str | None:
    """What the cluster says right before a step that the plan did not know, and that forbids it; None: nothing.

    A plan is made of looks that may be a minute old, and keystores may be written between its steps: meanwhile another tool
    may have stopped a node.
    """
    if step.peers is None:
        return None
    if away := sorted({*step.peers, step.node} - cluster.nodes.keys()):
        return f"{', '.join(away)} has left the cluster meanwhile"
    if cluster.master is None:
        return "the cluster has no master now"
    if isinstance(step, RestartNode) and (other := _of_another(step, cluster)):
        return other
    begun = step.record if isinstance(step, BeginRestart) else cluster.restart
    if begun and (worse := _more_unassigned(begun, cluster)):
        return worse
    # tasks are pending for a moment after our own request
    return unwell(replace(cluster, shards=replace(cluster.shards, pending=0)))


def _more_unassigned(record: RestartRecord, cluster: ClusterState) -> str | None:
    there = cluster.shards.unassigned
    if there <= record.unassigned:
        return None
    return f"{there} shards are unassigned, {record.unassigned} were when the restart was begun"


def _of_another(step: RestartNode, cluster: ClusterState) -> str | None:
    if cluster.restart is None or cluster.restart.node != step.node:
        return "the record of its restart is gone"
    if cluster.processes.get(step.node) not in {None, step.started}:
        return "somebody has started another process of it meanwhile"
    return None
