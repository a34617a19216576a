"""Hosts to copy to: OpenSSH servers on loopback addresses, each with a key of its own; nodes have a folder each."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.bed.sshd import Sshd, make_key

MOST_SERVERS = 50
"""More nodes than this share them, twenty nodes to a server for a thousand."""


@dataclass(frozen=True)
class Hosts:
    """Some running hosts and what a client needs to know of them."""

    folder: Path
    key: Path
    servers: dict[str, Sshd]
    """The server of each node, by the node's name."""

    @classmethod
    def start(cls, folder: Path, count: int, stack: ExitStack) -> "Hosts":
        """Servers for so many nodes; they end with the stack."""
        key, public = make_key(folder)
        started = []
        for number in range(1, min(count, MOST_SERVERS) + 1):
            started.append(Sshd(folder / f"sshd-{number}", f"127.0.2.{number}", public).start())
            stack.callback(started[-1].stop)
        names = [f"es-{number:04}" for number in range(1, count + 1)]
        hosts = cls(folder, key, {name: started[place % len(started)] for place, name in enumerate(names)})
        for name in names:
            hosts.file(name).parent.mkdir(parents=True)
        (folder / "known_hosts").write_text("".join(server.known_host for server in started))
        return hosts

    def file(self, name: str) -> Path:
        """Where a node keeps its trust file."""
        return self.folder / name / "config" / "remote-cluster-ca.crt"
