"""One mirror with all that is asked about it: who shares it, what is in it, what ECK has last read of it; pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from syncd.core.bundle import Cert, Fingerprint
from syncd.core.eck.mirror_text import appended
from syncd.core.eck.own_cas import Own
from syncd.core.model import (
    Alias,
    Known,
    MirrorPolicy,
    MirrorState,
    Observed,
    Policy,
    RemotePolicy,
    RemoteSeen,
    Seen,
)
from syncd.core.proof.markers import MarkerSource


@dataclass(frozen=True, slots=True)
class Case:
    """One ConfigMap, with all remotes that share it."""

    policy: Policy
    seen: Observed
    now: datetime
    fresh: MarkerSource = field(repr=False)
    remotes: tuple[RemotePolicy, ...]
    mirror: MirrorPolicy
    state: MirrorState | None
    own: Own
    echo: tuple[Cert, ...]
    """What ECK has last read from it."""

    @property
    def aliases(self) -> frozenset[Alias]:
        """Of those who share it."""
        return frozenset(remote.alias for remote in self.remotes)

    @property
    def name(self) -> str:
        """What a person calls it."""
        return f"configmap {self.mirror.namespace}/{self.mirror.name}"

    @property
    def lost(self) -> bool:
        """Whether ECK finds nothing to read, and issues no certificates."""
        return self.state is None or self.state.content is None

    @property
    def text(self) -> str:
        """Where we begin: what is there, or what ECK has last read."""
        if self.state is None or self.state.content is None:
            return appended("", self.echo)
        return self.state.content

    @property
    def ours(self) -> frozenset[Fingerprint]:
        """What our annotation names."""
        return frozenset(self.state.ours or ()) if self.state else frozenset()

    @property
    def former(self) -> tuple[Cert, ...]:
        """What our annotation names, as far as the certificates are still to be found."""
        known = {*(self.state.certs if self.state else ()), *self.echo}
        return tuple(sorted(cert for cert in known if cert.fingerprint in self.ours))


def groups(policy: Policy, seen: Observed) -> list[tuple[RemotePolicy, ...]]:
    """Remotes by mirror: those in one namespace may share one, and it is written once."""
    found: dict[tuple[MirrorPolicy, str], list[RemotePolicy]] = {}
    for remote in policy.remotes:
        if remote.mirror:
            state = state_of(seen, remote)
            uid = state.value.uid if isinstance(state, Known) else type(state).__name__
            found.setdefault((remote.mirror, uid), []).append(remote)
    return [tuple(remotes) for remotes in found.values()]


def echo(seen: Observed, remotes: Iterable[RemotePolicy]) -> tuple[Cert, ...]:
    """The echo of this mirror, if the resource does not name another one."""
    found: dict[Cert, None] = {}
    for remote in remotes:
        what = remote_of(seen, remote)
        named = what.resource.value.config_map if isinstance(what.resource, Known) else None
        if isinstance(what.published, Known) and named in (None, remote.mirror.name if remote.mirror else None):
            found |= dict.fromkeys(what.published.value.echo)
    return tuple(found)


def state_of(seen: Observed, remote: RemotePolicy) -> Seen[MirrorState]:
    """The mirror of a remote, as it was read."""
    return remote_of(seen, remote).mirror


def remote_of(seen: Observed, remote: RemotePolicy) -> RemoteSeen:
    """What was seen of a remote."""
    return seen.remotes[remote.alias]
