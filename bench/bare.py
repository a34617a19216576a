"""The floor: what a put promises, by paramiko alone, over sessions that stay open. No daemon, no plan, no proof.

Fourteen requests to a host: a new file is opened, given its mode, written, fsynced and closed (5); the target is compared
with what was expected (lstat, open, read, close: 4); rename (1); what was written is read back (4).
"""

import secrets
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

from paramiko import Ed25519Key, HostKeys, SFTPClient, Transport
from paramiko.sftp import CMD_EXTENDED

from bench.hosts import Hosts

PARALLEL = 64
"""As many at once as the daemon speaks to by default."""


class Bare:
    """A session for each node."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts
        self._key = Ed25519Key.from_private_key_file(str(hosts.key))
        self._known = HostKeys(str(hosts.folder / "known_hosts"))
        self._warm: dict[str, tuple[Transport, SFTPClient]] = {}

    def everywhere(self, content: bytes) -> None:
        """Put a content on all nodes; who is not connected is connected first."""
        with ThreadPoolExecutor(min(PARALLEL, len(self._hosts.servers))) as pool:
            list(pool.map(self._put, self._hosts.servers, [content] * len(self._hosts.servers)))

    def close(self) -> None:
        """Close all sessions."""
        for transport, _ in self._warm.values():
            transport.close()
        self._warm.clear()

    def _sftp(self, name: str) -> SFTPClient:
        if name not in self._warm:
            server = self._hosts.servers[name]
            transport = Transport((server.address, server.port))
            known = self._known[f"[{server.address}]:{server.port}"]["ssh-ed25519"]
            transport.connect(known, "root", pkey=self._key)
            sftp = SFTPClient.from_transport(transport)
            if sftp is None:
                raise RuntimeError(f"no SFTP on {name}")
            self._warm[name] = transport, sftp
        return self._warm[name][1]

    def _put(self, name: str, content: bytes) -> None:
        sftp, path = self._sftp(name), self._hosts.file(name)
        expected = sha256(path.read_bytes()).digest() if path.exists() else None
        temp = f"{path.parent}/.bare-{secrets.token_hex(8)}"
        with sftp.open(temp, "wx") as file:
            file.chmod(0o640)
            file.write(content)
            sftp._request(CMD_EXTENDED, b"fsync@openssh.com", file.handle)  # type: ignore[attr-defined]  # noqa: SLF001 - there is no public way
        if _digest(sftp, path) != expected:
            raise RuntimeError(f"{path} changed underneath")
        sftp.posix_rename(temp, str(path))
        if _digest(sftp, path) != sha256(content).digest():
            raise RuntimeError(f"{path} is not what was written")


def _digest(sftp: SFTPClient, path: Path) -> bytes | None:
    try:
        size = sftp.lstat(str(path)).st_size or 0
        with sftp.open(str(path), "rb") as file:
            return sha256(file.read(size)).digest()
    except FileNotFoundError:
        return None
