"""What the operator wants."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Literal

from syncd.core.bundle import Fingerprint
from syncd.core.model.seen import Alias, Context, NodeName, credential_setting
from syncd.core.windows import Window


@dataclass(frozen=True, slots=True)
class MirrorPolicy:
    """The ConfigMap in which a remote's ECK finds the self-managed CAs."""

    namespace: str
    name: str = "remote-certs"
    key: str = "ca.crt"


@dataclass(frozen=True, slots=True)
class EckPolicy:
    """The Elasticsearch resource of a remote, of either security model."""

    namespace: str
    resource: str
    """Its name."""
    apply: bool = False
    """The operator consents to syncd applying two fields of it."""


@dataclass(frozen=True, slots=True)
class RemotePolicy:
    """What the operator said about one remote."""

    alias: Alias
    model: Literal["api_key", "certificate"] = "api_key"
    overlap: timedelta = timedelta(hours=24)
    accept: Literal["any", "same_key", "pinned", "approved"] = "any"
    pins: frozenset[Fingerprint] = frozenset()
    publishes: bool = True
    """False for `source: {kind: none}`: a publicly trusted remote, or extra CAs alone."""
    credential: bool = False
    """Whether the operator gave a file with the API key that belongs into the nodes' keystores."""
    mirror: MirrorPolicy | None = None
    """Certificate model with a Secret as source."""
    eck: EckPolicy | None = None
    """Either model with a Secret as source: the resource that should name the mirror, or serve port 9443."""

    @property
    def context(self) -> Context:
        """The trust context that dials it."""
        return Context.TRANSPORT if self.model == "certificate" else Context.REMOTE_CLUSTER_CLIENT

    @property
    def secure_setting(self) -> str:
        """The keystore entry of its API key."""
        return credential_setting(self.alias)


@dataclass(frozen=True, slots=True)
class NodePolicy:
    """What the operator said about one node."""

    name: NodeName
    path: str
    """Absolute path of the managed file of the context in view: see `Policy.within`."""
    paths: dict[Context, str] = field(default_factory=dict, hash=False)
    """Absolute path of the managed file of each trust context."""
    config_dir: str = "/etc/elasticsearch"
    unit: str = "elasticsearch.service"
    """Its service, as restarts name it."""

    @property
    def yml(self) -> str:
        """Path of its settings."""
        return f"{self.config_dir}/elasticsearch.yml"


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """When nodes may be restarted."""

    policy: Literal["never", "rolling"] = "never"
    """never: only when a person asks with `syncd restart`."""
    windows: tuple[Window, ...] = ()
    """Restarts begin only within one of them; none: at any time."""
    join_timeout: timedelta = timedelta(minutes=15)
    """How long a started node may take to be a member again."""
    accept_outage: bool = False
    """The operator accepts that an index without replicas, or a cluster of one or two masters, is away meanwhile."""


_LATELY = timedelta(hours=1)
"""What was presented longer ago says nothing of who answers now."""
_LOOKS = 3


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator said about one cluster."""

    cluster: str
    nodes: tuple[NodePolicy, ...]
    remotes: tuple[RemotePolicy, ...]
    owner: str = ""
    """Our own name in `cluster.metadata.syncd.owner`; empty while it is not known."""
    observe: bool = False
    proof: Literal["auto", "handshake", "log", "file"] = "auto"
    proof_alias: Alias = Alias("syncd-proof")  # noqa: RUF009 - a string
    """The remote alias that exists while a proof by handshake is made."""
    poll: timedelta = timedelta(seconds=5)
    """Elasticsearch's `resource.reload.interval.high`."""
    probe: timedelta = timedelta(seconds=60)
    """How often the remotes are looked at."""
    yml: Literal["managed", "observed"] = "managed"
    """observed: a needed edit of elasticsearch.yml is a hold with the text to add."""
    reload_interval: str | None = None
    """`resource.reload.interval.high` that the nodes should run with; None: it is left alone."""
    restart: RestartPolicy = RestartPolicy()

    @property
    def pairs(self) -> frozenset[tuple[Alias, Context]]:
        """Each remote with the trust context that dials it: one alias may go from one to the other."""
        return frozenset((remote.alias, remote.context) for remote in self.remotes)

    def lately(self, remote: RemotePolicy) -> timedelta:
        """For how long a handshake with a remote says who answers there: a leaf not presented since is no longer in use.

        The overlap, an hour at most; longer only where the remote would else have been looked at fewer than three times.
        """
        return max(min(remote.overlap, _LATELY), _LOOKS * self.probe)

    def unmanaged(self, members: Iterable[NodeName]) -> list[NodeName]:
        """The members of the cluster that syncd was not told of, by name."""
        return sorted(set(members) - {node.name for node in self.nodes})

    def node(self, name: NodeName) -> NodePolicy:
        """The policy of a node that is known to be in it."""
        return next(node for node in self.nodes if node.name == name)

    def within(self, context: Context) -> "Policy":
        """The same with one trust context in view: its remotes, its files."""
        nodes = tuple(replace(node, path=node.paths.get(context, node.path)) for node in self.nodes)
        return replace(self, nodes=nodes, remotes=tuple(r for r in self.remotes if r.context == context))
