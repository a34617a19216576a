"""A failed fresh connection is told as one, and a busy machine is not taken for it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.bed.elasticsearch import EsRefusedError
from tests.bed.fresh import End, Ends, FreshConnections

BROKEN = EsRefusedError(500, '{"type":"connect_transport_exception"}')
BUSY = EsRefusedError(503, '{"type":"process_cluster_event_timeout_exception"}')
TOLD = "[x][WARN ][o.e.c.s.DiagnosticTrustManager] [es-01] failed to establish trust with server at [remote]"
SUCCESS: dict[str, Any] = {"remote": {"connected": True}}


@dataclass
class Node:
    """What a node answers, call by call; the last one for ever."""

    log: Path
    settings: list[Exception | None] = field(default_factory=lambda: [None])
    resolve: list[Exception | None] = field(default_factory=lambda: [None])
    tells: str = ""
    """What it logs with each failure."""

    def api(self, method: str, path: str, body: object) -> Any:
        script = self.settings if method == "PUT" else self.resolve
        answer = script.pop(0) if len(script) > 1 else script[0]
        if answer is None:
            return SUCCESS
        with self.log.open("a") as log:
            log.write(self.tells)
        raise answer


@pytest.fixture
def node(tmp_path: Path) -> Node:
    (tmp_path / "node.log").write_text(f"{TOLD}, long ago\n")
    return Node(tmp_path / "node.log")


@pytest.fixture
def fresh(node: Node, tmp_path: Path) -> Callable[[int], list[str]]:
    (tmp_path / "remote.log").write_text("")
    return Ends((End("es-01", node.api, node.log),), tmp_path / "remote.log", "remote", "linked").fresh


def test_a_connection_that_works_is_no_failure(fresh: Callable[[int], list[str]]) -> None:
    assert not fresh(1)


def test_a_failure_that_a_log_puts_down_to_trust_counts_though_the_next_try_works(
    node: Node, fresh: Callable[[int], list[str]]
) -> None:
    node.resolve, node.tells = [BROKEN] * 4 + [None], f"{TOLD}\n"
    (failure,) = fresh(1)
    assert failure.startswith("es-01: HTTP 500")
    assert failure.endswith(f"node.log: {TOLD}")


def test_a_failure_that_lasts_counts_whatever_the_logs_say(node: Node, fresh: Callable[[int], list[str]]) -> None:
    node.resolve = [BROKEN]
    assert fresh(1) == [f"es-01: {BROKEN}"]


def test_a_failure_of_a_moment_that_no_log_puts_down_to_trust_is_noted_and_no_more(
    node: Node, fresh: Callable[[int], list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    node.resolve = [BROKEN] * 4 + [None]
    assert not fresh(1)
    assert "es-01 failed once" in capsys.readouterr().out


@pytest.mark.parametrize("refusal", [BUSY, TimeoutError("timed out")])
def test_what_rest_itself_refuses_is_asked_again_and_told_when_it_lasts(
    node: Node, fresh: Callable[[int], list[str]], refusal: Exception
) -> None:
    node.settings = [refusal, refusal, None]
    assert not fresh(1)
    node.settings = [refusal]
    with pytest.raises(type(refusal)):
        fresh(1)


def test_what_is_neither_busy_nor_a_connection_is_raised_at_once(node: Node, fresh: Callable[[int], list[str]]) -> None:
    node.settings = [EsRefusedError(403, "forbidden"), None]
    with pytest.raises(EsRefusedError):
        fresh(1)


def test_a_thread_that_cannot_ask_at_all_is_a_failure() -> None:
    def refuse(number: int) -> list[str]:
        raise TimeoutError

    with FreshConnections(refuse).going_on() as used:
        assert not used.good(1)
