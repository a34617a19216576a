"""TLS handshakes made to look: what a peer presents, and which names it accepts.

Nothing is verified here, and not by OpenSSL: Java's rules decide, in `core.trust`. The handshake runs over any byte
stream (a socket, an SSH tunnel), so OpenSSL works in memory and the bytes are carried by hand.
"""

from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from syncd.core.bundle import Cert, parse_cert
from syncd.core.errors import BundleError, HostError
from syncd.ports import Deadline, Stream

_CHUNK = 16_384


class TlsHandshakes:
    """See `ports.Handshakes`."""

    def presented(self, stream: Stream, server_name: str | None, deadline: Deadline) -> tuple[Cert, ...]:
        """See `ports.Handshakes.presented`."""
        connection = _shake(stream, server_name, deadline)
        chain = connection.get_peer_cert_chain(as_cryptography=True) or []
        if not chain:
            raise HostError("tls", "the peer presented no certificate")
        try:
            return tuple(parse_cert(cert.public_bytes(Encoding.DER)) for cert in chain)
        except BundleError as error:
            raise HostError("tls", f"the peer presented something else than certificates: {error.text}") from error

    def accepted_names(self, stream: Stream, deadline: Deadline) -> tuple[str, ...]:
        """See `ports.Handshakes.accepted_names`."""
        connection = _shake(stream, None, deadline, certificate_asked=True)
        return tuple(name.rfc4514_string() for name in connection.get_client_ca_list(as_cryptography=True))


def _shake(
    stream: Stream, server_name: str | None, deadline: Deadline, *, certificate_asked: bool = False
) -> SSL.Connection:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_verify(SSL.VERIFY_NONE)
    connection = SSL.Connection(context, None)
    if server_name:
        connection.set_tlsext_host_name(server_name.encode("idna"))
    connection.set_connect_state()
    while True:
        try:
            connection.do_handshake()
        except SSL.WantReadError:
            _flush(connection, stream, deadline)
            _feed(connection, stream, deadline)
            continue
        except SSL.Error as error:
            if certificate_asked and connection.get_client_ca_list():
                return connection  # it refused us for having no certificate, after it had told what we came for
            raise HostError("tls", f"the TLS handshake failed: {_text(error)}") from error
        _flush(connection, stream, deadline)
        return connection


def _flush(connection: SSL.Connection, stream: Stream, deadline: Deadline) -> None:
    """Send what OpenSSL wants sent."""
    while True:
        try:
            data = connection.bio_read(_CHUNK)
        except SSL.WantReadError:
            return
        stream.send(data, deadline)


def _feed(connection: SSL.Connection, stream: Stream, deadline: Deadline) -> None:
    data = stream.receive(_CHUNK, deadline)
    if not data:
        raise HostError("tls", "the peer closed the connection in the middle of the TLS handshake")
    connection.bio_write(data)


def _text(error: SSL.Error) -> str:
    parts = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return "; ".join(str(part[-1]) for part in parts) or type(error).__name__
