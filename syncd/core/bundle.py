"""Bytes to certificates and back.

What arrives in a Secret or from a node is read block by block: the parsers of the libraries skip what they do not
understand (a private key, a truncated last block), and a skipped block is a decision nobody took.
"""

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import NewType, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from syncd.core.errors import BundleError

_E = TypeVar("_E", bound=x509.ExtensionType)

Fingerprint = NewType("Fingerprint", str)
"""SHA-256 of a certificate's DER, lower-case hex: the only identity a certificate has here.

ECK gives every generation of its CA the same subject, and a renewed one the same key, so neither tells them apart.
"""

Digest = NewType("Digest", str)
"""SHA-256 in lower-case hex: of a file's bytes, or of a bundle's sorted fingerprints."""

MAX_BYTES = 1_048_576
"""Most bytes read from any source or node. A Secret cannot be larger; a file can."""
MAX_CERTS = 500
"""Most certificates read from one file: far above any real trust file, far below what slows a node's start."""

_BLOCK = re.compile(rb"-----BEGIN (?P<label>[A-Z0-9 #.]+)-----(?P<body>.*?)-----END (?P=label)-----", re.DOTALL)
_EDGE = re.compile(rb"-----(?:BEGIN|END) [^-\r\n]*-----")
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]|-----")
_MARKER = re.compile(r"^CN=syncd (?P<short>[0-9a-f]{16})$")


@dataclass(frozen=True, slots=True, order=True)
class Cert:
    """One certificate, with what the rules need of it. Two are equal when their DER is."""

    fingerprint: Fingerprint
    der: bytes = field(repr=False, compare=False)
    subject: str = field(compare=False)
    issuer: str = field(compare=False)
    key: Digest = field(repr=False, compare=False)
    """SHA-256 of the public key (SubjectPublicKeyInfo)."""
    ski: str | None = field(repr=False, compare=False)
    aki: str | None = field(repr=False, compare=False)
    not_before: datetime = field(compare=False)
    not_after: datetime = field(compare=False)
    is_ca: bool = field(compare=False)
    signs: bool = field(repr=False, compare=False)
    """Whether KeyUsage allows signing certificates (true when there is no KeyUsage)."""
    path_length: int | None = field(repr=False, compare=False)

    @property
    def short(self) -> str:
        """The first eight digits of the fingerprint, as people read it."""
        return self.fingerprint[:8]

    @property
    def x509(self) -> x509.Certificate:
        """The library's own object, for signatures."""
        return x509.load_der_x509_certificate(self.der)

    @property
    def pem(self) -> bytes:
        """The certificate as one PEM block with a final newline."""
        body = base64.encodebytes(self.der).replace(b"\n", b"")
        lines = [body[i : i + 64] for i in range(0, len(body), 64)]
        return b"\n".join([b"-----BEGIN CERTIFICATE-----", *lines, b"-----END CERTIFICATE-----", b""])


@dataclass(frozen=True, slots=True)
class Published:
    """What a remote publishes now: ECK's CA, and the echo of the mirror ConfigMap behind it."""

    ca: Cert
    echo: tuple[Cert, ...] = ()
    echo_faults: tuple[str, ...] = ()
    """Why blocks of the echo could not be read: a matter of the mirror, not of ECK's CA."""
    uid: str = ""
    """Of the object that it was read from: another one after the remote was made anew. Empty where there is none."""


@dataclass(frozen=True, slots=True)
class TrustFile:
    """The content of a managed file."""

    certs: tuple[Cert, ...]
    """Without markers, in the file's order, each once."""
    markers: tuple[Cert, ...] = ()


@lru_cache(maxsize=4096)  # pure; the same few certificates are in every node's file, in every pass
def parse_cert(der: bytes) -> Cert:
    """One certificate from its DER.

    Raises BundleError `not_a_certificate` when it is none, or when a part that the rules need cannot be read.
    """
    try:
        cert = x509.load_der_x509_certificate(der)
        constraints = _extension(cert, x509.BasicConstraints)
        usage = _extension(cert, x509.KeyUsage)
        ski = _extension(cert, x509.SubjectKeyIdentifier)
        aki = _extension(cert, x509.AuthorityKeyIdentifier)
        key = cert.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return Cert(
            fingerprint=Fingerprint(sha256(der).hexdigest()),
            der=der,
            subject=cert.subject.rfc4514_string(),
            issuer=cert.issuer.rfc4514_string(),
            key=Digest(sha256(key).hexdigest()),
            ski=ski.digest.hex() if ski else None,
            aki=aki.key_identifier.hex() if aki and aki.key_identifier else None,
            not_before=cert.not_valid_before_utc,
            not_after=cert.not_valid_after_utc,
            is_ca=bool(constraints and constraints.ca),
            signs=usage is None or usage.key_cert_sign,
            path_length=constraints.path_length if constraints else None,
        )
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
        raise BundleError("not_a_certificate", f"the block is not a readable X.509 certificate ({error})") from error


def read_trust_file(data: bytes) -> TrustFile:
    """The certificates of a file on a node or named by the operator; every block must be a certificate.

    Raises BundleError: what will not parse is not known, and nothing is derived from it.
    """
    certs: dict[Fingerprint, Cert] = {}
    markers: dict[Fingerprint, Cert] = {}
    for number, block in enumerate(_blocks(data), start=1):
        cert = _strict(block, f"block {number}")
        (markers if is_marker(cert) else certs).setdefault(cert.fingerprint, cert)
    return TrustFile(tuple(certs.values()), tuple(markers.values()))


def refuse_unsafe(data: bytes) -> None:
    """Raise BundleError for what is not looked into at all: too much, or a private key anywhere in it."""
    if len(data) > MAX_BYTES:
        raise BundleError("too_large", f"{len(data)} bytes are more than the {MAX_BYTES} that are read")
    if b"PRIVATE KEY-----" in data:
        raise BundleError(
            "private_key",
            "it holds a private key",
            cure="Remove the key and treat it as exposed; only certificates belong here",
        )


def render(certs: Iterable[Cert]) -> bytes:
    """The bytes of a managed file: sorted and without duplicates, so that equal sets give equal bytes.

    Comment lines are text outside PEM blocks, which Elasticsearch's parser accepts.
    """
    unique = sorted({cert.fingerprint: cert for cert in certs}.values())
    if not unique:
        raise BundleError("empty_bundle", "a trust file without certificates would make a node refuse to start")
    parts = [b"# Written by syncd. Certificates that syncd did not put here are kept; see: syncd explain\n"]
    for cert in unique:
        subject = _UNPRINTABLE.sub("?", cert.subject)  # a name is somebody else's text: it must not become a block
        parts += [f"# {cert.short} {subject} until {cert.not_after:%Y-%m-%d}\n".encode(), cert.pem]
    return b"".join(parts)


def bundle_digest(certs: Iterable[Cert]) -> Digest:
    """The identity of a set of certificates: equal sets have equal digests, whatever their order in a file."""
    prints = sorted({cert.fingerprint for cert in certs})
    return Digest(sha256("\n".join(prints).encode()).hexdigest())


def content_digest(data: bytes) -> Digest:
    """The identity of a file's bytes."""
    return Digest(sha256(data).hexdigest())


def is_marker(cert: Cert) -> bool:
    """Whether this is a marker, anybody's: it names a bundle and can sign nothing."""
    return not cert.is_ca and _MARKER.match(cert.subject) is not None


def _extension(cert: x509.Certificate, kind: type[_E]) -> _E | None:
    try:
        return cert.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _blocks(data: bytes) -> Iterable[tuple[str, bytes]]:
    """(label, body) of each PEM block, having refused what no reader should guess about."""
    refuse_unsafe(data)
    found = list(_BLOCK.finditer(data))
    if len(list(_EDGE.finditer(data))) != 2 * len(found):
        raise BundleError("truncated", "a PEM block has a beginning without an end, or an end without a beginning")
    if not found:
        raise BundleError("empty" if not data.strip() else "no_certificate", _nothing_text(data))
    if len(found) > MAX_CERTS:
        raise BundleError("too_many", f"{len(found)} blocks are more than the {MAX_CERTS} that are read")
    return [(match["label"].decode(), match["body"]) for match in found]


def _nothing_text(data: bytes) -> str:
    return f"there is no certificate in its {len(data)} bytes" if data.strip() else "it is empty"


def _strict(block: tuple[str, bytes], where: str) -> Cert:
    label, body = block
    if label != "CERTIFICATE":
        raise BundleError("wrong_block", f"{where} is {label}, not CERTIFICATE")
    text = b"".join(body.split())
    if b":" in text:
        raise BundleError("headers", f"{where} has PEM headers, which a certificate must not have")
    try:
        der = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise BundleError("not_base64", f"{where} is not base64 ({error})") from error
    try:
        return parse_cert(der)
    except BundleError as error:
        raise BundleError(error.rule, f"{where}: {error.text}") from error
