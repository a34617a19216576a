"""A whole small world in memory: three nodes, one remote, and an ECK that rotates."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from syncd.core.bundle import Cert, read_trust_file
from syncd.core.errors import BundleError
from syncd.core.model import (
    Alias,
    Context,
    NodeName,
    NodePolicy,
    Ownership,
    Policy,
    RemotePolicy,
    Report,
    Sighting,
)
from syncd.demo.pki import EckCa, Leaf, new_key
from syncd.engine.crew import Crew
from syncd.engine.handshake_proofs import HandshakeProofs
from syncd.engine.hosts.service import Service
from syncd.engine.hosts.tools import Toolbox
from syncd.engine.looking.prove import Prover
from syncd.engine.reconcile import Reconciler
from syncd.engine.remember import Past
from syncd.engine.world import Endpoint, OwnerRule, Pace, World
from syncd.ports import Deadline, now
from tests.bed.waiting import soon
from tests.fakes.knife import Knife, KnifeHost
from tests.fakes.memory import (
    MemoryElasticsearch,
    MemoryFleet,
    MemoryHandshakes,
    MemoryNotices,
    MemoryPermit,
    MemorySource,
    MemoryStore,
    NoStream,
)

ALIAS = Alias("eck-prod")
FILE = "/etc/elasticsearch/remote-cluster-ca.crt"
TRANSPORT_FILE = "/etc/elasticsearch/remote-transport-ca.crt"
SERVICE = Service(restart=("true",), status=("true",))
PATHS = {Context.REMOTE_CLUSTER_CLIENT: FILE, Context.TRANSPORT: TRANSPORT_FILE}
YML = "/etc/elasticsearch/elasticsearch.yml"
YML_TEXT = (
    f"cluster.name: onprem\nxpack.security.remote_cluster_client.ssl.certificate_authorities: [{FILE}]\n".encode()
)
LOG = "/var/log/elasticsearch/onprem.log"
OWNER = Ownership(os.getuid(), os.getgid(), 0o660)
NAMES = tuple(NodeName(f"es-0{number}") for number in (1, 2, 3))


@cache
def _key(_: str) -> RSAPrivateKey:
    """The same for every bench: to make one takes as long as several passes, and which it is is nobody's matter."""
    return new_key()


@dataclass
class Bench:
    """The world and the hands to turn it."""

    folder: Path
    ca: EckCa = field(default_factory=lambda: EckCa.create(now(), key=_key("ca")))
    overlap: timedelta = timedelta(milliseconds=150)
    knife: Knife = field(default_factory=Knife)
    extras: dict[Alias, tuple[MemorySource, ...]] = field(default_factory=dict)
    """`extra_ca_files` of each remote."""
    stuck: set[NodeName] = field(default_factory=set)
    """Nodes whose log tells of a reload while the process goes on with its old trust."""
    keystore_password: Callable[[], bytes] | None = None
    """As syncd is told to read it."""
    secrets: Mapping[str, Callable[[], bytes]] = field(default_factory=dict)
    """What the keystores should hold."""

    def __post_init__(self) -> None:
        self.leaf: Leaf = self.ca.leaf(key=_key("leaf"))
        self.hosts = {name: KnifeHost(self.knife, self.folder / name, NoStream) for name in NAMES}
        for host in self.hosts.values():
            host.real(YML).parent.mkdir(parents=True)
            host.put(YML, YML_TEXT, OWNER, None, soon())
            host.put(Toolbox().keystore, b"secret", OWNER, None, soon())
            host.real(LOG).parent.mkdir(parents=True)
            host.real(LOG).write_text("started\n")
        self.source = MemorySource(self.ca.pem)
        self.store = MemoryStore(self.knife)
        self.permit = MemoryPermit()
        self.es = MemoryElasticsearch(self.hosts, FILE, knife=self.knife, presented=lambda: self.leaf.chain)
        self.notices = MemoryNotices()
        self.knife.changes = 0

    def remote(self, **fields: object) -> RemotePolicy:
        """The remote, as the configuration has it."""
        return RemotePolicy(ALIAS, **({"overlap": self.overlap} | fields))  # type: ignore[arg-type]  # named by the caller

    def world(self, **policy: object) -> World:
        """The ports as the engine gets them."""
        remote = self.remote()
        nodes = tuple(NodePolicy(name, FILE, PATHS) for name in NAMES)
        fields: dict[str, object] = {
            "cluster": "onprem",
            "nodes": nodes,
            "remotes": (remote,),
            "poll": timedelta(milliseconds=40),
            "probe": timedelta(0),
        }
        return World(
            policy=Policy(**(fields | policy)),  # type: ignore[arg-type]  # the caller names fields of Policy
            fleet=MemoryFleet(self.hosts),
            sources={ALIAS: self.source},
            extras=self.extras,
            elasticsearch=self.es,
            handshakes=MemoryHandshakes(lambda: self.leaf.chain),
            dial=lambda *_: NoStream(),
            state=self.store,
            permit=self.permit,
            notices={ALIAS: self.notices},
            owners=dict.fromkeys(NAMES, OwnerRule(YML)),
            endpoints={ALIAS: Endpoint("eck.example:9443")},
            tools=dict.fromkeys(NAMES, Toolbox(password=self.keystore_password)),
            services=dict.fromkeys(NAMES, SERVICE),
            secrets=self.secrets,
            pace=Pace(look=5, act=5, call=5),
        )

    def tick(self) -> None:
        """Every node polls its trust file, as Elasticsearch does, and tells its log."""
        for name, host in self.hosts.items():
            try:
                certs = self.on(name)
            except BundleError:
                continue  # a process keeps its old trust
            markers = self._markers(name)
            if certs and (certs, markers) != (self.es.loaded.get(name), self.es.markers.get(name, ())):
                if name not in self.stuck:
                    self.es.loaded[name], self.es.markers[name] = certs, markers
                with host.real(LOG).open("a") as log:
                    log.write(f"updated 1 ssl contexts in 6ms for prefix names [x] using file [{FILE}]\n")

    def on(self, name: NodeName) -> tuple[Cert, ...]:
        """The certificates in a node's file."""
        real = self.hosts[name].real(FILE)
        return read_trust_file(real.read_bytes()).certs if real.exists() else ()

    def _markers(self, name: NodeName) -> tuple[Cert, ...]:
        real = self.hosts[name].real(FILE)
        return read_trust_file(real.read_bytes()).markers if real.exists() else ()

    def publish(self, ca: EckCa) -> None:
        """ECK publishes another CA; the remote's leaf follows by `follow`."""
        self.ca = ca
        self.source.content = ca.pem

    def follow(self) -> None:
        """The remote serves a leaf of the published CA."""
        self.leaf = self.ca.leaf(key=_key("leaf"))


def proven_on_nodes(report: Report) -> Mapping[NodeName, Sighting | None]:
    """What is proven of the files for remotes of the API-key model."""
    return report.plan.trust[Context.REMOTE_CLUSTER_CLIENT].proven


class Syncd:
    """One life of the daemon: the same engine, driven by hand."""

    def __init__(self, bench: Bench, past: Past | None = None, **policy: object) -> None:
        self.bench = bench
        world = bench.world(**policy)
        self.crew = Crew("test", 8, lambda _: None)
        self.proving = Crew("prove", 8, lambda _: None)
        self.proofs = HandshakeProofs(world, lambda _: None)
        self.reconciler = Reconciler(world, self.crew, self.proofs, past or Past())
        self.prover = Prover(world, self.proving, self.proofs, lambda _: None)
        self.report: Report | None = None

    def turn(self, passes: int = 1, rang: tuple[str, ...] = ("test",)) -> Report:
        """The nodes poll, the prover looks, a pass is made."""
        for _ in range(passes):
            self.bench.tick()
            report = self.reconciler.run(self.prover.sweep(), rang, now())
            self.prover.tell(report)
            self.report = report
        return report

    def turn_until(self, wanted: Callable[[], bool]) -> None:
        """Passes until the world is as wanted; fails after a minute."""
        deadline = Deadline.after(60)
        while not wanted():
            assert deadline.left(), self.report and self.report.plan.holds
            self.turn()

    def end(self) -> None:
        self.proofs.stop()
        self.crew.close()
        self.proving.close()
