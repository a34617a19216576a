"""The sockets in the wall: what the engine needs of the world, and nothing of how it is done.

Each port has one contract-test class in tests/contract that every implementation passes, fakes included. Errors are
those of `syncd.core.errors`; a library's own exception never crosses a port. Every call takes a Deadline and returns or
raises by then; what hangs inside a library is unblocked by closing its connection from outside.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import Literal, Protocol

from syncd.core.bundle import Cert, Digest, Fingerprint
from syncd.core.model import (
    Alias,
    ClusterState,
    EckResource,
    Link,
    LogPosition,
    MirrorState,
    NodeName,
    Origins,
    Ownership,
    Process,
    Restarted,
    RestartRecord,
    Seen,
    Shown,
)

Ring = Callable[[str], None]
"""Called with a reason; says "look", carries no data."""


def now() -> datetime:
    """The wall clock, the one place that reads it."""
    return datetime.now(UTC)  # noqa: TID251 - this is that place


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on the monotonic clock by which a call must have returned."""

    moment: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        """The moment so many seconds from now."""
        return cls(monotonic() + seconds)

    def left(self) -> float:
        """Seconds left; never negative."""
        return max(0.0, self.moment - monotonic())

    def at_most(self, seconds: float) -> "Deadline":
        """The earlier of this and so many seconds from now."""
        return Deadline(min(self.moment, monotonic() + seconds))


# --- kubernetes, files: where CAs are published, where syncd remembers, who may write -----------------------------


@dataclass(frozen=True, slots=True)
class Reading:
    """What a source holds now."""

    content: bytes
    version: str
    """Changes when the content does: a resource version, or a digest."""
    uid: str = ""
    """Changes when the object is made anew."""


class Source(Protocol):
    """Where a remote's CA is published, read by name."""

    @property
    def name(self) -> str:
        """What a person calls it: `secret elastic/quickstart-es-transport-certs-public`."""

    def read(self, deadline: Deadline) -> Reading:
        """The published bytes.

        Raises SourceError: `source_not_found`, `source_forbidden`, `source_unauthorized`, `source_unreachable`,
        `source_timeout`, `source_busy`, `source_refused`, `source_no_key`, `source_too_large`, `source_unreadable`.
        """

    def endpoints(self, deadline: Deadline) -> int:
        """How many endpoints the remote has (`status.availableNodes` of its Elasticsearch resource).

        Raises SourceError; `endpoints_not_told` where the source cannot know.
        """


class Bell(Protocol):
    """Something that may ring: a watch, a changed file, the clock, a signal."""

    def start(self, ring: Ring) -> None:
        """Begin to ring, from a thread of its own; survives every fault by itself."""

    def stop(self) -> None:
        """Stop ringing; returns within two seconds."""


@dataclass(frozen=True, slots=True)
class Stored:
    """The state document as it is stored."""

    text: str | None
    """None: there is none yet."""
    version: str | None
    """What a save must present; None: nothing is there yet."""


class StateStore(Protocol):
    """Where syncd's memory of one cluster lives: one readable, capped document."""

    @property
    def name(self) -> str:
        """What a person calls it: `configmap syncd/syncd-onprem`."""

    def load(self, deadline: Deadline) -> Stored:
        """The document.

        Raises StateError: `state_unreachable`, `state_timeout`, `state_forbidden`, `state_unauthorized`, `state_busy`,
        `state_refused`.
        """

    def save(self, text: str, expect: str | None, deadline: Deadline) -> str:
        """Replace the document if it is still the expected version; returns the new version.

        Raises StateConflict when somebody else wrote first (nothing is written), StateError otherwise.
        """


class Permit(Protocol):
    """The right to change a cluster: held by one process at a time (a Lease, or a file lock)."""

    @property
    def owner(self) -> str:
        """A stable name for this installation of syncd, the same after a restart."""

    def start(self, ring: Ring) -> None:
        """Begin to try for it and to keep it; rings when it is gained or lost."""

    def valid(self) -> bool:
        """Whether it is held, now, by the local clock: asked again before each step."""

    def holder(self) -> str:
        """Who holds it, as far as is known; empty: nobody."""

    def trouble(self) -> str:
        """Why it cannot be had whoever holds it, and the cure; empty: nothing is known to be wrong."""

    def stop(self) -> None:
        """Give it back."""


class Notices(Protocol):
    """Kubernetes Events on the source, or a log line where there is no Kubernetes. Never raises."""

    def tell(self, kind: Literal["Normal", "Warning"], reason: str, text: str) -> None:
        """One event; repeated ones are counted, not multiplied."""

    def stop(self) -> None:
        """Let what waits be told; returns within two seconds."""


# --- ssh, local: a node's host -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Found:
    """A regular file as it was found."""

    content: bytes = field(repr=False)
    owner: Ownership
    modified: int
    """Seconds since the epoch on the host's clock."""


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What a command on a host did."""

    exit_code: int
    stdout: bytes = field(repr=False)
    stderr: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Marker:
    """A certificate that names a bundle, with the key that can present it."""

    cert: Cert
    key: bytes = field(repr=False)
    """PKCS#8, DER."""


class Listening(Protocol):
    """A port that is listened on until it is closed."""

    def close(self) -> None:
        """Close; never raises."""


class Stream(Protocol):
    """A connected byte stream."""

    def send(self, data: bytes, deadline: Deadline) -> None:
        """Send all of it. Raises HostError."""

    def receive(self, limit: int, deadline: Deadline) -> bytes:
        """At least one byte, or b"" at the end. Raises HostError."""

    def close(self) -> None:
        """Close; never raises."""


class Host(Protocol):
    """A node's host through its transport.

    Every method raises HostError with one of these rules: `unreachable`, `host_key`, `authentication`, `sudo`, `sftp`,
    `no_permission`, `not_a_file`, `too_large`, `disk_full`, `read_only`, `not_atomic` (the server lacks an extension
    that a safe write needs), `tunnel_refused`, `timeout`, `io`.
    """

    def read(self, path: str, limit: int, deadline: Deadline) -> Found | None:
        """A regular file's bytes, owner and time; None: nothing is there.

        A symlink, directory, FIFO or device is HostError `not_a_file`: it is never followed nor opened.
        More bytes than the limit: `too_large`.
        """

    def owner(self, path: str, deadline: Deadline) -> Ownership | None:
        """Owner and mode of a file or folder (not of what a symlink points to); None: nothing is there."""

    def put(self, path: str, content: bytes, owner: Ownership, expect: Digest | None, deadline: Deadline) -> Found:
        """Replace a file whole or not at all, and return what was read back.

        Temp beside the target, exclusive; owner and mode before the first byte is readable by others; fsync; the target
        checked against `expect` (SHA-256 of its bytes; None: absent) right before the atomic rename; read back.
        Raises ChangedUnderneath when the target is not what was expected; the temp file is removed in every case, and
        left-overs of crashed writes (same prefix) are swept.
        """

    def fix_owner(self, path: str, owner: Ownership, expect: Digest, deadline: Deadline) -> None:
        """Repair owner and mode of an unchanged file without touching its content or time."""

    def log_position(self, path: str, deadline: Deadline) -> LogPosition | None:
        """How far a log file is written; None: there is none."""

    def log_since(self, position: LogPosition, limit: int, deadline: Deadline) -> tuple[bytes, LogPosition]:
        """What was appended since (at most `limit` bytes), and the position after it.

        A rotated log (other inode, or smaller than the offset) is read from its beginning.
        """

    def remove(self, path: str, expect: Digest, deadline: Deadline) -> None:
        """Remove a regular file if it still is what was expected (SHA-256 of its bytes); one that is gone is no error.

        Raises ChangedUnderneath when it is another; symlinks are never followed.
        """

    def run(self, argv: Sequence[str], stdin: bytes, limit: int, deadline: Deadline) -> CommandResult:
        """Run a command; output beyond the limit is cut; a command over its deadline is ended."""

    def dial(self, address: str, port: int, deadline: Deadline) -> Stream:
        """A TCP connection made from this host (over SSH: a direct-tcpip channel).

        Raises HostError `dial_refused` where the host cannot connect, `tunnel_refused` where sshd allows no tunnels.
        """

    def listen(self, port: int, accept: Callable[[Stream], None], deadline: Deadline) -> Listening:
        """Listen on the loopback of this host (over SSH: a reverse tunnel); each connection has a thread of its own.

        Raises HostError, `tunnel_refused` where the port is taken or sshd allows no tunnels.
        """

    def close(self) -> None:
        """Let go of what is held; the next call connects anew."""


class Fleet(Protocol):
    """All hosts of a cluster, and how many of them may be spoken to at once."""

    def host(self, name: NodeName) -> Host:
        """The host of a node."""

    def close(self) -> None:
        """Close all connections from outside, which ends what hangs in them."""


# --- elasticsearch, tls ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NodeAnswer:
    """What one node says of itself at its own address."""

    process: Process
    trust_paths: Seen[frozenset[str]]
    """Absolute paths; Unknown where the version or a privilege does not allow it."""
    links: tuple[Link, ...]


class Elasticsearch(Protocol):
    """The self-managed cluster's REST API.

    Methods raise ClusterError with one of these rules: `es_unreachable`, `es_tls`, `es_unauthorized`, `es_forbidden`,
    `es_unhealthy`, `es_no_such_node`, `es_owner`, `es_error`.
    """

    def cluster(self, deadline: Deadline) -> ClusterState:
        """Health, nodes, licence and owner, from any of the configured URLs."""

    def node(self, name: NodeName, deadline: Deadline) -> NodeAnswer:
        """One node, asked at its own address; `es_no_such_node` when another node answers there."""

    def reconnect(self, name: NodeName, alias: Alias, deadline: Deadline) -> bool:
        """Whether the link is up after `GET _resolve/cluster/<alias>:*`, which is a free attempt to reconnect."""

    def claim(self, owner: str, expect: str | None, deadline: Deadline) -> None:
        """Set `cluster.metadata.syncd.owner` if it is still what was expected; raises ClusterError `es_owner`."""

    def note_proof(self, nodes: frozenset[NodeName], deadline: Deadline) -> None:
        """Write to `cluster.metadata.syncd.proof` on which nodes a proof may have left something; none: remove it."""

    def point_proof(self, address: str | None, deadline: Deadline) -> None:
        """Make the alias of proofs point to an address, or remove it (None).

        An alias of that name that is not ours is left alone; making ours is then ClusterError `es_alias_taken`.
        """

    def reload_secure_settings(self, deadline: Deadline, password: bytes | None = None) -> Mapping[NodeName, str]:
        """Let every node read its keystore again, with the password of protected ones.

        What went wrong, by node, for each that was reached: empty where it has read it.
        """

    def key_in_use(self, name: NodeName, alias: Alias, deadline: Deadline) -> str | None:
        """The id of the API key with which a node speaks to a remote; None: the remote does not name it.

        Asks for an index that nobody was granted, so that the remote refuses by name. The remote audits that refusal.
        """

    def sole_copies(self, deadline: Deadline) -> Mapping[NodeName, tuple[str, ...]]:
        """Indices by node of which it holds the only started copy of a shard: they are away while it is."""

    def begin_restart(self, record: RestartRecord, deadline: Deadline) -> None:
        """Set allocation to `primaries`, in the scope in which it is in force, and write the record, in one request.

        Raises ClusterError `es_owner`, `es_restart_open` (there is a record, another one) or `es_allocation` (what is in
        force is not what the record says): then nothing was changed. The same record again is no error.
        """

    def free_allocation(self, record: RestartRecord, deadline: Deadline) -> None:
        """Put allocation back as the open record says, as `end_restart` does, and leave the record open.

        Raises ClusterError `es_restart_changed` when the record is not that one, or when there is none.
        """

    def note_fault(self, record: RestartRecord, deadline: Deadline) -> None:
        """Write the record with its fault over the open one, which must be the same but for `fault` and `refused`.

        In the same request allocation is restricted again, if it is as it was before the restart.
        Raises ClusterError `es_restart_changed` when it is another, or when there is none. The same again is no error.
        """

    def end_restart(self, record: RestartRecord, outcome: Restarted, deadline: Deadline) -> None:
        """Put allocation back as the record says, note the outcome for the node and remove the record, in one request.

        Allocation that is no longer `primaries` where the record put it was changed by somebody meanwhile and stays.
        Raises ClusterError `es_restart_changed` when the record is not that one; none at all is no error.
        """

    def remove_remote(self, alias: Alias, deadline: Deadline) -> None:
        """Remove every setting `cluster.remote.<alias>.*`, persistent and transient; none is no error."""

    def close(self) -> None:
        """Close the connections."""


# --- eck: what the other side must have of ours ----------------------------------------------------------------------


class Mirror(Protocol):
    """The ConfigMap in which ECK finds the self-managed CAs: shared with other clusters and other people."""

    @property
    def name(self) -> str:
        """What a person calls it: `configmap elastic/remote-certs`."""

    def read(self, deadline: Deadline) -> MirrorState | None:
        """What it holds; None: there is no such ConfigMap. Raises MirrorError `mirror_<fault>`."""

    def write(
        self,
        content: str,
        contribution: tuple[Fingerprint, ...],
        expect: tuple[str, str] | None,
        deadline: Deadline,
        origins: Origins | None = None,
    ) -> None:
        """Replace the key, our annotation and the label if it is still the expected (resource version, uid).

        Expect None: it is made. Without origins nothing of it is known as put there by us. Other keys, labels and
        annotations stay. Raises MirrorConflict when somebody wrote first (nothing is written), MirrorError otherwise.
        """


class Resource(Protocol):
    """The Elasticsearch resource of a remote."""

    @property
    def name(self) -> str:
        """What a person calls it: `elasticsearch elastic/quickstart`."""

    def read(self, deadline: Deadline) -> EckResource | None:
        """What it says; None: there is no such resource. Raises MirrorError `resource_<fault>`."""

    def apply(self, manifest: Mapping[str, object], expect: tuple[str, str], deadline: Deadline) -> None:
        """Server-side apply with a field manager of our own, if it is still the expected (resource version, uid).

        Without force: a field that another manager holds is MirrorError `resource_conflict`, with the manager's name.
        """


class Handshakes(Protocol):
    """TLS handshakes made to look, not to talk."""

    def presented(self, stream: Stream, server_name: str | None, deadline: Deadline) -> tuple[Cert, ...]:
        """The chain that the peer presents, leaf first, verified by nobody yet. Raises HostError `tls`."""

    def accepted_names(self, stream: Stream, deadline: Deadline) -> tuple[str, ...]:
        """The subjects (RFC 4514) that a server names in its CertificateRequest, which are its loaded trust.

        Raises HostError `tls`.
        """

    def shown(self, stream: Stream, address: str, deadline: Deadline) -> Shown:
        """Both in one handshake, with what a transport port (9300) shows. Raises HostError `tls`."""

    def mint(self, subject: str, server_name: str) -> Marker:
        """A new self-signed certificate that can sign nothing, for a common name and a DNS name."""

    def answer(self, stream: Stream, marker: Marker, deadline: Deadline) -> bool:
        """Present a marker to whoever connects: whether an Elasticsearch process accepted it. Raises HostError."""
