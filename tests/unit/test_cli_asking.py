"""The command line: what is typed wrongly is told before anything is done, and what it offers can be read."""

import subprocess
import sys
from pathlib import Path

import pytest

from syncd.cli.wiring import version
from tests.unit.test_cli_verbs import CA, NODES, Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.mark.parametrize("span", ["9999999d", "31d", "0s", "59s", "999999999999d", "soon"])
def test_a_pause_is_of_a_minute_to_a_month_and_else_an_error_that_says_so(desk: Desk, span: str) -> None:
    code, said = desk.types("pause", "onprem", "--for", span)
    assert code == 2
    assert "Traceback" not in said
    assert said.endswith("Give 1m to 30d, such as 4h\n")
    assert desk.memory().paused_until is None


@pytest.mark.parametrize("span", ["1m", "30d"])
def test_a_pause_tells_what_it_costs(desk: Desk, span: str) -> None:
    code, said = desk.types("pause", "onprem", "--for", span)
    assert code == 0
    assert "a new CA of ECK is written to no node" in said
    assert desk.memory().paused_until


@pytest.mark.parametrize(
    "argv",
    [("pause", "--for", "4h"), ("pause", "b", "--for", "4h"), ("pause", "--cluster", "b", "--for", "4h")],
)
def test_a_cluster_is_named_either_way_or_not_at_all_where_there_is_one(desk: Desk, argv: tuple[str, ...]) -> None:
    names = ("b",) if len(argv) == 3 else ("a", "b")
    desk.configure_all({name: {} for name in names})
    assert desk.types(*argv)[0] == 0
    assert desk.memory("b").paused_until
    assert desk.memory("a").paused_until is None


@pytest.mark.parametrize("argv", [("resume", "a", "--cluster", "b"), ("restart", "--yes"), ("take-over", "--yes")])
def test_nothing_is_done_where_it_is_not_clear_which_cluster_is_meant(desk: Desk, argv: tuple[str, ...]) -> None:
    desk.configure_all({"a": {}, "b": {}})
    assert desk.types(*argv)[0] == 2
    assert not (desk.folder / "a.json").exists()
    assert not (desk.folder / "b.json").exists()


def test_a_certificate_that_may_be_where_nothing_could_be_read_is_no_mistake_of_who_types(desk: Desk) -> None:
    (desk.folder / "eck.pem").unlink()
    (desk.folder / "eck.pem").mkdir()
    (desk.home("onprem", NODES[1]) / "remote-cluster-ca.crt").mkdir()
    code, said = desk.types("approve", CA.cert.short, "--yes")
    assert code == 1
    assert "what eck-prod publishes (" in said
    assert f"the remote_cluster_client trust file of {NODES[1]} (" in said
    assert NODES[0] not in said
    assert "next try" not in said


def test_a_mistyped_fingerprint_is_a_mistake_where_all_could_be_read(desk: Desk) -> None:
    assert desk.types("approve", "0000", "--yes")[0] == 2
    (desk.folder / "eck.pem").unlink()
    (desk.folder / "eck.pem").mkdir()
    assert desk.types("approve", "abc", "--yes")[0] == 2, "too short to name any, whatever could be read"


@pytest.mark.parametrize("argv", [("--help",), ("config", "--help")])
def test_no_line_of_the_list_of_commands_is_cut(argv: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "syncd", *argv], capture_output=True, text=True, check=True, env={"COLUMNS": "80"}
    )
    listed = done.stdout.partition("Commands:")[2].splitlines()
    assert len(listed) > 2
    assert [line for line in listed if line.endswith("...")] == []


def test_the_version_is_an_option_too() -> None:
    done = subprocess.run([sys.executable, "-m", "syncd", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"{version()}\n"
