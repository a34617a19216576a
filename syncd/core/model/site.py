"""What was seen of a node's installation besides its trust files: settings, keystore, unit, its own transport trust."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from syncd.core.bundle import Cert, Digest
from syncd.core.model.seen import Ownership, Presented, Seen, Unknown


@dataclass(frozen=True, slots=True)
class YmlState:
    """elasticsearch.yml as it was read from a node."""

    digest: Digest
    """SHA-256 of its bytes."""
    text: str = field(repr=False)  # people put passwords into it
    owner: Ownership
    copy: Digest | None = None
    """SHA-256 of the copy from before an edit that has not proven itself yet; None: there is none."""
    ours: Digest | None = None
    """SHA-256 of what that edit of ours made, as it was noted beside it: another one there is somebody else's."""

    @property
    def unproven(self) -> bool:
        """Whether it is what an edit of ours made that is still open: only that is ever taken back."""
        return self.copy is not None and self.digest == self.ours != self.copy


@dataclass(frozen=True, slots=True)
class UnitState:
    """A node's service, as systemd or the operator's own command tells."""

    active: Literal["active", "activating", "deactivating", "inactive", "failed"]
    """systemd's ActiveState; other states of it read as the nearest of these."""
    invocation: str
    """systemd's InvocationID, another one for each start; empty where the operator's own command is used."""
    age: float | None = None
    """Seconds since this start was begun, by the host's own clock; None: not told."""


@dataclass(frozen=True, slots=True)
class KeystoreState:
    """elasticsearch.keystore: what it holds of what syncd keeps in it, never a value."""

    digest: Digest
    """SHA-256 of the file's bytes."""
    owner: Ownership
    settings: Mapping[str, Literal["wanted", "other", "absent"]] = field(default_factory=dict)
    """Whether each secure setting that syncd keeps has the value that it should have."""
    locked: str = ""
    """Why a start of the node would not be given its password; empty: it has none, or it is given."""
    modified: int | None = None
    """When the file was last changed, in seconds since 1970, by the host's clock; None: not known."""


@dataclass(frozen=True, slots=True)
class OwnTrust:
    """The CAs by which a node trusts its own peers, from what its elasticsearch.yml names."""

    certs: tuple[Cert, ...]
    """Without what syncd's own file holds."""
    kind: Literal["pem", "truststore", "none"]
    """`pem`: certificate_authorities; `truststore`: a PKCS#12 or JKS store; `none`: the yml names neither."""
    paths: tuple[str, ...] = ()
    """The files, as absolute paths on the node."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a transport port (9300) showed in one handshake."""

    presented: Presented
    accepted: frozenset[str]
    """Subjects (RFC 4514) in its CertificateRequest: every certificate in the trust that the process has loaded."""


@dataclass(frozen=True, slots=True)
class Site:
    """A node's installation. Looked at seldom, and again and again while it is restarted."""

    yml: Seen[YmlState]
    unit: Seen[UnitState]
    keystore: Seen[KeystoreState]
    trust: Seen[OwnTrust]
    shown: Seen[Shown]
    key: Seen[Digest] = Unknown("not_asked", "it has not been looked at", datetime.min.replace(tzinfo=UTC))  # noqa: RUF009
    """SHA-256 of the file with the node's own transport certificate: another one is presented soon after it changes."""
