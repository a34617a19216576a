"""The daemon, run as in the field, and what can be seen of it from outside: its pages and what it costs."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from math import nan
from pathlib import Path
from typing import Any

from syncd.core.bundle import Cert, bundle_digest, read_trust_file
from syncd.demo.free_ports import free_ports


class Daemon:
    """`syncd run` with a configuration of ours; its log is beside it."""

    def __init__(self, folder: Path, clusters: list[dict[str, Any]], kubeconfig: Path) -> None:
        self._folder = folder
        self._port = free_ports(1)[0]
        self._config = folder / "syncd.yaml"
        whole = {
            "kubernetes": {"kubeconfig": str(kubeconfig)},
            "clusters": clusters,
            "telemetry": {"listen": f"127.0.0.1:{self._port}"},
        }
        self._config.write_text(json.dumps(whole))  # YAML is a superset of JSON
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Daemon":
        """Start the process, and do not wait for anything."""
        with (self._folder / "syncd.log").open("ab") as log:
            command = [sys.executable, "-m", "syncd", "run", "--config", str(self._config)]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        return self

    def stop(self) -> None:
        """End it; one that does not end in time is killed, so that nothing stays behind."""
        if self._process:
            self._process.terminate()
            try:
                self._process.wait(30)
            finally:
                self._process.kill()
                self._process.wait()
                self._process = None

    @property
    def pid(self) -> int:
        """Of the running process."""
        if self._process is None:
            raise RuntimeError("the daemon does not run")
        return self._process.pid

    # --- its pages

    def metric(self, name: str) -> float:
        """A value of its metrics; nan where it is not there, as before the first pass."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/metrics", timeout=30) as answer:
                lines = answer.read().decode().splitlines()
        except OSError:
            return nan
        return next((float(line.split()[-1]) for line in lines if line.startswith(name)), nan)

    def settled(self) -> bool:
        """Whether nothing is left to do or to prove."""
        return self.metric("syncd_settled") == 1

    def rows(self) -> list[dict[str, Any]]:
        """The rows of the status page; none while it does not answer."""
        with suppress(OSError, ValueError), urllib.request.urlopen(f"http://127.0.0.1:{self._port}/status") as answer:
            return [row for cluster in json.load(answer)["clusters"] for row in cluster["rows"]]
        return []

    # --- what it costs

    def cpu(self) -> float:
        """Seconds of CPU, user and system, since its start; in ticks of 10 ms."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self, kind: str = "VmRSS") -> float:
        """MB: VmRSS is resident now, VmHWM the most that ever was."""
        return _field(Path(f"/proc/{self.pid}/status"), kind) / 1024

    def wakeups(self) -> tuple[int, int]:
        """How often its threads woke up after they had waited, and how many threads there are."""
        tasks = list(Path(f"/proc/{self.pid}/task").glob("*/status"))
        return sum(_field(task, "voluntary_ctxt_switches") for task in tasks), len(tasks)


def all_proven(rows: list[dict[str, Any]], file_of: Callable[[str], Path], nodes: int, ca: Cert) -> bool:
    """Whether each node has the CA on disk, and its page tells of that very file that it is proven to be loaded."""
    return len(rows) == nodes and all(_proven(row, file_of(row["node"]), ca) for row in rows)


def _proven(row: dict[str, Any], file: Path, ca: Cert) -> bool:
    certs = read_trust_file(file.read_bytes()).certs
    return ca in certs and row["loaded"].startswith("proven") and row["bundle"] == bundle_digest(certs)[:16]


def imported() -> float:
    """MB that are resident when a process has imported what the daemon does, and nothing more."""
    code = "import syncd.cli.daemon; print(open('/proc/self/status').read())"
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    return int(next(line for line in said.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def _field(path: Path, name: str) -> int:
    """A number of a status file of /proc; nothing where the thread has ended meanwhile."""
    with suppress(OSError):
        return int(next(line for line in path.read_text().splitlines() if line.startswith(name)).split()[1])
    return 0
