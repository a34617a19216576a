"""What a person is told before a certificate is trusted or taken out, or a cluster taken over; what is not known too. Pure.

The guard lets a revoked certificate go whatever lives on it, so this text is the only warning that there is.
"""

from collections.abc import Iterator
from datetime import datetime

from syncd.core.bundle import Cert
from syncd.core.java.trust import verifies
from syncd.core.model import (
    Absent,
    Alias,
    ClusterState,
    Context,
    Known,
    NodeSeen,
    Observed,
    Plan,
    Presented,
    Seen,
    Shown,
    Unknown,
)


def approve_text(cert: Cert, seen: Observed) -> Iterator[str]:
    """What it is, who publishes it, and how a person sees by another way that it is the right one."""
    yield cert.fingerprint
    yield f"  subject {cert.subject}, valid {cert.not_before:%Y-%m-%d} to {cert.not_after:%Y-%m-%d}"
    remotes = {a: r for a, r in seen.remotes.items() if isinstance(r.published, Known) and r.published.value.ca == cert}
    for alias, remote in remotes.items():
        address = max(remote.presented, key=lambda sight: sight.at).address if remote.presented else "HOST:9300"
        yield f"  published by {alias}"
        yield f"Compare it with the last certificate that {alias} presents, seen from where you can trust the way to it:"
        yield f"  openssl s_client -connect {address} -showcerts </dev/null"
        yield "whose fingerprint this tells, given that certificate: openssl x509 -noout -sha256 -fingerprint"
    if not remotes:
        yield "  no remote publishes it as its CA now; approved, it is taken as soon as one does"


def owner_text(seen: Observed, cluster: str, ours: str) -> Iterator[str]:
    """Who keeps a cluster now, as the cluster itself says."""
    match seen.cluster:
        case Known(value=ClusterState(owner=owner)) if owner == ours and ours:
            yield f"{cluster}: this syncd ({ours}) keeps it already; there is nothing to take over."
        case Known(value=ClusterState(owner=None)):
            yield f"{cluster}: nobody keeps it."
        case Known(value=ClusterState(owner=owner)):
            yield f"{cluster}: {owner} keeps it. If that one still runs, stop it first: two would undo each other's work."
        case Unknown(text=text):
            yield f"{cluster}: who keeps it cannot be asked now, and nothing is taken over until it can: {text}"
        case Absent():
            pass


def revoke_text(cert: Cert, seen: Observed, plan: Plan, now: datetime) -> Iterator[str]:
    """What stops working, what may, and whether a remote's current CA is meant; "nothing" only where all is known."""
    views = [(context, seen.within(context)) for context in Context]
    current = _current(cert, plan)
    breaks = list(dict.fromkeys(line for context, view in views for line in _breaks(cert, context, view, now)))
    unknown = list(dict.fromkeys(line for context, view in views for line in _unknown(cert, context, view)))
    yield from (f"It is the current CA of {alias}." for alias in current)
    if breaks:
        yield "This breaks:"
        yield from (f"  {line}" for line in breaks)
    yield from (f"It is not known whether {line}" for line in unknown)
    if not (current or breaks or unknown):
        yield "Nothing that was seen needs it."


def _current(cert: Cert, plan: Plan) -> list[Alias]:
    """The remotes that the files should hold it for, until something else is published."""
    claims = (claim for part in plan.trust.values() for each in part.claims.values() for claim in each)
    return sorted({claim.alias for claim in claims if claim.alias and claim.cert == cert and claim.role == "current"})


def _breaks(cert: Cert, context: Context, view: Observed, now: datetime) -> Iterator[str]:
    for node in _holders(cert, view):
        held = node.file.value.trust.certs if isinstance(node.file, Known) else ()
        before, after = (*held, *node.own), (*(other for other in held if other != cert), *node.own)
        own = [(alias, seen.value) for alias, seen in node.handshakes.items() if isinstance(seen, Known)]
        for what, sight in (*_met(context, view), *own):
            if isinstance(sight, Presented) and _lost(sight, before, after, now):
                yield f"{node.name}: new connections to {what} ({sight.address})"


def _lost(sight: Presented, before: tuple[Cert, ...], after: tuple[Cert, ...], now: datetime) -> bool:
    return verifies(sight.chain, before, now).ok and not verifies(sight.chain, after, now).ok


def _unknown(cert: Cert, context: Context, view: Observed) -> Iterator[str]:
    for node in view.nodes.values():
        if isinstance(node.file, Unknown):
            yield f"{node.name} needs it: its file cannot be read now: {node.file.text}"
    if not _holders(cert, view):
        return  # what lives on a context without it does not live on it
    for what, sight in _met(context, view):
        if isinstance(sight, str):
            yield f"{what} needs it: {sight}"
    if not any(isinstance(node.process, Known) for node in view.nodes.values()):
        yield "an alias that syncd does not manage needs it: no node answers that could name its aliases"


def _holders(cert: Cert, view: Observed) -> list[NodeSeen]:
    return [n for n in view.nodes.values() if isinstance(n.file, Known) and cert in n.file.value.trust.certs]


def _met(context: Context, view: Observed) -> Iterator[tuple[str, Presented | str]]:
    """All that is verified with the files of a context: what it presents, or why that is not known."""
    for alias, remote in view.remotes.items():
        yield from ((alias, sight) for sight in remote.presented)
        if not remote.presented:
            yield alias, _no_handshake(alias, view)
    for (_, alias), stranger in view.strangers.items():
        yield from _seen(f"the alias {alias}, which syncd does not manage,", stranger)
    for name, node in view.nodes.items() if context is Context.TRANSPORT else ():
        yield from _seen(f"the peer {name}", node.shown)


def _seen(what: str, seen: Seen[Presented] | Seen[Shown]) -> Iterator[tuple[str, Presented | str]]:
    match seen:
        case Known(value=Shown(presented=sight)) | Known(value=Presented() as sight):
            yield what, sight
        case Unknown(text=text):
            yield what, f"what it presents is not known: {text}"


def _no_handshake(alias: Alias, view: Observed) -> str:
    """Why nobody saw what a remote presents; syncd itself dials it too, and keeps no reason."""
    tried = [node.handshakes.get(alias) for node in view.nodes.values()]
    texts = dict.fromkeys(seen.text for seen in tried if isinstance(seen, Unknown))
    return "; ".join(("no handshake with it succeeded", *texts))
