"""SSH hosts pass the host contract over a real OpenSSH server, and know whom they talk to."""

import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

import pytest

from syncd.adapters.ssh import SshFleet, SshSettings
from syncd.core.errors import HostError
from syncd.core.model import NodeName, Ownership
from syncd.ports import Deadline, Host, Stream
from tests.bed import paths
from tests.bed.sshd import Sshd, make_key
from tests.bed.sudo_hosts import ANYTHING, LOGIN, SudoHosts
from tests.bed.systemd import SystemdWorld
from tests.bed.waiting import ending_by, soon
from tests.contract.host_contract import HostContract

pytestmark = [pytest.mark.bed, pytest.mark.usefixtures("need_sshd")]
NAME = NodeName("es-01")
PLAIN = NodeName("127.0.2.11")


@pytest.fixture
def key(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    return make_key(tmp_path_factory.mktemp("key"))


@pytest.fixture
def sshd(tmp_path_factory: pytest.TempPathFactory, key: tuple[Path, str]) -> Iterator[Sshd]:
    server = Sshd(tmp_path_factory.mktemp("sshd"), "127.0.1.1", key[1]).start()
    yield server
    server.stop()


@pytest.fixture
def known_hosts(tmp_path_factory: pytest.TempPathFactory, sshd: Sshd) -> Path:
    path = tmp_path_factory.mktemp("known") / "known_hosts"
    path.write_text(sshd.known_host)
    return path


@pytest.fixture
def fleet(sshd: Sshd, key: tuple[Path, str], known_hosts: Path) -> Iterator[SshFleet]:
    settings = SshSettings("root", str(known_hosts), str(key[0]), connect_timeout=15)
    made = SshFleet(settings, {NAME: (sshd.address, sshd.port)})
    yield made
    made.close()


class TestSshHost(HostContract):
    @pytest.fixture
    def host(self, fleet: SshFleet) -> Host:
        return fleet.host(NAME)


class TestSshHostWithSudo(HostContract):
    """The SFTP server under sudo; root may sudo without a password."""

    @pytest.fixture
    def host(self, sshd: Sshd, key: tuple[Path, str], known_hosts: Path) -> Iterator[Host]:
        settings = SshSettings("root", str(known_hosts), str(key[0]), sudo=True)
        made = SshFleet(settings, {NAME: (sshd.address, sshd.port)})
        yield made.host(NAME)
        made.close()


@pytest.fixture(scope="module")
def sudo_hosts(
    need_sudo_hosts: None, open_folder_of_module: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SudoHosts]:
    shares = (open_folder_of_module, tmp_path_factory.getbasetemp())
    world = SystemdWorld(open_folder_of_module / "systemd", shares).start()
    try:
        yield SudoHosts(world, open_folder_of_module, [PLAIN]).start()
    finally:
        world.stop()


class TestSshHostOfPlainUserWithSudo(HostContract):
    """A login that may do nothing by itself, which sudo makes root; the shared folder of the tests is closed to it."""

    @pytest.fixture
    def host(self, sudo_hosts: SudoHosts) -> Iterator[Host]:
        made = sudo_hosts.fleet()
        yield made.host(PLAIN)
        made.close()

    def test_without_sudo_it_may_not_write_there(
        self, sudo_hosts: SudoHosts, host: Host, target: Path, owner: Ownership
    ) -> None:
        host.put(str(target), b"secret", owner, None, soon())
        plain = sudo_hosts.fleet(sudo=False)
        with pytest.raises(HostError):
            plain.host(PLAIN).read(str(target), 100, soon())
        assert plain.host(PLAIN).run(["id", "-un"], b"", 100, soon()).stdout == b"syncd\n"
        assert host.run(["id", "-un"], b"", 100, soon()).stdout == b"root\n"
        plain.close()

    @pytest.mark.parametrize(
        "rule", ["{user} ALL=(ALL) NOPASSWD: {sftp}, /usr/bin/true", "Defaults !authenticate\n{user} ALL=(ALL) {sftp}"]
    )
    def test_a_command_that_sudo_refuses_is_named_with_what_sudoers_needs(
        self, sudo_hosts: SudoHosts, host: Host, rule: str
    ) -> None:
        """Not told as a fault of the command: it was never run."""
        where = f"/etc/sudoers.d/{LOGIN}"
        sudo_hosts.world.write(where, rule.format(user=LOGIN, sftp=paths.SFTP_SERVER) + "\n", 0o440)
        try:
            with pytest.raises(HostError) as refused:
                host.run(["systemctl", "restart", "--", "es one.service"], b"", 100, soon())
        finally:
            sudo_hosts.world.write(where, ANYTHING, 0o440)
        assert refused.value.rule == "sudo"
        assert "`systemctl restart -- 'es one.service'`: " in refused.value.text
        assert f"sudoers for {LOGIN} (NOPASSWD), by its full path: systemctl restart" in refused.value.cure

    def test_a_command_that_fails_or_is_not_there_is_not_told_as_refused(self, host: Host) -> None:
        for argv in (["sh", "-c", "echo 'sudo: no' >&2; exit 2"], ["no-such-command"], ["false"]):
            assert host.run(argv, b"", 1000, soon()).exit_code


def test_an_unknown_host_is_refused_and_the_cure_is_told(fleet: SshFleet, known_hosts: Path) -> None:
    known_hosts.write_text("# nobody\n")
    with pytest.raises(HostError, match="ssh-keyscan") as refused:
        fleet.host(NAME).read("/etc/hostname", 100, soon())
    assert refused.value.rule == "host_key"


def test_a_changed_host_key_is_refused_loudly(fleet: SshFleet, sshd: Sshd) -> None:
    sshd.stop()
    sshd.make_host_key()
    sshd.start()
    with pytest.raises(HostError, match="CHANGED"):
        fleet.host(NAME).read("/etc/hostname", 100, soon())


def test_a_revoked_key_is_refused_though_it_is_known(fleet: SshFleet, sshd: Sshd, known_hosts: Path) -> None:
    line = sshd.known_host
    known_hosts.write_text(line + "@revoked * " + line.partition(" ")[2])
    with pytest.raises(HostError, match="revoked"):
        fleet.host(NAME).read("/etc/hostname", 100, soon())


def test_damaged_lines_and_host_cas_do_not_hide_the_good_ones(fleet: SshFleet, sshd: Sshd, known_hosts: Path) -> None:
    known_hosts.write_text(f"@cert-authority * ssh-rsa AAAA\nnonsense\n[x]:1 ssh-ed25519 !!!\n{sshd.known_host}")
    assert fleet.host(NAME).owner("/", soon())


def test_a_host_without_our_key_says_so(fleet: SshFleet, sshd: Sshd) -> None:
    (sshd.folder / "authorized_keys").write_text("")
    with pytest.raises(HostError, match="authorized_keys") as refused:
        fleet.host(NAME).owner("/", soon())
    assert refused.value.rule == "authentication"


def test_a_dead_host_is_unreachable_and_comes_back(fleet: SshFleet, sshd: Sshd) -> None:
    host = fleet.host(NAME)
    assert host.owner("/", soon())
    sshd.stop()
    with pytest.raises(HostError):
        host.owner("/", soon())
    sshd.start()
    assert host.owner("/", soon())


def test_a_warm_session_that_died_unnoticed_is_replaced_for_a_read(fleet: SshFleet, sshd: Sshd) -> None:
    host = fleet.host(NAME)
    assert host.owner("/", soon())
    sshd.stop()
    sshd.start()
    assert host.owner("/", soon())


def test_a_frozen_host_is_given_up_by_the_deadline(fleet: SshFleet, sshd: Sshd) -> None:
    host = fleet.host(NAME)
    assert host.owner("/", soon())
    sshd.freeze()
    with ending_by(0.3), pytest.raises(HostError) as late:  # by this call's deadline, not by an earlier one's
        host.owner("/", Deadline.after(0.3))
    assert late.value.rule == "timeout"
    sshd.thaw()
    assert host.owner("/", soon())


def test_a_tunnel_that_sshd_forbids_is_told_with_the_cure(
    tmp_path: Path, key: tuple[Path, str], echo_port: int
) -> None:
    server = Sshd(tmp_path / "sshd", "127.0.1.2", key[1], tunnels=False).start()
    (tmp_path / "known_hosts").write_text(server.known_host)
    fleet = SshFleet(
        SshSettings("root", str(tmp_path / "known_hosts"), str(key[0])), {NAME: (server.address, server.port)}
    )
    with pytest.raises(HostError, match="AllowTcpForwarding") as refused:
        fleet.host(NAME).dial("127.0.0.1", echo_port, soon())
    assert refused.value.rule == "tunnel_refused"
    fleet.close()
    server.stop()


def test_only_so_many_sessions_stay_warm(tmp_path: Path, key: tuple[Path, str]) -> None:
    servers = [Sshd(tmp_path / f"{n}", f"127.0.1.{n}", key[1]).start() for n in (3, 4, 5)]
    (tmp_path / "known_hosts").write_text("".join(server.known_host for server in servers))
    addresses = {NodeName(server.address): (server.address, server.port) for server in servers}
    fleet = SshFleet(SshSettings("root", str(tmp_path / "known_hosts"), str(key[0]), warm=2), addresses)
    for name in addresses:
        assert fleet.host(name).owner("/", soon())
    assert sum(fleet.host(name).warm for name in list(addresses)[1:]) == 2
    fleet.close()
    for server in servers:
        server.stop()


OTHER = NodeName("es-02")


@pytest.fixture
def small(sshd: Sshd, key: tuple[Path, str], known_hosts: Path) -> Iterator[SshFleet]:
    """Two nodes, and one session that may stay warm."""
    settings = SshSettings("root", str(known_hosts), str(key[0]), connect_timeout=3, warm=1)
    made = SshFleet(settings, dict.fromkeys((NAME, OTHER), (sshd.address, sshd.port)))
    yield made
    made.close()


def look_elsewhere(fleet: SshFleet) -> None:
    """What a pass does; the session that was used longest ago is closed, if nothing uses it."""
    fleet.host(OTHER).read("/etc/hostname", 1000, soon())


def test_no_session_is_closed_in_the_middle_of_a_command(small: SshFleet, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with ThreadPoolExecutor() as pool:
        running = pool.submit(small.host(NAME).run, ["cat", str(fifo)], b"", 1000, Deadline.after(10))
        with fifo.open("w") as end:  # which waits for the command to begin
            look_elsewhere(small)
            end.write("whole")
        assert running.result().stdout == b"whole"


def test_no_session_is_closed_under_a_tunnel(small: SshFleet, sshd: Sshd) -> None:
    stream = small.host(NAME).dial(sshd.address, sshd.port, soon())
    look_elsewhere(small)
    assert stream.receive(4, soon()) == b"SSH-"
    stream.close()


def test_no_session_is_closed_while_something_listens(small: SshFleet) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    came: SimpleQueue[Stream] = SimpleQueue()
    listening = small.host(NAME).listen(port, came.put, soon())
    look_elsewhere(small)
    with socket.create_connection(("127.0.0.1", port), 5) as client:
        came.get(timeout=5).send(b"hello", soon())
        assert client.recv(5) == b"hello"
    listening.close()


def test_a_session_that_was_in_use_is_closed_when_it_is_not(small: SshFleet, sshd: Sshd) -> None:
    """The bound holds again."""
    mine = small.host(NAME)
    stream = mine.dial(sshd.address, sshd.port, soon())
    look_elsewhere(small)
    warm = [mine.warm]
    stream.close()
    look_elsewhere(small)
    assert [*warm, mine.warm] == [True, False]
    assert small.host(OTHER).warm
