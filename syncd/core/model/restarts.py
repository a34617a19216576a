"""Rolling restarts as they are written down in the cluster itself, so that any syncd, after any crash, can go on."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from syncd.core.bundle import Digest
from syncd.core.model.seen import NodeName


@dataclass(frozen=True, slots=True)
class Allocation:
    """`cluster.routing.allocation.enable` as it is in force: transient before persistent before the default, `all`."""

    value: str = "all"
    scope: Literal["transient", "persistent", "unset"] = "unset"


@dataclass(frozen=True, slots=True)
class Shards:
    """Shard counts of `GET _cluster/health`."""

    initializing: int = 0
    relocating: int = 0
    unassigned: int = 0
    delayed: int = 0
    """`delayed_unassigned_shards`: they wait for a node that has just left."""
    pending: int = 0
    """`number_of_pending_tasks`."""


@dataclass(frozen=True, slots=True)
class RestartRecord:
    """An open restart of one node: `cluster.metadata.syncd.restart`."""

    node: NodeName
    change: str
    """Names what the restart is for: a digest of the wanted settings, or `request <id>`."""
    started: int
    """`jvm.start_time_in_millis` of the process that is to end."""
    invocation: str
    """InvocationID of the unit before."""
    allocation: Allocation
    """What was in force before, and where; it is put back at the end."""
    unassigned: int
    """Shards that were unassigned before."""
    owner: str
    at: datetime
    yml: Digest | None = None
    """SHA-256 of elasticsearch.yml as the restart leaves it; None: it is not edited. Another one there is somebody else's."""
    fault: str = ""
    """Not empty: why the node is taken back to what it was before."""
    refused: str = ""
    """InvocationID of the start that is taken back: as long as the unit has it, the node has not been started again."""
    noted: datetime | None = None
    """When the fault was noted: the node goes away once more."""
    refused_process: int | None = None
    """The process of it that the cluster counted then, which ends; None: none, it was down."""

    @property
    def restricted(self) -> Allocation:
        """What allocation is while the node is away, set where it was set before."""
        return Allocation("primaries", "transient" if self.allocation.scope == "transient" else "persistent")


@dataclass(frozen=True, slots=True)
class Restarted:
    """How a node's last restart by syncd ended: an entry of `cluster.metadata.syncd.restarted`."""

    change: str
    result: Literal["done", "failed", "given_up"]
    """given_up: it was ended before the change was tried, and may be begun again."""
    unassigned: int
    """Shards that were unassigned before it."""
    at: datetime
    text: str = ""
    """Why it failed, or was given up."""
