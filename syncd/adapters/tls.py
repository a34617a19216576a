"""TLS handshakes made to look: what a peer presents, and which names it accepts.

Nothing is verified here, and not by OpenSSL: Java's rules decide, in `core.trust`. The handshake runs over any byte
stream (a socket, an SSH tunnel), so OpenSSL works in memory and the bytes are carried by hand.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from OpenSSL import SSL

from syncd.core.bundle import Cert, parse_cert
from syncd.core.errors import BundleError, HostError
from syncd.core.model import Presented, Shown
from syncd.ports import Deadline, Marker, Stream, now

T = TypeVar("T")

_CHUNK = 16_384
_CURE = "Check that the address is the remote cluster server's (port 9443), and what ends TLS in between"
_ELASTICSEARCH = b"ES"
"""How every message of Elasticsearch's transport protocol begins."""
_EVER = datetime(2020, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""RFC 5280's "no well-defined expiration date"; early enough for a node whose clock is behind."""
_SAID_ALL = b"SSLv3/TLS read server done"
"""OpenSSL's state once a server of TLS 1.2 or earlier has said all: its chain, the proof of its key, whom it accepts."""
_LABEL = re.compile(rb"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE)


class TlsHandshakes:
    """See `ports.Handshakes`."""

    def presented(self, stream: Stream, server_name: str | None, deadline: Deadline) -> tuple[Cert, ...]:
        """See `ports.Handshakes.presented`."""
        return _chain(_shake(stream, server_name, deadline).connection)

    def accepted_names(self, stream: Stream, deadline: Deadline) -> tuple[str, ...]:
        """See `ports.Handshakes.accepted_names`."""
        return _names(_shake(stream, None, deadline))

    def shown(self, stream: Stream, address: str, deadline: Deadline) -> Shown:
        """See `ports.Handshakes.shown`."""
        shaken = _shake(stream, None, deadline)
        return Shown(Presented(_chain(shaken.connection), address, now()), frozenset(_names(shaken)))

    def mint(self, subject: str, server_name: str) -> Marker:
        """See `ports.Handshakes.mint`. It never expires: an alarm about a certificate that signs nothing helps nobody."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
        builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(_EVER[0]).not_valid_after(_EVER[1])
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(server_name)]), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        cert = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
        return Marker(parse_cert(cert), key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))

    def answer(self, stream: Stream, marker: Marker, deadline: Deadline) -> bool:
        """See `ports.Handshakes.answer`. A client that refuses the certificate says so in an alert, or hangs up."""
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.use_certificate(marker.cert.x509)
        context.use_privatekey(load_der_private_key(marker.key, None))  # type: ignore[arg-type]  # it is an EC key
        connection = SSL.Connection(context, None)
        connection.set_accept_state()
        try:
            _drive(connection, stream, deadline, connection.do_handshake)
            first: bytes = _drive(connection, stream, deadline, lambda: connection.recv(len(_ELASTICSEARCH)))
        except (SSL.Error, HostError):
            return False
        return first == _ELASTICSEARCH


def _drive(connection: SSL.Connection, stream: Stream, deadline: Deadline, action: Callable[[], T]) -> T:
    """Do something with a connection in memory, carrying bytes until it is done."""
    while True:
        try:
            return action()
        except SSL.WantReadError:
            _flush(connection, stream, deadline)
            _feed(connection, stream, deadline)


@dataclass(frozen=True, slots=True)
class _Shaken:
    """A handshake in which the peer has said, and proven, all that it had to."""

    connection: SSL.Connection
    refused: SSL.Error | HostError | None
    """What ended it after that: a server that demands a certificate of ours ends it so, in TLS 1.2 or earlier."""


def _shake(stream: Stream, server_name: str | None, deadline: Deadline) -> _Shaken:
    said: set[bytes] = set()
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_verify(SSL.VERIFY_NONE)
    context.set_info_callback(lambda connection, *_: said.add(connection.get_state_string()))
    connection = SSL.Connection(context, None)
    if name := _sni(server_name or ""):
        connection.set_tlsext_host_name(name)
    connection.set_connect_state()
    try:
        _drive(connection, stream, deadline, connection.do_handshake)
    except (SSL.Error, HostError) as error:
        if _SAID_ALL in said:
            return _Shaken(connection, error)
        raise _failed(error) from error
    _flush(connection, stream, deadline)
    return _Shaken(connection, None)


def _failed(error: SSL.Error | HostError) -> HostError:
    if isinstance(error, HostError):
        return error
    return HostError("tls", f"the TLS handshake failed: {_text(error)}", cure=_CURE)


def _chain(connection: SSL.Connection) -> tuple[Cert, ...]:
    try:
        chain = connection.get_peer_cert_chain(as_cryptography=True) or []
        certs = tuple(parse_cert(cert.public_bytes(Encoding.DER)) for cert in chain)
    except (BundleError, ValueError) as error:
        text = f"the peer presented what is not a readable certificate: {error}"
        raise HostError("tls", text, cure=_CURE) from error
    if not certs:
        raise HostError("tls", "the peer presented no certificate", cure=_CURE)
    return certs


def _names(shaken: _Shaken) -> tuple[str, ...]:
    """The names in the CertificateRequest; none in a handshake that was broken off is not an answer."""
    names = tuple(name.rfc4514_string() for name in shaken.connection.get_client_ca_list(as_cryptography=True))
    if shaken.refused and not names:
        raise _failed(shaken.refused) from shaken.refused
    return names


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
