"""The bed ends what it started, whatever happens: a server left behind is found by nobody."""

import subprocess
from pathlib import Path

import pytest

from tests.bed import sshd
from tests.bed.sshd import Sshd, alive, children, end_family, make_key
from tests.bed.waiting import wait_for

pytestmark = [pytest.mark.bed]


def test_a_process_ends_with_all_that_it_forked() -> None:
    shell = subprocess.Popen(["sh", "-c", "sleep 1000 & sleep 1000 & wait"])
    family = wait_for(lambda: found if len(found := children(shell.pid)) == 2 else [], 5, "two children")
    end_family(shell)
    assert not any(map(alive, (shell.pid, *family)))


def test_a_family_that_ends_while_it_is_listed_is_no_error() -> None:
    """Often enough that the end comes at every moment of the listing."""
    for _ in range(200):
        shell = subprocess.Popen(["sh", "-c", "sh -c 'exit 0' & sh -c 'exit 0' & wait"])
        while shell.poll() is None:
            children(shell.pid)


def test_a_session_that_ended_by_itself_does_not_save_the_server(
    tmp_path: Path, need_sshd: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Sshd(tmp_path / "sshd", "127.0.1.8", make_key(tmp_path)[1]).start()
    assert server.process
    listener = server.process.pid
    ended = subprocess.Popen(["true"])
    ended.wait()
    monkeypatch.setattr(sshd, "children", lambda pid: [ended.pid])
    server.stop()
    assert not alive(listener)
