"""A private CA as the owner of a self-managed cluster has one, for its transport and HTTP layers."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

_DAYS = timedelta(days=30)


@dataclass(frozen=True)
class Authority:
    """One CA."""

    cert: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def create(cls, name: str) -> "Authority":
        """A self-signed CA of this common name."""
        return cls._signed(_name(name), ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def _signed(cls, name: x509.Name, key: ec.EllipticCurvePrivateKey) -> "Authority":
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        builder = _builder(name, name, key).add_extension(constraints, critical=True)
        return cls(builder.sign(key, hashes.SHA256()), key)

    def renew(self) -> "Authority":
        """Another certificate of the same key and name: what it has signed before still verifies."""
        return self._signed(self.cert.subject, self.key)

    @property
    def pem(self) -> bytes:
        """Its certificate."""
        return self.cert.public_bytes(Encoding.PEM)

    def leaf(self, name: str, address: str) -> tuple[bytes, bytes]:
        """A node's certificate, for its name and IP address, and its key, both as PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.DNSName(name), x509.IPAddress(ip_address(address))]
        builder = _builder(_name(name), self.cert.subject, key)
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        signed = builder.sign(self.key, hashes.SHA256())
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return signed.public_bytes(Encoding.PEM), private


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    start = datetime.now(UTC) - timedelta(minutes=5)  # noqa: TID251 - real servers look at the real clock
    builder = x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(start).not_valid_after(start + _DAYS)
