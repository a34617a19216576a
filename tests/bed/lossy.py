"""A host behind a link that loses packets and is slow: a network namespace, two TUN devices, and a pump between them.

Not netem: many kernels (those of small virtual machines most of all) come without its queueing discipline, while
/dev/net/tun is there. The packets are real ones, so TCP's own retransmissions and back-off are what is tested.
"""

import fcntl
import os
import random
import select
import struct
import subprocess
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Thread
from time import monotonic

from tests.bed.namespaces import ip

_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_MTU = 1500


@dataclass
class LossyLink:
    """One host, at `address`; what is started with `within` runs on it. Loss and delay may change while it runs."""

    loss: float = 0.1
    """Share of packets that are dropped, in each direction."""
    delay: float = 0.1
    """Seconds that a packet takes, in each direction."""
    seed: int = 1
    dropped: int = 0
    passed: int = 0
    _ends: list[int] = field(default_factory=list)
    _thread: Thread | None = None

    def start(self) -> "LossyLink":
        """Make the namespace and both devices, and begin to pump."""
        self._random = random.Random(self.seed)  # noqa: S311 - the same losses in each run
        self._wake, self._stop = os.pipe()
        ip("netns", "add", self._name)
        for end, where in (("h", ()), ("n", ("-n", self._name))):
            self._ends.append(_tun(f"{self._device}{end}"))
            if where:
                ip("link", "set", f"{self._device}{end}", "netns", self._name)
            address = self.address if where else f"{self._net}.254"
            ip(*where, "addr", "add", f"{address}/24", "dev", f"{self._device}{end}")
            ip(*where, "link", "set", f"{self._device}{end}", "up")
        ip("-n", self._name, "link", "set", "lo", "up")
        self._thread = Thread(target=self._pump, name=f"link {self._name}")
        self._thread.start()
        return self

    def stop(self) -> None:
        """Remove all; what ran within must have ended."""
        if self._thread:
            os.close(self._stop)
            self._thread.join()
            os.close(self._wake)
        for end in self._ends:
            os.close(end)  # the device goes with it
        subprocess.run(["ip", "netns", "del", self._name], check=False)

    @property
    def address(self) -> str:
        """Of the host."""
        return f"{self._net}.1"

    @property
    def within(self) -> tuple[str, ...]:
        """The command that starts others on the host."""
        return ("ip", "netns", "exec", self._name)

    def _pump(self) -> None:
        """Carry packets from each end to the other, each when its time has come."""
        waiting: deque[tuple[float, int, bytes]] = deque()
        while True:
            left = max(0.0, waiting[0][0] - monotonic()) if waiting else None
            ready = select.select([*self._ends, self._wake], [], [], left)[0]
            if self._wake in ready:
                return
            for end in ready:
                self._take(end, waiting)
            while waiting and waiting[0][0] <= monotonic():
                _, end, packet = waiting.popleft()
                with suppress(OSError):  # a device that is not up yet
                    os.write(end, packet)

    def _take(self, end: int, waiting: deque[tuple[float, int, bytes]]) -> None:
        packet = os.read(end, _MTU)
        if self._random.random() < self.loss:
            self.dropped += 1
            return
        self.passed += 1
        there = self._ends[1] if end == self._ends[0] else self._ends[0]
        waiting.append((monotonic() + self.delay, there, packet))

    @property
    def _name(self) -> str:
        return f"syncd-lossy-{os.getpid()}"

    @property
    def _device(self) -> str:
        return f"sl{os.getpid() % 1_000_000}"

    @property
    def _net(self) -> str:
        return f"10.214.{os.getpid() % 250}"


def _tun(name: str) -> int:
    """A device that hands each packet to whoever reads its descriptor."""
    end = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    fcntl.ioctl(end, _TUNSETIFF, struct.pack("16sH", name.encode(), _IFF_TUN | _IFF_NO_PI))
    return end
