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
from tests.bed.fresh import FreshConnections
from tests.bed.pytest_plugin import need
from tests.bed.site import NS, SECRET, Site, run_site
from tests.bed.waiting import wait_for

pytestmark = [pytest.mark.bed, pytest.mark.timeout(900)]
_KUBELET_SECONDS = 10


@pytest.fixture(scope="module")
def site_of_version(request: pytest.FixtureRequest, open_folder_of_module: Path) -> Iterator[Site]:
    """Two nodes of the newest Elasticsearch, one of the oldest."""
    need(request, "kube", "sshd", "sudo", "elasticsearch")
    folder, version = open_folder_of_module / request.param, str(request.param)
    folder.mkdir()
    kube = request.getfixturevalue("_kube_session")
    with run_site(folder, kube, version, 2 if version == paths.NEWEST else 1) as made:
        yield made


@pytest.fixture
def site(site_of_version: Site) -> Iterator[Site]:
    """Without the daemon, before and after."""
    site_of_version.kill()
    yield site_of_version
    site_of_version.kill()


def mended(site: Site) -> None:
    """A good Secret again, and it has been read: what is told from then on is of what comes then."""
    wait_for(lambda: site.page("/status") and not refused(site), 60, "a Secret that is read again")


def refused(site: Site) -> list[str]:
    return [rule for rule in site.rules() if rule.startswith("source_")]


@pytest.mark.parametrize("site_of_version", [paths.NEWEST], indirect=True)
def test_no_fresh_connection_fails_through_rotations_and_faults(site: Site) -> None:
    pair, first = site.pair, site.pair.ca
    wait_for(pair.linked, 60, "the link")
    site.start()
    wait_for(lambda: site.proven(first.cert), 120, f"onboarding proven; see {site.folder}/syncd.log")
    with FreshConnections(pair.fresh).going_on() as fresh:
        renewed = first.renew(now())
        site.publish(renewed.pem)
        pair.serve(renewed)
        wait_for(lambda: site.proven(renewed.cert), 90, "the same-key renewal proven")

        second = renewed.rekey(now())
        site.publish(second.pem)
        time.sleep(_KUBELET_SECONDS)  # the one thing that is a time: a kubelet's delay
        pair.serve(second)
        wait_for(lambda: site.proven(second.cert), 90, "the new key proven")

        for content in (b"", b"garbage", second.pem[:300]):
            trusted = site.trust(0)
            site.publish(content)
            wait_for(lambda: refused(site), 60, f"a hold that names {content[:20]!r}")
            assert site.trust(0) >= trusted - {first.cert, renewed.cert}
            site.publish(second.pem)
            mended(site)
        site.kube.delete_secret(NS, SECRET)
        wait_for(lambda: "nothing_published" in site.rules(), 60, "a hold that names the deleted Secret")
        site.publish(second.pem)

        site.hosts[1].stop()
        third = second.renew(now())
        site.publish(third.pem)
        wait_for(lambda: third.cert in site.trust(0) and third.cert not in site.trust(1), 60, "one node is away")
        site.hosts[1].start()
        wait_for(lambda: site.proven(third.cert), 120, "the node that was away is proven")

        site.kube.stop_api()
        site.kube.start_api()
        fourth = third.rekey(now())
        site.publish(fourth.pem)
        wait_for(lambda: fourth.cert in site.trust(0) or fourth.cert in site.trust(1), 90, "the write is under way")
        site.kill()
        site.start()
        wait_for(lambda: site.proven(fourth.cert), 120, "proven by the next life")
        pair.serve(fourth)
        wait_for(lambda: site.trust(0) == site.trust(1) == {fourth.cert}, 240, "old CAs retired")
        wait_for(lambda: site.proven(fourth.cert), 90, "and the rest proven")
    assert not fresh.failures
    assert fresh.rounds > 30
    assert site.terminate() < 10


@pytest.mark.parametrize("site_of_version", [paths.NEWEST], indirect=True)
def test_the_same_new_key_breaks_the_link_without_syncd(site: Site) -> None:
    """The nodes trust what they were given last, and nobody gives them what comes next."""
    pair = site.pair
    wait_for(pair.linked, 60, "the link")
    with FreshConnections(pair.fresh).going_on() as fresh:
        wait_for(lambda: fresh.rounds > 1, 60, "fresh connections")
        assert not fresh.failures
        second = pair.ca.rekey(now())
        site.publish(second.pem)
        pair.serve(second)
        wait_for(lambda: fresh.failures, 60, "a fresh connection that fails")
    assert ".log: " in fresh.failures[0], "for the trust that is missing, as a log says"


@pytest.mark.parametrize("site_of_version", [paths.OLDEST], indirect=True)
def test_a_new_key_reaches_the_oldest_elasticsearch(site: Site) -> None:
    wait_for(site.pair.linked, 60, "the link")
    site.start()
    second = site.pair.ca.rekey(now())
    wait_for(lambda: site.proven(site.pair.ca.cert), 120, "onboarding proven")
    site.publish(second.pem)
    wait_for(lambda: site.proven(second.cert), 90, "the new key proven")
    site.pair.serve(second)
    with FreshConnections(site.pair.fresh).going_on() as fresh:
        wait_for(lambda: fresh.rounds > 10, 120, "fresh connections")
    assert not fresh.failures
