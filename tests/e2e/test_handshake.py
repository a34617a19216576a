"""Proof by handshake on real nodes, each on a host with a loopback of its own, with the daemon as it is run in the field.

What the daemon says is compared with what the test sees by itself: settings, keystores, sockets and the node's own log.
"""

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from syncd.adapters.local import dial
from syncd.adapters.tls import TlsHandshakes
from syncd.core.bundle import bundle_digest, read_trust_file
from syncd.core.proof.handshake import SERVER_NAME
from syncd.demo.pki import EckCa
from syncd.ports import Deadline, now
from tests.bed import paths
from tests.bed.authority import Authority
from tests.bed.elasticsearch import PASSWORD, QUICK_RELOAD, USER, EsNode, start_cluster
from tests.bed.namespaces import Namespaces
from tests.bed.sshd import Sshd, end_family, free_port, make_key
from tests.bed.waiting import wait_for

pytestmark = [pytest.mark.bed, pytest.mark.timeout(900)]
FILE, ALIAS = "remote-cluster-ca.crt", "syncd-proof"
SETTING = f"cluster.remote.{ALIAS}.credentials"
TRANSPORT = Authority.create("onprem-transport")
_YML = f"""\
node.store.allow_mmap: false
node.roles: {{roles}}
xpack.security.remote_cluster_client.ssl.enabled: true
xpack.security.remote_cluster_client.ssl.certificate_authorities: ["{FILE}"]
xpack.security.transport.ssl.enabled: true
xpack.security.transport.ssl.verification_mode: certificate
xpack.security.transport.ssl.certificate: node.crt
xpack.security.transport.ssl.key: node.key
xpack.security.transport.ssl.certificate_authorities: ["transport-ca.crt"]
{QUICK_RELOAD}"""
_DIALS, _ROLELESS = "[master, data, remote_cluster_client]", "[data]"


@dataclass
class Site:
    """A cluster of two nodes that dial and one that does not, and the daemon beside it."""

    folder: Path
    ca: EckCa
    nodes: list[EsNode]
    config: Path
    port: int
    daemon: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.folder / "syncd.log").open("ab") as log:
            command = [sys.executable, "-m", "syncd", "run", "--config", str(self.config)]
            self.daemon = subprocess.Popen(command, stdout=log, stderr=log)

    def kill(self) -> None:
        if self.daemon:
            self.daemon.send_signal(signal.SIGKILL)
            self.daemon.wait()
            self.daemon = None

    def publish(self, ca: EckCa) -> None:
        self.ca = ca
        (self.folder / "published.new").write_bytes(ca.pem)
        (self.folder / "published.new").rename(self.folder / "published.crt")

    def proven(self) -> dict[str, str]:
        """What the daemon says of each node that holds the newest CA."""
        with suppress(OSError, ValueError), urllib.request.urlopen(f"http://127.0.0.1:{self.port}/status") as answer:
            (cluster,) = json.load(answer)["clusters"]
            return {row["node"]: row["loaded"] for row in cluster["rows"] if self.holds(row["node"], row["bundle"])}
        return {}

    def holds(self, name: str, bundle: str | None) -> bool:
        """Whether a node's file has the newest CA, and is the one that is told of."""
        (node,) = [node for node in self.nodes if node.name == name]
        path = node.config / FILE
        certs = read_trust_file(path.read_bytes()).certs if path.exists() else ()
        return self.ca.cert in certs and bundle == bundle_digest(certs)[:16]

    def settings(self) -> dict[str, Any]:
        answer = self.nodes[0].api("GET", "/_cluster/settings?flat_settings=true")["persistent"]
        return {key: value for key, value in answer.items() if "proof" in key}

    def credentials(self) -> list[str]:
        """Names of nodes whose keystore holds the dummy credential."""
        return [node.name for node in self.nodes if SETTING in node.tool("elasticsearch-keystore", "list")]

    def both_proven(self) -> bool:
        said = self.proven()
        return {said.get(node.name) for node in self.nodes[:2]} == {"proven by handshake"}

    def seen_in_mid_proof(self) -> bool:
        """Publish a new key, and see the alias of its proof, which lives for a second: in one of three rounds."""
        return any(self._round() for _ in range(3))

    def _round(self) -> bool:
        self.publish(self.ca.rekey(now()))
        what = f"a proof under way or over, see {self.folder}/syncd.log"
        return wait_for(lambda: self._alias() or (self.both_proven() and "over"), 180, what, 0.02) == SERVER_NAME

    def _alias(self) -> str:
        return str(self.settings().get(f"cluster.remote.{ALIAS}.server_name", ""))

    def clean(self) -> bool:
        return not self.settings() and not self.credentials()


def _config(folder: Path, nodes: list[EsNode], hosts: list[Sshd], key: Path, port: int) -> Path:
    rows = [
        {
            "name": node.name,
            "address": host.address,
            "port": host.port,
            "layout": {
                "config_dir": str(node.config),
                "home": str(paths.elasticsearch(node.version)),
                "java_home": str(paths.java_home()),
            },
        }
        for node, host in zip(nodes, hosts, strict=True)
    ]
    (folder / "known_hosts").write_text("".join(host.known_host for host in hosts))
    (folder / "password").write_text(PASSWORD)
    source = {"kind": "file", "path": str(folder / "published.crt")}
    cluster = {
        "name": "onprem",
        "elasticsearch": {"urls": [nodes[0].url], "username": USER, "password_file": "password"},
        "nodes": rows,
        "transport": {"kind": "ssh", "user": "root", "key_file": str(key), "known_hosts_file": "known_hosts"},
        "remotes": [{"alias": "eck-prod", "source": source}],
        "state": {"kind": "file", "path": str(folder / "state.json")},
        "proof": "handshake",
    }
    body = {
        "clusters": [cluster],
        "telemetry": {"listen": f"127.0.0.1:{port}", "log_format": "console"},
        "intervals": {"probe": "3s", "reread": "10s"},
    }
    path = folder / "syncd.yaml"
    path.write_text(json.dumps(body))
    return path


@pytest.fixture
def site(open_folder: Path, need_netns: None, need_sshd: None, need_elasticsearch: None) -> Iterator[Site]:
    folder = open_folder
    folder.chmod(0o755)
    ca = EckCa.create(now())
    spaces = Namespaces(3)
    nodes: list[EsNode] = []
    hosts: list[Sshd] = []
    carriers: list[subprocess.Popen[bytes]] = []
    made: Site | None = None
    try:
        spaces.start()
        key, public = make_key(folder)
        for number, roles in enumerate((_DIALS, _DIALS, _ROLELESS), start=1):
            name, address, within = f"es-0{number}", spaces.address(number), spaces.within(number)
            leaf, leaf_key = TRANSPORT.leaf(name, address)
            files = {FILE: ca.pem, "node.crt": leaf, "node.key": leaf_key, "transport-ca.crt": TRANSPORT.pem}
            yml = _YML.format(roles=roles)
            node = EsNode(folder / name, name, "onprem", yml=yml, files=files, address=address, within=within)
            node.transport_host = "127.0.0.1"
            nodes.append(node)
            hosts.append(Sshd(folder / f"sshd-{number}", address, public, 2222, within=within).start())
        carriers += [_carrier(node, nodes) for node in nodes]
        start_cluster(nodes, masters=nodes[:2])
        port = free_port()
        made = Site(folder, ca, nodes, _config(folder, nodes, hosts, key, port), port)
        made.publish(ca)
        yield made
    finally:
        if made:
            made.kill()
        for host in hosts:
            host.stop()
        for node in nodes:
            node.stop()
        for carrier in carriers:
            end_family(carrier)
        spaces.stop()


def _carrier(node: EsNode, nodes: list[EsNode]) -> subprocess.Popen[bytes]:
    """Joins the loopback of a node's host to the others': each node has its transport port on all of them."""
    pairs = [f"{node.address}:{node.transport_port}=127.0.0.1:{node.transport_port}"]
    others = [other for other in nodes if other is not node]
    pairs += [f"127.0.0.1:{o.transport_port}={o.address}:{o.transport_port}" for o in others]
    return subprocess.Popen([*node.within, sys.executable, "-m", "tests.bed.forward", *pairs])


def test_each_dialing_process_proves_what_it_has_loaded_and_nothing_is_left_even_after_kill(site: Site) -> None:
    """Rotations, kill -9 while the alias is there, a foreign alias, and the names that the transport port accepts."""
    log = f"see {site.folder}/syncd.log"
    owners = [node.config.joinpath("elasticsearch.keystore").stat() for node in site.nodes]

    site.start()
    site.publish(site.ca.rekey(now()))
    wait_for(site.both_proven, 240, f"the new key proven by handshake, {log}")
    assert "handshake" not in site.proven().get("es-03", ""), "a node without the role is exempt"
    assert not [hold for hold in _holds(site) if hold["subject"] == "es-03" or "es-03" in hold["text"]], (
        "and holds nothing"
    )
    wait_for(site.clean, 120, f"nothing left of the proof, {log}")

    assert site.seen_in_mid_proof(), f"in no round was the alias seen, {log}"
    site.kill()
    assert site.credentials(), "the kill left something to clear"
    site.start()
    wait_for(site.both_proven, 240, f"proven by the next life, {log}")
    wait_for(site.clean, 120, f"what the kill left is gone, {log}")
    after = [node.config.joinpath("elasticsearch.keystore").stat() for node in site.nodes]
    assert [(s.st_uid, s.st_gid, s.st_mode) for s in after] == [(s.st_uid, s.st_gid, s.st_mode) for s in owners]

    foreign = {"mode": "proxy", "proxy_address": "10.213.77.254:1", "skip_unavailable": True}
    foreign_settings = {f"cluster.remote.{ALIAS}.{key}": value for key, value in foreign.items()}
    site.nodes[0].api("PUT", "/_cluster/settings", {"persistent": foreign_settings})
    site.publish(site.ca.rekey(now()))
    wait_for(lambda: "proof_alias_taken" in _rules(site), 60, f"a hold that names the foreign alias, {log}")
    assert set(site.settings()) == set(foreign_settings), "a foreign alias is left alone"
    assert not site.credentials()

    stream = dial(site.nodes[0].address, site.nodes[0].transport_port, Deadline.after(10))
    names = TlsHandshakes().accepted_names(stream, Deadline.after(10))
    stream.close()
    assert names == ("CN=onprem-transport",), "a real transport port names the CAs that it has loaded"
    assert PASSWORD not in (site.folder / "syncd.log").read_text()


def _rules(site: Site) -> set[str]:
    return {hold["rule"] for hold in _holds(site)}


def _holds(site: Site) -> list[dict[str, str]]:
    with suppress(OSError, ValueError), urllib.request.urlopen(f"http://127.0.0.1:{site.port}/status") as answer:
        return [hold for cluster in json.load(answer)["clusters"] for hold in cluster["holds"]]
    return []
