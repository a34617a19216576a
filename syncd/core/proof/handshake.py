"""When a proof by handshake is opened and closed; pure.

The strongest proof of the remote_cluster_client context: a short-lived alias makes each process connect to a listener
that presents the marker of its own bundle. Only a process that has loaded that very file completes the handshake.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from syncd.core.bundle import bundle_digest
from syncd.core.model import (
    CloseProof,
    ClusterState,
    Hold,
    Known,
    NodeName,
    NodeSeen,
    Observed,
    OpenProof,
    Policy,
    ProofState,
    ProofTarget,
    Step,
    Unknown,
)
from syncd.core.proof.markers import marker_names

SERVER_NAME = "proof.syncd.invalid"
"""In every marker and in our alias: an alias with another name is somebody else's. RFC 2606 keeps `.invalid` free."""
PATIENCE = timedelta(seconds=45)
"""How long connections are awaited: several polls of Elasticsearch, and the start of its keystore tool."""


def proof_steps(
    policy: Policy, seen: Observed, waiting: frozenset[str], now: datetime
) -> tuple[list[Step], list[Hold]]:
    """Open, close, or why not. `waiting`: the nodes whose load is not proven yet."""
    state = seen.proof
    if not isinstance(seen.cluster, Known) or state.busy or (state.changed and seen.cluster.at < state.changed):
        return [], []
    cluster = seen.cluster.value
    if cluster.proof is not None:
        return _go_on(policy, seen, cluster, cluster.proof, waiting, now)
    if policy.proof != "handshake":
        return [], []
    restarting = seen.open_restart.node if seen.open_restart else None
    targets = tuple(target for target in _targets(seen, waiting) if target.node != restarting)
    if not targets:
        return [], []
    if hold := _why_not(policy, cluster, state, now):
        return [], [hold]
    names = ", ".join(target.node for target in targets)
    return [OpenProof(targets, f"to see what {names} has loaded")], []


def _targets(seen: Observed, waiting: frozenset[str]) -> Iterable[ProofTarget]:
    """The waiting nodes whose file holds a marker that can be presented."""
    for node in seen.nodes.values():
        if node.name in waiting and isinstance(node.file, Known) and isinstance(node.process, Known):
            trust = node.file.value.trust
            digest = bundle_digest(trust.certs)
            held = [m for m in trust.markers if m.fingerprint in seen.proof.markers and marker_names(m, digest)]
            if held:
                yield ProofTarget(node.name, digest, node.process.value.started)


def _why_not(policy: Policy, cluster: ClusterState, state: ProofState, now: datetime) -> Hold | None:
    if cluster.proof_alias is not None:
        text = f"there is an alias {policy.proof_alias} that is not ours; give the proof another name (handshake.alias)"
        return Hold(policy.cluster, "proof_alias_taken", text)
    if not state.able:
        return Hold(policy.cluster, "proof_needs_daemon", "only syncd run makes proofs by handshake")
    if state.again and now < state.again:
        text = f"the last proof by handshake failed: {state.trouble}. The trust files are in place all the same"
        return Hold(policy.cluster, "proof_failed", text, state.again)
    return None


def _go_on(
    policy: Policy,
    seen: Observed,
    cluster: ClusterState,
    record: frozenset[NodeName],
    waiting: frozenset[str],
    now: datetime,
) -> tuple[list[Step], list[Hold]]:
    """With a record in the cluster: wait for the connections, or clear up."""
    state = seen.proof
    end = (state.opened or now) + PATIENCE
    missing = sorted(state.nodes & waiting)
    if missing and now < end:
        return [], [Hold(policy.cluster, "proof_under_way", f"connections awaited from {', '.join(missing)}", end)]
    here = {name: node for name, node in seen.nodes.items() if name in record}
    restarting = cluster.restart.node if cluster.restart else None
    away = tuple(sorted(name for name, node in here.items() if name == restarting or isinstance(node.file, Unknown)))
    nodes = tuple(sorted(set(here) - set(away)))
    holds = [Hold(name, "proof_left_behind", _left_text(policy)) for name in away]
    if not state.able or (away and not nodes and cluster.proof_alias != SERVER_NAME):
        return [], holds
    why = f"no connection came from {', '.join(missing)}" if missing else "all is seen, or nobody is left to see it"
    return [CloseProof(nodes, away, why)], holds


def _left_text(policy: Policy) -> str:
    return (
        f"its keystore still holds the dummy credential cluster.remote.{policy.proof_alias}.credentials of a proof; "
        "syncd removes it when the node's host can be reached and no restart of it is open"
    )


def deferred(policy: Policy) -> Hold:
    """One tool at a time edits a keystore."""
    return Hold(policy.cluster, "proof_deferred", "keystores are being edited; the proof by handshake comes after that")


def dials(node: NodeSeen) -> bool:
    """Whether a node is known to open connections to remotes: one that does not is exempt."""
    return isinstance(node.process, Known) and node.process.value.dials
