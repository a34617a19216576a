"""A small Kubernetes API on loopback: just what syncd uses of one, and faults on demand.

It passes the same contract tests as a real kube-apiserver: resource versions, preconditions, watches with bookmarks and
410, server-side apply of whole objects, Leases, Events.
"""

import base64
import json
import secrets
import socket
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Condition, Thread
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from syncd.ports import now

_KINDS = {
    "secrets": ("v1", "Secret"),
    "configmaps": ("v1", "ConfigMap"),
    "events": ("v1", "Event"),
    "leases": ("coordination.k8s.io/v1", "Lease"),
    "elasticsearches": ("elasticsearch.k8s.elastic.co/v1", "Elasticsearch"),
}
_BOOKMARK_SECONDS = 5.0

Key = tuple[str, str, str]
"""(plural, namespace, name)."""


class KubeFault(Exception):
    """An answer with a Status body."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code}
        self.status |= {"reason": reason, "message": message}


class Store:
    """Objects with versions, and the history that watches read."""

    def __init__(self) -> None:
        self.changed = Condition()
        self.version = 1
        self.oldest = 0
        self.objects: dict[Key, dict[str, Any]] = {}
        self.history: list[tuple[int, Key, str, dict[str, Any]]] = []

    def get(self, key: Key) -> dict[str, Any]:
        """One object."""
        with self.changed:
            if key not in self.objects:
                raise KubeFault(404, "NotFound", f'{key[0]} "{key[2]}" not found')
            return self.objects[key]

    def put(self, key: Key, body: dict[str, Any], *, must_exist: bool | None) -> dict[str, Any]:
        """Create (must_exist False), replace (True) or either (None); preconditions are in the body's metadata."""
        with self.changed:
            old = self.objects.get(key)
            _check(key, old, body.get("metadata", {}), must_exist=must_exist)
            if old is not None and _same(old, body):
                return old
            self.version += 1
            api, kind = _KINDS[key[0]]
            made = old["metadata"]["creationTimestamp"] if old else now().strftime("%Y-%m-%dT%H:%M:%SZ")
            metadata = {name: value for name, value in body.get("metadata", {}).items() if name != "managedFields"}
            metadata |= {"namespace": key[1], "name": key[2], "resourceVersion": str(self.version)}
            metadata |= {"uid": old["metadata"]["uid"] if old else _uid(), "creationTimestamp": made}
            self.objects[key] = {**body, "apiVersion": api, "kind": kind, "metadata": metadata}
            self._note(key, "MODIFIED" if old else "ADDED")
            return self.objects[key]

    def delete(self, key: Key) -> None:
        """Remove an object."""
        with self.changed:
            self.get(key)
            self.version += 1
            self.objects[key] = self.objects[key] | {
                "metadata": self.objects[key]["metadata"] | {"resourceVersion": str(self.version)}
            }
            self._note(key, "DELETED")
            del self.objects[key]

    def compact(self) -> None:
        """Forget the history: watches from before get 410."""
        with self.changed:
            self.history.clear()
            self.oldest = self.version
            self.changed.notify_all()

    def _note(self, key: Key, kind: str) -> None:
        self.history.append((self.version, key, kind, self.objects[key]))
        self.changed.notify_all()


class DemoKube:
    """The server. Start, use, stop; `url`, `token` and `kubeconfig` say how to reach it."""

    def __init__(self, port: int = 0) -> None:
        self.store = Store()
        self.token = secrets.token_hex(16)
        self.faults: list[int] = []
        """Status codes with which the next requests are answered."""
        self._port = port
        self._server: _Server | None = None
        self._thread: Thread | None = None

    def start(self) -> "DemoKube":
        """Listen; after a stop on the same port and with the same objects."""
        self._server = _Server(self, self._port)
        self._port = self._server.server_address[1]
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), name="demo kube", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Close the port and every connection."""
        if self._server and self._thread:
            self._server.shutdown()
            self._server.drop_connections()
            self._server.server_close()
            self._thread.join()
            self._server = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._port}"

    def kubeconfig(self, path: Path) -> Path:
        """A kubeconfig for it."""
        body = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "demo",
            "clusters": [{"name": "demo", "cluster": {"server": self.url}}],
            "users": [{"name": "demo", "user": {"token": self.token}}],
            "contexts": [{"name": "demo", "context": {"cluster": "demo", "user": "demo"}}],
        }
        path.write_text(json.dumps(body))
        return path

    def drop_connections(self) -> None:
        """Break every open connection, watches included."""
        if self._server:
            self._server.drop_connections()

    def put_secret(self, namespace: str, name: str, data: dict[str, bytes]) -> None:
        """Write a Secret as an operator would."""
        encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
        self.store.put(("secrets", namespace, name), {"data": encoded, "type": "Opaque"}, must_exist=None)

    def put_elasticsearch(self, namespace: str, name: str, available: int) -> None:
        """Write an Elasticsearch resource with so many available nodes."""
        body = {"spec": {}, "status": {"availableNodes": available, "health": "green", "phase": "Ready"}}
        self.store.put(("elasticsearches", namespace, name), body, must_exist=None)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, kube: DemoKube, port: int) -> None:
        self.kube = kube
        self.open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error."""

    def drop_connections(self) -> None:
        for connection in list(self.open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm: ClassVar[bool] = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
        """Nothing is logged."""

    def _handle(self) -> None:
        try:
            self._authorize()
            url = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(url.query).items()}
            key = _key(url.path)
            if self.command == "GET" and not key[2]:
                self._watch(key, query)
            else:
                self._answer(200, self._act(key, query))
        except KubeFault as fault:
            self._answer(fault.code, fault.status)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle  # noqa: N815 - the base class calls them so

    def _authorize(self) -> None:
        self._body = self.rfile.read(int(self.headers.get("content-length") or 0))
        faults = self.server.kube.faults
        if faults:
            code = faults.pop(0)
            raise KubeFault(code, "Fault", f"a fault on demand: {code}")
        if self.headers.get("authorization") != f"Bearer {self.server.kube.token}":
            raise KubeFault(401, "Unauthorized", "Unauthorized")

    def _act(self, key: Key, query: dict[str, str]) -> dict[str, Any]:
        store = self.server.kube.store
        body = json.loads(self._body) if self._body else {}
        match self.command:
            case "GET":
                return store.get(key)
            case "POST":
                return store.put((key[0], key[1], body["metadata"]["name"]), body, must_exist=False)
            case "PUT":
                return store.put(key, body, must_exist=True)
            case "PATCH" if self.headers.get("content-type") == "application/apply-patch+yaml":
                if "fieldManager" not in query:
                    raise KubeFault(400, "BadRequest", "fieldManager is required for apply patch")
                return store.put(key, body, must_exist=True if body["metadata"].get("uid") else None)
            case "PATCH":
                return store.put(key, store.get(key) | body, must_exist=True)
            case _:
                store.delete(key)
                return {"kind": "Status", "apiVersion": "v1", "status": "Success"}

    def _answer(self, code: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _watch(self, key: Key, query: dict[str, str]) -> None:
        if query.get("watch") not in ("1", "true"):
            raise KubeFault(403, "Forbidden", f"{key[0]} is forbidden: cannot list")
        field, _, name = query.get("fieldSelector", "").partition("=")
        if field != "metadata.name":
            raise KubeFault(403, "Forbidden", "only one object by name may be watched")
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("transfer-encoding", "chunked")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        wanted = (key[0], key[1], name)
        with suppress(OSError):
            for event in _follow(self.server.kube.store, wanted, query):
                self._chunk(json.dumps(event).encode() + b"\n")
            self._chunk(b"")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()


def _follow(store: Store, wanted: Key, query: dict[str, str]) -> Iterator[dict[str, Any]]:
    """The events of one object from a version on, with bookmarks, until the time is over."""
    version = int(query.get("resourceVersion") or store.version)
    end = float(query.get("timeoutSeconds") or 60)
    waited = 0.0
    while waited < end:
        with store.changed:
            if version < store.oldest:
                yield {"type": "ERROR", "object": KubeFault(410, "Expired", "too old resource version").status}
                return
            news = [(kind, body) for at, key, kind, body in store.history if at > version and key == wanted]
            version = max(version, store.version)
            if not news and not store.changed.wait(_BOOKMARK_SECONDS):
                waited += _BOOKMARK_SECONDS
                news = [("BOOKMARK", {"metadata": {"resourceVersion": str(version)}})]
        for kind, body in news:
            yield {"type": kind, "object": body}


def _key(path: str) -> Key:
    """`/api/v1/namespaces/NS/PLURAL[/NAME]`, `/apis/GROUP/VERSION/namespaces/...`."""
    parts = path.strip("/").split("/")
    if "namespaces" not in parts:
        raise KubeFault(404, "NotFound", "the server could not find the requested resource")
    namespace, plural, *name = parts[parts.index("namespaces") + 1 :]
    if plural not in _KINDS:
        raise KubeFault(404, "NotFound", "the server could not find the requested resource")
    return plural, namespace, name[0] if name else ""


def _check(key: Key, old: dict[str, Any] | None, metadata: dict[str, Any], *, must_exist: bool | None) -> None:
    if old is None and must_exist:
        raise KubeFault(409 if metadata.get("uid") else 404, "NotFound", f'{key[0]} "{key[2]}" not found')
    if old is not None and must_exist is False:
        raise KubeFault(409, "AlreadyExists", f'{key[0]} "{key[2]}" already exists')
    for field in ("resourceVersion", "uid"):
        wanted = metadata.get(field)
        if wanted and old is not None and wanted != old["metadata"][field]:
            raise KubeFault(409, "Conflict", f"the object has been modified: {field}")


def _same(old: dict[str, Any], body: dict[str, Any]) -> bool:
    return all(old.get(key) == value for key, value in body.items() if key != "metadata")


def _uid() -> str:
    digits = secrets.token_hex(16)
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
