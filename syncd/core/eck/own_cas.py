"""Which CAs are the self-managed cluster's own: those by which its nodes trust their peers, and never ECK's; pure.

The documented way into the certificate model is to append ECK's CA to the nodes' own CAs by hand, and it is forgotten
there. Sent to ECK, also to another one, it would be trusted for ever, so it is told apart: by what remotes publish and
present, by what is remembered, and by its subject, which ECK gives to every generation. What the nodes' own certificates
need is ours all the same: ECK may have been given the company's CA once.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from syncd.core.bundle import Cert, Fingerprint, is_marker
from syncd.core.java.trust import verifies
from syncd.core.model import Alias, Hold, Known, NodeName, Observed, OwnTrust, Policy, Seen, Shown, Site, Unknown

_OF_ECK = re.compile(r"^CN=(?P<es>[^,+]+)-transport,OU=(?P=es)$")
"""The subject that ECK gives to its CAs: it tells one of a remote that nothing else is known of (yet, or any more)."""
_NEVER_LOOKED = "it has not been looked at"


@dataclass(frozen=True, slots=True)
class Own:
    """The self-managed CAs, as far as the nodes could be read."""

    certs: tuple[Cert, ...]
    unread: tuple[NodeName, ...]
    """Managed nodes whose trust is not known: they may have CAs that nobody else has."""
    holds: tuple[Hold, ...]


def own_cas(policy: Policy, seen: Observed, aliases: Collection[Alias], now: datetime) -> Own:
    """For these remotes: the union over the managed nodes, without what is an ECK's, markers, and what is no CA."""
    trusted: set[Cert] = set()
    holds = []
    for node in policy.nodes:
        match _trust(seen, node.name):
            case Known(value=trust):
                trusted |= set(trust.certs)
            case unread:
                holds.append(Hold(node.name, "own_trust_unknown", _unread_text(unread)))
    certs = _without_eck(trusted, policy, seen, aliases, now)
    return Own(certs, tuple(NodeName(hold.subject) for hold in holds), tuple(holds))


def unverified(policy: Policy, seen: Observed, anchors: Iterable[Cert], now: datetime) -> Iterator[Hold]:
    """A hold for each leaf of a node that somebody who trusts these CAs would refuse."""
    trusted = tuple(anchors)
    for name, shown in leaves(policy, seen):
        if not isinstance(shown, Known):
            continue
        sight = shown.value.presented
        verdict = verifies(sight.chain, trusted, now)
        if not verdict.ok:
            yield Hold(name, "leaf_unverified", _unverified_text(sight.address, sight.leaf, verdict.text))


def leaves(policy: Policy, seen: Observed) -> Iterator[tuple[NodeName, Seen[Shown]]]:
    """What each managed node shows on its transport port."""
    for node in policy.nodes:
        site = _site(seen, node.name)
        yield node.name, site.value.shown if isinstance(site, Known) else site


def eck_trusts(seen: Observed, aliases: Collection[Alias]) -> frozenset[Cert]:
    """What the nodes of each of these remotes trust by themselves: the CA that all of them publish, as far as is known."""
    published = [{cert} for alias, cert in _published(seen) if alias in aliases]
    return frozenset(set.intersection(*published)) if published else frozenset()


def _published(seen: Observed) -> Iterator[tuple[Alias, Cert]]:
    for alias, remote in seen.remotes.items():
        if isinstance(remote.published, Known):
            yield alias, remote.published.value.ca


def _without_eck(
    trusted: Iterable[Cert], policy: Policy, seen: Observed, aliases: Collection[Alias], now: datetime
) -> tuple[Cert, ...]:
    """The CAs that are surely ours, plus those of a possible ECK without which a node's own certificate would be refused."""
    there = eck_trusts(seen, aliases)
    plain = {cert for cert in trusted if cert.is_ca and not is_marker(cert)} - there
    prints, subjects = _known(seen)
    chains = tuple(_presented(seen))
    doubtful = {
        cert
        for cert in plain
        if cert.fingerprint in prints
        or cert.subject in subjects
        or _OF_ECK.match(cert.subject)
        or any(verifies(chain, (cert,), now).ok for chain in chains)
    }
    sure = plain - doubtful
    own = [shown.value.presented.chain for _, shown in leaves(policy, seen) if isinstance(shown, Known)]
    refused = [chain for chain in own if not verifies(chain, sure | there, now).ok] if doubtful else []
    needed = {cert for cert in doubtful if any(verifies(chain, (cert,), now).ok for chain in refused)}
    return tuple(sorted(sure | needed))


def _known(seen: Observed) -> tuple[set[Fingerprint], set[str]]:
    records = seen.remembered.cas
    published = [cert for _, cert in _published(seen)]
    prints = {cert.fingerprint for cert in published} | {record.fingerprint for record in records}
    return prints, {cert.subject for cert in published} | {record.subject for record in records}


def _presented(seen: Observed) -> Iterator[tuple[Cert, ...]]:
    """What the configured remotes present."""
    for remote in seen.remotes.values():
        yield from (sight.chain for sight in remote.presented)
        yield from (sight.presented.chain for sight in remote.shown)


def _trust(seen: Observed, name: NodeName) -> Seen[OwnTrust]:
    site = _site(seen, name)
    return site.value.trust if isinstance(site, Known) else site


def _site(seen: Observed, name: NodeName) -> Seen[Site]:
    node = seen.nodes.get(name)
    return node.site if node else Unknown("not_looked", _NEVER_LOOKED, datetime.min)  # noqa: DTZ901 - never is never


def _unread_text(trust: Seen[OwnTrust]) -> str:
    why = trust.text if isinstance(trust, Unknown) else "there are none"
    return (
        f"the CAs by which it trusts its peers cannot be read ({why}): what was published of them stays in the mirror, "
        "what is new on this node cannot be added"
    )


def _unverified_text(address: str, leaf: Cert, why: str) -> str:
    return (
        f"it presents {leaf.short} ({leaf.subject}) on {address}, which does not verify with the CAs found on the nodes "
        f"({why}): ECK's nodes would refuse it. Check which files xpack.security.transport.ssl names on this node, and "
        "that they hold the CA of its certificate"
    )
