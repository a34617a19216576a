"""One small HTTP server: /metrics, /healthz, /readyz, /status. Read-only."""

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from syncd.core.errors import ConfigError

Page = Callable[[], tuple[int, str, bytes]]
"""(status, content type, body)."""
_HTTP_TIMEOUT = 10


def json_page(code: int, body: object) -> tuple[int, str, bytes]:
    """A JSON answer."""
    return code, "application/json", json.dumps(body, indent=1).encode() + b"\n"


class Server:
    """Serves pages by path."""

    def __init__(self, listen: str, pages: dict[str, Page]) -> None:
        self.listen = listen
        host, _, port = listen.rpartition(":")
        try:
            self._server = _Http((host or "0.0.0.0", int(port)), pages)  # noqa: S104 - an empty host asks for it
        except OSError as error:
            cure = "Set telemetry.listen to an address of this host and a free port; for another address at the same port, "
            cure += "restart syncd"
            raise ConfigError("listen", f"cannot listen: {error.strerror}", where=listen, cure=cure) from error
        self._thread = Thread(target=self._server.serve_forever, args=(0.2,), name="telemetry", daemon=True)

    @property
    def port(self) -> int:
        """The port, also where 0 was asked for."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self) -> None:
        """Close the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(2)


class _Http(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], pages: dict[str, Page]) -> None:
        self.pages = pages
        super().__init__(address, _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no error."""


class _Handler(BaseHTTPRequestHandler):
    server: _Http
    timeout = _HTTP_TIMEOUT

    def do_GET(self) -> None:
        page = self.server.pages.get(self.path.partition("?")[0])
        code, kind, body = page() if page else (404, "text/plain", b"/metrics /healthz /readyz /status\n")
        self.send_response(code)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
        """Scrapes are not logged."""
