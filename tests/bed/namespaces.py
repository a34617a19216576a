"""Hosts with a loopback of their own: network namespaces on a bridge that this process made."""

import os
import subprocess
from dataclasses import dataclass, field

_NET = "10.213.77"


@dataclass
class Namespaces:
    """So many hosts, `10.213.77.1` and on; this machine reaches them from `10.213.77.254`."""

    count: int
    names: list[str] = field(default_factory=list)

    def start(self) -> "Namespaces":
        """Make them."""
        ip("link", "add", self._bridge, "type", "bridge")
        ip("addr", "add", f"{_NET}.254/24", "dev", self._bridge)
        ip("link", "set", self._bridge, "up")
        for number in range(1, self.count + 1):
            self._add(number)
        return self

    def stop(self) -> None:
        """Remove them; what ran within must have ended."""
        for name in self.names:
            subprocess.run(["ip", "netns", "del", name], check=False)
        subprocess.run(["ip", "link", "del", self._bridge], check=False)

    def address(self, number: int) -> str:
        """Of a host, from 1."""
        return f"{_NET}.{number}"

    def within(self, number: int) -> tuple[str, ...]:
        """The command that starts others on a host."""
        return ("ip", "netns", "exec", self.names[number - 1])

    def _add(self, number: int) -> None:
        name, here, there = f"syncd-{os.getpid()}-{number}", f"sy{os.getpid() % 100_000}h{number}", f"sy{number}"
        ip("netns", "add", name)
        self.names.append(name)
        ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", name)
        ip("link", "set", here, "master", self._bridge, "up")
        ip("-n", name, "addr", "add", f"{self.address(number)}/24", "dev", there)
        ip("-n", name, "link", "set", there, "up")
        ip("-n", name, "link", "set", "lo", "up")

    @property
    def _bridge(self) -> str:
        return f"sy{os.getpid() % 100_000}b"


def ip(*argv: str) -> None:
    """Run `ip`; raises RuntimeError with what it said."""
    done = subprocess.run(["ip", *argv], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"ip {' '.join(argv)}: {done.stderr.strip()}")
