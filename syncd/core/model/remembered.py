"""What syncd remembers of one cluster: dates, origins and evidence, never trust."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from syncd.core.bundle import Digest, Fingerprint
from syncd.core.model.seen import Alias, Context, NodeName, Sighting

Verb = Literal["approve", "adopt", "revoke", "pause", "resume", "take_over", "restart", "forget", "forget_node"]
"""What a person may ask for."""
EckKind = Literal["mirror", "resource"]
"""What syncd writes on ECK's side."""


@dataclass(frozen=True, slots=True)
class CaRecord:
    """What is remembered of a CA that a remote published: dates and origins, never trust."""

    fingerprint: Fingerprint
    alias: Alias
    subject: str
    key: Digest
    ski: str | None
    not_after: datetime
    origin: Literal["eck", "adopted", "left"]
    """`left`: of a remote that was forgotten whole. It tells that it was ECK's; whoever trusts it again has a reason."""
    first_seen: datetime
    superseded_at: datetime | None = None
    """Since when something else is published; None while current."""
    retired_at: datetime | None = None
    """Since when it has been proven unneeded; from then on it is taken out of the files."""
    source_uid: str = ""
    """Of the object that published it."""
    context: Context = Context.REMOTE_CLUSTER_CLIENT
    """The trust context whose files hold it."""


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
    verb: Verb
    argument: str
    """A fingerprint, an alias and a fingerprint (`adopt`), an end time (`pause`), a node or nothing (`restart`), ..."""
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RestartWish:
    """A restart that a person asked for, until the process that ran then has ended, or the request is a day old."""

    node: NodeName
    started: int
    """Start of the process that is to end."""
    asked: datetime
    anyway: bool
    """Also if nothing that it runs with is to be changed."""
    change: str = ""
    """What it is consented to, as `Need.change` names it; empty: whatever is needed."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """A remote that a person asked to forget, until nothing of it is left."""

    alias: Alias
    context: Context
    asked: datetime


@dataclass(frozen=True, slots=True)
class Reloaded:
    """A process that was told to read its keystore, and did: it uses what the file holds."""

    node: NodeName
    started: int
    """Start of the process."""
    keystore: Digest
    """SHA-256 of the file right before: what was read is this, or newer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request."""

    request: str
    """Its id."""
    text: str
    done: bool
    """Whether it was carried out; if not, nothing was changed."""


@dataclass(frozen=True, slots=True)
class EckWrite:
    """Something that syncd wrote on ECK's side: the same again and again means that somebody undoes it."""

    alias: Alias
    kind: EckKind
    digest: Digest
    """Of our certificates in the mirror, or of the manifest that was applied to the resource."""
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
    wishes: tuple[RestartWish, ...] = ()
    forgotten: tuple[Forgotten, ...] = ()
    dead: frozenset[NodeName] = frozenset()
    """Nodes that a person has declared dead: nothing waits for them until they are seen again."""
    requests: tuple[Request, ...] = ()
    answers: tuple[Answer, ...] = ()
    """What came of requests, the latest last; capped."""
    eck: tuple[EckWrite, ...] = ()
    """The latest writes on ECK's side; capped."""
    reloads: tuple[Reloaded, ...] = ()
    """Which keystore each process has read since its start; one for each node."""

    def within(self, context: Context) -> "Memory":
        """The same with one trust context in view."""
        return replace(
            self,
            cas=tuple(record for record in self.cas if record.context == context),
            proofs=tuple(sight for sight in self.proofs if sight.context == context),
            writes=tuple(write for write in self.writes if write.context == context),
        )

    def after(self, context: Context, part: "Memory") -> "Memory":
        """The whole, with one trust context as it is in `part`; nothing of the others is taken from there."""
        return replace(
            self,
            cas=(*(record for record in self.cas if record.context != context), *part.cas),
            proofs=(*(sight for sight in self.proofs if sight.context != context), *part.proofs),
        )

    def answer(self, request: str) -> Answer | None:
        """What came of the request with this id, if it was answered lately."""
        return next((answer for answer in self.answers if answer.request == request), None)

    def record(self, fingerprint: Fingerprint, alias: Alias | None = None) -> CaRecord | None:
        """What is remembered of a certificate (for one remote)."""
        for record in self.cas:
            if record.fingerprint == fingerprint and alias in (None, record.alias):
                return record
        return None
