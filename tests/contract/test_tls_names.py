"""Which name a TLS look asks for, what a server that asks for a certificate shows, and that no peer is waited for."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from OpenSSL import SSL

from syncd.adapters.local import dial
from syncd.adapters.tls import TlsHandshakes
from syncd.core.errors import HostError
from syncd.demo.pki import EckCa
from syncd.ports import Deadline, Stream, now
from tests.contract.test_tls import listening

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


@dataclass(frozen=True)
class Demanding:
    """How a server asks for a certificate of the client."""

    version: int
    names: tuple[EckCa, ...]
    only_asks: bool = False
    """Whether it goes on without one."""


OTHERS = tuple(EckCa.create(now(), cluster=name) for name in ("one", "two"))
VERSIONS = [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION]


@contextmanager
def demanding(how: Demanding) -> Iterator[int]:
    """A server that asks for a certificate, as a transport port does."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(how.version)
    context.set_max_proto_version(how.version)
    context.use_certificate(LEAF.cert.x509)
    context.add_extra_chain_cert(LEAF.chain[1].x509)
    context.use_privatekey(LEAF.key)
    demand = SSL.VERIFY_PEER if how.only_asks else SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT
    context.set_verify(demand, lambda *_: False)
    for ca in how.names:
        context.add_client_ca(ca.cert.x509)

    def shake(connection: socket.socket) -> None:
        with suppress(SSL.Error):
            server = SSL.Connection(context, connection)
            server.set_accept_state()
            server.do_handshake()

    with listening(shake) as port:
        yield port


def stream_to(port: int) -> AbstractContextManager[Stream]:
    return closing(dial("127.0.0.1", port, Deadline.after(5)))


@pytest.mark.parametrize("only_asks", [True, False])
@pytest.mark.parametrize("version", VERSIONS)
def test_one_handshake_shows_the_chain_and_whom_the_port_accepts(version: int, *, only_asks: bool) -> None:
    with demanding(Demanding(version, OTHERS, only_asks)) as port, stream_to(port) as stream:
        shown = TlsHandshakes().shown(stream, "10.0.0.1:9300", Deadline.after(5))
    assert shown.presented.chain == LEAF.chain
    assert shown.presented.address == "10.0.0.1:9300"
    assert shown.accepted == {ca.cert.subject for ca in OTHERS}


@pytest.mark.parametrize("names", [(), OTHERS])
@pytest.mark.parametrize("version", VERSIONS)
def test_the_chain_of_a_server_that_demands_a_certificate_is_seen(version: int, names: tuple[EckCa, ...]) -> None:
    with demanding(Demanding(version, names)) as port, stream_to(port) as stream:
        assert TlsHandshakes().presented(stream, None, Deadline.after(5)) == LEAF.chain


def test_no_names_in_a_handshake_that_was_broken_off_are_not_an_empty_trust() -> None:
    """Unknown is never empty: what ended it may as well be something else."""
    port = demanding(Demanding(SSL.TLS1_2_VERSION, ()))
    with port as number, stream_to(number) as stream, pytest.raises(HostError) as refused:
        TlsHandshakes().shown(stream, "10.0.0.1:9300", Deadline.after(5))
    assert refused.value.rule == "tls"


class CutShort:
    """A stream of TLS 1.2 on which the server's first flight ends before the proof of its key, and then an alert."""

    def __init__(self, inner: Stream) -> None:
        self._inner = inner
        self._left = b""

    def send(self, data: bytes, deadline: Deadline) -> None:
        self._inner.send(data, deadline)

    def receive(self, limit: int, deadline: Deadline) -> bytes:
        said = self._inner.receive(limit, deadline)
        while said.count(b"\x16\x03\x03") < 3:
            said += self._inner.receive(limit, deadline)
        hello, certificate = _records(said)[:2]
        return hello + certificate + b"\x15\x03\x03\x00\x02\x02\x28"

    def close(self) -> None:
        self._inner.close()


def _records(data: bytes) -> list[bytes]:
    found = []
    while data:
        size = 5 + int.from_bytes(data[3:5], "big")
        found.append(data[:size])
        data = data[size:]
    return found


def test_a_chain_without_the_proof_of_its_key_is_not_taken() -> None:
    """Anybody can send somebody's certificate."""
    port = demanding(Demanding(SSL.TLS1_2_VERSION, OTHERS))
    with port as number, stream_to(number) as stream, pytest.raises(HostError) as refused:
        TlsHandshakes().presented(CutShort(stream), None, Deadline.after(5))
    assert refused.value.rule == "tls"


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
