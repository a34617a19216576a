"""Which paths from a leaf to an anchor Java accepts, whatever the time is.

A chain that is in order is judged as it is (`PKIXValidator.doValidate`): nothing is sought, and a wrong certificate in
it is not gone around. Only where it is out of order, or ends below no trusted name, other paths are tried (`doBuild`),
by slightly other rules. Both are here because a real node refuses the one and accepts the other.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa

from syncd.core.bundle import Cert
from syncd.core.java.facts import facts
from syncd.core.java.names import permits

Path: TypeAlias = tuple[Cert, ...]
"""Leaf first, without the anchor."""

_LONGEST = 10
"""Most certificates that Java reads from a peer (`jdk.tls.maxCertificateChainLength`)."""
_DEEPEST = 5
"""Most CAs that Java's builder goes through (`PKIXBuilderParameters.getMaxPathLength`)."""


@dataclass(frozen=True, slots=True)
class Found:
    """The paths that are accepted while all their certificates are valid, or why there is none."""

    paths: tuple[Path, ...] = ()
    refusal: str = ""


@lru_cache(maxsize=16384)  # pure, and asked again in every pass: a thousand nodes' chains, each with a few sets of CAs
def find(chain: Path, anchors: frozenset[Cert]) -> Found:
    """The accepted paths of a chain (leaf first) to some anchors."""
    if len(chain) > _LONGEST:
        return Found(refusal=f"the chain has {len(chain)} certificates, of which Java reads {_LONGEST}")
    whole = _in_order(chain, anchors)
    if whole is None:
        return _built(chain, anchors)
    refusal = _refusal(whole, anchors, built=False)
    return Found(refusal=refusal) if refusal else Found((whole,))


def _in_order(chain: Path, anchors: frozenset[Cert]) -> Path | None:
    """The one path that is judged as it is, cut below a certificate with a trusted name and key; None: build."""
    trusted = {(facts(anchor).subject, anchor.key) for anchor in anchors}
    for number, (below, cert) in enumerate(pairwise(chain), start=1):
        if facts(cert).subject != facts(below).issuer:
            return None
        if (facts(cert).subject, cert.key) in trusted:
            return chain[:number]
    return chain if facts(chain[-1]).issuer in {name for name, _ in trusted} else None


def _built(chain: Path, anchors: frozenset[Cert]) -> Found:
    refusals = []
    paths = []
    for path in _candidates((chain[0],), chain[1:], anchors):
        refusal = _refusal(path, anchors, built=True)
        if refusal:
            refusals.append(refusal)
        else:
            paths.append(path)
    return Found(tuple(paths), "" if paths else "; ".join(refusals[:1]) or _nothing_called(chain))


def _candidates(path: Path, pool: Path, anchors: frozenset[Cert]) -> Iterator[Path]:
    """Each row of signed certificates from the leaf up to one whose issuer's name is trusted."""
    top = path[-1]
    if any(facts(anchor).subject == facts(top).issuer for anchor in anchors):
        yield path
    if len(path) > _DEEPEST:
        return
    for cert in dict.fromkeys(pool):
        if cert not in path and facts(cert).subject == facts(top).issuer and _signed(top, cert):
            yield from _candidates((*path, cert), pool, anchors)


def _refusal(path: Path, anchors: frozenset[Cert], *, built: bool) -> str | None:
    """Why Java does not accept a path, whatever the time; None where it does."""
    for cert in path:
        if text := facts(cert).signature or facts(cert).key or facts(cert).extensions:
            return f"{cert.short} ({cert.subject}) {text}"
    for below, cert in pairwise(path):
        if not _signed(below, cert):
            return f"{below.short} is not signed by {cert.short} ({cert.subject}), which is presented as its issuer"
    if text := facts(path[0]).service:
        return f"the leaf {path[0].short} {text}"
    return _powerless(path) or _unpermitted(path) or _unanchored(path, anchors, built=built)


def _powerless(path: Path) -> str | None:
    """A CA of the path that may not sign what is below it. The topmost may be v1 where it rolls the anchor over."""
    for cert in path[1:]:
        rolls_over = cert is path[-1] and not facts(cert).v3 and facts(cert).self_issued
        if not (rolls_over or (facts(cert).v3 and cert.is_ca and cert.signs)):
            return f"{cert.short} ({cert.subject}) is not a CA"
    left = len(path)
    for cert in reversed(path[1:]):
        if not facts(cert).self_issued:
            if left <= 0:
                return f"{cert.short} ({cert.subject}) is deeper than a CA above it allows (path length)"
            left -= 1
        if cert.path_length is not None:
            left = min(left, cert.path_length)
    return None


def _unpermitted(path: Path) -> str | None:
    for number, cert in enumerate(path):
        if constraints := facts(cert).constraints:
            for below in path[:number]:
                if (below is path[0] or not facts(below).self_issued) and not permits(constraints, below.x509):
                    return f"the name constraints of {cert.short} ({cert.subject}) do not permit {below.short}"
    return None


def _unanchored(path: Path, anchors: Iterable[Cert], *, built: bool) -> str | None:
    """Why no anchor holds a path. Java takes whichever fits first, so all that fit must be able to sign."""
    top = path[-1]
    named = [anchor for anchor in anchors if facts(anchor).subject == facts(top).issuer]
    fitting = [anchor for anchor in named if _fits(anchor, top, built=built) and _signed(top, anchor)]
    for anchor in fitting:
        if facts(anchor).v3 and not (anchor.is_ca and anchor.signs):
            return f"the trusted {anchor.short} ({anchor.subject}) is not a CA"
        if text := facts(anchor).key:
            return f"the trusted {anchor.short} ({anchor.subject}) {text}"
    if fitting:
        return None
    if named:
        names = ", ".join(sorted(anchor.short for anchor in named))
        return f"the chain ends in {top.short} ({top.subject}), which is not signed by the trusted {names} of that name"
    return _nothing_called(path)


def _fits(anchor: Cert, child: Cert, *, built: bool) -> bool:
    """The selection before a signature is looked at: key id and serial number, or the dates of a v1 anchor."""
    if built:
        return facts(anchor).v3 or (anchor.not_before <= child.not_before and child.not_after <= anchor.not_after)
    if anchor.ski and child.aki and anchor.ski != child.aki:
        return False
    return not facts(anchor).v3 or facts(child).issuer_serial in (None, facts(anchor).serial)


def _nothing_called(chain: Path) -> str:
    return f"nothing trusted is called {chain[-1].issuer}"


@lru_cache(maxsize=16384)  # pure, and the slow part
def _signed(child: Cert, issuer: Cert) -> bool:
    signed, key = child.x509, issuer.x509.public_key()
    try:
        how, digest = signed.signature_algorithm_parameters, signed.signature_hash_algorithm
        match key:
            case rsa.RSAPublicKey() if digest and isinstance(how, padding.PKCS1v15 | padding.PSS):
                key.verify(signed.signature, signed.tbs_certificate_bytes, how, digest)
            case ec.EllipticCurvePublicKey() if isinstance(how, ec.ECDSA):
                key.verify(signed.signature, signed.tbs_certificate_bytes, how)
            case dsa.DSAPublicKey() if digest:
                key.verify(signed.signature, signed.tbs_certificate_bytes, digest)
            case ed25519.Ed25519PublicKey() | ed448.Ed448PublicKey() if digest is None:
                key.verify(signed.signature, signed.tbs_certificate_bytes)
            case _:
                return False
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True
