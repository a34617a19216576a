"""When an old CA of ours may leave the mirror: nothing live needs it, and ECK's nodes have proven what replaces it; pure.

The port 9300 of a node of ECK names the subjects of all that it has loaded; our marker's among them means that the mirror
with our present contribution is in that process.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from syncd.core.bundle import Cert, bundle_digest
from syncd.core.eck.own_cas import Own, eck_trusts, leaves
from syncd.core.java.trust import verifies
from syncd.core.model import Hold, Known, MirrorState, Observed, Policy, RemotePolicy, RemoteSeen, Shown, Unknown
from syncd.core.proof.markers import marker_names


@dataclass(frozen=True, slots=True)
class Retiring:
    """The question, with all that it takes to answer it."""

    policy: Policy
    seen: Observed
    remotes: tuple[RemotePolicy, ...]
    """All that share the mirror."""
    state: MirrorState | None
    own: Own
    former: tuple[Cert, ...]
    """What of ours is in the mirror, without the marker."""
    now: datetime

    @property
    def old(self) -> tuple[Cert, ...]:
        """What no node trusts its peers by any more, as far as the nodes are known."""
        return tuple(cert for cert in self.former if cert not in self.own.certs)


@dataclass(frozen=True, slots=True)
class Loaded:
    """How many of a remote's nodes have shown that they have loaded our contribution."""

    shown: int
    expected: int | None
    """None: how many there are is not known."""

    @property
    def proven(self) -> bool:
        """Whether all of them have."""
        return self.expected is not None and self.shown >= max(1, self.expected)


def keeps(case: Retiring) -> Iterator[Hold]:
    """What keeps the old CAs in the mirror; nothing: they may go."""
    shorts = ", ".join(cert.short for cert in case.old)
    for rule, judge in RULES:
        text = judge(case)
        if text:
            yield Hold(case.remotes[0].alias, rule, f"retire {shorts} from the mirror: {text}")


def unloaded(case: Retiring) -> Hold | None:
    """Whether a CA was published ahead of the certificates that it is to sign, and ECK would refuse these yet.

    That a node of ECK has loaded it stays true: what was shown once counts, so that this ends and does not come back.
    """
    ahead = [cert for cert in case.own.certs if not _signs_a_leaf(cert, case)]
    text = _unproven(case, ever=True) if ahead else ""
    if not text:
        return None
    shorts = ", ".join(cert.short for cert in ahead)
    return Hold(
        case.remotes[0].alias,
        "mirror_unloaded",
        f"issue no certificates of {shorts} yet, which ECK's nodes would refuse: {text}",
    )


def loaded(
    remote: RemotePolicy, seen: RemoteSeen, marker: Cert, policy: Policy, now: datetime, *, ever: bool = False
) -> Loaded:
    """How far a remote's nodes have shown a marker, lately or ever since the daemon runs."""
    since = now - policy.lately(remote)
    lately = latest(sight for sight in seen.shown if ever or sight.presented.at >= since)
    return Loaded(sum(marker.subject in sight.accepted for sight in lately), _expected(seen))


def latest(sights: Iterable[Shown]) -> Iterable[Shown]:
    """One for each node."""
    ordered = sorted(sights, key=lambda sight: sight.presented.at)
    return {sight.presented.endpoint: sight for sight in ordered}.values()


def _expected(seen: RemoteSeen) -> int | None:
    if isinstance(seen.resource, Known) and seen.resource.value.available_nodes is not None:
        return seen.resource.value.available_nodes
    return seen.endpoints.value if isinstance(seen.endpoints, Known) else None


def _nodes_known(case: Retiring) -> str:
    return f"the own CAs of {', '.join(case.own.unread)} are not known" if case.own.unread else ""


def _successor_known(case: Retiring) -> str:
    return "" if case.own.certs else "no node is known to trust another CA instead"


def _origins_known(case: Retiring) -> str:
    damaged = case.state.damaged if case.state else ()
    return f"whose it is too cannot be read in {', '.join(damaged)}" if damaged else ""


def _no_unmanaged_node(case: Retiring) -> str:
    if not isinstance(case.seen.cluster, Known):
        return "the cluster's nodes could not be listed"
    others = case.policy.unmanaged(case.seen.cluster.value.nodes)
    return f"the cluster has nodes that the configuration lacks: {', '.join(others)}" if others else ""


def _no_leaf_needs_it(case: Retiring) -> str:
    anchors = (*case.own.certs, *eck_trusts(case.seen, {remote.alias for remote in case.remotes}))
    for name, shown in leaves(case.policy, case.seen):
        if not isinstance(shown, Known):
            why = shown.text if isinstance(shown, Unknown) else "nothing"
            return f"what {name} presents is not known ({why})"
        sight = shown.value.presented
        if not verifies(sight.chain, anchors, case.now).ok:
            return f"{name} presents {sight.leaf.short}, which does not verify without it"
    return ""


def _signs_a_leaf(cert: Cert, case: Retiring) -> bool:
    shown = [shown.value.presented.chain for _, shown in leaves(case.policy, case.seen) if isinstance(shown, Known)]
    return any(verifies(chain, (cert,), case.now).ok for chain in shown)


def _proven(case: Retiring) -> str:
    return _unproven(case, ever=False)


def _unproven(case: Retiring, *, ever: bool) -> str:
    marker = _marker(case)
    if marker is None:
        return "our CAs are only being published"
    for remote in case.remotes:
        seen = case.seen.remotes[remote.alias]
        count = loaded(remote, seen, marker, case.policy, case.now, ever=ever)
        if count.expected is None:
            return (
                f"how many nodes {remote.alias} has is not known; see to status.availableNodes, or set trust.endpoints"
            )
        if not count.proven:
            some = f"{count.shown} of {max(1, count.expected)} ECK nodes"
            return f"{some} of {remote.alias} have shown that they have loaded our CAs{_not_passed_on(case, seen)}"
    return ""


def _not_passed_on(case: Retiring, seen: RemoteSeen) -> str:
    """Where it is stuck, if that can be seen: the operator echoes in its Secret what it has read of the mirror."""
    if not isinstance(seen.published, Known) or set(case.former) <= set(seen.published.value.echo):
        return ""
    return " (its operator has not read the mirror yet: look at the resource's events)"


def _marker(case: Retiring) -> Cert | None:
    """Our marker in the mirror, if it names all that is ours: the old and what replaces it."""
    if case.state is None or case.state.ours is None or not set(case.own.certs) <= set(case.former):
        return None
    digest = bundle_digest(case.former)
    ours = [marker for marker in case.state.markers if marker.fingerprint in case.state.ours]
    return next((marker for marker in ours if marker_names(marker, digest)), None)


RULES: tuple[tuple[str, Callable[[Retiring], str]], ...] = (
    ("own_trust_unknown", _nodes_known),
    ("own_successor", _successor_known),
    ("mirror_faults", _origins_known),
    ("no_unmanaged_node", _no_unmanaged_node),
    ("leaf_needs_old", _no_leaf_needs_it),
    ("mirror_unproven", _proven),
)
