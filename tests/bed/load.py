"""Constant searching and indexing on a cluster, as its users do; what failed, and at which node."""

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread
from time import monotonic
from typing import Any

from tests.bed.systemd_cluster import SystemdCluster, SystemdNode

INDEX = "in-use"
_PAUSE = 0.1


@dataclass(frozen=True)
class Failure:
    """A request that failed."""

    node: str
    """Whose failure it was: that of who was asked, or of the node whose part of a search was lost."""
    at: float
    text: str


@dataclass
class Load:
    """One thread per node, each with a request after the other; health is noted beside."""

    cluster: SystemdCluster
    requests: int = 0
    failures: list[Failure] = field(default_factory=list)
    healths: set[str] = field(default_factory=set)
    open_restarts: list[tuple[float, str]] = field(default_factory=list)
    """(time, node) of each look at the cluster in which a restart was open."""
    _names: dict[str, str] = field(default_factory=dict)
    """Of the nodes, by their ids."""
    _stopping: Event = field(default_factory=Event)

    def prepare(self) -> None:
        """An index with a replica of each of its shards."""
        settings = {"number_of_shards": 3, "number_of_replicas": 1}
        self.cluster.api("PUT", f"/{INDEX}", {"settings": settings})
        self.cluster.api("POST", f"/{INDEX}/_doc?refresh=true", {"n": 0})
        self.cluster.wait_green()

    @contextmanager
    def going_on(self) -> Iterator["Load"]:
        """While the block runs."""
        self._names = {
            key: node["name"]
            for key, node in self.cluster.api("GET", "/_nodes?filter_path=nodes.*.name")["nodes"].items()
        }
        threads = [Thread(target=self._use, args=(node,)) for node in self.cluster.nodes]
        threads.append(Thread(target=self._watch))
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._stopping.set()
            for thread in threads:
                thread.join()

    def stray(self) -> list[Failure]:
        """Failures at another node than the one that was being restarted then, or just before or after."""
        return [failure for failure in self.failures if not self._excused(failure)]

    def _excused(self, failure: Failure) -> bool:
        return any(name == failure.node and abs(at - failure.at) < 5 for at, name in self.open_restarts)

    def _use(self, node: SystemdNode) -> None:
        for number in itertools.count():
            if self._stopping.wait(_PAUSE):
                return
            self.requests += 2
            try:
                self.cluster.api("PUT", f"/{INDEX}/_doc/{node.name}-{number}?timeout=30s", {"n": number}, node=node)
                answer = self.cluster.api("GET", f"/{INDEX}/_search?size=1", node=node)
                if answer["_shards"]["failed"]:
                    self._failed(_gone(answer["_shards"]["failures"], self._names) or node.name, str(answer["_shards"]))
            except Exception as error:  # noqa: BLE001 - whatever it is, a user's request failed
                self._failed(node.name, repr(error))

    def _failed(self, name: str, text: str) -> None:
        self.failures.append(Failure(name, monotonic(), text[:300]))

    def _watch(self) -> None:
        """Health and open restarts, asked of whoever answers."""
        while not self._stopping.wait(0.2):
            for node in self.cluster.nodes:
                try:
                    health = self.cluster.api("GET", "/_cluster/health?timeout=1s", node=node)["status"]
                    record = open_restart(self.cluster, node)
                except Exception:  # noqa: BLE001, S112 - this one does not answer now
                    continue
                self.healths.add(health)
                if record:
                    self.open_restarts.append((monotonic(), record))
                break


def _gone(failures: list[dict[str, Any]], names: dict[str, str]) -> str:
    """The one node that took a part of a search with it; empty: it failed in another way.

    A search has two phases, and Elasticsearch asks no other copy of a shard when the node of the first one ends before the
    second: it is not reached, or while it ends has forgotten the first. A shard without another copy would fail all the
    while that the node is away, and in other ways, too.
    """
    gone = {_lost_by(failure, names) for failure in failures}
    return gone.pop() if len(gone) == 1 else ""


def _lost_by(failure: dict[str, Any], names: dict[str, str]) -> str:
    match failure["reason"]:
        case {"type": "node_not_connected_exception" | "node_disconnected_exception", "reason": str(said)}:
            return said.partition("]")[0].removeprefix("[")
        case {"type": "search_context_missing_exception"}:
            return names.get(failure["node"], "")
    return ""


def open_restart(cluster: SystemdCluster, node: SystemdNode | None = None) -> str:
    """The node whose restart is open; empty: none."""
    settings = cluster.api("GET", "/_cluster/settings?flat_settings=true", node=node)["persistent"]
    record = settings.get("cluster.metadata.syncd.restart")
    return str(json.loads(record)["node"]) if record else ""
