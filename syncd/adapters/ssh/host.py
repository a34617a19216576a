"""A host over SSH: `ports.Host` by SFTP requests, commands and tunnels."""

import secrets
import stat
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from errno import EACCES
from hashlib import sha256
from posixpath import basename, dirname, join
from threading import RLock
from typing import TypeVar

import paramiko
from paramiko import Channel, SFTPAttributes, SFTPClient
from paramiko.sftp import CMD_EXTENDED, CMD_FSETSTAT

from syncd.adapters.ssh.session import Session
from syncd.adapters.ssh.trouble import NOT_A_FILE, diagnose, not_atomic, request, told
from syncd.adapters.ssh.tunnel import ChannelStream, ReverseTunnel
from syncd.core.bundle import Digest
from syncd.core.errors import ChangedUnderneath, HostError
from syncd.core.model import LogPosition, Ownership
from syncd.ports import CommandResult, Deadline, Found, Listening, Stream

T = TypeVar("T")
_STALE_AFTER = 300
"""Seconds after which a temp file is a crashed writer's, by the clock of the host."""
_MOST = 64 * 1_048_576
"""Most bytes of a target that are read to compare it with what was expected."""


class SshHost:
    """One host. SFTP requests take turns; commands and tunnels have channels of their own."""

    def __init__(self, where: str, connect: Callable[[Deadline], Session]) -> None:
        self._where = where
        self._connect = connect
        self._lock = RLock()
        self._session: Session | None = None

    @property
    def warm(self) -> bool:
        """Whether a session is open."""
        return self._session is not None and self._session.alive

    def close(self) -> None:
        """Close the session from outside; the next call connects anew."""
        session, self._session = self._session, None
        if session:
            session.close()

    def close_idle(self) -> None:
        """Close the session unless it is in use right now."""
        if self._lock.acquire(blocking=False):
            try:
                self.close()
            finally:
                self._lock.release()

    # --- files

    def read(self, path: str, limit: int, deadline: Deadline) -> Found | None:
        """See `ports.Host.read`."""
        return self._again(lambda: self._sftp(path, deadline, lambda sftp: _read(sftp, path, limit)), deadline)

    def owner(self, path: str, deadline: Deadline) -> Ownership | None:
        """See `ports.Host.owner`."""
        return self._again(lambda: self._sftp(path, deadline, lambda sftp: _owner_of(sftp, path)), deadline)

    def put(self, path: str, content: bytes, owner: Ownership, expect: Digest | None, deadline: Deadline) -> Found:
        """See `ports.Host.put`.

        SFTP cannot fsync a folder, so a power cut right after the rename may bring the old file back, whole.
        """
        return self._sftp(path, deadline, lambda sftp: self._put(sftp, path, content, owner, expect))

    def fix_owner(self, path: str, owner: Ownership, expect: Digest, deadline: Deadline) -> None:
        """See `ports.Host.fix_owner`."""

        def fix(sftp: SFTPClient) -> None:
            _expect(sftp, path, expect)
            with sftp.open(path, "r+") as file:  # a handle cannot be swapped for a link meanwhile
                _give(sftp, file.handle, owner)

        self._sftp(path, deadline, fix)

    def _put(self, sftp: SFTPClient, path: str, content: bytes, owner: Ownership, expect: Digest | None) -> Found:
        temp = join(dirname(path), f".{basename(path)}.syncd-{secrets.token_hex(8)}")
        try:
            _write_new(sftp, temp, content, owner)
            self._sweep(sftp, path, temp)
            _expect(sftp, path, expect)
            _rename(sftp, temp, path)
        except BaseException:
            with suppress(OSError, EOFError, paramiko.SSHException):
                sftp.remove(temp)
            raise
        found = _read(sftp, path, len(content) + 1)
        if found is None or found.content != content or found.owner != owner:
            raise HostError("io", "what was read back is not what was written", where=f"{self._where}:{path}")
        return found

    def _sweep(self, sftp: SFTPClient, path: str, temp: str) -> None:
        """Remove what a crashed writer left beside the target, once per session and folder.

        The new temp file tells what the clock of the host says.
        """
        folder, prefix = dirname(path), f".{basename(path)}.syncd-"
        session = self._session
        if session is None or folder in session.swept:
            return
        session.swept.add(folder)
        clock = sftp.lstat(temp).st_mtime or 0
        for entry in sftp.listdir_attr(folder):
            old = clock - (entry.st_mtime or clock) > _STALE_AFTER
            if entry.filename.startswith(prefix) and old:
                with suppress(OSError):
                    sftp.remove(join(folder, entry.filename))

    # --- logs

    def log_position(self, path: str, deadline: Deadline) -> LogPosition | None:
        """See `ports.Host.log_position`."""

        def position(sftp: SFTPClient) -> LogPosition | None:
            try:
                return LogPosition(path, 0, sftp.stat(path).st_size or 0)
            except FileNotFoundError:
                return None

        return self._again(lambda: self._sftp(path, deadline, position), deadline)

    def log_since(self, position: LogPosition, limit: int, deadline: Deadline) -> tuple[bytes, LogPosition]:
        """See `ports.Host.log_since`."""

        def read(sftp: SFTPClient) -> tuple[bytes, LogPosition]:
            size = sftp.stat(position.path).st_size or 0
            start = position.offset if size >= position.offset else 0
            text = b""
            if size > start:
                with sftp.open(position.path, "rb") as file:
                    file.seek(start)
                    text = file.read(min(limit, size - start))
            return text, LogPosition(position.path, 0, start + len(text))

        return self._again(lambda: self._sftp(position.path, deadline, read), deadline)

    # --- commands and tunnels

    def run(self, argv: Sequence[str], stdin: bytes, limit: int, deadline: Deadline) -> CommandResult:
        """See `ports.Host.run`."""
        session = self._live(deadline)
        with told(self._where):
            channel = session.transport.open_session(timeout=max(0.01, deadline.left()))
            try:
                channel.settimeout(max(0.01, deadline.left()))
                channel.exec_command(session.command(tuple(argv)))
                channel.sendall(stdin)
                channel.shutdown_write()
                return _collect(channel, limit, deadline, f"{self._where}: {argv[0]}")
            finally:
                channel.close()

    def dial(self, address: str, port: int, deadline: Deadline) -> Stream:
        """See `ports.Host.dial`."""
        where = f"{address}:{port} from {self._where}"
        transport = self._live(deadline).transport
        try:
            peer, origin = (address, port), ("127.0.0.1", 0)
            channel = transport.open_channel("direct-tcpip", peer, origin, timeout=max(0.01, deadline.left()))
        except paramiko.ChannelException as error:
            if error.code == 1:  # administratively prohibited
                cure = "Allow it for this user (sshd_config: AllowTcpForwarding local), so that links can be proven"
                raise HostError("tunnel_refused", "sshd allows no tunnels", where=where, cure=cure) from error
            raise HostError("dial_refused", f"the host cannot connect: {error.text}", where=where) from error
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise HostError("timeout", f"the tunnel did not open: {error}", where=where) from error
        return ChannelStream(channel, where)

    def listen(self, port: int, accept: Callable[[Stream], None], deadline: Deadline) -> Listening:
        """See `ports.Host.listen`."""
        return ReverseTunnel.open(self._live(deadline).transport, port, accept, self._where, deadline)

    # --- the session

    def _live(self, deadline: Deadline) -> Session:
        with self._lock:
            if self._session is None or not self._session.alive:
                self.close()
                self._session = self._connect(deadline)
            return self._session

    def _sftp(self, path: str, deadline: Deadline, action: Callable[[SFTPClient], T]) -> T:
        with self._lock:
            session = self._live(deadline)
            sftp = session.give(deadline)
            try:
                return action(sftp)
            except TimeoutError as error:
                self.close()  # an answer may still be under way: the channel is of no more use
                text = "the host did not answer in time; the connection was closed"
                raise HostError("timeout", text, where=f"{self._where}:{path}") from error
            except (EOFError, paramiko.SSHException) as error:
                self.close()
                raise HostError("lost", "the connection was lost", where=f"{self._where}:{path}") from error
            except OSError as error:
                raise diagnose(sftp, self._where, path, error) from error

    def _again(self, action: Callable[[], T], deadline: Deadline) -> T:
        """A warm session may have died unnoticed: what changes nothing is tried once more on a new one."""
        was_warm = self.warm
        try:
            return action()
        except HostError as error:
            if error.rule != "lost" or not was_warm or not deadline.left():
                raise
            return action()


def _read(sftp: SFTPClient, path: str, limit: int) -> Found | None:
    """A regular file: lstat first, since opening a FIFO would hang the server."""
    try:
        status = sftp.lstat(path)
        _must_be_file(status, path)
        size = status.st_size or 0
        if size > limit:
            raise HostError("too_large", f"it has {size} bytes, more than the {limit} that are read", where=path)
        with sftp.open(path, "rb") as file:
            content = file.read(size) if size else b""  # just as much: asking for the end costs a round trip
    except FileNotFoundError:
        return None
    return Found(content, _ownership(status), int(status.st_mtime or 0))


def _owner_of(sftp: SFTPClient, path: str) -> Ownership | None:
    try:
        return _ownership(sftp.lstat(path))
    except FileNotFoundError:
        return None


def _ownership(status: SFTPAttributes) -> Ownership:
    return Ownership(status.st_uid or 0, status.st_gid or 0, stat.S_IMODE(status.st_mode or 0))


def _must_be_file(status: SFTPAttributes, path: str) -> None:
    if not stat.S_ISREG(status.st_mode or 0):
        raise HostError("not_a_file", f"there is no regular file but {stat.filemode(status.st_mode or 0)}", where=path,
                        cure=NOT_A_FILE)  # fmt: skip


def _write_new(sftp: SFTPClient, temp: str, content: bytes, owner: Ownership) -> None:
    """A new file with owner and mode before its first byte, on disk when this returns."""
    with sftp.open(temp, "wx") as file:
        _give(sftp, file.handle, owner)
        file.write(content)
        file.flush()
        _fsync(sftp, file.handle)


def _give(sftp: SFTPClient, handle: object, owner: Ownership) -> None:
    """Owner and mode of an open file in one request; OpenSSH sets the mode last, as chown may clear bits of it."""
    attributes = SFTPAttributes()
    flags = SFTPAttributes.FLAG_UIDGID | SFTPAttributes.FLAG_PERMISSIONS
    attributes._flags = flags  # type: ignore[attr-defined]  # noqa: SLF001 - there is no public way
    attributes.st_uid, attributes.st_gid, attributes.st_mode = owner.uid, owner.gid, owner.mode
    request(sftp, CMD_FSETSTAT, handle, attributes)


def _rename(sftp: SFTPClient, temp: str, path: str) -> None:
    try:
        sftp.posix_rename(temp, path)
    except OSError as error:
        if "unsupported" in str(error).lower():
            raise not_atomic("posix-rename@openssh.com") from error
        raise


def _fsync(sftp: SFTPClient, handle: object) -> None:
    try:
        request(sftp, CMD_EXTENDED, b"fsync@openssh.com", handle)
    except OSError as error:
        if error.errno == EACCES or "unsupported" in str(error).lower():  # nobody may not fsync what he has opened
            raise not_atomic("fsync@openssh.com") from error
        raise


def _expect(sftp: SFTPClient, path: str, expect: Digest | None) -> None:
    found = _read(sftp, path, _MOST)
    there = Digest(sha256(found.content).hexdigest()) if found else None
    if there != expect:
        raise ChangedUnderneath("changed", "the file is no longer what the plan was made from", where=path)


def _collect(channel: Channel, limit: int, deadline: Deadline, where: str) -> CommandResult:
    """Both streams, read as they come so that neither blocks the other; what is over the limit is dropped."""
    out, err = bytearray(), bytearray()
    while deadline.left():
        ended = channel.exit_status_ready()
        idle = True
        while channel.recv_ready():
            out += channel.recv(65536)[: max(0, limit - len(out))]
            idle = False
        while channel.recv_stderr_ready():
            err += channel.recv_stderr(65536)[: max(0, limit - len(err))]
            idle = False
        if ended and idle:
            return CommandResult(channel.recv_exit_status(), bytes(out), bytes(err))
        if idle:
            time.sleep(0.01)  # paramiko gives no way to wait for either stream
    raise HostError("timeout", "the command did not end in time and was ended", where=where)
