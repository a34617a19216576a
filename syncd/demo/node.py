"""A process that behaves as an Elasticsearch node does where syncd meets one: `python -m syncd.demo.node CONFIG.json`.

It reads its elasticsearch.yml once, polls the files that it names, writes Elasticsearch's own log lines, answers the REST
calls that the adapter makes, listens on a transport port as 9300 is, and shakes hands with the remotes with what it has
loaded. Its peers are those that answer at the moment.
"""

import json
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any

from syncd.demo.contexts import Named, Start, TlsFiles
from syncd.demo.mutual import TransportPort, shake
from syncd.ports import now

_VERSION = "8.19.21"
_ROLES = ["data", "ingest", "master", "remote_cluster_client"]
_SHARD_COUNTS = (
    "initializing_shards",
    "relocating_shards",
    "unassigned_shards",
    "delayed_unassigned_shards",
    "number_of_pending_tasks",
)
_SOCKETS = 18
"""`proxy_socket_connections`."""


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """What a node is told at its start."""

    name: str
    http_port: int
    trust_file: str
    log_file: str
    peers: dict[str, int]
    """REST port of every node, by name."""
    settings_file: str
    """The cluster's settings, persistent and transient, shared by its nodes."""
    password: str
    alias: str
    remote_port: int
    poll: float = 5.0
    fresh_every: float = 0.2
    """Seconds between fresh handshakes with the remote."""
    transport_port: int = 0
    """Where its peers would dial it; 0: it tells none."""
    reload_interval: str | None = None
    """`resource.reload.interval.high` of its settings, where no elasticsearch.yml says it."""
    yml: str = ""
    """Path of its elasticsearch.yml; empty: it reads none, and names its trust file alone."""


@dataclass
class Counts:
    """Fresh handshakes with one remote."""

    ok: int = 0
    failed: int = 0
    last_error: str = ""


@dataclass
class Node:
    """The running node."""

    config: NodeConfig
    started: int = field(default_factory=lambda: int(now().timestamp() * 1000))
    counts: dict[str, Counts] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        alone = Start(Named((self.config.trust_file,)), Named(()), self.config.reload_interval)
        self.start = Start.read(Path(self.config.yml)) if self.config.yml else alone
        self.client = TlsFiles(self.start.client, self._log)
        self.transport = TlsFiles(self.start.transport, self._log)

    def run(self) -> None:
        """Until the process is ended."""
        for files in (self.client, self.transport):
            if wrong := files.load():
                self._log("WARN ", "o.e.b.Elasticsearch", f"cannot load {list(files.named.files)}: {wrong}")
                if self.config.yml:
                    sys.exit(f"{self.config.name} does not start: {wrong}")
        port = TransportPort(self.config.transport_port) if self.transport.server else None
        self._serve(port)
        Thread(target=self._shake_on, daemon=True).start()
        Thread(target=_Http(("127.0.0.1", self.config.http_port), self).serve_forever, daemon=True).start()
        while True:
            time.sleep(_seconds(self.start.reload_interval) or self.config.poll)
            self.client.poll()
            if self.transport.poll():
                self._serve(port)

    def connected(self) -> bool:
        """Whether a handshake with the remote of its configuration works now."""
        return self._shake(self.config.alias) == ""

    def _serve(self, port: TransportPort | None) -> None:
        if port and self.transport.server:
            port.turn_to([self.transport.server])

    def _log(self, level: str, logger: str, text: str) -> None:
        stamp = now().strftime("%Y-%m-%dT%H:%M:%S,%f")[:-3]
        with Path(self.config.log_file).open("a") as log:
            log.write(f"[{stamp}][{level}][{logger}] [{self.config.name}] {text}\n")

    # --- remotes

    def _remotes(self) -> dict[str, int]:
        """Port by alias: the one of its configuration, which has a credential, and those of the cluster's settings."""
        found = {self.config.alias: self.config.remote_port} if self.config.alias else {}
        for key, value in self._settings()["persistent"].items():
            prefix, _, setting = key.rpartition(".")
            if prefix.startswith("cluster.remote.") and setting == "proxy_address":
                found[prefix.removeprefix("cluster.remote.")] = int(value.rpartition(":")[2])
        return found

    def _shake_on(self) -> None:
        while True:
            for alias in self._remotes():
                error = self._shake(alias)
                counts = self.counts.setdefault(alias, Counts())
                if error:
                    counts.failed += 1
                    counts.last_error = error
                else:
                    counts.ok += 1
            time.sleep(self.config.fresh_every)

    def _shake(self, alias: str) -> str:
        """A fresh handshake with what is loaded; the error, or nothing."""
        ours = alias == self.config.alias
        context = (self.client if ours else self.transport).client
        if context is None or (not ours and not self.transport.named.chain):
            return "no trust was ever loaded" if ours else "no certificate of its own was ever loaded"
        port = self._remotes().get(alias)
        return shake(port, context, mutual=not ours) if port else f"no remote {alias}"

    # --- REST

    def answer(self, method: str, path: str, body: dict[str, Any]) -> Any:
        """The answer to a request; None: there is no such path."""
        place = path.partition("?")[0].strip("/")
        if method == "PUT" and place == "_cluster/settings":
            return self._put_settings(body)
        if place.startswith("_resolve/cluster/"):
            alias = place.rpartition("/")[2].partition(":")[0]
            return {alias: {"connected": self._connects(alias), "skip_unavailable": True}}
        make = self._routes().get(place)
        return make() if make else None

    def _routes(self) -> dict[str, Callable[[], Any]]:
        config = self.config
        return {
            "_nodes/_local": lambda: {"nodes": {config.name: self._local()}},
            "_nodes/http,jvm": lambda: {"nodes": {name: self._member(name, port) for name, port in self._members()}},
            "_cluster/health": self._health,
            "_cluster/state/routing_table": lambda: {"routing_table": {"indices": {}}},
            "_cluster/state/master_node": lambda: {"cluster_uuid": "demo", "master_node": min(self._members())[0]},
            "_cluster/settings": self._settings,
            "_nodes/reload_secure_settings": lambda: {"nodes": {config.name: {"name": config.name}}},
            "_license": lambda: {"license": {"type": "trial", "status": "active"}},
            "_ssl/certificates": lambda: [_certificate(path) for path in self._trust_files()],
            "_remote/info": lambda: {alias: self._remote(alias, port) for alias, port in self._remotes().items()},
            "_demo/handshakes": self._counted,
        }

    def _connects(self, alias: str) -> bool:
        return self.connected() if alias == self.config.alias else self._shake(alias) == ""

    def _counted(self) -> dict[str, Any]:
        """Of the remote of its configuration, and by alias."""
        own = self.counts.get(self.config.alias, Counts())
        return {**vars(own), "remotes": {alias: vars(counts) for alias, counts in self.counts.items()}}

    def _trust_files(self) -> tuple[str, ...]:
        return *self.start.client.trust, *self.start.transport.trust

    def _members(self) -> Iterator[tuple[str, int]]:
        """The nodes that answer now; of nodes without settings of their own there may be a thousand: they are believed."""
        for name, port in self.config.peers.items():
            with suppress(OSError):
                if name != self.config.name and self.config.yml:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                yield name, port

    def _health(self) -> dict[str, Any]:
        """Each node holds a replica of something: while it is away, that waits for it."""
        away = len(self.config.peers) - len(list(self._members()))
        counts = dict.fromkeys(_SHARD_COUNTS, 0) | {"unassigned_shards": away, "delayed_unassigned_shards": away}
        return {"cluster_name": "onprem", "status": "yellow" if away else "green", **counts}

    def _put_settings(self, body: dict[str, Any]) -> dict[str, bool]:
        with self._lock:
            there = self._settings()
            merged = {place: there[place] | body.get(place, {}) for place in there}
            kept = {place: {k: v for k, v in found.items() if v is not None} for place, found in merged.items()}
            temp = Path(f"{self.config.settings_file}.{self.config.name}")
            temp.write_text(json.dumps(kept))
            temp.rename(self.config.settings_file)  # the other nodes never read half of it
        return {"acknowledged": True}

    def _settings(self) -> dict[str, dict[str, Any]]:
        with suppress(OSError, ValueError):
            settings: dict[str, dict[str, Any]] = json.loads(Path(self.config.settings_file).read_text())
            return settings
        return {"persistent": {}, "transient": {}}

    def _local(self) -> dict[str, Any]:
        logs = str(Path(self.config.log_file).parent)
        settings: dict[str, Any] = {"path": {"logs": logs}, "cluster": {"name": "onprem"}}
        if self.start.reload_interval:
            settings["resource"] = {"reload": {"interval": {"high": self.start.reload_interval}}}
        transport = {"publish_address": f"127.0.0.1:{self.config.transport_port}"} if self.config.transport_port else {}
        return {
            "name": self.config.name,
            "version": _VERSION,
            "roles": _ROLES,
            "jvm": {"start_time_in_millis": self.started},
            "settings": settings,
            "transport": transport,
        }

    def _member(self, name: str, port: int) -> dict[str, Any]:
        """Of its peers it does not know when they were started."""
        known = {"jvm": {"start_time_in_millis": self.started}} if name == self.config.name else {}
        return {"name": name, "roles": _ROLES, "http": {"publish_address": f"127.0.0.1:{port}"}, **known}

    def _remote(self, alias: str, port: int) -> dict[str, Any]:
        up = self._connects(alias)
        credential = {"cluster_credentials": "::es_redacted::"} if alias == self.config.alias else {}
        return {
            "connected": up,
            "mode": "proxy",
            "proxy_address": f"127.0.0.1:{port}",
            "server_name": "localhost",
            "num_proxy_sockets_connected": _SOCKETS if up else 0,
            **credential,
        }


def _seconds(interval: str | None) -> float:
    """Of `1s` or `500ms`; 0: none is given."""
    if not interval:
        return 0.0
    return float(interval.removesuffix("ms")) / 1000 if interval.endswith("ms") else float(interval.removesuffix("s"))


def _certificate(path: str) -> dict[str, Any]:
    return {"path": path, "format": "PEM", "has_private_key": False}


class _Http(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], node: Node) -> None:
        self.node = node
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Http
    protocol_version = "HTTP/1.1"

    def _handle(self) -> None:
        data = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.headers.get("authorization", "") != f"ApiKey {self.server.node.config.password}":
            self._send(401, {"error": {"type": "security_exception", "reason": "missing authentication credentials"}})
            return
        answer = self.server.node.answer(self.command, self.path, json.loads(data) if data else {})
        self._send(200 if answer is not None else 404, answer if answer is not None else {"error": "no handler found"})

    do_GET = do_PUT = do_POST = _handle  # noqa: N815 - the base class calls them so

    def _send(self, code: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("content-type", "application/json")
        self.send_header("x-elastic-product", "Elasticsearch")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
        """Requests are not logged."""


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        Node(NodeConfig(**json.loads(Path(sys.argv[1]).read_text()))).run()
