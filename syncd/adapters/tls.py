"""TLS handshakes made to look: what a peer presents, and which names it accepts.

Nothing is verified here, and not by OpenSSL: Java's rules decide, in `core.trust`. The handshake runs over any byte
stream (a socket, an SSH tunnel), so OpenSSL works in memory and the bytes are carried by hand.
"""

import re
from contextlib import suppress
from ipaddress import ip_address

from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from syncd.core.bundle import Cert, parse_cert
from syncd.core.errors import BundleError, HostError
from syncd.ports import Deadline, Stream

_CHUNK = 16_384
_CURE = "Check that the address is the remote cluster server's (port 9443), and what ends TLS in between"
_LABEL = re.compile(rb"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE)


class TlsHandshakes:
    """See `ports.Handshakes`."""

    def presented(self, stream: Stream, server_name: str | None, deadline: Deadline) -> tuple[Cert, ...]:
        """See `ports.Handshakes.presented`."""
        connection = _shake(stream, server_name, deadline)
        try:
            chain = connection.get_peer_cert_chain(as_cryptography=True) or []
            certs = tuple(parse_cert(cert.public_bytes(Encoding.DER)) for cert in chain)
        except (BundleError, ValueError) as error:
            text = f"the peer presented what is not a readable certificate: {error}"
            raise HostError("tls", text, cure=_CURE) from error
        if not certs:
            raise HostError("tls", "the peer presented no certificate", cure=_CURE)
        return certs

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
    if name := _sni(server_name or ""):
        connection.set_tlsext_host_name(name)
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
            raise HostError("tls", f"the TLS handshake failed: {_text(error)}", cure=_CURE) from error
        _flush(connection, stream, deadline)
        return connection


def _sni(server_name: str) -> bytes:
    """The name to ask for; empty for an IP address (RFC 6066) and for what is no host name, as Java sends none either."""
    with suppress(ValueError):
        ip_address(server_name)
        return b""
    with suppress(UnicodeError):
        name = server_name.rstrip(".").encode("idna")
        return name if all(map(_LABEL.fullmatch, name.split(b"."))) else b""
    return b""


def _flush(connection: SSL.Connection, stream: Stream, deadline: Deadline) -> None:
    """Send what OpenSSL wants sent."""
    while True:
        try:
            data = connection.bio_read(_CHUNK)
        except SSL.WantReadError:
            return
        stream.send(data, deadline)


def _feed(connection: SSL.Connection, stream: Stream, deadline: Deadline) -> None:
    if not deadline.left():  # a peer that always has one more byte is never waited for
        raise HostError("timeout", "the TLS handshake was not done in time")
    data = stream.receive(_CHUNK, deadline)
    if not data:
        raise HostError("tls", "the peer closed the connection in the middle of the TLS handshake", cure=_CURE)
    connection.bio_write(data)


def _text(error: SSL.Error) -> str:
    parts = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return "; ".join(str(part[-1]) for part in parts) or type(error).__name__
