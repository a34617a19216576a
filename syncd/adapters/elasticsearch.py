"""The self-managed cluster's REST API, by the Elasticsearch client's own transport, which is all that is needed of it."""

import base64
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import quote

import elastic_transport
from elastic_transport import NodeConfig, Transport
from elastic_transport.client_utils import url_to_node_config

from syncd.core.errors import ClusterError
from syncd.core.model import Alias, ClusterState, Known, Link, NodeName, Process, Seen, Unknown
from syncd.ports import Deadline, NodeAnswer, now

_OWNER = "cluster.metadata.syncd.owner"
_JSON = {"accept": "application/json", "content-type": "application/json"}
_CURES = {
    "es_unauthorized": "Check api_key_file, or username and password_file",
    "es_forbidden": "Give syncd's user or key the cluster privileges monitor and manage",
    "es_tls": "Check elasticsearch.ca_file, and that the certificate names the URL's host (or verify_hostname: false)",
    "es_unreachable": "Check the URL, the firewall, and whether the node runs",
}


@dataclass(frozen=True, slots=True)
class ElasticsearchSettings:
    """How the cluster is reached."""

    urls: tuple[str, ...]
    ca_file: str | None = None
    verify_hostname: bool = True
    api_key_file: str | None = None
    username: str | None = None
    password_file: str | None = None
    node_urls: Mapping[NodeName, str] = field(default_factory=dict)
    """The nodes' own URLs, where the operator said them."""
    config_dirs: Mapping[NodeName, str] = field(default_factory=dict)
    """The folder that relative certificate paths of a node are relative to."""


class ElasticsearchApi:
    """One cluster. Certificates are always verified; nothing is retried here."""

    def __init__(self, settings: ElasticsearchSettings) -> None:
        self._settings = settings
        self._lock = Lock()
        self._transports: dict[str, Transport] = {}
        self._context: ssl.SSLContext | None = None
        self._published: dict[str, str] = {}

    def cluster(self, deadline: Deadline) -> ClusterState:
        """See `ports.Elasticsearch.cluster`."""
        last: ClusterError | None = None
        for url in self._settings.urls:
            try:
                return self._cluster(url, deadline)
            except ClusterError as error:
                last = error
        if last is None:
            raise ClusterError("es_unreachable", "no URL is configured")
        raise last

    def node(self, name: NodeName, deadline: Deadline) -> NodeAnswer:
        """See `ports.Elasticsearch.node`."""
        url = self._node_url(name, deadline)
        nodes = self._get(url, "/_nodes/_local", deadline)["nodes"]
        process = _process(next(iter(nodes.values())))
        if process.name != name:
            cure = "Check http_url of the node, or its http.publish_address"
            raise ClusterError("es_no_such_node", f"{process.name} answers there, not {name}", where=url, cure=cure)
        links = self._get(url, "/_remote/info", deadline)
        return NodeAnswer(process, self._trust_paths(name, url, deadline), tuple(map(_link, links.items())))

    def reconnect(self, name: NodeName, alias: Alias, deadline: Deadline) -> bool:
        """See `ports.Elasticsearch.reconnect`."""
        path = f"/_resolve/cluster/{quote(alias, safe='')}:*"
        answer = self._get(self._node_url(name, deadline), path, deadline)
        return bool(answer.get(alias, {}).get("connected"))

    def claim(self, owner: str, expect: str | None, deadline: Deadline) -> None:
        """See `ports.Elasticsearch.claim`."""
        url = self._settings.urls[0]
        there = self._get(url, "/_cluster/settings?flat_settings=true", deadline)  # filter_path finds no flat keys
        keeper = there.get("persistent", {}).get(_OWNER)
        if keeper not in (expect, owner):
            raise ClusterError("es_owner", f"another syncd ({keeper}) keeps this cluster", where=url)
        self._ask("PUT", url, "/_cluster/settings", deadline, {"persistent": {_OWNER: owner}})

    def close(self) -> None:
        """See `ports.Elasticsearch.close`."""
        with self._lock:
            for transport in self._transports.values():
                transport.close()
            self._transports.clear()

    def _cluster(self, url: str, deadline: Deadline) -> ClusterState:
        health = self._get(url, "/_cluster/health?timeout=1s&level=cluster", deadline)
        nodes = self._get(url, "/_nodes/http?filter_path=nodes.*.name,nodes.*.roles,nodes.*.http", deadline)["nodes"]
        self._published = {
            body["name"]: _with_scheme(url, body["http"]["publish_address"])
            for body in nodes.values()
            if "publish_address" in body.get("http", {})
        }
        settings = self._get(url, "/_cluster/settings?flat_settings=true", deadline)
        state = self._get(url, "/_cluster/state/master_node", deadline)
        license_type = self._get(url, "/_license", deadline).get("license", {}).get("type", "unknown")
        master = nodes.get(state.get("master_node") or "", {}).get("name")
        status = health.get("status")
        return ClusterState(
            uuid=state.get("cluster_uuid", ""),
            name=health["cluster_name"],
            health=status if status in ("green", "yellow", "red") else "unknown",
            master=master,
            nodes={NodeName(body["name"]): frozenset(body.get("roles", ())) for body in nodes.values()},
            license=license_type,
            owner=settings.get("persistent", {}).get(_OWNER),
        )

    def _trust_paths(self, name: NodeName, url: str, deadline: Deadline) -> Seen[frozenset[str]]:
        """The PEM files that the running configuration names; the call fails whole when one of them is damaged."""
        try:
            found = self._get(url, "/_ssl/certificates", deadline)
        except ClusterError as error:
            return Unknown(error.rule, str(error), now())
        folder = self._settings.config_dirs.get(name, "/etc/elasticsearch")
        paths = (entry["path"] for entry in found if entry.get("format") == "PEM" and not entry.get("has_private_key"))
        return Known(frozenset(path if path.startswith("/") else f"{folder}/{path}" for path in paths), now())

    def _node_url(self, name: NodeName, deadline: Deadline) -> str:
        url = self._settings.node_urls.get(name) or self._published.get(name)
        if url:
            return url
        self.cluster(deadline)
        if name not in self._published:
            cure = "Check node.name, or set http_url for the node"
            raise ClusterError("es_no_such_node", f"the cluster has no node {name}", where=name, cure=cure)
        return self._published[name]

    # --- one request

    def _get(self, url: str, path: str, deadline: Deadline) -> Any:
        return self._ask("GET", url, path, deadline)

    def _ask(self, method: str, url: str, path: str, deadline: Deadline, body: object = None) -> Any:
        headers = _JSON | {"authorization": self._authorization()}
        try:
            answer = self._transport(url).perform_request(
                method,
                path,
                headers=headers,
                body=json.dumps(body).encode() if body is not None else None,
                request_timeout=max(0.05, deadline.left()),
            )
        except elastic_transport.TlsError as error:
            raise _error("es_tls", url, path, _text(error)) from error
        except elastic_transport.TransportError as error:
            raise _error("es_unreachable", url, path, _text(error)) from error
        return _body(url, path, answer.meta.status, answer.body)

    def _transport(self, url: str) -> Transport:
        with self._lock:
            if url not in self._transports:
                self._transports[url] = Transport([self._node_config(url)], max_retries=0, retry_on_timeout=False)
            return self._transports[url]

    def _node_config(self, url: str) -> NodeConfig:
        options: dict[str, Any] = {"connections_per_node": 2, "http_compress": False}
        if url.startswith("https://"):
            options["ssl_context"] = self._shared_context()
        return url_to_node_config(url, use_default_ports_for_scheme=True).replace(**options)

    def _shared_context(self) -> ssl.SSLContext:
        """One for all nodes: a hundred of their own would cost ninety megabytes."""
        if self._context is None:
            try:
                context = ssl.create_default_context(cafile=self._settings.ca_file)
            except (OSError, ssl.SSLError) as error:
                text = f"the CA file cannot be used: {error}"
                raise ClusterError("es_tls", text, where=self._settings.ca_file or "", cure=_CURES["es_tls"]) from error
            context.check_hostname = self._settings.verify_hostname
            self._context = context
        return self._context

    def _authorization(self) -> str:
        """From the files as they are now: a rotated secret needs no restart."""
        if self._settings.api_key_file:
            return f"ApiKey {_secret(self._settings.api_key_file)}"
        password = _secret(self._settings.password_file or "")
        return "Basic " + base64.b64encode(f"{self._settings.username}:{password}".encode()).decode()


def _secret(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        text = f"the credential cannot be read: {error.strerror}"
        raise ClusterError("es_unauthorized", text, where=path, cure=_CURES["es_unauthorized"]) from error


def _body(url: str, path: str, status: int, body: object) -> Any:
    if status < 300:  # noqa: PLR2004 - HTTP success
        if isinstance(body, dict | list):
            return body
        raise _error("es_error", url, path, "the answer is not JSON")
    rules = {401: "es_unauthorized", 403: "es_forbidden", 408: "es_unhealthy", 429: "es_busy", 503: "es_unhealthy"}
    raise _error(rules.get(status, "es_error"), url, path, f"HTTP {status}: {_reason(body)}")


def _reason(body: object) -> str:
    """What Elasticsearch says is wrong, without the request."""
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, dict):
        cause = error.get("caused_by") or {}
        return f"{error.get('type')}: {str(error.get('reason'))[:200]} {str(cause.get('reason', ''))[:200]}".strip()
    return str(error or body)[:200]


def _error(rule: str, url: str, path: str, text: str) -> ClusterError:
    place = f"{url}{path.partition('?')[0]}"
    return ClusterError(rule, text, where=place, cure=_CURES.get(rule, ""))


def _text(error: elastic_transport.TransportError) -> str:
    return str(error.errors[0] if error.errors else error)[:300]


def _with_scheme(url: str, publish_address: str) -> str:
    """`es-01.example/10.0.0.11:9200` or `10.0.0.11:9200` as a URL, by name where there is one."""
    name, _, address = publish_address.rpartition("/")
    port = address.rpartition(":")[2]
    return f"{url.partition('://')[0]}://{f'{name}:{port}' if name else address}"


def _process(body: Mapping[str, Any]) -> Process:
    settings = body.get("settings", {})
    return Process(
        name=NodeName(body["name"]),
        version=body["version"],
        roles=frozenset(body.get("roles", ())),
        started=body.get("jvm", {}).get("start_time_in_millis", 0),
        log_dir=settings.get("path", {}).get("logs", "/var/log/elasticsearch"),
        cluster_name=settings.get("cluster", {}).get("name", ""),
    )


def _link(entry: tuple[str, Mapping[str, Any]]) -> Link:
    alias, body = entry
    return Link(
        alias=Alias(alias),
        connected=bool(body.get("connected")),
        sockets=body.get("num_proxy_sockets_connected", body.get("num_nodes_connected", 0)),
        address=body.get("proxy_address") or next(iter(body.get("seeds", ())), ""),
        server_name=body.get("server_name") or None,
        has_credential="cluster_credentials" in body,
    )
