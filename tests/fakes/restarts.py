"""What a cluster in memory knows of restarts, allocation and remotes: a part of `MemoryElasticsearch`."""

from dataclasses import dataclass, field, replace
from typing import Literal

from syncd.core.errors import ClusterError
from syncd.core.model import Alias, Allocation, NodeName, Restarted, RestartRecord, Shards
from syncd.ports import Deadline
from tests.fakes.knife import Knife


@dataclass(kw_only=True)
class MemoryRestarts:
    """The cluster's settings, as far as restarts use them."""

    knife: Knife = field(default_factory=Knife)
    keeper: str | None = None
    allocations: dict[Literal["transient", "persistent", "unset"], str] = field(default_factory=dict)
    """`cluster.routing.allocation.enable` where it is set."""
    restart: RestartRecord | None = None
    restart_damaged: str = ""
    restarted: dict[NodeName, Restarted] = field(default_factory=dict)
    shards: Shards = Shards()
    alone: dict[NodeName, tuple[str, ...]] = field(default_factory=dict)
    """Indices by node of which it holds the only started copy."""
    remotes: set[Alias] = field(default_factory=set)
    """Aliases besides the one that is linked."""

    @property
    def allocation(self) -> Allocation:
        """As it is in force."""
        for scope in ("transient", "persistent"):
            if scope in self.allocations:
                return Allocation(self.allocations[scope], scope)
        return Allocation()

    def sole_copies(self, deadline: Deadline) -> dict[NodeName, tuple[str, ...]]:
        return dict(self.alone)

    def begin_restart(self, record: RestartRecord, deadline: Deadline) -> None:
        if self.keeper != record.owner:
            raise ClusterError("es_owner", f"{self.keeper} keeps it")
        if self._open() == record:
            return
        if self.restart is not None:
            raise ClusterError("es_restart_open", f"{self.restart.node} is being restarted")
        if self.allocation != record.allocation:
            raise ClusterError("es_allocation", "somebody set it just now")
        with self.knife.change():
            self.restart = record
            self._restrict(record)

    def free_allocation(self, record: RestartRecord, deadline: Deadline) -> None:
        if self._open() != record:
            raise ClusterError("es_restart_changed", "another restart is open")
        if self.allocation == record.restricted:
            with self.knife.change():
                self._free(record)

    def note_fault(self, record: RestartRecord, deadline: Deadline) -> None:
        there = self._open()
        if there is None or _bare(there) != _bare(record):
            raise ClusterError("es_restart_changed", "another restart is open")
        if there != record or self.allocation == record.allocation:
            with self.knife.change():
                self.restart = record
                if self.allocation == record.allocation:
                    self._restrict(record)

    def end_restart(self, record: RestartRecord, outcome: Restarted, deadline: Deadline) -> None:
        if self._open() not in (None, record):
            raise ClusterError("es_restart_changed", "another restart is open")
        if self.restart is None:
            return
        with self.knife.change():
            self.restart = None
            self.restarted[record.node] = outcome
            self._free(record)

    def _restrict(self, record: RestartRecord) -> None:
        self.allocations[record.restricted.scope] = record.restricted.value

    def _free(self, record: RestartRecord) -> None:
        if self.allocations.get(record.restricted.scope) == record.restricted.value:
            del self.allocations[record.restricted.scope]
            if record.allocation.scope != "unset":
                self.allocations[record.allocation.scope] = record.allocation.value

    def _open(self) -> RestartRecord | None:
        if self.restart_damaged:
            raise ClusterError("es_restart_changed", self.restart_damaged)
        return self.restart

    def remove_remote(self, alias: Alias, deadline: Deadline) -> None:
        if alias in self.remotes:
            with self.knife.change():
                self.remotes.remove(alias)


def _bare(record: RestartRecord) -> RestartRecord:
    return replace(record, fault="", refused="", noted=None, refused_process=None)
