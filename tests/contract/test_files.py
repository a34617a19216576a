"""Files as source, state and permit; and the bell that hears them change."""

import os
import stat
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from syncd.adapters.bells import ClockBell, FileBell
from syncd.adapters.files import FilePermit, FileSource, FileStateStore
from syncd.core.errors import SourceError, StateError
from syncd.ports import Deadline, StateStore
from tests.bed.waiting import soon
from tests.contract.store_contract import StoreContract
from tests.fakes.memory import MemoryStore


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def store(self) -> StateStore:
        return MemoryStore()


class TestFileState(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> StateStore:
        return FileStateStore(str(tmp_path / "state.json"))

    def test_the_file_is_private(self, store: StateStore, tmp_path: Path) -> None:
        store.save("{}", None, soon())
        assert stat.S_IMODE((tmp_path / "state.json").stat().st_mode) == 0o600

    def test_a_missing_folder_is_told_with_the_cure(self, tmp_path: Path) -> None:
        with pytest.raises(StateError, match=r"state\.path"):
            FileStateStore(str(tmp_path / "missing" / "state.json")).save("{}", None, soon())


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda path: None, "source_not_found"),
        (lambda path: path.mkdir(), "source_unreadable"),
        (lambda path: path.write_bytes(b"x" * 2_000_000), "source_too_large"),
        (lambda path: path.symlink_to(path.with_name("nowhere")), "source_not_found"),
    ],
    ids=["missing", "folder", "huge", "dangling"],
)
def test_a_file_that_is_no_source_is_told_by_name(tmp_path: Path, make: object, rule: str) -> None:
    path = tmp_path / "ca.crt"
    make(path)  # type: ignore[operator]  # a lambda of the table above
    with pytest.raises(SourceError) as refused:
        FileSource(str(path)).read(soon())
    assert refused.value.rule == rule


def test_a_mounted_secret_is_read_through_its_links(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"..{number}").mkdir()
        (tmp_path / f"..{number}" / "ca.crt").write_text(f"{number}")
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "ca.crt").symlink_to("..data/ca.crt")
    source = FileSource(str(tmp_path / "ca.crt"))
    before = source.read(soon())
    (tmp_path / "..tmp").symlink_to("..2")
    (tmp_path / "..tmp").rename(tmp_path / "..data")
    after = source.read(soon())
    assert (before.content, after.content) == (b"1", b"2")
    assert before.version != after.version


def test_one_process_holds_the_permit_and_the_next_gets_it_when_that_one_dies(tmp_path: Path) -> None:
    """Promise 11."""
    path = tmp_path / "permit"
    hold = f"from syncd.adapters.files import FilePermit; p=FilePermit({str(path)!r}); p.start(print); input()"
    other = subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdin
    assert other.stdout
    assert other.stdout.readline() == b"permit\n"
    mine, rang = FilePermit(str(path), retry=0.02), threading.Event()
    mine.start(lambda _: rang.set())
    assert not mine.valid()
    assert mine.holder() == f"pid {other.pid}"
    other.kill()
    other.wait()
    other.stdin.close()
    other.stdout.close()
    assert rang.wait(5)
    assert mine.valid()
    assert mine.owner == FilePermit(str(path)).owner
    mine.stop()
    assert not mine.valid()


def test_a_folder_that_is_not_there_is_told_and_not_taken_for_a_first_start(tmp_path: Path) -> None:
    """Else nothing would ever be saved, and the permit would look as if another syncd had it."""
    folder = tmp_path / "syncd"
    with pytest.raises(StateError) as missing:
        FileStateStore(str(folder / "state.json")).load(soon())
    assert "The folder must exist" in missing.value.cure
    permit, rang = FilePermit(str(folder / "state.json.lock"), retry=0.02), threading.Event()
    permit.start(lambda _: rang.set())
    assert not permit.valid()
    assert "No such file or directory" in permit.trouble()
    assert permit.holder() == ""
    folder.mkdir()
    assert rang.wait(5), "it is had as soon as it can be"
    assert permit.valid()
    assert permit.trouble() == ""
    assert FileStateStore(str(folder / "state.json")).load(soon()).text is None
    permit.stop()


def test_what_a_killed_save_left_is_gone_with_the_next_one(tmp_path: Path) -> None:
    (tmp_path / ".state.json.new").write_text("half of a docum")
    state = FileStateStore(str(tmp_path / "state.json"))
    state.save("whole", None, soon())
    assert {path.name for path in tmp_path.iterdir() if not path.name.endswith(".lock")} == {"state.json"}
    assert state.load(soon()).text == "whole"


@pytest.mark.parametrize("how", ["write", "rename", "swap"])
def test_the_bell_hears_a_file_however_it_is_replaced_and_again(tmp_path: Path, how: str) -> None:
    target = tmp_path / "ca.crt"
    target.write_text("0")
    rang = threading.Semaphore(0)
    bell = FileBell([str(target)], "file")
    bell.start(lambda _: rang.release())
    try:
        for turn in range(3):
            end = Deadline.after(10)
            while not rang.acquire(timeout=0.5):  # the watch begins in its own time
                assert end.left()
                _change(target, how, turn)
            while rang.acquire(timeout=0.4):
                pass
    finally:
        bell.stop()


def test_what_else_changes_in_the_folder_does_not_ring(tmp_path: Path) -> None:
    """A log beside the configuration must not make a pass for each of its lines."""
    target, other = tmp_path / "syncd.yaml", tmp_path / "syncd.log"
    target.write_text("0")
    rang = threading.Semaphore(0)
    bell = FileBell([str(target)], "file")
    bell.start(lambda _: rang.release())
    try:
        end = Deadline.after(10)
        while not rang.acquire(timeout=0.5):  # the watch begins in its own time
            assert end.left()
            _change(target, "rename", 0)
        while rang.acquire(timeout=0.4):
            pass
        other.write_text("a line")
        assert not rang.acquire(timeout=1)
    finally:
        bell.stop()


def _change(target: Path, how: str, turn: int) -> None:
    if how == "write":
        target.write_text(f"{turn} {os.urandom(4).hex()}")
        return
    new = target.with_name("new")
    if how == "rename":
        new.write_text(os.urandom(4).hex())
    else:
        other = target.with_name(f"other-{os.urandom(4).hex()}")
        other.write_text(os.urandom(4).hex())
        new.symlink_to(other)
    new.rename(target)


def test_a_bell_over_a_missing_folder_lives_and_stops(tmp_path: Path) -> None:
    bell = FileBell([str(tmp_path / "missing" / "ca.crt")], "file")
    bell.start(print)
    bell.stop()


def test_the_clock_rings_again_and_again() -> None:
    rang = threading.Semaphore(0)
    bell = ClockBell(timedelta(seconds=0.05))
    bell.start(lambda _: rang.release())
    for _ in range(3):
        assert rang.acquire(timeout=5)
    bell.stop()
