"""Rolling restarts: which node is next, and what is done about the restart that is open, in small steps.

The steps that are returned are carried out one after the other, and the first that fails ends the pass. All is derived
from what is seen: the record in the cluster, the node's unit, process and settings. The elected master comes last, so
that the cluster elects a new one once at most.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from syncd.core.bundle import Digest, content_digest
from syncd.core.model import (
    BeginRestart,
    ClusterState,
    Hold,
    Known,
    Need,
    NodeName,
    NodeSeen,
    Observed,
    Policy,
    RestartNode,
    RestartRecord,
    RollBack,
    Seen,
    Step,
    SweepCopies,
    Unknown,
    YmlState,
)
from syncd.core.restarts.carryon import go_on
from syncd.core.restarts.rules import Case, holds
from syncd.core.restarts.underway import Decision, Open, is_stale, looking


@dataclass(frozen=True, slots=True)
class _Scene:
    policy: Policy
    seen: Observed
    cluster: ClusterState
    needs: Mapping[NodeName, Need]
    now: datetime


def restart_steps(
    policy: Policy, seen: Observed, needs: Mapping[NodeName, Need], now: datetime
) -> tuple[list[Step], list[Hold]]:
    """The steps of rolling restarts that may be taken now, in order, and what holds the others."""
    if not isinstance(seen.cluster, Known):
        return _without_the_cluster(policy, seen, needs)
    cluster = seen.cluster.value
    managed = {node.name for node in policy.nodes} & seen.nodes.keys()
    open_needs = {name: need for name, need in needs.items() if name in managed and not _answered(need, cluster)}
    scene = _Scene(policy, seen, cluster, open_needs, now)
    if cluster.restart_damaged:
        return [], [_damaged(policy, cluster), *_pending(scene, _order(scene), "the open restart")]
    if cluster.restart is None:
        return _none_open(scene)
    record = cluster.restart
    steps, found = go_on(Open(record, policy, seen, cluster, open_needs, now))
    others = [name for name in _order(scene) if name != record.node]
    return steps, [*found, *_pending(scene, others, record.node)]


def _answered(need: Need, cluster: ClusterState) -> bool:
    """Whether a restart that a person asked for, and that nothing else needs, has been made since."""
    last = cluster.restarted.get(need.node)
    if need.asked is None or last is None or last.result != "done" or last.at < need.asked:
        return False
    return need.yml is None and not need.secrets and not need.paths and need.change.startswith("request ")


def _damaged(policy: Policy, cluster: ClusterState) -> Hold:
    text = (
        f"cluster.metadata.syncd.restart cannot be read ({cluster.restart_damaged}), so no restart is begun or ended. See "
        f"that all nodes run, then remove it and put allocation back in one request: PUT _cluster/settings "
        '{"persistent": {"cluster.metadata.syncd.restart": null, "cluster.routing.allocation.enable": null}}'
    )
    return Hold(policy.cluster, "restart_damaged", text)


def in_order(cluster: Seen[ClusterState], needs: Mapping[NodeName, Need]) -> list[NodeName]:
    """The nodes as they are restarted: the elected master last, else by name."""
    master = cluster.value.master if isinstance(cluster, Known) else None
    return sorted(needs, key=lambda name: (name == master, name))


def _order(scene: _Scene) -> list[NodeName]:
    return in_order(scene.seen.cluster, scene.needs)


def _pending(scene: _Scene, names: Iterable[NodeName], before: str) -> list[Hold]:
    """One hold for each node whose turn comes later, which tells the order."""
    found = []
    for name in names:
        last = ", last since it is the elected master" if name == scene.cluster.master else ""
        text = f"restart for {scene.needs[name].why}: after {before}{last}; one node at a time"
        found.append(Hold(name, "restart_pending", text))
        before = name
    return found


# --- no restart is open


def _none_open(scene: _Scene) -> Decision:
    order = _order(scene)
    if not order:
        return list(_sweeps(scene)), []
    if any(is_stale(scene.seen, scene.seen.nodes[name]) for name in order):
        return [], [*looking(order[0])[1], *_pending(scene, order[1:], order[0])]
    held = {name: _held(scene, name) for name in order}
    ready = next((name for name in order if not held[name]), None)
    if ready is None:
        return list(_sweeps(scene)), [*held[order[0]], *_pending(scene, order[1:], order[0])]
    passed = order[: order.index(ready)]
    later = order[len(passed) + 1 :]
    return _begin(scene, ready), [*(hold for name in passed for hold in held[name]), *_pending(scene, later, ready)]


def _held(scene: _Scene, name: NodeName) -> tuple[Hold, ...]:
    return holds(Case(scene.needs[name], scene.policy, scene.seen, scene.cluster, scene.needs, scene.now))


def _begin(scene: _Scene, name: NodeName) -> list[Step]:
    need, node = scene.needs[name], scene.seen.nodes[name]
    unit = node.unit
    if not isinstance(unit, Known) or not isinstance(node.process, Known):
        return []  # the rules have said so
    record = RestartRecord(
        node=name,
        change=need.change,
        started=node.process.value.started,
        invocation=unit.value.invocation,
        allocation=scene.cluster.allocation,
        unassigned=scene.cluster.shards.unassigned,
        owner=scene.policy.owner,
        at=scene.now,
        yml=content_digest(need.yml.content) if need.yml else _unproven(_yml(node)),
    )
    edits: list[Step] = [need.yml] if need.yml else []
    sweep = [step for step in _sweeps(scene) if step.node == name]
    peers = frozenset(node.name for node in scene.policy.nodes if node.name != name)
    restart = RestartNode(name, record.invocation, record.started, need.why, peers)
    return [*sweep, BeginRestart(record, need.why, peers), *edits, *need.secrets, restart]


def _yml(node: NodeSeen) -> YmlState | None:
    return node.yml.value if isinstance(node.yml, Known) else None


def _unproven(yml: YmlState | None) -> Digest | None:
    """An edit that an earlier restart left behind without proof, and that this one takes back if the node fails."""
    return yml.digest if yml and yml.unproven else None


def _sweeps(scene: _Scene) -> list[SweepCopies]:
    """Copies that a crash left behind after a restart had proven itself."""
    why = "the settings in place have proven themselves"
    names = [node.name for node in scene.policy.nodes if node.name in scene.seen.nodes]
    return [SweepCopies(name, why) for name in names if _is_swept(scene, scene.seen.nodes[name])]


def _is_swept(scene: _Scene, node: NodeSeen) -> bool:
    yml = _yml(node)
    if yml is None or yml.copy is None or is_stale(scene.seen, node):
        return False
    proven = (
        node.name in scene.cluster.nodes
        and (node.name not in scene.needs or _is_of_a_proven_change(scene, node.name))
        and isinstance(node.process, Known)
        and isinstance(node.trust_paths, Known)
    )
    return yml.copy == yml.digest or (proven and not _left_unproven(scene, node))


def _is_of_a_proven_change(scene: _Scene, name: NodeName) -> bool:
    """Whether the copy is from before a restart that ended well: it would stand in the way of the next edit."""
    last = scene.cluster.restarted.get(name)
    return last is not None and last.result == "done" and scene.needs[name].yml is not None


def _left_unproven(scene: _Scene, node: NodeSeen) -> bool:
    """Whether its last restart was given up, and it has not been started since."""
    last = scene.cluster.restarted.get(node.name)
    unit = node.unit
    if last is None or last.result != "given_up":
        return False
    if not isinstance(unit, Known) or unit.value.age is None:
        return True
    return (unit.at - last.at).total_seconds() < unit.value.age


# --- the cluster cannot be asked


def _without_the_cluster(policy: Policy, seen: Observed, needs: Mapping[NodeName, Need]) -> Decision:
    """A node that its new settings keep from starting may be what keeps the cluster from answering: it is taken back."""
    for name in (node.name for node in policy.nodes):
        node = seen.nodes.get(name)
        if node is not None and _failed_with_copy(node):
            return looking(name) if is_stale(seen, node) else _restore(seen, node)
    text = seen.cluster.text if isinstance(seen.cluster, Unknown) else "it does not answer"
    order = sorted(needs)
    return [], [
        Hold(name, "cluster_unknown", f"restart for {needs[name].why}: ask the cluster first: {text}") for name in order
    ]


def _failed_with_copy(node: NodeSeen) -> bool:
    unit, yml = node.unit, _yml(node)
    return isinstance(unit, Known) and unit.value.active == "failed" and yml is not None and yml.copy is not None


def _restore(seen: Observed, node: NodeSeen) -> Decision:
    unit, yml = node.unit, _yml(node)
    if not isinstance(unit, Known) or yml is None:
        return [], []
    back = yml.digest == yml.copy
    if back and seen.acted is not None:
        text = "it was taken back to its settings from before and does not come up either. Its log says why: mend that"
        return [], [Hold(node.name, "rollback_failed", text)]
    if not back and not yml.unproven:
        text = (
            "its unit failed, and its elasticsearch.yml is not what syncd wrote: somebody else did, and that is not "
            "overwritten. Its content from before is in elasticsearch.yml.syncd-before beside it. Mend it and start the node"
        )
        return [], [Hold(node.name, "yml_contested", text)]
    why = "its unit failed after its elasticsearch.yml was edited, and the cluster does not answer"
    return [RollBack(node.name, None if back else yml.digest, unit.value.invocation, why)], [
        Hold(node.name, "restart_failed", f"{why}. It is taken back to what it was before")
    ]
