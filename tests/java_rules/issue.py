"""Certificates as odd as the rules ask for: what the library refuses to make is signed by hand."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from syncd.core.bundle import Cert, parse_cert
from syncd.ports import now

Key: TypeAlias = (
    rsa.RSAPrivateKey
    | ec.EllipticCurvePrivateKey
    | ed25519.Ed25519PrivateKey
    | ed448.Ed448PrivateKey
    | dsa.DSAPrivateKey
)
NOW = now()
YEAR = (-1, 365)
SERVER, CLIENT, ANY = (
    ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
)  # fmt: skip
DNS = "node.eck.example"
_USAGES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip
_OLD_HASHES = {"sha1": (5, hashes.SHA1()), "md5": (4, hashes.MD5())}  # noqa: S303 - to see them refused


@dataclass(frozen=True)
class Made:
    """A certificate and its key."""

    x509: x509.Certificate
    key: Key = field(repr=False)

    @property
    def cert(self) -> Cert:
        return parse_cert(self.x509.public_bytes(Encoding.DER))

    @property
    def pem(self) -> bytes:
        return self.x509.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @property
    def ski(self) -> bytes | None:
        try:
            return self.x509.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
        except x509.ExtensionNotFound:
            return None


@dataclass(frozen=True)
class Shape:
    """What a certificate is made of; the defaults are an ordinary one."""

    days: tuple[int, int] = YEAR
    ca: bool | None = False
    """None: no BasicConstraints at all."""
    length: int | None = None
    usage: tuple[str, ...] | None = None
    eku: tuple[ObjectIdentifier, ...] = ()
    eku_critical: bool = False
    ski: bytes | None = b""
    """Empty: of the key. None: no extension."""
    aki: bool | str = True
    """True: the issuer's SKI. False: no extension. "serial": with the issuer's name and serial number."""
    names: tuple[x509.GeneralName, ...] | None = (x509.DNSName(DNS),)
    more: tuple[tuple[x509.ExtensionType, bool], ...] = ()
    """Other extensions, and whether they are critical."""
    digest: str = "sha256"
    pss: bool = False
    v1: bool = False


@lru_cache
def ec_key(label: str, curve: type[ec.EllipticCurve] = ec.SECP256R1) -> ec.EllipticCurvePrivateKey:
    """One key for each label."""
    return ec.generate_private_key(curve())


@lru_cache
def rsa_key(label: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def name(text: str | Sequence[x509.NameAttribute[str]]) -> x509.Name:
    """A name; a plain text is its common name."""
    if isinstance(text, str):
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)] if text else [])
    return x509.Name(text)


def issue(
    subject: str | x509.Name, by: Made | None = None, shape: Shape = Shape(), key: Key | None = None,
    issuer: x509.Name | None = None,
) -> Made:  # fmt: skip
    """A certificate; without `by` it signs itself, `issuer` is another name for who signs."""
    whose = name(subject) if isinstance(subject, str) else subject
    own = key or ec_key(whose.rfc4514_string())
    signer = by.key if by else own
    issuer = issuer or (by.x509.subject if by else whose)
    builder = x509.CertificateBuilder(issuer, whose, own.public_key(), x509.random_serial_number())
    begin, end = (NOW + timedelta(days=days) for days in shape.days)
    builder = builder.not_valid_before(begin).not_valid_after(end)
    for extension, critical in _extensions(shape, own, by):
        builder = builder.add_extension(extension, critical=critical)
    plain = isinstance(signer, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey)
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH) if shape.pss else None
    signed = builder.sign(signer, None if plain else hashes.SHA256(), rsa_padding=pss)
    if shape.v1 or shape.digest in _OLD_HASHES:
        signed = _sign_by_hand(signed, signer, shape)
    return Made(signed, own)


def ca(subject: str | x509.Name, by: Made | None = None, key: Key | None = None, **shape: object) -> Made:
    """A CA."""
    return issue(subject, by, Shape(**({"ca": True, "names": None} | shape)), key)  # type: ignore[arg-type]


def leaf(by: Made | None, subject: str | x509.Name = "leaf", key: Key | None = None, **shape: object) -> Made:
    """A leaf."""
    return issue(subject, by, Shape(**shape), key)  # type: ignore[arg-type]


def _extensions(shape: Shape, own: Key, by: Made | None) -> list[tuple[x509.ExtensionType, bool]]:
    made: list[tuple[x509.ExtensionType, bool]] = list(shape.more)
    if shape.ca is not None:
        made.append((x509.BasicConstraints(shape.ca, shape.length), True))
    if shape.usage is not None:
        made.append((x509.KeyUsage(**{usage: usage in shape.usage for usage in _USAGES}), True))
    if shape.eku:
        made.append((x509.ExtendedKeyUsage(shape.eku), shape.eku_critical))
    if shape.ski is not None:
        of_key = x509.SubjectKeyIdentifier.from_public_key(own.public_key())
        made.append((x509.SubjectKeyIdentifier(shape.ski) if shape.ski else of_key, False))
    if shape.aki and by:
        serial = shape.aki == "serial"
        issuer = [x509.DirectoryName(by.x509.issuer)] if serial else None
        made.append((x509.AuthorityKeyIdentifier(by.ski, issuer, by.x509.serial_number if serial else None), False))
    if shape.names:
        made.append((x509.SubjectAlternativeName(shape.names), False))
    return [(extension, critical) for extension, critical in made if not _keyless(extension)]


def _keyless(extension: x509.ExtensionType) -> bool:
    """An AKI that would name nothing."""
    return isinstance(extension, x509.AuthorityKeyIdentifier) and not (
        extension.key_identifier or extension.authority_cert_serial_number
    )


def _sign_by_hand(cert: x509.Certificate, signer: Key, shape: Shape) -> x509.Certificate:
    """The same certificate of version 1, or signed with a hash that the library does not sign with."""
    parts = parts_of(parts_of(cert.tbs_certificate_bytes)[0][1])
    algorithm = next(
        whole for tag, _, whole in parts_of(parts_of(cert.public_bytes(Encoding.DER))[0][1])[1:] if tag == 0x30
    )
    digest: hashes.HashAlgorithm = hashes.SHA256()
    if shape.digest in _OLD_HASHES:
        number, digest = _OLD_HASHES[shape.digest]
        oid = bytes.fromhex("2a864886f70d0101") + bytes([number])
        if isinstance(signer, ec.EllipticCurvePrivateKey):
            oid = bytes.fromhex("2a8648ce3d0401")
        null = b"" if isinstance(signer, ec.EllipticCurvePrivateKey) else b"\x05\x00"
        algorithm = _wrap(0x30, _wrap(0x06, oid) + null)
    kept = [whole for tag, _, whole in parts if not (shape.v1 and tag in (0xA0, 0xA3))]
    place = 1 if shape.v1 else 2
    kept[place] = algorithm
    signed = _wrap(0x30, b"".join(kept))
    if isinstance(signer, rsa.RSAPrivateKey):
        signature = signer.sign(signed, padding.PKCS1v15(), digest)
    else:
        assert isinstance(signer, ec.EllipticCurvePrivateKey)
        signature = signer.sign(signed, ec.ECDSA(digest))
    whole = _wrap(0x30, signed + algorithm + _wrap(0x03, b"\x00" + signature))
    return x509.load_der_x509_certificate(whole)


def parts_of(der: bytes) -> list[tuple[int, bytes, bytes]]:
    """(tag, content, whole) of each DER value in a row of them."""
    made = []
    while der:
        size, begin = der[1], 2
        if size & 0x80:
            begin += size & 0x7F
            size = int.from_bytes(der[2:begin], "big")
        made.append((der[0], der[begin : begin + size], der[: begin + size]))
        der = der[begin + size :]
    return made


def _wrap(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content
