"""What the operator may say: one frozen model, every key described; `syncd config schema` prints it.

Secrets are always files, never values. A relative path of a secret is looked for in `$CREDENTIALS_DIRECTORY` first
(systemd's LoadCredential), then beside the configuration file.
"""

from datetime import timedelta
from posixpath import normpath
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from syncd.config.base import AbsolutePath, Mistake, Model, Name, Positive, checked_port, must_be_unique, text_like
from syncd.config.nodes import Elasticsearch, Layout, Local, Node, Ssh
from syncd.config.remotes import FileSource, NoSource, Remote, SecretSource
from syncd.config.restarts import Restart, Service

__all__ = ["Cluster", "Config", "FileSource", "Layout", "Local", "NoSource", "Remote", "SecretSource", "Ssh"]


class Kubernetes(Model):
    """The Kubernetes API."""

    kubeconfig: str | None = None
    """Path of a kubeconfig; null: the account of the pod, else the client's usual rules."""
    context: str | None = None
    """Context of the kubeconfig; null: its current one."""


class Handshake(Model):
    """The proof by handshake."""

    alias: Name = "syncd-proof"
    """The remote alias that exists for some seconds while a proof is made."""
    port: int = Field(default=9473, ge=1, le=65535)
    """Where the nodes connect to: a free port on the loopback of every node's host."""


class State(Model):
    """The memory of one cluster."""

    kind: Literal["configmap", "file"] = "file"
    """configmap: a ConfigMap and a Lease; file: a file and a lock beside it."""
    namespace: Name | None = None
    """Namespace of the ConfigMap."""
    name: Name | None = None
    """Name of ConfigMap and Lease; null: syncd-<cluster>."""
    path: AbsolutePath | None = None
    """Path of the file; null: /var/lib/syncd/<cluster>.json."""

    @model_validator(mode="after")
    def _complete(self) -> "State":
        if self.kind == "configmap" and (self.namespace is None or self.path is not None):
            raise ValueError("kind configmap takes a namespace and no path")
        if self.kind == "file" and (self.namespace or self.name):
            raise ValueError("kind file takes a path, neither namespace nor name")
        return self


_INTERVAL = r"^[1-9]\d*(ms|s|m)$"
_Interval = Annotated[str, Field(pattern=_INTERVAL), text_like(_INTERVAL, "a time with its unit, such as 1s,")]


class Cluster(Model):
    """One self-managed cluster."""

    name: Name
    """What syncd calls it."""
    mode: Literal["act", "observe"] = "act"
    """observe: everything is looked at, planned, measured and exported; nothing is changed."""
    elasticsearch: Elasticsearch
    """Its REST API."""
    layout: Layout = Layout()
    """Where things are on the nodes; a node says what differs there."""
    nodes: tuple[Node, ...] = Field(min_length=1)
    """Every node of the cluster."""
    transport: Annotated[Ssh | Local, Field(discriminator="kind")]
    """How files on the nodes are reached."""
    remotes: tuple[Remote, ...]
    """The ECK clusters that it connects to; [] once the last one has been left (syncd forget)."""
    yml: Literal["managed", "observed"] = "managed"
    """managed: what elasticsearch.yml lacks is put into it, in the same restart that makes it take effect; observed: it is
    only reported."""
    reload_interval: _Interval | None = None
    """resource.reload.interval.high that the nodes shall run with, such as 1s: new CAs are then loaded within a second."""
    restart: Restart = Restart()
    """Rolling restarts."""
    service: Service | None = None
    """For hosts without systemd, or a user who may not call it: how a node is restarted."""
    proof: Literal["auto", "handshake", "log", "file"] = "auto"
    """How a load is proven: by a connection of each node made for the purpose (docs/proofs.md says what it costs), by the
    node's log, or by its poll interval having passed; auto: log, else file."""
    handshake: Handshake = Handshake()
    """For proof: handshake."""
    poll: Positive = timedelta(seconds=5)
    """resource.reload.interval.high of the nodes."""
    state: State = State()
    """Where syncd remembers."""

    @field_validator("nodes")
    @classmethod
    def _layouts(cls, nodes: tuple[Node, ...], valid: ValidationInfo) -> tuple[Node, ...]:
        """Each node's layout is made whole here, so that two configurations that mean the same are equal."""
        shared = valid.data.get("layout")  # is not there if it has a mistake of its own
        return tuple(node.within(shared) for node in nodes) if shared else nodes

    @model_validator(mode="after")
    def _consistent(self) -> "Cluster":
        nodes = list(enumerate(self.nodes))
        must_be_unique("node name", ((("nodes", at, "name"), node.name) for at, node in nodes))
        must_be_unique("alias", ((("remotes", at, "alias"), remote.alias) for at, remote in enumerate(self.remotes)))
        if isinstance(self.transport, Ssh):
            for at, node in nodes:
                if not node.address:
                    raise Mistake(f"transport kind ssh needs an address for node {node.name}", "nodes", at)
        if self.proof == "handshake":
            must_be_unique("host (proof: handshake needs one for each node, as nodes on one host cannot be told apart)",
                    ((("nodes", at), node.address or "this machine") for at, node in nodes))  # fmt: skip
        files = ((("nodes", at), f"{n.address}:{n.port}:{self.layout_of(n).trust_file}") for at, n in nodes)
        must_be_unique("trust file", files)
        return self

    @model_validator(mode="after")
    def _own_alias(self) -> "Cluster":
        for at, remote in enumerate(self.remotes):
            if remote.alias == self.handshake.alias:
                text = f"{remote.alias} is made and taken away by the proof by handshake: change it, or handshake.alias"
                raise Mistake(text, "remotes", at, "alias")
        return self

    @property
    def state_path(self) -> str:
        """Where syncd remembers, with state kind file."""
        return self.state.path or f"/var/lib/syncd/{self.name}.json"

    @property
    def state_name(self) -> str:
        """The ConfigMap and the Lease of its memory, with state kind configmap."""
        return self.state.name or f"syncd-{self.name}"

    def layout_of(self, node: Node) -> Layout:
        """The layout of a node."""
        return node.layout or self.layout


_LISTEN = r"^\S*:\d+$"
_Port = Annotated[
    str, Field(pattern=_LISTEN), AfterValidator(checked_port), text_like(_LISTEN, "host:port, such as 127.0.0.1:9470,")
]


def _ipv4(listen: str) -> str:
    if ":" in listen.rpartition(":")[0]:
        raise ValueError("telemetry is not served over IPv6: an IPv4 address or a name is expected, or :9470 for all")
    return listen


class Telemetry(Model):
    """How syncd is watched."""

    listen: Annotated[_Port, AfterValidator(_ipv4)] = "127.0.0.1:9470"
    """host:port of /metrics, /healthz, /readyz and /status: an IPv4 address or a name, or nothing for all addresses."""
    log_format: Literal["json", "console"] = "json"
    """Form of the log."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level that is logged."""


class Intervals(Model):
    """How often things are looked at."""

    reread: Positive = timedelta(seconds=60)
    """Sources are read by name this often, whatever the watch says."""
    probe: Positive = timedelta(seconds=60)
    """Elasticsearch and the remotes are looked at this often while nothing is pending."""
    nodes: Positive = timedelta(minutes=10)
    """What seldom changes on the nodes (elasticsearch.yml, own CAs, keystore, unit) is looked at this often while nothing is
    pending; for the certificate model at least once per five `probe` intervals, since ECK must have a new CA of the nodes."""


class Config(Model):
    """The whole configuration."""

    kubernetes: Kubernetes = Kubernetes()
    """How the Kubernetes API is reached."""
    clusters: tuple[Cluster, ...] = Field(min_length=1)
    """The self-managed clusters."""
    telemetry: Telemetry = Telemetry()
    """Metrics, health endpoints and logs."""
    intervals: Intervals = Intervals()
    """Polling intervals."""

    @model_validator(mode="after")
    def _names(self) -> "Config":
        must_be_unique("cluster name", ((("clusters", at, "name"), c.name) for at, c in enumerate(self.clusters)))
        return self

    @model_validator(mode="after")
    def _states(self) -> "Config":
        """Of two clusters with one memory, each would write over what the other remembers."""
        keepers: dict[tuple[str, ...], str] = {}
        for at, cluster in enumerate(self.clusters):
            is_file = cluster.state.kind == "file"
            place = (normpath(cluster.state_path),) if is_file else (cluster.state.namespace or "", cluster.state_name)
            if place in keepers:
                text = f"{'/'.join(place)} is the state of cluster {keepers[place]}, and so cannot be that of {cluster.name}"
                change = "path" if is_file else "name"
                raise Mistake(f"{text}: give one of the two another {change}", "clusters", at, "state")
            keepers[place] = cluster.name
        return self
