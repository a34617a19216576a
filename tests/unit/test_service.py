"""A unit is restarted by one command, run by a real shell, which compares the start in the same breath."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from syncd.adapters.local import LocalHost
from syncd.core.errors import HostError
from syncd.engine.hosts.service import Service, restart, start_again
from syncd.ports import CommandResult, Deadline

UNIT = "elasticsearch@es-1.service"
SYSTEMD = Service(UNIT)
RUNS, ANOTHER = "0123456789abcdef", "fedcba9876543210"
SYSTEMCTL = """#!/bin/sh
echo "$*" >> "$0.log"
case "$1" in
    show) test -e "$0.lost" && exit 1; cat "$0.shown";;
    restart) test -e "$0.refuses" && { echo "Interactive authentication required." >&2; exit 4; }; exit 0;;
    reset-failed) echo "Unit not loaded." >&2; exit 1;;
esac
"""


class Counted(LocalHost):
    """This host, which counts the commands."""

    commands = 0

    def run(self, argv: Sequence[str], stdin: bytes, limit: int, deadline: Deadline) -> CommandResult:
        self.commands += 1
        return super().run(argv, stdin, limit, deadline)


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One that shows what is in a file beside it, and notes what it is told."""
    made = tmp_path / "systemctl"
    made.write_text(SYSTEMCTL)
    made.chmod(0o755)
    shows(made, f"InvocationID={RUNS}\n")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return made


def shows(systemctl: Path, text: str) -> None:
    Path(f"{systemctl}.shown").write_text(text)


def told(systemctl: Path) -> list[str]:
    """What it was told to change."""
    log = Path(f"{systemctl}.log")
    return [line for line in log.read_text().splitlines() if not line.startswith("show ")] if log.exists() else []


def soon() -> Deadline:
    return Deadline.after(10)


def test_the_expected_start_is_ended_by_one_command(systemctl: Path) -> None:
    host = Counted()
    restart(host, SYSTEMD, RUNS, soon())
    assert (host.commands, told(systemctl)) == (1, [f"restart --no-block -- {UNIT}"])


@pytest.mark.parametrize("shown", [f"InvocationID={ANOTHER}\n", "InvocationID=\n", "", f"InvocationID={RUNS}0\n"])
def test_another_start_is_left_alone_and_told(systemctl: Path, shown: str) -> None:
    shows(systemctl, shown)
    with pytest.raises(HostError, match=f"not {RUNS}") as refused:
        restart(LocalHost(), SYSTEMD, RUNS, soon())
    assert (refused.value.rule, told(systemctl)) == ("unit_changed", [])


@pytest.mark.parametrize("shown", [f"InvocationID={RUNS}\n", "InvocationID=\n"])
def test_one_that_failed_is_started_though_systemd_has_forgotten_which_start_it_was(
    systemctl: Path, shown: str
) -> None:
    shows(systemctl, shown)
    start_again(LocalHost(), SYSTEMD, RUNS, soon())
    assert told(systemctl) == [f"reset-failed -- {UNIT}", f"restart --no-block -- {UNIT}"]


def test_one_that_somebody_has_started_again_is_not(systemctl: Path) -> None:
    shows(systemctl, f"InvocationID={ANOTHER}\n")
    with pytest.raises(HostError, match=ANOTHER) as refused:
        start_again(LocalHost(), SYSTEMD, RUNS, soon())
    assert (refused.value.rule, told(systemctl)) == ("unit_changed", [])


def test_a_systemd_that_counts_no_starts_shows_none(systemctl: Path) -> None:
    shows(systemctl, "")
    restart(LocalHost(), SYSTEMD, "", soon())
    assert told(systemctl) == [f"restart --no-block -- {UNIT}"]


@pytest.mark.parametrize("start", [restart, start_again])
def test_the_operators_own_command_is_under_the_same_condition(systemctl: Path, tmp_path: Path, start: object) -> None:
    """Its status is not the operator's own: systemd counts the starts."""
    own = Service(UNIT, restart=("touch", str(tmp_path / "restarted")))
    begin = restart if start is restart else start_again
    with pytest.raises(HostError, match=RUNS):
        begin(LocalHost(), own, ANOTHER, soon())
    assert not (tmp_path / "restarted").exists()
    begin(LocalHost(), own, RUNS, soon())
    assert (tmp_path / "restarted").exists()
    assert told(systemctl) == []


@pytest.mark.parametrize(("what", "said"), [("refuses", "authentication required"), ("lost", "said nothing")])
def test_a_command_that_is_refused_is_told_with_what_it_said(systemctl: Path, what: str, said: str) -> None:
    Path(f"{systemctl}.{what}").touch()
    with pytest.raises(HostError, match=said) as refused:
        restart(LocalHost(), SYSTEMD, RUNS, soon())
    assert refused.value.rule == "unit_refused"
    assert f"`systemctl restart --no-block -- {UNIT}`" in str(refused.value)
