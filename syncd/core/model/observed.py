"""All that was seen, brought together: each node, each remote, the cluster."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal

from syncd.core.bundle import Cert, Fingerprint, Published
from syncd.core.model.eck import EckResource, MirrorState
from syncd.core.model.remembered import EckWrite, Memory, Reloaded
from syncd.core.model.restarts import Allocation, Restarted, RestartRecord, Shards
from syncd.core.model.seen import (
    Absent,
    Alias,
    Context,
    FileState,
    Known,
    Link,
    NodeName,
    Ownership,
    Presented,
    Process,
    ProofState,
    Seen,
    Sighting,
    Unknown,
)
from syncd.core.model.site import KeystoreState, OwnTrust, Shown, Site, UnitState, YmlState

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ClusterState:
    """The self-managed cluster as a whole."""

    uuid: str
    name: str
    health: Literal["green", "yellow", "red", "unknown"]
    master: str | None
    nodes: Mapping[NodeName, frozenset[str]]
    """Roles by node name, as `GET _nodes` shows: includes nodes that the configuration lacks."""
    license: str
    owner: str | None
    """`cluster.metadata.syncd.owner`."""
    proof: frozenset[NodeName] | None = None
    """`cluster.metadata.syncd.proof`: nodes that a proof by handshake left something on; None: there is no record."""
    proof_alias: str | None = None
    """The TLS name of the alias for proofs, empty where it has none; None: there is no such alias."""
    allocation: Allocation = Allocation()  # noqa: RUF009 - it is frozen
    """As it is in force."""
    shards: Shards = Shards()  # noqa: RUF009 - it is frozen
    restart: RestartRecord | None = None
    """The open restart, `cluster.metadata.syncd.restart`."""
    restart_damaged: str = ""
    """Not empty: there is a record of a restart that cannot be read, and why."""
    restarted: Mapping[NodeName, Restarted] = field(default_factory=dict)
    """How earlier restarts ended, `cluster.metadata.syncd.restarted`."""
    processes: Mapping[NodeName, int] = field(default_factory=dict)
    """`jvm.start_time_in_millis` of the members that tell it. One that has just ended is a member for a moment still."""
    sole_copies: Mapping[NodeName, tuple[str, ...]] | None = None
    """Indices by node of which it holds the only started copy of a shard; None: not asked."""


@dataclass(frozen=True, slots=True)
class NodeSeen:
    """One managed node: its file through the transport, its process through REST, its links by handshake."""

    name: NodeName
    file: Seen[FileState]
    """The managed file of the trust context in view: see `Observed.within`."""
    owner: Seen[Ownership]
    """What the managed file's owner and mode should be (as elasticsearch.yml has them, unless configured)."""
    process: Seen[Process]
    trust_paths: Seen[frozenset[str]]
    """The PEM files that the running configuration names (`GET _ssl/certificates` of this very node)."""
    links: Mapping[Alias, Link]
    handshakes: Mapping[Alias, Seen[Presented]]
    """What the remote presented to a handshake from this node's host."""
    keys: Mapping[Alias, Seen[str]] = field(default_factory=dict)
    """The id of the API key that this node's process uses, as the remote names it."""
    files: Mapping[Context, Seen[FileState]] = field(default_factory=dict)
    """The managed file of each trust context."""
    own: tuple[Cert, ...] = ()
    """What the context in view trusts besides, as far as it is known: in the transport context, the cluster's own CAs."""
    site: Seen[Site] = Unknown("not_asked", "the node's installation has not been looked at yet", _NEVER)  # noqa: RUF009

    def may_use(self, context: Context) -> bool:
        """Whether its process meets remotes in a trust context, as far as is known: one that cannot be asked may."""
        return not isinstance(self.process, Known) or self.process.value.uses(context)

    @property
    def unit(self) -> Seen[UnitState]:
        """Its service, as far as the installation was looked at."""
        return self.site.value.unit if isinstance(self.site, Known) else self.site

    @property
    def yml(self) -> Seen[YmlState]:
        """Its elasticsearch.yml, as far as the installation was looked at."""
        return self.site.value.yml if isinstance(self.site, Known) else self.site

    @property
    def keystore(self) -> Seen[KeystoreState]:
        """Its keystore, as far as the installation was looked at."""
        return self.site.value.keystore if isinstance(self.site, Known) else self.site

    @property
    def trust(self) -> Seen[OwnTrust]:
        """By which CAs it trusts its own peers, as far as the installation was looked at."""
        return self.site.value.trust if isinstance(self.site, Known) else self.site

    @property
    def shown(self) -> Seen[Shown]:
        """What its transport port showed, as far as the installation was looked at."""
        return self.site.value.shown if isinstance(self.site, Known) else self.site


@dataclass(frozen=True, slots=True)
class RemoteSeen:
    """One remote: what it publishes and what it presents."""

    context: Context
    """The trust context that dials it."""
    published: Seen[Published]
    extra: Seen[tuple[Cert, ...]]
    """Certificates of `extra_ca_files`."""
    presented: tuple[Presented, ...]
    """The latest sighting of each distinct leaf."""
    endpoints: Seen[int]
    """How many distinct leaves there should be: `status.availableNodes` of the resource, or configured."""
    credential: Seen[str] = Unknown("not_asked", "it has not been read yet", _NEVER)  # noqa: RUF009
    """The id of the API key in the operator's file; empty: it does not tell."""
    mirror: Seen[MirrorState] = Unknown("not_asked", "the mirror has not been read yet", _NEVER)  # noqa: RUF009
    """Certificate model: the ConfigMap that ECK reads."""
    resource: Seen[EckResource] = Unknown("not_asked", "the resource has not been read yet", _NEVER)  # noqa: RUF009
    """Certificate model: the Elasticsearch resource."""
    publishes: bool = True
    """False: `source: {kind: none}`, publicly trusted; then nothing is published and nothing is missing."""
    shown: tuple[Shown, ...] = ()
    """Certificate model: the latest handshake with each distinct leaf on port 9300, with the names that it accepts."""


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything that a pass knows when it decides."""

    nodes: Mapping[NodeName, NodeSeen]
    remotes: Mapping[Alias, RemoteSeen]
    cluster: Seen[ClusterState]
    memory: Seen[Memory]
    sightings: tuple[Sighting, ...] = ()
    """What the prover has seen since the daemon started."""
    strangers: Mapping[tuple[Context, Alias], Seen[Presented]] = field(default_factory=dict)
    """What the remotes of other aliases present, which are dialed with the same trust."""
    proof: ProofState = ProofState()  # noqa: RUF009 - it is frozen
    claimed: datetime | None = None
    """When this process last wrote its name to the cluster: what was seen before does not tell of it yet."""
    standby: str = ""
    """Not empty: somebody else holds the permit, and who."""
    barred: str = ""
    """Not empty: the permit cannot be had by anybody, and why."""
    reloaded: datetime | None = None
    """When this process last let the nodes read their keystores again."""
    reloads: tuple[Reloaded, ...] = ()
    """What the nodes have read of their keystores since this process runs: it may not be remembered yet."""
    told: frozenset[tuple[NodeName, int]] = frozenset()
    """The processes, by their start, that this process told to read their keystores the last time."""
    acted: datetime | None = None
    """When this process last took a step of a restart or a keystore: what was seen before does not tell of it yet."""
    editing: bool = False
    """Whether edits of keystores that this process began go on beside its passes."""
    recalled: Memory | None = None
    """What this process last read or saved of its memory, without open requests; None: nothing yet."""
    unsaved: tuple[EckWrite, ...] = ()
    """What this process wrote on ECK's side and could not save in its memory yet."""
    save_failed: str = ""
    """Not empty: the memory could not be saved when that was last tried, and why."""
    damage: str = ""
    """Not empty: what was stored of the memory cannot be read as one, and is written anew."""

    @property
    def remembered(self) -> Memory:
        """The past as far as it is known: while it cannot be read, as it last was."""
        match self.memory:
            case Known(value=memory):
                return memory
            case Unknown():
                return self.recalled or Memory()
            case Absent():
                return Memory()

    @property
    def open_restart(self) -> RestartRecord | None:
        """The record of the restart that is open; None: there is none, or it cannot be asked for."""
        return self.cluster.value.restart if isinstance(self.cluster, Known) else None

    @property
    def blind(self) -> bool:
        """Whether nothing is known of the past: whatever a person forbade is not known either."""
        return isinstance(self.memory, Unknown) and self.recalled is None

    @property
    def edited(self) -> datetime | None:
        """When this process last edited a keystore, also for a proof by handshake, or took a step of a restart."""
        return max((at for at in (self.acted, self.proof.changed) if at), default=None)

    @property
    def certs(self) -> dict[Fingerprint, Cert]:
        """Every certificate in any managed file, of the context in view, that could be read."""
        files = [node.file.value for node in self.nodes.values() if isinstance(node.file, Known)]
        return {cert.fingerprint: cert for file in files for cert in file.trust.certs}

    @property
    def certs_of_all_contexts(self) -> dict[Fingerprint, Cert]:
        """Every certificate in any managed file that could be read."""
        return {mark: cert for context in Context for mark, cert in self.within(context).certs.items()}

    def within(self, context: Context) -> "Observed":
        """The same with one trust context in view."""
        return replace(
            self,
            nodes={name: _within(node, context) for name, node in self.nodes.items()},
            remotes={alias: remote for alias, remote in self.remotes.items() if remote.context == context},
            strangers={key: seen for key, seen in self.strangers.items() if key[0] == context},
        )


def _within(node: NodeSeen, context: Context) -> NodeSeen:
    unseen = Unknown("not_looked", "it has not been looked at", _NEVER)
    own = node.trust.value.certs if context is Context.TRANSPORT and isinstance(node.trust, Known) else ()
    return replace(node, file=node.files.get(context, unseen), own=own)


def is_from_before(at: datetime, step: datetime | None, now: datetime) -> bool:
    """Whether what was seen at a moment does not tell of the last step that this very process took; None: it took none.

    Where that step is yet to come, the clock was set back since: by it, whatever is yet to come is from before, too.
    """
    if step is None:
        return False
    return at <= step if step <= now else at > now
