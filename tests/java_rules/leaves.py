"""Rows about the leaf itself, algorithms, name constraints and policies."""

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519
from cryptography.x509.oid import NameOID, ObjectIdentifier

from tests.java_rules.chains import FUTURE, KNOWN_TO_NOBODY, PAST, ROOT
from tests.java_rules.issue import ANY, CLIENT, DNS, SERVER, ca, ec_key, leaf, name, rsa_key
from tests.java_rules.row import NO, YES, Row

_OUTSIDE = x509.DNSName("node.other.example")
_IP = x509.IPAddress(ip_address("192.0.2.7"))
_POLICY = x509.CertificatePolicies([x509.PolicyInformation(ObjectIdentifier("1.3.6.1.4.1.99999.2"), None)])
_CLIENT_ONLY = x509.UnrecognizedExtension(ObjectIdentifier("2.16.840.1.113730.1.1"), bytes.fromhex("03020780"))
_SERVER_ONLY = x509.UnrecognizedExtension(ObjectIdentifier("2.16.840.1.113730.1.1"), bytes.fromhex("03020640"))
_CRLS = x509.CRLDistributionPoints(
    [x509.DistributionPoint([x509.UniformResourceIdentifier("http://crl.example")], None, None, None)]
)
_PROPERTIES = "the JDK's security properties decide"


def leaves() -> Iterator[Row]:
    for what, accepted, shape in (
        ("that ended", NO, {"days": PAST}),
        ("not begun", NO, {"days": FUTURE}),
        ("with EKU clientAuth alone", NO, {"eku": (CLIENT,)}),
        ("with EKU serverAuth and clientAuth", YES, {"eku": (SERVER, CLIENT)}),
        ("with EKU any", YES, {"eku": (ANY,)}),
        ("with KeyUsage keyEncipherment alone", NO, {"usage": ("key_encipherment",)}),
        ("with KeyUsage digitalSignature", YES, {"usage": ("digital_signature",)}),
        ("with a critical extension nobody knows", NO, {"more": ((KNOWN_TO_NOBODY, True),)}),
        ("with an extension nobody knows", YES, {"more": ((KNOWN_TO_NOBODY, False),)}),
        ("with Netscape type client", NO, {"more": ((_CLIENT_ONLY, False),)}),
        ("that is a CA", YES, {"ca": True}),
        ("without BasicConstraints", YES, {"ca": None}),
        ("as v1", YES, {"v1": True}),
        ("without SAN", YES, {"names": None}),
        ("with critical CRL distribution points", NO, {"more": ((_CRLS, True),)}),
        ("with critical Netscape type server", NO, {"more": ((_SERVER_ONLY, True),)}),
        ("with Netscape type server", YES, {"more": ((_SERVER_ONLY, False),)}),
        ("with critical policies", YES, {"more": ((_POLICY, True),)}),
    ):
        yield Row("the CA", f"leaf {what}", (ROOT,), (leaf(ROOT, **shape),), accepted)
    yield Row("the CA", "leaf without subject", (ROOT,), (leaf(ROOT, ""),), NO)
    san = x509.SubjectAlternativeName([x509.DNSName(DNS)])
    nameless = leaf(ROOT, "", names=None, more=((san, True),))
    yield Row("the CA", "leaf without subject, SAN critical", (ROOT,), (nameless,), YES)


def pinned() -> Iterator[Row]:
    for what, shape in (
        ("signed by a CA", {}),
        ("ended", {"days": PAST}),
        ("not begun", {"days": FUTURE}),
        ("EKU clientAuth alone", {"eku": (CLIENT,)}),
        ("a critical extension nobody knows", {"more": ((KNOWN_TO_NOBODY, True),)}),
    ):
        own = leaf(ROOT, **shape)
        yield Row(f"the leaf itself, {what}", "leaf", (own,), (own,), YES)
    own = leaf(ROOT)
    yield Row("the leaf itself, ended, and its CA", "leaf", (leaf(ROOT, days=PAST), ROOT), (own,), YES)
    yield Row("the leaf of another day with the same key", "leaf", (leaf(ROOT),), (own,), NO)
    alone = leaf(None, "alone")
    yield Row("a self-signed leaf", "the leaf", (alone,), (alone,), YES)
    yield Row("a self-signed leaf", "the leaf made anew with the same key", (alone,), (leaf(None, "alone"),), NO)


def keys() -> Iterator[Row]:
    for what, root_key, leaf_key, accepted in (
        ("RSA / EC", rsa_key("root"), ec_key("leaf"), YES),
        ("EC / RSA", ec_key("root"), rsa_key("leaf"), YES),
        ("EC P-384 / EC P-521", ec_key("384", ec.SECP384R1), ec_key("521", ec.SECP521R1), YES),
        ("Ed25519 / EC", ed25519.Ed25519PrivateKey.generate(), ec_key("leaf"), YES),
        ("Ed448 / EC", ed448.Ed448PrivateKey.generate(), ec_key("leaf"), YES),
        ("EC / Ed25519", ec_key("root"), ed25519.Ed25519PrivateKey.generate(), YES),
        ("EC secp256k1 / EC", ec_key("k1", ec.SECP256K1), ec_key("leaf"), NO),
        ("EC brainpool-256 / EC", ec_key("bp", ec.BrainpoolP256R1), ec_key("leaf"), NO),
        ("EC P-224 / EC", ec_key("224", ec.SECP224R1), ec_key("leaf"), NO),
        ("EC P-192 / EC", ec_key("192", ec.SECP192R1), ec_key("leaf"), NO),
    ):
        root = ca("root", key=root_key)
        yield Row(f"the CA ({what})", "leaf", (root,), (leaf(root, key=leaf_key),), accepted)
    root = ca("root", key=dsa.generate_private_key(2048))
    yield Row("the CA (DSA-2048 / EC)", "leaf", (root,), (leaf(root),), YES, "DSA: JDK 25 refuses it")
    root = ca("root", key=rsa_key("root"))
    yield Row("the CA", "leaf signed with RSA-PSS", (root,), (leaf(root, pss=True),), YES)


def weak() -> Iterator[Row]:
    root = ca("root", key=rsa_key("root"))
    yield Row("the CA", "leaf signed with SHA-1 (RSA)", (root,), (leaf(root, digest="sha1"),), YES, _PROPERTIES)
    yield Row("the CA", "leaf signed with SHA-1 (EC)", (ROOT,), (leaf(ROOT, digest="sha1"),), YES, _PROPERTIES)
    yield Row("the CA", "leaf signed with MD5", (root,), (leaf(root, digest="md5"),), NO)
    for digest in ("sha1", "md5"):
        old = ca("root", key=rsa_key("root"), digest=digest)
        yield Row(f"the CA, itself signed with {digest}", "leaf", (old,), (leaf(old),), YES)
    for digest, accepted in (("sha1", YES), ("md5", NO)):
        middle = ca("middle", root, digest=digest)
        presented = (leaf(middle), middle)
        yield Row(
            "the root", f"leaf, intermediate signed with {digest}", (root,), presented, accepted, _PROPERTIES * accepted
        )
    small = rsa_key("small", 1024)
    yield Row("the CA", "leaf of RSA-1024", (ROOT,), (leaf(ROOT, key=small),), YES, _PROPERTIES)
    weak_root, weak_middle = ca("root", key=small), ca("middle", ROOT, key=small)
    yield Row("the CA, of RSA-1024", "leaf", (weak_root,), (leaf(weak_root),), YES, _PROPERTIES)
    presented = (leaf(weak_middle), weak_middle)
    yield Row("the root", "leaf, intermediate of RSA-1024", (ROOT,), presented, YES, _PROPERTIES)


def constraints() -> Iterator[Row]:
    inside = x509.DNSName("eck.example")
    within = x509.IPAddress(ip_network("192.0.2.0/24"))
    outside = x509.IPAddress(ip_network("198.51.100.0/24"))
    folder = x509.DirectoryName(name("leaf"))
    other = x509.DirectoryName(name("other"))
    for what, accepted, permitted, excluded, names in (
        ("permits its DNS name", YES, [inside], None, (x509.DNSName(DNS),)),
        ("permits its DNS name in other case", YES, [x509.DNSName("ECK.example")], None, (x509.DNSName(DNS),)),
        ("permits another DNS name", NO, [inside], None, (_OUTSIDE,)),
        ("permits a name that only ends alike", NO, [x509.DNSName("k.example")], None, (x509.DNSName(DNS),)),
        ("permits one of two DNS names", NO, [inside], None, (x509.DNSName(DNS), _OUTSIDE)),
        ("permits its DNS name with a dot before", YES, [x509.DNSName(".eck.example")], None, (x509.DNSName(DNS),)),
        ("excludes its DNS name", NO, None, [inside], (x509.DNSName(DNS),)),
        ("excludes another DNS name", YES, None, [x509.DNSName("other.example")], (x509.DNSName(DNS),)),
        ("permits a DNS name, leaf with an IP address and CN", NO, [inside], None, (_IP,)),
        ("permits its IP address", YES, [within], None, (_IP,)),
        ("permits another IP address", NO, [outside], None, (_IP,)),
        ("excludes its IP address", NO, None, [within], (_IP,)),
        ("permits an IP address, leaf with a DNS name", YES, [within], None, (x509.DNSName(DNS),)),
        ("permits its subject", YES, [folder], None, (x509.DNSName(DNS),)),
        ("permits another subject", NO, [other], None, (x509.DNSName(DNS),)),
        ("excludes its subject", NO, None, [folder], (x509.DNSName(DNS),)),
        (
            "permits a URI, leaf without",
            YES,
            [x509.UniformResourceIdentifier("eck.example")],
            None,
            (x509.DNSName(DNS),),
        ),
    ):
        middle = ca("middle", ROOT, more=((x509.NameConstraints(permitted, excluded), True),))
        presented = (leaf(middle, names=names), middle)
        yield Row("the root", f"leaf, intermediate that {what}", (ROOT,), presented, accepted)
    middle = ca("middle", ROOT, more=((x509.NameConstraints([inside], None), False),))
    yield Row("the root", "the same, not critical", (ROOT,), (leaf(middle, names=(_OUTSIDE,)), middle), NO)
    for subject, accepted in (("node.eck.example", YES), ("node.other.example", NO), ("no host name", YES)):
        presented = (leaf(middle, subject, names=None), middle)
        yield Row("the root", f"leaf called '{subject}' without SAN, below the same", (ROOT,), presented, accepted)
    for subject, accepted in (("below", NO), ("A CA with blanks", YES), ("middle", YES)):
        below = ca(subject, middle, key=ec_key("below"))
        chain = (leaf(below), below, middle)
        yield Row("the root", f"leaf, CA called '{subject}', the same", (ROOT,), chain, accepted)
    company = name(_organization("Company"))
    middle = ca("middle", ROOT, more=((x509.NameConstraints([x509.DirectoryName(company)], None), True),))
    for subject, accepted in (("Company", YES), ("COMPANY", YES), ("Other", NO)):
        own = leaf(
            middle, name([*_organization(subject), x509.NameAttribute(NameOID.COMMON_NAME, "leaf")]), key=ec_key("leaf")
        )
        presented = (own, middle)
        yield Row("the root", f"leaf of O={subject}, intermediate that permits O=Company", (ROOT,), presented, accepted)
    strict = ca("root", more=((x509.NameConstraints([inside], None), True),))
    own = leaf(strict, names=(_OUTSIDE,))
    yield Row("the CA, which permits another DNS name", "leaf", (strict,), (own,), YES)
    yield Row("the CA, which permits another DNS name", "leaf, a stranger", (strict,), (own, ca("stranger")), YES)


def _organization(text: str) -> list[x509.NameAttribute[str]]:
    return [x509.NameAttribute(NameOID.ORGANIZATION_NAME, text)]


def policies() -> Iterator[Row]:
    explicit = ca("middle", ROOT, more=((x509.PolicyConstraints(0, None), True),))
    yield Row("the root", "leaf, intermediate that requires a policy", (ROOT,), (leaf(explicit), explicit), NO)
    plain = ca("middle", ROOT, more=((_POLICY, True),))
    yield Row("the root", "leaf, intermediate with a critical policy", (ROOT,), (leaf(plain), plain), YES)
