"""A small pure world of Elasticsearch nodes under systemd, with a hand that carries out steps and may be cut at any effect.

Its nodes behave as real ones were seen to: a restarted unit is deactivating, then activating under a new InvocationID; a
node that refuses its settings fails after a while; a node that has started joins a little later.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from syncd.core.bundle import Digest, TrustFile, content_digest
from syncd.core.model import (
    Absent,
    Allocation,
    BeginRestart,
    ClusterState,
    Context,
    EndRestart,
    FileState,
    FreeAllocation,
    Hold,
    Known,
    Memory,
    Need,
    NodeName,
    NodePolicy,
    NodeSeen,
    NoteFault,
    Observed,
    Ownership,
    Policy,
    Process,
    PutYml,
    Restarted,
    RestartNode,
    RestartPolicy,
    RestartRecord,
    RollBack,
    Shards,
    Site,
    Step,
    SweepCopies,
    UnitState,
    Unknown,
    YmlState,
)
from syncd.core.restarts.rolling import restart_steps
from syncd.demo.pki import EckCa

START = datetime(2026, 11, 24, 12, tzinfo=UTC)
TICK = timedelta(seconds=5)
NAMES = tuple(NodeName(f"es-0{number}") for number in (1, 2, 3))
PATH = "/etc/elasticsearch/remote-transport-ca.crt"
YML = "/etc/elasticsearch/elasticsearch.yml"
OLD = b"cluster.name: onprem\n"
NEW = OLD + b"the.wanted: line\n"
CHANGE = "wanted-settings"
OWNER = "test/owner"
OWNED = Ownership(0, 0, 0o660)
CERT = EckCa.create(START).cert
FILE = Known(FileState(Digest("f"), TrustFile((CERT,)), OWNED, 1), START)
ROLES = frozenset({"master", "data", "remote_cluster_client"})
SETTING = "cluster.routing.allocation.enable"


class Cut(Exception):
    """The daemon was killed."""


class Refused(Exception):
    """A step failed."""


@dataclass
class Node:
    """One node and its unit."""

    name: NodeName
    yml: bytes = OLD
    copy: bytes | None = None
    ours: bytes | None = None
    """What an edit of ours made, as it is noted beside it."""
    refused: bytes | None = None
    active: str = "active"
    invocation: int = 1
    ran: bytes = OLD
    """The settings that the process was started with."""
    begun: datetime = START - timedelta(days=1)
    member: bool = True
    starts: int = 0
    refuses: Callable[[bytes], bool] = lambda _: False
    joins: Callable[[bytes], bool] = lambda _: True
    overridden: bool = False
    full: int = 0
    """So many writes fail."""
    answers: bool = True
    """Its own address; after a start it answers a little later than it has joined."""
    again: bool = False
    """systemd starts it again when it fails (Restart=on-failure)."""

    def restart(self) -> None:
        self.active = "deactivating" if self.active == "active" else "starting"

    def tick(self, now: datetime) -> None:
        match self.active:
            case "deactivating" | "starting":
                self.active, self.member, self.begun = "activating", False, now
                self.invocation, self.ran, self.starts = self.invocation + 1, self.yml, self.starts + 1
                self.answers = False
            case "activating" if self.refuses(self.ran) and self.again:
                self.invocation, self.ran, self.begun = self.invocation + 1, self.yml, now
            case "activating":
                self.active = "failed" if self.refuses(self.ran) else "active"
            case "active":
                self.answers, self.member = self.member, self.member or self.joins(self.ran)


@dataclass
class RestartWorld:
    """The cluster, the clock, and the daemon's only memory: when it last acted."""

    size: int = 3
    persistent: dict[str, str] = field(default_factory=dict)
    transient: dict[str, str] = field(default_factory=dict)
    record: RestartRecord | None = None
    restarted: dict[NodeName, Restarted] = field(default_factory=dict)
    master: NodeName = NAMES[0]
    now: datetime = START
    acted: datetime | None = None
    cut_at: tuple[int, ...] = ()
    """Numbers of effects at which the daemon is killed: 2n before the nth one, 2n + 1 after it."""
    effects: int = 0
    steps: list[Step] = field(default_factory=list)
    """All that were carried out whole."""
    holds: list[Hold] = field(default_factory=list)
    """Of the latest pass."""
    wanted: bytes = NEW
    mark: bytes = b"wanted"
    """What settings have that say so."""
    change: str = CHANGE
    asked: datetime | None = None
    gone: set[NodeName] = field(default_factory=set)
    """Nodes that were taken out of the configuration."""
    restart_policy: RestartPolicy = RestartPolicy("rolling")
    counted: bool = True
    """Whether the services count their starts, as systemd's InvocationID does."""
    terse: bool = False
    """Whether they tell no more than that they run, or not: as `systemctl is-active` does by its exit code."""
    requested: bool = False
    """A person asked for all nodes to be restarted, and nothing is to be changed."""
    blind: set[NodeName] = field(default_factory=set)
    """Nodes that do not tell what they run with."""
    unreachable: set[NodeName] = field(default_factory=set)
    """Nodes whose hosts cannot be looked at."""

    missing: int = 0
    """Replicas that are not there, though all nodes are."""

    def __post_init__(self) -> None:
        self.nodes = {name: Node(name) for name in NAMES[: self.size]}

    @property
    def managed(self) -> dict[NodeName, Node]:
        """The nodes that the configuration has."""
        return {name: node for name, node in self.nodes.items() if name not in self.gone}

    @property
    def policy(self) -> Policy:
        nodes = tuple(NodePolicy(name, PATH, {Context.TRANSPORT: PATH}) for name in self.managed)
        return Policy("onprem", nodes, (), OWNER, restart=self.restart_policy)

    @property
    def allocation(self) -> Allocation:
        if SETTING in self.transient:
            return Allocation(self.transient[SETTING], "transient")
        return Allocation(self.persistent[SETTING], "persistent") if SETTING in self.persistent else Allocation()

    # --- the passage of time

    def run(self, passes: int = 60) -> "RestartWorld":
        """Pass after pass until there is nothing to do or passes are over; a daemon that was killed is started again."""
        idle = 0
        for _ in range(passes):
            idle = 0 if self.once() or self.record else idle + 1
            if idle > 5:
                break
        return self

    def once(self) -> bool:
        """One pass and a tick; whether it did anything."""
        steps, self.holds = restart_steps(self.policy, self.look(), self.needs(), self.now)
        try:
            for step in steps:
                self.acted = self.now
                self.carry_out(step)
                self.steps.append(step)
        except Cut:
            self.acted = None
        except Refused:
            pass
        self.tick()
        return bool(steps)

    def tick(self, span: timedelta = TICK) -> None:
        self.now += span
        for node in self.nodes.values():
            node.tick(self.now)
        down = [node.name for node in self.nodes.values() if not node.member]
        assert len(down) <= 1, f"never two nodes down: {down}"
        assert not down or not self.record or self._is_away_for_long() or self.allocation.value != "all", (
            "a node is away: no shard is moved"
        )
        if self.master in down and len(down) < self.size:
            self.master = next(name for name in self.nodes if name not in down)

    def _is_away_for_long(self) -> bool:
        if self.record is None:
            return False
        return self.now - (self.record.noted or self.record.at) >= 2 * self.restart_policy.join_timeout

    # --- what is seen

    def look(self) -> Observed:
        nodes = {name: self._seen(node) for name, node in self.managed.items()}
        return Observed(nodes, {}, self._cluster(), Known(Memory(), self.now), acted=self.acted)

    def _cluster(self) -> Known[ClusterState] | Unknown:
        members = {name: ROLES for name, node in self.nodes.items() if node.member}
        if not members:
            return Unknown("es_unreachable", "connection refused", self.now)
        away = self.size - len(members)
        state = ClusterState(
            "uuid", "onprem", "yellow" if away or self.missing else "green", self.master, members, "trial", OWNER,
            allocation=self.allocation, shards=Shards(unassigned=away + self.missing), restart=self.record,
            restarted=dict(self.restarted), sole_copies={},
            processes={name: self._started(self.nodes[name]) for name in members},
        )  # fmt: skip
        return Known(state, self.now)

    def _seen(self, node: Node) -> NodeSeen:
        active = "activating" if node.active == "starting" else node.active
        active = "inactive" if self.terse and active != "active" else active
        age = (self.now - node.begun).total_seconds()
        copy = content_digest(node.copy) if node.copy is not None else None
        invocation, begun = (self._invocation(node), age) if self.counted else ("", None)
        unit = UnitState(active, invocation, begun)  # type: ignore[arg-type]  # one of its states
        ours = content_digest(node.ours) if node.ours is not None else None
        yml = YmlState(content_digest(node.yml), node.yml.decode(), OWNED, copy, ours)
        unseen = Absent(self.now)
        process = Process(node.name, "8.19.21", ROLES, self._started(node), "/var/log", "onprem")
        return NodeSeen(
            name=node.name,
            file=FILE,
            owner=Known(OWNED, self.now),
            process=Known(process, self.now)
            if self._answers(node)
            else Unknown("es_unreachable", "connection refused", self.now),
            trust_paths=Known(frozenset({PATH} if self.names(node) else ()), self.now)
            if self._tells(node)
            else Unknown("es_unreachable", "connection refused", self.now),
            links={},
            handshakes={},
            files={Context.TRANSPORT: FILE},
            site=Known(Site(Known(yml, self.now), Known(unit, self.now), unseen, unseen, unseen), self.now)
            if node.name not in self.unreachable
            else Unknown("unreachable", "ssh timed out", START),
        )

    def _answers(self, node: Node) -> bool:
        return node.active in {"active", "deactivating"} and node.answers

    def _tells(self, node: Node) -> bool:
        """Whether what it runs with is seen."""
        return self._answers(node) and node.name not in self.blind

    def _invocation(self, node: Node) -> str:
        return f"invocation-{node.invocation}" if self.counted else ""

    def _started(self, node: Node) -> int:
        return 1_000 * node.invocation

    def names(self, node: Node) -> bool:
        """Whether the process names the managed file."""
        return self.mark in node.ran and not node.overridden

    def needs(self) -> dict[NodeName, Need]:
        """Of the nodes that tell what they run with, as `settings.needs`: nothing is derived from the others."""
        if self.requested:
            return {name: Need(name, "a request", "request 1", asked=START) for name in self.managed}
        found = {}
        for name, node in self.managed.items():
            if not self._tells(node) or self.names(node):
                continue
            edit = None
            if self.mark not in node.yml:
                expect = content_digest(node.yml)
                content = node.yml + self.wanted.removeprefix(OLD)
                edit = PutYml(name, YML, content, OWNED, expect, ("the.wanted: line",), "trust for eck-prod")
            found[name] = Need(name, "trust", self.change, edit, (), frozenset({PATH}), asked=self.asked)
        return found

    # --- what is done

    def effect(self, happen: Callable[[], None]) -> None:
        """One thing that changes at once or not at all."""
        number, self.effects = self.effects, self.effects + 1
        if 2 * number in self.cut_at:
            raise Cut
        happen()
        if 2 * number + 1 in self.cut_at:
            raise Cut

    def carry_out(self, step: Step) -> None:
        match step:
            case BeginRestart(record=record):
                refuse(self.record not in {None, record} or self.allocation != record.allocation)
                self.effect(lambda: self._begin(record))
            case FreeAllocation(record=record):
                refuse(self.record != record)
                self.effect(lambda: self._free(record))
            case NoteFault(record=record):
                refuse(self.record is None or bare(self.record) != bare(record))
                self.effect(lambda: self._note(record))
            case EndRestart(record=record, outcome=outcome):
                refuse(self.record not in {None, record})
                self.effect(lambda: self._end(record, outcome))
            case PutYml(node=name):
                self._put(self.nodes[name], step)
            case RestartNode(node=name, invocation=invocation):
                refuse(invocation != self._invocation(self.nodes[name]))
                self.effect(self.nodes[name].restart)
            case RollBack(node=name):
                self._roll_back(self.nodes[name], step)
            case SweepCopies(node=name):
                self.effect(lambda: setattr(self.nodes[name], "copy", None))
            case _:
                raise AssertionError(step)

    def _begin(self, record: RestartRecord) -> None:
        self.record = record
        self._place(record)[SETTING] = "primaries"

    def _place(self, record: RestartRecord) -> dict[str, str]:
        return self.transient if record.allocation.scope == "transient" else self.persistent

    def _free(self, record: RestartRecord) -> None:
        place = self._place(record)
        if place.get(SETTING) == "primaries":
            place.pop(SETTING)
            if record.allocation.scope != "unset":
                place[SETTING] = record.allocation.value

    def _note(self, record: RestartRecord) -> None:
        self.record = record
        if self.allocation == record.allocation:
            self._place(record)[SETTING] = "primaries"

    def _end(self, record: RestartRecord, outcome: Restarted) -> None:
        self._free(record)
        self.record = None
        self.restarted[record.node] = outcome

    def _put(self, node: Node, step: PutYml) -> None:
        assert self.record is not None, "settings are written inside a restart record only"
        assert self.record.node == node.name
        refuse(content_digest(node.yml) != step.expect)
        if node.full:
            node.full -= 1
            raise Refused
        refuse(node.copy not in {None, node.yml})
        if node.copy is None:
            before, node.ours = node.yml, step.content
            self.effect(lambda: setattr(node, "copy", before))
        self.effect(lambda: setattr(node, "yml", step.content))

    def _roll_back(self, node: Node, step: RollBack) -> None:
        refuse(step.invocation != self._invocation(node))
        if step.expect is not None:
            refuse(content_digest(node.yml) != step.expect)
            if node.copy is not None:
                taken, before = node.yml, node.copy
                self.effect(lambda: setattr(node, "refused", taken))
                self.effect(lambda: setattr(node, "yml", before))
        if step.start:
            self.effect(node.restart)


def refuse(wrong: bool) -> None:
    """A step finds something else than it expects."""
    if wrong:
        raise Refused


def bare(record: RestartRecord) -> RestartRecord:
    """A record without what `NoteFault` writes into it."""
    return replace(record, fault="", refused="", noted=None, refused_process=None)
