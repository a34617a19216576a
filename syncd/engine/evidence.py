"""Looking for the proof that a process has loaded its file: in its log, or by the poll interval having passed."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from time import monotonic

from syncd.core.bundle import Digest, bundle_digest
from syncd.core.loadlog import last_reload, whole_lines
from syncd.core.model import Context, FileState, Known, LogPosition, NodeName, NodeSeen, Report, Sighting, Written
from syncd.engine.crew import Crew, Done
from syncd.engine.desk import Desk
from syncd.engine.sighted import Sighted
from syncd.engine.world import World
from syncd.ports import Deadline, now

_CHUNK = 1_048_576
"""Most bytes of a log read at once; a longer growth is read in several turns."""
_ENOUGH_POLLS = 2.5
"""Poll intervals after which a process that watches a file has looked at it: one and a half of them are margin."""
_WEIGHT = {"file": 0, "started_after": 1, "log": 1, "handshake": 2}
_GIVE_UP_LOG = 6
"""Poll intervals after which a log that says nothing (another log level, another file) is no longer waited for."""


@dataclass(frozen=True, slots=True)
class _Awaited:
    """A file in place whose loading is not proven yet."""

    node: NodeName
    digest: Digest
    process_started: int
    written: Written | None


class Evidence:
    """Keeps the sightings of one cluster, one per node."""

    def __init__(self, world: World, crew: Crew, desk: Desk) -> None:
        self._world = world
        self._desk = desk
        self._crew = crew
        self._positions: dict[NodeName, LogPosition] = {}
        self._since: dict[NodeName, tuple[Digest, float]] = {}

    def awaiting(self, report: Report) -> int:
        """How many nodes' proofs are awaited."""
        return sum(1 for _ in self._awaited(report))

    def update(self, page: Sighted, report: Report | None) -> Sighted:
        """The page with what the logs and the clock say now."""
        if report is None:
            return page
        kept = tuple(sight for sight in page.evidence if self._still(sight, report))
        awaited = {item.node: item for item in self._awaited(report)}
        jobs = {f"log {name}": partial(self._read_log, item) for name, item in awaited.items()}
        results = self._crew.each(jobs, self._world.pace.call)
        found = [result.value for result in results.values() if isinstance(result, Done) and result.value]
        self._nudge()
        found += [sight for sight in self._desk.sightings if self._still(sight, report)]
        seen = {sight.node for sight in found}
        found += [sight for name, item in awaited.items() if name not in seen and (sight := self._by_time(item))]
        return replace(page, evidence=_merged(kept, found))

    def _nudge(self) -> None:
        """Elasticsearch tries a new alias three times within a second, and then only when something asks for it."""
        es, alias = self._world.elasticsearch, self._world.policy.proof_alias
        pace = self._world.pace.call
        jobs = {f"nudge {n}": partial(es.reconnect, n, alias, Deadline.after(pace)) for n in self._desk.unseen()}
        self._crew.each(jobs, pace)

    def _awaited(self, report: Report) -> Iterable[_Awaited]:
        for name, sight in report.plan.proven.items():
            node = report.seen.nodes[name]
            if (
                sight is None
                and isinstance(node.file, Known)
                and isinstance(node.process, Known)
                and _named(node, report)
            ):
                yield self._item(node, node.file.value, node.process.value.started, report)

    def _item(self, node: NodeSeen, file: FileState, started: int, report: Report) -> _Awaited:
        digest = bundle_digest(file.trust.certs)
        memory = report.plan.memory
        fresh = [outcome.written for outcome in report.outcomes if outcome.written]
        writes = [*(memory.writes if memory else ()), *fresh]
        mine = [record for record in writes if record.node == node.name and record.digest == digest]
        return _Awaited(node.name, digest, started, max(mine, key=lambda record: record.at, default=None))

    def _read_log(self, item: _Awaited) -> Sighting | None:
        """The last word of the node's log since the write."""
        if item.written is None or item.written.log is None or self._world.policy.proof == "file":
            return None
        position = self._positions.get(item.node)
        if position is None or position.path != item.written.log.path or self._is_new(item):
            position = item.written.log
        host, path = self._world.fleet.host(item.node), self._world.policy.node(item.node).path
        text, after = host.log_since(position, _CHUNK, Deadline.after(self._world.pace.call))
        whole = whole_lines(text)
        self._positions[item.node] = replace(after, offset=after.offset - (len(text) - len(whole)))
        reload = last_reload(whole, path)
        if reload is None:
            return None
        return Sighting(
            item.node, Context.REMOTE_CLUSTER_CLIENT, item.digest, item.process_started, "log", now(), reload.reason
        )

    def _is_new(self, item: _Awaited) -> bool:
        """Whether this content was not awaited before: its own log position counts."""
        return self._since.get(item.node, (None, 0.0))[0] != item.digest

    def _by_time(self, item: _Awaited) -> Sighting | None:
        """The weakest proof: the file has been in place for longer than the process needs to look at it."""
        digest, since = self._since.get(item.node, (None, 0.0))
        if digest != item.digest:
            self._since[item.node] = (item.digest, monotonic())
            return None
        polls = _GIVE_UP_LOG if self._has_log(item) else _ENOUGH_POLLS
        patience = polls * self._world.policy.poll.total_seconds()
        if self._world.policy.proof in ("log", "handshake") or monotonic() - since < patience:
            return None
        return Sighting(item.node, Context.REMOTE_CLUSTER_CLIENT, item.digest, item.process_started, "file", now())

    def _has_log(self, item: _Awaited) -> bool:
        return self._world.policy.proof != "file" and item.written is not None and item.written.log is not None

    def _still(self, sight: Sighting, report: Report) -> bool:
        """Whether evidence is still about the file that is there."""
        node = report.seen.nodes.get(sight.node)
        if node is None or not isinstance(node.file, Known):
            return node is not None
        return bundle_digest(node.file.value.trust.certs) == sight.digest


def _named(node: NodeSeen, report: Report) -> bool:
    paths = node.trust_paths
    return isinstance(paths, Known) and any(claim for claim in report.plan.claims.get(node.name, ()))


def _merged(kept: tuple[Sighting, ...], found: list[Sighting]) -> tuple[Sighting, ...]:
    """One sighting per node: a later one replaces an earlier, unless it is of a weaker kind and tells of no refusal."""
    by_node = {sight.node: sight for sight in kept}
    for sight in found:
        old = by_node.get(sight.node)
        same = old and (old.digest, old.process_started) == (sight.digest, sight.process_started)
        weaker = old and same and _WEIGHT[sight.by] < _WEIGHT[old.by] and not sight.refused
        if not weaker:
            by_node[sight.node] = sight
    return tuple(by_node[name] for name in sorted(by_node))
