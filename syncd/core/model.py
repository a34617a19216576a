"""The nouns that flow through a pass: what is seen, what is remembered, what is to be done, what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Generic, Literal, NewType, TypeAlias, TypeVar

from syncd.core.bundle import Cert, Digest, Fingerprint, Published, TrustFile

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Alias = NewType("Alias", str)
"""A remote cluster's name in `cluster.remote.<alias>.*`."""
NodeName = NewType("NodeName", str)
"""`node.name` of an Elasticsearch node."""


# --- what was seen -----------------------------------------------------------------------------------------------


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


# --- what is remembered ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CaRecord:
    """What is remembered of a CA that a remote published: dates and origins, never trust."""

    fingerprint: Fingerprint
    alias: Alias
    subject: str
    key: Digest
    ski: str | None
    not_after: datetime
    origin: Literal["eck", "adopted"]
    first_seen: datetime
    superseded_at: datetime | None = None
    """Since when something else is published; None while current."""
    retired_at: datetime | None = None
    """Since when it has been proven unneeded; from then on it is taken out of the files."""
    source_uid: str = ""
    """Of the object that published it."""


@dataclass(frozen=True, slots=True)
class LogPosition:
    """How far a log file had been written: read on from here, no clock is involved."""

    path: str
    inode: int
    """0 where the transport cannot tell (SFTP has no inode); then a smaller file means a rotated one."""
    offset: int


@dataclass(frozen=True, slots=True)
class Written:
    """A write of a managed file: where its proof is to be looked for, and since when the change was known."""

    node: NodeName
    context: Context
    digest: Digest
    at: datetime
    cause_at: datetime
    """When the change that caused the write was first noticed."""
    log: LogPosition | None = None
    running: int | None = None
    """Start of the process that ran before the write, as far as one was seen."""


@dataclass(frozen=True, slots=True)
class Request:
    """Something a person asked for with a command; carried out by whoever holds the permit."""

    id: str
    verb: Literal["approve", "adopt", "revoke", "pause", "resume", "take_over"]
    argument: str
    """A fingerprint, an alias and a fingerprint (`adopt`), or an end time (`pause`)."""
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Memory:
    """syncd's own memory of one cluster. Losing it costs caution, not correctness."""

    cas: tuple[CaRecord, ...] = ()
    proofs: tuple[Sighting, ...] = ()
    writes: tuple[Written, ...] = ()
    approved: frozenset[Fingerprint] = frozenset()
    revoked: frozenset[Fingerprint] = frozenset()
    paused_until: datetime | None = None
    requests: tuple[Request, ...] = ()
    answered: tuple[tuple[str, str], ...] = ()
    """(request id, what came of it), the latest last; capped."""

    def record(self, fingerprint: Fingerprint, alias: Alias | None = None) -> CaRecord | None:
        """What is remembered of a certificate (for one remote)."""
        for record in self.cas:
            if record.fingerprint == fingerprint and alias in (None, record.alias):
                return record
        return None


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything that a pass knows when it decides."""

    nodes: Mapping[NodeName, NodeSeen]
    remotes: Mapping[Alias, RemoteSeen]
    cluster: Seen[ClusterState]
    memory: Seen[Memory]
    sightings: tuple[Sighting, ...] = ()
    """What the prover has seen since the daemon started."""
    strangers: Mapping[Alias, Seen[Presented]] = field(default_factory=dict)
    """What the remotes of other aliases present, which dial with the same trust file."""
    proof: ProofState = ProofState()
    standby: str = ""
    """Not empty: somebody else holds the permit, and who."""


# --- what the operator wants -------------------------------------------------------------------------------------


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
    proof_alias: Alias = Alias("syncd-proof")
    """The remote alias that exists while a proof by handshake is made."""
    poll: timedelta = timedelta(seconds=5)
    """Elasticsearch's `resource.reload.interval.high`."""
    probe: timedelta = timedelta(seconds=60)
    """How often the remotes are looked at."""

    def node(self, name: NodeName) -> NodePolicy:
        """The policy of a node that is known to be in it."""
        return next(node for node in self.nodes if node.name == name)


# --- what should be, and what to do ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Claim:
    """One certificate's reason to be in a file; what `syncd explain` prints."""

    cert: Cert
    origin: Literal["eck", "extra", "foreign"]
    alias: Alias | None
    role: Literal["current", "retiring", "kept"]
    kept_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PutFile:
    """Write a managed file: the one step that nodes' trust depends on."""

    node: NodeName
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
class Remember:
    """Save syncd's memory."""

    memory: Memory = field(repr=False)
    expect: str | None
    """Version of the stored state that must still be there."""
    why: str


Step: TypeAlias = PutFile | FixOwner | ClaimCluster | OpenProof | CloseProof | Remember


@dataclass(frozen=True, slots=True)
class Hold:
    """Something that syncd will not do now, the rule that holds it, and what would lift it."""

    subject: str
    """A node, an alias or the cluster."""
    rule: str
    text: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a node's link to a remote works, and when it will stop working if nothing is done."""

    node: NodeName
    alias: Alias
    up: bool | None
    """None: not known."""
    reason: Literal["ok", "untrusted", "expired", "network", "disconnected", "no_credential", "unknown"]
    text: str
    breaks_at: datetime | None = None
    """The last moment at which what the remote presents verifies with what the node trusts."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now, what waits and for what, and how things stand. Making it changes nothing."""

    cluster: str
    now: tuple[Step, ...] = ()
    later: tuple[tuple[Step, str], ...] = ()
    """Steps that would be taken but for a brake, with the rule that holds them."""
    holds: tuple[Hold, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    claims: Mapping[NodeName, tuple[Claim, ...]] = field(default_factory=dict)
    proven: Mapping[NodeName, Sighting | None] = field(default_factory=dict)
    """Per node the evidence that its process has loaded the file as it is; None: not proven yet."""
    rotations: Mapping[Alias, str] = field(default_factory=dict)
    """Kind of a change of CA that is under way."""
    memory: Memory | None = field(default=None, repr=False)
    """What is to be remembered after this pass; None: the stored state must not be written over."""
    wake_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a step."""

    step: Step = field(repr=False)
    result: Literal["done", "failed", "skipped"]
    rule: str = ""
    text: str = ""
    at: datetime | None = None
    written: Written | None = None
    """For a file that was written: where its proof of load is to be looked for."""


@dataclass(frozen=True, slots=True)
class Report:
    """One pass, finished: what telemetry and people are told."""

    cluster: str
    started: datetime
    finished: datetime
    seen: Observed
    plan: Plan
    outcomes: tuple[Outcome, ...]
    rang: tuple[str, ...] = ()
    """The bells that led to the pass."""
    again: datetime | None = None
    """When something that could not be looked at is tried again."""

    @property
    def failures(self) -> tuple[Outcome, ...]:
        """The steps that failed: all of them, not the first."""
        return tuple(outcome for outcome in self.outcomes if outcome.result == "failed")

    @property
    def settled(self) -> bool:
        """Whether nothing failed and nothing is left to do."""
        return not self.failures and not self.plan.holds and not self.plan.now
