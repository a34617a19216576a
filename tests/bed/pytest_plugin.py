"""Fixtures of the bed; skips with reasons and a count; `SYNCD_BED=require` makes a failure of a skip."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bed import missing
from tests.bed.kube import ACCOUNT, ACCOUNT_TOKEN, KubeApi

_SKIPPED = pytest.StashKey[dict[str, int]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_SKIPPED] = {}


def need(request: pytest.FixtureRequest, *parts: str) -> None:
    """Skip (or fail, where the bed is required) unless this machine has these parts of the bed."""
    lacks = missing.of(*parts)
    if not lacks:
        return
    reason = "; ".join(lacks)
    if os.environ.get("SYNCD_BED") == "require":
        pytest.fail(f"SYNCD_BED=require, and this machine lacks: {reason}")
    counts = request.config.stash[_SKIPPED]
    counts[reason] = counts.get(reason, 0) + 1
    pytest.skip(reason)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for reason, count in config.stash[_SKIPPED].items():
        terminalreporter.write_line(f"bed: {count} tests skipped: {reason}")


@pytest.fixture(scope="session")
def _kube_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeApi]:
    api = KubeApi(tmp_path_factory.mktemp("kube"), {ACCOUNT_TOKEN: ACCOUNT})
    try:
        yield api.start()
    finally:
        api.stop()


@pytest.fixture
def kube(request: pytest.FixtureRequest) -> KubeApi:
    """A real API server, shared by the session."""
    need(request, "kube")
    api: KubeApi = request.getfixturevalue("_kube_session")
    return api


@pytest.fixture(scope="module")
def open_folder_of_module() -> Iterator[Path]:
    """A folder that other users may enter; pytest closes its own ones at each start of another pytest."""
    with tempfile.TemporaryDirectory(prefix="syncd-bed-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """The same, for one test."""
    with tempfile.TemporaryDirectory(prefix="syncd-bed-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def need_sshd(request: pytest.FixtureRequest) -> None:
    """OpenSSH servers can be started."""
    need(request, "sshd", "sudo")


@pytest.fixture
def need_elasticsearch(request: pytest.FixtureRequest) -> None:
    """Elasticsearch nodes can be started."""
    need(request, "elasticsearch")


@pytest.fixture
def need_netns(request: pytest.FixtureRequest) -> None:
    """Network namespaces can be made."""
    need(request, "netns")


@pytest.fixture
def need_faketime(request: pytest.FixtureRequest) -> None:
    """Servers can be run with a clock that is off."""
    need(request, "faketime")


@pytest.fixture
def need_tun(request: pytest.FixtureRequest) -> None:
    """Links that lose packets can be made."""
    need(request, "tun")


@pytest.fixture(scope="module")
def need_sudo_hosts(request: pytest.FixtureRequest) -> None:
    """Hosts of a systemd world, with a plain login and sudo, can be started."""
    need(request, "systemd", "sshd", "sudo")
