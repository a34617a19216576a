"""From a changed Secret to the file on 50 real sshd hosts, written, fsynced and read back; and what idling costs.

`make bench`. The daemon is the real one, the hosts are OpenSSH servers on loopback addresses, the API server and the
nodes' REST are the demo's small ones. Times are from the moment before the Secret is written until the new CA is seen in
all files, by polling them.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Thread

from bench.hosts import Hosts
from syncd.core.bundle import render
from syncd.demo.free_ports import free_ports
from syncd.demo.kube import DemoKube
from syncd.demo.node import Node, NodeConfig, _Http
from syncd.demo.pki import EckCa
from syncd.demo.remote import DemoRemote
from syncd.ports import now
from tests.bed.paths import SSHD
from tests.bed.waiting import wait_for

HOSTS = 50
ROUNDS = 12
QUIET_SECONDS = 75.0
"""After the last change: what a change sets off (proofs, handshakes from each node) is not idling."""
IDLE_SECONDS = 120.0
"""Two looks at Elasticsearch and the remote, by the default interval."""
SECRET = ("elastic", "quickstart-es-transport-certs-public")


class Bench:
    """The world of the measurement."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.ca = EckCa.create(now())
        self.kube = DemoKube().start()
        stack.callback(self.kube.stop)
        self.remote = DemoRemote([self.ca.leaf()])
        stack.callback(self.remote.stop)
        self.hosts = Hosts.start(folder, HOSTS, stack)
        self.port, *ports = free_ports(HOSTS + 1)
        self.ports = dict(zip(self.hosts.servers, ports, strict=True))
        self._nodes()

    def publish(self, ca: EckCa) -> None:
        """ECK publishes."""
        self.kube.put_secret(*SECRET, {"ca.crt": ca.pem})

    def until_everywhere(self, ca: EckCa, began: float) -> float:
        """Seconds until every file has the CA."""
        waiting = set(self.hosts.servers)
        while waiting:
            waiting = {name for name in waiting if ca.pem not in self.hosts.file(name).read_bytes()}
            time.sleep(0.01)  # the hosts, the daemon and this loop share two cores
        return time.monotonic() - began

    def metric(self, name: str) -> float:
        """A value of the daemon's metrics."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return float(next(line.split()[-1] for line in lines if line.startswith(name)))

    def _nodes(self) -> None:
        for name, port in self.ports.items():
            config = self.hosts.file(name).parent
            (config / "elasticsearch.yml").write_text("cluster.name: onprem\n")
            (config / "onprem.log").touch()
            self.hosts.file(name).write_bytes(render([EckCa.create(now(), "company").cert]))
            said = NodeConfig(
                name, port, str(self.hosts.file(name)), str(config / "onprem.log"), self.ports,
                str(self.folder / "settings.json"), "key", "eck-prod", self.remote.port,
            )  # fmt: skip
            Thread(target=_Http(("127.0.0.1", port), Quiet(said)).serve_forever, daemon=True).start()

    def run(self) -> subprocess.Popen[bytes]:
        """The daemon, which proves as often as in the field."""
        self._config()
        with (self.folder / "syncd.log").open("ab") as log:
            command = [sys.executable, "-m", "syncd", "run", "--config", str(self.folder / "syncd.yaml")]
            return subprocess.Popen(command, stdout=log, stderr=log)

    def settled(self) -> bool:
        """Whether nothing is left to do or to prove."""
        return self.metric("syncd_settled") == 1

    def _config(self) -> None:
        (self.folder / "key").write_text("key")
        self.kube.kubeconfig(self.folder / "kubeconfig")
        self.kube.put_elasticsearch(SECRET[0], "quickstart", 1)
        nodes = [
            {"name": name, "address": server.address, "port": server.port,
             "layout": {"config_dir": str(self.hosts.file(name).parent)}}
            for name, server in self.hosts.servers.items()
        ]  # fmt: skip
        transport = {"kind": "ssh", "user": "root", "key_file": str(self.hosts.key), "known_hosts_file": "known_hosts"}
        source = {"kind": "secret", "namespace": SECRET[0], "cluster": "quickstart"}
        cluster = {
            "name": "onprem",
            "elasticsearch": {"urls": [f"http://127.0.0.1:{next(iter(self.ports.values()))}"], "api_key_file": "key"},
            "nodes": nodes,
            "transport": transport,
            "remotes": [{"alias": "eck-prod", "source": source, "trust": {"overlap": "1s"}}],
            "poll": "200ms",
            "state": {"kind": "configmap", "namespace": "syncd"},
        }
        whole = {
            "kubernetes": {"kubeconfig": str(self.folder / "kubeconfig")},
            "clusters": [cluster],
            "telemetry": {"listen": f"127.0.0.1:{self.port}"},
        }
        (self.folder / "syncd.yaml").write_text(json.dumps(whole))


class Quiet(Node):
    """A node that only answers REST: the handshakes of fifty would measure themselves."""

    def connected(self) -> bool:
        """As if it were."""
        return True


@dataclass(frozen=True)
class Row:
    """One budget and what was measured."""

    what: str
    value: float
    unit: str
    most: float | None
    note: str = ""
    least: bool = False
    """The budget is the least that it should be, not the most."""

    @property
    def shown(self) -> str:
        """The value with its unit."""
        return f"{self.value:.3g} {self.unit}"

    @property
    def budget(self) -> str:
        """The most (or least) that it should be."""
        bound = "at least " if self.least else ""
        return f"{bound}{self.most:g} {self.unit} {self.note}".strip() if self.most is not None else "-"

    @property
    def verdict(self) -> str:
        """Whether it is kept."""
        if self.most is None:
            return "-"
        met = self.value >= self.most if self.least else self.value <= self.most
        return "met" if met else "NOT met"


def measure() -> list[Row]:
    """Measure the daemon on so many hosts."""
    if not SSHD.exists():
        sys.exit("bench: no OpenSSH server; install Debian's openssh-server")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="syncd-bench-")))
        bench = Bench(folder, stack)
        bench.publish(bench.ca)
        began = time.monotonic()
        daemon = bench.run()
        try:
            cold = bench.until_everywhere(bench.ca, began)
            warm = _warm(bench)
            passes, (resident, share) = _idle(bench, daemon.pid)
        finally:
            daemon.terminate()
            daemon.wait()
    rows = [
        Row(f"Secret changed -> on {HOSTS} disks, read back, warm, p50", statistics.median(warm) * 1000, "ms", 200),
        Row(f"the same, the slowest of {ROUNDS}", max(warm) * 1000, "ms", 500),
        Row("start of the daemon -> on all disks (imports, connects, writes)", cold, "s", None),
        Row("a pass with nothing to do", passes * 1000, "ms", 1000, "(100 nodes)"),
        Row("resident when idle", resident, "MB", 90, "(100 nodes)"),
        Row("share of a core when idle", share * 100, "%", 0.5, "(100 nodes)"),
    ]
    for row in rows:
        print(f"  {row.what:<66} {row.shown:>9}   budget {row.budget:<20} {row.verdict}", flush=True)
    return rows


def _warm(bench: Bench) -> list[float]:
    times, ca = [], bench.ca
    for _ in range(ROUNDS):
        ca = replace(ca).renew(now())
        bench.remote.serve([ca.leaf()])
        wait_for(bench.settled, 60, "a settled world")
        began = time.monotonic()
        bench.publish(ca)
        times.append(bench.until_everywhere(ca, began))
    return times


def _idle(bench: Bench, pid: int) -> tuple[float, tuple[float, float]]:
    """Mean duration of a pass with nothing to do; (resident MB, share of one core) while idle."""
    wait_for(bench.settled, 60, "a settled world")
    time.sleep(QUIET_SECONDS)
    cpu = _cpu(pid)
    time.sleep(IDLE_SECONDS)
    share = (_cpu(pid) - cpu) / IDLE_SECONDS
    name = 'syncd_pass_duration_seconds_{}{{cluster="onprem"}}'
    count, total = bench.metric(name.format("count")), bench.metric(name.format("sum"))
    for _ in range(10):
        os.kill(pid, 1)  # SIGHUP: look
        time.sleep(0.5)
    done = bench.metric(name.format("count")) - count
    mean = (bench.metric(name.format("sum")) - total) / done
    resident = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return mean, (int(resident.split()[1]) / 1024, share)


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
