"""Looking at Elasticsearch and at the remotes: who dials, what is configured, what is presented."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from time import monotonic
from typing import TypeVar

from syncd.core.bundle import Fingerprint
from syncd.core.errors import HostError
from syncd.core.model import Alias, Known, Link, NodeName, Presented, Report, Seen, Unknown
from syncd.engine.crew import Crew, Done, Failed, Result
from syncd.engine.sighted import Sighted
from syncd.engine.world import World
from syncd.ports import Deadline, NodeAnswer, Stream, now

T = TypeVar("T")
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
    """Everything about processes and connections of one cluster."""

    def __init__(self, world: World, crew: Crew) -> None:
        self._world = world
        self._crew = crew
        self._made: dict[tuple[NodeName, Alias], tuple[object, float]] = {}
        self._keys: dict[tuple[NodeName, Alias], tuple[object, float]] = {}

    def update(self, page: Sighted, report: Report | None) -> Sighted:
        """The page with what Elasticsearch and the remotes say now."""
        page = self._ask_elasticsearch(page)
        page = self._ask_for_keys(page)
        page = self._dial_remotes(page)
        page = self._dial_from_nodes(page, report)
        if report and not report.plan.later:
            self._reconnect(page, report)
        return page

    def _each(self, jobs: Mapping[str, Callable[[], T]]) -> dict[str, Result[T]]:
        return self._crew.each(jobs, self._world.pace.call)

    def _deadline(self) -> Deadline:
        return Deadline.after(self._world.pace.call)

    # --- Elasticsearch, each node at its own address

    def _ask_elasticsearch(self, page: Sighted) -> Sighted:
        es, nodes = self._world.elasticsearch, self._world.policy.nodes
        cluster = self._each({"cluster": lambda: es.cluster(self._deadline())})["cluster"]
        answers = self._each({f"rest {n.name}": partial(self._answer, n.name) for n in nodes})
        counts = self._each({f"endpoints {alias}": partial(self._count, alias) for alias in self._world.sources})
        return replace(
            page,
            cluster=_seen(cluster, page.cluster),
            answers={n.name: _seen(answers[f"rest {n.name}"], page.answers.get(n.name)) for n in nodes},
            endpoints={a: _seen(counts[f"endpoints {a}"], page.endpoints.get(a)) for a in self._world.sources},
        )

    def _answer(self, name: NodeName) -> NodeAnswer:
        return self._world.elasticsearch.node(name, self._deadline())

    def _count(self, alias: Alias) -> int:
        configured = self._world.endpoints[alias].endpoints
        return configured if configured is not None else self._world.sources[alias].endpoints(self._deadline())

    def _ask_for_keys(self, page: Sighted) -> Sighted:
        """Which API key each process uses: asked seldom, since the remote audits it, but at once while they differ."""
        ours = {remote.alias for remote in self._world.policy.remotes}
        pairs: dict[tuple[NodeName, Alias], object] = {}
        for name, answer in page.answers.items():
            for link in answer.value.links if isinstance(answer, Known) else ():
                if link.alias in ours and link.connected and link.has_credential and isinstance(answer, Known):
                    pairs[name, link.alias] = answer.value.process.started
        due = [pair for pair, process in pairs.items() if self._key_is_due(pair, process, page)]
        results = self._each({f"key {name} {alias}": partial(self._key, name, alias) for name, alias in due})
        keys = {pair: seen for pair, seen in page.keys.items() if pair in pairs}
        keys |= {pair: _seen(result, None) for pair, result in zip(due, results.values(), strict=True)}
        return replace(page, keys=keys)

    def _key_is_due(self, pair: tuple[NodeName, Alias], process: object, page: Sighted) -> bool:
        ids = {seen.value for (_, alias), seen in page.keys.items() if alias == pair[1] and isinstance(seen, Known)}
        before, made = self._keys.get(pair, (None, 0.0))
        moment = monotonic()
        if before == process and len(ids) < 2 and moment - made < self._world.pace.handshake:  # noqa: PLR2004 - they agree
            return False
        self._keys[pair] = (process, moment)
        return True

    def _key(self, name: NodeName, alias: Alias) -> str:
        key = self._world.elasticsearch.key_in_use(name, alias, self._deadline())
        if key is None:
            raise HostError("key_not_named", "the remote does not say which API key this is", where=name)
        return key

    # --- the remotes, from here

    def _dial_remotes(self, page: Sighted) -> Sighted:
        jobs: dict[str, Callable[[], Presented]] = {}
        for remote in self._world.policy.remotes:
            target = self._target(remote.alias, page)
            if target is None:
                continue
            for number in range(self._dials(remote.alias, page)):
                jobs[f"dial {remote.alias} {number}"] = partial(self._present_here, target)
        results = self._each(jobs)
        presented = dict(page.presented)
        for key, result in results.items():
            alias = Alias(key.split(" ")[1])
            if isinstance(result, Done):
                presented[alias] = _sighted(presented.get(alias, ()), result.value)
        return replace(page, presented=presented)

    def _dials(self, alias: Alias, page: Sighted) -> int:
        """Twice as many as there are endpoints: a load balancer shows one at a time."""
        match page.endpoints.get(alias):
            case Known(value=count):
                return max(1, min(_MOST_DIALS, 2 * count))
            case _:
                return 3

    def _present_here(self, target: _Target) -> Presented:
        deadline = self._deadline()
        return self._shake(self._world.dial(target.address, target.port, deadline), target, deadline)

    def _shake(self, stream: Stream, target: _Target, deadline: Deadline) -> Presented:
        try:
            chain = self._world.handshakes.presented(stream, target.server_name, deadline)
        finally:
            stream.close()
        return Presented(chain, str(target), now())

    def _target(self, alias: Alias, page: Sighted) -> _Target | None:
        """Where a remote is: as the operator said, else as the nodes dial it."""
        endpoint = self._world.endpoints.get(alias)
        links = [link for link in _links(page) if link.alias == alias]
        address = (endpoint.address if endpoint else None) or next((link.address for link in links), None)
        if not address:
            return None
        names = [endpoint.server_name if endpoint else None, *(link.server_name for link in links)]
        return _parse_target(address, next((name for name in names if name), None))

    # --- the remotes, from each node's host

    def _dial_from_nodes(self, page: Sighted, report: Report | None) -> Sighted:
        ours = {remote.alias for remote in self._world.policy.remotes}
        strangers = {link.alias for link in _links(page) if link.has_credential and link.alias not in ours}
        due = [pair for pair in self._pairs(page, strangers) if self._is_due(pair, page, report)]
        jobs = {f"shake {node} {alias}": partial(self._present_there, node, alias, page) for node, alias in due}
        handshakes, presented, seen_strangers = dict(page.handshakes), dict(page.presented), dict(page.strangers)
        for (node, alias), result in zip(due, self._each(jobs).values(), strict=True):
            seen = _seen(result, None)
            if alias in strangers:
                seen_strangers[alias] = seen
                continue
            handshakes[node, alias] = seen
            if isinstance(seen, Known):
                presented[alias] = _sighted(presented.get(alias, ()), seen.value)
        return replace(page, handshakes=handshakes, presented=presented, strangers=seen_strangers)

    def _pairs(self, page: Sighted, strangers: Iterable[Alias]) -> list[tuple[NodeName, Alias]]:
        """Who is to dial whom: each dialing node our remotes, one of them the others'."""
        dialers = [name for name, answer in page.answers.items() if isinstance(answer, Known) and _dials(answer.value)]
        ours = [(name, remote.alias) for name in dialers for remote in self._world.policy.remotes]
        return [pair for pair in ours if self._target(pair[1], page)] + [(dialers[0], a) for a in sorted(strangers)]

    def _is_due(self, pair: tuple[NodeName, Alias], page: Sighted, report: Report | None) -> bool:
        """Whether the handshake would tell something new: other trust, another leaf, a failure, or long ago."""
        node = report.seen.nodes.get(pair[0]) if report else None
        content = node.file.value.content if node and isinstance(node.file, Known) else None
        latest = max(page.presented.get(pair[1], ()), key=lambda sight: sight.at, default=None)
        about, moment = (content, latest.leaf if latest else None), self._deadline().moment
        before, made = self._made.get(pair, (None, 0.0))
        failed = isinstance(page.handshakes.get(pair), Unknown)
        if before == about and not failed and moment - made < self._world.pace.handshake:
            return False
        self._made[pair] = (about, moment)
        return True

    def _present_there(self, node: NodeName, alias: Alias, page: Sighted) -> Presented:
        target = self._target(alias, page)
        if target is None:
            raise HostError("no_address", f"nobody said where {alias} is", where=node)
        deadline = self._deadline()
        stream = self._world.fleet.host(node).dial(target.address, target.port, deadline)
        return self._shake(stream, target, deadline)

    # --- links that do not come back by themselves

    def _reconnect(self, page: Sighted, report: Report) -> None:
        """A lost link is not tried again by Elasticsearch until something asks for it; asking costs nothing."""
        proven = {name for name, sight in report.plan.proven.items() if sight}
        ours = {remote.alias for remote in self._world.policy.remotes}
        jobs: dict[str, Callable[[], bool]] = {}
        for name, answer in page.answers.items():
            for link in answer.value.links if isinstance(answer, Known) and name in proven else ():
                if link.alias in ours and not link.connected:
                    jobs[f"reconnect {name} {link.alias}"] = partial(self._resolve, name, link.alias)
        self._each(jobs)

    def _resolve(self, name: NodeName, alias: Alias) -> bool:
        return self._world.elasticsearch.reconnect(name, alias, self._deadline())


def _links(page: Sighted) -> Iterable[Link]:
    for answer in page.answers.values():
        yield from answer.value.links if isinstance(answer, Known) else ()


def _dials(answer: NodeAnswer) -> bool:
    return answer.process.dials


def _seen(result: Result[T], before: Seen[T] | None) -> Seen[T]:
    at = now()
    match result:
        case Done(value=value):
            return Known(value, at)
        case Failed(error=error):
            since = before.since if isinstance(before, Unknown) and before.rule == error.rule else at
            return Unknown(error.rule, str(error), since)
        case _:
            return Unknown("late", "it has not answered yet", at)


def _sighted(before: tuple[Presented, ...], sight: Presented) -> tuple[Presented, ...]:
    """The latest sighting of each distinct leaf, the newest last."""
    leaves: dict[Fingerprint, Presented] = {old.leaf.fingerprint: old for old in before}
    leaves.pop(sight.leaf.fingerprint, None)
    leaves[sight.leaf.fingerprint] = sight
    return tuple(leaves.values())[-_MOST_LEAVES:]


def _parse_target(address: str, server_name: str | None) -> _Target | None:
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    return _Target(host, int(port), server_name or host) if host and port.isdigit() else None
