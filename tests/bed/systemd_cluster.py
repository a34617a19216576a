"""Elasticsearch as administrators run it: units of a real systemd, files laid out as the packages do, SSH with sudo."""

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.bed import documented, paths
from tests.bed.authority import Authority
from tests.bed.elasticsearch import PASSWORD, QUICK_START, USER, call, relocate_jvm_files
from tests.bed.sudo_hosts import SudoHosts
from tests.bed.systemd import SystemdWorld
from tests.bed.waiting import wait_for

HOME = "/usr/share/elasticsearch"
OWNER = "elasticsearch"
HTTP_PORT, TRANSPORT_PORT = 9200, 9300
_ASSETS = Path(__file__).parent / "assets"
_GREEN_SECONDS = 240.0
STORE_PASSWORD = "of-the-stores"
_PEM_LINES = """\
  key: certs/transport.key
  certificate: certs/transport.crt
  certificate_authorities: ["certs/transport-ca.crt"]"""
_STORE_LINES = """\
  keystore.path: certs/transport.p12
  truststore.path: certs/transport.p12"""


@dataclass(frozen=True)
class SystemdNode:
    """One node. Its files are at the same paths in the world and outside."""

    name: str
    address: str
    folder: Path

    @property
    def unit(self) -> str:
        """Its systemd unit."""
        return f"elasticsearch@{self.name}.service"

    @property
    def url(self) -> str:
        """The REST URL."""
        return f"https://{self.address}:{HTTP_PORT}"

    @property
    def config(self) -> Path:
        """The config directory: 2750 root:elasticsearch, files 0660 root:elasticsearch, as deb and rpm have it."""
        return self.folder / "config"

    @property
    def logs(self) -> Path:
        """The log directory."""
        return self.folder / "logs"


@dataclass(frozen=True)
class UnitState:
    """What systemd says of a unit."""

    active: str
    """`inactive`, `activating`, `active`, `deactivating` or `failed`."""
    sub: str
    invocation: str
    """The InvocationID: another one for each start; empty if it never started."""


@dataclass
class SystemdCluster:
    """One cluster, on hosts `<network>.1`, `.2`, ... `folder` must be one that others may enter."""

    folder: Path
    size: int = 3
    network: str = "127.0.2"
    name: str = "onprem"
    version: str = paths.NEWEST
    heap: str = "384m"
    yml: str = ""
    """More lines of every node's elasticsearch.yml."""
    files: dict[str, bytes] = field(default_factory=dict)
    """More files of every node's config directory, by name."""
    stores: bool = False
    """Transport layer as `elasticsearch-certutil` makes it: a PKCS#12 store for key and trust, passwords in the keystore."""
    configs: tuple[str, ...] = ()
    """More config directories below `folder`, as patterns, whose tools syncd may run."""
    shares: tuple[Path, ...] = ()
    """More folders of this machine that are seen in the world."""
    world: SystemdWorld = field(init=False)
    hosts: SudoHosts = field(init=False)
    transport_ca: Authority = field(default_factory=lambda: Authority.create("transport CA of the bed"))
    http_ca: Authority = field(default_factory=lambda: Authority.create("HTTP CA of the bed"))

    @cached_property
    def nodes(self) -> tuple[SystemdNode, ...]:
        """The nodes, es-1 first."""
        numbers = range(1, self.size + 1)
        return tuple(SystemdNode(f"es-{n}", f"{self.network}.{n}", self.folder / f"es-{n}") for n in numbers)

    @property
    def http_ca_file(self) -> Path:
        """The CA of the REST URLs."""
        return self.folder / "http-ca.pem"

    def create(self) -> "SystemdCluster":
        """Boot the world and lay out all nodes; none is started."""
        distribution, java = paths.elasticsearch(self.version), paths.java_home()
        if java is None:
            raise RuntimeError("no JDK for Elasticsearch")
        self.http_ca_file.write_bytes(self.http_ca.pem)
        self.world = SystemdWorld(self.folder / "systemd", (self.folder, distribution, java, *self.shares)).start()
        try:
            self._install(distribution, java)
            self._lay_out(distribution)
            configs = [*(str(node.config) for node in self.nodes), *(f"{self.folder}/{name}" for name in self.configs)]
            addresses = [node.address for node in self.nodes]
            self.hosts = SudoHosts(self.world, self.folder, addresses, documented.sudoers(configs)).start()
        except BaseException:
            self.stop()
            raise
        return self

    def start(self) -> "SystemdCluster":
        """Start all units and wait until the cluster is whole."""
        if failed := self._failed():  # before; not a failure of this start
            self.world.systemctl("reset-failed", *(node.unit for node in failed))
        self.world.systemctl("start", "--no-block", *(node.unit for node in self.nodes))
        self.wait_green()
        return self

    def stop(self) -> None:
        """End the world with all that is in it."""
        self.world.stop()

    def api(self, method: str, path: str, body: object = None, node: SystemdNode | None = None) -> Any:
        """A REST call as administrator, to the first node unless another is given; raises EsRefusedError."""
        return call(f"{(node or self.nodes[0]).url}{path}", method, body, trust=self._trust)

    def wait_green(self, timeout: float = _GREEN_SECONDS) -> None:
        """Wait until all nodes are members and all shards are there; a failed unit is told at once."""
        wait_for(lambda: self._failed() or self._green(), timeout, f"a green cluster in {self.folder}", 0.3)
        if failed := self._failed():
            raise RuntimeError(f"{failed[0].unit} failed: {self._journal(failed[0])}")

    def unit_state(self, node: SystemdNode) -> UnitState:
        """What systemd says of a node's unit."""
        names = ("ActiveState", "SubState", "InvocationID")
        said = self.world.systemctl("show", f"--property={','.join(names)}", node.unit)
        values = dict(line.split("=", 1) for line in said.splitlines())
        return UnitState(*(values[name] for name in names))

    def tool(self, node: SystemdNode, *argv: str, stdin: str = "") -> str:
        """Run one of Elasticsearch's own tools as root, as the packages' documentation says."""
        return self.world.run("env", f"ES_PATH_CONF={node.config}", f"{HOME}/bin/{argv[0]}", *argv[1:], stdin=stdin)

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.http_ca_file))

    def put(self, node: SystemdNode, name: str, content: bytes) -> None:
        """Replace a file of a node's config directory as a careful writer does: owner and mode first, then the rename."""
        self.put_together(node, {name: content})

    def put_together(self, node: SystemdNode, contents: Mapping[str, bytes]) -> None:
        """Files that belong together, renamed at once: a node that reads a new key beside an old certificate takes both."""
        temps = {node.config / f"{name}.new": content for name, content in contents.items()}
        for temp, content in temps.items():
            temp.write_bytes(content)
            temp.chmod(0o660)
        self.world.run("chown", f"root:{OWNER}", *map(str, temps))
        for temp in temps:
            temp.rename(temp.with_suffix(""))

    def _green(self) -> bool:
        health = self.api("GET", "/_cluster/health")
        return bool(health["status"] == "green" and health["number_of_nodes"] == self.size)

    def _failed(self) -> list[SystemdNode]:
        return [node for node in self.nodes if self.unit_state(node).active == "failed"]

    def _journal(self, node: SystemdNode) -> str:
        self.world.run("journalctl", "--sync")  # what was said last may still be on its way
        return self.world.run("journalctl", "--no-pager", "-o", "cat", "-n", "100", "-u", node.unit)

    def _install(self, distribution: Path, java: Path) -> None:
        """What the package brings: the account, the home with its JDK, the unit."""
        self.world.run("useradd", "--system", "--user-group", "--no-create-home", OWNER)
        parts = {part: distribution / part for part in ("bin", "lib", "modules", "plugins")} | {"jdk": java}
        for part, source in parts.items():
            self.world.run("mkdir", "-p", f"{HOME}/{part}")
            self.world.run("mount", "--bind", "-o", "ro", str(source), f"{HOME}/{part}")
        wrapper, unit = "notify-elasticsearch.sh", "elasticsearch@.service"
        self.world.write(f"/usr/local/lib/bed/{wrapper}", (_ASSETS / wrapper).read_text(), 0o755)
        text = (_ASSETS / unit).read_text().replace("@FOLDER@", str(self.folder))
        self.world.write(f"/etc/systemd/system/{unit}", text)
        self.world.systemctl("daemon-reload")

    def _lay_out(self, distribution: Path) -> None:
        first, *others = self.nodes
        for node in self.nodes:
            self._folders(node)
        self.world.run("cp", "-rT", "--no-preserve=all", f"{distribution}/config", str(first.config))
        self.tool(first, "elasticsearch-keystore", "create")
        self.tool(first, "elasticsearch-users", "useradd", USER, "-p", PASSWORD, "-r", "superuser")
        if self.stores:
            for part in ("keystore", "truststore"):
                setting = f"xpack.security.transport.ssl.{part}.secure_password"
                self.tool(first, "elasticsearch-keystore", "add", "-x", "-f", setting, stdin=STORE_PASSWORD)
            ca = ("ca", "--out", str(self.folder / "ca.p12"), "--pass", STORE_PASSWORD)
            self.tool(first, "elasticsearch-certutil", *ca)
        for node in others:  # the tools take seconds each
            self.world.run("cp", "-rT", str(first.config), str(node.config))
        for node in self.nodes:
            self._configure(node)

    def _folders(self, node: SystemdNode) -> None:
        self.world.run("install", "-d", "-m", "2750", "-o", "root", "-g", OWNER, str(node.config))
        for part in ("data", "logs"):
            self.world.run("install", "-d", "-m", "2750", "-o", OWNER, "-g", OWNER, str(node.folder / part))

    def _configure(self, node: SystemdNode) -> None:
        relocate_jvm_files(node.config, node.folder)
        options = (f"-Xms{self.heap}", f"-Xmx{self.heap}", *QUICK_START)
        (node.config / "jvm.options.d" / "bed.options").write_text("\n".join([*options, ""]))
        (node.config / "elasticsearch.yml").write_text(self._yml(node))
        certs = node.config / "certs"
        certs.mkdir()
        for layer, ca in (("transport", self.transport_ca), ("http", self.http_ca)):
            cert, key = ca.leaf(node.name, node.address)
            for name, content in (("ca.crt", ca.pem), (f"{layer}.crt", cert), (f"{layer}.key", key)):
                (certs / (f"{layer}-ca.crt" if name == "ca.crt" else name)).write_bytes(content)
        if self.stores:
            self._store(node, certs / "transport.p12")
        for name, content in self.files.items():
            (node.config / name).write_bytes(content)
        self.world.run("chown", "-R", f"root:{OWNER}", str(node.config))
        self.world.run("find", str(node.config), "-type", "d", "-exec", "chmod", "2750", "{}", "+")
        self.world.run("find", str(node.config), "-type", "f", "-exec", "chmod", "0660", "{}", "+")

    def _store(self, node: SystemdNode, path: Path) -> None:
        """A node's certificate, its key and the CA, in one store."""
        ca = ("--ca", str(self.folder / "ca.p12"), "--ca-pass", STORE_PASSWORD)
        leaf = ("--name", node.name, "--dns", node.name, "--ip", node.address)
        out = ("--out", str(path), "--pass", STORE_PASSWORD)
        self.tool(node, "elasticsearch-certutil", "cert", *ca, *leaf, *out)

    def _yml(self, node: SystemdNode) -> str:
        seeds = json.dumps([f"{peer.address}:{TRANSPORT_PORT}" for peer in self.nodes])
        masters = json.dumps([peer.name for peer in self.nodes])
        return f"""\
# ======================== Elasticsearch Configuration =========================
cluster.name: {self.name}
node.name: {node.name}
path.data: {node.folder}/data
path.logs: {node.logs}

network.host: {node.address}
http.port: {HTTP_PORT}
transport.port: {TRANSPORT_PORT}
discovery.seed_hosts: {seeds}
cluster.initial_master_nodes: {masters}

xpack.security.enabled: true
xpack.security.autoconfiguration.enabled: false
xpack.security.transport.ssl:
  enabled: true
  verification_mode: full
{_STORE_LINES if self.stores else _PEM_LINES}
xpack.security.http.ssl:
  enabled: true
  key: certs/http.key
  certificate: certs/http.crt

# what a small machine without a licence needs
node.portsfile: true
xpack.license.self_generated.type: trial
indices.breaker.total.use_real_memory: false
cluster.routing.allocation.disk.threshold_enabled: false
{self.yml}"""
