"""What a yml names as the trust between a cluster's own nodes, and a trust store made into PEM without losing any."""

from datetime import timedelta

import pytest

from syncd.adapters.tls import TlsHandshakes
from syncd.core.bundle import Cert, bundle_digest, read_trust_file
from syncd.core.errors import BundleError, YmlError
from syncd.core.model import OwnTrust, Presented, Shown
from syncd.core.nodes.own_trust import OWN_CA_FILE, conversion, named
from syncd.core.nodes.stores import read_listing, store_type
from syncd.core.yml import read, with_settings
from syncd.demo.pki import EckCa
from syncd.ports import now

ETC = "/etc/elasticsearch"
SSL = "xpack.security.transport.ssl"
CA, OTHER, REMOTE = (EckCa.create(now(), cluster=name) for name in ("own", "other", "eck"))
LEAF = CA.leaf()
STORE = f"{SSL}:\n  keystore.path: a.p12\n  truststore:\n    path: a.p12\n    type: PKCS12\n    password: x\n"
ITEMS = (OWN_CA_FILE, "remote-transport-ca.crt")


def own(*certs: Cert) -> OwnTrust:
    return OwnTrust(certs, "truststore", (f"{ETC}/a.p12",))


def shown(*subjects: str) -> Shown:
    return Shown(Presented(LEAF.chain, "10.0.0.1:9300", now()), frozenset(subjects))


# --- what is named


@pytest.mark.parametrize(
    "text",
    [
        f"{SSL}.certificate_authorities: [certs/a.crt, {ETC}/b.crt]",
        f"{SSL}:\n  certificate_authorities:\n    - certs/a.crt\n    - ./b.crt",
        f"{SSL}.certificate_authorities: certs/a.crt,b.crt",
        f"{SSL}.certificate_authorities.0: certs/a.crt\n{SSL}.certificate_authorities.1: b.crt",
        f"{SSL}.certificate_authorities: [certs/a.crt, b.crt]\n{SSL}.keystore.path: a.p12",
    ],
)
def test_pem_files_are_named_by_whatever_form_the_list_has(text: str) -> None:
    found = named(text, ETC)
    assert (found.kind, found.files, found.store) == ("pem", (f"{ETC}/certs/a.crt", f"{ETC}/b.crt"), None)


def test_a_trust_store_is_named_with_its_type_and_where_its_password_is() -> None:
    found = named(STORE, ETC)
    assert found.store
    assert (found.kind, found.store.path, found.store.type, found.store.password) == (
        "truststore",
        f"{ETC}/a.p12",
        "PKCS12",
        "x",
    )
    assert found.store.secure_setting == f"{SSL}.truststore.secure_password"
    assert "password='x'" not in repr(found)


def test_without_either_the_store_of_the_nodes_own_key_is_trusted_too() -> None:
    """`StoreKeyConfig.asTrustConfig`: beside the JDK's public roots."""
    found = named(f"{SSL}.keystore.path: /elsewhere/key.jks", ETC)
    assert found.store
    assert (found.kind, found.store.path, found.store.type) == ("none", "/elsewhere/key.jks", "jks")
    assert found.store.secure_setting == f"{SSL}.keystore.secure_password"
    assert named(f"{SSL}.key: a.key", ETC).store is None


@pytest.mark.parametrize("empty", [f"{SSL}.certificate_authorities: []", f"{SSL}.certificate_authorities: ''"])
def test_an_empty_list_is_as_good_as_none(empty: str) -> None:
    assert named(f"{empty}\n{SSL}.truststore.path: a.p12", ETC).kind == "truststore"


@pytest.mark.parametrize(
    "text",
    [
        f"{SSL}.certificate_authorities: [a.crt, '${{CERTS}}/b.crt']",
        f"{SSL}.truststore.path: ${{CERTS}}/a.p12",
        f"{SSL}.truststore.path: a.p12\n{SSL}.truststore.password: ${{SECRET}}",
    ],
)
def test_what_only_the_nodes_environment_tells_is_not_guessed(text: str) -> None:
    with pytest.raises(YmlError, match="own_ca_file") as refused:
        named(text, ETC)
    assert refused.value.rule == "placeholder"


@pytest.mark.parametrize(
    ("path", "told", "kind"),
    [
        ("a.p12", None, "PKCS12"),
        ("A.PFX", None, "PKCS12"),
        ("a.pkcs12", None, "PKCS12"),
        ("a.jks", None, "jks"),
        ("a", None, "jks"),
        ("a.p12", "jks", "jks"),
    ],
)
def test_a_stores_type_is_what_elasticsearch_takes_it_for(path: str, told: str | None, kind: str) -> None:
    assert store_type(path, told) == kind


# --- what keytool lists


def entry(kind: str, *certs: Cert) -> str:
    stars = "*" * 43
    pems = "".join(cert.pem.decode() for cert in certs)
    return f"Alias name: x\nCreation date: Nov 25, 2026\nEntry type: {kind}\n\n{pems}\n\n{stars}\n{stars}\n\n\n"


def listing(*entries: str) -> str:
    plural = "entry" if len(entries) == 1 else "entries"
    return f"Keystore type: PKCS12\n\nYour keystore contains {len(entries)} {plural}\n\n{''.join(entries)}"


def test_only_trusted_entries_count() -> None:
    """The chain of a private key is what the node presents."""
    key = entry("PrivateKeyEntry", *OTHER.leaf().chain)
    assert read_listing(listing(entry("trustedCertEntry", CA.cert), key)) == (CA.cert,)
    assert read_listing(listing(key, entry("trustedCertEntry", CA.cert), entry("SecretKeyEntry"))) == (CA.cert,)
    assert read_listing(listing(key)) == ()


def test_a_listing_that_may_lack_something_is_refused() -> None:
    """Without the password, keytool ends with 0 and leaves trusted certificates out."""
    with pytest.raises(BundleError) as refused:
        read_listing(listing(entry("PrivateKeyEntry")), "* has NOT been verified!  In order to verify *")
    assert refused.value.rule == "store_unverified"
    for text in (
        "",
        "Ihr Keystore enthält 1 Eintrag",
        listing(entry("trustedCertEntry", CA.cert)).replace("1 entry", "2 entries"),
    ):
        with pytest.raises(BundleError):
            read_listing(text)


# --- a trust store made into PEM


def test_a_store_becomes_the_same_trust_as_pem() -> None:
    found = conversion(STORE, own(CA.cert, OTHER.cert), shown(CA.cert.subject, OTHER.cert.subject), (), ITEMS)
    assert set(read_trust_file(found.content).certs) == {CA.cert, OTHER.cert}
    after = read(with_settings(STORE, found.wanted))
    assert dict(after.values) == {f"{SSL}.keystore.path": "a.p12", f"{SSL}.certificate_authorities": ITEMS}


def test_what_our_own_file_brought_is_no_difference() -> None:
    mark = TlsHandshakes().mint(f"syncd {bundle_digest([REMOTE.cert])[:16]}", "proof.syncd.invalid").cert
    subjects = (CA.cert.subject, REMOTE.cert.subject, mark.subject)
    found = conversion(STORE, own(CA.cert), shown(*subjects), (REMOTE.cert, mark), ITEMS)
    assert found.certs == (CA.cert,), "what is ours stays in our file"


@pytest.mark.parametrize(
    ("exported", "subjects"),
    [
        ((CA.cert,), (CA.cert.subject, OTHER.cert.subject)),
        ((CA.cert, OTHER.cert), (CA.cert.subject,)),
        ((OTHER.cert,), (OTHER.cert.subject, LEAF.cert.subject)),
        ((CA.cert,), (CA.cert.subject, OTHER.leaf().cert.subject + "x")),
        ((CA.cert,), ()),
    ],
)
def test_a_store_that_is_not_what_the_process_has_loaded_is_left_as_it_is(
    exported: tuple[Cert, ...], subjects: tuple[str, ...]
) -> None:
    with pytest.raises(YmlError) as refused:
        conversion(STORE, own(*exported), shown(*subjects), (), ITEMS)
    assert refused.value.rule == "truststore_differs"


def test_the_nodes_own_leaf_may_go_where_its_ca_stays() -> None:
    """Java trusts the first certificate of each private key of a trust store: the store that certutil makes is one."""
    found = conversion(STORE, own(CA.cert), shown(CA.cert.subject, LEAF.cert.subject), (), ITEMS)
    assert found.certs == (CA.cert,)


def test_two_spellings_of_a_subject_are_one() -> None:
    spelled = CA.cert.subject.replace("CN=own", "CN=OWN")
    assert spelled != CA.cert.subject
    assert conversion(STORE, own(CA.cert), shown(spelled), (), ITEMS).certs == (CA.cert,)


def test_two_cas_of_one_subject_are_both_kept() -> None:
    renewed = CA.renew(now() + timedelta(seconds=1))
    found = conversion(STORE, own(CA.cert, renewed.cert), shown(CA.cert.subject), (), ITEMS)
    assert set(found.certs) == {CA.cert, renewed.cert}


@pytest.mark.parametrize("kind", ["pem", "none"])
def test_only_a_trust_store_is_converted(kind: str) -> None:
    trust = OwnTrust((CA.cert,), kind)  # type: ignore[arg-type]  # both are kinds
    with pytest.raises(YmlError) as refused:
        conversion(STORE, trust, shown(CA.cert.subject), (), ITEMS)
    assert refused.value.rule == "no_truststore"
