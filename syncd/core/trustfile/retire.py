"""When an old CA may leave the nodes: a table of named rules, all of which must be content.

A rule returns the text of what keeps the CA, or None. "Not known" keeps it: retirement is by proof.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from syncd.core.bundle import Cert
from syncd.core.java.trust import verifies
from syncd.core.model import (
    Absent,
    CaRecord,
    Hold,
    Known,
    NodeName,
    NodeSeen,
    Observed,
    Policy,
    Presented,
    RemotePolicy,
    Sighting,
    Unknown,
    Verdict,
)


@dataclass(frozen=True, slots=True)
class Case:
    """A retiring CA and all that the rules judge it by."""

    record: CaRecord
    cert: Cert
    successor: Cert | None
    remote: RemotePolicy
    policy: Policy
    seen: Observed
    proven: Mapping[NodeName, Sighting | None]
    verdicts: tuple[Verdict, ...]
    now: datetime

    @property
    def superseded(self) -> datetime:
        """Since when something else is published."""
        return self.record.superseded_at or self.now

    @property
    def dialers(self) -> tuple[NodeSeen, ...]:
        """The nodes that dial the remote or are dialed by it; a node whose roles are not known counts as one."""
        nodes = self.seen.nodes.values()
        context = self.remote.context
        return tuple(n for n in nodes if n.may_use(context))

    @property
    def presented(self) -> tuple[Presented, ...]:
        """The leaves that were presented since the CA was superseded, and lately."""
        since = max(self.superseded, self.now - self.policy.lately(self.remote))
        remote = self.seen.remotes.get(self.remote.alias)
        return tuple(sight for sight in remote.presented if sight.at >= since) if remote else ()


def _successor_published(case: Case) -> str | None:
    return None if case.successor else "no successor is published and accepted"


def _overlap(case: Case) -> str | None:
    end = case.superseded + case.remote.overlap
    return f"until {end:%Y-%m-%d %H:%M:%S}Z" if case.now < end else None


def _every_node_known(case: Case) -> str | None:
    unknown = [node.name for node in case.seen.nodes.values() if isinstance(node.file, Unknown)]
    return f"cannot look at {', '.join(unknown)}" if unknown else None


def _no_unmanaged_node(case: Case) -> str | None:
    match case.seen.cluster:
        case Known(value=cluster):
            others = case.policy.unmanaged(cluster.nodes)
            return f"the cluster has nodes that the configuration lacks: {', '.join(others)}" if others else None
        case Absent() | Unknown():
            return "the cluster's nodes could not be listed"


def _successor_proven(case: Case) -> str | None:
    if not case.successor:
        return "there is no successor"
    waiting = [node.name for node in case.dialers if not _has_proven(node, case.successor, case.proven)]
    return f"not yet proven loaded on {', '.join(waiting)}" if waiting else None


def _has_proven(node: NodeSeen, successor: Cert, proven: Mapping[NodeName, Sighting | None]) -> bool:
    in_file = isinstance(node.file, Known) and successor in node.file.value.trust.certs
    return in_file and proven.get(node.name) is not None


def _link_up(case: Case) -> str | None:
    dialers = {node.name for node in case.dialers}
    mine = [v for v in case.verdicts if v.alias == case.remote.alias and v.node in dialers]
    down = [v.node for v in mine if v.up is not True]
    return f"the link is not known to be up from {', '.join(down)}" if down else None


def _chains_verify_without(case: Case) -> str | None:
    for node in case.seen.nodes.values():
        anchors = _without(node, case.cert)
        for sight in (*case.presented, *_handshake(case, node)):
            if anchors is not None and not verifies(sight.chain, anchors, case.now).ok:
                return f"{sight.address} presented {sight.leaf.short}, which does not verify without it on {node.name}"
    return None if case.presented else "the remote has presented nothing since"


def _handshake(case: Case, node: NodeSeen) -> tuple[Presented, ...]:
    match node.handshakes.get(case.remote.alias):
        case Known(value=sight) if sight.at >= case.superseded:
            return (sight,)
        case _:
            return ()


def _without(node: NodeSeen, cert: Cert) -> tuple[Cert, ...] | None:
    match node.file:
        case Known(value=file):
            return (*node.own, *(other for other in file.trust.certs if other != cert))
        case Absent() | Unknown():
            return None


def _endpoints_seen(case: Case) -> str | None:
    remote = case.seen.remotes.get(case.remote.alias)
    match remote.endpoints if remote else None:
        case Known(value=expected):
            distinct = len({sight.endpoint for sight in case.presented})  # a pod that restarts gets another leaf
            return None if distinct >= max(1, expected) else f"{distinct} of {expected} endpoints were seen since"
        case Unknown(text=text):
            return f"how many endpoints there are is not known: {text}"
        case _:
            return "how many endpoints there are is not known; set trust.endpoints"


RULES: tuple[tuple[str, Callable[[Case], str | None]], ...] = (
    ("successor_published", _successor_published),
    ("overlap", _overlap),
    ("every_node_known", _every_node_known),
    ("no_unmanaged_node", _no_unmanaged_node),
    ("successor_proven", _successor_proven),
    ("link_up", _link_up),
    ("chains_verify_without", _chains_verify_without),
    ("endpoints_unseen", _endpoints_seen),
)


def keeps(case: Case) -> tuple[Hold, ...]:
    """What keeps the CA on the nodes; empty: it may go."""
    holds = []
    for rule, judge in RULES:
        text = judge(case)
        if text is not None:
            until = case.superseded + case.remote.overlap if rule == "overlap" else None
            holds.append(Hold(case.remote.alias, rule, f"retire {case.cert.short}: {text}", until))
    return tuple(holds)
