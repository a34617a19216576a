"""Two daemons on one embedded world, each as it is run in the field. Promise 11: one writer, and a late one does no harm."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from paramiko import SFTPAttributes, SFTPHandle

from syncd.core.bundle import Cert, read_trust_file
from syncd.demo.free_ports import free_ports
from syncd.demo.sshd import Files
from syncd.demo.world import NAMES, World
from syncd.ports import now
from tests.bed.waiting import wait_for

pytestmark = pytest.mark.timeout(1200)

LONG = 180
"""Seconds at most for what takes ten on a machine that has nothing else to do."""


class Daemon:
    """One of them."""

    def __init__(self, world: World, number: int, **state: str) -> None:
        self.port, self._log = free_ports(1)[0], world.folder / f"syncd-{number}.log"
        config = json.loads(world.config.read_text())
        config["telemetry"]["listen"] = f"127.0.0.1:{self.port}"
        config["clusters"][0]["state"] |= state
        path = world.folder / f"syncd-{number}.yaml"
        path.write_text(json.dumps(config))
        with self._log.open("wb") as log:
            command = [sys.executable, "-m", "syncd", "run", "--config", str(path)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def cluster(self) -> dict[str, Any]:
        """What it says; empty while it does not answer."""
        url = f"http://127.0.0.1:{self.port}/status"
        with suppress(OSError, ValueError), urllib.request.urlopen(url, timeout=5) as answer:
            found: list[dict[str, Any]] = json.load(answer)["clusters"]
            return found[0] if found else {}
        return {}

    def rules(self) -> set[str]:
        return {hold["rule"] for hold in self.cluster().get("holds", ())}

    def keeps(self) -> bool:
        """Whether it has made a pass and may change things."""
        return bool(self.cluster()) and not self.rules() & {"standby", "permit_unavailable", "other_owner"}

    def end(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(15)
        self.process.kill()
        self.process.wait()


class Writes:
    """What is written on the hosts; a writer can be stopped in the middle of a write."""

    def __init__(self) -> None:
        self.renamed: list[str] = []
        self.freeze: tuple[str, int] | None = None

    def files(self) -> type[Files]:
        """For the hosts of a world."""
        writes = self

        class Watched(Files):
            def posix_rename(self, oldpath: str, newpath: str) -> int:
                writes.renamed.append(Path(newpath).parent.parent.name)
                return super().posix_rename(oldpath, newpath)

            def open(self, path: str, flags: int, attr: SFTPAttributes) -> SFTPHandle | int:
                if writes.freeze and flags & os.O_CREAT and f"/{writes.freeze[0]}/" in path:
                    os.kill(writes.freeze[1], signal.SIGSTOP)
                    writes.freeze = None
                return super().open(path, flags, attr)

        return Watched

    @property
    def armed(self) -> bool:
        """Whether a writer is still to be stopped."""
        return self.freeze is not None


@pytest.fixture
def writes() -> Writes:
    return Writes()


@pytest.fixture
def world(tmp_path: Path, writes: Writes) -> Iterator[World]:
    made = World(tmp_path, overlap="24h", files=writes.files())
    made.start_nodes()
    yield made
    made.stop()


@pytest.fixture
def daemons() -> Iterator[list[Daemon]]:
    made: list[Daemon] = []
    yield made
    for daemon in made:
        daemon.end()


def trust(world: World, name: str) -> set[Cert]:
    return set(read_trust_file(world.trust_file(name).read_bytes()).certs)


def rotate(world: World) -> None:
    """A new key, and every file has it."""
    world.publish(world.ca.rekey(now()))
    wait_for(lambda: all(world.ca.cert in trust(world, name) for name in NAMES), LONG, "the new CA everywhere")


def each_once(writes: Writes) -> bool:
    return sorted(writes.renamed) == list(NAMES)


def test_of_two_daemons_one_writes_each_file_once_and_the_other_takes_over(
    world: World, writes: Writes, daemons: list[Daemon]
) -> None:
    daemons += [Daemon(world, 1), Daemon(world, 2)]
    wait_for(
        lambda: sorted(daemon.keeps() for daemon in daemons) == [False, True], LONG, "one of them keeps the cluster"
    )
    wait_for(lambda: world.ca.cert in trust(world, NAMES[2]), LONG, "onboarding")
    keeper = next(daemon for daemon in daemons if daemon.keeps())
    for ending in (keeper, None):
        writes.renamed.clear()
        rotate(world)
        assert each_once(writes)
        assert sum(daemon.keeps() for daemon in daemons) == 1
        if ending:
            ending.end()
            wait_for(lambda: any(daemon.keeps() for daemon in daemons), LONG, "the other takes over")


def test_of_two_installations_on_one_cluster_one_writes_and_the_other_says_why_not(
    world: World, writes: Writes, daemons: list[Daemon]
) -> None:
    """Each has a Lease and a memory of its own, so both might write; the cluster itself names its keeper."""
    daemons += [Daemon(world, 1, name="one"), Daemon(world, 2, name="two")]
    wait_for(lambda: sorted("other_owner" in daemon.rules() for daemon in daemons) == [False, True], LONG, "one keeper")
    wait_for(lambda: world.ca.cert in trust(world, NAMES[2]), LONG, "onboarding")
    writes.renamed.clear()
    for _ in range(2):
        rotate(world)
    assert sorted(writes.renamed) == sorted(NAMES * 2)


def test_a_daemon_that_was_frozen_in_mid_write_writes_nothing_on_what_it_knew(
    world: World, writes: Writes, daemons: list[Daemon]
) -> None:
    """It wakes up after its Lease was over and another daemon went on: its half-done write must come to nothing."""
    daemons.append(Daemon(world, 1))
    frozen = daemons[0]
    wait_for(frozen.keeps, LONG, "the first keeps the cluster")
    wait_for(lambda: world.ca.cert in trust(world, NAMES[2]), LONG, "onboarding")
    daemons.append(Daemon(world, 2))
    wait_for(lambda: "standby" in daemons[1].rules(), LONG, "the second watches")
    writes.freeze = (NAMES[1], frozen.process.pid)
    rotate(world)
    wait_for(daemons[1].keeps, LONG, "the second took over")
    assert not writes.armed, "the first was stopped in the middle of its write"
    rotate(world)
    writes.renamed.clear()
    before = {name: world.trust_file(name).read_bytes() for name in NAMES}
    woken = now()
    frozen.process.send_signal(signal.SIGCONT)
    wait_for(lambda: "standby" in frozen.rules() and _looked_since(frozen, woken), LONG, "the first watches")
    wait_for(lambda: not list(world.folder.glob("*/config/.*.syncd-*")), LONG, "its half-done write is cleared away")
    assert writes.renamed == []
    assert {name: world.trust_file(name).read_bytes() for name in NAMES} == before


def _looked_since(daemon: Daemon, moment: datetime) -> bool:
    return datetime.fromisoformat(daemon.cluster()["at"]) > moment
