"""Throw-away certificates, made as ECK makes them (cloud-on-k8s `certificates/ca_reconcile.go`, `transport/csr.go`).

Every generation of a CA has the same subject, `CN=<cluster>-transport,OU=<cluster>`; a renewal keeps key and SKI.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from syncd.core.bundle import Cert, parse_cert

_YEAR = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf certificate with its key and the chain that ECK's pods serve: the leaf and its CA."""

    cert: Cert
    ca: Cert
    key: rsa.RSAPrivateKey = field(repr=False)

    @property
    def chain(self) -> tuple[Cert, Cert]:
        """Leaf first."""
        return self.cert, self.ca

    @property
    def chain_pem(self) -> bytes:
        """The chain as a PEM file."""
        return self.cert.pem + self.ca.pem

    @property
    def key_pem(self) -> bytes:
        """The key as a PEM file, unencrypted."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@dataclass(frozen=True, slots=True)
class EckCa:
    """One generation of an ECK transport CA."""

    cluster: str
    cert: Cert
    key: rsa.RSAPrivateKey = field(repr=False)
    ski: bytes = field(repr=False)
    company: str = ""
    """Not empty: it is no ECK's but a company's own, and its common name."""

    @classmethod
    def create(
        cls,
        now: datetime,
        cluster: str = "quickstart",
        lasts: timedelta = _YEAR,
        *,
        company: str = "",
        key: rsa.RSAPrivateKey | None = None,
    ) -> "EckCa":
        """The first generation. `key`: one that is there, where a new one is not worth its time."""
        key = key or new_key()
        ski = x509.SubjectKeyIdentifier.from_public_key(key.public_key()).digest
        return cls(cluster, _ca(_ca_name(cluster, company), key, ski, now, lasts), key, ski, company)

    def renew(self, now: datetime, *, ski: bytes | None = None, lasts: timedelta = _YEAR) -> "EckCa":
        """The next generation with the same key: ECK's yearly renewal. Another SKI is what ECK 3.3.0 to 3.3.2 did."""
        ski = ski or self.ski
        return replace(self, cert=_ca(_ca_name(self.cluster, self.company), self.key, ski, now, lasts), ski=ski)

    def rekey(self, now: datetime) -> "EckCa":
        """The next generation with a new key: the CA Secret was lost."""
        return EckCa.create(now, self.cluster, company=self.company)

    @property
    def pem(self) -> bytes:
        """What ECK publishes."""
        return self.cert.pem

    def leaf(
        self,
        name: str = "default-0",
        now: datetime | None = None,
        *,
        lasts: timedelta = _YEAR,
        with_aki: bool = True,
        key: rsa.RSAPrivateKey | None = None,
    ) -> Leaf:
        """A leaf as a pod serves it, with ECK's names. `key`: as in `create`."""
        key = key or new_key()
        start = now or self.cert.not_before + timedelta(minutes=10)
        builder = _builder(leaf_name(self.cluster, name), _ca_name(self.cluster, self.company), key, start, lasts)
        names = x509.SubjectAlternativeName([*map(x509.DNSName, dns_names(self.cluster, name)), _ip("127.0.0.1")])
        builder = builder.add_extension(names, critical=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        if with_aki:
            aki = x509.AuthorityKeyIdentifier(self.ski, None, None)
            builder = builder.add_extension(aki, critical=False)
        signed = builder.sign(self.key, hashes.SHA256())
        return Leaf(parse_cert(signed.public_bytes(Encoding.DER)), self.cert, key)


def new_key() -> rsa.RSAPrivateKey:
    """RSA 2048, as ECK's."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def dns_names(cluster: str, name: str, namespace: str = "default") -> tuple[str, ...]:
    """The names of an ECK leaf that a remote cluster server has."""
    pod = f"{cluster}-es-{name}"
    return (
        f"{pod}.node.{cluster}.{namespace}.es.local",
        f"{cluster}-es-transport.{namespace}.svc",
        f"{cluster}-es-remote-cluster.{namespace}.svc",
        "localhost",
    )


def name_of(cluster: str) -> x509.Name:
    """The subject of every generation of a cluster's CA."""
    return _name(("OU", cluster), ("CN", f"{cluster}-transport"))


def _ca_name(cluster: str, company: str) -> x509.Name:
    return _name(("CN", company)) if company else name_of(cluster)


def leaf_name(cluster: str, name: str) -> x509.Name:
    """The subject of a pod's leaf."""
    return _name(("OU", cluster), ("CN", f"{cluster}-es-{name}.node.{cluster}.default.es.local"))


def _name(*parts: tuple[str, str]) -> x509.Name:
    oids = {"OU": NameOID.ORGANIZATIONAL_UNIT_NAME, "CN": NameOID.COMMON_NAME}
    return x509.Name([x509.NameAttribute(oids[kind], value) for kind, value in parts])


def _ip(address: str) -> x509.IPAddress:
    return x509.IPAddress(ip_address(address))


def _ca(name: x509.Name, key: rsa.RSAPrivateKey, ski: bytes, now: datetime, lasts: timedelta) -> Cert:
    builder = _builder(name, name, key, now, lasts)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier(ski), critical=False)
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=True, crl_sign=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    signed = builder.add_extension(usage, critical=True).sign(key, hashes.SHA256())
    return parse_cert(signed.public_bytes(Encoding.DER))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: rsa.RSAPrivateKey, start: datetime, lasts: timedelta
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(start - timedelta(minutes=10)).not_valid_after(start + lasts)
