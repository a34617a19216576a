"""Everything that the engine holds of one cluster's outside world: ports, and where to dial."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from syncd.core.model import Alias, NodeName, Ownership, Policy
from syncd.engine.hosts.service import Service
from syncd.engine.hosts.tools import Toolbox
from syncd.ports import (
    Deadline,
    Elasticsearch,
    Fleet,
    Handshakes,
    Mirror,
    Notices,
    Permit,
    Resource,
    Source,
    StateStore,
    Stream,
)


@dataclass(frozen=True, slots=True)
class OwnerRule:
    """How a managed file's owner and mode are decided."""

    like: str
    """The file or folder on the node whose owner is taken."""
    mode: int | None = None
    """Permission bits; None: as the file has them."""
    fixed: Ownership | None = None
    """What the operator configured; then nothing is looked up."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a remote is dialed, as far as the operator said; what is None is taken from `GET _remote/info`."""

    address: str | None = None
    server_name: str | None = None
    endpoints: int | None = None


@dataclass(frozen=True, slots=True)
class Pace:
    """How often, and for how long at most."""

    look: float = 1.0
    """Seconds that a pass waits for nodes; a later answer rings."""
    act: float = 2.0
    """Seconds that a pass waits for writes; they finish beside it."""
    call: float = 15.0
    """Seconds that any one port call may take."""
    probe: float = 60.0
    """Seconds between looks at Elasticsearch and handshakes while nothing is pending."""
    handshake: float = 600.0
    """Seconds after which what seldom changes is looked at anew: installations, and handshakes from the nodes' hosts."""
    longest: float = 90.0
    """Seconds after which a pass is made whatever the bells do."""


@dataclass(frozen=True, slots=True)
class World:
    """One cluster: the operator's policy and the ports to everything it speaks of."""

    policy: Policy
    fleet: Fleet
    sources: Mapping[Alias, Source]
    extras: Mapping[Alias, tuple[Source, ...]]
    elasticsearch: Elasticsearch
    handshakes: Handshakes
    dial: Callable[[str, int, Deadline], Stream]
    """A TCP connection from where syncd runs."""
    state: StateStore
    permit: Permit
    notices: Mapping[Alias, Notices]
    owners: Mapping[NodeName, OwnerRule]
    endpoints: Mapping[Alias, Endpoint]
    tools: Mapping[NodeName, Toolbox]
    """Elasticsearch's own tools, by node."""
    services: Mapping[NodeName, Service] = field(default_factory=dict)
    """How each node's service is looked at and restarted."""
    own_cas: Mapping[NodeName, str] = field(default_factory=dict)
    """PEM files on the nodes that the operator named as the cluster's own CAs."""
    secrets: Mapping[str, Callable[[], bytes]] = field(default_factory=dict, repr=False)
    """Reads the value of each secure setting that the keystores should hold, when it is needed. Raises OSError."""
    mirrors: Mapping[Alias, Mirror] = field(default_factory=dict)
    """Certificate model: where ECK finds the self-managed CAs."""
    resources: Mapping[Alias, Resource] = field(default_factory=dict)
    """The Elasticsearch resources of remotes in Kubernetes."""
    proof_port: int = 9473
    """Where proofs by handshake listen, on the loopback of each node's host."""
    logs: Mapping[NodeName, str] = field(default_factory=dict)
    """Log files that the operator named, by node."""
    pace: Pace = Pace()
