"""Where CAs are published, where syncd remembers, who may write, what wakes it: Kubernetes, or files."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from syncd.ports.clock import Deadline

Ring = Callable[[str], None]
"""Called with a reason; says "look", carries no data."""


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


NoticeKind: TypeAlias = Literal["Normal", "Warning"]
"""The two types of Kubernetes Events."""


class Notices(Protocol):
    """Kubernetes Events on the source, or a log line where there is no Kubernetes. Never raises."""

    def tell(self, kind: NoticeKind, reason: str, text: str) -> None:
        """One event; repeated ones are counted, not multiplied."""

    def stop(self) -> None:
        """Let what waits be told; returns within two seconds."""
