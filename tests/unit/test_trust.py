"""Java's rules: the truth table that a real Elasticsearch 8.19.21 on JDK 17 decided, row by row."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from syncd.core.bundle import Cert
from syncd.core.trust import Rotation, classify, verifies
from syncd.demo.pki import EckCa, Leaf

NOW = datetime(2026, 11, 24, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=375)
CA = EckCa.create(NOW - timedelta(days=1))
LEAF = CA.leaf(now=NOW)
EXPIRED_CA = EckCa.create(LONG_AGO, lasts=timedelta(days=365))
RENEWED = EXPIRED_CA.renew(NOW)
RENEWED_LEAF = RENEWED.leaf(now=NOW)
OTHER = CA.rekey(NOW - timedelta(days=1))
OTHER_SKI = CA.renew(NOW, ski=b"another key id 12345")


def chain(leaf: Leaf, *, alone: bool = False) -> tuple[Cert, ...]:
    return leaf.chain[:1] if alone else leaf.chain


@pytest.mark.parametrize(
    ("trusted", "presented", "accepted"),
    [
        pytest.param([CA], chain(LEAF), True, id="the right CA"),
        pytest.param([CA], chain(LEAF, alone=True), True, id="the right CA, leaf alone"),
        pytest.param([EXPIRED_CA], chain(RENEWED_LEAF), True, id="an expired CA, renewed with the same key"),
        pytest.param([EXPIRED_CA], chain(RENEWED_LEAF, alone=True), True, id="the same, leaf alone"),
        pytest.param([OTHER], chain(LEAF), False, id="a CA of the same subject with another key"),
        pytest.param([OTHER, CA], chain(LEAF), True, id="both CAs of one subject, the second is right"),
        pytest.param([OTHER_SKI], chain(LEAF), False, id="the right key under another SKI"),
        pytest.param([OTHER_SKI], chain(LEAF, alone=True), False, id="the same, leaf alone"),
        pytest.param([OTHER_SKI], chain(CA.leaf(now=NOW, with_aki=False)), True, id="the same, leaf without AKI"),
        pytest.param([CA], chain(CA.leaf(now=LONG_AGO)), False, id="an expired leaf"),
    ],
)
def test_verdicts_are_those_of_a_real_node(trusted: list[EckCa], presented: tuple[Cert, ...], accepted: bool) -> None:
    assert verifies(presented, [ca.cert for ca in trusted], NOW).ok is accepted


def test_an_anchor_must_be_a_ca() -> None:
    not_a_ca = replace(CA.cert, is_ca=False)
    assert not verifies(LEAF.chain, [not_a_ca], NOW).ok


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
