"""Hosts to copy to: OpenSSH servers on loopback addresses, each with a key and a folder of its own."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.bed.sshd import Sshd, make_key


@dataclass(frozen=True)
class Hosts:
    """Some running hosts and what a client needs to know of them."""

    folder: Path
    key: Path
    servers: dict[str, Sshd]

    @classmethod
    def start(cls, folder: Path, count: int, stack: ExitStack) -> "Hosts":
        """Start so many; they end with the stack."""
        key, public = make_key(folder)
        servers = {}
        for number in range(1, count + 1):
            name = f"es-{number:03}"
            servers[name] = Sshd(
                folder / name / "sshd", f"127.0.{2 + number // 250}.{1 + number % 250}", public
            ).start()
            stack.callback(servers[name].stop)
            (folder / name / "config").mkdir()
        (folder / "known_hosts").write_text("".join(server.known_host for server in servers.values()))
        return cls(folder, key, servers)

    def file(self, name: str) -> Path:
        """Where a host keeps its trust file."""
        return self.folder / name / "config" / "remote-cluster-ca.crt"
