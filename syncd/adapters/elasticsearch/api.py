"""`ports.Elasticsearch` over REST: the cluster by any of its URLs, each node at its own."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Any, TypeVar
from urllib.parse import quote

from syncd.adapters.elasticsearch import answers, records, restarts
from syncd.adapters.elasticsearch.client import Client
from syncd.adapters.elasticsearch.settings import ElasticsearchSettings
from syncd.core.errors import ClusterError
from syncd.core.model import Alias, ClusterState, Known, NodeName, Process, Restarted, RestartRecord, Seen, Unknown
from syncd.core.proof.handshake import SERVER_NAME
from syncd.ports import Deadline, NodeAnswer, now

T = TypeVar("T")
_NOBODYS_INDEX = "syncd-asks-which-key-this-is"
_SETTINGS = (
    "/_cluster/settings?flat_settings=true&include_defaults=true"
    "&filter_path=persistent,transient,defaults.cluster%5C.routing%5C.allocation%5C.enable"
)
"""With the one default that elasticsearch.yml may say otherwise and that matters here."""
_NODES = (
    "/_nodes/http,jvm?filter_path=nodes.*.name,nodes.*.roles,nodes.*.http.publish_address,"
    "nodes.*.jvm.start_time_in_millis"
)
_LOCAL = (
    "/_nodes/_local?filter_path=nodes.*.name,nodes.*.version,nodes.*.roles,nodes.*.jvm.start_time_in_millis,"
    "nodes.*.settings.path.logs,nodes.*.settings.cluster.name,nodes.*.settings.resource.reload,"
    "nodes.*.transport.publish_address"
)
_SHARDS = (
    "/_cluster/state/routing_table"
    "?filter_path=routing_table.indices.*.shards.*.state,routing_table.indices.*.shards.*.node"
)
_FINAL = restarts.RULES
"""Refusals that another URL of the cluster would repeat."""
_NAMED_FOR = 600.0
"""Seconds for which the files that a process names are not asked for again."""


@dataclass(frozen=True, slots=True)
class _Named:
    """The certificate files that a process names, and when it was asked (monotonic)."""

    started: int
    paths: frozenset[str]
    asked: float


class ElasticsearchApi:
    """One cluster. Certificates are always verified; nothing is retried here."""

    def __init__(self, settings: ElasticsearchSettings) -> None:
        self._settings = settings
        self._client = Client(settings)
        self._published: dict[NodeName, str] = {}
        self._named: dict[NodeName, _Named] = {}

    def cluster(self, deadline: Deadline) -> ClusterState:
        """See `ports.Elasticsearch.cluster`."""
        return self._any(deadline, self._cluster)

    def node(self, name: NodeName, deadline: Deadline) -> NodeAnswer:
        """See `ports.Elasticsearch.node`. A node without the role that dials is not asked for links: it answers 400."""
        url = self._node_url(name, deadline)
        process = self._client.read(url, _LOCAL, deadline, answers.process)
        if process.name != name:
            cure = "Check http_url of the node, or its http.publish_address"
            raise ClusterError("es_no_such_node", f"{process.name} answers there, not {name}", where=url, cure=cure)
        links = self._client.read(url, "/_remote/info", deadline, answers.links) if process.dials else ()
        return NodeAnswer(process, self._trust_paths(process, url, deadline), links)

    def reconnect(self, name: NodeName, alias: Alias, deadline: Deadline) -> bool:
        """See `ports.Elasticsearch.reconnect`."""
        path = f"/_resolve/cluster/{quote(alias, safe='')}:*"
        url = self._node_url(name, deadline)
        return self._client.read(url, path, deadline, lambda body: bool(body.get(alias, {}).get("connected")))

    def claim(self, owner: str, expect: str | None, deadline: Deadline) -> None:
        """See `ports.Elasticsearch.claim`."""
        self._any(deadline, partial(self._claim, owner, expect))

    def note_proof(self, nodes: frozenset[NodeName], deadline: Deadline) -> None:
        """See `ports.Elasticsearch.note_proof`."""
        record = json.dumps(sorted(nodes)) if nodes else None
        self._any(deadline, partial(self._put, {answers.PROOF: record}))

    def point_proof(self, address: str | None, deadline: Deadline) -> None:
        """See `ports.Elasticsearch.point_proof`."""
        self._any(deadline, partial(self._point_proof, address))

    def reload_secure_settings(self, deadline: Deadline, password: bytes | None = None) -> Mapping[NodeName, str]:
        """See `ports.Elasticsearch.reload_secure_settings`."""
        path, body = "/_nodes/reload_secure_settings", _keystore_password(password)
        return self._any(deadline, lambda url, by: answers.reloaded(self._client.ask("POST", url, path, by, body)))

    def key_in_use(self, name: NodeName, alias: Alias, deadline: Deadline) -> str | None:
        """See `ports.Elasticsearch.key_in_use`."""
        path = f"/_resolve/cluster/{quote(alias, safe='')}:{_NOBODYS_INDEX}"
        return self._client.read(self._node_url(name, deadline), path, deadline, partial(answers.key_id, alias=alias))

    def sole_copies(self, deadline: Deadline) -> Mapping[NodeName, tuple[str, ...]]:
        """See `ports.Elasticsearch.sole_copies`."""
        return self._any(deadline, self._sole_copies)

    def begin_restart(self, record: RestartRecord, deadline: Deadline) -> None:
        """See `ports.Elasticsearch.begin_restart`."""
        self._change(lambda body, url: restarts.begun(body, record, url), deadline)

    def free_allocation(self, record: RestartRecord, deadline: Deadline) -> None:
        """See `ports.Elasticsearch.free_allocation`."""
        self._change(lambda body, url: restarts.freed(body, record, url), deadline)

    def note_fault(self, record: RestartRecord, deadline: Deadline) -> None:
        """See `ports.Elasticsearch.note_fault`."""
        self._change(lambda body, url: restarts.noted(body, record, url), deadline)

    def end_restart(self, record: RestartRecord, outcome: Restarted, deadline: Deadline) -> None:
        """See `ports.Elasticsearch.end_restart`."""
        self._change(lambda body, url: restarts.ended(body, record, outcome, url), deadline)

    def remove_remote(self, alias: Alias, deadline: Deadline) -> None:
        """See `ports.Elasticsearch.remove_remote`."""
        self._change(lambda body, _: answers.without_remote(body, alias), deadline)

    def close(self) -> None:
        """See `ports.Elasticsearch.close`."""
        self._client.close()

    def _any(self, deadline: Deadline, ask: Callable[[str, Deadline], T]) -> T:
        """The answer of the first URL that gives one; a silent one leaves the others their share of the time."""
        urls, failed = self._settings.urls, []
        for number, url in enumerate(urls):
            try:
                return ask(url, deadline.at_most(deadline.left() / (len(urls) - number)))
            except ClusterError as error:
                if error.rule in _FINAL or len(urls) == 1:
                    raise
                failed.append(error)
        text = "; ".join(f"{error.where}: {error.text}" for error in failed) or "no URL is configured"
        first = failed[0] if failed else ClusterError("es_unreachable", text)
        raise ClusterError(first.rule, text, cure=first.cure) from first

    def _cluster(self, url: str, deadline: Deadline) -> ClusterState:
        read = self._client.read
        name, health, shards = read(url, "/_cluster/health?timeout=1s", deadline, answers.health)
        nodes = self._nodes(url, deadline)
        uuid, master = read(url, "/_cluster/state/master_node", deadline, answers.master)
        owner, proof, alias, restarting = read(url, _SETTINGS, deadline, self._ours)
        return ClusterState(
            uuid=uuid,
            name=name,
            health=health,
            master=next((node.name for node in nodes if node.id == master), None),
            nodes={node.name: node.roles for node in nodes},
            license=read(url, "/_license", deadline, answers.license_type),
            owner=owner,
            proof=proof,
            proof_alias=alias,
            allocation=restarting.allocation,
            shards=shards,
            restart=restarting.restart,
            restart_damaged=restarting.damaged,
            restarted=restarting.restarted,
            processes={node.name: node.started for node in nodes if node.started is not None},
        )

    def _ours(self, body: Any) -> tuple[str | None, frozenset[NodeName] | None, str | None, records.Written]:
        """(owner, nodes of the proof's record, TLS name of the proof's alias, restarts) of the cluster's settings."""
        alias = answers.alias_settings(body, self._settings.proof_alias)
        name = alias.get(f"cluster.remote.{self._settings.proof_alias}.server_name", "") if alias else None
        proof = answers.proof_nodes(answers.persistent(body))
        return answers.owner(body), proof, name, records.written(body)

    def _nodes(self, url: str, deadline: Deadline) -> tuple[answers.NodeRow, ...]:
        """The cluster's nodes, whose addresses are remembered for the next question."""
        nodes = self._client.read(url, _NODES, deadline, answers.nodes)
        urls = {node.name: node.url(url.partition("://")[0]) for node in nodes}
        self._published = {name: own for name, own in urls.items() if own}
        return nodes

    def _claim(self, owner: str, expect: str | None, url: str, deadline: Deadline) -> None:
        """Read, compare, put. Elasticsearch has no compare-and-set here; the permit keeps two of ours from racing."""
        keeper = self._client.read(url, _SETTINGS, deadline, answers.owner)
        if keeper not in (expect, owner):
            cure = "If that one is gone: syncd take-over CLUSTER"
            raise ClusterError("es_owner", f"another syncd ({keeper}) keeps this cluster", where=url, cure=cure)
        self._put({answers.OWNER: owner}, url, deadline)

    def _point_proof(self, address: str | None, url: str, deadline: Deadline) -> None:
        alias, prefix = self._settings.proof_alias, f"cluster.remote.{self._settings.proof_alias}."
        there = self._client.read(url, _SETTINGS, deadline, partial(answers.alias_settings, alias=alias))
        foreign = bool(there) and there.get(f"{prefix}server_name") != SERVER_NAME
        if address is None:
            if there and not foreign:
                self._put(dict.fromkeys(there), url, deadline)
            return
        if foreign:
            cure = "Give the proof another alias (handshake.alias)"
            raise ClusterError("es_alias_taken", f"there is an alias {alias} that is not ours", where=url, cure=cure)
        settings = {"mode": "proxy", "proxy_address": address, "server_name": SERVER_NAME}
        settings |= {"proxy_socket_connections": 1, "skip_unavailable": True}  # type: ignore[dict-item]  # JSON
        self._put({prefix + key: value for key, value in settings.items()}, url, deadline)

    def _sole_copies(self, url: str, deadline: Deadline) -> Mapping[NodeName, tuple[str, ...]]:
        names = {node.id: node.name for node in self._nodes(url, deadline)}
        return self._client.read(url, _SHARDS, deadline, partial(answers.sole_copies, names=names))

    def _change(self, decide: Callable[[Any, str], Mapping[str, Mapping[str, object]]], deadline: Deadline) -> None:
        """Read the cluster's settings and put those that are decided from them, in one request."""

        def change(url: str, by: Deadline) -> None:
            settings = self._client.read(url, _SETTINGS, by, lambda body: decide(body, url))
            if settings:
                self._client.ask("PUT", url, "/_cluster/settings", by, settings)

        self._any(deadline, change)

    def _put(self, settings: Mapping[str, object], url: str, deadline: Deadline) -> None:
        self._client.ask("PUT", url, "/_cluster/settings", deadline, {"persistent": dict(settings)})

    def _trust_paths(self, process: Process, url: str, deadline: Deadline) -> Seen[frozenset[str]]:
        """The PEM files that the running configuration names, which one process never changes: asked for seldom.

        The call fails whole when one of them is damaged. A path once seen stays: of two files that hold the same
        certificate the answer may leave one out.
        """
        known = self._named.get(process.name)
        if known and known.started == process.started and monotonic() - known.asked < _NAMED_FOR:
            return Known(known.paths, now())
        reader = partial(answers.trust_paths, folder=self._settings.config_dirs.get(process.name, "/etc/elasticsearch"))
        try:
            paths = self._client.read(url, "/_ssl/certificates", deadline, reader)
        except ClusterError as error:
            return Unknown(error.rule, str(error), now())
        if known and known.started == process.started:
            paths |= known.paths
        self._named[process.name] = _Named(process.started, paths, monotonic())
        return Known(paths, now())

    def _node_url(self, name: NodeName, deadline: Deadline) -> str:
        """As the operator said, else as the node publishes it."""
        if name not in self._settings.node_urls and name not in self._published:
            self._any(deadline, self._nodes)
        url = self._settings.node_urls.get(name) or self._published.get(name)
        if url is None:
            cure = "Check node.name, or set http_url for the node"
            raise ClusterError("es_no_such_node", f"the cluster has no node {name}", where=name, cure=cure)
        return url


def _keystore_password(password: bytes | None) -> dict[str, str]:
    try:
        return {} if password is None else {"secure_settings_password": password.decode()}
    except UnicodeDecodeError:
        cure = "Check the file of the keystore's password"
        raise ClusterError("es_error", "the keystore's password is not text", cure=cure) from None  # it holds the bytes
