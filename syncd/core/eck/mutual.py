"""The other direction of a link of the certificate model: whether ECK's nodes accept what ours present; pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations

from syncd.core.bundle import Cert, bundle_digest
from syncd.core.eck.mirror_retire import latest
from syncd.core.java.trust import verifies
from syncd.core.model import Known, NodeSeen, RemoteSeen
from syncd.core.proof.markers import marker_subject

_LATELY = timedelta(hours=1)
"""What a node of ECK said longer ago may be of a node that is gone, or of an earlier leaf of it."""
_MOST = 8
"""Most CAs of which each set is thought of: more are in no mirror of one cluster."""


@dataclass(frozen=True, slots=True)
class Direction:
    """How the remote sees a node of ours."""

    refused: str = ""
    """Not empty: a node of the remote would not accept the node's certificate, and why."""
    until: datetime | None = None
    """When the node's own leaf ends; None: it has not been seen."""


def seen_from_there(node: NodeSeen, remote: RemoteSeen, now: datetime) -> Direction:
    """By the names that ECK's nodes tell on 9300: those of our CAs that verify the node's leaf must be among them."""
    shown = node.shown
    if not isinstance(shown, Known):
        return Direction()
    chain = shown.value.presented.chain
    if now > chain[0].not_after:
        return Direction(f"its own certificate ended {chain[0].not_after:%Y-%m-%d %H:%M}Z", chain[0].not_after)
    signers = frozenset(ca for ca in node.own if verifies(chain, (ca,), now).ok)
    names = _telling(signers, node, remote)
    for there in latest(sight for sight in remote.shown if now - sight.presented.at < _LATELY):
        if names and not names & there.accepted:
            by = " or ".join(sorted(f"{ca.subject} ({ca.short})" for ca in signers))
            return Direction(
                f"{there.presented.address} does not accept {by} yet, by which ours are signed", chain[0].not_after
            )
    return Direction(until=chain[0].not_after)


def _telling(signers: frozenset[Cert], node: NodeSeen, remote: RemoteSeen) -> frozenset[str]:
    """The names of which one tells that a signer is loaded.

    `elasticsearch-certutil` gives every CA the same subject: where another CA of ours has it too, it tells nothing. Then
    it is a marker's, of any set of our CAs with a signer in it: a node of ECK may have loaded an earlier one, too.
    """
    subjects = frozenset(ca.subject for ca in signers)
    state = remote.mirror.value if isinstance(remote.mirror, Known) else None
    ours = frozenset(state.ours or ()) if state else frozenset()
    known = {*node.own, *(cert for cert in (state.certs if state else ()) if cert.fingerprint in ours)}
    marked = any(marker.fingerprint in ours for marker in (state.markers if state else ()))
    if not marked or len(known) > _MOST or not subjects <= {ca.subject for ca in known - signers}:
        return subjects
    return frozenset(marker_subject(bundle_digest(some)) for some in _sets(sorted(known)) if signers & set(some))


def _sets(certs: Sequence[Cert]) -> Iterator[tuple[Cert, ...]]:
    for count in range(1, len(certs) + 1):
        yield from combinations(certs, count)
