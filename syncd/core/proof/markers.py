"""Markers: certificates that name the bundle beside them, so that a process shows which file it has loaded; pure."""

from collections.abc import Callable, Iterable

from syncd.core.bundle import Cert, Digest, bundle_digest
from syncd.core.model import FileState, ProofState

MarkerSource = Callable[[Digest], Cert]
"""Mints the marker of a bundle, and keeps its key."""


def marker_subject(digest: Digest) -> str:
    """The subject of every marker of this bundle."""
    return f"CN=syncd {digest[:16]}"


def marker_names(marker: Cert, digest: Digest) -> bool:
    """Whether a marker names this bundle."""
    return marker.subject == marker_subject(digest)


def marker_for(file: FileState | None, certs: Iterable[Cert], state: ProofState, fresh: MarkerSource) -> Cert:
    """The marker that a file should hold: the one it has, if its key is held, else a new one."""
    digest = bundle_digest(certs)
    for marker in file.trust.markers if file else ():
        if marker.fingerprint in state.markers and marker_names(marker, digest):
            return marker
    return fresh(digest)


def name_marker(file: FileState | None, certs: Iterable[Cert], fresh: MarkerSource) -> Cert:
    """The marker by which a transport port tells what is loaded: nobody need present it, so its key may be lost."""
    digest = bundle_digest(certs)
    named = (marker for marker in (file.trust.markers if file else ()) if marker_names(marker, digest))
    return next(named, None) or fresh(digest)
