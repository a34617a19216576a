"""Is a link up, why not, and until when: what people page on.

An ordinary same-key renewal breaks nothing even where nobody copies it, and must not look like a fault; a new key
breaks new connections at once, although sockets that were opened before go on working for days and hide it.
"""

from datetime import UTC, datetime
from typing import Literal

from syncd.core.model import Absent, Alias, Known, NodeSeen, Presented, RemoteSeen, Unknown, Verdict
from syncd.core.trust import Trust, verifies

_NEVER = datetime.max.replace(tzinfo=UTC)
"""The end of what is trusted itself."""


def judge(node: NodeSeen, alias: Alias, remote: RemoteSeen, now: datetime) -> Verdict | None:
    """The verdict on one node's link; None for a node that is known not to dial remotes."""
    if isinstance(node.process, Known) and not node.process.value.dials:
        return None
    trust = _trust(node, alias, remote, now)
    if trust is not None and not trust.ok:
        return _untrusted(node, alias, trust, now)
    until = trust.until if trust else None
    return _connection(node, alias, until, proven=trust is not None)


def _trust(node: NodeSeen, alias: Alias, remote: RemoteSeen, now: datetime) -> Trust | None:
    """The worst result over the chains that this node may meet; None: nothing is known."""
    if not isinstance(node.file, Known):
        return None
    met = _met(node, alias, remote)
    results = [verifies(sight.chain, node.file.value.trust.certs, now) for sight in met]
    bad = [result for result in results if not result.ok]
    if bad:
        return bad[0]
    return min(results, key=lambda result: result.until or _NEVER, default=None)


def _met(node: NodeSeen, alias: Alias, remote: RemoteSeen) -> tuple[Presented, ...]:
    """The latest handshake from the node's host, and later sightings from elsewhere."""
    match node.handshakes.get(alias):
        case Known(value=own):
            return (own, *(sight for sight in remote.presented if sight.at > own.at))
        case _:
            latest = max(remote.presented, key=lambda sight: sight.at, default=None)
            return (latest,) if latest else ()


def _untrusted(node: NodeSeen, alias: Alias, trust: Trust, now: datetime) -> Verdict:
    link = node.links.get(alias)
    sockets = f"; {link.sockets} sockets opened earlier still work" if link and link.sockets else ""
    reason: Literal["expired", "untrusted"] = "expired" if trust.reason == "expired" else "untrusted"
    text = f"new connections fail: {trust.text}{sockets}"
    return Verdict(node.name, alias, up=False, reason=reason, text=text, breaks_at=min(trust.until or now, now))


def _connection(node: NodeSeen, alias: Alias, until: datetime | None, *, proven: bool) -> Verdict:
    link = node.links.get(alias)
    if not isinstance(node.process, Known):
        text = node.process.text if isinstance(node.process, Unknown) else "the node does not answer"
        return Verdict(node.name, alias, up=None, reason="unknown", text=text, breaks_at=until)
    if link is None:
        text = f"cluster.remote.{alias} is not set on this cluster"
        return Verdict(node.name, alias, up=False, reason="disconnected", text=text, breaks_at=until)
    if not link.has_credential:
        text = f"this node has no cluster.remote.{alias}.credentials in its loaded keystore"
        return Verdict(node.name, alias, up=False, reason="no_credential", text=text, breaks_at=until)
    if not link.connected:
        return Verdict(node.name, alias, up=False, reason="disconnected", text="0 sockets", breaks_at=until)
    if not proven:
        text = f"{link.sockets} sockets, but no handshake could be made to prove new connections: {_why(node, alias)}"
        return Verdict(node.name, alias, up=None, reason="unknown", text=text)
    return Verdict(node.name, alias, up=True, reason="ok", text=f"{link.sockets} sockets", breaks_at=until)


def _why(node: NodeSeen, alias: Alias) -> str:
    match node.handshakes.get(alias):
        case Unknown(text=text):
            return text
        case Absent() | None | Known():
            return "not tried yet" if isinstance(node.file, Known) else "the trust file is not known"
