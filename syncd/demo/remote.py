"""An ECK-like remote: several pods behind one load balancer, each with a leaf of its own, replaced while they run."""

import socket
import ssl
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from itertools import cycle
from pathlib import Path
from threading import Lock, Thread

from syncd.demo.pki import Leaf

_HANDSHAKE_SECONDS = 5


class DemoRemote:
    """The remote cluster server port (9443 in the field)."""

    def __init__(self, leaves: Iterable[Leaf]) -> None:
        self._lock = Lock()
        self.serve(leaves)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port: int = self._listener.getsockname()[1]
        Thread(target=self._accept, name="demo remote", daemon=True).start()

    def serve(self, leaves: Iterable[Leaf]) -> None:
        """New handshakes get these leaves in turn; open connections stay as they are."""
        contexts = cycle([_context(leaf) for leaf in leaves])
        with self._lock:
            self._contexts = contexts

    def stop(self) -> None:
        """Close the port."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                context = next(self._contexts)
            Thread(target=_hold, args=(connection, context), daemon=True).start()


def _hold(connection: socket.socket, context: ssl.SSLContext) -> None:
    """Shake hands, then keep the connection until the peer ends it."""
    with suppress(OSError):
        connection.settimeout(_HANDSHAKE_SECONDS)
        with context.wrap_socket(connection, server_side=True) as secured:
            secured.settimeout(None)
            while secured.recv(1024):
                pass
    connection.close()


def _context(leaf: Leaf) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        chain, key = Path(folder, "chain.pem"), Path(folder, "key.pem")
        chain.write_bytes(leaf.chain_pem)
        key.write_bytes(leaf.key_pem)
        context.load_cert_chain(chain, key)
    return context
