"""From a bare elasticsearch.yml to a working link, on real servers, for both security models; renewals; leaving.

Three nodes of a real systemd, reached by SSH and sudo, an ECK-like remote, a real kube-apiserver, the real daemon. An index
with a replica is searched and written while nodes are restarted.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from syncd.core.eck.mirror_text import read_mirror
from syncd.ports import now
from tests.bed.authority import Authority
from tests.bed.eck import NS
from tests.bed.estate import ALIAS, MIRROR, Estate, run_estate
from tests.bed.load import Load
from tests.bed.pytest_plugin import need
from tests.bed.waiting import wait_for

pytestmark = [pytest.mark.bed, pytest.mark.timeout(1200)]
ALLOCATION = "cluster.routing.allocation.enable"
RECORD = "cluster.metadata.syncd.restart"


@pytest.fixture(scope="module", params=["certificate", "api_key"])
def site(request: pytest.FixtureRequest, open_folder_of_module: Path) -> Iterator[Estate]:
    need(request, "systemd", "sshd", "sudo", "elasticsearch", "kube")
    folder = open_folder_of_module / request.param
    folder.mkdir(mode=0o755)
    with run_estate(folder, request.getfixturevalue("_kube_session"), request.param, network="127.0.7") as made:
        yield made


def fresh(site: Estate, rounds: int = 4) -> list[str]:
    return [failure for number in range(rounds) for failure in site.fresh(number)]


def test_a_bare_cluster_gets_its_link_with_one_restart_a_node(site: Estate) -> None:
    load = Load(site.cluster)
    load.prepare()
    before, began = site.starts(), time.monotonic()
    with load.going_on():
        site.configure().start()
        site.await_settled(900)
        took = time.monotonic() - began
    assert site.starts() == {name: count + 1 for name, count in before.items()}, "each node once"
    assert not load.stray(), "nobody noticed but who spoke to the node that was restarted"
    assert "red" not in load.healths
    assert ALLOCATION not in site.settings(), "it was not set before"
    assert RECORD not in site.settings()
    assert not fresh(site)
    sys.stdout.write(
        f"{site.model}: bare to proven in {took:.0f} s; {load.requests} requests, {len(load.failures)} failed, all of them "
        "at the node that was being restarted\n"
    )


def test_then_nothing_is_done_any_more(site: Estate) -> None:
    """Seen from the servers' side: no setting, no object, no file, no start."""

    def world() -> object:
        files = [path for node in site.cluster.nodes for path in node.config.iterdir()]
        objects = [site.kube.request("GET", f"/api/v1/namespaces/{ns}/configmaps")["items"] for ns in (NS, "syncd")]
        versions = [
            (item["metadata"]["name"], item["metadata"]["resourceVersion"]) for each in objects for item in each
        ]
        return site.settings(), site.starts(), versions, [(path, path.stat().st_mtime_ns) for path in files]

    wait_for(lambda: not site.rules() - {"overlap"}, 120, "everything settled", 0.5)
    before, passes = world(), site.passes()
    wait_for(lambda: site.passes() > passes + 3, 120, "more passes", 0.5)
    assert world() == before
    plan = site.syncd("plan")
    assert plan.returncode == 0, plan.stdout + plan.stderr


def test_each_sides_renewals_break_no_fresh_connection(site: Estate) -> None:
    """ECK's CA with the same key and with a new one, the leaf ten seconds later; then ours, replaced by another."""
    site.remote.publish(site.remote.ca.renew(now()))
    site.await_trust(site.remote.ca.cert)
    site.remote.follow()
    assert not fresh(site, 2)
    site.remote.publish(site.remote.ca.rekey(now()))
    site.await_trust(site.remote.ca.cert)
    site.remote.follow()
    assert not fresh(site, 3)
    if site.model == "certificate":
        _renew_own_ca(site)
        _replace_own_ca(site)


def _renew_own_ca(site: Estate) -> None:
    """The same key: the nodes' leaves verify with either certificate, and the old one leaves by proof."""
    old = site.cluster.transport_ca
    site.cluster.transport_ca = renewed = old.renew()
    _trust_each_other(site, renewed)
    _await_published(site, renewed, old)


def _replace_own_ca(site: Estate) -> None:
    """As Elasticsearch's documentation says: the next CA beside the old one, new leaves, the old CA out."""
    old, new = site.cluster.transport_ca, Authority.create("next transport CA of the bed")
    _trust_each_other(site, old, new)
    wait_for(lambda: new.pem.decode() in site.mirror(), 120, "the next CA in the mirror", 0.5)
    assert old.pem.decode() in site.mirror()
    site.await_shown_there(new)
    for node in site.cluster.nodes:
        cert, key = new.leaf(node.name, node.address)
        site.cluster.put_together(node, {"certs/transport.key": key, "certs/transport.crt": cert})
    assert not fresh(site, 3), "with the old leaves or the new ones"
    site.await_presented(new)
    assert not fresh(site, 3)
    _trust_each_other(site, new)
    _await_published(site, new, old)


def _trust_each_other(site: Estate, *cas: Authority) -> None:
    for node in site.cluster.nodes:
        site.cluster.put(node, "certs/transport-ca.crt", b"".join(ca.pem for ca in cas))


def _await_published(site: Estate, new: Authority, old: Authority) -> None:
    """The new one alone, and no fresh connection fails."""
    wait_for(lambda: old.pem.decode() not in site.mirror(), 300, "the old CA left the mirror, by proof", 0.5)
    assert new.pem.decode() in site.mirror()
    assert not fresh(site, 3)


def test_a_mirror_that_is_deleted_is_back_at_once(site: Estate) -> None:
    if site.model != "certificate":
        pytest.skip("only the certificate model has a mirror")
    before = read_mirror(site.mirror()).certs
    assert before
    site.kube.request("DELETE", MIRROR)
    began = time.monotonic()
    wait_for(site.mirror, 20, "the mirror", 0.1)
    sys.stdout.write(f"the mirror was back after {time.monotonic() - began:.1f} s\n")
    assert {*before} <= {*read_mirror(site.mirror()).certs}


def test_a_remote_that_is_forgotten_leaves_nothing_behind(site: Estate) -> None:
    """Settings, credential, yml, one more restart a node, and last the file."""
    starts = site.starts()
    site.kill()
    site.configure(remotes=[]).start()
    wait_for(lambda: "remote_removed" in site.rules(), 60, "what is left is told", 0.5)
    assert site.starts() == starts, "a changed configuration deletes nothing"
    done = site.syncd("forget", ALIAS, "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    name = "remote-transport-ca.crt" if site.model == "certificate" else "remote-cluster-ca.crt"
    files = [node.config / name for node in site.cluster.nodes]
    wait_for(lambda: not any(path.exists() for path in files), 900, "the file gone everywhere", 1)
    assert site.starts() == {node: count + 1 for node, count in starts.items()}
    assert not [key for key in site.settings() if key.startswith(f"cluster.remote.{ALIAS}.")]
    assert name not in "".join((node.config / "elasticsearch.yml").read_text() for node in site.cluster.nodes)
    for node in site.cluster.nodes:
        assert ALIAS not in site.cluster.tool(node, "elasticsearch-keystore", "list")
    site.cluster.wait_green()
