"""Java's rules: the table that real nodes decided (tests/e2e/test_java_rules.py), and what a table cannot hold."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter

import pytest
from cryptography import x509

from syncd.core.java.trust import Rotation, classify, verifies
from syncd.demo.pki import EckCa
from syncd.ports import now
from tests.java_rules import ROWS, tables
from tests.java_rules.issue import ca, ec_key, leaf
from tests.java_rules.row import Row

NOW = datetime(2026, 11, 24, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=375)
CA = EckCa.create(NOW - timedelta(days=1))
LEAF = CA.leaf(now=NOW)
EXPIRED_CA = EckCa.create(LONG_AGO, lasts=timedelta(days=365))
RENEWED = EXPIRED_CA.renew(NOW)
RENEWED_LEAF = RENEWED.leaf(now=NOW)
OTHER = CA.rekey(NOW - timedelta(days=1))
OTHER_SKI = CA.renew(NOW, ski=b"another key id 12345")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_verdicts_are_those_of_a_real_node(row: Row) -> None:
    """Or no, where a row says why not every node can be known to accept."""
    trust = verifies([made.cert for made in row.chain], [made.cert for made in row.anchors], now())
    assert trust.ok is (row.accepted and not row.caution), trust.text
    assert trust.text


def test_of_two_anchors_that_fit_both_must_be_cas() -> None:
    """Java takes any one of them, and its choice differs from load to load: no row can hold it."""
    root, same = ca("root"), ca("root", ca=False)
    assert not verifies([leaf(root).cert], [root.cert, same.cert], now()).ok


def test_a_chain_of_more_than_ten_is_refused() -> None:
    """JDK 17 to 25 do; no row, since a node then hangs up without a word, after half a minute."""
    rungs = [ca("root")]
    for number in range(10):
        rungs.append(ca(f"middle {number}", rungs[-1]))
    chain = [leaf(rungs[-1]).cert, *(made.cert for made in reversed(rungs[1:]))]
    assert "reads 10" in verifies(chain, [rungs[0].cert], now()).text


def test_each_ca_below_uses_up_path_length() -> None:
    root = ca("root")
    top = ca("top", root, length=1)
    one = ca("one", top)
    two = ca("two", one)
    assert verifies([made.cert for made in (leaf(one), one, top)], [root.cert], now()).ok
    assert not verifies([made.cert for made in (leaf(two), two, one, top)], [root.cert], now()).ok


def test_a_wildcard_that_stands_for_an_excluded_host_is_refused() -> None:
    """JDK 17 accepts it, newer ones do not."""
    rule = x509.NameConstraints(None, [x509.DNSName("one.eck.example")])
    root = ca("root")
    middle = ca("middle", root, more=((rule, True),))
    own = leaf(middle, names=(x509.DNSName("*.eck.example"),))
    assert not verifies([own.cert, middle.cert], [root.cert], now()).ok


def test_names_that_are_not_judged_are_refused_where_they_are_constrained() -> None:
    rule = x509.NameConstraints([x509.RFC822Name("eck.example")], None)
    root = ca("root")
    middle = ca("middle", root, more=((rule, True),))
    mail = leaf(middle, names=(x509.RFC822Name("a@eck.example"),))
    assert not verifies([mail.cert, middle.cert], [root.cert], now()).ok
    assert verifies([leaf(middle).cert, middle.cert], [root.cert], now()).ok


def test_an_intermediate_that_ended_is_told_as_that() -> None:
    root = ca("root")
    middle = ca("middle", root, days=(-400, -10))
    trust = verifies([leaf(middle).cert, middle.cert], [root.cert], now())
    assert (trust.ok, trust.reason) == (False, "expired")
    assert middle.cert.short in trust.text


def test_a_leaf_that_is_trusted_itself_is_so_for_ever() -> None:
    own = leaf(None)
    trust = verifies([own.cert], [own.cert], now() + timedelta(days=4000))
    assert (trust.ok, trust.until) == (True, None)


def test_a_chain_verifies_until_its_first_certificate_ends() -> None:
    root = ca("root")
    middle = ca("middle", root, days=(-1, 9))
    assert verifies([leaf(middle).cert, middle.cert], [root.cert], now()).until == middle.cert.not_after


def test_a_crafted_chain_costs_no_more_than_a_moment() -> None:
    """Nine CAs of one name and key, each signed by each, out of order: the most that a peer can present."""
    many = [ca("same", days=(-1, 300 + number)) for number in range(9)]
    chain = [leaf(many[0], "leaf").cert, ca("stranger").cert, *(made.cert for made in many[:8])]
    began = perf_counter()
    assert not verifies(chain, [ca("same", key=ec_key("another")).cert], now()).ok
    assert perf_counter() - began < 20


def test_the_page_shows_this_very_table() -> None:
    page = Path(__file__).parents[2] / "docs/trust.md"
    assert tables() in page.read_text(), "python -m tests.java_rules prints what belongs there"


def test_nothing_trusted_means_nothing_verifies() -> None:
    assert verifies(LEAF.chain, [], NOW).reason == "untrusted"


def test_a_chain_verifies_until_its_leaf_ends_whatever_the_anchor_does() -> None:
    assert verifies(RENEWED_LEAF.chain, [EXPIRED_CA.cert], NOW).until == RENEWED_LEAF.cert.not_after


def test_a_leaf_from_the_future_is_refused_with_a_hint_at_the_clocks() -> None:
    trust = verifies(LEAF.chain, [CA.cert], NOW - timedelta(days=30))
    assert (trust.ok, trust.reason) == (False, "not_yet_valid")
    assert "clocks" in trust.text


@pytest.mark.parametrize(
    ("new", "kind"),
    [(CA.renew(NOW), Rotation.RENEWED_SAME_KEY), (OTHER, Rotation.NEW_KEY), (OTHER_SKI, Rotation.CHANGED_SKI)],
)
def test_a_change_of_ca_is_told_by_key_and_ski_never_by_subject(new: EckCa, kind: Rotation) -> None:
    assert new.cert.subject == CA.cert.subject
    assert classify(CA.cert.key, CA.cert.ski, new.cert) is kind


@pytest.mark.parametrize(("new", "kind"), [(OTHER, Rotation.RECREATED), (CA.renew(NOW), Rotation.RENEWED_SAME_KEY)])
def test_a_remote_made_anew_is_told_by_a_new_key_from_another_object(new: EckCa, kind: Rotation) -> None:
    assert classify(CA.cert.key, CA.cert.ski, new.cert, other_object=True) is kind
