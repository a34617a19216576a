"""Whose the mirror's blocks are, and the text after our part of it has changed; pure.

An annotation tells what its cluster needs, which protects it from everybody's syncd, and what of it that cluster put there,
which it alone takes out again: once neither it nor another cluster needs it. What was there before anybody's syncd is
somebody's, whoever needs it too, and is never cut.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from syncd.core.bundle import Cert, Fingerprint
from syncd.core.eck.mirror_text import appended, read_mirror, without
from syncd.core.model import MirrorState, Origins


@dataclass(frozen=True, slots=True)
class Share:
    """What is to be written."""

    text: str
    needed: tuple[Fingerprint, ...]
    """By our cluster, its marker too."""
    origins: Origins
    added: tuple[Cert, ...]
    """What was not there, without the marker."""
    removed: tuple[Cert, ...]
    """What is not there any more, without markers."""


def share(text: str, state: MirrorState | None, contribution: Iterable[Cert], marker: Iterable[Cert]) -> Share:
    """Our part of a text is to be a contribution and its marker; every other block stays."""
    certs = (*contribution, *marker)
    needed = frozenset(cert.fingerprint for cert in certs)
    before = read_mirror(text)
    ours = _put_by_us(state) & {cert.fingerprint for cert in (*before.certs, *before.markers)}
    gone = ours - needed - needed_elsewhere(state)
    if state and state.damaged:  # it may be needed by whom we cannot read; a marker of ours is nobody else's
        gone -= {cert.fingerprint for cert in before.certs}
    rest = without(text, gone)
    after = read_mirror(rest)
    missing = [cert for cert in certs if cert not in {*after.certs, *after.markers}]
    added = (ours - gone) | {cert.fingerprint for cert in missing}
    listed = frozenset(state.ours or ()) | frozenset(state.origins.found) if state else frozenset()
    found = (listed & {cert.fingerprint for cert in before.certs}) - needed - ours
    return Share(
        appended(rest, missing),
        tuple(sorted(needed)),
        Origins(tuple(sorted(added)), tuple(sorted(found))),
        tuple(cert for cert in missing if cert in contribution),
        tuple(sorted(set(before.certs) - set(after.certs))),
    )


def needed_elsewhere(state: MirrorState | None) -> frozenset[Fingerprint]:
    """What other clusters need."""
    return frozenset[Fingerprint]().union(*state.contributions.values()) if state else frozenset()


def _put_by_us(state: MirrorState | None) -> frozenset[Fingerprint]:
    return frozenset(state.origins.added) if state else frozenset()
