"""Copies from before a change: whole, never of another change, and harmless wherever the making of them is cut."""

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from syncd.core.bundle import Digest, content_digest
from syncd.core.errors import ChangedUnderneath, HostError
from syncd.core.model import NodeName, NodePolicy, Ownership
from syncd.engine.hosts.copies import copy_of, note_keystore, ours_of, refused_of, roll_back, save_copies, sweep_copies
from syncd.ports import Deadline
from tests.bed.waiting import soon
from tests.fakes.knife import Killed, Knife, KnifeHost
from tests.fakes.memory import NoStream

NODE = NodePolicy(NodeName("es-1"), "/etc/elasticsearch/remote-cluster-ca.crt")
YML, KEYSTORE = NODE.yml, f"{NODE.config_dir}/elasticsearch.keystore"
BEFORE, AFTER = b"cluster.name: onprem\n", b"cluster.name: onprem\nresource.reload.interval.high: 1s\n"
HELD, CHANGED = b"\x3f\xd7 one secret", b"\x3f\xd7 two secrets"
WROTE = content_digest(AFTER)


@dataclass
class Node:
    """The files of a node, on a host that can be cut off at any change."""

    root: Path
    knife: Knife = field(default_factory=Knife)

    def __post_init__(self) -> None:
        self.host = KnifeHost(self.knife, self.root, NoStream)
        self.real(YML).parent.mkdir(parents=True)
        self.real(YML).write_bytes(BEFORE)
        self.real(YML).chmod(0o660)
        self.real(KEYSTORE).write_bytes(HELD)
        self.real(KEYSTORE).chmod(0o640)

    def real(self, path: str) -> Path:
        return self.host.real(path)

    def holds(self, path: str) -> bytes | None:
        return self.real(path).read_bytes() if self.real(path).exists() else None

    def names(self) -> set[str]:
        return {path.name for path in self.real(YML).parent.iterdir()}

    def save(self) -> None:
        save_copies(self.host, NODE, WROTE, soon())

    def write(self, path: str, content: bytes) -> Digest:
        """What the steps after the copies do."""
        before = self.host.read(path, 10_000, soon())
        owner = before.owner if before else Ownership(os.getuid(), os.getgid(), 0o660)
        self.host.put(path, content, owner, content_digest(before.content) if before else None, soon())
        return content_digest(content)

    def edit(self) -> None:
        """A change: copies, the settings, a credential."""
        self.save()
        if self.holds(YML) != AFTER:
            self.write(YML, AFTER)
        if self.holds(KEYSTORE) != CHANGED:
            self.write(KEYSTORE, CHANGED)
        note_keystore(self.host, NODE, content_digest(HELD), content_digest(CHANGED), soon())

    def back(self) -> str:
        return roll_back(self.host, NODE, WROTE, soon())

    def sweep(self) -> None:
        sweep_copies(self.host, NODE, soon())


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_a_copy_is_of_the_same_owner_and_mode(node: Node) -> None:
    """A keystore holds secrets: its copy is no more readable than itself."""
    node.save()
    for path, content, mode in ((YML, BEFORE, 0o660), (KEYSTORE, HELD, 0o640)):
        assert node.holds(copy_of(path)) == content
        assert stat.S_IMODE(node.real(copy_of(path)).stat().st_mode) == mode


def test_a_change_is_taken_back_whole_and_what_was_refused_is_kept(node: Node) -> None:
    node.edit()
    assert node.back() == ""
    assert (node.holds(YML), node.holds(KEYSTORE)) == (BEFORE, HELD)
    assert node.holds(refused_of(YML)) == AFTER
    node.sweep()
    assert node.names() == {"elasticsearch.yml", "elasticsearch.keystore", "elasticsearch.yml.syncd-refused"}


def test_a_change_that_has_proven_itself_leaves_nothing_but_itself(node: Node) -> None:
    node.edit()
    node.sweep()
    assert (node.holds(YML), node.holds(KEYSTORE)) == (AFTER, CHANGED)
    assert node.names() == {"elasticsearch.yml", "elasticsearch.keystore"}


def test_an_open_changes_copies_are_not_written_over(node: Node) -> None:
    """Copies of what is half changed would be the loss of what was."""
    node.edit()
    node.save()
    assert (node.holds(copy_of(YML)), node.holds(copy_of(KEYSTORE))) == (BEFORE, HELD)


@pytest.mark.parametrize("cut", [None, 1, 2, 3])
def test_what_an_edit_makes_is_noted_before_the_copy_tells_that_one_is_open(tmp_path: Path, cut: int | None) -> None:
    """Whoever cannot ask the cluster takes back only that."""
    node = Node(tmp_path)
    node.knife.reset(cut) if cut else node.knife.reset()
    with suppress(Killed):
        node.save()
    noted = node.holds(ours_of(YML))
    assert node.holds(copy_of(YML)) is None or noted == WROTE.encode()
    node.knife.reset()
    save_copies(node.host, NODE, content_digest(b"another edit"), soon())
    assert node.holds(ours_of(YML)) == content_digest(b"another edit").encode()


def test_a_credential_put_in_before_the_settings_does_not_get_into_the_copies(node: Node) -> None:
    node.save()
    node.write(KEYSTORE, CHANGED)
    node.save()
    assert node.holds(copy_of(KEYSTORE)) == HELD


def test_a_copy_of_another_change_is_not_written_over_and_nothing_is_edited(node: Node) -> None:
    node.save()
    node.write(YML, b"cluster.name: somebody\n")
    with pytest.raises(HostError) as refused:
        node.save()
    assert refused.value.rule == "copy_in_the_way"
    assert node.holds(copy_of(YML)) == BEFORE


def test_settings_that_somebody_edited_since_are_not_taken_back(node: Node) -> None:
    node.edit()
    node.write(YML, b"cluster.name: somebody\n")
    with pytest.raises(ChangedUnderneath):
        node.back()
    assert (node.holds(YML), node.holds(KEYSTORE)) == (b"cluster.name: somebody\n", CHANGED)
    assert node.holds(refused_of(YML)) is None, "nobody refused these"


def test_a_keystore_that_somebody_edited_since_stays_and_the_settings_go_back(node: Node) -> None:
    """A node starts with a keystore that holds more; with refused settings it does not."""
    node.edit()
    node.write(KEYSTORE, b"\x3f\xd7 somebody's secret")
    assert "elasticsearch.keystore.syncd-before" in node.back()
    assert (node.holds(YML), node.holds(KEYSTORE)) == (BEFORE, b"\x3f\xd7 somebody's secret")


def test_a_keystore_alone_is_taken_back_where_the_settings_were_not_edited(node: Node) -> None:
    node.save()
    note_keystore(node.host, NODE, content_digest(HELD), node.write(KEYSTORE, CHANGED), soon())
    assert roll_back(node.host, NODE, None, soon()) == ""
    assert (node.holds(YML), node.holds(KEYSTORE)) == (BEFORE, HELD)


def test_a_keystore_copy_that_a_full_disk_left_without_the_settings_takes_nothing_back(node: Node) -> None:
    """The disk was full after the first copy; since then, a person and syncd have put secrets in."""
    node.knife.reset(1, after=True)
    with pytest.raises(Killed):
        node.save()
    node.knife.reset()
    newer = node.write(KEYSTORE, b"\x3f\xd7 somebody's secret")
    note_keystore(node.host, NODE, newer, node.write(KEYSTORE, CHANGED), soon())
    (node.real(KEYSTORE + ".syncd-ours")).write_text(content_digest(CHANGED))
    assert roll_back(node.host, NODE, None, soon()) == ""
    assert node.holds(KEYSTORE) == CHANGED


def test_an_edit_of_a_keystore_that_is_not_the_copied_one_is_not_taken_back(node: Node) -> None:
    """The copy lacks what somebody put in between: a node can be started with a keystore that holds more."""
    node.save()
    newer = node.write(KEYSTORE, b"\x3f\xd7 somebody's secret")
    note_keystore(node.host, NODE, newer, node.write(KEYSTORE, CHANGED), soon())
    assert "elasticsearch.keystore.syncd-before" in roll_back(node.host, NODE, None, soon())
    assert node.holds(KEYSTORE) == CHANGED


def test_a_second_edit_of_ours_is_taken_back_with_the_first(node: Node) -> None:
    node.save()
    first = node.write(KEYSTORE, b"\x3f\xd7 the first of two")
    note_keystore(node.host, NODE, content_digest(HELD), first, soon())
    note_keystore(node.host, NODE, first, node.write(KEYSTORE, CHANGED), soon())
    assert roll_back(node.host, NODE, None, soon()) == ""
    assert node.holds(KEYSTORE) == HELD


def test_a_lost_copy_is_told(node: Node) -> None:
    node.edit()
    node.real(copy_of(YML)).unlink()
    with pytest.raises(HostError) as refused:
        node.back()
    assert refused.value.rule == "copy_missing"
    assert node.holds(YML) == AFTER


def test_a_node_without_a_keystore_has_one_copy(node: Node) -> None:
    node.real(KEYSTORE).unlink()
    node.save()
    node.write(YML, AFTER)
    assert node.back() == ""
    assert node.holds(YML) == BEFORE
    node.sweep()
    assert node.names() == {"elasticsearch.yml", "elasticsearch.yml.syncd-refused"}


def test_a_disk_too_full_to_keep_what_was_refused_keeps_no_node_down(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.edit()
    put = node.host.put

    def full(path: str, content: bytes, owner: Ownership, expect: Digest | None, deadline: Deadline) -> object:
        if path == refused_of(YML):
            raise HostError("disk_full", "no space left")
        return put(path, content, owner, expect, deadline)

    monkeypatch.setattr(node.host, "put", full)
    assert node.back() == ""
    assert node.holds(YML) == BEFORE


# --- kill -9 at each change of the world


def cuts(tmp_path: Path, begin: Callable[[Node], object], work: Callable[[Node], object]) -> list[Node]:
    """A node for each point at which the work can be cut, cut there, and alive again."""
    whole = Node(tmp_path / "whole")
    begin(whole)
    whole.knife.reset()
    work(whole)
    nodes = []
    for number in range(1, whole.knife.changes + 1):
        for after in (False, True):
            cut = Node(tmp_path / f"{number}-{after}")
            begin(cut)
            cut.knife.reset(number, after=after)
            with pytest.raises(Killed):
                work(cut)
            cut.knife.reset()
            nodes.append(cut)
    return nodes


def test_a_change_that_is_cut_anywhere_can_be_finished(tmp_path: Path) -> None:
    nodes = cuts(tmp_path, lambda _: None, Node.edit)
    assert len(nodes) == 12, "both copies, the settings, the keystore, both notes"
    for node in nodes:
        node.edit()
        assert (node.holds(copy_of(YML)), node.holds(copy_of(KEYSTORE))) == (BEFORE, HELD)
        assert node.back() == ""
        assert (node.holds(YML), node.holds(KEYSTORE)) == (BEFORE, HELD)


def test_a_change_that_is_cut_anywhere_can_be_taken_back(tmp_path: Path) -> None:
    """But for a keystore of which no note was made any more: then it stays, which is told."""
    for node in cuts(tmp_path, lambda _: None, Node.edit):
        noted, copied = node.holds(KEYSTORE + ".syncd-ours") is not None, node.holds(copy_of(KEYSTORE)) is not None
        edited, wrote = node.holds(KEYSTORE) == CHANGED, node.holds(YML) == AFTER
        told = roll_back(node.host, NODE, WROTE if wrote else None, soon())
        assert node.holds(YML) == BEFORE
        assert bool(told) == (edited and copied and not noted)
        assert node.holds(KEYSTORE) == (CHANGED if told else HELD)


def test_a_roll_back_that_is_cut_anywhere_is_done_again(tmp_path: Path) -> None:
    nodes = cuts(tmp_path, Node.edit, Node.back)
    assert len(nodes) == 6, "what was refused, the settings, the keystore"
    for node in nodes:
        assert node.back() == ""
        assert (node.holds(YML), node.holds(KEYSTORE), node.holds(refused_of(YML))) == (BEFORE, HELD, AFTER)


def test_a_sweep_that_is_cut_anywhere_is_seen_until_it_is_done(tmp_path: Path) -> None:
    nodes = cuts(tmp_path, Node.edit, Node.sweep)
    assert len(nodes) == 8, "both copies, both notes"
    for node in nodes:
        whole = node.names() == {"elasticsearch.yml", "elasticsearch.keystore"}
        assert whole or node.holds(copy_of(YML)) is not None, "what a look at the node goes by"
        node.sweep()
        assert node.names() == {"elasticsearch.yml", "elasticsearch.keystore"}


def test_a_copy_of_a_keystore_that_was_left_alone_is_not_taken_for_the_next_changes(tmp_path: Path) -> None:
    """Between the two copies a making of them was cut, and then somebody changed the keystore."""
    node = Node(tmp_path)
    node.knife.reset(1, after=True)
    with pytest.raises(Killed):
        node.save()
    node.knife.reset()
    node.write(KEYSTORE, b"\x3f\xd7 somebody's secret")
    node.save()
    assert node.holds(copy_of(KEYSTORE)) == b"\x3f\xd7 somebody's secret"
