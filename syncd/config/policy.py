"""From what the operator said to what the core decides by."""

from datetime import timedelta

from syncd.config.model import Cluster, Remote, SecretSource
from syncd.config.nodes import Node
from syncd.config.remotes import NoSource
from syncd.config.restarts import Restart, parse_window
from syncd.core.bundle import Fingerprint
from syncd.core.model import (
    Alias,
    Context,
    EckPolicy,
    MirrorPolicy,
    NodeName,
    NodePolicy,
    Policy,
    RemotePolicy,
    RestartPolicy,
)


def to_policy(cluster: Cluster, probe: timedelta) -> Policy:
    """The policy of one cluster."""
    return Policy(
        cluster=cluster.name,
        nodes=tuple(_node(cluster, node) for node in cluster.nodes),
        remotes=tuple(map(_remote, cluster.remotes)),
        observe=cluster.mode == "observe",
        proof=cluster.proof,
        proof_alias=Alias(cluster.handshake.alias),
        poll=cluster.poll,
        probe=probe,
        yml=cluster.yml,
        reload_interval=cluster.reload_interval,
        restart=_restart(cluster.restart),
    )


def _node(cluster: Cluster, node: Node) -> NodePolicy:
    layout = cluster.layout_of(node)
    paths = {Context.REMOTE_CLUSTER_CLIENT: layout.trust_file, Context.TRANSPORT: layout.transport_file}
    unit = unit_of(cluster.restart.unit, node.name)
    return NodePolicy(NodeName(node.name), layout.trust_file, paths, layout.config_dir.rstrip("/"), unit)


def unit_of(pattern: str, node: str) -> str:
    """The systemd unit of a node."""
    return pattern.replace("{node}", node)


def _restart(said: Restart) -> RestartPolicy:
    windows = tuple(map(parse_window, said.windows))
    return RestartPolicy(said.policy, windows, said.join_timeout, said.accept_outage)


def _remote(remote: Remote) -> RemotePolicy:
    return RemotePolicy(
        alias=Alias(remote.alias),
        model=remote.security_model,
        overlap=remote.trust.overlap,
        accept=remote.trust.accept,
        pins=frozenset(map(Fingerprint, remote.trust.pins)),
        publishes=not isinstance(remote.source, NoSource),
        credential=remote.credential_file is not None,
        mirror=_mirror(remote),
        eck=_eck(remote),
    )


def _mirror(remote: Remote) -> MirrorPolicy | None:
    source = remote.source
    if remote.security_model != "certificate" or not isinstance(source, SecretSource):
        return None
    return MirrorPolicy(source.namespace, remote.mirror.name, remote.mirror.key)


def _eck(remote: Remote) -> EckPolicy | None:
    source = remote.source
    if not isinstance(source, SecretSource):
        return None
    return EckPolicy(source.namespace, source.cluster, apply=remote.resource == "managed")
