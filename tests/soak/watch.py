"""Threads that look all the while: at files, at what the remote presents, at fresh connections, at who may write."""

import os
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from syncd.core.bundle import Cert, parse_cert, read_trust_file
from syncd.core.errors import BundleError
from tests.bed.elasticsearch import EsRefusedError
from tests.bed.small import SmallNode
from tests.soak.world import Member, World

_BOTH_SECONDS = 8.0
"""For so long two daemons may say at once that they hold: a page tells of the last pass, and there is one each 5 s."""


@contextmanager
def watching(world: World) -> Iterator[None]:
    """Look with all of them until the block ends."""
    presented = Presented(world)
    sampler, fresh, small = Sampler(world, presented), Fresh(world), SmallFresh(world)
    looks = [
        (presented.look, 0.5),
        (sampler.look, 0.01),
        (fresh.look, 1.0),
        (small.look, 1.5),
        (Writers(world).look, 0.5),
    ]
    done = threading.Event()
    with ExitStack() as stack:
        for look, every in looks:
            thread = threading.Thread(target=_go_on, args=(world, look, every, done))
            thread.start()
            stack.callback(thread.join)
        stack.callback(done.set)
        yield


def _go_on(world: World, look: Callable[[], None], every: float, done: threading.Event) -> None:
    while not done.wait(every):
        try:
            look()
        except Exception as error:  # noqa: BLE001 - a watch that ends silently would let all pass
            if not done.is_set():
                world.ledger.violation(f"a watch itself failed: {error!r}")


class Presented:
    """Which key the remote's leaf needs, by handshakes of our own."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.key_id: str | None = None

    def look(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        port = self._world.site.pair.remote.remote_cluster_port()
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as plain:
            with context.wrap_socket(plain) as secured:
                der = secured.getpeercert(binary_form=True)
            if der:
                self.key_id = parse_cert(der).aki


class Sampler:
    """Each file is whole at every moment, holds what the remote's leaf needs, and keeps what is not syncd's."""

    def __init__(self, world: World, presented: Presented) -> None:
        self._world = world
        self._presented = presented
        self._seen: dict[str, bytes] = {}
        self._certs: dict[str, set[Cert]] = {}
        self._told: set[str] = set()

    def look(self) -> None:
        for member in self._world.members:
            if member.name in self._world.tampered:
                self._seen.pop(member.name, None)
                self._certs.pop(member.name, None)
            else:
                self._sample(member)

    def _sample(self, member: Member) -> None:
        try:
            content = _whole(member.trust)
            if content != self._seen.get(member.name):
                certs = set(read_trust_file(content).certs)
                self._judge(member, certs)
                self._seen[member.name], self._certs[member.name] = content, certs
        except (BundleError, OSError) as error:
            self._tell(member, f"the file of {member.name} is not whole: {error}")

    def _judge(self, member: Member, certs: set[Cert]) -> None:
        if lost := self._world.foreign[member.name] - certs:
            self._tell(member, f"{member.name} lost what is not syncd's: {[cert.short for cert in lost]}")
        needed, before = self._presented.key_id, self._certs.get(member.name, set())
        if any(cert.ski == needed for cert in before) and not any(cert.ski == needed for cert in certs):
            self._tell(member, f"{member.name} lost the CA that the remote's leaf of this moment needs")

    def _tell(self, member: Member, text: str) -> None:
        if member.name not in self._world.tampered and text not in self._told:
            self._told.add(text)
            self._world.ledger.violation(text)


def _whole(path: Path) -> bytes:
    """The content, from a regular file only: a FIFO or a link would lead elsewhere."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


class Twice:
    """Fresh connections that fail two looks in a row: sockets that close just then fail once; broken trust stays."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._failed: dict[str, float] = {}

    def judge(self, name: str, began: float, error: str) -> None:
        if not error or self._world.excuses.covers(name, began):
            self._failed.pop(name, None)
            self._world.ledger.connections[name] += not error
        elif name in self._failed:
            self._world.ledger.violation(f"a fresh connection of {name} failed: {error[:300]}")
        else:
            self._failed[name] = began


class Fresh:
    """Fresh connections of the real nodes."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._twice = Twice(world)
        self._round = 0

    def look(self) -> None:
        if any(self._world.excuses.covers(name) for name in self._world.real):
            return  # half of a cluster of two has no master
        self._round += 1
        began, failed = time.monotonic(), dict.fromkeys(self._world.real, "")
        try:
            failed |= dict(text.split(": ", 1) for text in self._world.site.pair.ends.once(self._round))
        except OSError:
            return  # REST itself does not answer: the machine is busy, and nothing is known of the connection
        except EsRefusedError as error:
            failed = dict.fromkeys(self._world.real, repr(error))
        for name, error_text in failed.items():
            self._twice.judge(name, began, error_text)


class SmallFresh:
    """Fresh handshakes that the small nodes make and count by themselves."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._twice = Twice(world)
        self._before: dict[str, int] = {}

    def look(self) -> None:
        for member in self._world.members:
            if member.small:
                with suppress(OSError):  # the machine is busy: the counts are read the next time
                    self._read(member.name, member.small)

    def _read(self, name: str, node: SmallNode) -> None:
        began, counts = time.monotonic() - 2, node.handshakes()
        new = counts["failed"] - self._before.get(name, counts["failed"])
        self._before[name] = counts["failed"]
        error = counts["last_error"] if new else ""
        self._twice.judge(name, began, "" if "timed out" in error else error)


class Writers:
    """Of two daemons never both believe that they may write, longer than a page may be old."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._since: dict[str, float] = {}

    def look(self) -> None:
        daemons = self._world.daemons()
        held = [name for site in daemons for name in holders(site.page("/metrics"))] if len(daemons) > 1 else []
        for cluster in set(held) | set(self._since):
            if held.count(cluster) < 2:
                self._since.pop(cluster, None)
            elif time.monotonic() - self._since.setdefault(cluster, time.monotonic()) > _BOTH_SECONDS:
                self._world.ledger.violation(f"two daemons say that they hold the permit of {cluster}")
                self._since.pop(cluster)


def holders(page: str) -> list[str]:
    """Clusters whose permit this daemon says to hold."""
    return re.findall(r'^syncd_permit_held\{cluster="([^"]+)"\} 1\.0$', page, re.MULTILINE)
