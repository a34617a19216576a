"""What the operator may say: one frozen model, every key described; `syncd config schema` prints it.

Secrets are always files, never values. A relative path of a secret is looked for in `$CREDENTIALS_DIRECTORY` first
(systemd's LoadCredential), then beside the configuration file.
"""

import re
from datetime import timedelta
from posixpath import isabs, join, normpath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

MANAGED_FILE = "remote-cluster-ca.crt"
"""The one file for all remotes in the remote_cluster_client context: adding a remote then needs no restart."""

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


def parse_duration(value: Any) -> Any:
    """`24h`, `15m`, `1h30m`, `10s`, `250ms`; anything else is a ValueError that says so."""
    if isinstance(value, timedelta):
        return value
    text = str(value).strip()
    parts = _PART.findall(text)
    if isinstance(value, bool) or not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError("a duration such as 10s, 15m, 24h or 1h30m is expected")
    return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in parts))


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration, json_schema_input_type=str),
    PlainSerializer(lambda span: f"{span.total_seconds():g}s", return_type=str),
]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", max_length=200)]
AbsolutePath = Annotated[str, Field(pattern=r"^/")]


class Model(BaseModel):
    """Frozen, and unknown keys are an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Kubernetes(Model):
    """The Kubernetes API."""

    kubeconfig: str | None = None
    """Path of a kubeconfig; null: the account of the pod, else the client's usual rules."""
    context: str | None = None
    """Context of the kubeconfig; null: its current one."""


class Elasticsearch(Model):
    """The self-managed cluster's REST API. Needs `monitor`, and `manage` to mark the cluster as kept."""

    urls: tuple[str, ...] = Field(min_length=1)
    """One or more nodes' URLs."""
    ca_file: str | None = None
    """PEM file of the CA of the REST certificates; null: the system's CAs."""
    verify_hostname: bool = True
    """Whether names in REST certificates must match; certificates themselves are always verified."""
    api_key_file: str | None = None
    """File with an API key (the `encoded` form)."""
    username: str | None = None
    """User, with password_file."""
    password_file: str | None = None
    """File with the user's password."""

    @model_validator(mode="after")
    def _one_credential(self) -> "Elasticsearch":
        basic = self.username is not None and self.password_file is not None
        if (self.username is None) != (self.password_file is None):
            raise ValueError("username and password_file belong together")
        if basic == (self.api_key_file is not None):
            raise ValueError("exactly one of api_key_file, or username with password_file, is expected")
        for url in self.urls:
            _must_be_url(url)
        return self


def _must_be_url(url: str) -> None:
    """Scheme, host and port, no path and no credential: what is in a URL is in logs, too."""
    if "@" in url:
        raise ValueError("a URL must hold no credential; use api_key_file, or username with password_file")
    if not re.match(r"^https?://[^/\s]+/?$", url):
        raise ValueError(f"{url} is not a URL such as https://es-01.example:9200")


class Owner(Model):
    """Numeric owner of the trust file."""

    uid: int = Field(ge=0)
    """User id."""
    gid: int = Field(ge=0)
    """Group id."""


class Layout(Model):
    """Folders and files of a node."""

    config_dir: AbsolutePath = "/etc/elasticsearch"
    """The folder of elasticsearch.yml."""
    home: AbsolutePath = "/usr/share/elasticsearch"
    """Where Elasticsearch and its tools are."""
    java_home: AbsolutePath | None = None
    """JDK for the tools; null: the one that came with Elasticsearch."""
    bundle_dir: str = "."
    """Folder of the trust file, below config_dir: Elasticsearch reads no certificates outside it."""
    log_file: AbsolutePath | None = None
    """The server log; null: <path.logs>/<cluster.name>.log."""
    owner: Owner | None = None
    """Owner of the trust file; null: as elasticsearch.yml has it (bundle_dir ".") or as the folder has it."""
    file_mode: Annotated[str, Field(pattern=r"^0?[0-7]{3}$")] | None = None
    """Mode of the trust file, such as "0640"; null: as elasticsearch.yml has it, or 0644 in a folder of its own."""

    @model_validator(mode="after")
    def _below(self) -> "Layout":
        if isabs(self.bundle_dir) or normpath(join("/x", self.bundle_dir)).split("/")[1:2] != ["x"]:
            raise ValueError("bundle_dir must be a folder below config_dir, given relative to it")
        return self

    @property
    def trust_file(self) -> str:
        """Absolute path of the managed file."""
        return normpath(join(self.config_dir, self.bundle_dir, MANAGED_FILE))


class Node(Model):
    """One Elasticsearch node and its host."""

    name: Name
    """`node.name`."""
    address: str | None = None
    """Host name or IP address for SSH; null only with transport kind local."""
    port: int = Field(default=22, ge=1, le=65535)
    """Port of sshd."""
    http_url: str | None = None
    """The node's own REST URL; null: its http.publish_address as the cluster tells it."""
    layout: Layout | None = None
    """Where things are on this node, if not as on the others."""

    @model_validator(mode="after")
    def _plain_url(self) -> "Node":
        if self.http_url is not None:
            _must_be_url(self.http_url)
        return self


class Ssh(Model):
    """Hosts over SSH."""

    kind: Literal["ssh"]
    user: str = "root"
    """The user to log in as."""
    key_file: str | None = None
    """Private key; null: the SSH agent's keys."""
    passphrase_file: str | None = None
    """File with the key's passphrase."""
    known_hosts_file: str = "~/.ssh/known_hosts"
    """Host keys come from here only."""
    become: Literal["sudo"] | None = None
    """sudo: start the SFTP server under sudo -n."""
    sftp_server: AbsolutePath | None = None
    """Path of the SFTP server, for sudo; null: looked for."""
    connect_timeout: Duration = timedelta(seconds=10)
    """For each of TCP connect, key exchange and authentication."""
    keepalive: Duration = timedelta(seconds=30)
    """Between keepalives of warm sessions."""
    parallel: int = Field(default=64, ge=1, le=512)
    """Nodes spoken to at once."""
    warm_sessions: int = Field(default=100, ge=0)
    """Most sessions kept open; the rest connect on demand."""


class Local(Model):
    """All nodes run on the host that syncd runs on."""

    kind: Literal["local"]


class SecretSource(Model):
    """ECK's public Secret, <cluster>-es-transport-certs-public."""

    kind: Literal["secret"]
    namespace: Name
    """Namespace of the Elasticsearch resource."""
    cluster: Name
    """Name of the Elasticsearch resource."""
    key: str = "ca.crt"
    """Key of the Secret."""


class FileSource(Model):
    """A file that other means keep, such as a mounted Secret."""

    kind: Literal["file"]
    path: AbsolutePath
    """Path of the PEM file on the host that syncd runs on."""


class NoSource(Model):
    """Nothing is published: a publicly trusted remote, or extra_ca_files alone."""

    kind: Literal["none"]


class Trust(Model):
    """What becomes trust."""

    overlap: Duration = timedelta(hours=24)
    """How long an old CA stays at least after it was superseded."""
    accept: Literal["any", "same_key", "pinned", "approved"] = "any"
    """Which published CAs are taken without asking."""
    pins: tuple[Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")], ...] = ()
    """SHA-256 fingerprints (lower-case hex) that are taken whatever `accept` says."""
    endpoints: int | None = Field(default=None, ge=1)
    """How many endpoints the remote has; null: status.availableNodes of the Elasticsearch resource."""


class Remote(Model):
    """One remote cluster."""

    alias: Name
    """The alias in cluster.remote.<alias>.*"""
    security_model: Literal["api_key"] = "api_key"
    """api_key: port 9443, one-way trust."""
    source: Annotated[SecretSource | FileSource | NoSource, Field(discriminator="kind")]
    """Where its CA is published."""
    extra_ca_files: tuple[AbsolutePath, ...] = ()
    """More CAs, for TLS that is ended by something in between."""
    trust: Trust = Trust()
    """Which CAs are taken, and how long an old one stays."""
    rotate_before: Duration = timedelta(hours=24)
    """ECK's --cert-rotate-before: a leaf that is this close to its end is about to be renewed."""
    address: Annotated[str, Field(pattern=r"^\S+:\d+$")] | None = None
    """host:port; null: as the nodes dial it."""
    server_name: str | None = None
    """TLS name to ask for; null: as the nodes do."""


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


class Cluster(Model):
    """One self-managed cluster."""

    name: Name
    """What syncd calls it."""
    mode: Literal["act", "observe"] = "act"
    """observe: everything is looked at, planned, measured and exported; nothing is changed."""
    elasticsearch: Elasticsearch
    """Its REST API."""
    nodes: tuple[Node, ...] = Field(min_length=1)
    """Every node of the cluster."""
    transport: Annotated[Ssh | Local, Field(discriminator="kind")]
    """How files on the nodes are reached."""
    layout: Layout = Layout()
    """Where things are on the nodes."""
    remotes: tuple[Remote, ...] = Field(min_length=1)
    """The ECK clusters that it connects to."""
    proof: Literal["auto", "handshake", "log", "file"] = "auto"
    """How a load is proven: by a connection of each node made for the purpose (docs/proofs.md says what it costs), by the
    node's log, or by its poll interval having passed; auto: log, else file."""
    handshake: Handshake = Handshake()
    """For proof: handshake."""
    poll: Duration = timedelta(seconds=5)
    """resource.reload.interval.high of the nodes."""
    state: State = State()
    """Where syncd remembers."""

    @model_validator(mode="after")
    def _consistent(self) -> "Cluster":
        _unique("node name", [node.name for node in self.nodes])
        _unique("alias", [remote.alias for remote in self.remotes])
        if isinstance(self.transport, Ssh):
            missing = [node.name for node in self.nodes if not node.address]
            if missing:
                raise ValueError(f"transport kind ssh needs an address for node {missing[0]}")
        if self.proof == "handshake":
            _unique("host (proof: handshake needs one for each node, as nodes on one host cannot be told apart)",
                    [node.address or "this machine" for node in self.nodes])  # fmt: skip
        _unique("trust file", [f"{n.address}:{n.port}:{self.layout_of(n).trust_file}" for n in self.nodes])
        return self

    def layout_of(self, node: Node) -> Layout:
        """The layout of a node."""
        return node.layout or self.layout


class Telemetry(Model):
    """Metrics, health and logs."""

    listen: Annotated[str, Field(pattern=r"^\S*:\d+$")] = "127.0.0.1:9470"
    """host:port of /metrics, /healthz, /readyz and /status."""
    log_format: Literal["json", "console"] = "json"
    """Form of the log."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level that is logged."""


class Intervals(Model):
    """The clock."""

    reread: Duration = timedelta(seconds=60)
    """Sources are read by name this often, whatever the watch says."""
    probe: Duration = timedelta(seconds=60)
    """Elasticsearch and the remotes are looked at this often while nothing is pending."""


class Config(Model):
    """The whole configuration."""

    kubernetes: Kubernetes = Kubernetes()
    """How the Kubernetes API is reached."""
    clusters: tuple[Cluster, ...] = Field(min_length=1)
    """The self-managed clusters."""
    telemetry: Telemetry = Telemetry()
    """What is told to machines."""
    intervals: Intervals = Intervals()
    """How often."""

    @model_validator(mode="after")
    def _names(self) -> "Config":
        _unique("cluster name", [cluster.name for cluster in self.clusters])
        return self


def _unique(what: str, values: list[str]) -> None:
    twice = [value for value in values if values.count(value) > 1]
    if twice:
        raise ValueError(f"the {what} {twice[0]} is there twice")
