"""The heart of syncd on real servers: kube-apiserver, OpenSSH, Elasticsearch, and the daemon as it is run in the field.

Fresh connections are forced all the while, since open sockets hide broken trust. The same events without syncd must break
the link: else the test would prove nothing.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from syncd.ports import now
from tests.bed import paths
from tests.bed.kube import KubeApi
from tests.bed.site import NS, SECRET, Site, run_site
from tests.bed.waiting import wait_for

pytestmark = [pytest.mark.bed, pytest.mark.timeout(900)]
_KUBELET_SECONDS = 10


@pytest.fixture(params=[paths.NEWEST, paths.OLDEST])
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def site(open_folder: Path, kube: KubeApi, version: str, need_sshd: None, need_elasticsearch: None) -> Iterator[Site]:
    with run_site(open_folder, kube, version, 2 if version == paths.NEWEST else 1) as made:
        yield made


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
