"""A process that behaves as an Elasticsearch node does where syncd meets one: `python -m syncd.demo.node CONFIG.json`.

It polls its trust file by time and size, keeps the old trust when a file will not load, writes Elasticsearch's own log
lines, answers the REST calls that the adapter makes, and shakes hands with the remote with the trust that it has loaded.
"""

import json
import socket
import ssl
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from syncd.ports import now

_VERSION = "8.19.21"
_ROLES = ["data", "ingest", "master", "remote_cluster_client"]
_ANY_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME, which the ssl module has no name for."""
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
    """The cluster's persistent settings, shared by its nodes."""
    password: str
    alias: str
    remote_port: int
    poll: float = 5.0
    fresh_every: float = 0.2
    """Seconds between fresh handshakes with the remote."""


@dataclass
class Counts:
    """Fresh handshakes."""

    ok: int = 0
    failed: int = 0
    last_error: str = ""


@dataclass
class Node:
    """The running node."""

    config: NodeConfig
    started: int = field(default_factory=lambda: int(now().timestamp() * 1000))
    counts: Counts = field(default_factory=Counts)
    trust: ssl.SSLContext | None = None

    def run(self) -> None:
        """Until the process is ended."""
        seen = self._stamp()
        self._load(log=False)
        Thread(target=self._shake_on, daemon=True).start()
        Thread(target=_Http(("127.0.0.1", self.config.http_port), self).serve_forever, daemon=True).start()
        while True:
            time.sleep(self.config.poll)
            if self._stamp() != seen:
                seen = self._stamp()
                self._load(log=True)

    def connected(self) -> bool:
        """Whether a handshake with the remote works now."""
        return self._shake() == ""

    def _stamp(self) -> tuple[int, int] | None:
        """Elasticsearch's FileWatcher compares time and size, not content."""
        with suppress(OSError):
            status = Path(self.config.trust_file).stat()
            return status.st_mtime_ns // 1_000_000, status.st_size
        return None

    def _load(self, *, log: bool) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.verify_flags |= (
            _ANY_TIME  # Java ignores the dates of what it trusts; the leaf's are looked at in _shake
        )
        try:
            context.load_verify_locations(self.config.trust_file)
        except (OSError, ssl.SSLError) as error:
            trace = (
                f"\norg.elasticsearch.common.ssl.SslConfigException: cannot load [{self.config.trust_file}]: {error}"
            )
            self._log("WARN ", "o.e.w.ResourceWatcherService", f"cannot notify file changes listener{trace}")
            return
        self.trust = context
        if log:
            text = f"updated 1 ssl contexts in 6ms for prefix names [] using file [{self.config.trust_file}]"
            self._log("INFO ", "o.e.x.c.s.SSLConfigurationReloader", text)

    def _log(self, level: str, logger: str, text: str) -> None:
        stamp = now().strftime("%Y-%m-%dT%H:%M:%S,%f")[:-3]
        with Path(self.config.log_file).open("a") as log:
            log.write(f"[{stamp}][{level}][{logger}] [{self.config.name}] {text}\n")

    def _shake_on(self) -> None:
        while True:
            error = self._shake()
            if error:
                self.counts.failed += 1
                self.counts.last_error = error
            else:
                self.counts.ok += 1
            time.sleep(self.config.fresh_every)

    def _shake(self) -> str:
        """A fresh handshake with what is loaded; the error, or nothing."""
        if self.trust is None:
            return "no trust was ever loaded"
        try:
            plain = socket.create_connection(("127.0.0.1", self.config.remote_port), 5)
            with plain, self.trust.wrap_socket(plain) as secured:
                return _outside(secured.getpeercert() or {})
        except OSError as error:
            return str(error)

    # --- REST

    def answer(self, method: str, path: str, body: dict[str, Any]) -> Any:
        """The answer to a request; None: there is no such path."""
        place = path.partition("?")[0].strip("/")
        if method == "PUT" and place == "_cluster/settings":
            return self._put_settings(body)
        if place.startswith("_resolve/cluster/"):
            alias = place.rpartition("/")[2].partition(":")[0]
            return {alias: {"connected": self.connected(), "skip_unavailable": True}}
        make = self._routes().get(place)
        return make() if make else None

    def _routes(self) -> dict[str, Callable[[], Any]]:
        config = self.config
        return {
            "_nodes/_local": lambda: {"nodes": {config.name: self._local()}},
            "_nodes/http": lambda: {"nodes": {name: _peer(name, port) for name, port in config.peers.items()}},
            "_cluster/health": lambda: {"cluster_name": "onprem", "status": "green"},
            "_cluster/state/master_node": lambda: {"cluster_uuid": "demo", "master_node": min(config.peers)},
            "_cluster/settings": lambda: {"persistent": self._settings(), "transient": {}},
            "_nodes/reload_secure_settings": lambda: {"nodes": {config.name: {"name": config.name}}},
            "_license": lambda: {"license": {"type": "trial", "status": "active"}},
            "_ssl/certificates": lambda: [{"path": config.trust_file, "format": "PEM", "has_private_key": False}],
            "_remote/info": lambda: {config.alias: self._remote()},
            "_demo/handshakes": lambda: vars(self.counts),
        }

    def _put_settings(self, body: dict[str, Any]) -> dict[str, bool]:
        merged = self._settings() | body.get("persistent", {})
        kept = {name: value for name, value in merged.items() if value is not None}
        temp = Path(f"{self.config.settings_file}.{self.config.name}")
        temp.write_text(json.dumps(kept))
        temp.rename(self.config.settings_file)  # the other nodes never read half of it
        return {"acknowledged": True}

    def _settings(self) -> dict[str, Any]:
        with suppress(OSError, ValueError):
            settings: dict[str, Any] = json.loads(Path(self.config.settings_file).read_text())
            return settings
        return {}

    def _local(self) -> dict[str, Any]:
        logs = str(Path(self.config.log_file).parent)
        return {
            "name": self.config.name,
            "version": _VERSION,
            "roles": _ROLES,
            "jvm": {"start_time_in_millis": self.started},
            "settings": {"path": {"logs": logs}, "cluster": {"name": "onprem"}},
        }

    def _remote(self) -> dict[str, Any]:
        up = self.connected()
        return {
            "connected": up,
            "mode": "proxy",
            "proxy_address": f"127.0.0.1:{self.config.remote_port}",
            "server_name": "localhost",
            "num_proxy_sockets_connected": _SOCKETS if up else 0,
            "cluster_credentials": "::es_redacted::",
        }


def _outside(leaf: Mapping[str, Any]) -> str:
    """Why a leaf is not valid now; empty when it is."""
    moment = now().timestamp()
    if ssl.cert_time_to_seconds(leaf["notBefore"]) <= moment <= ssl.cert_time_to_seconds(leaf["notAfter"]):
        return ""
    return f"the leaf is valid from {leaf['notBefore']} to {leaf['notAfter']}"


def _peer(name: str, port: int) -> dict[str, Any]:
    return {"name": name, "roles": _ROLES, "http": {"publish_address": f"127.0.0.1:{port}"}}


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
