"""Whether ECK's nodes accept ours: by what they say now, not by what they said before."""

from dataclasses import replace
from datetime import timedelta

from syncd.core.eck.mutual import seen_from_there
from syncd.core.model import Context, Known, Presented, Shown
from tests.fakes.eck_side import ALIAS, NAMES, NOW, Side, ca, leaf, marker_of, mirror_of, state_of


def said(minutes: int, issuer: str, *accepted: str) -> Shown:
    """What a node of ECK, with a leaf of this issuer, said so many minutes ago."""
    sight = Presented(leaf(issuer, "default-0").chain, "eck:9300", NOW - timedelta(minutes=minutes))
    return Shown(sight, frozenset(ca(name).cert.subject for name in accepted))


def refused(*shown: Shown) -> str:
    """Why ECK would refuse a node of ours whose certificate is of the CA `own`."""
    side = Side.trusting("own", shown=shown)
    seen = side.seen().within(Context.TRANSPORT)
    return seen_from_there(seen.nodes[NAMES[0]], seen.remotes[ALIAS], NOW).refused


def test_a_node_that_names_none_of_our_cas_refuses_ours() -> None:
    assert ca("own").cert.subject in refused(said(1, "eck", "eck"))
    assert not refused(said(1, "eck", "eck", "own"))


def by_certutil(issuer: str, *accepted: str, published: tuple[str, ...] = ("alike-1", "alike-2")) -> str:
    """Why ECK would refuse a leaf of this issuer, where two CAs of one subject are trusted and published."""
    shown = said(1, "eck", "eck", "alike-1")
    shown = replace(shown, accepted=shown.accepted | set(accepted))
    side = Side.trusting("alike-1", "alike-2", issuer=issuer, shown=(shown,))
    side.mirror = Known(mirror_of(*published) if published else state_of(""), NOW)
    seen = side.seen().within(Context.TRANSPORT)
    return seen_from_there(seen.nodes[NAMES[0]], seen.remotes[ALIAS], NOW).refused


def test_a_name_that_two_of_our_cas_have_proves_neither() -> None:
    """`elasticsearch-certutil` gives every CA the same subject, so the next one seems to be loaded before it is."""
    old, both = marker_of("alike-1").subject, marker_of("alike-1", "alike-2").subject
    assert "does not accept" in by_certutil("alike-2", old)
    assert not by_certutil("alike-2", both)
    assert not by_certutil("alike-1", old), "nothing is wrong while the next one is on its way"
    assert not by_certutil("alike-1", both)


def test_where_nothing_of_ours_is_marked_the_name_must_do() -> None:
    assert not by_certutil("alike-2", published=())


def test_what_a_node_said_with_an_earlier_leaf_counts_no_more() -> None:
    """ECK's node got a new leaf; before that, it had not loaded our new CA yet."""
    assert not refused(said(9, "eck-old", "eck"), said(1, "eck", "eck", "own"))
    assert refused(said(9, "eck-old", "eck", "own"), said(1, "eck", "eck"))


def test_a_node_that_has_said_nothing_for_long_is_gone() -> None:
    assert not refused(said(61, "eck", "eck"))
