"""One SSH connection to one host, with its SFTP channel."""

import re
import shlex
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import paramiko
from paramiko import Channel, PKey, Transport

from syncd.adapters.ssh.known_hosts import KnownHosts
from syncd.adapters.ssh.settings import SshSettings
from syncd.adapters.ssh.sftp import Sftp
from syncd.config.secrets import where_else
from syncd.core.errors import HostError
from syncd.ports import CommandResult, Deadline

_SFTP_SERVERS = (
    "/usr/lib/openssh/sftp-server",  # Debian, Ubuntu
    "/usr/libexec/openssh/sftp-server",  # RHEL, Fedora
    "/usr/lib/ssh/sftp-server",  # SUSE, Arch
    "/usr/libexec/sftp-server",
)
_SUDOERS = re.compile(r"Sorry, user \S+ (is not allowed|may not)|\S+ is not (in the sudoers file|allowed to run sudo)")
"""Refusals to which sudo does not put its name."""
_CURES = {
    "sudo": "Allow the SFTP server in sudoers without a password for this user",
    "sftp": "A login shell that prints text breaks SFTP; sshd_config needs: Subsystem sftp internal-sftp",
}


class _Transport(Transport):
    """Looks for the end of its socket every five seconds instead of ten times a second: idle sessions cost nothing."""

    _active_check_timeout = 5


class Session:
    """A connection that was made and authenticated; dead for good once anything on it timed out."""

    def __init__(self, transport: Transport, sftp: Sftp, channel: Channel, *, sudo: bool) -> None:
        self.transport = transport
        self.sftp = sftp
        self._channel = channel
        self._sudo = sudo
        self.swept: set[str] = set()
        """Files beside which left-overs of crashed writes were looked for."""

    @property
    def alive(self) -> bool:
        """Whether it may still be used."""
        return self.transport.is_active() and not self._channel.closed

    def give(self, deadline: Deadline) -> Sftp:
        """The SFTP client, each of whose exchanges ends by the deadline."""
        self._channel.settimeout(max(0.01, deadline.left()))
        return self.sftp

    def command(self, argv: tuple[str, ...]) -> str:
        """A command line that the remote shell splits into exactly these words."""
        return shlex.join(("sudo", "-n", "--", *argv) if self._sudo else argv)

    def must_be_allowed(self, argv: tuple[str, ...], done: CommandResult, where: str) -> None:
        """Raise HostError `sudo` where sudo itself refused to run a command."""
        said = _refusal(done) if self._sudo else ""
        if said:
            command, user = shlex.join(argv), self.transport.get_username() or "the SSH user"
            cure = f"Allow it without a password in sudoers for {user} (NOPASSWD), by its full path: {command}"
            raise HostError("sudo", f"sudo -n would not run `{command}`: {said}", where=where, cure=cure)

    def close(self) -> None:
        """Close from outside, which also frees whatever waits on it."""
        self.transport.close()


class Connector:
    """Makes sessions."""

    def __init__(self, settings: SshSettings) -> None:
        self._settings = settings

    def connect(self, address: str, port: int, deadline: Deadline) -> Session:
        """A new session. Raises HostError `unreachable`, `host_key`, `authentication`, `sudo`, `sftp`, `timeout`."""
        with self._keys() as keys:
            return self._session(address, port, keys, deadline)

    def _session(self, address: str, port: int, keys: tuple[PKey, ...], deadline: Deadline) -> Session:
        where = f"{address}:{port}"
        known = KnownHosts(self._settings.known_hosts_file)
        transport = self._open(address, port, where, deadline)
        try:
            self._negotiate(transport, known, (address, port), deadline)
            self._authenticate(transport, keys, where)
            channel = self._sftp_channel(transport, where, deadline)
            sftp = _sftp(channel, where, sudo=self._settings.sudo)
        except BaseException:
            transport.close()
            raise
        transport.set_keepalive(self._settings.keepalive)
        return Session(transport, sftp, channel, sudo=self._settings.sudo)

    def _open(self, address: str, port: int, where: str, deadline: Deadline) -> Transport:
        timeout = max(0.01, deadline.at_most(self._settings.connect_timeout).left())
        try:
            connected = socket.create_connection((address, port), timeout)
            transport = _Transport(connected)
        except (OSError, paramiko.SSHException) as error:
            cure = "Check address and port, the firewall, and whether sshd runs"
            raise HostError("unreachable", f"ssh connect failed: {error}", where=where, cure=cure) from error
        transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = timeout
        return transport

    def _negotiate(self, transport: Transport, known: KnownHosts, peer: tuple[str, int], deadline: Deadline) -> None:
        options = transport.get_security_options()
        wanted = [name for name in known.algorithms(*peer) if name in options.key_types]
        if wanted:
            options.key_types = wanted
        try:
            transport.start_client(timeout=max(0.01, deadline.at_most(self._settings.connect_timeout).left()))
        except (paramiko.SSHException, OSError, EOFError) as error:
            where = f"{peer[0]}:{peer[1]}"
            raise HostError("unreachable", f"the SSH handshake failed: {_text(error)}", where=where) from error
        if not transport.initial_kex_done:  # paramiko tells of no timeout here
            text, cure = (
                "it accepts connections and does not answer",
                "Check whether the host hangs, or what listens there",
            )
            raise HostError("timeout", text, where=f"{peer[0]}:{peer[1]}", cure=cure)
        known.check(*peer, transport.get_remote_server_key())

    @contextmanager
    def _keys(self) -> Iterator[tuple[PKey, ...]]:
        """The key that was configured, else those of the agent, which signs while this is open."""
        if self._settings.key_file is not None:
            yield (self._key(self._settings.key_file),)
            return
        agent = paramiko.Agent()
        try:
            yield tuple(agent.get_keys())
        finally:
            agent.close()

    def _key(self, path: str) -> PKey:
        try:
            passphrase = _secret(self._settings.passphrase_file)
            return PKey.from_path(Path(path).expanduser(), passphrase)  # type: ignore[arg-type]  # it wants bytes
        except (OSError, ValueError, TypeError, paramiko.SSHException) as error:
            text = f"the SSH key cannot be used: {_text(error)}"
            files = (path, self._settings.passphrase_file)
            lacking = next((advice for file in files if file and (advice := where_else(file))), "")
            cure = "Check transport.key_file and transport.passphrase_file, and that syncd may read them"
            raise HostError("authentication", text, where=path, cure=f"{cure}. {lacking}".removesuffix(". ")) from error

    def _authenticate(self, transport: Transport, keys: tuple[PKey, ...], where: str) -> None:
        error: Exception | None = None
        for key in keys:
            try:
                if not transport.auth_publickey(self._settings.user, key):
                    return
            except (paramiko.SSHException, OSError, EOFError) as refused:
                error = refused
        text = f"the host refused user {self._settings.user}"
        text += f": {_text(error)}" if error else " (no key was offered)"
        cure = f"Put the public key into authorized_keys of {self._settings.user} on the host"
        raise HostError("authentication", text, where=where, cure=cure) from error

    def _sftp_channel(self, transport: Transport, where: str, deadline: Deadline) -> Channel:
        try:
            channel = transport.open_session(timeout=max(0.01, deadline.left()))
            channel.settimeout(max(0.01, deadline.left()))
            if self._settings.sudo:
                channel.exec_command(self._sudo_sftp())
            else:
                channel.invoke_subsystem("sftp")
        except (paramiko.SSHException, OSError, EOFError) as error:
            cure = "The server needs its SFTP subsystem (sshd_config: Subsystem sftp internal-sftp)"
            raise HostError("sftp", f"no SFTP channel: {_text(error)}", where=where, cure=cure) from error
        return channel

    def _sudo_sftp(self) -> str:
        paths = (self._settings.sftp_server,) if self._settings.sftp_server else _SFTP_SERVERS
        tries = " ".join(shlex.quote(path) for path in paths)
        none = f'echo "no sftp-server in: {tries}" >&2; exit 127'
        return f'for s in {tries}; do [ -x "$s" ] && exec sudo -n "$s"; done; {none}'


def _sftp(channel: Channel, where: str, *, sudo: bool) -> Sftp:
    try:
        return Sftp(channel)
    except TimeoutError as error:
        text, cure = "its SFTP server does not answer", "Check whether the host hangs or has too much to do"
        raise HostError("timeout", text, where=where, cure=cure) from error
    except (paramiko.SSHException, OSError, EOFError) as error:
        rule, what = ("sudo", "sudo -n would not start the SFTP server") if sudo else ("sftp", "SFTP did not start")
        text = f"{what}: {_said(channel) or _text(error)}"
        raise HostError(rule, text, where=where, cure=_CURES[rule]) from error


def _said(channel: Channel) -> str:
    """What the other side printed instead of speaking SFTP."""
    with suppress(OSError, EOFError):
        channel.settimeout(1)
        return channel.recv_stderr(500).decode(errors="replace").strip()
    return ""


def _refusal(done: CommandResult) -> str:
    """What sudo said when it ran nothing (it ends with 1 then); empty: it ran the command, or there is no such command."""
    lines = [line.strip() for line in done.stderr.decode(errors="replace").splitlines()]
    said = next(filter(None, lines), "")
    refused = done.exit_code == 1 and not done.stdout and (said.startswith("sudo: ") or _SUDOERS.match(said))
    return said[:200] if refused and not said.endswith("command not found") else ""


def _secret(path: str | None) -> bytes | None:
    return Path(path).expanduser().read_bytes().strip() if path else None


def _text(error: Exception | None) -> str:
    return str(error) or type(error).__name__
