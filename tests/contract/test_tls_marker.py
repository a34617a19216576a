"""A marker shown to whoever connects: only a client that trusts it and speaks Elasticsearch's protocol counts."""

import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from syncd.adapters.local import SocketStream
from syncd.adapters.tls import TlsHandshakes
from syncd.core.bundle import is_marker, read_trust_file, render
from syncd.core.java.trust import verifies
from syncd.ports import Deadline, Marker, now

NAME = "proof.syncd.invalid"
MARKER = TlsHandshakes().mint("syncd 0123456789abcdef", NAME)
OTHER = TlsHandshakes().mint("syncd 0123456789abcdef", NAME)


def answered(client: Callable[[socket.socket], object], seconds: float = 5) -> bool:
    """What the listener says of a client."""
    ours, theirs = socket.socketpair()
    thread = threading.Thread(target=lambda: client(theirs))
    thread.start()
    stream = SocketStream(ours, "client")
    try:
        return TlsHandshakes().answer(stream, MARKER, Deadline.after(seconds))
    finally:
        stream.close()
        thread.join()
        theirs.close()


def trusting(marker: Marker, says: bytes, version: ssl.TLSVersion) -> Callable[[socket.socket], None]:
    """A client that trusts one certificate, as a process that has loaded a file does, and then says something."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = context.maximum_version = version
    context.load_verify_locations(cadata=marker.cert.pem.decode())
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN

    def talk(peer: socket.socket) -> None:
        try:
            with context.wrap_socket(peer, server_hostname=NAME) as secured:
                secured.sendall(says)
                secured.recv(1)
        except OSError:
            """Refused, or hung up on: the listener says what it saw."""

    return talk


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_only_who_trusts_this_very_marker_has_loaded_it(version: ssl.TLSVersion) -> None:
    """Subject and names are equal: the key tells them apart."""
    assert answered(trusting(MARKER, b"ES\0\0", version))
    assert not answered(trusting(OTHER, b"ES\0\0", version))


def test_who_speaks_another_protocol_is_not_elasticsearch() -> None:
    assert not answered(trusting(MARKER, b"GET / HTTP/1.1\r\n\r\n", ssl.TLSVersion.TLSv1_3))
    assert not answered(lambda peer: peer.sendall(b"hello"))
    assert not answered(lambda peer: peer.close())


def test_who_says_nothing_is_given_up_by_the_deadline() -> None:
    assert not answered(lambda _: None, 0.2)


def test_a_marker_can_sign_nothing_and_is_known_as_one_in_a_file(tmp_path: Path) -> None:
    assert is_marker(MARKER.cert)
    assert not MARKER.cert.is_ca
    trust = read_trust_file(render([MARKER.cert]))
    assert (trust.certs, trust.markers) == ((), (MARKER.cert,))
    assert verifies([MARKER.cert], [MARKER.cert], now()).ok
    assert b"PRIVATE" not in repr(MARKER).encode()
    assert MARKER.key not in repr(MARKER).encode()
