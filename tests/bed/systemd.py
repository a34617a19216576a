"""A real systemd as PID 1 of a world of its own: an overlay of this root, the host's network, nothing left at the end.

Units, accounts, files and mounts made in the world are gone with it. `shares` are folders of the host that are seen
inside at the same path, for what both sides look at. Its keeper (assets/systemd-world.sh) ends it when the test run
ends, also by SIGKILL: the keeper holds on to a pipe that only the test run has the other end of.
"""

import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from tests.bed.sshd import children
from tests.bed.waiting import wait_for

_SCRIPT = Path(__file__).parent / "assets" / "systemd-world.sh"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_BOOT_SECONDS = 30.0
_END_SECONDS = 20.0


class WorldError(Exception):
    """A command inside the world failed, or the world did not boot or end; the message has what was printed."""


@dataclass
class SystemdWorld:
    """One world. `folder` (empty or absent) keeps the text of its console."""

    folder: Path
    shares: tuple[Path, ...] = ()
    init: int = 0
    """The PID of its systemd as the host sees it; 0 while it does not run."""
    _keeper: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> "SystemdWorld":
        """Boot, and wait until systemd has started all of its units."""
        self.folder.mkdir(parents=True, exist_ok=True)
        command = ["unshare", "--mount", "bash", str(_SCRIPT), "keep", str(self.folder), *map(str, self.shares)]
        with (self.folder / "log").open("ab") as log:
            self._keeper = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
            )
        try:
            wait_for(self._booted, _BOOT_SECONDS, f"systemd in {self.folder}")
        except TimeoutError as error:
            said = self._said()
            self.stop()
            raise WorldError(f"{error}; it said: {said}") from error
        return self

    def stop(self) -> None:
        """End all that runs inside, and return when it is gone."""
        keeper, self._keeper, self.init = self._keeper, None, 0
        if keeper is None:
            return
        try:
            keeper.communicate(timeout=_END_SECONDS)  # closes the pipe
        except subprocess.TimeoutExpired:
            keeper.kill()
            keeper.wait()
            raise WorldError(f"the world in {self.folder} did not end in {_END_SECONDS:g} s") from None
        if keeper.returncode:
            raise WorldError(f"the world in {self.folder} did not end cleanly: {self._said()}")

    def ask(self, *argv: str, stdin: str = "", timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a command inside as root, whatever its exit code."""
        if not self.init:
            raise WorldError(f"the world in {self.folder} does not run")
        inside = ["nsenter", "-t", str(self.init), "-m", "-p", "-i", "-u", "-C", "--", *argv]
        environment = {"PATH": _PATH, "HOME": "/root", "LC_ALL": "C.UTF-8"}
        return subprocess.run(
            inside, input=stdin, env=environment, cwd="/", timeout=timeout, capture_output=True, text=True, check=False
        )

    def run(self, *argv: str, stdin: str = "", timeout: float = 120) -> str:
        """What a command inside prints; raises WorldError if it fails."""
        done = self.ask(*argv, stdin=stdin, timeout=timeout)
        if done.returncode:
            raise WorldError(f"`{' '.join(argv)}` ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def systemctl(self, *argv: str) -> str:
        """What `systemctl` prints; raises WorldError if it fails."""
        return self.run("systemctl", *argv)

    def inside(self, path: str) -> Path:
        """A file of the world, as the host can open it (absolute links on the way lead to the host's files)."""
        return Path(f"/proc/{self.init}/root{path}")

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Make a file of the world."""
        target = self.inside(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)

    def _booted(self) -> bool:
        if self._keeper is None or self._keeper.poll() is not None:
            return False
        self.init = next(pid for pid in children(self._keeper.pid) if _is_first(pid))
        return self.systemctl("is-system-running", "--wait").strip() == "running"

    def _said(self) -> str:
        files = [self.folder / name for name in ("log", "console")]
        return "".join(file.read_text(errors="replace")[-2000:] for file in files if file.exists())


def _is_first(pid: int) -> bool:
    """Whether a process is systemd as PID 1 of a namespace below this one."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return status["Name"].strip() == "systemd" and status["NSpid"].split()[1:] == ["1"]


def lack() -> str:
    """Why this machine cannot boot such a world, by making the mounts that it needs; empty if it can."""
    if not shutil.which("unshare") or not shutil.which("nsenter"):
        return "no commands unshare and nsenter; install Debian's util-linux"
    script = (
        "mount -t tmpfs t /mnt && mkdir /mnt/u /mnt/w /mnt/r && mount -t cgroup2 c /mnt/r && umount /mnt/r"
        " && mount -t overlay o -o lowerdir=/,upperdir=/mnt/u,workdir=/mnt/w /mnt/r"
    )
    command = ["unshare", "--mount", "--pid", "--ipc", "--uts", "--cgroup", "--fork", "sh", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return f"namespaces, overlay and cgroup2 are needed: {done.stderr.strip()}" if done.returncode else ""
