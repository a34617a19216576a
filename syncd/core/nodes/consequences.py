"""What an edit of a node's trust settings would do to its peers and to the remotes of other aliases; pure.

Appending to a list takes nothing away, but what is judged is what the node will read at its next start: the files as they
are on disk now, which may be less than what its process has loaded.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime

from syncd.core.bundle import Cert, Fingerprint
from syncd.core.java.trust import verifies
from syncd.core.model import Alias, Context, FileState, Hold, Known, NodeSeen, Observed, Presented, Seen, Unknown


class Peers:
    """What the nodes show each other, judged once for each set of CAs: a thousand nodes have few such sets."""

    def __init__(self, seen: Observed, now: datetime) -> None:
        self._shown = {name: node.shown for name, node in seen.nodes.items()}
        self._judged: dict[frozenset[Cert], Hold | None] = {}
        self.now = now

    def refusal(self, anchors: frozenset[Cert]) -> Hold | None:
        """What holds a node with these CAs, on no subject yet: the first peer that it might not trust; None: it has none."""
        if anchors not in self._judged:
            self._judged[anchors] = self._refusal(anchors)
        return self._judged[anchors]

    def _refusal(self, anchors: frozenset[Cert]) -> Hold | None:
        for name, shown in self._shown.items():
            if not isinstance(shown, Known):
                text = f"what {name} presents on its transport port is not known{_told(shown)}"
                return Hold("", "peer_unseen", text)
            result = verifies(shown.value.presented.chain, anchors, self.now)
            if not result.ok:
                text = f"after a start it would not trust its own peer {name}: {result.text}"
                return Hold("", "guard_orphans_peer", text)
        return None


def unsafe_for_peers(node: NodeSeen, peers: Peers, *, managed: bool = True) -> Hold | None:
    """Why a node, started with its own CAs and ours (`managed`), might not trust one of its own peers; None: it will."""
    trust = node.trust
    if not isinstance(trust, Known):
        text = getattr(trust, "text", "there is none")
        return Hold(node.name, "own_trust_unknown", f"by which CAs it trusts its own peers is not known: {text}")
    refusal = peers.refusal(frozenset((*trust.value.certs, *(_managed(node, Context.TRANSPORT) if managed else ()))))
    if refusal is None:
        return None
    cure = f". Look at {', '.join(trust.value.paths)}" if refusal.rule == "guard_orphans_peer" else ""
    return replace(refusal, subject=node.name, text=f"{refusal.text}{cure}")


def unsafe_for_aliases(node: NodeSeen, seen: Observed, now: datetime) -> Hold | None:
    """Why naming CAs for the first time would break an alias that lives on the JDK's public roots; None: it breaks none.

    A remote_cluster_client context without certificate_authorities trusts the JDK's own roots, with one it does not.
    """
    anchors = _managed(node, Context.REMOTE_CLUSTER_CLIENT)
    for alias, sight in _dialed(seen):
        if isinstance(sight, Unknown):
            text = (
                f"what the remote {alias} presents is not known ({sight.text}); it may live on the JDK's public roots"
            )
            return Hold(node.name, "alias_unseen", f"{text}, which this edit takes away")
        if isinstance(sight, Known) and not verifies(sight.value.chain, anchors, now).ok:
            text = f"the remote {alias} presents {sight.value.leaf.short}, which only the JDK's public roots verify"
            cure = "this edit takes those away: give its CA in extra_ca_files"
            return Hold(node.name, "guard_public_roots", f"{text}; {cure}")
    return None


def unsafe_without(
    node: NodeSeen, seen: Observed, context: Context, revoked: Collection[Fingerprint], peers: Peers
) -> Hold | None:
    """Why no longer naming a context's managed file would break a peer or somebody else's alias; None: it breaks none.

    `revoked`: what a person has consented to lose.
    """
    own = node.trust.value.certs if context is Context.TRANSPORT and isinstance(node.trust, Known) else ()
    held = [cert for cert in _managed(node, context) if cert.fingerprint not in revoked]
    if context is Context.TRANSPORT and (hold := unsafe_for_peers(node, peers, managed=False)):
        return hold
    for alias, sight in ((alias, sight) for (where, alias), sight in seen.strangers.items() if where is context):
        if isinstance(sight, Unknown):
            text = f"what the remote {alias} presents is not known ({sight.text}); it may be verified by the trust file"
            return Hold(node.name, "alias_unseen", f"{text} that is to be left")
        if not isinstance(sight, Known):
            continue
        chain, now = sight.value.chain, peers.now
        if verifies(chain, (*own, *held), now).ok and not verifies(chain, own, now).ok:
            text = (
                f"the remote {alias} presents {sight.value.leaf.short}, which only the trust file verifies that is left"
            )
            return Hold(node.name, "guard_orphans_chain", f"{text}; name its CA in a file of your own first")
    return None


def _dialed(seen: Observed) -> Iterable[tuple[Alias, Seen[Presented]]]:
    """What each remote of the API-key model presents: ours, as seen last, and the others'."""
    view = seen.within(Context.REMOTE_CLUSTER_CLIENT)
    for alias, remote in view.remotes.items():
        latest = max(remote.presented, key=lambda sight: sight.at, default=None)
        if latest:
            yield alias, Known(latest, latest.at)
    for (_, alias), stranger in view.strangers.items():
        yield alias, stranger


def _managed(node: NodeSeen, context: Context) -> tuple[Cert, ...]:
    file: Seen[FileState] | None = node.files.get(context)
    return file.value.trust.certs if isinstance(file, Known) else ()


def _told(seen: object) -> str:
    return f" ({seen.text})" if isinstance(seen, Unknown) else ""
