"""What the operator wants."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from syncd.core.bundle import Fingerprint
from syncd.core.model.seen import Alias, NodeName


@dataclass(frozen=True, slots=True)
class RemotePolicy:
    """What the operator said about one remote."""

    alias: Alias
    overlap: timedelta = timedelta(hours=24)
    accept: Literal["any", "same_key", "pinned", "approved"] = "any"
    pins: frozenset[Fingerprint] = frozenset()
    rotate_before: timedelta = timedelta(hours=24)
    publishes: bool = True
    """False for `source: {kind: none}`: a publicly trusted remote, or extra CAs alone."""


@dataclass(frozen=True, slots=True)
class NodePolicy:
    """What the operator said about one node."""

    name: NodeName
    path: str
    """Absolute path of the managed file on the node."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator said about one cluster."""

    cluster: str
    nodes: tuple[NodePolicy, ...]
    remotes: tuple[RemotePolicy, ...]
    owner: str = ""
    """Our own name in `cluster.metadata.syncd.owner`; empty while it is not known."""
    observe: bool = False
    proof: Literal["auto", "handshake", "log", "file"] = "auto"
    proof_alias: Alias = Alias("syncd-proof")  # noqa: RUF009 - a string
    """The remote alias that exists while a proof by handshake is made."""
    poll: timedelta = timedelta(seconds=5)
    """Elasticsearch's `resource.reload.interval.high`."""
    probe: timedelta = timedelta(seconds=60)
    """How often the remotes are looked at."""

    def node(self, name: NodeName) -> NodePolicy:
        """The policy of a node that is known to be in it."""
        return next(node for node in self.nodes if node.name == name)
