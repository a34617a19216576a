"""An ECK-like remote: several pods behind one load balancer, each with a leaf of its own, replaced while they run."""

import socket
import ssl
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from syncd.demo.pki import Leaf
from syncd.demo.port import Port

_HANDSHAKE_SECONDS = 5


class DemoRemote(Port[ssl.SSLContext]):
    """The remote cluster server port (9443 in the field)."""

    def __init__(self, leaves: Iterable[Leaf]) -> None:
        super().__init__(_hold)
        self.serve(leaves)

    def serve(self, leaves: Iterable[Leaf]) -> None:
        """New handshakes get these leaves in turn; open connections stay as they are."""
        self.turn_to([_context(leaf) for leaf in leaves])


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
