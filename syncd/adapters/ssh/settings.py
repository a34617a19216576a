"""How hosts are reached over SSH."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SshSettings:
    """The same for all hosts of a cluster."""

    user: str
    known_hosts_file: str
    key_file: str | None = None
    """None: the keys of the SSH agent."""
    passphrase_file: str | None = None
    sudo: bool = False
    """Start the SFTP server and commands under `sudo -n`."""
    sftp_server: str | None = None
    """Path of the SFTP server for sudo; None: looked for where distributions put it."""
    connect_timeout: float = 10.0
    """Seconds for each of: TCP connect, key exchange, authentication."""
    keepalive: int = 30
    """Seconds between keepalives of a warm session."""
    warm: int = 100
    """Most sessions kept open; the others connect on demand."""
