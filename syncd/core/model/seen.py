"""What was seen of the world, or could not be."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Generic, Literal, NewType, TypeAlias, TypeVar

from syncd.core.bundle import Cert, Digest, Fingerprint, TrustFile

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Alias = NewType("Alias", str)
"""A remote cluster's name in `cluster.remote.<alias>.*`."""


def credential_setting(alias: Alias) -> str:
    """The keystore entry that holds the API key of a remote."""
    return f"cluster.remote.{alias}.credentials"


NodeName = NewType("NodeName", str)
"""`node.name` of an Elasticsearch node."""


@dataclass(frozen=True, slots=True)
class Known(Generic[T_co]):
    """Looked, and this was there."""

    value: T_co
    at: datetime


@dataclass(frozen=True, slots=True)
class Absent:
    """Looked, and there was nothing."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Unknown:
    """Could not look. Never the same as Absent: nothing is derived from it."""

    rule: str
    text: str
    since: datetime


Seen: TypeAlias = Known[T] | Absent | Unknown


class Context(StrEnum):
    """A TLS context of a node that syncd manages a trust file for."""

    REMOTE_CLUSTER_CLIENT = "remote_cluster_client"
    """Dials remotes of the API-key model."""
    TRANSPORT = "transport"
    """Node-to-node traffic, and remotes of the certificate model: its trust is shared with the cluster's own CAs."""

    @property
    def file_name(self) -> str:
        """The name of the one file for all remotes of this context: adding a remote then needs no restart."""
        return "remote-transport-ca.crt" if self is Context.TRANSPORT else "remote-cluster-ca.crt"


@dataclass(frozen=True, slots=True)
class Ownership:
    """Numeric owner, group and permission bits of a file."""

    uid: int
    gid: int
    mode: int

    def __str__(self) -> str:
        return f"{self.uid}:{self.gid} {self.mode:04o}"


@dataclass(frozen=True, slots=True)
class FileState:
    """A managed file as it was read from a node."""

    content: Digest
    trust: TrustFile
    owner: Ownership
    modified: int
    """Seconds since the epoch on the node's own clock; only ever compared with other times of that node."""


@dataclass(frozen=True, slots=True)
class Process:
    """The running Elasticsearch process of a node, as `GET _nodes/_local` tells."""

    name: NodeName
    version: str
    roles: frozenset[str]
    started: int
    """`jvm.start_time_in_millis`: milliseconds since the epoch on the node's own clock; names the process."""
    log_dir: str
    cluster_name: str
    transport_address: str = ""
    """`host:port` that its peers dial; empty: not told."""
    reload_interval: str | None = None
    """`resource.reload.interval.high` as the process runs with it; None: the default, 5s."""
    reloads: bool = True
    """`resource.reload.enabled`: whether it looks at its files at all while it runs."""

    @property
    def dials(self) -> bool:
        """Whether this node opens connections to remotes."""
        return "remote_cluster_client" in self.roles

    def uses(self, context: Context) -> bool:
        """Whether this node meets remotes in a trust context: in the transport context, remotes also dial it."""
        return context is Context.TRANSPORT or self.dials


@dataclass(frozen=True, slots=True)
class Link:
    """One row of a node's own `GET _remote/info`."""

    alias: Alias
    connected: bool
    sockets: int
    address: str
    """`proxy_address`, or the first of `seeds`."""
    server_name: str | None
    has_credential: bool
    """False means that this node would use the transport profile: its keystore was not reloaded."""

    @property
    def context(self) -> Context:
        """With which trust this node dials."""
        return Context.REMOTE_CLUSTER_CLIENT if self.has_credential else Context.TRANSPORT


@dataclass(frozen=True, slots=True)
class Presented:
    """A chain that something presented in a handshake made for the purpose."""

    chain: tuple[Cert, ...]
    address: str
    at: datetime

    @property
    def leaf(self) -> Cert:
        """The certificate of the endpoint itself."""
        return self.chain[0]

    @property
    def endpoint(self) -> str:
        """Which of several presented it: ECK gives a pod's leaf a subject of its own, which stays when it is renewed."""
        return self.leaf.subject or self.leaf.fingerprint


@dataclass(frozen=True, slots=True)
class Sighting:
    """Evidence that a process has loaded a bundle, or that it refused to."""

    node: NodeName
    context: Context
    digest: Digest
    """Of the bundle (`bundle_digest`), not of the file's bytes."""
    process_started: int
    by: Literal["names", "handshake", "log", "started_after", "file"]
    at: datetime
    refused: str = ""
    """Not empty: the process logged that it could not load the file, and why."""


@dataclass(frozen=True, slots=True)
class ProofState:
    """The proof by handshake that this process is making."""

    able: bool = True
    """False where nobody stays to finish one: in a command."""
    busy: bool = False
    """Whether it is being opened or closed at this moment."""
    nodes: frozenset[NodeName] = frozenset()
    """Whose connections are awaited; empty: none is open."""
    opened: datetime | None = None
    changed: datetime | None = None
    """When it last changed the cluster: what was seen of the cluster before says nothing of it."""
    again: datetime | None = None
    """Not before then, after one that failed."""
    trouble: str = ""
    """Why the last one failed."""
    markers: frozenset[Fingerprint] = frozenset()
    """Markers whose keys are held."""
