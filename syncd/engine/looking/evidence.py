"""Looking for the proof that a process has loaded its file: in its log, by its transport port's names, or by time."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from time import monotonic
from typing import NamedTuple

from syncd.core.bundle import Digest, bundle_digest
from syncd.core.model import (
    Context,
    FileState,
    Known,
    LogPosition,
    NodeName,
    NodeSeen,
    Process,
    Report,
    Sighting,
    Written,
)
from syncd.core.proof.loaded import poll_of
from syncd.core.proof.loadlog import last_reload, whole_lines
from syncd.core.proof.markers import marker_names
from syncd.engine.crew import Crew, Done
from syncd.engine.handshake_proofs import HandshakeProofs
from syncd.engine.looking.page import Page
from syncd.engine.world import World
from syncd.ports import Deadline, now

_CHUNK = 1_048_576
"""Most bytes of a log read at once; a longer growth is read in several turns."""
_ENOUGH_POLLS = 2.5
"""Poll intervals after which a process that watches a file has looked at it: one and a half of them are margin."""
_WEIGHT = {"file": 0, "started_after": 1, "log": 1, "names": 2, "handshake": 2}
_GIVE_UP_LOG = 6
"""Poll intervals after which a log that says nothing (another log level, another file) is no longer waited for."""
_ASK_NAMES = 1.0
"""Seconds between handshakes that ask a transport port for its names: each leaves a WARN in the node's log."""


class _Place(NamedTuple):
    """One managed file: there is one per node and trust context."""

    node: NodeName
    context: Context

    def __str__(self) -> str:
        return f"{self.node} {self.context}"


@dataclass(frozen=True, slots=True)
class _Awaited:
    """A file in place whose loading is not proven yet."""

    place: _Place
    file: FileState
    digest: Digest
    process: Process
    written: Written | None

    def sighted(self, by: str, refused: str = "") -> Sighting:
        """What was found, as evidence."""
        started = self.process.started
        return Sighting(self.place.node, self.place.context, self.digest, started, by, now(), refused)  # type: ignore[arg-type]  # one of the kinds


class Evidence:
    """Keeps the sightings of one cluster, one per managed file."""

    def __init__(self, world: World, crew: Crew, proofs: HandshakeProofs) -> None:
        self._world = world
        self._proofs = proofs
        self._crew = crew
        self._positions: dict[_Place, LogPosition] = {}
        self._since: dict[_Place, tuple[Digest, float]] = {}
        self._asked: dict[_Place, float] = {}

    def awaiting(self, report: Report) -> int:
        """How many proofs are awaited."""
        return sum(1 for _ in _awaited(report))

    def update(self, page: Page, report: Report | None) -> Page:
        """The page with what the logs, the transport ports and the clock say now."""
        if report is None:
            return page
        kept = tuple(sight for sight in page.evidence if _still(sight, report))
        awaited = {item.place: item for item in _awaited(report)}
        jobs = {f"proof {place}": partial(self._look, item) for place, item in awaited.items()}
        results = self._crew.each(jobs, self._world.pace.call)
        found = [result.value for result in results.values() if isinstance(result, Done) and result.value]
        self._nudge()
        found += [sight for sight in self._proofs.sightings if _still(sight, report)]
        seen = {_place(sight) for sight in found}
        found += [sight for place, item in awaited.items() if place not in seen and (sight := self._by_time(item))]
        return replace(page, evidence=_merged(kept, found))

    def _nudge(self) -> None:
        """Elasticsearch tries a new alias three times within a second, and then only when something asks for it."""
        es, alias = self._world.elasticsearch, self._world.policy.proof_alias
        pace = self._world.pace.call
        jobs = {f"nudge {n}": partial(es.reconnect, n, alias, Deadline.after(pace)) for n in self._proofs.unseen()}
        self._crew.each(jobs, pace)

    def _look(self, item: _Awaited) -> Sighting | None:
        """What the process shows of its trust, else the last word of the node's log."""
        return self._ask_names(item) or self._read_log(item)

    def _ask_names(self, item: _Awaited) -> Sighting | None:
        """A transport port names the subjects of the certificates that it has loaded: among them the file's marker."""
        if item.place.context is not Context.TRANSPORT or not item.process.transport_address:
            return None
        markers = [marker for marker in item.file.trust.markers if marker_names(marker, item.digest)]
        if not markers or monotonic() - self._asked.get(item.place, -_ASK_NAMES) < _ASK_NAMES:
            return None
        self._asked[item.place] = monotonic()
        names = self._accepted(item)
        return item.sighted("names") if any(marker.subject in names for marker in markers) else None

    def _accepted(self, item: _Awaited) -> tuple[str, ...]:
        deadline = Deadline.after(self._world.pace.call)
        address, _, port = item.process.transport_address.rpartition(":")
        stream = self._world.fleet.host(item.place.node).dial(address.strip("[]"), int(port), deadline)
        try:
            return self._world.handshakes.accepted_names(stream, deadline)
        finally:
            stream.close()

    def _read_log(self, item: _Awaited) -> Sighting | None:
        """The last word of the node's log since the write."""
        place, written = item.place, item.written
        if written is None or written.log is None or self._world.policy.proof == "file":
            return None
        position = self._positions.get(place)
        if position is None or position.path != written.log.path or self._is_new(item):
            position = written.log
        host, path = self._world.fleet.host(place.node), self._world.policy.node(place.node).paths[place.context]
        text, after = host.log_since(position, _CHUNK, Deadline.after(self._world.pace.call))
        whole = whole_lines(text)
        self._positions[place] = replace(after, offset=after.offset - (len(text) - len(whole)))
        reload = last_reload(whole, path)
        return item.sighted("log", reload.reason) if reload else None

    def _is_new(self, item: _Awaited) -> bool:
        """Whether this content was not awaited before: its own log position counts."""
        return self._since.get(item.place, (None, 0.0))[0] != item.digest

    def _by_time(self, item: _Awaited) -> Sighting | None:
        """The weakest proof: the file has been in place for longer than the process needs to look at it."""
        digest, since = self._since.get(item.place, (None, 0.0))
        if digest != item.digest:
            self._since[item.place] = (item.digest, monotonic())
            return None
        if self._world.policy.proof in ("log", "handshake") or not item.process.reloads:
            return None
        polls = _GIVE_UP_LOG if self._has_log(item) else _ENOUGH_POLLS
        if monotonic() - since < polls * poll_of(item.process, self._world.policy).total_seconds():
            return None
        return item.sighted("file")

    def _has_log(self, item: _Awaited) -> bool:
        return self._world.policy.proof != "file" and item.written is not None and item.written.log is not None


def _awaited(report: Report) -> Iterable[_Awaited]:
    for context, part in report.plan.trust.items():
        for name, sight in part.proven.items():
            node = report.seen.nodes[name]
            file = node.files.get(context)
            if sight is None and isinstance(file, Known) and isinstance(node.process, Known) and _named(node):
                yield _item(_Place(name, context), file.value, node.process.value, report)


def _item(place: _Place, file: FileState, process: Process, report: Report) -> _Awaited:
    digest = bundle_digest(file.trust.certs)
    memory = report.plan.memory
    fresh = [outcome.written for outcome in report.outcomes if outcome.written]
    writes = [*(memory.writes if memory else ()), *fresh]
    mine = [record for record in writes if (record.node, record.context, record.digest) == (*place, digest)]
    return _Awaited(place, file, digest, process, max(mine, key=lambda record: record.at, default=None))


def _still(sight: Sighting, report: Report) -> bool:
    """Whether evidence is still about the file that is there."""
    node = report.seen.nodes.get(sight.node)
    file = node.files.get(sight.context) if node else None
    if not isinstance(file, Known):
        return node is not None
    return bundle_digest(file.value.trust.certs) == sight.digest


def _named(node: NodeSeen) -> bool:
    return isinstance(node.trust_paths, Known)


def _place(sight: Sighting) -> _Place:
    return _Place(sight.node, sight.context)


def _merged(kept: tuple[Sighting, ...], found: list[Sighting]) -> tuple[Sighting, ...]:
    """One sighting per file: a later one replaces an earlier, unless it is of a weaker kind and tells of no refusal."""
    by_place = {_place(sight): sight for sight in kept}
    for sight in found:
        old = by_place.get(_place(sight))
        same = old and (old.digest, old.process_started) == (sight.digest, sight.process_started)
        weaker = old and same and _WEIGHT[sight.by] < _WEIGHT[old.by] and not sight.refused
        if not weaker:
            by_place[_place(sight)] = sight
    return tuple(by_place[place] for place in sorted(by_place))
