"""From what the operator said to what the core decides by."""

from datetime import timedelta

from syncd.config.model import Cluster, NoSource, Remote
from syncd.core.bundle import Fingerprint
from syncd.core.model import Alias, NodeName, NodePolicy, Policy, RemotePolicy


def to_policy(cluster: Cluster, probe: timedelta) -> Policy:
    """The policy of one cluster."""
    return Policy(
        cluster=cluster.name,
        nodes=tuple(NodePolicy(NodeName(n.name), cluster.layout_of(n).trust_file) for n in cluster.nodes),
        remotes=tuple(map(_remote, cluster.remotes)),
        observe=cluster.mode == "observe",
        proof=cluster.proof,
        proof_alias=Alias(cluster.handshake.alias),
        poll=cluster.poll,
        probe=probe,
    )


def _remote(remote: Remote) -> RemotePolicy:
    return RemotePolicy(
        alias=Alias(remote.alias),
        overlap=remote.trust.overlap,
        accept=remote.trust.accept,
        pins=frozenset(map(Fingerprint, remote.trust.pins)),
        rotate_before=remote.rotate_before,
        publishes=not isinstance(remote.source, NoSource),
    )
