"""What Java's rules look at in one certificate, read once; each `str | None` is a reason why Java may refuse it."""

from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier, SignatureAlgorithmOID

from syncd.core.bundle import Cert
from syncd.core.java.names import Canonical, canonical

_E = TypeVar("_E", bound=x509.ExtensionType)

_HASHES = {"sha256", "sha384", "sha512"}
_WITHOUT_HASH = {SignatureAlgorithmOID.ED25519, SignatureAlgorithmOID.ED448}
_CURVES = {"secp256r1", "secp384r1", "secp521r1"}
_RSA_BITS = 2048
_POLICIES = {"2.5.29.36", "2.5.29.54"}
_CRITICAL = {"2.5.29.15", "2.5.29.17", "2.5.29.19", "2.5.29.30", "2.5.29.32", "2.5.29.33", "2.5.29.37", *_POLICIES}
"""Extensions that Java processes: critical ones beside these refuse a path."""
_NETSCAPE_TYPE = ObjectIdentifier("2.16.840.1.113730.1.1")
_NETSCAPE_SERVER = 0x40
_SERVER_USES = {
    ExtendedKeyUsageOID.SERVER_AUTH.dotted_string,
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE.dotted_string,
    "1.3.6.1.4.1.311.10.3.3",
    "2.16.840.1.113730.4.1",
}
"""serverAuth, any, and the two of old that Java takes for it."""


@dataclass(frozen=True, slots=True)
class Facts:
    """See the module."""

    v3: bool
    subject: Canonical
    issuer: Canonical
    serial: int
    issuer_serial: int | None
    """The serial number of the issuer's certificate, where the AKI names it."""
    signature: str | None
    key: str | None
    extensions: str | None
    service: str | None
    """Why it cannot be a TLS server's leaf."""
    constraints: x509.NameConstraints | None

    @property
    def self_issued(self) -> bool:
        """Whether its issuer has its own name: such CAs do not count in path lengths."""
        return self.subject == self.issuer


@lru_cache(maxsize=4096)  # pure; the same few certificates are judged in every pass
def facts(cert: Cert) -> Facts:
    """The facts of a certificate."""
    own = cert.x509
    aki = _value(own, x509.AuthorityKeyIdentifier)
    return Facts(
        v3=own.version is x509.Version.v3,
        subject=canonical(own.subject.public_bytes()),
        issuer=canonical(own.issuer.public_bytes()),
        serial=own.serial_number,
        issuer_serial=aki.authority_cert_serial_number if aki else None,
        signature=_signature(own),
        key=_key(own),
        extensions=_extensions(own),
        service=_service(own),
        constraints=_value(own, x509.NameConstraints),
    )


def _signature(cert: x509.Certificate) -> str | None:
    try:
        digest = cert.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return "is signed in a way that is not known here"
    if digest is None:
        return None if cert.signature_algorithm_oid in _WITHOUT_HASH else "is signed in a way that is not known here"
    if digest.name in _HASHES:
        return None
    return f"is signed with {digest.name.upper()}, which Java refuses or may refuse (jdk.certpath.disabledAlgorithms)"


def _key(cert: x509.Certificate) -> str | None:
    match cert.public_key():
        case rsa.RSAPublicKey(key_size=bits):
            text = f"has an RSA key of {bits} bits, which Java refuses or may refuse (jdk.certpath.disabledAlgorithms)"
            return None if bits >= _RSA_BITS else text
        case ec.EllipticCurvePublicKey(curve=curve):
            return None if curve.name in _CURVES else f"has a key on the curve {curve.name}, which Java does not know"
        case ed25519.Ed25519PublicKey() | ed448.Ed448PublicKey():
            return None
    return "has a key of a kind that not every Java knows"


def _extensions(cert: x509.Certificate) -> str | None:
    for extension in cert.extensions:
        oid = extension.oid.dotted_string
        if extension.critical and oid not in _CRITICAL:
            return f"has a critical extension that Java does not know ({oid})"
        if oid in _POLICIES:
            return f"constrains certificate policies ({oid}), which is not judged here"
    return None


def _service(cert: x509.Certificate) -> str | None:
    usage, uses = _value(cert, x509.KeyUsage), _value(cert, x509.ExtendedKeyUsage)
    if usage and not usage.digital_signature:
        return "is no TLS server's: its KeyUsage is without digitalSignature"
    if uses is not None and not _SERVER_USES & {use.dotted_string for use in uses}:
        return "is no TLS server's: its ExtendedKeyUsage is without serverAuth"
    for extension in cert.extensions:
        if extension.oid == _NETSCAPE_TYPE and not _netscape_server(extension.value):
            return "is no TLS server's: its Netscape certificate type is another"
        if isinstance(extension.value, x509.SubjectAlternativeName) and not (extension.critical or list(cert.subject)):
            return "has neither a subject nor a critical SubjectAlternativeName"
    return None


def _netscape_server(value: x509.ExtensionType) -> bool:
    """A BIT STRING of one byte: tag, length, unused bits, bits."""
    return isinstance(value, x509.UnrecognizedExtension) and bool(value.value[-1:][0] & _NETSCAPE_SERVER)


def _value(cert: x509.Certificate, kind: type[_E]) -> _E | None:
    try:
        return cert.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
