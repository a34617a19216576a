"""Ports in memory, for speed and for faults. Each passes the contract tests of the port that it stands for."""

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal

from syncd.adapters.tls import TlsHandshakes
from syncd.core.bundle import Cert
from syncd.core.errors import ClusterError, HostError, SourceError, StateConflict, StateError
from syncd.core.java.trust import verifies
from syncd.core.model import Alias, ClusterState, Known, Link, NodeName, Presented, Process, Shown
from syncd.core.proof.handshake import SERVER_NAME
from syncd.ports import Deadline, Marker, NodeAnswer, NoticeKind, Reading, Ring, Stored, Stream, now
from tests.fakes.knife import Knife, KnifeHost
from tests.fakes.restarts import MemoryRestarts

PROOF_ALIAS = Alias("syncd-proof")


class NoStream:
    """A stream over which only the in-memory handshakes speak."""

    def send(self, data: bytes, deadline: Deadline) -> None:
        raise HostError("io", "nothing is connected")

    def receive(self, limit: int, deadline: Deadline) -> bytes:
        return b""

    def close(self) -> None:
        """Nothing is held."""


@dataclass
class TrustingStream(NoStream):
    """A connection of a process that has loaded these markers."""

    markers: tuple[Cert, ...]


@dataclass
class MemoryFleet:
    """Hosts by node name."""

    hosts: dict[NodeName, KnifeHost]

    def host(self, name: NodeName) -> KnifeHost:
        return self.hosts[name]

    def close(self) -> None:
        """Nothing is held."""


@dataclass
class MemorySource:
    """What is published."""

    content: bytes | None = b""
    count: int | None = 1
    name: str = "secret memory"
    uid: str = "first"
    error: SourceError | None = None

    def read(self, deadline: Deadline) -> Reading:
        if self.error:
            raise self.error
        if self.content is None:
            raise SourceError("source_not_found", "there is no such secret", where=self.name)
        return Reading(self.content, sha256(self.content).hexdigest(), self.uid)

    def endpoints(self, deadline: Deadline) -> int:
        if self.count is None:
            raise SourceError("endpoints_not_told", "nobody knows", where=self.name)
        return self.count


@dataclass
class MemoryStore:
    """syncd's memory, in memory."""

    knife: Knife = field(default_factory=Knife)
    text: str | None = None
    version: int = 0
    name: str = "state memory"
    down: str = ""
    """Not empty: it cannot be read, and the rule that says why."""

    def load(self, deadline: Deadline) -> Stored:
        if self.down:
            raise StateError(self.down, "it does not answer", where=self.name)
        return Stored(self.text, str(self.version) if self.text is not None else None)

    def save(self, text: str, expect: str | None, deadline: Deadline) -> str:
        if expect != self.load(deadline).version:
            raise StateConflict("state_conflict", "somebody else wrote first", where=self.name)
        with self.knife.change():
            self.text = text
            self.version += 1
        return str(self.version)


@dataclass
class MemoryPermit:
    """The right to change, given or not."""

    held: bool = True
    owner: str = "test/owner"
    wrong: str = ""

    def start(self, ring: Ring) -> None:
        ring("permit")

    def valid(self) -> bool:
        return self.held

    def holder(self) -> str:
        return "" if self.held or self.wrong else "somebody else"

    def trouble(self) -> str:
        return self.wrong

    def stop(self) -> None:
        self.held = False


@dataclass
class MemoryElasticsearch(MemoryRestarts):
    """Nodes that load their trust file when told to tick, and dial the remote with what they have loaded."""

    hosts: dict[NodeName, KnifeHost]
    path: str
    loaded: dict[NodeName, tuple[Cert, ...]] = field(default_factory=dict)
    presented: Callable[[], tuple[Cert, ...]] = tuple
    alias: Alias = Alias("eck-prod")
    license: str = "trial"
    extra_nodes: tuple[str, ...] = ()
    down: set[NodeName] = field(default_factory=set)
    paths: frozenset[str] | None = None
    started: int = 500_000
    markers: dict[NodeName, tuple[Cert, ...]] = field(default_factory=dict)
    """The markers that each node has loaded."""
    credentials: dict[NodeName, frozenset[str]] = field(default_factory=dict)
    """The secure settings that each node has loaded."""
    unread: dict[NodeName, str] = field(default_factory=dict)
    """Why a node does not read its keystore again."""
    record: frozenset[NodeName] | None = None
    proof_address: str | None = None
    proof_name: str | None = None
    keys: dict[NodeName, str] = field(default_factory=dict)
    roles: frozenset[str] = frozenset({"data", "remote_cluster_client"})
    other_roles: dict[NodeName, frozenset[str]] = field(default_factory=dict)
    """Of nodes that have others."""
    health: Literal["green", "yellow", "red"] = "green"
    refuses: str = ""
    """Not empty: the rule with which the cluster answers nothing."""
    starts: dict[NodeName, int] = field(default_factory=dict)
    """When a node's process started, where that is not `started`."""
    reload_interval: str | None = None
    reloads: bool = True
    keystore_password: bytes | None = None

    def cluster(self, deadline: Deadline) -> ClusterState:
        if self.refuses:
            raise ClusterError(self.refuses, "it does not answer")
        names = [*self.hosts, *map(NodeName, self.extra_nodes)]
        nodes = {name: self.other_roles.get(name, self.roles) for name in names}
        return ClusterState(
            "uuid", "onprem", self.health, names[0], nodes, self.license, self.keeper, self.record, self.proof_name,
            self.allocation, self.shards, self.restart, self.restart_damaged, dict(self.restarted),
            {name: self.starts.get(name, self.started) for name in names},
        )  # fmt: skip

    def node(self, name: NodeName, deadline: Deadline) -> NodeAnswer:
        if name in self.down:
            raise ClusterError("es_unreachable", "connection refused", where=name)
        started = self.starts.get(name, self.started)
        process = Process(
            name,
            "8.19.21",
            self.other_roles.get(name, self.roles),
            started,
            "/var/log/elasticsearch",
            "onprem",
            "127.0.0.1:9300",
            self.reload_interval,
            self.reloads,
        )
        paths = self.paths if self.paths is not None else frozenset({self.path})
        link = Link(self.alias, self.up(name), 18 if self.up(name) else 0, "eck.example:9443", None, True)
        return NodeAnswer(process, Known(paths, now()), (link,) if process.dials else ())

    def up(self, name: NodeName) -> bool:
        chain = self.presented()
        return bool(chain) and verifies(chain, self.loaded.get(name, ()), now()).ok

    def reconnect(self, name: NodeName, alias: Alias, deadline: Deadline) -> bool:
        if alias == PROOF_ALIAS:
            self.call_home(name)
            return False
        return self.up(name)

    def call_home(self, name: NodeName) -> None:
        """The node dials the alias of proofs, with the trust that it has loaded."""
        setting = f"cluster.remote.{PROOF_ALIAS}.credentials"
        if self.proof_address and setting in self.credentials.get(name, ()):
            accept = self.hosts[name].listeners.get(int(self.proof_address.rpartition(":")[2]))
            if accept:
                accept(TrustingStream(self.markers.get(name, ())))

    def note_proof(self, nodes: frozenset[NodeName], deadline: Deadline) -> None:
        with self.knife.change():
            self.record = nodes or None

    def point_proof(self, address: str | None, deadline: Deadline) -> None:
        foreign = self.proof_name not in (None, SERVER_NAME)
        if foreign and address:
            raise ClusterError("es_alias_taken", "it is not ours")
        if not foreign and (self.proof_address, address) != (None, None):
            with self.knife.change():
                self.proof_address, self.proof_name = address, SERVER_NAME if address else None

    def reload_secure_settings(self, deadline: Deadline, password: bytes | None = None) -> dict[NodeName, str]:
        if password != self.keystore_password:
            return dict.fromkeys(self.hosts, "Provided keystore password was incorrect")
        said = {name: self.unread.get(name, "") for name in self.hosts}
        self.credentials |= {name: frozenset(self.hosts[name].secrets) for name, text in said.items() if not text}
        return said

    def key_in_use(self, name: NodeName, alias: Alias, deadline: Deadline) -> str | None:
        return self.keys.get(name)

    def claim(self, owner: str, expect: str | None, deadline: Deadline) -> None:
        if self.keeper not in (expect, owner):
            raise ClusterError("es_owner", f"{self.keeper} keeps it")
        with self.knife.change():
            self.keeper = owner

    def close(self) -> None:
        """Nothing is held."""


@dataclass
class MemoryHandshakes:
    """What the remote presents."""

    chain: Callable[[], tuple[Cert, ...]]
    accepted: Callable[[], tuple[str, ...]] = tuple
    """Subjects that the port accepts."""

    def presented(self, stream: Stream, server_name: str | None, deadline: Deadline) -> tuple[Cert, ...]:
        chain = self.chain()
        if not chain:
            raise HostError("tls", "the peer presented nothing")
        return chain

    def accepted_names(self, stream: Stream, deadline: Deadline) -> tuple[str, ...]:
        return self.accepted()

    def shown(self, stream: Stream, address: str, deadline: Deadline) -> Shown:
        presented = Presented(self.presented(stream, None, deadline), address, now())
        return Shown(presented, frozenset(self.accepted_names(stream, deadline)))

    def mint(self, subject: str, server_name: str) -> Marker:
        return TlsHandshakes().mint(subject, server_name)

    def answer(self, stream: Stream, marker: Marker, deadline: Deadline) -> bool:
        return isinstance(stream, TrustingStream) and marker.cert in stream.markers


@dataclass
class MemoryNotices:
    """What was told."""

    told: list[tuple[str, str, str]] = field(default_factory=list)

    def tell(self, kind: NoticeKind, reason: str, text: str) -> None:
        self.told.append((kind, reason, text))

    def stop(self) -> None:
        """Nothing waits."""
