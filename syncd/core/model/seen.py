"""What was seen of the world, or could not be."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Generic, Literal, NewType, TypeAlias, TypeVar

from syncd.core.bundle import Cert, Digest, Fingerprint, Published, TrustFile

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Alias = NewType("Alias", str)
"""A remote cluster's name in `cluster.remote.<alias>.*`."""
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

    @property
    def dials(self) -> bool:
        """Whether this node opens connections to remotes."""
        return "remote_cluster_client" in self.roles


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


@dataclass(frozen=True, slots=True)
class NodeSeen:
    """One managed node: its file through the transport, its process through REST, its links by handshake."""

    name: NodeName
    file: Seen[FileState]
    owner: Seen[Ownership]
    """What the managed file's owner and mode should be (as elasticsearch.yml has them, unless configured)."""
    process: Seen[Process]
    trust_paths: Seen[frozenset[str]]
    """The PEM files that the running configuration names (`GET _ssl/certificates` of this very node)."""
    links: Mapping[Alias, Link]
    handshakes: Mapping[Alias, Seen[Presented]]
    """What the remote presented to a handshake from this node's host."""
    keys: Mapping[Alias, Seen[str]] = field(default_factory=dict)
    """The id of the API key that this node's process uses, as the remote names it."""


@dataclass(frozen=True, slots=True)
class RemoteSeen:
    """One remote: what it publishes and what it presents."""

    published: Seen[Published]
    extra: Seen[tuple[Cert, ...]]
    """Certificates of `extra_ca_files`."""
    presented: tuple[Presented, ...]
    """The latest sighting of each distinct leaf."""
    endpoints: Seen[int]
    """How many distinct leaves there should be: `status.availableNodes` of the resource, or configured."""


@dataclass(frozen=True, slots=True)
class ClusterState:
    """The self-managed cluster as a whole."""

    uuid: str
    name: str
    health: Literal["green", "yellow", "red", "unknown"]
    master: str | None
    nodes: Mapping[NodeName, frozenset[str]]
    """Roles by node name, as `GET _nodes` shows: includes nodes that the configuration lacks."""
    license: str
    owner: str | None
    """`cluster.metadata.syncd.owner`."""
    proof: frozenset[NodeName] | None = None
    """`cluster.metadata.syncd.proof`: nodes that a proof by handshake left something on; None: there is no record."""
    proof_alias: str | None = None
    """The TLS name of the alias for proofs, empty where it has none; None: there is no such alias."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """Evidence that a process has loaded a bundle, or that it refused to."""

    node: NodeName
    context: Context
    digest: Digest
    """Of the bundle (`bundle_digest`), not of the file's bytes."""
    process_started: int
    by: Literal["handshake", "log", "started_after", "file"]
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
