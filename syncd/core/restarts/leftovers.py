"""What earlier restarts left in elasticsearch.yml and beside it: swept where it is proven, taken back where it is not.

A restart may end before its edit has proven itself: its host was lost, say. The edit is never left to a power cut: a unit
that has failed with it is taken back, and nothing else is put on top of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from syncd.core.bundle import Digest
from syncd.core.model import (
    ClusterState,
    Hold,
    Known,
    Need,
    NodeName,
    NodeSeen,
    Observed,
    Policy,
    RollBack,
    SweepCopies,
    YmlState,
)
from syncd.core.restarts.underway import Decision, is_stale, looking


@dataclass(frozen=True, slots=True)
class Scene:
    """What is seen of a cluster in which no restart is open."""

    policy: Policy
    seen: Observed
    cluster: ClusterState
    needs: Mapping[NodeName, Need]
    now: datetime


def yml_of(node: NodeSeen) -> YmlState | None:
    """Its settings on disk; None: not known."""
    return node.yml.value if isinstance(node.yml, Known) else None


def unproven(yml: YmlState | None) -> Digest | None:
    """An edit that an earlier restart left behind without proof, and that the next one takes back if the node fails."""
    return yml.digest if yml and yml.unproven else None


# --- proven


def sweeps(scene: Scene) -> list[SweepCopies]:
    """Copies that a crash left behind after a restart had proven itself."""
    why = "the settings in place have proven themselves"
    names = [node.name for node in scene.policy.nodes if node.name in scene.seen.nodes]
    return [SweepCopies(name, why) for name in names if _is_swept(scene, scene.seen.nodes[name])]


def _is_swept(scene: Scene, node: NodeSeen) -> bool:
    yml = yml_of(node)
    if yml is None or yml.copy is None or is_stale(scene.seen, node, scene.now):
        return False
    proven = (
        node.name in scene.cluster.nodes
        and (node.name not in scene.needs or _is_of_a_proven_change(scene, node.name))
        and isinstance(node.process, Known)
        and isinstance(node.trust_paths, Known)
    )
    return yml.copy == yml.digest or (proven and not _left_unproven(scene, node))


def _is_of_a_proven_change(scene: Scene, name: NodeName) -> bool:
    """Whether the copy is from before a restart that ended well: it would stand in the way of the next edit."""
    last = scene.cluster.restarted.get(name)
    return last is not None and last.result == "done" and scene.needs[name].yml is not None


def _left_unproven(scene: Scene, node: NodeSeen) -> bool:
    """Whether its last restart was given up, and it has not been started since."""
    last = scene.cluster.restarted.get(node.name)
    unit = node.unit
    if last is None or last.result != "given_up":
        return False
    if not isinstance(unit, Known) or unit.value.age is None:
        return True
    return (unit.at - last.at).total_seconds() < unit.value.age


# --- not proven


def take_back_first(scene: Scene, name: NodeName) -> Decision | None:
    """Take back what was left there without proof, before another edit is made: each copy is of one change.

    None: there is nothing to take back, or the edit is what is wanted and is proven by the next restart.
    """
    node, need = scene.seen.nodes[name], scene.needs[name]
    left = unproven(yml_of(node))
    if left is None or need.yml is None or not isinstance(node.unit, Known):
        return None
    why = "an earlier restart left it in elasticsearch.yml without proof, and something else is wanted now"
    text = (
        f"restart for {need.why}: what an earlier one left in its elasticsearch.yml without proof is taken back first"
    )
    back = RollBack(name, left, node.unit.value.invocation, why, start=False)
    return [back], [Hold(name, "restart_under_way", text)]


def in_the_way(scene: Scene, name: NodeName) -> tuple[Hold, ...]:
    """The copy of an earlier change, where elasticsearch.yml is somebody else's by now: it would be lost with the edit."""
    node, need = scene.seen.nodes[name], scene.needs[name]
    yml = yml_of(node)
    if need.yml is None or yml is None or yml.copy in {None, yml.digest} or yml.unproven or _is_swept(scene, node):
        return ()
    path = scene.policy.node(name).yml
    text = (
        f"restart for {need.why}: {path}.syncd-before is the copy from before an earlier change that was not proven, and "
        f"{path} is neither that copy nor what syncd made of it: somebody else wrote it. Compare the two; when {path} is "
        f"right, move the copy {path}.syncd-before away"
    )
    return (Hold(name, "copy_in_the_way", text),)


def has_failed(node: NodeSeen) -> bool:
    """Whether its unit failed."""
    return isinstance(node.unit, Known) and node.unit.value.active == "failed"


def failed_node(scene: Scene) -> NodeSeen | None:
    """A node of ours whose unit failed with what was left there without proof."""
    if not scene.policy.owner or scene.policy.owner != scene.cluster.owner:
        return None
    nodes = (scene.seen.nodes.get(node.name) for node in scene.policy.nodes)
    return next((node for node in nodes if node and has_failed(node) and unproven(yml_of(node))), None)


def restore(seen: Observed, node: NodeSeen, now: datetime) -> Decision:
    """Take a failed node back without a record: what lies beside its elasticsearch.yml tells what is ours."""
    unit, yml = node.unit, yml_of(node)
    if is_stale(seen, node, now):
        return looking(node.name)
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
    answers = "no record of its restart is open" if isinstance(seen.cluster, Known) else "the cluster does not answer"
    why = f"its unit failed after its elasticsearch.yml was edited, and {answers}"
    return [RollBack(node.name, None if back else yml.digest, unit.value.invocation, why)], [
        Hold(node.name, "restart_failed", f"{why}. It is taken back to what it was before")
    ]
