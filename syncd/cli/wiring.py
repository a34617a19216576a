"""The one place that joins adapters to the engine: from a configured cluster to its World and its bells."""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from posixpath import dirname, join

from syncd.adapters.bells import ClockBell, FileBell
from syncd.adapters.elasticsearch import ElasticsearchApi, ElasticsearchSettings
from syncd.adapters.files import FilePermit, FileSource, FileStateStore
from syncd.adapters.kubernetes import (
    ConfigMapMirror,
    ConfigMapState,
    EckResourceApi,
    EventNotices,
    KubeClient,
    LeasePermit,
    ObjectWatch,
    SecretSource,
)
from syncd.adapters.local import LocalFleet, dial
from syncd.adapters.ssh import SshFleet, SshSettings
from syncd.adapters.tls import TlsHandshakes
from syncd.cli.notices import LogNotices
from syncd.config import model as config
from syncd.config.policy import to_policy, unit_of
from syncd.config.secrets import secret_path, where_else
from syncd.core.model import Alias, NodeName, Ownership, Policy
from syncd.engine.hosts.service import Service
from syncd.engine.hosts.tools import Toolbox
from syncd.engine.rings import CLOCK, SOURCE, STATE
from syncd.engine.world import Endpoint, OwnerRule, Pace, World
from syncd.ports import Bell, Fleet, Mirror, Notices, Permit, Resource, Source, StateStore


@dataclass(frozen=True, slots=True)
class Wired:
    """A cluster's world, what rings for it, and what must be closed."""

    world: World
    bells: tuple[Bell, ...]


@dataclass
class Wiring:
    """Makes worlds; connects to each Kubernetes API once."""

    whole: config.Config
    path: Path
    """Of the configuration file: relative secret files are beside it."""
    _kube: KubeClient | None = field(default=None, repr=False)

    def cluster(self, cluster: config.Cluster) -> Wired:
        """The world of one cluster, and its bells. Connects to nothing yet."""
        sources = {Alias(remote.alias): self._source(remote.source) for remote in cluster.remotes}
        state, permit = self._state(cluster)
        policy = to_policy(cluster, self.whole.intervals.probe)
        world = World(
            policy=policy,
            fleet=self._fleet(cluster),
            sources={alias: source for alias, source in sources.items() if source is not None},
            extras=_extras(cluster),
            elasticsearch=self._elasticsearch(cluster),
            handshakes=TlsHandshakes(),
            dial=dial,
            state=state,
            permit=permit,
            notices=self._notices(cluster),
            owners={NodeName(node.name): _owner_rule(cluster.layout_of(node)) for node in cluster.nodes},
            endpoints={Alias(remote.alias): _endpoint(remote) for remote in cluster.remotes},
            tools={NodeName(node.name): self._toolbox(cluster.layout_of(node)) for node in cluster.nodes},
            services={NodeName(node.name): _service(cluster, node.name) for node in cluster.nodes},
            own_cas={NodeName(n.name): path for n in cluster.nodes if (path := cluster.layout_of(n).own_ca_file)},
            secrets=self._secrets(cluster),
            mirrors=self._mirrors(cluster, policy),
            resources=self._resources(cluster),
            proof_port=cluster.handshake.port,
            logs={NodeName(n.name): log for n in cluster.nodes if (log := cluster.layout_of(n).log_file)},
            pace=self._pace(),
        )
        return Wired(world, tuple(self._bells(cluster, policy)))

    def _pace(self) -> Pace:
        said = self.whole.intervals
        return Pace(
            probe=said.probe.total_seconds(),
            handshake=said.nodes.total_seconds(),
            longest=1.5 * said.reread.total_seconds(),
        )

    def close(self) -> None:
        """Let go of what the worlds shared, after they have ended."""
        if self._kube is not None:
            self._kube.close()

    def _client(self) -> KubeClient:
        if self._kube is None:
            self._kube = KubeClient(self.whole.kubernetes.kubeconfig, self.whole.kubernetes.context)
        return self._kube

    def _source(self, source: config.SecretSource | config.FileSource | config.NoSource) -> Source | None:
        match source:
            case config.SecretSource(namespace=namespace, cluster=cluster, key=key):
                return SecretSource(self._client(), namespace, cluster, key)
            case config.FileSource(path=path):
                return FileSource(path)
            case _:
                return None

    def _notices(self, cluster: config.Cluster) -> dict[Alias, Notices]:
        """One for each Secret, and one for all remotes that have none: what is of the whole cluster is told once on each."""
        secrets = {r.source for r in cluster.remotes if isinstance(r.source, config.SecretSource)}
        on = {source: EventNotices(self._client(), source.namespace, _secret_name(source)) for source in secrets}
        log = LogNotices()
        return {
            Alias(remote.alias): on[remote.source] if isinstance(remote.source, config.SecretSource) else log
            for remote in cluster.remotes
        }

    def _state(self, cluster: config.Cluster) -> tuple[StateStore, Permit]:
        state = cluster.state
        if state.kind == "file":
            return FileStateStore(cluster.state_path), _file_permit(cluster)
        namespace, name = state.namespace or "", cluster.state_name
        return ConfigMapState(self._client(), namespace, name), LeasePermit(self._client(), namespace, name)

    def _fleet(self, cluster: config.Cluster) -> Fleet:
        ssh = cluster.transport
        if isinstance(ssh, config.Local):
            return LocalFleet()
        settings = SshSettings(
            user=ssh.user,
            known_hosts_file=self._file(ssh.known_hosts_file) or "",
            key_file=self._file(ssh.key_file),
            passphrase_file=self._file(ssh.passphrase_file),
            sudo=ssh.become == "sudo",
            sftp_server=ssh.sftp_server,
            connect_timeout=ssh.connect_timeout.total_seconds(),
            keepalive=int(ssh.keepalive.total_seconds()),
            warm=ssh.warm_sessions,
        )
        return SshFleet(settings, {NodeName(n.name): (n.address or "", n.port) for n in cluster.nodes})

    def _elasticsearch(self, cluster: config.Cluster) -> ElasticsearchApi:
        said = cluster.elasticsearch
        return ElasticsearchApi(
            ElasticsearchSettings(
                urls=tuple(url.rstrip("/") for url in said.urls),
                ca_file=self._file(said.ca_file),
                verify_hostname=said.verify_hostname,
                api_key_file=self._file(said.api_key_file),
                username=said.username,
                password_file=self._file(said.password_file),
                node_urls={NodeName(n.name): n.http_url.rstrip("/") for n in cluster.nodes if n.http_url},
                proof_alias=cluster.handshake.alias,
                config_dirs={NodeName(n.name): cluster.layout_of(n).config_dir for n in cluster.nodes},
            )
        )

    def _toolbox(self, layout: config.Layout) -> Toolbox:
        path = self._file(layout.keystore_password_file)
        return Toolbox(layout.home, layout.config_dir, layout.java_home, partial(_secret, path) if path else None)

    def _secrets(self, cluster: config.Cluster) -> dict[str, Callable[[], bytes]]:
        files = {remote.alias: self._file(remote.credential_file) for remote in cluster.remotes}
        return {f"cluster.remote.{alias}.credentials": partial(_secret, path) for alias, path in files.items() if path}

    def _mirrors(self, cluster: config.Cluster, policy: Policy) -> dict[Alias, Mirror]:
        said = {remote.alias: remote.mirror for remote in policy.remotes}
        return {
            alias: ConfigMapMirror(self._client(), mirror.namespace, mirror.name, _ours(cluster), mirror.key)
            for alias, mirror in said.items()
            if mirror
        }

    def _resources(self, cluster: config.Cluster) -> dict[Alias, Resource]:
        said = {Alias(r.alias): (r.source, r.services) for r in cluster.remotes}
        return {
            alias: EckResourceApi(self._client(), source.namespace, source.cluster, _ours(cluster), services)
            for alias, (source, services) in said.items()
            if isinstance(source, config.SecretSource)
        }

    def _file(self, name: str | None) -> str | None:
        return secret_path(name, self.path.absolute()) if name else None

    def _bells(self, cluster: config.Cluster, policy: Policy) -> Iterable[Bell]:
        yield ClockBell(self.whole.intervals.reread, CLOCK)
        files = [source.path for r in cluster.remotes if isinstance(source := r.source, config.FileSource)]
        files += [path for remote in cluster.remotes for path in remote.extra_ca_files]
        if files:
            yield FileBell(files, SOURCE)
        if cluster.state.kind == "file":
            yield FileBell([cluster.state_path], STATE)
        for source in {r.source for r in cluster.remotes if isinstance(r.source, config.SecretSource)}:
            yield self._watch(source.namespace, "secrets", _secret_name(source), SOURCE)
        for namespace, name in {(m.namespace, m.name) for r in policy.remotes if (m := r.mirror)}:
            yield self._watch(namespace, "configmaps", name, SOURCE)
        if cluster.state.kind == "configmap":
            yield self._watch(cluster.state.namespace or "", "configmaps", cluster.state_name, STATE)

    def _watch(self, namespace: str, plural: str, name: str, reason: str) -> Bell:
        return ObjectWatch(self._client(), namespace, plural, name, reason)


def _secret_name(source: config.SecretSource) -> str:
    return f"{source.cluster}-es-transport-certs-public"


def _extras(cluster: config.Cluster) -> dict[Alias, tuple[Source, ...]]:
    remotes = [remote for remote in cluster.remotes if remote.extra_ca_files]
    return {Alias(remote.alias): tuple(map(FileSource, remote.extra_ca_files)) for remote in remotes}


def _endpoint(remote: config.Remote) -> Endpoint:
    return Endpoint(remote.address, remote.server_name, remote.trust.endpoints)


def _ours(cluster: config.Cluster) -> str:
    """Our cluster's name among those that share a mirror."""
    if cluster.state.kind == "configmap":
        return f"{cluster.state.namespace}/{cluster.name}"
    return f"{_file_permit(cluster).owner}/{cluster.name}"


def _file_permit(cluster: config.Cluster) -> FilePermit:
    return FilePermit(f"{cluster.state_path}.permit")


def _service(cluster: config.Cluster, node: str) -> Service:
    own = cluster.service
    unit = unit_of(cluster.restart.unit, node)
    return Service(unit, own.restart, own.status) if own else Service(unit)


def _secret(path: str) -> bytes:
    """A secret's value: a last line end is the editor's. Raises OSError."""
    try:
        return Path(path).read_bytes().strip()
    except FileNotFoundError as error:
        raise FileNotFoundError(error.errno, f"there is no file {path}. {where_else(path)}") from error


def _owner_rule(layout: config.Layout) -> OwnerRule:
    """As elasticsearch.yml beside it; in a folder of its own as the folder, readable for all."""
    own_folder = dirname(layout.trust_file) != layout.config_dir.rstrip("/")
    like = dirname(layout.trust_file) if own_folder else join(layout.config_dir, "elasticsearch.yml")
    mode = int(layout.file_mode, 8) if layout.file_mode else (0o644 if own_folder else None)
    fixed = None
    if layout.owner:
        fixed = Ownership(layout.owner.uid, layout.owner.gid, 0o640 if mode is None else mode)
    return OwnerRule(like, mode, fixed)


def version() -> str:
    """The installed version."""
    from importlib.metadata import version as installed  # noqa: PLC0415 - slow to import

    return installed("syncd")


def default_config() -> Path:
    """Where the configuration is unless --config says otherwise."""
    return Path(os.environ.get("SYNCD_CONFIG", "/etc/syncd/syncd.yaml"))
