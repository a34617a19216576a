"""Dialing the remotes, from here and from each node's host, to see what they present; and links that must be asked for."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from time import monotonic
from typing import TypeVar

from syncd.core.bundle import Fingerprint
from syncd.core.errors import HostError
from syncd.core.model import (
    Alias,
    Context,
    Known,
    Link,
    NodeName,
    Presented,
    RemotePolicy,
    Report,
    Seen,
    Shown,
    Unknown,
)
from syncd.engine.crew import Crew, Done, Result
from syncd.engine.looking.page import Page
from syncd.engine.looking.seen import seen
from syncd.engine.world import World
from syncd.ports import Deadline, NodeAnswer, Stream, now

T = TypeVar("T")
_NOT_BY_DIALING = frozenset(
    {"extra_unread", "mirror_elsewhere", "mirror_faults", "mirror_found", "mirror_too_large", "resource_field",
     "resource_remote_clusters", "service_unread", "wrong_target_port"}
)  # fmt: skip
"""Holds of a remote that a person lifts, and no handshake: nothing is awaited at its ports for them."""
_MOST_DIALS = 12
"""Most connections made at once to see a remote's endpoints."""
_MOST_LEAVES = 200
"""Most distinct leaves kept per remote."""


@dataclass(frozen=True, slots=True)
class _Target:
    """Where a remote is dialed."""

    address: str
    port: int
    server_name: str | None

    def __str__(self) -> str:
        return f"{self.address}:{self.port}"


class Links:
    """The connections of one cluster."""

    def __init__(self, world: World, crew: Crew) -> None:
        self._world = world
        self._crew = crew
        self._made: dict[tuple[NodeName, Alias], tuple[object, float]] = {}
        self._dialed: dict[Alias, tuple[object, float]] = {}

    def update(self, page: Page, report: Report | None) -> Page:
        """The page with what the remotes present now."""
        page = self._dial_remotes(page, report)
        page = self._dial_from_nodes(page, report)
        if report and not report.plan.later:
            self._reconnect(page, report)
        return page

    def _each(self, jobs: Mapping[str, Callable[[], T]]) -> dict[str, Result[T]]:
        return self._crew.each(jobs, self._world.pace.call)

    def _deadline(self) -> Deadline:
        return Deadline.after(self._world.pace.call)

    # --- the remotes, from here

    def _dial_remotes(self, page: Page, report: Report | None) -> Page:
        jobs: dict[str, Callable[[], Presented | Shown]] = {}
        for remote in self._world.policy.remotes:
            target = self._target(remote.alias, page)
            if target is None or not self._may_dial(remote, page, report):
                continue
            look = self._show_here if remote.context is Context.TRANSPORT else self._present_here
            for number in range(self._dials(remote.alias, page)):
                jobs[f"dial {remote.alias} {number}"] = partial(look, target)
        results = self._each(jobs)
        presented, shown = dict(page.presented), dict(page.shown)
        for key, result in results.items():
            alias = Alias(key.split(" ")[1])
            match result:
                case Done(value=Shown() as sight):
                    shown[alias] = _latest(shown.get(alias, ()), sight)
                    presented[alias] = _sighted(presented.get(alias, ()), sight.presented)
                case Done(value=Presented() as sight):
                    presented[alias] = _sighted(presented.get(alias, ()), sight)
        return replace(page, presented=presented, shown=shown)

    def _may_dial(self, remote: RemotePolicy, page: Page, report: Report | None) -> bool:
        """Each look at a transport port leaves a WARN in the remote's log: seldom, unless something is awaited there."""
        if remote.context is not Context.TRANSPORT:
            return True
        pending = report is None or awaits(report, remote.alias)
        about, moment = _leaf_of(page, remote.alias), monotonic()
        before, made = self._dialed.get(remote.alias, (None, -self._world.pace.handshake))
        if not pending and before == about and moment - made < self._world.pace.handshake:
            return False
        self._dialed[remote.alias] = (about, moment)
        return True

    def _dials(self, alias: Alias, page: Page) -> int:
        """Twice as many as there are endpoints: a load balancer shows one at a time."""
        match page.endpoints.get(alias):
            case Known(value=count):
                return max(1, min(_MOST_DIALS, 2 * count))
            case _:
                return 3

    def _present_here(self, target: _Target) -> Presented:
        deadline = self._deadline()
        return self._shake(self._world.dial(target.address, target.port, deadline), target, deadline)

    def _show_here(self, target: _Target) -> Shown:
        deadline = self._deadline()
        stream = self._world.dial(target.address, target.port, deadline)
        try:
            return self._world.handshakes.shown(stream, str(target), deadline)
        finally:
            stream.close()

    def _shake(self, stream: Stream, target: _Target, deadline: Deadline) -> Presented:
        try:
            chain = self._world.handshakes.presented(stream, target.server_name, deadline)
        finally:
            stream.close()
        return Presented(chain, str(target), now())

    def _target(self, alias: Alias, page: Page) -> _Target | None:
        """Where a remote is: as the operator said, else as the nodes dial it."""
        endpoint = self._world.endpoints.get(alias)
        links = [link for link in _links(page) if link.alias == alias]
        address = (endpoint.address if endpoint else None) or next((link.address for link in links), None)
        if not address:
            return None
        names = [endpoint.server_name if endpoint else None, *(link.server_name for link in links)]
        return _parse_target(address, next((name for name in names if name), None))

    # --- the remotes, from each node's host

    def _dial_from_nodes(self, page: Page, report: Report | None) -> Page:
        ours = {remote.alias for remote in self._world.policy.remotes}
        strangers = {link.alias: _context(link) for link in _links(page) if link.alias not in ours}
        seen_strangers = self._named(page, strangers, report)
        due = [pair for pair in self._pairs(page, strangers) if self._is_due(pair, page, report)]
        jobs = {f"shake {node} {alias}": partial(self._present_there, node, alias, page) for node, alias in due}
        handshakes, presented = dict(page.handshakes), dict(page.presented)
        for (node, alias), result in zip(due, self._each(jobs).values(), strict=True):
            sight = seen(result, None)
            if alias in strangers:
                seen_strangers[strangers[alias], alias] = sight
                continue
            handshakes[node, alias] = sight
            if isinstance(sight, Known):
                presented[alias] = _sighted(presented.get(alias, ()), sight.value)
        return replace(page, handshakes=handshakes, presented=presented, strangers=seen_strangers)

    def _named(
        self, page: Page, strangers: Mapping[Alias, Context], report: Report | None
    ) -> dict[tuple[Context, Alias], Seen[Presented]]:
        """What is known of the strangers, without those that no node names any more: nobody dials them.

        While a node does not tell what it dials, unless it was declared dead, none of them is dropped.
        """
        dead = report.seen.remembered.dead if report else frozenset()
        asked = [page.answers.get(node.name) for node in self._world.policy.nodes if node.name not in dead]
        if not all(isinstance(answer, Known) for answer in asked):
            return dict(page.strangers)
        named = {key: sight for key, sight in page.strangers.items() if strangers.get(key[1]) is key[0]}
        gone = {alias for _, alias in page.strangers.keys() - named.keys()}
        self._made = {pair: made for pair, made in self._made.items() if pair[1] not in gone}  # it may come back
        return named

    def _pairs(self, page: Page, strangers: Iterable[Alias]) -> list[tuple[NodeName, Alias]]:
        """Who is to dial whom: each dialing node our remotes, one of them the others'."""
        dialers = [name for name, answer in page.answers.items() if isinstance(answer, Known) and _dials(answer.value)]
        ours = [(name, remote.alias) for name in dialers for remote in self._world.policy.remotes]
        return [pair for pair in ours if self._target(pair[1], page)] + [
            (name, alias) for name in dialers[:1] for alias in sorted(strangers)
        ]

    def _is_due(self, pair: tuple[NodeName, Alias], page: Page, report: Report | None) -> bool:
        """Whether the handshake would tell something new: other trust, another leaf, a failure, or long ago."""
        node = report.seen.nodes.get(pair[0]) if report else None
        files = node.files.values() if node else ()
        content = tuple(file.value.content if isinstance(file, Known) else None for file in files)
        about, moment = (content, _leaf_of(page, pair[1])), self._deadline().moment
        before, made = self._made.get(pair, (None, 0.0))
        failed = isinstance(page.handshakes.get(pair), Unknown)
        if before == about and not failed and moment - made < self._world.pace.handshake:
            return False
        self._made[pair] = (about, moment)
        return True

    def _present_there(self, node: NodeName, alias: Alias, page: Page) -> Presented:
        target = self._target(alias, page)
        if target is None:
            raise HostError("no_address", f"nobody said where {alias} is", where=node)
        deadline = self._deadline()
        stream = self._world.fleet.host(node).dial(target.address, target.port, deadline)
        return self._shake(stream, target, deadline)

    # --- links that do not come back by themselves

    def _reconnect(self, page: Page, report: Report) -> None:
        """A lost link is not tried again by Elasticsearch until something asks for it; asking costs nothing."""
        ours = {remote.alias: remote.context for remote in self._world.policy.remotes}
        proven = {(name, c) for c, part in report.plan.trust.items() for name, sight in part.proven.items() if sight}
        jobs: dict[str, Callable[[], bool]] = {}
        for name, answer in page.answers.items():
            for link in answer.value.links if isinstance(answer, Known) else ():
                if not link.connected and (name, ours.get(link.alias)) in proven:
                    jobs[f"reconnect {name} {link.alias}"] = partial(self._resolve, name, link.alias)
        self._each(jobs)

    def _resolve(self, name: NodeName, alias: Alias) -> bool:
        return self._world.elasticsearch.reconnect(name, alias, self._deadline())


def _links(page: Page) -> Iterable[Link]:
    for answer in page.answers.values():
        yield from answer.value.links if isinstance(answer, Known) else ()


def _context(link: Link) -> Context:
    """A node without a credential for an alias dials it with the transport profile."""
    return Context.REMOTE_CLUSTER_CLIENT if link.has_credential else Context.TRANSPORT


def _dials(answer: NodeAnswer) -> bool:
    return answer.process.dials


def _sighted(before: tuple[Presented, ...], sight: Presented) -> tuple[Presented, ...]:
    """The latest sighting of each distinct leaf, the newest last."""
    leaves: dict[Fingerprint, Presented] = {old.leaf.fingerprint: old for old in before}
    leaves.pop(sight.leaf.fingerprint, None)
    leaves[sight.leaf.fingerprint] = sight
    return tuple(leaves.values())[-_MOST_LEAVES:]


def awaits(report: Report, alias: Alias) -> bool:
    """Whether something about a remote is not as it should be yet."""
    held = any(hold.subject == alias and hold.rule not in _NOT_BY_DIALING for hold in report.plan.holds)
    return held or any(verdict.up is not True for verdict in report.plan.verdicts if verdict.alias == alias)


def _latest(before: tuple[Shown, ...], sight: Shown) -> tuple[Shown, ...]:
    """The latest handshake with each distinct leaf, the newest last."""
    others = (old for old in before if old.presented.leaf != sight.presented.leaf)
    return (*others, sight)[-_MOST_LEAVES:]


def _leaf_of(page: Page, alias: Alias) -> object:
    latest = max(page.presented.get(alias, ()), key=lambda sight: sight.at, default=None)
    return latest.leaf if latest else None


def _parse_target(address: str, server_name: str | None) -> _Target | None:
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    return _Target(host, int(port), server_name or host) if host and port.isdigit() else None
