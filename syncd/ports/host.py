"""A node's host."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from syncd.core.bundle import Cert, Digest
from syncd.core.model import LogPosition, NodeName, Ownership
from syncd.ports.clock import Deadline

_REMARKS = (b"sudo: unable to resolve host", b"sudo: setrlimit(", b"Could not chdir to home directory ")


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
    """Its own words: without the remarks of sshd and sudo."""


def without_remarks(stderr: bytes) -> bytes:
    """What a command said, without what sshd and sudo say for themselves and yet run it: of a home, of the host's name."""
    return b"".join(line for line in stderr.splitlines(keepends=True) if not line.startswith(_REMARKS))


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
        """Run a command; output beyond the limit is cut; a command over its deadline is ended.

        What sshd and sudo remark on the way is no output of the command (`without_remarks`).
        """

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
