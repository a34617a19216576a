"""A host over SSH: `ports.Host` by SFTP requests, commands and tunnels."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from functools import partial
from threading import RLock
from typing import TypeVar

import paramiko
from paramiko import Channel

from syncd.adapters.ssh import files
from syncd.adapters.ssh.session import Session
from syncd.adapters.ssh.sftp import Sftp
from syncd.adapters.ssh.trouble import diagnose, told
from syncd.adapters.ssh.tunnel import ChannelStream, ReverseTunnel
from syncd.core.bundle import Digest
from syncd.core.errors import HostError
from syncd.core.model import LogPosition, Ownership
from syncd.ports import CommandResult, Deadline, Found, Listening, Stream, without_remarks

T = TypeVar("T")


class SshHost:
    """One host. SFTP requests take turns; commands and tunnels have channels of their own."""

    def __init__(self, where: str, connect: Callable[[Deadline], Session]) -> None:
        self._where = where
        self._connect = connect
        self._lock = RLock()
        self._session: Session | None = None
        self._uses: set[object] = set()
        """One thing for each command, tunnel and listener that is open; what adds one holds the lock."""

    @property
    def warm(self) -> bool:
        """Whether a session is open."""
        return self._session is not None and self._session.alive

    def close(self) -> None:
        """Close the session from outside; the next call connects anew."""
        session, self._session = self._session, None
        if session:
            session.close()

    def close_idle(self) -> bool:
        """Close the session unless it is in use right now; whether it is closed."""
        if not self._lock.acquire(blocking=False):
            return False
        try:
            if not self._uses:
                self.close()
            return not self._uses
        finally:
            self._lock.release()

    # --- files

    def read(self, path: str, limit: int, deadline: Deadline) -> Found | None:
        """See `ports.Host.read`."""
        return self._again(lambda: self._sftp(path, deadline, lambda sftp: files.read(sftp, path, limit)), deadline)

    def owner(self, path: str, deadline: Deadline) -> Ownership | None:
        """See `ports.Host.owner`."""
        return self._again(lambda: self._sftp(path, deadline, lambda sftp: files.owner_of(sftp, path)), deadline)

    def put(self, path: str, content: bytes, owner: Ownership, expect: Digest | None, deadline: Deadline) -> Found:
        """See `ports.Host.put`."""

        def put(sftp: Sftp) -> Found:
            swept = self._session.swept if self._session else set[str]()
            return files.put(sftp, path, content, owner, expect, swept)

        return self._sftp(path, deadline, put)

    def fix_owner(self, path: str, owner: Ownership, expect: Digest, deadline: Deadline) -> None:
        """See `ports.Host.fix_owner`."""
        self._sftp(path, deadline, lambda sftp: files.fix_owner(sftp, path, owner, expect))

    def remove(self, path: str, expect: Digest, deadline: Deadline) -> None:
        """See `ports.Host.remove`."""
        self._sftp(path, deadline, lambda sftp: files.remove(sftp, path, expect))

    # --- logs

    def log_position(self, path: str, deadline: Deadline) -> LogPosition | None:
        """See `ports.Host.log_position`."""

        def position(sftp: Sftp) -> LogPosition | None:
            try:
                return LogPosition(path, 0, sftp.stat(path).st_size or 0)
            except FileNotFoundError:
                return None

        return self._again(lambda: self._sftp(path, deadline, position), deadline)

    def log_since(self, position: LogPosition, limit: int, deadline: Deadline) -> tuple[bytes, LogPosition]:
        """See `ports.Host.log_since`."""

        def read(sftp: Sftp) -> tuple[bytes, LogPosition]:
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
        with ExitStack() as use:
            session = self._used(deadline, use)
            use.enter_context(told(self._where))
            channel = use.enter_context(closing(session.transport.open_session(timeout=max(0.01, deadline.left()))))
            channel.settimeout(max(0.01, deadline.left()))
            channel.exec_command(session.command(tuple(argv)))
            channel.sendall(stdin)
            channel.shutdown_write()
            done = _collect(channel, limit, deadline, f"{self._where}: {argv[0]}")
        session.must_be_allowed(tuple(argv), done, self._where)
        return done

    def dial(self, address: str, port: int, deadline: Deadline) -> Stream:
        """See `ports.Host.dial`."""
        where = f"{address}:{port} from {self._where}"
        with ExitStack() as use:
            channel = self._dialed(self._used(deadline, use), (address, port), where, deadline)
            return ChannelStream(channel, where, use.pop_all().close)

    def listen(self, port: int, accept: Callable[[Stream], None], deadline: Deadline) -> Listening:
        """See `ports.Host.listen`."""
        with ExitStack() as use:
            transport = self._used(deadline, use).transport
            tunnel = ReverseTunnel.open(transport, port, accept, self._where, deadline)
            tunnel.closed = use.pop_all().close
            return tunnel

    @staticmethod
    def _dialed(session: Session, peer: tuple[str, int], where: str, deadline: Deadline) -> Channel:
        timeout = max(0.01, deadline.left())
        try:
            return session.transport.open_channel("direct-tcpip", peer, ("127.0.0.1", 0), timeout=timeout)
        except paramiko.ChannelException as error:
            if error.code == 1:  # administratively prohibited
                cure = "Allow it for this user (sshd_config: AllowTcpForwarding local), so that links can be proven"
                raise HostError("tunnel_refused", "sshd allows no tunnels", where=where, cure=cure) from error
            raise HostError("dial_refused", f"the host cannot connect: {error.text}", where=where) from error
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise HostError("timeout", f"the tunnel did not open: {error}", where=where) from error

    # --- the session

    def _live(self, deadline: Deadline) -> Session:
        with self._lock:
            if self._session is None or not self._session.alive:
                self.close()
                self._session = self._connect(deadline)
            return self._session

    def _used(self, deadline: Deadline, use: ExitStack) -> Session:
        """The session, which is not closed as idle before that use of it ends."""
        with self._lock:
            session, mark = self._live(deadline), object()
            self._uses.add(mark)
            use.callback(partial(self._uses.discard, mark))
            return session

    def _sftp(self, path: str, deadline: Deadline, action: Callable[[Sftp], T]) -> T:
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
            return CommandResult(channel.recv_exit_status(), bytes(out), without_remarks(bytes(err)))
        if idle:
            time.sleep(0.01)  # paramiko gives no way to wait for either stream
    raise HostError("timeout", "the command did not end in time and was ended", where=where)
