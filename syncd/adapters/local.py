"""The host that syncd itself runs on: the same contract as over SSH, with plain system calls."""

import os
import select
import socket
import stat
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from errno import EACCES, EDQUOT, ELOOP, ENOSPC, ENXIO, EPERM, EROFS
from glob import escape
from pathlib import Path
from threading import Thread

from syncd.adapters.beside import STALE_AFTER, beside, prefix_beside
from syncd.core.bundle import Digest, content_digest
from syncd.core.errors import ChangedUnderneath, HostError
from syncd.core.model import LogPosition, NodeName, Ownership
from syncd.ports import CommandResult, Deadline, Found, Host, Listening, Stream, now, without_remarks

_RULES = {
    EACCES: "no_permission",
    EPERM: "no_permission",
    ENOSPC: "disk_full",
    EDQUOT: "disk_full",
    EROFS: "read_only",
    ELOOP: "not_a_file",
    ENXIO: "not_a_file",
}
_CURES = {
    "no_permission": "Run syncd as a user that may write there, or give that folder to its user",
    "disk_full": "Free some space; nothing was changed",
    "read_only": "Remount the file system, or take the node out of `nodes`",
    "not_a_file": "A link or special file at this place is never followed; move it away",
}


class LocalHost:
    """This host."""

    def read(self, path: str, limit: int, deadline: Deadline) -> Found | None:  # noqa: ARG002 - a local read is quick
        """See `ports.Host.read`."""
        with _told(path):
            try:
                _must_be_file(path, os.lstat(path))
                descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            except FileNotFoundError:
                return None
            with os.fdopen(descriptor, "rb") as file:
                status = os.fstat(descriptor)
                content = file.read(limit + 1)
        if len(content) > limit:
            raise HostError("too_large", f"it has more than the {limit} bytes that are read", where=path)
        return Found(content, _owner(status), int(status.st_mtime))

    def owner(self, path: str, deadline: Deadline) -> Ownership | None:  # noqa: ARG002
        """See `ports.Host.owner`."""
        with _told(path):
            try:
                return _owner(os.lstat(path))
            except FileNotFoundError:
                return None

    def put(self, path: str, content: bytes, owner: Ownership, expect: Digest | None, deadline: Deadline) -> Found:
        """See `ports.Host.put`."""
        target = Path(path)
        temp = target.with_name(beside(target.name))
        with _told(path):
            _sweep(target)
            try:
                _write_new(temp, content, owner)
                self._expect(path, expect, deadline)
                temp.rename(target)
            finally:
                temp.unlink(missing_ok=True)
            _sync_folder(target.parent)
        found = self.read(path, len(content) + 1, deadline)
        if found is None or found.content != content or found.owner != owner:
            raise HostError("io", "what was read back is not what was written", where=path, cure="Look at the disk")
        return found

    def fix_owner(self, path: str, owner: Ownership, expect: Digest, deadline: Deadline) -> None:
        """See `ports.Host.fix_owner`."""
        self._expect(path, expect, deadline)
        with _told(path):
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                _give(descriptor, owner)
            finally:
                os.close(descriptor)

    def remove(self, path: str, expect: Digest, deadline: Deadline) -> None:
        """See `ports.Host.remove`."""
        target = Path(path)
        with _told(path):
            _sweep(target)
            if self._digest(path, deadline) not in (expect, None):
                raise _changed(path)
            target.unlink(missing_ok=True)
            with suppress(FileNotFoundError):  # the folder itself is gone, and the file with it
                _sync_folder(target.parent)

    def log_position(self, path: str, deadline: Deadline) -> LogPosition | None:  # noqa: ARG002
        """See `ports.Host.log_position`."""
        with _told(path):
            try:
                status = Path(path).stat()
            except FileNotFoundError:
                return None
        return LogPosition(path, status.st_ino, status.st_size)

    def log_since(self, position: LogPosition, limit: int, deadline: Deadline) -> tuple[bytes, LogPosition]:  # noqa: ARG002
        """See `ports.Host.log_since`."""
        with _told(position.path), open(position.path, "rb") as file:  # noqa: PTH123 - a descriptor is needed too
            status = os.fstat(file.fileno())
            rotated = status.st_ino != position.inode or status.st_size < position.offset
            start = 0 if rotated else position.offset
            file.seek(start)
            text = file.read(limit)
        return text, LogPosition(position.path, status.st_ino, start + len(text))

    def run(self, argv: Sequence[str], stdin: bytes, limit: int, deadline: Deadline) -> CommandResult:
        """See `ports.Host.run`."""
        try:
            done = subprocess.run(argv, input=stdin, capture_output=True, timeout=deadline.left(), check=False)  # noqa: S603 - argv is syncd's own
        except subprocess.TimeoutExpired as error:
            raise HostError("timeout", "the command did not end in time and was ended", where=argv[0]) from error
        except OSError as error:
            raise HostError("io", f"the command cannot be run: {error.strerror}", where=argv[0]) from error
        return CommandResult(done.returncode, done.stdout[:limit], without_remarks(done.stderr[:limit]))

    def dial(self, address: str, port: int, deadline: Deadline) -> Stream:
        """See `ports.Host.dial`."""
        try:
            return dial(address, port, deadline)
        except HostError as error:
            raise HostError("dial_refused", error.text, where=error.where) from error

    def listen(self, port: int, accept: Callable[[Stream], None], deadline: Deadline) -> Listening:  # noqa: ARG002
        """See `ports.Host.listen`."""
        try:
            listener = socket.create_server(("127.0.0.1", port))
        except OSError as error:
            cure = "Check that nothing else listens there (handshake.port)"
            where = f"127.0.0.1:{port}"
            raise HostError("tunnel_refused", error.strerror or str(error), where=where, cure=cure) from error
        return LocalListening(listener, accept)

    def close(self) -> None:
        """Nothing is held."""

    def _expect(self, path: str, expect: Digest | None, deadline: Deadline) -> None:
        if self._digest(path, deadline) != expect:
            raise _changed(path)

    def _digest(self, path: str, deadline: Deadline) -> Digest | None:
        found = self.read(path, 64 * 1_048_576, deadline)
        return content_digest(found.content) if found else None


class LocalFleet:
    """Every node lives on this host."""

    def host(self, name: NodeName) -> Host:  # noqa: ARG002 - all nodes are here
        """This host."""
        return LocalHost()

    def close(self) -> None:
        """Nothing is held."""


class LocalListening:
    """A listening socket of this host."""

    def __init__(self, listener: socket.socket, accept: Callable[[Stream], None]) -> None:
        self._listener = listener
        self._accept = accept
        Thread(target=self._serve, name="listen", daemon=True).start()

    def close(self) -> None:
        """See `ports.Listening.close`."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                peer, origin = self._listener.accept()
                stream = SocketStream(peer, f"{origin[0]}:{origin[1]}")
                Thread(target=self._accept, args=(stream,), daemon=True).start()


class SocketStream:
    """A TCP connection of this host."""

    def __init__(self, connected: socket.socket, where: str) -> None:
        self._socket = connected
        self._where = where
        connected.setblocking(False)

    def send(self, data: bytes, deadline: Deadline) -> None:
        """See `ports.Stream.send`."""
        left = memoryview(data)
        while left:
            self._wait([], [self._socket], deadline)
            with self._told():
                left = left[self._socket.send(left) :]

    def receive(self, limit: int, deadline: Deadline) -> bytes:
        """See `ports.Stream.receive`."""
        self._wait([self._socket], [], deadline)
        with self._told():
            return self._socket.recv(limit)

    def close(self) -> None:
        """See `ports.Stream.close`."""
        self._socket.close()

    def _wait(self, read: list[socket.socket], write: list[socket.socket], deadline: Deadline) -> None:
        with self._told():
            ready = select.select(read, write, [], deadline.left())
        if not any(ready):
            raise HostError("timeout", "the peer did not answer in time", where=self._where)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:
            raise HostError("io", f"the connection broke: {error}", where=self._where) from error


def dial(address: str, port: int, deadline: Deadline) -> SocketStream:
    """A TCP connection from where syncd runs.

    Raises HostError `unreachable`.
    """
    where = f"{address}:{port}"
    try:
        connected = socket.create_connection((address, port), timeout=max(0.01, deadline.left()))
    except OSError as error:
        raise HostError("unreachable", f"it cannot be connected to: {error}", where=where) from error
    return SocketStream(connected, where)


@contextmanager
def _told(path: str) -> Iterator[None]:
    """System errors as HostError, by errno."""
    try:
        yield
    except OSError as error:
        rule = _RULES.get(error.errno or 0, "io")
        raise HostError(rule, error.strerror or str(error), where=path, cure=_CURES.get(rule, "")) from error


def _changed(path: str) -> ChangedUnderneath:
    return ChangedUnderneath("changed", "the file is no longer what the plan was made from", where=path)


def _owner(status: os.stat_result) -> Ownership:
    return Ownership(status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode))


def _must_be_file(path: str, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = stat.filemode(status.st_mode)[0]
        names = {"l": "a symbolic link", "d": "a folder", "p": "a FIFO", "c": "a device", "b": "a device"}
        text = f"there is {names.get(kind, 'a special file')}, not a regular file"
        raise HostError("not_a_file", text, where=path, cure=_CURES["not_a_file"])


def _write_new(temp: Path, content: bytes, owner: Ownership) -> None:
    """A new file with owner and mode before its first byte, and on disk when this returns."""
    descriptor = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        _give(descriptor, owner)
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def _give(descriptor: int, owner: Ownership) -> None:
    status = os.fstat(descriptor)
    if (status.st_uid, status.st_gid) != (owner.uid, owner.gid):
        os.fchown(descriptor, owner.uid, owner.gid)
    os.fchmod(descriptor, owner.mode)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sweep(target: Path) -> None:
    """Remove what a crashed writer left beside the target."""
    clock = now().timestamp()
    for entry in target.parent.glob(f"{escape(prefix_beside(target.name))}*"):
        with suppress(OSError):
            if clock - entry.lstat().st_mtime > STALE_AFTER:
                entry.unlink()
