"""Elasticsearch is ill in one way after another, on one real cluster, with the daemon as it is run in the field.

The property is the same in each: a newly published CA is written to every reachable node's file at once, whatever the
cluster says; no old CA leaves before it is proven unneeded; the hold has its name; and it settles when the fault is over.
"""

import json
import os
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

from syncd.core.bundle import Cert, bundle_digest, read_trust_file
from syncd.demo.pki import EckCa
from syncd.ports import now
from tests.bed import paths
from tests.bed.elasticsearch import PASSWORD, QUICK_RELOAD, EsNode
from tests.bed.link import ALIAS, FILE, Pair
from tests.bed.pytest_plugin import need
from tests.bed.sshd import Sshd, children, free_port, make_key
from tests.bed.waiting import wait_for

pytestmark = [pytest.mark.bed, pytest.mark.timeout(900)]
_KEEPER = "keeper"
"""The user that the daemon asks as; the test itself asks as another."""
_OVERLAP = 2
_AT_ONCE = 40
"""Seconds for a pass and its writes on a loaded machine; the faults last longer than that."""
_SETTLED = 120


@dataclass
class Site:
    """Two nodes that are linked to a remote, and the daemon beside them."""

    folder: Path
    pair: Pair
    hosts: list[Sshd]
    port: int
    ca: EckCa
    daemon: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.folder / "syncd.log").open("ab") as log:
            command = [sys.executable, "-m", "syncd", "run", "--config", str(self.folder / "syncd.yaml")]
            self.daemon = subprocess.Popen(command, stdout=log, stderr=log)

    def stop(self) -> None:
        if self.daemon:
            self.daemon.kill()
            self.daemon.wait()
        for node in self.pair.local:
            send(node, signal.SIGCONT)
        for host in self.hosts:
            host.stop()
        self.pair.stop()

    @property
    def log(self) -> str:
        return f"see {self.folder}/syncd.log"

    def publish(self, ca: EckCa) -> None:
        """ECK publishes a CA."""
        self.ca = ca
        (self.folder / "published.new").write_bytes(self.ca.pem)
        (self.folder / "published.new").rename(self.folder / "published.crt")

    def cluster(self) -> dict[str, Any]:
        """What the daemon says of the cluster; empty while it does not answer."""
        with suppress(OSError, ValueError), urllib.request.urlopen(f"http://127.0.0.1:{self.port}/status") as answer:
            found: list[dict[str, Any]] = json.load(answer)["clusters"]
            return found[0] if found else {}
        return {}

    def holds(self) -> set[tuple[str, str]]:
        """(subject, rule) of each hold."""
        return {(hold["subject"], hold["rule"]) for hold in self.cluster().get("holds", ())}

    def loaded(self, name: str) -> str:
        return str(next((row["loaded"] for row in self.cluster().get("rows", ()) if row["node"] == name), ""))

    def trust(self) -> list[set[Cert]]:
        """The CAs in each node's file."""
        return [set(read_trust_file((node.config / FILE).read_bytes()).certs) for node in self.pair.local]

    def rotate(self) -> tuple[Cert, Cert]:
        """Publish one with a new key, and see it beside the old one in every file at once: (old, new)."""
        old = self.ca.cert
        self.publish(self.ca.rekey(now()))
        new = self.ca.cert
        wait_for(lambda: all({old, new} <= held for held in self.trust()), _AT_ONCE, f"the new CA, {self.log}", 0.2)
        return old, new

    def settled(self) -> bool:
        """Every file holds what is published and nothing else, and each process is proven to have loaded it."""
        told = self.cluster()
        rows = [(row["bundle"], row["loaded"][:6]) for row in told.get("rows", ())]
        return (
            all(held == {self.ca.cert} for held in self.trust())
            and rows == [(bundle_digest([self.ca.cert])[:16], "proven")] * len(self.pair.local)  # of the file as it is
            and not told["holds"]
        )

    def settle(self) -> None:
        """The remote serves what is published, and everything comes right by itself."""
        self.pair.serve(self.ca)
        wait_for(self.settled, _SETTLED, f"settled, {self.log}", 0.5)


def send(node: EsNode, number: signal.Signals) -> None:
    """Signal a node's launcher and JVM."""
    process = node._process
    for pid in (process.pid, *children(process.pid)) if process else ():
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _config(folder: Path, pair: Pair, hosts: list[Sshd], key: Path, port: int) -> None:
    nodes = [
        {"name": node.name, "address": host.address, "port": host.port, "http_url": node.url,
         "layout": {"config_dir": str(node.config)}}
        for node, host in zip(pair.local, hosts, strict=True)
    ]  # fmt: skip
    (folder / "known_hosts").write_text("".join(host.known_host for host in hosts))
    (folder / "password").write_text(PASSWORD)
    urls, source = [node.url for node in pair.local], {"kind": "file", "path": str(folder / "published.crt")}
    cluster = {
        "name": "onprem",
        "elasticsearch": {"urls": urls, "username": _KEEPER, "password_file": "password"},
        "nodes": nodes,
        "transport": {"kind": "ssh", "user": "root", "key_file": str(key), "known_hosts_file": "known_hosts"},
        "remotes": [{"alias": ALIAS, "source": source, "trust": {"overlap": f"{_OVERLAP}s", "endpoints": 1}}],
        "state": {"kind": "file", "path": str(folder / "state.json")},
    }
    body = {
        "clusters": [cluster],
        "telemetry": {"listen": f"127.0.0.1:{port}", "log_format": "console"},
        "intervals": {"probe": "3s", "reread": "10s"},
    }
    (folder / "syncd.yaml").write_text(json.dumps(body))


@pytest.fixture(scope="module")
def site(request: pytest.FixtureRequest, open_folder_of_module: Path) -> Iterator[Site]:
    need(request, "elasticsearch", "sshd")
    folder, ca = open_folder_of_module, EckCa.create(now())
    pair = Pair.start(folder, ca, 2, paths.NEWEST, ca.pem, QUICK_RELOAD)
    for node in pair.local:
        node.tool("elasticsearch-users", "useradd", _KEEPER, "-p", PASSWORD, "-r", "superuser")
    key, public = make_key(folder)
    hosts = [Sshd(folder / f"sshd-{n}", f"127.0.1.{20 + n}", public).start() for n in (1, 2)]
    made = Site(folder, pair, hosts, free_port(), ca)
    _config(folder, pair, hosts, key, made.port)
    made.publish(ca)
    made.start()
    try:
        made.settle()
        yield made
    finally:
        made.stop()


def test_a_red_cluster_gets_its_trust_and_its_proof_all_the_same(site: Site) -> None:
    """Promise 1: adding trust needs only the published CA and the node's file, never the cluster's health."""
    nowhere = {"settings": {"index.routing.allocation.require._name": "nobody", "number_of_replicas": 0}}
    one = site.pair.local[0]
    one.api("PUT", "/red?wait_for_active_shards=0&timeout=1s", nowhere)
    wait_for(lambda: one.api("GET", "/_cluster/health")["status"] == "red", 30, "a red cluster")
    site.rotate()
    site.settle()
    assert one.api("GET", "/_cluster/health")["status"] == "red", "it was red all the while"
    one.api("DELETE", "/red")


def test_a_node_that_does_not_answer_gets_its_trust_and_keeps_the_old_one(site: Site) -> None:
    """Its JVM is stopped: connections are accepted and nothing comes. Its host answers, so its file is written."""
    frozen = site.pair.local[1]
    send(frozen, signal.SIGSTOP)
    try:
        old, _ = site.rotate()
        site.pair.serve(site.ca)
        wait_for(lambda: (frozen.name, "es_unreachable") in site.holds(), 60, f"a hold that names it, {site.log}")
        wait_for(lambda: (ALIAS, "successor_proven") in site.holds(), 60, f"what keeps the old CA, {site.log}")
        assert all(old in held for held in site.trust()), "nothing retires on what is not known"
    finally:
        send(frozen, signal.SIGCONT)
    site.settle()


def test_a_password_that_was_changed_stops_no_trust_and_retires_nothing(site: Site) -> None:
    before = [(node.config / "users").read_text() for node in site.pair.local]
    hashed = dict(line.split(":") for line in before[0].split())
    other = "a-password-that-nobody-was-told"
    for node in site.pair.local:
        node.tool("elasticsearch-users", "passwd", _KEEPER, "-p", other)
    assert hashed[_KEEPER] not in (site.pair.local[0].config / "users").read_text()
    wait_for(lambda: ("onprem", "es_unauthorized") in site.holds(), 60, f"a hold that names it, {site.log}")
    old, _ = site.rotate()
    site.pair.serve(site.ca)
    wait_for(lambda: (ALIAS, "successor_proven") in site.holds(), 60, f"what keeps the old CA, {site.log}")
    assert all(old in held for held in site.trust()), "nothing retires on what is not known"
    (site.folder / "password").write_text(other)
    site.settle()
    assert other not in (site.folder / "syncd.log").read_text()


def test_a_node_that_dies_in_mid_proof_leaves_no_master_and_its_last_word_proves_nothing(site: Site) -> None:
    """Its file is written while its process cannot load it; the process ends; the other node is without a master.

    A line in its log that tells of a reload is the old process's: the new one must prove for itself.
    """
    dying, other = _voting_first(site.pair.local)
    send(dying, signal.SIGSTOP)
    old, _ = site.rotate()
    with next((dying.folder / "logs").glob("onprem.log")).open("a") as log:
        path = dying.config / FILE
        log.write(
            f"[x][INFO ][o.e.x.c.s.SSLConfigurationReloader] [x] updated 1 ssl contexts in 6ms using file [{path}]\n"
        )
    dying.stop()
    named = {("onprem", "es_unhealthy"), ("onprem", "es_unreachable")}  # by the URL that was asked first
    wait_for(lambda: named & site.holds(), 90, f"a hold that names the lack, {site.log}")
    second, _ = site.rotate()
    site.pair.serve(site.ca)
    wait_for(lambda: (dying.name, "es_unreachable") in site.holds(), 60, f"a hold that names the node, {site.log}")
    assert site.loaded(dying.name) == "not proven"
    assert all({old, second} <= held for held in site.trust()), "nothing retires on what is not known"
    assert _health_is_refused(other), "it was without a master all the while"
    dying.start().ready()
    site.settle()
    started = dying.api("GET", "/_nodes/_local/jvm")["nodes"].popitem()[1]["jvm"]["start_time_in_millis"]
    proofs = json.loads((site.folder / "state.json").read_text())["proofs"]
    assert {proof["process_started"] for proof in proofs if proof["node"] == dying.name} == {started}


def _voting_first(nodes: list[EsNode]) -> list[EsNode]:
    """Of two masters Elasticsearch lets one vote: without that one the other has no master."""
    path = "/_cluster/state/metadata?filter_path=metadata.cluster_coordination.last_committed_config"
    voting = nodes[0].api("GET", path)["metadata"]["cluster_coordination"]["last_committed_config"]
    ids = {node.name: next(iter(node.api("GET", "/_nodes/_local")["nodes"])) for node in nodes}
    return sorted(nodes, key=lambda node: ids[node.name] not in voting)


def _health_is_refused(node: EsNode) -> bool:
    with suppress(Exception):
        node.api("GET", "/_cluster/health?timeout=1s&master_timeout=1s")
        return False
    return True
