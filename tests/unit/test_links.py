"""What the remotes of other aliases present is known for as long as a node dials them, and no longer."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from syncd.core.model import Alias, Context, Known, Link, NodeName, Process, Unknown
from syncd.engine.crew import Crew
from syncd.engine.looking.links import Links
from syncd.engine.looking.page import Page
from syncd.ports import NodeAnswer, now
from tests.fakes.world import NAMES, Bench

STRANGER = Alias("eck-b")
KEY = (Context.REMOTE_CLUSTER_CLIENT, STRANGER)
LINK = Link(STRANGER, connected=True, sockets=1, address="eck-b:9443", server_name=None, has_credential=True)
SILENT = Unknown("es_unreachable", "no", now())


@pytest.fixture
def links(tmp_path: Path) -> Iterator[Links]:
    crew = Crew("test", 4, lambda _: None)
    yield Links(Bench(tmp_path).world(), crew)
    crew.close()


def answer(name: NodeName, *links: Link) -> Known[NodeAnswer]:
    process = Process(name, "8.19.21", frozenset({"remote_cluster_client"}), 1, "/var/log", "onprem")
    return Known(NodeAnswer(process, Known(frozenset(), now()), links), now())


def page(*links: Link) -> Page:
    """What the nodes answer: the last one names these."""
    answers = {name: answer(name) for name in NAMES} | {NAMES[-1]: answer(NAMES[-1], *links)}
    return replace(Page.nothing_yet(now()), answers=answers)


def test_a_stranger_that_no_node_names_any_more_is_dropped(links: Links) -> None:
    """Else a remote that was forgotten would keep its CA in every file: the guard would refuse to take it out."""
    seen = links.update(page(LINK), None)
    assert isinstance(seen.strangers[KEY], Known)
    assert not links.update(replace(seen, answers=page().answers), None).strangers


def test_while_a_node_does_not_tell_what_it_dials_none_is_dropped(links: Links) -> None:
    seen = links.update(page(LINK), None)
    for answers in ({NAMES[0]: answer(NAMES[0])}, {**page().answers, NAMES[-1]: SILENT}):
        assert KEY in links.update(replace(seen, answers=answers), None).strangers


def test_one_that_comes_back_is_looked_at_at_once(links: Links) -> None:
    seen = links.update(page(LINK), None)
    gone = links.update(replace(seen, answers=page().answers), None)
    assert isinstance(links.update(replace(gone, answers=page(LINK).answers), None).strangers[KEY], Known)


def test_one_that_is_dialed_with_the_other_trust_now_is_known_there_alone(links: Links) -> None:
    """Its credential was taken out: it is dialed with the transport trust."""
    seen = links.update(page(LINK), None)
    moved = links.update(replace(seen, answers=page(replace(LINK, has_credential=False)).answers), None)
    assert set(moved.strangers) == {(Context.TRANSPORT, STRANGER)}
