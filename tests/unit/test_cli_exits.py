"""Exit codes are answers to scripts: what is wrong is never hidden by what only waits."""

from collections.abc import Callable
from pathlib import Path

import pytest

from syncd.adapters.files import FileStateStore
from syncd.cli import wiring
from syncd.cli.exits import worst
from syncd.cli.once import Foreground
from syncd.core.errors import StateConflict
from syncd.core.model import Report
from syncd.ports import Deadline
from tests.unit.test_cli_verbs import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.mark.parametrize(
    ("codes", "answer"), [((), 0), ((0, 0), 0), ((3, 0), 3), ((3, 1), 1), ((1, 3), 1), ((0, 1, 3), 1), ((1, 2), 2)]
)
def test_wrong_wins_over_waiting_although_its_number_is_less(codes: tuple[int, ...], answer: int) -> None:
    assert worst(codes) == answer


class Contested(FileStateStore):
    """The state of the cluster `contested`, the first time that it is written."""

    tried: bool = False

    def save(self, text: str, expect: str | None, deadline: Deadline) -> str:
        if "contested" in self.name and not self.tried:
            self.tried = True
            raise StateConflict("state_conflict", "somebody else wrote it first", where=self.name)
        return super().save(text, expect, deadline)


@pytest.mark.parametrize("order", [("held", "contested"), ("contested", "held")])
def test_a_step_that_failed_in_one_cluster_counts_whatever_is_held_in_another(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, order: tuple[str, str]
) -> None:
    monkeypatch.setattr(wiring, "FileStateStore", Contested)
    desk.configure_all({name: {"mode": "observe"} if name == "held" else {} for name in order})
    code, said = desk.types("once")
    assert "failed: remember" in said
    assert "held: nothing could be done; this waits:\n  hold  held: " in said
    assert "hold  held: observe: " in said
    assert code == 1


def test_a_step_that_failed_in_an_earlier_pass_of_the_same_command_counts(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a restart is open there are further passes, of which the last may have nothing to complain about."""

    def another_pass(front: Foreground, _: Report, tell: Callable[[Report], None]) -> Report:
        again = front.make_pass()
        assert not again.failures
        tell(again)
        return again

    monkeypatch.setattr(Foreground, "finish", another_pass)
    monkeypatch.setattr(wiring, "FileStateStore", Contested)
    desk.configure_all({"contested": {}})
    assert desk.types("once")[0] == 1
    assert desk.types("once")[0] == 3, "nothing fails any more, and Elasticsearch cannot be asked"
