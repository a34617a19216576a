"""The heart of syncd on real servers: kube-apiserver, OpenSSH, Elasticsearch, and the daemon as it is run in the field.

Fresh connections are forced all the while, since open sockets hide broken trust. The same events without syncd must break
the link: else the test would prove nothing.
"""

import json
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from syncd.core.bundle import Cert, bundle_digest, read_trust_file
from syncd.demo.pki import EckCa
from syncd.ports import now
from tests.bed import paths
from tests.bed.elasticsearch import PASSWORD, USER
from tests.bed.kube import KubeApi
from tests.bed.link import ALIAS, FILE, Pair
from tests.bed.sshd import Sshd, free_port, make_key
from tests.bed.waiting import wait_for

pytestmark = [pytest.mark.bed, pytest.mark.timeout(900)]
NS, SECRET = "elastic", "quickstart-es-transport-certs-public"
_KUBELET_SECONDS = 10


@dataclass
class Site:
    """Everything around the daemon."""

    folder: Path
    kube: KubeApi
    pair: Pair
    hosts: list[Sshd]
    config: Path
    port: int
    daemon: subprocess.Popen[bytes] | None = None
    failures: list[str] = field(default_factory=list)
    rounds: int = 0

    def start(self) -> None:
        with (self.folder / "syncd.log").open("ab") as log:
            command = [sys.executable, "-m", "syncd", "run", "--config", str(self.config)]
            self.daemon = subprocess.Popen(command, stdout=log, stderr=log)

    def kill(self) -> None:
        if self.daemon:
            self.daemon.kill()
            self.daemon.wait()

    def terminate(self) -> float:
        """SIGTERM; seconds until it ended."""
        assert self.daemon
        began = time.monotonic()
        self.daemon.send_signal(signal.SIGTERM)
        self.daemon.wait(15)
        return time.monotonic() - began

    def publish(self, content: bytes) -> None:
        self.kube.put_secret(NS, SECRET, {"ca.crt": content})

    def status(self) -> dict[str, Any]:
        with suppress(OSError, ValueError), urllib.request.urlopen(f"http://127.0.0.1:{self.port}/status") as answer:
            document: dict[str, Any] = json.load(answer)
            return document
        return {"clusters": []}

    def rules(self) -> set[str]:
        return {hold["rule"] for cluster in self.status()["clusters"] for hold in cluster["holds"]}

    def trust(self, number: int) -> set[Cert]:
        return set(read_trust_file((self.pair.local[number].config / FILE).read_bytes()).certs)

    def proven(self, ca: Cert) -> bool:
        """Every node has the CA on disk and its process is proven to have loaded that very file."""
        rows = [row for cluster in self.status()["clusters"] for row in cluster["rows"]]
        digests = [bundle_digest(self.trust(number))[:16] for number in range(len(self.pair.local))]
        return (
            all(ca in self.trust(number) for number in range(len(self.pair.local)))
            and sorted(row["bundle"] or "" for row in rows) == sorted(digests)
            and all(row["loaded"].startswith("proven") for row in rows)
        )

    @contextmanager
    def fresh_connections(self) -> Iterator[None]:
        """Force and use fresh connections each second, and note what fails."""
        done = threading.Event()

        def go_on() -> None:
            while not done.wait(1):
                self.rounds += 1
                stamp = time.strftime("%H:%M:%S")
                self.failures += [f"{stamp} {failure}" for failure in self.pair.fresh(self.rounds)]

        worker = threading.Thread(target=go_on)
        worker.start()
        try:
            yield
        finally:
            done.set()
            worker.join()


def _config(folder: Path, kube: KubeApi, pair: Pair, hosts: list[Sshd], key: Path, port: int) -> Path:
    nodes = [
        {"name": node.name, "address": host.address, "port": host.port, "layout": {"config_dir": str(node.config)}}
        for node, host in zip(pair.local, hosts, strict=True)
    ]
    source = {"kind": "secret", "namespace": NS, "cluster": "quickstart"}
    (folder / "known_hosts").write_text("".join(host.known_host for host in hosts))
    (folder / "password").write_text(PASSWORD)
    state = f"state-{port}"  # the API server is shared by the tests
    body = {
        "kubernetes": {"kubeconfig": str(kube.kubeconfig)},
        "clusters": [
            {
                "name": "onprem",
                "elasticsearch": {
                    "urls": [node.url for node in pair.local],
                    "username": USER,
                    "password_file": "password",
                },
                "nodes": nodes,
                "transport": {
                    "kind": "ssh",
                    "user": "root",
                    "key_file": str(key),
                    "known_hosts_file": "known_hosts",
                    "become": "sudo",
                },
                "remotes": [{"alias": ALIAS, "source": source, "trust": {"overlap": "20s"}}],
                "state": {
                    "kind": "configmap",
                    "namespace": "syncd",
                    "name": state,
                },
            }
        ],
        "telemetry": {"listen": f"127.0.0.1:{port}", "log_format": "console"},
        "intervals": {"probe": "3s", "reread": "10s"},
    }
    path = folder / "syncd.yaml"
    path.write_text(json.dumps(body))
    return path


@pytest.fixture(params=[paths.NEWEST, paths.OLDEST])
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def site(open_folder: Path, kube: KubeApi, version: str, need_sshd: None, need_elasticsearch: None) -> Iterator[Site]:
    folder = open_folder
    ca = EckCa.create(now())
    nodes = 2 if version == paths.NEWEST else 1
    pair = Pair.start(folder, ca, nodes, version, ca.pem)
    key, public = make_key(folder)
    hosts = [Sshd(folder / f"sshd-{n}", f"127.0.1.{n}", public).start() for n in range(1, nodes + 1)]
    port = free_port()
    made = Site(folder, kube, pair, hosts, _config(folder, kube, pair, hosts, key, port), port)
    made.publish(ca.pem)
    kube.put_elasticsearch(NS, "quickstart", 1)
    yield made
    made.kill()
    for host in hosts:
        host.stop()
    pair.stop()


@pytest.mark.parametrize("version", [paths.NEWEST], indirect=True)
def test_no_fresh_connection_fails_through_rotations_and_faults(site: Site) -> None:
    pair, first = site.pair, site.pair.ca
    wait_for(pair.linked, 60, "the link")
    site.start()
    wait_for(lambda: site.proven(first.cert), 60, f"onboarding proven; see {site.folder}/syncd.log")
    with site.fresh_connections():
        renewed = first.renew(now())
        site.publish(renewed.pem)
        pair.serve(renewed)
        wait_for(lambda: site.proven(renewed.cert), 30, "the same-key renewal proven")

        second = renewed.rekey(now())
        site.publish(second.pem)
        time.sleep(_KUBELET_SECONDS)  # the one thing that is a time: a kubelet's delay
        pair.serve(second)
        wait_for(lambda: site.proven(second.cert), 30, "the new key proven")

        for content in (b"", b"garbage", second.pem[:300]):
            trusted = site.trust(0)
            site.publish(content)
            wait_for(lambda: any(rule.startswith("source_") for rule in site.rules()), 20, "a hold that names it")
            assert site.trust(0) >= trusted - {first.cert, renewed.cert}
        site.kube.delete_secret(NS, SECRET)
        wait_for(lambda: "nothing_published" in site.rules(), 20, "a hold that names the deleted Secret")
        site.publish(second.pem)

        site.hosts[1].stop()
        third = second.renew(now())
        site.publish(third.pem)
        wait_for(lambda: third.cert in site.trust(0) and third.cert not in site.trust(1), 20, "one node is away")
        site.hosts[1].start()
        wait_for(lambda: site.proven(third.cert), 60, "the node that was away is proven")

        site.kube.stop_api()
        site.kube.start_api()
        fourth = third.rekey(now())
        site.publish(fourth.pem)
        wait_for(lambda: fourth.cert in site.trust(0) or fourth.cert in site.trust(1), 40, "the write is under way")
        site.kill()
        site.start()
        wait_for(lambda: site.proven(fourth.cert), 60, "proven by the next life")
        pair.serve(fourth)
        wait_for(lambda: site.trust(0) == site.trust(1) == {fourth.cert}, 120, "old CAs retired")
        wait_for(lambda: site.proven(fourth.cert), 30, "and the rest proven")
    assert not site.failures
    assert site.rounds > 30
    assert site.terminate() < 10


@pytest.mark.parametrize("version", [paths.NEWEST], indirect=True)
def test_the_same_new_key_breaks_the_link_without_syncd(site: Site) -> None:
    pair = site.pair
    wait_for(pair.linked, 60, "the link")
    with site.fresh_connections():
        wait_for(lambda: site.rounds > 1, 20, "fresh connections")
        assert not site.failures
        second = pair.ca.rekey(now())
        site.publish(second.pem)
        pair.serve(second)
        wait_for(lambda: site.failures, 30, "a fresh connection that fails")


@pytest.mark.parametrize("version", [paths.OLDEST], indirect=True)
def test_a_new_key_reaches_the_oldest_elasticsearch(site: Site) -> None:
    wait_for(site.pair.linked, 60, "the link")
    site.start()
    second = site.pair.ca.rekey(now())
    wait_for(lambda: site.proven(site.pair.ca.cert), 60, "onboarding proven")
    site.publish(second.pem)
    wait_for(lambda: site.proven(second.cert), 30, "the new key proven")
    site.pair.serve(second)
    with site.fresh_connections():
        wait_for(lambda: site.rounds > 10, 60, "fresh connections")
    assert not site.failures
