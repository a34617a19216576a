"""TLS as on Elasticsearch's transport port: both sides present a certificate, and the server names whom it trusts.

The ssl module cannot put names into a CertificateRequest, so the server's side is pyOpenSSL's.
"""

import socket
import ssl
import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL, crypto

from syncd.core.bundle import read_trust_file
from syncd.demo.port import Port
from syncd.ports import now

ANY_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME, which neither library has a name for: Java ignores the dates of what it trusts."""
DOWN = "nobody listens there"
_SECONDS = 5
_TIMEOUT = struct.pack("ll", _SECONDS, 0)
_HELLO = b"ES"
"""How every message of Elasticsearch's transport protocol begins."""


def client_context(*trust: str, chain: str | None = None, key: str | None = None) -> ssl.SSLContext:
    """For connecting: trusts what these files hold. Raises OSError where one cannot be loaded."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags |= ANY_TIME  # the leaf's dates are looked at in `shake`
    for path in trust:
        context.load_verify_locations(path)
    if chain:
        context.load_cert_chain(chain, key)
    return context


def server_context(trust: bytes, chain: bytes, key: bytes) -> SSL.Context:
    """For listening: demands a certificate, and names every subject of `trust`. Raises BundleError, ValueError, SSL.Error."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    leaf, *above = read_trust_file(chain).certs
    context.use_certificate(leaf.x509)
    for cert in above:
        context.add_extra_chain_cert(cert.x509)
    context.use_privatekey(load_pem_private_key(key, None))  # type: ignore[arg-type]  # it is an RSA key
    context.check_privatekey()
    store, trusted = context.get_cert_store(), read_trust_file(trust)
    if store is None:
        raise ValueError("there is no store for trust")
    for cert in (*trusted.certs, *trusted.markers):
        store.add_cert(crypto.X509.from_cryptography(cert.x509))
        context.add_client_ca(cert.x509)
    store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN | ANY_TIME)
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)
    return context


def shake(port: int, context: ssl.SSLContext, *, mutual: bool = False) -> str:
    """A fresh handshake; the error, or nothing. `mutual`: the server must also answer, since it may yet refuse ours."""
    try:
        plain = socket.create_connection(("127.0.0.1", port), _SECONDS)
        with plain, context.wrap_socket(plain) as secured:
            if mutual:
                secured.sendall(_HELLO)
                if secured.recv(len(_HELLO)) != _HELLO:
                    return "the peer ended the connection"
            return _outside(secured.getpeercert() or {})
    except ConnectionRefusedError:
        return DOWN
    except OSError as error:
        return str(error)


@dataclass(frozen=True, slots=True)
class Look:
    """What a transport port says to whoever connects, before it refuses who presents nothing."""

    issuer: str = ""
    """Of the certificate that it presents."""
    accepted: frozenset[str] = frozenset()
    """The subjects that it names as those whom it trusts."""


def look(port: int) -> Look:
    """Ask a transport port; nothing while nobody listens."""
    with suppress(OSError, SSL.Error), socket.create_connection(("127.0.0.1", port), _SECONDS) as plain:
        plain.settimeout(None)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _TIMEOUT)
        secured = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD), plain)
        secured.set_connect_state()
        secured.do_handshake()
        names = secured.get_client_ca_list(as_cryptography=True)
        chain = secured.get_peer_cert_chain(as_cryptography=True) or []
        return Look(chain[0].issuer.rfc4514_string(), frozenset(name.rfc4514_string() for name in names))
    return Look()


class TransportPort(Port[SSL.Context]):
    """The port of one or more nodes; whoever connects meets them in turn."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(_answer, port)


def _answer(plain: socket.socket, context: SSL.Context) -> None:
    """One handshake and, for a client that is trusted, the first words of the protocol."""
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _TIMEOUT)  # a timeout of Python's would make it not block
    with plain, suppress(OSError):
        with suppress(SSL.Error):
            _greet(SSL.Connection(context, plain))
        plain.shutdown(socket.SHUT_WR)
        while plain.recv(1024):  # a socket that is closed with something unread takes back the alert that it has sent
            pass


def _greet(secured: SSL.Connection) -> None:
    secured.set_accept_state()
    secured.do_handshake()
    leaf: Any = secured.get_peer_certificate(as_cryptography=True)
    if leaf.not_valid_before_utc <= now() <= leaf.not_valid_after_utc and secured.recv(len(_HELLO)) == _HELLO:
        secured.sendall(_HELLO)
        secured.shutdown()


def _outside(leaf: Mapping[str, Any]) -> str:
    """Why a leaf is not valid now; empty when it is."""
    moment = now().timestamp()
    if ssl.cert_time_to_seconds(leaf["notBefore"]) <= moment <= ssl.cert_time_to_seconds(leaf["notAfter"]):
        return ""
    return f"the leaf is valid from {leaf['notBefore']} to {leaf['notAfter']}"
