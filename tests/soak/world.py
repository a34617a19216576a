"""The world that the faults are made in, and the words to speak of it."""

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from syncd.core.bundle import Cert, read_trust_file
from syncd.demo.pki import EckCa
from syncd.ports import now
from tests.bed.elasticsearch import EsNode
from tests.bed.kube import KubeApi
from tests.bed.link import FILE
from tests.bed.site import SOURCE, Site, run_site
from tests.bed.small import CLUSTER, SmallNode, cluster_entry, run_small
from tests.bed.sshd import Sshd, free_port
from tests.bed.waiting import wait_for
from tests.soak.ledger import Excuses, Ledger

SMALL_NODES = 8
OVERLAP = "15s"
WITHIN = 20.0
"""Seconds from publication until each reachable node has the CA: syncd needs one, a loaded machine more."""
_LOAD_SECONDS = 14.0
"""What no syncd can shorten: two polls of Elasticsearch, one to load the new CA and one to serve the new leaf."""


@dataclass(frozen=True)
class Member:
    """A host with its trust file."""

    name: str
    host: Sshd
    trust: Path
    log: Path
    es: EsNode | None
    """Of a real node."""
    small: SmallNode | None

    def read(self) -> set[Cert]:
        return set(read_trust_file(self.trust.read_bytes()).certs)

    def write(self, content: bytes) -> None:
        """As a careful person does: whole, with owner and mode as before."""
        temp = self.trust.with_name(".by-somebody")
        temp.write_bytes(content)
        like = self.trust if self.trust.exists() else self.trust.with_name("elasticsearch.yml")
        shutil.copymode(like, temp)
        os.chown(temp, like.stat().st_uid, like.stat().st_gid)
        temp.rename(self.trust)


@dataclass
class World:
    """All of it. `away`, `blind` and `tampered` say what the fault of the moment keeps syncd from."""

    site: Site
    members: tuple[Member, ...]
    random: Random
    ledger: Ledger
    published: EckCa
    excuses: Excuses = field(default_factory=Excuses)
    foreign: dict[str, set[Cert]] = field(default_factory=dict)
    away: set[str] = field(default_factory=set)
    blind: bool = False
    tampered: set[str] = field(default_factory=set)
    second: Site | None = None
    logs_cut: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(member.name for member in self.members)

    @property
    def real(self) -> tuple[str, ...]:
        return tuple(member.name for member in self.members if member.es)

    def any(self) -> Member:
        return self.random.choice(self.members)

    def linger(self, least: float, most: float) -> float:
        """The faults last for random times: here a time is the thing itself. Gives how long it was."""
        seconds = self.random.uniform(least, most)
        time.sleep(seconds)
        return seconds

    # --- ECK

    def publish(self, kind: str) -> None:
        """A new generation, with the same key (`renewal`) or a new one (`new key`)."""
        old = self.published
        self.published = old.renew(now()) if kind == "renewal" else old.rekey(now())
        self.site.publish(self.published.pem)
        self.ledger.note(f"  published {self.published.cert.short} ({kind})")

    def reached(self, wanted: set[str], timeout: float = WITHIN) -> None:
        """Each of these nodes has what is published, in time; else it is a violation."""
        ca = self.published.cert

        def missing() -> list[str]:
            return [m.name for m in self.members if m.name in wanted and ca not in m.read()]

        try:
            wait_for(lambda: not missing(), timeout, "the CA")
        except TimeoutError:
            self.ledger.violation(f"{ca.short} was not on {missing()} {timeout:g} s after it could be")

    def serve(self) -> None:
        """The remote gets a leaf of what is published; connections may fail while both sides load it."""
        self.excuses.excuse(self.names, _LOAD_SECONDS)
        self.site.pair.serve(self.published)
        self.ledger.note(f"  the remote serves a leaf of {self.published.cert.short}")

    # --- what a fault keeps from syncd

    @contextmanager
    def unreachable(self, *members: Member) -> Iterator[None]:
        names = {member.name for member in members}
        self.away |= names
        try:
            yield
        finally:
            self.away -= names

    @contextmanager
    def blinded(self) -> Iterator[None]:
        self.blind = True
        try:
            yield
        finally:
            self.blind = False

    @contextmanager
    def tampering(self, member: Member) -> Iterator[None]:
        """The fault itself spoils the file: nothing is concluded from it meanwhile."""
        self.tampered.add(member.name)
        try:
            yield
        finally:
            self.tampered.discard(member.name)

    # --- daemons

    def daemons(self) -> list[Site]:
        return [site for site in (self.site, self.second) if site and site.daemon]

    def another(self) -> Site:
        """A second daemon of the same installation, with telemetry of its own; not started."""
        port = free_port()
        config = self.site.config.with_name("second.yaml")
        config.write_text(self.site.config.read_text().replace(f'127.0.0.1:{self.site.port}"', f'127.0.0.1:{port}"'))
        return replace(self.site, config=config, port=port, daemon=None)


@contextmanager
def run_world(folder: Path, seed: int, ledger: Ledger) -> Iterator[World]:
    """Start everything, and end everything afterwards whatever happens."""
    with ExitStack() as stack:
        kube = KubeApi(folder / "kube")
        stack.callback(kube.stop)
        kube.start()
        site = stack.enter_context(run_site(folder, kube))
        ca, remote = site.pair.ca, site.pair.remote.remote_cluster_port()
        public = (folder / "id_ed25519.pub").read_text()
        small = stack.enter_context(run_small(folder, SMALL_NODES, public, ca.pem, remote))
        _configure(site, small, folder / "id_ed25519")
        members = (*_real(site), *(Member(n.name, n.host, n.trust, n.log, None, n) for n in small))
        world = World(site, members, Random(seed), ledger, ca)  # noqa: S311 - guards nothing
        world.foreign = {name: set() for name in world.names}
        stack.callback(_end_second, world)
        yield world


def _end_second(world: World) -> None:
    if world.second:
        world.second.kill()


def _real(site: Site) -> Iterator[Member]:
    for node, host in zip(site.pair.local, site.hosts, strict=True):
        yield Member(node.name, host, node.config / FILE, node.folder / "logs" / f"{node.cluster}.log", node, None)


def _configure(site: Site, small: list[SmallNode], key: Path) -> None:
    body = json.loads(site.config.read_text())
    state = {"kind": "configmap", "namespace": "syncd", "name": CLUSTER}
    body["clusters"][0]["remotes"][0]["trust"]["overlap"] = OVERLAP
    body["clusters"].append(cluster_entry(small, key, SOURCE, state))
    body["intervals"] = {"probe": "4s", "reread": "5s"}
    site.config.write_text(json.dumps(body))
    with (site.folder / "known_hosts").open("a") as known:
        known.write("".join(node.host.known_host for node in small))
