"""What a pass decides from, what it decides, and what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

from syncd.core.bundle import Cert, Digest
from syncd.core.model.remembered import Memory, Written
from syncd.core.model.seen import (
    Alias,
    ClusterState,
    NodeName,
    NodeSeen,
    Ownership,
    Presented,
    ProofState,
    RemoteSeen,
    Seen,
    Sighting,
)


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
    proof: ProofState = ProofState()  # noqa: RUF009 - it is frozen
    claimed: datetime | None = None
    """When this process last wrote its name to the cluster: what was seen before does not tell of it yet."""
    standby: str = ""
    """Not empty: somebody else holds the permit, and who."""


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
