"""HTTP in front of the embedded Kubernetes API's objects, and the faults that it can be asked for."""

import base64
import json
import secrets
import socket
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from syncd.demo.kube.store import KINDS, Key, KubeFault, Store

_APPLY = "application/apply-patch+yaml"


class DemoKube:
    """The server. Start, use, stop; `url`, `token` and `kubeconfig` say how to reach it."""

    def __init__(self, port: int = 0) -> None:
        self.store = Store()
        self.token = secrets.token_hex(16)
        """What a bearer must present; may be changed while it runs, as a real one expires."""
        self.faults: list[int] = []
        """Status codes with which the next requests are answered."""
        self.moving = Event()
        """Clear: everything is accepted and nothing is answered."""
        self.moving.set()
        self._port = port
        self._server: _Server | None = None
        self._thread: Thread | None = None

    def start(self) -> "DemoKube":
        """Listen; after a stop on the same port and with the same objects."""
        self.store.closed = False
        self._server = _Server(self, self._port)
        self._port = self._server.server_address[1]
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), name="demo kube", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Close the port and every connection, and end every watch."""
        if self._server and self._thread:
            self._server.shutdown()
            self.moving.set()
            self.store.close()
            for handler in [*self._server.drop_connections(), self._thread]:
                handler.join()
            self._server.server_close()
            self._server = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._port}"

    def kubeconfig(self, path: Path) -> Path:
        """Write a kubeconfig for it; of 0600, since the token is in it."""
        body = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "demo",
            "clusters": [{"name": "demo", "cluster": {"server": self.url}}],
            "users": [{"name": "demo", "user": {"token": self.token}}],
            "contexts": [{"name": "demo", "context": {"cluster": "demo", "user": "demo"}}],
        }
        path.touch(mode=0o600)
        path.write_text(json.dumps(body))
        return path

    # --- faults

    def fail(self, status: int, times: int) -> None:
        """Answer the next requests with this status."""
        self.faults += [status] * times

    def drop_connections(self) -> None:
        """Break every open connection, watches included."""
        if self._server:
            self._server.drop_connections()

    def freeze(self) -> None:
        """Accept everything, answer nothing, close nothing."""
        self.moving.clear()

    def thaw(self) -> None:
        """Answer again, beginning with what waited."""
        self.moving.set()

    # --- what an operator would do in it

    def put_secret(self, namespace: str, name: str, data: dict[str, bytes]) -> None:
        """Write a Secret."""
        encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
        self.store.put(("secrets", namespace, name), {"data": encoded, "type": "Opaque"})

    def delete_secret(self, namespace: str, name: str) -> None:
        """Delete a Secret."""
        self.store.delete(("secrets", namespace, name))

    def put_elasticsearch(self, namespace: str, name: str, available: int) -> None:
        """Write an Elasticsearch resource with so many available nodes."""
        body = {
            "spec": {"remoteClusterServer": {"enabled": True}},
            "status": {"availableNodes": available, "health": "green", "phase": "Ready"},
        }
        self.store.put(("elasticsearches", namespace, name), body)


class _Server(ThreadingHTTPServer):
    """One daemon thread a connection; closing waits for them, dying does not."""

    def __init__(self, kube: DemoKube, port: int) -> None:
        self.kube = kube
        self._handlers: dict[socket.socket, Thread] = {}
        self._lock = Lock()
        super().__init__(("127.0.0.1", port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = Thread(target=self.process_request_thread, args=(request, client_address), daemon=True)
        with self._lock:
            self._handlers[request] = thread
        thread.start()

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._handlers.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error."""

    def drop_connections(self) -> list[Thread]:
        """Break every connection; the threads that served them end soon."""
        with self._lock:
            for connection in self._handlers:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            return list(self._handlers.values())


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm: ClassVar[bool] = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
        """Nothing is logged."""

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.server.kube.moving.wait()
        url = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        try:
            self._authorize()
            key = _key(url.path)
            if self.command == "GET" and not key[2]:
                self._watch(key, query)
            else:
                self._answer(200, self._act(key, query, json.loads(body) if body else {}))
        except KubeFault as fault:
            self._answer(fault.code, fault.status)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle  # noqa: N815 - the base class calls them so

    def _authorize(self) -> None:
        faults = self.server.kube.faults
        if faults:
            code = faults.pop(0)
            raise KubeFault(code, "Fault", f"a fault on demand: {code}")
        if self.headers.get("authorization", "").lower() != f"bearer {self.server.kube.token}":
            raise KubeFault(401, "Unauthorized", "Unauthorized")

    def _act(self, key: Key, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
        store = self.server.kube.store
        match self.command:
            case "GET":
                return store.get(key)
            case "POST":
                return store.put((key[0], key[1], body["metadata"]["name"]), body, "create")
            case "PUT":
                return store.put(key, body, "replace")
            case "PATCH" if self.headers.get("content-type") == _APPLY:
                if "fieldManager" not in query:
                    raise KubeFault(400, "BadRequest", "fieldManager is required for apply patch")
                return store.apply(key, body, query["fieldManager"], force=query.get("force") == "true")
            case "PATCH":
                return store.merge(key, body)
            case _:
                store.delete(key)
                return {"kind": "Status", "apiVersion": "v1", "status": "Success"}

    def _answer(self, code: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        with suppress(OSError):  # a client that went away is no error
            self.send_response(code)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    def _watch(self, key: Key, query: dict[str, str]) -> None:
        field, _, name = query.get("fieldSelector", "").partition("=")
        if query.get("watch") not in ("1", "true") or field != "metadata.name":
            raise KubeFault(403, "Forbidden", f"{key[0]} is forbidden: only one object, by name, may be watched")
        self.close_connection = True
        version = int(query["resourceVersion"]) if query.get("resourceVersion") else None
        events = self.server.kube.store.follow((key[0], key[1], name), version, float(query.get("timeoutSeconds", 60)))
        with suppress(OSError):
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("transfer-encoding", "chunked")
            self.send_header("connection", "close")
            self.end_headers()
            for event in events:
                self.server.kube.moving.wait()
                self._chunk(json.dumps(event).encode() + b"\n")
            self.server.kube.moving.wait()
            self._chunk(b"")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()


def _key(path: str) -> Key:
    """`/api/v1/namespaces/NS/PLURAL[/NAME]`, `/apis/GROUP/VERSION/namespaces/...`."""
    parts = path.strip("/").split("/")
    if "namespaces" not in parts:
        raise KubeFault(404, "NotFound", "the server could not find the requested resource")
    namespace, plural, *name = parts[parts.index("namespaces") + 1 :]
    if plural not in KINDS:
        raise KubeFault(404, "NotFound", "the server could not find the requested resource")
    return plural, namespace, name[0] if name else ""
