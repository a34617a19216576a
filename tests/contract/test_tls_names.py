"""Which name a TLS look asks for, and that a peer that goes on and on is given up."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from syncd.adapters.local import dial
from syncd.adapters.tls import TlsHandshakes
from syncd.core.errors import HostError
from syncd.demo.pki import EckCa
from syncd.ports import Deadline, now

LEAF = EckCa.create(now()).leaf()


class Names:
    """A TLS server that notes which name each client asks for."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[str | None] = []
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        (folder / "pem").write_bytes(LEAF.chain_pem + LEAF.key_pem)
        self._context.load_cert_chain(folder / "pem")
        self._context.sni_callback = lambda _, name, __: self.asked.append(name)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                peer, _ = self._listener.accept()
                with peer, suppress(OSError), self._context.wrap_socket(peer, server_side=True) as secured:
                    secured.recv(1)

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()


@pytest.fixture
def names(tmp_path: Path) -> Iterator[Names]:
    server = Names(tmp_path)
    yield server
    server.stop()


@pytest.mark.parametrize(
    ("server_name", "asked"),
    [
        ("eck.example", "eck.example"),
        ("eck.example.", "eck.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        (None, None),
        ("", None),
        ("127.0.0.1", None),
        ("::1", None),
        ("a..b", None),
        ("under_score.example", None),
        ("x" * 64 + ".example", None),
        ("-x.example", None),
    ],
)
def test_only_a_host_name_is_asked_for_and_every_name_gets_an_answer(
    names: Names, server_name: str | None, asked: str | None
) -> None:
    """RFC 6066 allows no address; Java, which a node asks with, sends no other names either."""
    stream = dial("127.0.0.1", names.port, Deadline.after(5))
    try:
        assert TlsHandshakes().presented(stream, server_name, Deadline.after(5)) == LEAF.chain
    finally:
        stream.close()
    assert names.asked == [asked]


class Endless:
    """A stream that always has one more byte of a handshake record that never ends."""

    def __init__(self) -> None:
        self._said = b"\x16\x03\x03\x3f\xff"

    def send(self, data: bytes, deadline: Deadline) -> None:
        """Swallow it."""

    def receive(self, limit: int, deadline: Deadline) -> bytes:
        said, self._said = self._said or b"\x02", b""
        return said

    def close(self) -> None:
        """Nothing is held."""


def test_a_peer_that_always_has_one_more_byte_is_given_up() -> None:
    with pytest.raises(HostError) as late:
        TlsHandshakes().presented(Endless(), None, Deadline.after(0.01))
    assert late.value.rule == "timeout"
