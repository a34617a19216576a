"""Real Elasticsearch nodes, run from the unpacked distribution as a user of their own."""

import base64
import json
import os
import shutil
import signal
import ssl
import subprocess
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from tests.bed import paths
from tests.bed.accounts import make_account
from tests.bed.sshd import children, end_family, free_port, send
from tests.bed.waiting import wait_for

USER, PASSWORD = "admin", "admin-of-the-bed"
ACCOUNT = "syncd-es"
_START_SECONDS = 400.0
QUICK_START = ("-XX:TieredStopAtLevel=1", "-XX:+UnlockDiagnosticVMOptions", "-XX:-BytecodeVerificationRemote")
"""Options of a JVM that lives for minutes: it compiles less and trusts its own classes, and behaves the same."""
QUICK_RELOAD = "resource.reload.interval.high: 1s\n"
"""For nodes of tests that do not measure how long a new file takes (5 s by default)."""


@dataclass
class EsNode:
    """One node. `folder` holds config, data, logs, tmp; a node of a cluster knows the others' transport ports."""

    folder: Path
    name: str
    cluster: str
    version: str = paths.NEWEST
    yml: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    """Files of the config directory, by name."""
    transport_port: int = field(default_factory=free_port)
    http_port: int = field(default_factory=free_port)
    address: str = "127.0.0.1"
    transport_host: str = ""
    """Where the transport layer is, if not at the address."""
    within: tuple[str, ...] = ()
    """A command that starts others within something: a network namespace."""
    _process: subprocess.Popen[bytes] | None = None

    @property
    def config(self) -> Path:
        """The config directory."""
        return self.folder / "config"

    @property
    def log(self) -> Path:
        """What it logs."""
        return self.folder / "logs" / f"{self.cluster}.log"

    @property
    def url(self) -> str:
        """The REST URL."""
        return f"http://{self.address}:{self.http_port}"

    def create(self, peers: "list[EsNode]") -> "EsNode":
        """Make the folders, the yml, the keystore and the user."""
        secured = _secured(self.version)
        self._lay_out(peers)
        for name, content in secured.items():
            (self.config / name).write_bytes(content)
            (self.config / name).chmod(0o660)
        self._give_away()
        return self

    def _lay_out(self, peers: "list[EsNode]") -> None:
        home = paths.elasticsearch(self.version)
        make_account(ACCOUNT)
        for part in ("data", "logs", "tmp"):
            (self.folder / part).mkdir(parents=True)
        shutil.copytree(home / "config", self.config)
        (self.config / "elasticsearch.yml").write_text(self._yml(peers))
        for name, content in self.files.items():
            (self.config / name).write_bytes(content)
        relocate_jvm_files(self.config, self.folder)
        self._give_away()

    def _secure_files(self) -> dict[str, bytes]:
        """A keystore and the administrator, as Elasticsearch's own tools make them."""
        self._lay_out([self])
        self.tool("elasticsearch-keystore", "create")
        self.tool("elasticsearch-users", "useradd", USER, "-p", PASSWORD, "-r", "superuser")
        return {name: (self.config / name).read_bytes() for name in ("elasticsearch.keystore", "users", "users_roles")}

    def secure(self, name: str, value: str) -> None:
        """Put a secure setting into the keystore."""
        self.tool("elasticsearch-keystore", "add", "-x", "-f", name, stdin=value)

    def start(self) -> "EsNode":
        """Start the process; `ready` waits for it."""
        for kind in ("http", "transport", "remote_cluster"):
            (self.folder / "logs" / f"{kind}.ports").unlink(missing_ok=True)
        with (self.folder / "logs" / "out").open("ab") as out:
            as_account = ["setpriv", f"--reuid={ACCOUNT}", f"--regid={ACCOUNT}", "--clear-groups"]
            self._process = subprocess.Popen(
                [*self.within, *as_account, "bin/elasticsearch"], cwd=paths.elasticsearch(self.version),
                env=self._environment(), stdout=out, stderr=out,
            )  # fmt: skip
        return self

    def ready(self) -> "EsNode":
        """Wait until REST answers; a node that dies is told at once."""
        log = self.folder / "logs" / "out"
        wait_for(lambda: self._ended() or self._answers(), _START_SECONDS, f"elasticsearch {self.name}, log {log}", 0.3)
        if self._ended():
            errors = [line for line in log.read_text().splitlines() if "ERROR" in line or "Caused by" in line]
            raise RuntimeError(f"elasticsearch {self.name} ended while starting, log {log}: {errors[-6:]}")
        return self

    def stop(self) -> None:
        """End the launcher and the JVM behind it, which lives on for half a second and holds ports and data."""
        if self._process:
            end_family(self._process)
            self._process = None

    def freeze(self) -> None:
        """Stop answering without closing anything."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Answer again."""
        self._signal(signal.SIGCONT)

    def remote_cluster_port(self) -> int:
        """The port of the remote cluster server."""
        return int((self.folder / "logs" / "remote_cluster.ports").read_text().split()[0].rpartition(":")[2])

    def tool(self, *argv: str, stdin: str | None = None) -> str:
        """Run one of Elasticsearch's own tools as its user."""
        done = subprocess.run(
            [f"bin/{argv[0]}", *argv[1:]], cwd=paths.elasticsearch(self.version), env=self._environment(),
            input=stdin, text=True, user=ACCOUNT, group=ACCOUNT, extra_groups=[], capture_output=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{argv[0]} {argv[1]} ended with {done.returncode}: {done.stdout} {done.stderr}")
        return done.stdout

    def api(self, method: str, path: str, body: object = None, timeout: float = 30) -> Any:
        """A REST call as administrator; raises EsRefusedError."""
        return call(f"{self.url}{path}", method, body, timeout)

    def write(self, name: str, content: bytes) -> None:
        """Replace a file of the config directory as a careful writer does."""
        temp = self.config / f".{name}.new"
        temp.write_bytes(content)
        shutil.chown(temp, ACCOUNT, ACCOUNT)
        temp.rename(self.config / name)

    def _signal(self, number: signal.Signals) -> None:
        if self._process:
            for pid in (self._process.pid, *children(self._process.pid)):
                send(pid, number)

    def _ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def _answers(self) -> bool:
        return bool(self.api("GET", "/_nodes/_local", timeout=2)["nodes"])

    def _yml(self, peers: "list[EsNode]") -> str:
        if len(peers) > 1:
            seeds = json.dumps([f"{peer.transport_host or peer.address}:{peer.transport_port}" for peer in peers])
            names = json.dumps([peer.name for peer in peers])
            discovery = f"discovery.seed_hosts: {seeds}\ncluster.initial_master_nodes: {names}\n"
        else:
            discovery = "discovery.type: single-node\n"
        return (
            f"cluster.name: {self.cluster}\nnode.name: {self.name}\npath.data: {self.folder}/data\n"
            f"path.logs: {self.folder}/logs\nnode.portsfile: true\nhttp.port: {self.http_port}\n"
            f"transport.port: {self.transport_port}\nhttp.host: {self.address}\n"
            f"transport.host: {self.transport_host or self.address}\n{discovery}"
            "xpack.security.enabled: true\nxpack.security.autoconfiguration.enabled: false\n"
            "xpack.license.self_generated.type: trial\nindices.breaker.total.use_real_memory: false\n"
            f"cluster.routing.allocation.disk.threshold_enabled: false\n{self.yml}"
        )

    def _give_away(self) -> None:
        subprocess.run(["chown", "-R", f"{ACCOUNT}:{ACCOUNT}", str(self.folder)], check=True)

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "ES_PATH_CONF": str(self.config),
            "ES_TMPDIR": f"{self.folder}/tmp",
            "ES_JAVA_HOME": str(paths.java_home()),
            "ES_JAVA_OPTS": " ".join(("-Xms512m", "-Xmx512m", *QUICK_START)),
        }


@cache
def _secured(version: str) -> dict[str, bytes]:
    """Made once for all nodes of a version, since the tools take seconds."""
    with tempfile.TemporaryDirectory(prefix="syncd-bed-") as folder:
        Path(folder).chmod(0o755)
        return EsNode(Path(folder) / "first", "first", "first", version)._secure_files()


class EsRefusedError(Exception):
    """Elasticsearch answered with an error."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"HTTP {code}: {text[:500]}")
        self.code = code
        self.text = text


def call(url: str, method: str, body: object = None, timeout: float = 30, trust: ssl.SSLContext | None = None) -> Any:
    """A REST call as administrator; raises EsRefusedError."""
    credential = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    request = urllib.request.Request(  # noqa: S310 - loopback
        url, method=method,
        data=json.dumps(body).encode() if body is not None else None,
        headers={"content-type": "application/json", "authorization": f"Basic {credential}"},
    )  # fmt: skip
    try:
        with urllib.request.urlopen(request, timeout=timeout, context=trust) as answer:  # noqa: S310
            return json.load(answer)
    except urllib.error.HTTPError as error:
        with error:  # it holds the connection
            raise EsRefusedError(error.code, error.read().decode(errors="replace")) from error


def relocate_jvm_files(config: Path, folder: Path) -> None:
    """The distribution's jvm.options have paths below its own folder, which nodes share."""
    path = config / "jvm.options"
    text = path.read_text().replace("-XX:HeapDumpPath=data", f"-XX:HeapDumpPath={folder}/data")
    text = text.replace("logs/gc.log", f"{folder}/logs/gc.log")
    path.write_text(text.replace("-XX:ErrorFile=logs", f"-XX:ErrorFile={folder}/logs"))


def start_cluster(nodes: list[EsNode], masters: list[EsNode] | None = None) -> None:
    """Create and start the nodes of one cluster together, and wait for all; all can be master unless said."""
    begin_cluster(nodes, masters)
    await_cluster(nodes)


def begin_cluster(nodes: list[EsNode], masters: list[EsNode] | None = None) -> None:
    """Create and start the nodes of one cluster, without waiting for them."""
    for node in nodes:
        node.create(masters or nodes)
    for node in nodes:
        node.start()


def await_cluster(nodes: list[EsNode]) -> None:
    """Wait until all nodes of a cluster that was begun are its members."""
    for node in nodes:
        node.ready()
    wait_for(lambda: nodes[0].api("GET", "/_cluster/health")["number_of_nodes"] == len(nodes), 240, "all nodes joined")
