"""An embedded SSH host: SFTP with the extensions that a safe write needs, tunnels, and the few commands that it was given.

Runs without root, and has no shell: a command line that is not one of these, to the letter, is refused.
"""

import os
import select
import shlex
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread

import paramiko
from paramiko import Channel, PKey, SFTPAttributes, SFTPHandle
from paramiko.common import (
    AUTH_FAILED,
    AUTH_SUCCESSFUL,
    OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED,
    OPEN_SUCCEEDED,
)
from paramiko.sftp import CMD_EXTENDED, SFTP_FAILURE, SFTP_OK

_BACKLOG = 50


class DemoSshd:
    """One host. Stop and start it again: port and host key stay."""

    def __init__(
        self,
        host_key: PKey,
        authorized: PKey,
        port: int = 0,
        commands: Sequence[Sequence[str]] = (),
        home: Path = Path(),
        files: "type[Files] | None" = None,
    ) -> None:
        """`commands`: what may be run, in `home`. `files`: how it handles files, where not as `Files` does."""
        self._files = files or Files
        self._host_key = host_key
        self._commands = {shlex.join(argv): tuple(argv) for argv in commands}
        self._home = home
        self._authorized = authorized.asbytes()
        self.port = port
        self._listener: socket.socket | None = None
        self._transports: list[paramiko.Transport] = []

    def start(self) -> "DemoSshd":
        """Listen."""
        listener = socket.create_server(("127.0.0.1", self.port), backlog=_BACKLOG)
        self._listener, self.port = listener, listener.getsockname()[1]
        Thread(target=self._accept, args=(listener,), name=f"demo sshd {self.port}", daemon=True).start()
        return self

    def stop(self) -> None:
        """Close the port and every connection."""
        if self._listener:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        for transport in self._transports:
            transport.close()
        self._transports.clear()

    @property
    def known_host(self) -> str:
        """The line for known_hosts."""
        return f"[127.0.0.1]:{self.port} {self._host_key.get_name()} {self._host_key.get_base64()}\n"

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(connection)
            transport.add_server_key(self._host_key)
            transport.set_subsystem_handler("sftp", _SftpServer, self._files)
            self._transports.append(transport)
            Thread(target=self._serve, args=(transport,), daemon=True).start()

    def _serve(self, transport: paramiko.Transport) -> None:
        host = _Host(self._authorized, self._commands, self._home)
        with suppress(paramiko.SSHException, EOFError, OSError):
            transport.start_server(server=host)
            while transport.is_active():
                channel = transport.accept(1)
                if channel is not None and channel.get_id() in host.tunnels:
                    Thread(target=_pump, args=(channel, host.tunnels[channel.get_id()]), daemon=True).start()


class _Host(paramiko.ServerInterface):
    def __init__(self, authorized: bytes, commands: Mapping[str, tuple[str, ...]], home: Path) -> None:
        self._authorized = authorized
        self._commands = commands
        self._home = home
        self.tunnels: dict[int, tuple[str, int]] = {}

    def check_auth_publickey(self, username: str, key: PKey) -> int:  # noqa: ARG002 - any user name will do
        return AUTH_SUCCESSFUL if key.asbytes() == self._authorized else AUTH_FAILED

    def get_allowed_auths(self, username: str) -> str:  # noqa: ARG002
        return "publickey"

    def check_channel_request(self, kind: str, chanid: int) -> int:  # noqa: ARG002
        return OPEN_SUCCEEDED if kind == "session" else OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def check_channel_exec_request(self, channel: Channel, command: bytes) -> bool:
        argv = self._commands.get(command.decode(errors="replace"))
        if argv:
            Thread(target=_run, args=(channel, argv, self._home), daemon=True).start()
        return argv is not None

    def check_channel_direct_tcpip_request(
        self,
        chanid: int,
        origin: tuple[str, int],  # noqa: ARG002
        destination: tuple[str, int],
    ) -> int:
        self.tunnels[chanid] = destination
        return OPEN_SUCCEEDED


def _run(channel: Channel, argv: tuple[str, ...], home: Path) -> None:
    with suppress(OSError, EOFError, paramiko.SSHException):  # whoever asked may have gone
        done = subprocess.run(argv, cwd=home, stdin=subprocess.DEVNULL, capture_output=True, check=False)  # noqa: S603
        channel.sendall(done.stdout)
        channel.sendall_stderr(done.stderr)
        channel.send_exit_status(done.returncode)
        channel.close()


def _pump(channel: Channel, destination: tuple[str, int]) -> None:
    """Carry bytes between a tunnel and where it leads, until either side ends."""
    try:
        with socket.create_connection(destination, 5) as target:
            while True:
                ready, _, _ = select.select([channel, target], [], [], 30)  # type: ignore[type-var]  # a channel has fileno
                if not ready or not all(_carry(source, channel, target) for source in ready):  # type: ignore[arg-type]
                    return
    except OSError:
        return
    finally:
        channel.close()


def _carry(source: Channel | socket.socket, channel: Channel, target: socket.socket) -> bool:
    data = source.recv(16_384)
    (target if source is channel else channel).sendall(data)
    return bool(data)


class _SftpServer(paramiko.SFTPServer):
    """With `fsync@openssh.com`, which paramiko's lacks."""

    def _process(self, t: int, request_number: int, msg: paramiko.Message) -> None:
        if t == CMD_EXTENDED and msg.get_text() == "fsync@openssh.com":
            handle = self.file_table.get(msg.get_binary())
            if isinstance(handle, _Handle):
                handle.sync()
            self._send_status(request_number, SFTP_OK if handle else SFTP_FAILURE)  # type: ignore[attr-defined]
            return
        msg.rewind()
        msg.get_int()
        super()._process(t, request_number, msg)  # type: ignore[misc]  # not in the stubs


class _Handle(SFTPHandle):
    def sync(self) -> None:
        self.writefile.flush()  # type: ignore[attr-defined]  # set in open
        os.fsync(self.writefile.fileno())  # type: ignore[attr-defined]

    def stat(self) -> SFTPAttributes:
        return SFTPAttributes.from_stat(os.fstat(self.readfile.fileno()))  # type: ignore[attr-defined]  # set in open

    def chattr(self, attr: SFTPAttributes) -> int:
        paramiko.SFTPServer.set_file_attr(self.filename, attr)  # type: ignore[attr-defined]  # set in open
        return SFTP_OK


class Files(paramiko.SFTPServerInterface):
    """The files of this machine, as its user may see them."""

    def list_folder(self, path: str) -> list[SFTPAttributes] | int:
        """READDIR."""
        try:
            return [SFTPAttributes.from_stat(entry.lstat(), entry.name) for entry in Path(path).iterdir()]
        except OSError as error:
            return _code(error)

    def stat(self, path: str) -> SFTPAttributes | int:
        """STAT."""
        return _attributes(Path(path), follow=True)

    def lstat(self, path: str) -> SFTPAttributes | int:
        """LSTAT."""
        return _attributes(Path(path), follow=False)

    def open(self, path: str, flags: int, attr: SFTPAttributes) -> SFTPHandle | int:  # noqa: ARG002
        """OPEN."""
        try:
            descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
        except OSError as error:
            return _code(error)
        writes = flags & (os.O_WRONLY | os.O_RDWR)
        file = os.fdopen(descriptor, "rb" if not writes else ("wb" if flags & os.O_WRONLY else "r+b"))
        handle = _Handle(flags)
        handle.filename = path  # type: ignore[attr-defined]  # paramiko's own demo does so
        handle.readfile = handle.writefile = file  # type: ignore[attr-defined]
        return handle

    def remove(self, path: str) -> int:
        """REMOVE."""
        return _done(lambda: Path(path).unlink())

    def posix_rename(self, oldpath: str, newpath: str) -> int:
        """`posix-rename@openssh.com`."""
        return _done(lambda: Path(oldpath).rename(newpath))

    def chattr(self, path: str, attr: SFTPAttributes) -> int:
        """SETSTAT."""
        return _done(lambda: paramiko.SFTPServer.set_file_attr(path, attr))


def _attributes(path: Path, *, follow: bool) -> SFTPAttributes | int:
    try:
        return SFTPAttributes.from_stat(path.stat() if follow else path.lstat())
    except OSError as error:
        return _code(error)


def _done(action: Callable[[], object]) -> int:
    try:
        action()
    except OSError as error:
        return _code(error)
    return SFTP_OK


def _code(error: OSError) -> int:
    return int(paramiko.SFTPServer.convert_errno(error.errno or 0))
