"""The throw-away certificates have the shape of those that a real ECK published (tests/fixtures/eck)."""

import base64
import json
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from syncd.core.bundle import Cert, read_trust_file
from syncd.core.eck.published import read_published
from syncd.demo.pki import EckCa
from syncd.ports import now

ECK = Path(__file__).parents[1] / "fixtures" / "eck"
CA = EckCa.create(now())
GENERATIONS = {"01-initial": CA, "02-same-key-renewal": CA.renew(now()), "04-new-key": CA.rekey(now())}


def recorded(step: str) -> Cert:
    secret = json.loads((ECK / f"{step}.secret.json").read_text())
    return read_published(base64.b64decode(secret["data"]["ca.crt"])).ca


def shape(cert: Cert) -> tuple[object, ...]:
    key = cert.x509.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    return cert.subject, cert.issuer, cert.is_ca, cert.signs, cert.ski is not None, key.key_size


@pytest.mark.parametrize("step", GENERATIONS)
def test_a_ca_has_the_shape_of_ecks(step: str) -> None:
    assert shape(GENERATIONS[step].cert) == shape(recorded(step))


def test_a_renewal_keeps_and_a_new_key_changes_what_ecks_do() -> None:
    def kept(certs: list[Cert]) -> list[tuple[bool, bool, bool]]:
        first, *rest = certs
        return [(c.key == first.key, c.ski == first.ski, c.subject == first.subject) for c in rest]

    ours = kept([ca.cert for ca in GENERATIONS.values()])
    assert ours == kept([recorded(step) for step in GENERATIONS])
    assert ours == [(True, True, True), (False, False, True)]
    assert len({ca.cert.fingerprint for ca in GENERATIONS.values()}) == 3


def test_a_leaf_names_what_ecks_leaves_name() -> None:
    leaf = CA.leaf("default-0").cert
    (theirs, *_) = read_trust_file((ECK / "01-initial.leaf-chain.pem").read_bytes()).certs
    missing = _dns(theirs) - _dns(leaf)
    assert leaf.aki == CA.cert.ski
    assert not leaf.is_ca
    assert {name for name in _dns(theirs) if name.endswith((".es.local", "-transport.default.svc"))} & _dns(leaf)
    assert all("remote-cluster" not in name for name in missing)


def test_an_expired_ca_can_be_made() -> None:
    expired = EckCa.create(now() - timedelta(days=375), lasts=timedelta(days=365))
    assert expired.cert.not_after < now()
    assert expired.renew(now()).cert.not_after > now()


def _dns(cert: Cert) -> set[str]:
    names = cert.x509.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return set(names.get_values_for_type(x509.DNSName))
