"""Rolling restarts: which node is next, and what is done about the restart that is open, in small steps.

The steps that are returned are carried out one after the other, and the first that fails ends the pass. All is derived
from what is seen: the record in the cluster, the node's unit, process and settings. The elected master comes last, so
that the cluster elects a new one once at most.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from syncd.core.bundle import content_digest
from syncd.core.model import (
    BeginRestart,
    ClusterState,
    Hold,
    Known,
    Need,
    NodeName,
    Observed,
    Policy,
    RestartNode,
    RestartRecord,
    Seen,
    Step,
    Unknown,
)
from syncd.core.restarts.carryon import go_on
from syncd.core.restarts.leftovers import (
    Scene,
    failed_node,
    has_failed,
    in_the_way,
    restore,
    sweeps,
    take_back_first,
    unproven,
    yml_of,
)
from syncd.core.restarts.rules import Case, holds
from syncd.core.restarts.underway import Decision, Open, is_stale, looking


def restart_steps(
    policy: Policy, seen: Observed, needs: Mapping[NodeName, Need], now: datetime
) -> tuple[list[Step], list[Hold]]:
    """The steps of rolling restarts that may be taken now, in order, and what holds the others."""
    if not isinstance(seen.cluster, Known):
        return _without_the_cluster(policy, seen, needs, now)
    cluster = seen.cluster.value
    managed = {node.name for node in policy.nodes} & seen.nodes.keys()
    open_needs = {name: need for name, need in needs.items() if name in managed and not _answered(need, cluster)}
    scene = Scene(policy, seen, cluster, open_needs, now)
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


def _order(scene: Scene) -> list[NodeName]:
    return in_order(scene.seen.cluster, scene.needs)


def _pending(scene: Scene, names: Iterable[NodeName], before: str) -> list[Hold]:
    """One hold for each node whose turn comes later, which tells the order."""
    found = []
    for name in names:
        last = ", last since it is the elected master" if name == scene.cluster.master else ""
        text = f"restart for {scene.needs[name].why}: after {before}{last}; one node at a time"
        found.append(Hold(name, "restart_pending", text))
        before = name
    return found


# --- no restart is open


def _none_open(scene: Scene) -> Decision:
    order = _order(scene)
    if failed := failed_node(scene):
        steps, found = restore(scene.seen, failed, scene.now)
        return steps, [*found, *_pending(scene, [name for name in order if name != failed.name], failed.name)]
    if not order:
        return list(sweeps(scene)), []
    if any(is_stale(scene.seen, scene.seen.nodes[name], scene.now) for name in order):
        return [], [*looking(order[0])[1], *_pending(scene, order[1:], order[0])]
    held = {name: _held(scene, name) for name in order}
    ready = next((name for name in order if not held[name]), None)
    if ready is None:
        return list(sweeps(scene)), [*held[order[0]], *_pending(scene, order[1:], order[0])]
    passed = order[: order.index(ready)]
    later = order[len(passed) + 1 :]
    steps, found = take_back_first(scene, ready) or (_begin(scene, ready), [])
    return steps, [*found, *(hold for name in passed for hold in held[name]), *_pending(scene, later, ready)]


def _held(scene: Scene, name: NodeName) -> tuple[Hold, ...]:
    case = Case(scene.needs[name], scene.policy, scene.seen, scene.cluster, scene.needs, scene.now)
    return (*holds(case), *in_the_way(scene, name))


def _begin(scene: Scene, name: NodeName) -> list[Step]:
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
        yml=content_digest(need.yml.content) if need.yml else unproven(yml_of(node)),
    )
    edits: list[Step] = [need.yml] if need.yml else []
    sweep = [step for step in sweeps(scene) if step.node == name]
    peers = frozenset(node.name for node in scene.policy.nodes if node.name != name)
    restart = RestartNode(name, record.invocation, record.started, need.why, peers)
    return [*sweep, BeginRestart(record, need.why, peers), *edits, *need.secrets, restart]


# --- the cluster cannot be asked


def _without_the_cluster(policy: Policy, seen: Observed, needs: Mapping[NodeName, Need], now: datetime) -> Decision:
    """A node that its new settings keep from starting may be what keeps the cluster from answering: it is taken back."""
    for name in (node.name for node in policy.nodes):
        node = seen.nodes.get(name)
        if node is not None and has_failed(node) and (yml := yml_of(node)) and yml.copy is not None:
            return restore(seen, node, now)
    text = seen.cluster.text if isinstance(seen.cluster, Unknown) else "it does not answer"
    order = sorted(needs)
    return [], [
        Hold(name, "cluster_unknown", f"restart for {needs[name].why}: ask the cluster first: {text}") for name in order
    ]
