"""The last look at a plan before any of it is carried out; pure, and it trusts nothing that made the plan.

A step that would break something that works becomes a hold; the other steps go on.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from syncd.core.bundle import Cert, read_trust_file
from syncd.core.eck.guard import check_mirror, check_resource
from syncd.core.errors import BundleError, UnsafePlan
from syncd.core.java.trust import verifies
from syncd.core.model import (
    Context,
    Hold,
    Known,
    Memory,
    NodeSeen,
    Observed,
    Plan,
    Presented,
    PutFile,
    PutMirror,
    PutResource,
    Step,
    Unknown,
)
from syncd.core.restarts.guard import check_restart, of_restart

_LATELY = timedelta(hours=1)
"""An endpoint that nobody has met for this long is gone, or is met again by what comes next."""


def guard(plan: Plan, seen: Observed, now: datetime) -> Plan:
    """The plan without the steps that are not safe, each of which is now a hold `guard_<rule>`."""
    safe: list[Step] = []
    holds: list[Hold] = []
    views = {context: seen.within(context) for context in Context}
    shared = {context: _Shared(view, context, now) for context, view in views.items()}
    for step in plan.now:
        try:
            if isinstance(step, PutFile):
                _check_file(step, plan.memory, views[step.context], shared[step.context])
            else:
                check(step, plan.memory, seen, now)
        except UnsafePlan as error:
            subject = _subject(step, plan)
            holds.append(Hold(subject, f"guard_{error.rule}", error.text))
        else:
            safe.append(step)
    try:
        check_restart(safe, seen)
    except UnsafePlan as error:
        safe = [step for step in safe if not of_restart(step)]
        holds.append(Hold(plan.cluster, f"guard_{error.rule}", error.text))
    return replace(plan, now=tuple(safe), holds=(*plan.holds, *holds)) if holds else plan


def _subject(step: Step, plan: Plan) -> str:
    match step:
        case PutFile():
            return step.node
        case PutMirror() | PutResource():
            return step.alias
        case _:
            return plan.cluster


def check(step: Step, memory: Memory | None, seen: Observed, now: datetime) -> None:
    """Raise UnsafePlan where a step would take trust away that something live relies on.

    `seen`: with the context of a trust file in view.
    """
    if isinstance(step, PutMirror):
        check_mirror(step, seen, now)
    if isinstance(step, PutResource):
        check_resource(step, seen)
    if isinstance(step, PutFile):
        _check_file(step, memory, seen, _Shared(seen, step.context, now))


class _Shared:
    """What every node may meet with the files of a context, judged once for each change of trust."""

    def __init__(self, seen: Observed, context: Context, now: datetime) -> None:
        self.now = now
        self._live = (*_live(seen, now), *(_peers(seen) if context is Context.TRANSPORT else ()))
        self._judged: dict[tuple[frozenset[Cert], frozenset[Cert]], UnsafePlan | None] = {}

    def check(self, before: frozenset[Cert], new: frozenset[Cert]) -> None:
        """Raise UnsafePlan where something would no longer verify."""
        if (before, new) not in self._judged:
            try:
                _no_chain_orphaned(self._live, before, new, self.now)
                self._judged[before, new] = None
            except UnsafePlan as error:
                self._judged[before, new] = error
        refusal = self._judged[before, new]
        if refusal is not None:
            raise UnsafePlan(refusal.rule, refusal.text)


def _check_file(step: PutFile, memory: Memory | None, seen: Observed, shared: _Shared) -> None:
    node = seen.nodes[step.node]
    new = _parsed(step)
    if not isinstance(node.file, Known):
        return
    old = node.file.value
    removed = set(old.trust.certs) - set(new)
    if removed != set(step.removed):
        raise UnsafePlan("mismatch", "the content does not do what the step says")
    before = set(old.trust.certs) - _revoked(removed, memory)
    if before <= set(new):
        return
    anchors, left = frozenset((*before, *node.own)), frozenset((*new, *node.own))
    _no_chain_orphaned(_dialed_from(node, seen), anchors, left, shared.now)
    shared.check(anchors, left)


def _parsed(step: PutFile) -> tuple[Cert, ...]:
    try:
        return read_trust_file(step.content).certs
    except BundleError as error:
        raise UnsafePlan("unreadable", f"the new content would not parse: {error.text}") from error


def _revoked(removed: Iterable[Cert], memory: Memory | None) -> set[Cert]:
    """What a person has consented to lose."""
    return {cert for cert in removed if memory and cert.fingerprint in memory.revoked}


def _no_chain_orphaned(
    live: Iterable[tuple[str, Presented | Unknown]], before: frozenset[Cert], new: frozenset[Cert], now: datetime
) -> None:
    for alias, sight in live:
        if isinstance(sight, Unknown):
            text = f"what {alias} presents is not known ({sight.text}), and it is verified with the same file"
            raise UnsafePlan("alias_unseen", text)
        if verifies(sight.chain, before, now).ok and not verifies(sight.chain, new, now).ok:
            text = f"{sight.address} ({alias}) presents {sight.leaf.short}, which would no longer verify"
            raise UnsafePlan("orphans_chain", text)


def _lately(sights: Iterable[Presented], now: datetime) -> Iterable[Presented]:
    """What each endpoint of a remote presented last: another one's newer leaf says nothing of it. At least the very last."""
    ordered = sorted(sights, key=lambda sight: sight.at)
    each = {sight.endpoint: sight for sight in ordered}.values()
    return [sight for sight in each if now - sight.at < _LATELY or sight is ordered[-1]]


def _peers(seen: Observed) -> Iterable[tuple[str, Presented | Unknown]]:
    """What the nodes present to each other, with the same trust."""
    for name, node in seen.nodes.items():
        shown = node.shown
        if isinstance(shown, Known):
            yield name, shown.value.presented
        elif isinstance(shown, Unknown):
            yield name, shown


def _dialed_from(node: NodeSeen, seen: Observed) -> Iterable[tuple[str, Presented | Unknown]]:
    """What our remotes presented to this node's own host."""
    for alias, handshake in node.handshakes.items():
        if alias in seen.remotes and isinstance(handshake, Known):
            yield alias, handshake.value


def _live(seen: Observed, now: datetime) -> Iterable[tuple[str, Presented | Unknown]]:
    """Every chain that a connection of any node may meet: of our remotes and of the others'."""
    for alias, remote in seen.remotes.items():
        yield from ((alias, sight) for sight in _lately(remote.presented, now))
    for (_, alias), stranger in seen.strangers.items():
        if isinstance(stranger, Known):
            yield alias, stranger.value
        elif isinstance(stranger, Unknown):
            yield alias, stranger
