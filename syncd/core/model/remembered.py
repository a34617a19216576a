"""What syncd remembers of one cluster: dates, origins and evidence, never trust."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from syncd.core.bundle import Digest, Fingerprint
from syncd.core.model.seen import Alias, Context, NodeName, Sighting


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
