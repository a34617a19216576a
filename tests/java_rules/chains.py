"""Rows about anchors, intermediates, order, path lengths and the power to sign."""

from collections.abc import Iterator

from cryptography import x509
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID, ObjectIdentifier

from tests.java_rules.issue import CLIENT, Shape, ca, ec_key, issue, leaf, name
from tests.java_rules.row import NO, YES, Row

ROOT = ca("root")
PAST, FUTURE = (-400, -10), (10, 400)
KNOWN_TO_NOBODY = x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")


def anchors() -> Iterator[Row]:
    own = leaf(ROOT)
    yield Row("the CA", "leaf, CA", (ROOT,), (own, ROOT), YES)
    yield Row("the CA", "leaf", (ROOT,), (own,), YES)
    old, new = ca("root", days=PAST), ca("root")
    yield Row("the CA, ended", "leaf, the CA renewed with the same key", (old,), (leaf(new), new), YES)
    yield Row("the CA, ended", "leaf", (old,), (leaf(new),), YES)
    yield Row("the CA, not begun", "leaf", (ca("root", days=FUTURE),), (own,), YES)
    other = ca("root", key=ec_key("another"))
    yield Row("a CA of that name, another key", "leaf, CA", (other,), (own, ROOT), NO)
    yield Row("a CA of that name, another key", "leaf", (other,), (own,), NO)
    yield Row("two CAs of one name, one is right", "leaf, CA", (other, ROOT), (own, ROOT), YES)
    yield Row("two CAs of one name, one is right", "leaf", (other, ROOT), (own,), YES)
    yield Row("the CA", "leaf, a CA of that name that did not sign it", (ROOT,), (own, other), NO)
    yield Row("another CA", "leaf, CA", (ca("other"),), (own, ROOT), NO)


def key_ids() -> Iterator[Row]:
    own, without = leaf(ROOT), leaf(ROOT, aki=False)
    changed = ca("root", ski=b"another key id 12345")
    yield Row("the CA's key under another SKI", "leaf, CA", (changed,), (own, ROOT), NO)
    yield Row("the CA's key under another SKI", "leaf", (changed,), (own,), NO)
    yield Row("the CA's key under another SKI", "leaf without AKI", (changed,), (without,), YES)
    yield Row("the CA without SKI", "leaf", (ca("root", ski=None),), (own,), YES)
    serial = leaf(ROOT, aki="serial")
    yield Row("the CA", "leaf whose AKI has the CA's serial number", (ROOT,), (serial,), YES)
    yield Row(
        "the CA renewed with the same key", "leaf whose AKI has the old serial number", (ca("root"),), (serial,), NO
    )
    yield Row(
        "the CA renewed as v1", "leaf whose AKI has the old serial number", (ca("root", v1=True),), (serial,), YES
    )
    middle = ca("middle", ROOT)
    odd = ca("middle", ROOT, ski=b"another key id 12345")
    yield Row("the root", "leaf, intermediate under another SKI", (ROOT,), (leaf(middle), odd), YES)
    yield Row("the root", "leaf, root, intermediate under another SKI", (ROOT,), (leaf(middle), ROOT, odd), YES)
    stranger = ca("stranger")
    yield Row("the CA's key under another SKI", "leaf, a stranger", (changed,), (own, stranger), YES)
    yield Row("the CA renewed with the same key", "the same leaf, a stranger", (ca("root"),), (serial, stranger), YES)


def intermediates() -> Iterator[Row]:
    middle = ca("middle", ROOT)
    own = leaf(middle)
    yield Row("the root", "leaf, intermediate", (ROOT,), (own, middle), YES)
    yield Row("the root", "leaf, intermediate, root", (ROOT,), (own, middle, ROOT), YES)
    yield Row("the root", "leaf (intermediate missing)", (ROOT,), (own,), NO)
    yield Row("the intermediate", "leaf, intermediate", (middle,), (own, middle), YES)
    yield Row("the intermediate", "leaf", (middle,), (own,), YES)
    yield Row("the root", "leaf, root, intermediate (out of order)", (ROOT,), (own, ROOT, middle), YES)
    yield Row("the root", "leaf, a stranger, intermediate", (ROOT,), (own, ca("stranger"), middle), YES)
    yield Row("the root", "leaf, intermediate, a stranger", (ROOT,), (own, middle, ca("stranger")), YES)
    ended, later = ca("middle", ROOT, days=PAST), ca("middle", ROOT, days=FUTURE)
    yield Row("the root", "leaf, intermediate that ended", (ROOT,), (own, ended), NO)
    yield Row("the root", "leaf, intermediate not begun", (ROOT,), (own, later), NO)
    yield Row("the intermediate, ended", "leaf, intermediate that ended", (ended,), (own, ended), YES)
    yield Row("the intermediate, renewed with the same key", "leaf, the ended one", (middle,), (own, ended), YES)
    yield Row("the root", "leaf, the ended intermediate, the renewed one", (ROOT,), (own, ended, middle), YES)
    second = ca("root 2")
    crossed = ca("middle", second)
    yield Row("root 2", "leaf, intermediate by root 1, the same by root 2", (second,), (own, middle, crossed), YES)
    yield Row("root 2", "leaf, intermediate by root 2, the same by root 1", (second,), (own, crossed, middle), YES)
    bridge = ca("root", second)
    yield Row("root 2", "leaf, intermediate, root 1 signed by root 2", (second,), (own, middle, bridge), YES)

    yield Row("the root", "leaf, intermediate twice", (ROOT,), (own, middle, middle), YES)
    yield Row("the root", "leaf twice, intermediate", (ROOT,), (own, own, middle), YES)


def depths() -> Iterator[Row]:
    """Java's builder, which is asked only where a chain is out of order, goes through five CAs at most."""
    rungs = [ROOT]
    for number in range(9):
        rungs.append(ca(f"middle {number}", rungs[-1]))
    chain = (leaf(rungs[9]), *reversed(rungs[1:10]))
    yield Row("the root", "leaf, 9 intermediates", (ROOT,), chain, YES)
    for count, accepted in ((5, YES), (6, NO)):
        chain = (leaf(rungs[count]), *rungs[1 : count + 1])
        yield Row("the root", f"leaf, {count} intermediates out of order", (ROOT,), chain, accepted)


def lengths() -> Iterator[Row]:
    short = ca("middle", ROOT, length=0)
    below = ca("below", short)
    yield Row("the root", "leaf, intermediate of path length 0", (ROOT,), (leaf(short), short), YES)
    yield Row("the root", "leaf, CA, intermediate of path length 0", (ROOT,), (leaf(below), below, short), NO)
    yield Row("the root", "the same out of order", (ROOT,), (leaf(below), short, below), NO)
    tight = ca("root", length=0)
    middle = ca("middle", tight)
    yield Row("the root, of path length 0", "leaf, intermediate", (tight,), (leaf(middle), middle), YES)
    yield Row("an intermediate of path length 0", "leaf, CA", (short,), (leaf(below), below), YES)
    itself = ca("middle", short, key=ec_key("rolled"))
    rolled = (leaf(itself), itself, short)
    yield Row("the root", "leaf, CA rolled over by itself, the same of path length 0", (ROOT,), rolled, YES)


def powers() -> Iterator[Row]:
    own = leaf(ROOT)
    yield Row("the CA with CA:FALSE", "leaf", (ca("root", ca=False),), (own,), NO)
    yield Row("the CA without BasicConstraints", "leaf", (ca("root", ca=None),), (own,), NO)
    yield Row("the CA as v1", "leaf", (ca("root", v1=True),), (own,), YES)
    yield Row("the CA as v1", "leaf, CA as v1", (ca("root", v1=True),), (own, ca("root", v1=True)), YES)
    yield Row("the CA, KeyUsage without keyCertSign", "leaf", (ca("root", usage=("crl_sign",)),), (own,), NO)
    yield Row("the CA, KeyUsage with keyCertSign", "leaf", (ca("root", usage=("key_cert_sign",)),), (own,), YES)
    yield Row("the CA, EKU clientAuth", "leaf", (ca("root", eku=(CLIENT,)),), (own,), YES)
    yield Row(
        "the CA, a critical extension nobody knows", "leaf", (ca("root", more=((KNOWN_TO_NOBODY, True),)),), (own,), YES
    )
    stranger, old = ca("stranger"), ca("root", v1=True, days=PAST)
    yield Row("the CA as v1, ended", "leaf", (old,), (own,), YES)
    yield Row("the CA as v1, ended", "leaf, a stranger", (old,), (own, stranger), NO)
    yield Row("the CA as v1", "leaf, a stranger", (ca("root", v1=True, days=(-9, 999)),), (own, stranger), YES)
    rolled = issue("root", ROOT, Shape(v1=True), ec_key("rolled"))
    yield Row("the CA", "leaf, the CA rolled over as v1", (ROOT,), (leaf(rolled, aki=False), rolled), YES)
    yield Row("a self-signed CA that is its own leaf", "renewed with the same key", (ROOT,), (ca("root"),), YES)
    for what, accepted, shape in (
        ("with CA:FALSE", NO, {"ca": False}),
        ("without BasicConstraints", NO, {"ca": None}),
        ("as v1", NO, {"v1": True}),
        ("with KeyUsage without keyCertSign", NO, {"usage": ("crl_sign",)}),
        ("with EKU clientAuth", YES, {"eku": (CLIENT,)}),
        ("with critical EKU clientAuth", YES, {"eku": (CLIENT,), "eku_critical": True}),
        ("with a critical extension nobody knows", NO, {"more": ((KNOWN_TO_NOBODY, True),)}),
        ("with an extension nobody knows", YES, {"more": ((KNOWN_TO_NOBODY, False),)}),
    ):
        middle = ca("middle", ROOT, **shape)
        yield Row("the root", f"leaf, intermediate {what}", (ROOT,), (leaf(middle), middle), accepted)
    old = ca("middle", ROOT, v1=True)
    yield Row("the intermediate as v1", "leaf", (old,), (leaf(old),), YES)


def names() -> Iterator[Row]:
    own = leaf(ca("My Private Root"))
    key = ec_key("CN=My Private Root")
    for what, subject, accepted in (
        ("in other case", name("MY private root"), YES),
        ("with other blanks", name(" My  Private Root "), YES),
        ("as another string type", _typed("My Private Root", _ASN1Type.PrintableString), YES),
        ("as a string type of old", _typed("My Private Root", _ASN1Type.BMPString), NO),
    ):
        yield Row(f"the CA, its name {what}", "leaf", (ca(subject, key=key),), (own,), accepted)


def _typed(text: str, kind: _ASN1Type) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text, kind)])
