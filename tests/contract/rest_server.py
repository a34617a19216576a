"""A REST server that misbehaves in one chosen way, over HTTP or HTTPS."""

import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from syncd.demo.pki import Leaf

Handle = Callable[[socket.socket], None]


def says(body: bytes, status: str = "200 OK") -> Handle:
    """A server that answers every request alike."""

    def handle(peer: socket.socket) -> None:
        head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        while peer.recv(65_536):
            peer.sendall(head.encode() + body)

    return handle


def drips(head: bytes, drop: bytes) -> Handle:
    """A server that always has one more byte."""

    def handle(peer: socket.socket) -> None:
        peer.recv(65_536)
        peer.sendall(head)
        while True:
            peer.sendall(drop)
            time.sleep(0.05)

    return handle


@contextmanager
def serving(handle: Handle, leaf: Leaf | None = None, address: str = "127.0.0.1") -> Iterator[str]:
    """The URL of a server; every connection is closed at the end."""
    context = _context(leaf) if leaf else None
    with ExitStack() as stack, socket.create_server((address, 0)) as listener:

        def one(peer: socket.socket) -> None:
            with suppress(OSError), peer:
                if context is None:
                    handle(peer)
                else:
                    with context.wrap_socket(peer, server_side=True) as secured:
                        handle(secured)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    peer, _ = listener.accept()
                    stack.callback(_end, peer.dup())
                    threading.Thread(target=one, args=(peer,), daemon=True).start()

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield f"{'https' if leaf else 'http'}://{address}:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _end(peer: socket.socket) -> None:
    with suppress(OSError), peer:
        peer.shutdown(socket.SHUT_RDWR)


def _context(leaf: Leaf) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as pem:  # ssl reads keys from files only
        pem.write(leaf.chain_pem + leaf.key_pem)
        pem.flush()
        context.load_cert_chain(pem.name)
    return context
