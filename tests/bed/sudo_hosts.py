"""Hosts as administrators give them to a daemon: a login without privileges, and sudo without a password.

All are one systemd world; each has an OpenSSH server of its own, on a loopback address of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from syncd.adapters.ssh import SshFleet, SshSettings
from syncd.core.model import NodeName
from tests.bed import paths
from tests.bed.sshd import Sshd, make_key
from tests.bed.systemd import SystemdWorld

LOGIN = "syncd"
ANYTHING = f"{LOGIN} ALL=(ALL) NOPASSWD: ALL\n"
"""A sudoers file that allows everything."""
PORT = 2222
_UNIT = f"""\
[Service]
Type=notify
ExecStart={paths.SSHD} -D -e -f %I/sshd_config
"""


@dataclass
class SudoHosts:
    """The hosts at `addresses`. `folder` must be one that others may enter, and is among the shares of the world."""

    world: SystemdWorld
    folder: Path
    addresses: Sequence[str]
    sudoers: str = ANYTHING
    servers: list[Sshd] = field(default_factory=list)
    settings: SshSettings = field(init=False)
    """How to log in, with a known_hosts file that knows all of them."""

    def start(self) -> "SudoHosts":
        """Make the account and its sudoers rule, and start the servers as units of the world."""
        world, known_hosts = self.world, self.folder / "known_hosts"
        world.run("useradd", "--system", "--create-home", "--shell", "/bin/sh", "--password", "*", LOGIN)
        world.write(f"/etc/sudoers.d/{LOGIN}", self.sudoers, 0o440)
        world.write("/etc/systemd/system/bed-sshd@.service", _UNIT)
        world.run("mkdir", "-p", "/run/sshd")
        key, public = make_key(self.folder / "key")
        self.servers = [
            Sshd(self.folder / f"sshd-{address}", address, public, PORT, str(paths.SFTP_SERVER))
            for address in self.addresses
        ]
        known_hosts.write_text("".join(server.known_host for server in self.servers))
        configs = [server.configure().parent for server in self.servers]
        units = [world.run("systemd-escape", "--template=bed-sshd@.service", str(path)).strip() for path in configs]
        world.systemctl("start", *units)
        self.settings = SshSettings(LOGIN, str(known_hosts), str(key), sudo=True)
        return self

    def fleet(self, *, sudo: bool = True) -> SshFleet:
        """The hosts by their addresses, reached as syncd does; to be closed."""
        addresses = {NodeName(address): (address, PORT) for address in self.addresses}
        return SshFleet(replace(self.settings, sudo=sudo), addresses)
