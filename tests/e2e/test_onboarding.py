"""From a bare elasticsearch.yml to a working link, on real servers, for both security models; renewals; leaving.

Three nodes of a real systemd, reached by SSH and sudo, an ECK-like remote, a real kube-apiserver, the real daemon. An index
with a replica is searched and written while nodes are restarted. One cluster serves both models, one after the other: the
second finds it as bare as the first did, since the first was forgotten.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from syncd.core import yml
from syncd.core.bundle import parse_cert
from syncd.core.eck.mirror_text import read_mirror
from syncd.ports import now
from tests.bed.authority import Authority
from tests.bed.eck import NS
from tests.bed.estate import ALIAS, MIRROR, Estate, run_estate
from tests.bed.fresh import FreshConnections
from tests.bed.load import Load
from tests.bed.pytest_plugin import need
from tests.bed.waiting import wait_for

pytestmark = [pytest.mark.bed, pytest.mark.timeout(1200)]
ALLOCATION = "cluster.routing.allocation.enable"
RECORD = "cluster.metadata.syncd.restart"


FILES = {"certificate": "remote-transport-ca.crt", "api_key": "remote-cluster-ca.crt"}


@pytest.fixture(scope="module")
def estate(request: pytest.FixtureRequest, open_folder_of_module: Path) -> Iterator[Estate]:
    need(request, "systemd", "sshd", "sudo", "elasticsearch", "kube")
    kube = request.getfixturevalue("_kube_session")
    with run_estate(open_folder_of_module, kube, "certificate", network="127.0.7") as made:
        Load(made.cluster).prepare()
        yield made


@pytest.fixture(scope="module")
def as_laid_out(estate: Estate) -> dict[str, dict[str, object]]:
    """What each elasticsearch.yml says before anything is done."""
    return settings_of_files(estate)


@pytest.fixture(scope="module", params=list(FILES))
def site(request: pytest.FixtureRequest, estate: Estate, as_laid_out: object) -> Estate:
    """The cluster, and no daemon yet."""
    estate.end()
    return estate.become(request.param)


def settings_of_files(site: Estate) -> dict[str, dict[str, object]]:
    texts = {node.name: (node.config / "elasticsearch.yml").read_text() for node in site.cluster.nodes}
    return {name: dict(yml.read(text).values) for name, text in texts.items()}


def fresh(site: Estate, rounds: int = 4) -> list[str]:
    return [failure for number in range(rounds) for failure in site.fresh(number)]


def test_the_cluster_is_bare_at_first(site: Estate, as_laid_out: dict[str, dict[str, object]]) -> None:
    """No file, no line and no credential of any remote, and no link: also after the other model was there."""
    assert settings_of_files(site) == as_laid_out
    assert not [path for node in site.cluster.nodes for path in node.config.glob("remote-*")]
    assert not [path for node in site.cluster.nodes for path in node.config.glob("*.syncd-*")]
    for node in site.cluster.nodes:
        assert ALIAS not in site.cluster.tool(node, "elasticsearch-keystore", "list")
        assert not site.cluster.api("GET", "/_remote/info", node=node)[ALIAS]["connected"]


def test_a_bare_cluster_gets_its_link_with_one_restart_a_node(site: Estate) -> None:
    load, nodes = Load(site.cluster), {node.name for node in site.cluster.nodes}
    before, began = site.starts(), time.monotonic()
    with load.going_on():
        site.configure().start()
        site.await_settled(900)
        took = time.monotonic() - began
    assert site.starts() == {name: count + 1 for name, count in before.items()}, "each node once"
    assert not load.stray(), "nobody noticed but who spoke to the node that was restarted"
    assert {"green", "yellow"} >= load.healths > {"yellow"}, "looked at all the while, and never red"
    assert {name for _, name in load.open_restarts} == nodes, "each restart was seen while it was open"
    assert load.requests > 2 * took, "the cluster was in use all the while"
    assert ALLOCATION not in site.settings(), "it was not set before"
    assert RECORD not in site.settings()
    assert not fresh(site)
    sys.stdout.write(
        f"{site.model}: bare to proven in {took:.0f} s; {load.requests} requests, {len(load.failures)} failed, all of them "
        "at the node that was being restarted\n"
    )


def looked(site: Estate, verb: str) -> CompletedProcess[str]:
    """What a verb says that looks for itself. On a busy machine a look may come late, and then it says so: once more."""

    def look() -> CompletedProcess[str]:
        done = site.syncd(verb)
        if "has not answered yet" in done.stdout:
            raise TimeoutError(done.stdout)
        return done

    return wait_for(look, 240, f"{verb} with an answer of every node", 1)


def test_then_nothing_is_done_any_more(site: Estate) -> None:
    """Seen from the servers' side: no setting, no object, no file, no start."""

    def world() -> object:
        files = [path for node in site.cluster.nodes for path in node.config.iterdir()]
        objects = [site.kube.request("GET", f"/api/v1/namespaces/{ns}/configmaps")["items"] for ns in (NS, "syncd")]
        versions = [
            (item["metadata"]["name"], item["metadata"]["resourceVersion"]) for each in objects for item in each
        ]
        return site.settings(), site.starts(), versions, [(path, path.stat().st_mtime_ns) for path in files]

    wait_for(lambda: site.settled() and not site.rules(), 120, "everything settled, and nothing waits", 0.5)
    before, passes = world(), site.passes()
    wait_for(lambda: site.passes() > passes + 3, 120, "more passes", 0.5)
    assert world() == before
    plan = looked(site, "plan")
    assert plan.returncode == 0, plan.stdout + plan.stderr


def test_each_sides_renewals_break_no_fresh_connection(site: Estate) -> None:
    """ECK's CA with the same key and with a new one, the leaf when that is proven; then ours, replaced by another.

    Fresh connections are forced and used all the while.
    """
    with FreshConnections(site.fresh).going_on() as used:
        site.remote.publish(site.remote.ca.renew(now()))
        site.await_trust(site.remote.ca.cert)
        site.remote.follow()
        assert used.good(2), used.failures
        site.remote.publish(site.remote.ca.rekey(now()))
        site.await_trust(site.remote.ca.cert)
        site.remote.follow()
        assert used.good(3), used.failures
        if site.model == "certificate":
            _renew_own_ca(site, used)
            _replace_own_ca(site, used)
    assert not used.failures


def _renew_own_ca(site: Estate, used: FreshConnections) -> None:
    """The same key: the nodes' leaves verify with either certificate, and the old one leaves by proof."""
    old = site.cluster.transport_ca
    site.cluster.transport_ca = renewed = old.renew()
    _trust_each_other(site, renewed)
    _await_published(site, renewed, old)
    assert used.good(3), used.failures


def _replace_own_ca(site: Estate, used: FreshConnections) -> None:
    """As Elasticsearch's documentation says: the next CA beside the old one, new leaves, the old CA out."""
    old, new = site.cluster.transport_ca, Authority.create("next transport CA of the bed")
    _trust_each_other(site, old, new)
    wait_for(lambda: new.pem.decode() in site.mirror(), 120, "the next CA in the mirror", 0.5)
    assert old.pem.decode() in site.mirror()
    site.await_shown_there(new)
    for node in site.cluster.nodes:
        cert, key = new.leaf(node.name, node.address)
        site.cluster.put_together(node, {"certs/transport.key": key, "certs/transport.crt": cert})
    assert used.good(3), ("with the old leaves or the new ones", used.failures)
    site.await_presented(new)
    assert used.good(3), used.failures
    _trust_each_other(site, new)
    _await_published(site, new, old)
    assert used.good(3), used.failures
    site.cluster.transport_ca = new


def _trust_each_other(site: Estate, *cas: Authority) -> None:
    for node in site.cluster.nodes:
        site.cluster.put(node, "certs/transport-ca.crt", b"".join(ca.pem for ca in cas))


def _await_published(site: Estate, new: Authority, old: Authority) -> None:
    """The new one alone."""
    wait_for(lambda: old.pem.decode() not in site.mirror(), 300, "the old CA left the mirror, by proof", 0.5)
    assert new.pem.decode() in site.mirror()


def test_another_api_key_is_used_by_each_node_without_a_restart(site: Estate) -> None:
    """The id of the key in use is what the remote itself says; the one before is not needed any more."""
    if site.model != "api_key":
        pytest.skip("only this model has an API key")
    nodes, before, first = [node.name for node in site.cluster.nodes], site.starts(), site.key_id
    assert site.keys_in_use() == dict.fromkeys(nodes, first)
    second = site.give_key()
    wait_for(lambda: site.keys_in_use() == dict.fromkeys(nodes, second), 180, "the second key in use everywhere", 1)
    site.remote.node.api("DELETE", "/_security/api_key", {"ids": [first]})
    assert not fresh(site), "who still used the first key would be refused"
    site.await_settled(60)
    assert site.starts() == before


def test_what_is_settled_is_told_everywhere(site: Estate) -> None:
    """By exit codes, by Events on the Secret, and by a metric for each node's process."""
    wait_for(lambda: site.settled() and not site.rules(), 120, "everything settled, and nothing waits", 0.5)
    for done in (site.syncd("status"), looked(site, "check")):
        assert done.returncode == 0, done.stdout + done.stderr
    assert {event["source"]["component"] for event in site.events()} == {"syncd"}
    context = {"certificate": "transport", "api_key": "remote_cluster_client"}[site.model]
    lines = [line for line in site.page("/metrics").splitlines() if line.startswith("syncd_node_loaded{")]
    assert sorted(lines) == [
        f'syncd_node_loaded{{cluster="onprem",context="{context}",node="{node.name}"}} 1.0'
        for node in site.cluster.nodes
    ]


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
    starts, published = site.starts(), site.mirror()
    site.end()
    site.configure(remotes=[]).start()
    wait_for(lambda: "remote_removed" in site.rules(), 60, "what is left is told", 0.5)
    assert site.starts() == starts, "a changed configuration deletes nothing"
    done = site.syncd("forget", ALIAS, "--yes", timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    name = FILES[site.model]
    files = [node.config / name for node in site.cluster.nodes]
    wait_for(lambda: not any(path.exists() for path in files), 900, "the file gone everywhere", 1)
    assert site.starts() == {node: count + 1 for node, count in starts.items()}
    assert not [key for key in site.settings() if key.startswith(f"cluster.remote.{ALIAS}.")]
    assert name not in "".join((node.config / "elasticsearch.yml").read_text() for node in site.cluster.nodes)
    for node in site.cluster.nodes:
        assert ALIAS not in site.cluster.tool(node, "elasticsearch-keystore", "list")
    site.cluster.wait_green()
    assert site.mirror() == published, "ECK's other readers may need it"
    if site.model == "certificate":
        own = parse_cert(site.cluster.transport_ca.cert.public_bytes(Encoding.DER))
        assert own in read_mirror(published).certs
