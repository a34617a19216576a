"""What Elasticsearch says of the cluster and of each node, and Kubernetes of the remotes."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from math import inf
from time import monotonic
from typing import TypeVar

from syncd.core.errors import ClusterError, HostError
from syncd.core.model import Alias, ClusterState, EckResource, Known, NodeName, Report
from syncd.core.restarts.rules import WAITING_RULES
from syncd.engine.crew import Crew, Result
from syncd.engine.looking.page import Page
from syncd.engine.looking.seen import dated, is_older, present, seen, seen_at
from syncd.engine.world import World
from syncd.ports import Deadline, NodeAnswer

T = TypeVar("T")
_ALONE = 1.0
"""Seconds between looks at the routing table while a restart is open."""
_TO_BE_STOPPED = frozenset({"restart_failed", "shards_unknown", "sole_copy"})
"""Holds of a node that serves and is to be taken back: it is stopped once more."""


class Asking:
    """The questions about one cluster that are answered over REST."""

    def __init__(self, world: World, crew: Crew) -> None:
        self._world = world
        self._crew = crew
        self._keys: dict[tuple[NodeName, Alias], tuple[object, float]] = {}
        self._alone: tuple[Mapping[NodeName, tuple[str, ...]] | None, float] = (None, -inf)

    def _each(self, jobs: Mapping[str, Callable[[], T]]) -> dict[str, Result[T]]:
        return self._crew.each(jobs, self._world.pace.call)

    def _deadline(self) -> Deadline:
        return Deadline.after(self._world.pace.call)

    def update(self, page: Page, report: Report | None) -> Page:
        """The page with all of it."""
        return self._ask_kubernetes(self._ask_for_keys(self.begin(page, report)(page), report))

    def begin(self, page: Page, report: Report | None, *, quick: bool = False) -> Callable[[Page], Page]:
        """Ask Elasticsearch of the cluster and of its nodes; `quick`: of those that a restart waits for.

        What is returned notes on a page what it said.
        """
        names = [n.name for n in self._world.policy.nodes if not quick or _awaited(n.name, page, report)]
        asked = self._crew.begin({f"rest {name}": partial(dated, partial(self._answer, name)) for name in names})
        told = self._crew.begin({"cluster": partial(dated, partial(self._cluster, report, quick=quick))})

        def note(page: Page) -> Page:
            results, cluster = asked(self._world.pace.call), told(self._world.pace.call)["cluster"]
            answers = {name: seen_at(results[f"rest {name}"], page.answers.get(name)) for name in names}
            return replace(page, cluster=seen_at(cluster, page.cluster), answers={**page.answers, **answers})

        return note

    def _cluster(self, report: Report | None, *, quick: bool) -> ClusterState:
        """What the cluster says; the shards that are nowhere else are asked for only where a stop may come.

        They are read from the routing table of the whole cluster: while they cannot be, the rest is known all the same.
        """
        state = self._world.elasticsearch.cluster(self._deadline())
        waits = report is not None and any(hold.rule in WAITING_RULES for hold in report.plan.holds)
        if report is None or not waits or not _may_be_stopped(state, report):
            return state
        return replace(state, sole_copies=self._sole_copies(quick=quick))

    def _sole_copies(self, *, quick: bool) -> Mapping[NodeName, tuple[str, ...]] | None:
        """None: they cannot be asked for now. `quick`: at most once a second, as it is about the whole cluster."""
        before, asked = self._alone
        if quick and monotonic() - asked < _ALONE:
            return before
        try:
            found = self._world.elasticsearch.sole_copies(self._deadline())
        except ClusterError:
            found = None
        self._alone = (found, monotonic())
        return found

    def _ask_kubernetes(self, page: Page) -> Page:
        resources = self._each({f"resource {a}": partial(self._resource, a) for a in self._world.resources})
        counts = self._each({f"endpoints {alias}": partial(self._count, alias) for alias in self._world.sources})
        return replace(
            page,
            resources={a: present(resources[f"resource {a}"], page.resources.get(a)) for a in self._world.resources},
            endpoints={a: seen(counts[f"endpoints {a}"], page.endpoints.get(a)) for a in self._world.sources},
        )

    def _resource(self, alias: Alias) -> EckResource | None:
        return self._world.resources[alias].read(self._deadline())

    def _answer(self, name: NodeName) -> NodeAnswer:
        return self._world.elasticsearch.node(name, self._deadline())

    def _count(self, alias: Alias) -> int:
        configured = self._world.endpoints[alias].endpoints
        return configured if configured is not None else self._world.sources[alias].endpoints(self._deadline())

    def _ask_for_keys(self, page: Page, report: Report | None) -> Page:
        """Which API key each process uses: asked seldom, since the remote audits it, but at once while they differ."""
        ours = {remote.alias for remote in self._world.policy.remotes}
        pairs: dict[tuple[NodeName, Alias], object] = {}
        for name, answer in page.answers.items():
            for link in answer.value.links if isinstance(answer, Known) else ():
                if link.alias in ours and link.connected and link.has_credential and isinstance(answer, Known):
                    pairs[name, link.alias] = answer.value.process.started
        due = [pair for pair, process in pairs.items() if self._key_is_due(pair, process, page, report)]
        results = self._each({f"key {name} {alias}": partial(self._key, name, alias) for name, alias in due})
        keys = {pair: known for pair, known in page.keys.items() if pair in pairs}
        keys |= {pair: seen(result, None) for pair, result in zip(due, results.values(), strict=True)}
        return replace(page, keys=keys)

    def _key_is_due(self, pair: tuple[NodeName, Alias], process: object, page: Page, report: Report | None) -> bool:
        ids = {known.value for (_, alias), known in page.keys.items() if alias == pair[1] and isinstance(known, Known)}
        remote = report.seen.remotes.get(pair[1]) if report else None
        if remote and isinstance(remote.credential, Known) and remote.credential.value:
            ids.add(remote.credential.value)
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


def _may_be_stopped(state: ClusterState, report: Report) -> bool:
    """Whether a stop is still to come: of the next node; of an open restart's own, or of its next process to take it back."""
    record = state.restart
    if record is None:
        return True
    old = state.processes.get(record.node) in {None, record.started}
    back = any(hold.subject == record.node and hold.rule in _TO_BE_STOPPED for hold in report.plan.holds)
    return record.node in state.nodes and (old or back)


def _awaited(name: NodeName, page: Page, report: Report | None) -> bool:
    """Whether a restart waits for what the node says: a hundred others need not be asked ten times a second."""
    acted = report.seen.acted if report else None
    return page.restarting == name or is_older(page.answers.get(name), acted)
