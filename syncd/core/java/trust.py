"""Java's rules for what verifies, and what kind of change a new CA is.

Elasticsearch verifies with the JDK's PKIX code, which differs from OpenSSL's and Go's: an anchor's dates, path length and
name constraints are not looked at, an anchor whose SKI is unlike the child's AKI is skipped, a trusted intermediate is
anchor enough, a trusted leaf is accepted for ever. `core.paths` has the rules; docs/trust.md has a row for each, put to a
real Elasticsearch 8.19.21 and 8.14.3 on JDK 17 by tests/e2e/test_java_rules.py.

Where a node's answer cannot be known, the answer here is no, never a wrong yes:

* SHA-1, RSA below 2048 bits and DSA: security properties and versions of the JDK differ;
* policy constraints, and name constraints on other names than hosts, addresses and subjects, are not judged;
* of several anchors that fit, all must be CAs, since Java takes any one of them.

Taken for granted: the JDK's own limits (chains of ten, five CAs where a path is sought), no revocation checks,
`verification_mode: certificate` (no host name), TLS 1.3 or a cipher suite in which the leaf signs.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from syncd.core.bundle import Cert
from syncd.core.java.paths import find


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
    """The end of the first certificate of the path to expire. What is trusted does not count: Java ignores its dates."""


def classify(old_key: str, old_ski: str | None, new: Cert, *, other_object: bool = False) -> Rotation:
    """The kind of change from an old CA (its public key and SKI) to a new one, perhaps published by another object."""
    if old_key != new.key:
        return Rotation.RECREATED if other_object else Rotation.NEW_KEY
    return Rotation.RENEWED_SAME_KEY if old_ski == new.ski else Rotation.CHANGED_SKI


def verifies(chain: Sequence[Cert], anchors: Iterable[Cert], now: datetime) -> Trust:
    """Whether a node that trusts the anchors accepts a chain (leaf first) at a moment, with certificate verification."""
    leaf, trusted = chain[0], frozenset(anchors)
    if leaf in trusted:
        return Trust(ok=True, reason="ok", text="the leaf itself is trusted")
    if outside := _outside(leaf, "leaf", now):
        return outside
    found = find(tuple(chain), trusted)
    good = [_end(path) for path in found.paths if not any(_outside(cert, "", now) for cert in path)]
    if good:
        return Trust(ok=True, reason="ok", text=f"{leaf.short} verifies", until=max(good))
    for path in found.paths:
        for cert in path:
            if outside := _outside(cert, "intermediate CA", now):
                return outside
    return Trust(ok=False, reason="untrusted", text=found.refusal)


def _end(path: Sequence[Cert]) -> datetime:
    return min(cert.not_after for cert in path)


def _outside(cert: Cert, what: str, now: datetime) -> Trust | None:
    if now > cert.not_after:
        text = f"the {what} {cert.short} ended {cert.not_after:%Y-%m-%d %H:%M}Z"
        return Trust(ok=False, reason="expired", text=text, until=cert.not_after)
    if now < cert.not_before:
        text = f"the {what} {cert.short} is not valid before {cert.not_before:%Y-%m-%d %H:%M}Z; check the clocks"
        return Trust(ok=False, reason="not_yet_valid", text=text)
    return None
