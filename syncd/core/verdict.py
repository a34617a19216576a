"""Is a link up, why not, and until when: what people page on.

An ordinary same-key renewal breaks nothing even where nobody copies it, and must not look like a fault; a new key
breaks new connections at once, although sockets that were opened before go on working for days and hide it.
"""

from datetime import UTC, datetime
from typing import Literal

from syncd.core.eck.mutual import seen_from_there
from syncd.core.java.trust import Trust, verifies
from syncd.core.model import (
    Absent,
    Alias,
    Context,
    Known,
    Link,
    NodeSeen,
    Presented,
    RemoteSeen,
    Unknown,
    Verdict,
    credential_setting,
)

_NEVER = datetime.max.replace(tzinfo=UTC)
"""The end of what is trusted itself."""
_TRIED = frozenset({"dial_refused", "timeout", "tls"})
"""Rules of a handshake that the node's own host has tried in vain: what others see of the remote is no proof for it."""


def judge(node: NodeSeen, alias: Alias, remote: RemoteSeen, now: datetime) -> Verdict | None:
    """The verdict on one node's link; None for a node that is known not to dial remotes."""
    if not node.may_use(Context.REMOTE_CLUSTER_CLIENT):
        return None
    trust = _trust(node, alias, remote, now)
    if trust is not None and not trust.ok:
        return _untrusted(node, alias, trust, now)
    until = trust.until if trust else None
    if remote.context is Context.TRANSPORT:
        there = seen_from_there(node, remote, now)
        until = min((end for end in (until, there.until) if end), default=None)
        if there.refused:
            text = f"new connections are refused there: {there.refused}"
            return Verdict(
                node.name, alias, up=False, reason="refused_there", text=text, breaks_at=min(until or now, now)
            )
    return _connection(node, alias, remote, until, proven=trust is not None)


def _trust(node: NodeSeen, alias: Alias, remote: RemoteSeen, now: datetime) -> Trust | None:
    """The worst result over the chains that this node may meet; None: nothing is known."""
    if not isinstance(node.file, Known):
        return None
    met = _met(node, alias, remote)
    results = [verifies(sight.chain, (*node.own, *node.file.value.trust.certs), now) for sight in met]
    bad = [result for result in results if not result.ok]
    if bad:
        return bad[0]
    return min(results, key=lambda result: result.until or _NEVER, default=None)


def _met(node: NodeSeen, alias: Alias, remote: RemoteSeen) -> tuple[Presented, ...]:
    """The latest handshake from the node's host, and later sightings from elsewhere."""
    match node.handshakes.get(alias):
        case Known(value=own):
            return (own, *(sight for sight in remote.presented if sight.at > own.at))
        case Unknown(rule=rule) if rule in _TRIED:
            return ()
        case _:
            latest = max(remote.presented, key=lambda sight: sight.at, default=None)
            return (latest,) if latest else ()


def _untrusted(node: NodeSeen, alias: Alias, trust: Trust, now: datetime) -> Verdict:
    link = node.links.get(alias)
    sockets = f"; {link.sockets} sockets opened earlier still work" if link and link.sockets else ""
    reason: Literal["expired", "untrusted"] = "expired" if trust.reason == "expired" else "untrusted"
    text = f"new connections fail: {trust.text}{sockets}"
    return Verdict(node.name, alias, up=False, reason=reason, text=text, breaks_at=min(trust.until or now, now))


def _connection(node: NodeSeen, alias: Alias, remote: RemoteSeen, until: datetime | None, *, proven: bool) -> Verdict:
    link = node.links.get(alias)
    if not isinstance(node.process, Known):
        text = node.process.text if isinstance(node.process, Unknown) else "the node does not answer"
        return Verdict(node.name, alias, up=None, reason="unknown", text=text, breaks_at=until)
    if link is None:
        text = f"cluster.remote.{alias} is not set on this cluster"
        return Verdict(node.name, alias, up=False, reason="disconnected", text=text, breaks_at=until)
    if wrong := _wrong_credential(node, link, remote, until):
        return wrong
    if not link.connected:
        return Verdict(node.name, alias, up=False, reason="disconnected", text="0 sockets", breaks_at=until)
    if not proven:
        text = f"{link.sockets} sockets, but no handshake could be made to prove new connections: {_why(node, alias)}"
        return Verdict(node.name, alias, up=None, reason=_unproven(node, alias), text=text)
    return Verdict(node.name, alias, up=True, reason="ok", text=f"{link.sockets} sockets", breaks_at=until)


def _wrong_credential(node: NodeSeen, link: Link, remote: RemoteSeen, until: datetime | None) -> Verdict | None:
    """A credential decides by which security model a node dials an alias."""
    setting = credential_setting(link.alias)
    if remote.context is Context.TRANSPORT and link.has_credential:
        text = f"its keystore holds {setting}, so it dials with the API-key model"
        return Verdict(node.name, link.alias, up=False, reason="wrong_model", text=text, breaks_at=until)
    if remote.context is not Context.TRANSPORT and not link.has_credential:
        text = f"this node has no {setting} in its loaded keystore"
        return Verdict(node.name, link.alias, up=False, reason="no_credential", text=text, breaks_at=until)
    return None


def _unproven(node: NodeSeen, alias: Alias) -> Literal["network", "unknown"]:
    handshake = node.handshakes.get(alias)
    return "network" if isinstance(handshake, Unknown) and handshake.rule in _TRIED else "unknown"


def _why(node: NodeSeen, alias: Alias) -> str:
    match node.handshakes.get(alias):
        case Unknown(text=text):
            return text
        case Absent() | None | Known():
            return "not tried yet" if isinstance(node.file, Known) else "the trust file is not known"
