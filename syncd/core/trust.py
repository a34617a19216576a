"""Java's rules for what verifies, and what kind of change a new CA is.

Elasticsearch verifies with the JDK's PKIX code, which differs from OpenSSL's and Go's: a trust anchor's validity is not
looked at, an anchor whose SKI is unlike the child's AKI is skipped, a trusted intermediate is anchor enough. The rows
of tests/unit/test_trust.py were decided by a real Elasticsearch 8.19.21 on JDK 17.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from typing import Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from syncd.core.bundle import Cert

_DEPTH = 8
"""More certificates than any real chain has; ends loops of cross-signed CAs."""


class Rotation(StrEnum):
    """What kind of change a newly published CA is."""

    FIRST = "first"
    RENEWED_SAME_KEY = "renewed_same_key"
    """ECK's yearly renewal: key, subject and SKI stay, so old leaves and old trust keep working."""
    CHANGED_SKI = "changed_ski"
    """The same key under another SKI (ECK 3.3.0 to 3.3.2): Java refuses it, so it is as urgent as a new key."""
    NEW_KEY = "new_key"
    """New connections fail until the nodes trust it."""
    RECREATED = "recreated"
    """A new key in a Secret that is another object: the remote was deleted and made anew, with other data and API keys."""

    @property
    def urgent(self) -> bool:
        """Whether new connections fail until the nodes have the new CA."""
        return self not in (Rotation.FIRST, Rotation.RENEWED_SAME_KEY)


@dataclass(frozen=True, slots=True)
class Trust:
    """Whether a presented chain verifies, and until when it will."""

    ok: bool
    reason: Literal["ok", "untrusted", "expired", "not_yet_valid"]
    text: str
    until: datetime | None = None
    """The end of the first certificate of the path to expire. Anchors do not count: Java ignores their dates."""


def classify(old_key: str, old_ski: str | None, new: Cert, *, other_object: bool = False) -> Rotation:
    """The kind of change from an old CA (its public key and SKI) to a new one, perhaps published by another object."""
    if old_key != new.key:
        return Rotation.RECREATED if other_object else Rotation.NEW_KEY
    return Rotation.RENEWED_SAME_KEY if old_ski == new.ski else Rotation.CHANGED_SKI


def verifies(chain: Sequence[Cert], anchors: Iterable[Cert], now: datetime) -> Trust:
    """Whether a node that trusts the anchors accepts a chain (leaf first) at a moment.

    As `sun.security.validator.PKIXValidator` does it, with `verification_mode: certificate` (no host name).
    """
    leaf = chain[0]
    trusted = tuple(anchors)
    if not leaf.not_before <= now <= leaf.not_after:
        return _outside(leaf, now)
    if leaf in trusted:
        return Trust(ok=True, reason="ok", text="the leaf itself is trusted", until=leaf.not_after)
    ends = list(_paths(leaf, _Search(_usable(chain, trusted), trusted, now), leaf.not_after))
    if ends:
        return Trust(ok=True, reason="ok", text=f"{leaf.short} verifies", until=max(ends))
    return Trust(ok=False, reason="untrusted", text=_why_not(chain, trusted))


def _usable(chain: Sequence[Cert], anchors: tuple[Cert, ...]) -> tuple[Cert, ...]:
    """The presented CAs that a path may go through.

    In an ordered chain, a certificate with the name and key of a trusted one ends the path below it: the trusted one is
    judged instead, with its own SKI (`PKIXValidator.engineValidate`).
    """
    trusted = {(anchor.subject, anchor.key) for anchor in anchors}
    for below, cert in pairwise(chain):
        if below.issuer != cert.subject:
            break
        if (cert.subject, cert.key) in trusted:
            return tuple(chain[1 : chain.index(cert)])
    return tuple(chain[1:])


@dataclass(frozen=True, slots=True)
class _Search:
    """What a path may be made of."""

    pool: tuple[Cert, ...]
    anchors: tuple[Cert, ...]
    now: datetime
    below: int = 0
    """How many CAs of the path are below the certificate that an issuer is sought for."""

    def above(self, cert: Cert) -> "_Search":
        """The search for the issuer of a CA of the pool."""
        return replace(self, pool=tuple(other for other in self.pool if other != cert), below=self.below + 1)


def _paths(child: Cert, search: _Search, until: datetime) -> Iterable[datetime]:
    """The end of validity of each path from a certificate to an anchor."""
    for anchor in search.anchors:
        if _may_issue(anchor, child, search.below):
            yield until
    if search.below >= _DEPTH:
        return
    for middle in search.pool:
        valid = middle.not_before <= search.now <= middle.not_after
        if valid and _may_issue(middle, child, search.below):
            yield from _paths(middle, search.above(middle), min(until, middle.not_after))


def _may_issue(issuer: Cert, child: Cert, below: int) -> bool:
    return (
        issuer.subject == child.issuer
        and issuer.is_ca
        and issuer.signs
        and (issuer.path_length is None or issuer.path_length >= below)
        and not (issuer.ski and child.aki and issuer.ski != child.aki)
        and _signed(child, issuer)
    )


@lru_cache(maxsize=4096)  # pure, and asked again in every pass for every node
def _signed(child: Cert, issuer: Cert) -> bool:
    try:
        child.x509.verify_directly_issued_by(issuer.x509)
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True


def _outside(leaf: Cert, now: datetime) -> Trust:
    if now > leaf.not_after:
        text = f"the leaf {leaf.short} ended {leaf.not_after:%Y-%m-%d %H:%M}Z"
        return Trust(ok=False, reason="expired", text=text, until=leaf.not_after)
    text = f"the leaf {leaf.short} is not valid before {leaf.not_before:%Y-%m-%d %H:%M}Z; check the clocks"
    return Trust(ok=False, reason="not_yet_valid", text=text)


def _why_not(chain: Sequence[Cert], anchors: tuple[Cert, ...]) -> str:
    top = chain[-1]
    issuer = top.issuer if len(chain) == 1 else top.subject
    same = [anchor.short for anchor in anchors if anchor.subject == issuer]
    if same:
        names = ", ".join(same)
        return f"the chain ends in {top.short} ({issuer}), which is not the trusted {names} of the same name"
    return f"nothing trusted is called {issuer}"
