"""OpenSSH servers: one per host, each on a loopback address of its own, with a host key of its own."""

import os
import signal
import socket
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from syncd.demo.free_ports import free_ports
from tests.bed import paths
from tests.bed.waiting import wait_for


@dataclass
class Sshd:
    """One server. `folder` holds its keys, configuration and log."""

    folder: Path
    address: str
    authorized_key: str
    port: int = 0
    sftp: str = "internal-sftp"
    tunnels: bool = True
    within: tuple[str, ...] = ()
    """A command that starts others within something: a network namespace."""
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = self.port or free_port(self.address)
        self.make_host_key()
        (self.folder / "authorized_keys").write_text(self.authorized_key)

    def make_host_key(self) -> None:
        """A new host key: also what a host that was made anew has."""
        key = self.folder / "host_key"
        key.unlink(missing_ok=True)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)

    def start(self) -> "Sshd":
        """Start, and wait until it answers."""
        Path("/run/sshd").mkdir(exist_ok=True)
        command = [*self.within, str(paths.SSHD), "-D", "-e", "-f", str(self.configure())]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            wait_for(self._answers, 10, f"sshd on {self.address}:{self.port}, log {self.folder / 'log'}")
        except TimeoutError:
            self.stop()
            raise
        return self

    def configure(self) -> Path:
        """Write its configuration, and say where."""
        path = self.folder / "sshd_config"
        path.write_text(self._config())
        return path

    def stop(self) -> None:
        """End the server and the sessions that it forked."""
        if self.process:
            end_family(self.process)
            self.process = None

    def freeze(self) -> None:
        """Stop answering without closing anything."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Answer again."""
        self._signal(signal.SIGCONT)

    @property
    def known_host(self) -> str:
        """The line for known_hosts."""
        kind, key = (self.folder / "host_key.pub").read_text().split()[:2]
        return f"[{self.address}]:{self.port} {kind} {key}\n"

    def _signal(self, number: signal.Signals) -> None:
        if self.process:
            for pid in (self.process.pid, *children(self.process.pid)):
                send(pid, number)

    def _answers(self) -> bool:
        with socket.create_connection((self.address, self.port), 1) as connected:
            return connected.recv(4) == b"SSH-"

    def _config(self) -> str:
        folder = self.folder
        return (
            f"ListenAddress {self.address}:{self.port}\nHostKey {folder}/host_key\n"
            f"AuthorizedKeysFile {folder}/authorized_keys\nPidFile none\nStrictModes no\nUsePAM no\n"
            "PasswordAuthentication no\nPermitRootLogin yes\nMaxStartups 1000\nMaxSessions 100\nUseDNS no\n"
            f"SetEnv HOME={folder}\n"  # nobody's .bashrc runs in a test
            f"AllowTcpForwarding {'yes' if self.tunnels else 'no'}\nSubsystem sftp {self.sftp}\n"
        )


def make_key(folder: Path) -> tuple[Path, str]:
    """A client key: the path of the private part, and the public line."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path, path.with_suffix(".pub").read_text()


def free_port(address: str = "127.0.0.1") -> int:
    """A port that nobody listens on; where several are wanted, `free_ports` gives distinct ones."""
    return free_ports(1, address)[0]


def children(pid: int) -> list[int]:
    """All descendants of a process, leaves first; one that has ended meanwhile has none."""
    found: list[int] = []
    try:
        tasks = list(Path(f"/proc/{pid}/task").glob("*/children"))
    except OSError:  # it ended between two looks of glob's own
        return found
    for task in tasks:
        for child in map(int, _read(task.read_text).split()):
            found += [*children(child), child]
    return found


def end_family(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it forked, and return when their ports and locks are free."""
    family = children(process.pid)
    process.kill()
    process.wait()
    for pid in family:
        send(pid, signal.SIGKILL)
    wait_for(lambda: not any(map(alive, family)), 10, f"the end of {family}, which {process.args!r} forked")


def send(pid: int, number: signal.Signals) -> None:
    """Signal a process; that it ended since it was listed must not keep the others from being signalled."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def alive(pid: int) -> bool:
    """Whether a process runs; one that only waits for its parent to notice its end does not."""
    stat = _read(Path(f"/proc/{pid}/stat").read_text)
    return bool(stat) and stat.rpartition(")")[2].split()[0] not in "ZX"


def _read(read: Callable[[], str]) -> str:
    try:
        return read()
    except OSError:
        return ""
