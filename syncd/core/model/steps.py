"""What syncd may do, one frozen value per kind of step: its subject, why, and what it expects to find."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from syncd.core.bundle import Cert, Digest, Fingerprint
from syncd.core.model.eck import Origins
from syncd.core.model.remembered import Memory
from syncd.core.model.restarts import Restarted, RestartRecord
from syncd.core.model.seen import Alias, Context, NodeName, Ownership


@dataclass(frozen=True, slots=True)
class PutFile:
    """Write a managed file: the one step that nodes' trust depends on."""

    node: NodeName
    context: Context
    path: str
    content: bytes = field(repr=False)
    digest: Digest
    """Of the bundle."""
    owner: Ownership
    expect: Digest | None
    """Digest of the bytes that must still be there; None: there must be no file."""
    added: tuple[Cert, ...]
    removed: tuple[Cert, ...]
    why: str
    urgent: bool = False
    log: str | None = None
    """The node's log file, whose position is noted before the write."""
    running: int | None = None
    """Start of the process that was last seen to run: what is written now, it has not read at its start."""


@dataclass(frozen=True, slots=True)
class FixOwner:
    """Repair owner and mode without touching content."""

    node: NodeName
    context: Context
    path: str
    owner: Ownership
    expect: Digest
    why: str


@dataclass(frozen=True, slots=True)
class ClaimCluster:
    """Write our name to `cluster.metadata.syncd.owner`."""

    owner: str
    expect: str | None
    why: str


@dataclass(frozen=True, slots=True)
class ProofTarget:
    """A process that is to show what it has loaded."""

    node: NodeName
    digest: Digest
    """Of the bundle in its file."""
    process_started: int


@dataclass(frozen=True, slots=True)
class OpenProof:
    """Make the alias of the proof, its dummy credential and the listeners; the connections come by themselves."""

    targets: tuple[ProofTarget, ...]
    why: str


@dataclass(frozen=True, slots=True)
class CloseProof:
    """Take everything of a proof away again, ours or a crashed predecessor's."""

    nodes: tuple[NodeName, ...]
    left: tuple[NodeName, ...]
    """Nodes that cannot be reached now: the record goes on naming them."""
    why: str


@dataclass(frozen=True, slots=True)
class RemoveFile:
    """Remove a managed file that nothing names any more."""

    node: NodeName
    path: str
    expect: Digest
    why: str


@dataclass(frozen=True, slots=True)
class PutSecret:
    """Put the value that the operator's file holds into a node's keystore."""

    node: NodeName
    setting: str
    expect: Digest
    """SHA-256 of the keystore that must still be there."""
    why: str
    within_restart: bool = False
    """Whether it comes with a restart of the node, and goes back with it."""


@dataclass(frozen=True, slots=True)
class RemoveSecret:
    """Take a secure setting out of a node's keystore."""

    node: NodeName
    setting: str
    expect: Digest
    why: str


@dataclass(frozen=True, slots=True)
class ReloadSecure:
    """Let every node read its keystore again."""

    settings: tuple[str, ...]
    why: str
    running: tuple[tuple[NodeName, int], ...] = ()
    """The processes (by their start) of which it is to be noted what they have read."""


@dataclass(frozen=True, slots=True)
class BeginRestart:
    """Set allocation to `primaries` and write the record, in one request."""

    record: RestartRecord
    why: str
    peers: frozenset[NodeName] = frozenset()
    """Who must still be a member: what the plan saw may be a minute old."""

    @property
    def node(self) -> NodeName:
        """The node."""
        return self.record.node


@dataclass(frozen=True, slots=True)
class PutYml:
    """Write a node's elasticsearch.yml, after copies of it and of the keystore; only inside its restart record."""

    node: NodeName
    path: str
    content: bytes = field(repr=False)
    owner: Ownership
    expect: Digest
    settings: tuple[str, ...]
    """The lines that come or go, as a person would write them."""
    why: str
    beside: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """Further files that the edit names, by path: they are written first, and stay."""


@dataclass(frozen=True, slots=True)
class RestartNode:
    """Restart a node's unit, without waiting for it."""

    node: NodeName
    invocation: str
    """InvocationID that the unit must still have."""
    started: int
    """Start of the process that must still run: for services without an InvocationID."""
    why: str
    peers: frozenset[NodeName] | None = None
    """Who must still be a member; None: it is down already, so nothing is taken from the cluster."""


@dataclass(frozen=True, slots=True)
class FreeAllocation:
    """Put allocation back as it was, while the restart is open: the node is back, and its shards need not wait for more."""

    record: RestartRecord
    """As it must still be there."""
    why: str


@dataclass(frozen=True, slots=True)
class NoteFault:
    """Write into the open record why the node is taken back, before anything of it is: a crash then takes it back once.

    Allocation is restricted again, since the node goes away again.
    """

    record: RestartRecord
    """As it must be there but for the fault and the refused start, which it gets."""
    why: str


@dataclass(frozen=True, slots=True)
class RollBack:
    """Put the keystore and elasticsearch.yml back from their copies, and start the node again.

    It may be found half done after a crash: what is back already stays, and the node is started.
    """

    node: NodeName
    expect: Digest | None
    """SHA-256 of the elasticsearch.yml that is ours to take back; None: it was not edited, or is back already."""
    invocation: str
    """InvocationID that failed, which the unit must still have."""
    why: str
    start: bool = True
    """False: it still runs with what it had, and only the files are put back."""


@dataclass(frozen=True, slots=True)
class EndRestart:
    """Put allocation back as it was, note how the restart ended and remove the record, in one request."""

    record: RestartRecord
    """As it must still be there."""
    outcome: Restarted
    why: str


@dataclass(frozen=True, slots=True)
class SweepCopies:
    """Remove the copies that a restart which has proven itself left beside elasticsearch.yml and the keystore."""

    node: NodeName
    why: str


@dataclass(frozen=True, slots=True)
class PutMirror:
    """Write the whole union of self-managed CAs into the ConfigMap that ECK reads."""

    alias: Alias
    content: str = field(repr=False)
    contribution: tuple[Fingerprint, ...]
    """What our cluster needs in it, its marker too, for the annotation of our cluster."""
    digest: Digest
    """Of our certificates in it, without the marker: names what is written, to see whether somebody undoes it."""
    expect: tuple[str, str] | None
    """(resource version, uid) that must still be there; None: there must be no such ConfigMap."""
    added: tuple[Cert, ...]
    removed: tuple[Cert, ...]
    why: str
    urgent: bool = False
    origins: Origins = Origins()  # noqa: RUF009 - it is frozen
    """What of it is to be known as put there by us, for the annotation too."""


@dataclass(frozen=True, slots=True)
class PutResource:
    """Apply fields of the Elasticsearch resource, as a field manager of our own."""

    alias: Alias
    manifest: Mapping[str, object]
    """What is applied, and nothing else: apiVersion, kind, metadata and the fields."""
    expect: tuple[str, str]
    """(resource version, uid) that must still be there."""
    restarts: bool
    """Whether ECK will restart the remote's nodes for it."""
    why: str


@dataclass(frozen=True, slots=True)
class RemoveRemote:
    """Remove all settings `cluster.remote.<alias>.*`."""

    alias: Alias
    why: str


@dataclass(frozen=True, slots=True)
class Remember:
    """Save syncd's memory."""

    memory: Memory = field(repr=False)
    expect: str | None
    """Version of the stored state that must still be there."""
    why: str


FileStep: TypeAlias = PutFile | FixOwner | RemoveFile
"""About a managed file on one node."""
EckStep: TypeAlias = PutMirror | PutResource
"""About an object on ECK's side."""
RecordStep: TypeAlias = BeginRestart | FreeAllocation | NoteFault | EndRestart
"""About the record of a restart, in the cluster."""
KeystoreStep: TypeAlias = PutSecret | RemoveSecret
"""An edit of one node's keystore."""
HostStep: TypeAlias = PutYml | RestartNode | RollBack | SweepCopies
"""About settings and service on one node's host."""
ProofStep: TypeAlias = OpenProof | CloseProof
"""About a proof by handshake."""
OrderedStep: TypeAlias = KeystoreStep | HostStep | RecordStep | ReloadSecure
"""Taken one after the other."""
Step: TypeAlias = FileStep | EckStep | OrderedStep | ProofStep | ClaimCluster | RemoveRemote | Remember
