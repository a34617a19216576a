"""Looking at TLS peers: what they present and accept, over real sockets, in TLS 1.2 and 1.3."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from OpenSSL import SSL

from syncd.adapters.local import dial
from syncd.adapters.tls import TlsHandshakes
from syncd.core.errors import HostError
from syncd.demo.pki import EckCa
from syncd.demo.remote import DemoRemote
from syncd.ports import Deadline, now
from tests.bed.waiting import soon

CA = EckCa.create(now())
LEAVES = [CA.leaf(f"default-{number}") for number in range(3)]
PROTOCOLS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@contextmanager
def listening(handle: Callable[[socket.socket], object]) -> Iterator[int]:
    """A server that handles one connection after another in a thread."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection, suppress(OSError):
                        handle(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def server_context(tmp_path: Path, version: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = version
    (tmp_path / "chain").write_bytes(LEAVES[0].chain_pem)
    (tmp_path / "key").write_bytes(LEAVES[0].key_pem)
    context.load_cert_chain(tmp_path / "chain", tmp_path / "key")
    return context


def presented(port: int, deadline: Deadline | None = None) -> object:
    stream = dial("127.0.0.1", port, soon())
    try:
        return TlsHandshakes().presented(stream, "localhost", deadline or soon())
    finally:
        stream.close()


@pytest.mark.parametrize("version", PROTOCOLS)
def test_the_whole_presented_chain_is_seen_though_nobody_trusts_it(tmp_path: Path, version: ssl.TLSVersion) -> None:
    context = server_context(tmp_path, version)

    def shake(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            secured.recv(1)

    with listening(shake) as port:
        assert presented(port) == LEAVES[0].chain


@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
def test_the_names_that_a_port_accepts_are_those_of_its_loaded_trust(version: int) -> None:
    others = [EckCa.create(now(), cluster=name) for name in ("one", "two")]
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(version)
    context.set_max_proto_version(version)
    context.use_certificate(LEAVES[0].cert.x509)
    context.use_privatekey(LEAVES[0].key)
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: False)
    for ca in others:
        context.add_client_ca(ca.cert.x509)

    def shake(connection: socket.socket) -> None:
        with suppress(SSL.Error):
            server = SSL.Connection(context, connection)
            server.set_accept_state()
            server.do_handshake()

    with listening(shake) as port:
        stream = dial("127.0.0.1", port, soon())
        names = TlsHandshakes().accepted_names(stream, soon())
        stream.close()
    assert sorted(names) == sorted(ca.cert.subject for ca in others)


def test_several_connections_see_every_endpoint_behind_a_balancer() -> None:
    remote = DemoRemote(LEAVES)
    chains = {presented(remote.port) for _ in range(6)}
    remote.stop()
    assert chains == {leaf.chain for leaf in LEAVES}


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x16\x03\x01\x00\x05hello"])
def test_what_speaks_no_tls_is_told(said: bytes) -> None:
    with listening(lambda connection: connection.sendall(said)) as port, pytest.raises(HostError) as refused:
        presented(port)
    assert refused.value.rule in ("tls", "io")


def test_a_peer_that_never_answers_is_given_up_by_the_deadline() -> None:
    held = threading.Event()
    with listening(lambda _: held.wait(5)) as port:
        with pytest.raises(HostError) as late:
            presented(port, Deadline.after(0.2))
        held.set()
    assert late.value.rule == "timeout"
