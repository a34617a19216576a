"""A write to a host that is ill: the target is the old file or the new one, whole, and the fault has a name."""

import os
import select
import socket
import socketserver
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from syncd.adapters.ssh import SshFleet, SshSettings
from syncd.core.errors import HostError
from syncd.core.model import NodeName, Ownership
from syncd.ports import Deadline, Host
from tests.bed import paths
from tests.bed.accounts import make_account
from tests.bed.sshd import Sshd, free_port, make_key
from tests.bed.waiting import ending_by, soon, wait_for
from tests.contract.host_contract import digest

pytestmark = [pytest.mark.bed, pytest.mark.usefixtures("need_sshd")]
NAME = NodeName("es-01")
OWNER = Ownership(os.getuid(), os.getgid(), 0o640)
PLAIN = "syncd-plain"


@pytest.fixture
def key(tmp_path: Path) -> tuple[Path, str]:
    return make_key(tmp_path / "key")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "config").mkdir()
    return tmp_path / "config" / "remote-cluster-ca.crt"


@contextmanager
def a_host(
    folder: Path, key: tuple[Path, str], sftp: str = "internal-sftp", settings: SshSettings | None = None
) -> Iterator[Host]:
    """A host behind an sshd of its own."""
    server = Sshd(folder / "sshd", "127.0.1.6", key[1], sftp=sftp).start()
    (folder / "known_hosts").write_text(server.known_host)
    made = settings or SshSettings("root", str(folder / "known_hosts"), str(key[0]), connect_timeout=15)
    fleet = SshFleet(made, {NAME: (server.address, server.port)})
    try:
        yield fleet.host(NAME)
    finally:
        fleet.close()
        server.stop()


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[Path]:
    """A file system of its own."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", *options, "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_told_and_the_old_file_stays_whole(tmp_path: Path, key: tuple[Path, str]) -> None:
    with mounted(tmp_path / "disk", "-o", "size=64k") as disk, a_host(tmp_path, key) as host:
        target = disk / "ca.crt"
        target.write_bytes(b"old")
        with suppress(OSError), (disk / "filler").open("wb", buffering=0) as filler:
            while filler.write(b"x" * 4096):
                pass
        with pytest.raises(HostError) as refused:
            host.put(str(target), b"n" * 20_000, OWNER, digest(b"old"), soon())
        assert refused.value.rule == "disk_full"
        assert target.read_bytes() == b"old"
        assert {path.name for path in disk.iterdir()} == {"ca.crt", "filler"}


def test_a_read_only_file_system_is_told_as_that(tmp_path: Path, key: tuple[Path, str]) -> None:
    with mounted(tmp_path / "disk") as disk, a_host(tmp_path, key) as host:
        (disk / "ca.crt").write_bytes(b"old")
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with pytest.raises(HostError) as refused:
            host.put(str(disk / "ca.crt"), b"new", OWNER, digest(b"old"), soon())
        assert refused.value.rule == "read_only"
        assert [path.name for path in disk.iterdir()] == ["ca.crt"]


@pytest.mark.parametrize(("extension", "rule"), [("fsync", "not_atomic"), ("posix-rename", "no_permission")])
def test_a_server_that_cannot_write_safely_is_not_written_to(
    tmp_path: Path, key: tuple[Path, str], target: Path, extension: str, rule: str
) -> None:
    target.write_bytes(b"old")
    with a_host(tmp_path, key, f"{paths.SFTP_SERVER} -P {extension}") as host, pytest.raises(HostError) as refused:
        host.put(str(target), b"new", OWNER, digest(b"old"), soon())
    assert refused.value.rule == rule
    assert [(path.name, path.read_bytes()) for path in target.parent.iterdir()] == [(target.name, b"old")]


def test_a_host_that_accepts_and_never_speaks_is_given_up(tmp_path: Path, key: tuple[Path, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        (tmp_path / "known_hosts").write_text("")
        settings = SshSettings("root", str(tmp_path / "known_hosts"), str(key[0]), connect_timeout=0.5)
        fleet = SshFleet(settings, {NAME: silent.getsockname()})
        with ending_by(1), pytest.raises(HostError) as refused:
            fleet.host(NAME).owner("/", soon())
        assert refused.value.rule in {"unreachable", "timeout"}
        fleet.close()


@pytest.mark.parametrize("sudo", [False, True])
def test_an_sftp_server_that_does_not_answer_in_time_is_a_timeout_and_no_matter_of_sudoers(
    tmp_path: Path, key: tuple[Path, str], sudo: bool
) -> None:
    silent = tmp_path / "silent"
    silent.write_text("#!/bin/sh\nexec sleep 60\n")
    silent.chmod(0o755)
    names = str(tmp_path / "known_hosts"), str(key[0])
    settings = SshSettings("root", *names, sudo=sudo, sftp_server=str(silent))
    with a_host(tmp_path, key, str(silent), settings) as host, pytest.raises(HostError) as late:
        host.owner("/", Deadline.after(6))
    assert late.value.rule == "timeout"
    assert "sudo" not in str(late.value)


def test_a_key_with_a_passphrase_from_a_file_is_used(tmp_path: Path, key: tuple[Path, str]) -> None:
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "open sesame", "-f", str(key[0])], check=True)
    (tmp_path / "passphrase").write_text("open sesame\n")
    names = str(tmp_path / "known_hosts"), str(key[0])
    with a_host(tmp_path, key, settings=SshSettings("root", *names, str(tmp_path / "passphrase"))) as host:
        assert host.owner("/", soon())
    (tmp_path / "passphrase").write_text("wrong\n")
    with a_host(tmp_path, key, settings=SshSettings("root", *names, str(tmp_path / "passphrase"))) as host:
        with pytest.raises(HostError, match="passphrase_file") as refused:
            host.owner("/", soon())
        assert refused.value.rule == "authentication"


def test_a_key_that_only_the_agent_holds_is_used(
    tmp_path: Path, key: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(tmp_path / "agent")], stdout=subprocess.DEVNULL)
    try:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
        wait_for((tmp_path / "agent").exists, 5, "the agent")
        subprocess.run(["ssh-add", "-q", str(key[0])], check=True)
        key[0].unlink()
        with a_host(tmp_path, key, settings=SshSettings("root", str(tmp_path / "known_hosts"))) as host:
            assert host.owner("/", soon())
    finally:
        agent.kill()
        agent.wait()


def test_a_user_who_may_not_sudo_is_told_so_with_the_cure(
    open_folder: Path, key: tuple[Path, str], target: Path
) -> None:
    """And nothing is written without it."""
    make_plain_account()
    names = str(open_folder / "known_hosts"), str(key[0])
    with a_host(open_folder, key, settings=SshSettings(PLAIN, *names, sudo=True)) as host:
        with pytest.raises(HostError, match="sudoers") as refused:
            host.put(str(target), b"new", OWNER, None, soon())
        assert refused.value.rule == "sudo"
    assert list(target.parent.iterdir()) == []


def test_a_log_that_may_not_be_read_is_told_as_that(open_folder: Path, key: tuple[Path, str]) -> None:
    make_plain_account()
    log = open_folder / "onprem.log"
    log.write_text("started\n")
    log.chmod(0o600)
    with a_host(open_folder, key, settings=SshSettings(PLAIN, str(open_folder / "known_hosts"), str(key[0]))) as host:
        position = host.log_position(str(log), soon())
        assert position
        log.write_text("started\nand more\n")
        with pytest.raises(HostError) as refused:
            host.log_since(position, 100, soon())
        assert refused.value.rule == "no_permission"


def make_plain_account() -> None:
    """A user who may log in and nothing else."""
    make_account(PLAIN, "-p", "*", "-s", "/bin/sh")


@pytest.mark.parametrize("hours", [2, -2])
@pytest.mark.usefixtures("need_faketime")
def test_a_host_whose_clock_is_off_is_swept_by_its_own_clock(
    tmp_path: Path, key: tuple[Path, str], target: Path, hours: int
) -> None:
    """What another writer is just writing stays, what a crashed one left goes: both by the times of that host."""
    fresh, old = (target.with_name(f".{target.name}.syncd-{name}") for name in ("0123456789abcdef", "fedcba9876543210"))
    for left_over in (fresh, old):
        left_over.write_bytes(b"part")
    an_hour_ago = old.stat().st_mtime - 3600
    os.utime(old, (an_hour_ago, an_hour_ago))
    with a_host(tmp_path, key, f"{paths.FAKETIME} -f {hours:+}h {paths.SFTP_SERVER}") as host:
        found = host.put(str(target), b"new", OWNER, None, soon())
    assert abs(found.modified - target.stat().st_mtime - hours * 3600) < 60, "the host's clock is off"
    assert {path.name for path in target.parent.iterdir()} == {target.name, fresh.name}


class Cutter(socketserver.ThreadingTCPServer):
    """A way to a server that breaks after so many more bytes from the client."""

    def __init__(self, peer: tuple[str, int]) -> None:
        super().__init__(("127.0.0.1", free_port()), Carrier)
        self.peer = peer
        self.passed = 0
        self.left: int | None = None
        self.delay = 0.0
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,))
        self._thread.start()

    def stop(self) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def may_pass(self, size: int) -> bool:
        self.passed += size
        if self.left is None:
            return True
        self.left -= size
        return self.left >= 0


class Carrier(socketserver.BaseRequestHandler):
    server: Cutter

    def handle(self) -> None:
        client = self.request
        with socket.create_connection(self.server.peer) as host, suppress(OSError):
            while True:
                for one in select.select([client, host], [], [])[0]:
                    data = one.recv(65536)
                    if not data or (one is client and not self.server.may_pass(len(data))):
                        return
                    time.sleep(self.server.delay)  # the link itself is slow
                    (host if one is client else client).sendall(data)


@contextmanager
def behind_a_cutter(folder: Path, key: tuple[Path, str]) -> Iterator[tuple[Cutter, SshFleet]]:
    server = Sshd(folder / "sshd", "127.0.1.7", key[1]).start()
    cutter = Cutter((server.address, server.port))
    port = int(cutter.server_address[1])
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {server.known_host.partition(' ')[2]}")
    fleet = SshFleet(SshSettings("root", str(folder / "known_hosts"), str(key[0])), {NAME: ("127.0.0.1", port)})
    try:
        yield cutter, fleet
    finally:
        fleet.close()
        cutter.stop()
        server.stop()


def test_a_connection_cut_at_any_step_of_a_write_leaves_the_old_file_or_the_new_one(
    tmp_path: Path, key: tuple[Path, str], target: Path
) -> None:
    """Promise 7; and the next write settles it whatever was left, left-overs of the cut ones swept once they are old."""
    old, new = b"old " * 50, b"new " * 60
    with behind_a_cutter(tmp_path, key) as (cutter, fleet):
        host = fleet.host(NAME)

        def put(cut: int | None) -> int:
            """Write over a warm session that breaks after so many more bytes; how many were sent."""
            target.write_bytes(old)
            assert host.owner("/", soon())
            cutter.left, passed = cut, cutter.passed
            try:
                host.put(str(target), new, OWNER, digest(old), soon())
            finally:
                cutter.left = None
            return cutter.passed - passed

        outcomes = set()
        for cut in range(0, put(None), 60):
            with pytest.raises(HostError) as told:
                put(cut)
            assert told.value.rule == "lost"
            outcomes.add(target.read_bytes())
        assert outcomes == {old, new}, "some cuts came before the rename and some after"

        for left_over in target.parent.iterdir():
            os.utime(left_over, (1_000_000, 1_000_000))
        fleet.close()
        put(None)
        assert [path.name for path in target.parent.iterdir()] == [target.name]


def test_a_slow_link_writes_whole_files_or_gives_up_by_the_deadline(
    tmp_path: Path, key: tuple[Path, str], target: Path
) -> None:
    with behind_a_cutter(tmp_path, key) as (cutter, fleet):
        host = fleet.host(NAME)
        assert host.owner("/", soon())
        cutter.delay = 0.02
        host.put(str(target), b"x" * 50_000, OWNER, None, soon())
        assert target.read_bytes() == b"x" * 50_000
        cutter.delay = 0.3
        with pytest.raises(HostError) as late:
            host.put(str(target), b"y", OWNER, digest(b"x" * 50_000), Deadline.after(0.2))
        assert late.value.rule == "timeout"
        assert target.read_bytes() == b"x" * 50_000
