"""kill -9 at the n-th change of the world, and a host whose changes can be cut so: real files, the real adapter."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock

from syncd.adapters.local import LocalHost
from syncd.core.bundle import Digest
from syncd.core.errors import HostError
from syncd.core.model import LogPosition, Ownership
from syncd.ports import CommandResult, Deadline, Found, Listening, Stream


class Killed(BaseException):
    """kill -9 at this very moment: nothing after it is carried out."""


@dataclass
class Knife:
    """Cuts the process off at the n-th change of the world, before or after it happened."""

    cut_at: int | None = None
    after: bool = False
    changes: int = 0
    lock: Lock = field(default_factory=Lock)

    @contextmanager
    def change(self) -> Iterator[None]:
        """Around every change of the outside world: in order, and none after the cut."""
        with self.lock:
            self.changes += 1
            cut = self.cut_at is not None and self.changes >= self.cut_at
            if cut and not (self.after and self.changes == self.cut_at):
                raise Killed
            yield
            if cut:
                raise Killed

    @property
    def cut(self) -> bool:
        """Whether it has cut."""
        return self.cut_at is not None and self.changes >= self.cut_at

    def reset(self, cut_at: int | None = None, *, after: bool = False) -> None:
        """Count anew, and cut there."""
        self.changes, self.cut_at, self.after = 0, cut_at, after


@dataclass(frozen=True)
class Closer:
    """Something that can be closed."""

    end: Callable[[], object]

    def close(self) -> None:
        self.end()


KEYSTORE = "/etc/elasticsearch/elasticsearch.keystore"


@dataclass
class FakeUnit:
    """A unit as systemctl shows and restarts it."""

    active: str = "active"
    starts: int = 1
    restarted: Callable[[], object] = lambda: None
    """What a restart does to the rest of the world."""

    @property
    def invocation(self) -> str:
        """Another one for each start."""
        return f"{self.starts:032x}"

    def show(self) -> bytes:
        """As `systemctl show` and /proc/uptime print it."""
        told = ("LoadState=loaded", f"ActiveState={self.active}", "SubState=", f"InvocationID={self.invocation}")
        return "\n".join([*told, "ExecMainStartTimestampMonotonic=1000000", "11.0 20.0"]).encode()

    def restart(self) -> None:
        """Begin another start."""
        self.starts += 1
        self.active = "active"
        self.restarted()


class KnifeHost:
    """This host, with everything below a folder of its own."""

    def __init__(self, knife: Knife, root: Path, stream: type[Stream]) -> None:
        self.knife = knife
        self.error: HostError | None = None
        """Not None: the host cannot be reached."""
        self._host = LocalHost()
        self._root = root
        self._stream = stream
        self.unit = FakeUnit()
        self.listeners: dict[int, Callable[[Stream], None]] = {}

    def real(self, path: str) -> Path:
        """Where a path of this host really is."""
        return self._root / path.lstrip("/")

    def read(self, path: str, limit: int, deadline: Deadline) -> Found | None:
        self._reach()
        return self._host.read(str(self.real(path)), limit, deadline)

    def owner(self, path: str, deadline: Deadline) -> Ownership | None:
        self._reach()
        return self._host.owner(str(self.real(path)), deadline)

    def put(self, path: str, content: bytes, owner: Ownership, expect: Digest | None, deadline: Deadline) -> Found:
        self._reach()
        with self.knife.change():
            return self._host.put(str(self.real(path)), content, owner, expect, deadline)

    def fix_owner(self, path: str, owner: Ownership, expect: Digest, deadline: Deadline) -> None:
        self._reach()
        with self.knife.change():
            self._host.fix_owner(str(self.real(path)), owner, expect, deadline)

    def remove(self, path: str, expect: Digest, deadline: Deadline) -> None:
        self._reach()
        with self.knife.change():
            self._host.remove(str(self.real(path)), expect, deadline)

    def log_position(self, path: str, deadline: Deadline) -> LogPosition | None:
        self._reach()
        position = self._host.log_position(str(self.real(path)), deadline)
        return replace(position, path=path) if position else None

    def log_since(self, position: LogPosition, limit: int, deadline: Deadline) -> tuple[bytes, LogPosition]:
        self._reach()
        text, after = self._host.log_since(replace(position, path=str(self.real(position.path))), limit, deadline)
        return text, replace(after, path=position.path)

    def dial(self, address: str, port: int, deadline: Deadline) -> Stream:
        self._reach()
        return self._stream()

    def run(self, argv: Sequence[str], stdin: bytes, limit: int, deadline: Deadline) -> CommandResult:
        self._reach()
        for number, word in enumerate(argv):
            if word.endswith("elasticsearch-keystore"):
                return self._keystore(argv[number + 1], argv[-1], stdin)
        if any("systemctl" in word for word in argv):
            return self._systemctl(argv)
        return self._host.run(argv, stdin, limit, deadline)

    def listen(self, port: int, accept: Callable[[Stream], None], deadline: Deadline) -> Listening:
        self._reach()
        if port in self.listeners:
            raise HostError("tunnel_refused", "the port is taken")
        self.listeners[port] = accept
        return Closer(lambda: self.listeners.pop(port, None))

    @property
    def secrets(self) -> dict[str, str]:
        """What the keystore holds: the file is the truth, so that one that is put back holds what it held."""
        try:
            held: dict[str, str] = json.loads(self.real(KEYSTORE).read_bytes())
        except (OSError, ValueError):
            return {}
        return held

    def _keystore(self, verb: str, name: str, stdin: bytes) -> CommandResult:
        """The tool, for a keystore without a password."""
        held = self.secrets
        if verb == "has-passwd":
            return CommandResult(1, b"", b"")
        if verb != "add" and name not in held:
            return CommandResult(78, b"", b"does not exist")
        if verb == "show":
            return CommandResult(0, held[name].encode(), b"")
        with self.knife.change():
            value = {name: stdin.decode().splitlines()[0]} if verb == "add" else {}
            rest = {other: kept for other, kept in held.items() if other != name}
            self.real(KEYSTORE).write_text(json.dumps({**rest, **value}))
        return CommandResult(0, b"", b"")

    def _systemctl(self, argv: Sequence[str]) -> CommandResult:
        if "restart" not in argv:
            return CommandResult(0, self.unit.show(), b"")
        expected = argv[5:7]
        if self.unit.invocation not in expected:
            return CommandResult(75, f"InvocationID={self.unit.invocation}\n".encode(), b"")
        with self.knife.change():
            self.unit.restart()
        return CommandResult(0, b"", b"")

    def close(self) -> None:
        """Nothing is held."""

    def _reach(self) -> None:
        if self.error:
            raise self.error
