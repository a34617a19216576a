"""The Kubernetes adapter, on the embedded API and on a real kube-apiserver: the same properties of both."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest

from syncd.adapters.kubernetes import (
    ConfigMapState,
    EventNotices,
    KubeClient,
    LeasePermit,
    ObjectWatch,
    SecretSource,
)
from syncd.core.errors import SourceError, StateError
from syncd.demo.kube import DemoKube
from syncd.ports import Deadline, StateStore
from tests.bed.kube import KubeApi
from tests.bed.waiting import wait_for
from tests.contract.store_contract import StoreContract

NS = "elastic"
ROLE_AT_THE_SOURCE = [
    {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "watch"],
     "resourceNames": ["quickstart-es-transport-certs-public"]},
    {"apiGroups": ["elasticsearch.k8s.elastic.co"], "resources": ["elasticsearches"], "verbs": ["get"],
     "resourceNames": ["quickstart"]},
    {"apiGroups": [""], "resources": ["events"], "verbs": ["get", "create", "patch"]},
]  # fmt: skip
ROLE_AT_HOME = [
    {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "watch", "create", "patch"],
     "resourceNames": ["syncd-onprem"]},
    {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]},
    {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "update"],
     "resourceNames": ["syncd-onprem"]},
]  # fmt: skip
SECRET = "quickstart-es-transport-certs-public"


def soon() -> Deadline:
    return Deadline.after(10)


@dataclass
class Api:
    """What the tests need of an API server, embedded or real."""

    client: KubeClient
    put_secret: Callable[[str, str, dict[str, bytes]], None]
    delete_secret: Callable[[str, str], None]
    put_elasticsearch: Callable[[str, str, int], None]
    stop: Callable[[], None]
    start: Callable[[], object]


@pytest.fixture
def demo() -> Iterator[DemoKube]:
    kube = DemoKube().start()
    yield kube
    kube.stop()


@pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.bed)])
def api(request: pytest.FixtureRequest, tmp_path: Path) -> Api:
    if request.param == "real":
        bed = request.getfixturevalue("kube")
        client = KubeClient(str(bed.kubeconfig), None)
        return Api(client, bed.put_secret, bed.delete_secret, bed.put_elasticsearch, bed.stop_api, bed.start_api)
    demo: DemoKube = request.getfixturevalue("demo")
    client = KubeClient(str(demo.kubeconfig(tmp_path / "kubeconfig")), None)
    delete = lambda ns, name: demo.store.delete(("secrets", ns, name))  # noqa: E731 - a row of a table
    return Api(client, demo.put_secret, delete, demo.put_elasticsearch, demo.stop, demo.start)


class Ears:
    """A bell's listener."""

    def __init__(self) -> None:
        self.heard = threading.Semaphore(0)

    def __call__(self, _: str) -> None:
        self.heard.release()

    def hear(self, seconds: float = 10) -> bool:
        return self.heard.acquire(timeout=seconds)

    def drain(self) -> None:
        while self.heard.acquire(timeout=0.3):
            pass


@pytest.fixture
def watched(api: Api) -> Iterator[tuple[ObjectWatch, Ears]]:
    api.put_secret(NS, SECRET, {"ca.crt": b"0"})
    ears, watch = Ears(), ObjectWatch(api.client, NS, "secrets", SECRET, "source")
    watch.start(ears)
    assert ears.hear()
    ears.drain()
    yield watch, ears
    watch.stop()


def test_a_secret_is_read_by_name_with_version_and_uid(api: Api) -> None:
    api.put_secret(NS, SECRET, {"ca.crt": b"one"})
    source = SecretSource(api.client, NS, "quickstart")
    first = source.read(soon())
    api.put_secret(NS, SECRET, {"ca.crt": b"two"})
    second = source.read(soon())
    assert (first.content, second.content) == (b"one", b"two")
    assert first.version != second.version
    assert first.uid == second.uid != ""


def test_missing_forbidden_and_unreachable_are_three_different_things(api: Api, demo: DemoKube, tmp_path: Path) -> None:
    with pytest.raises(SourceError) as missing:
        SecretSource(api.client, NS, "nothere").read(soon())
    demo.faults.append(403)
    client = KubeClient(str(demo.kubeconfig(tmp_path / "other")), None)
    with pytest.raises(SourceError) as forbidden:
        SecretSource(client, NS, "nothere").read(soon())
    demo.stop()
    with pytest.raises(SourceError) as unreachable:
        SecretSource(client, NS, "nothere").read(soon())
    rules = [error.value.rule for error in (missing, forbidden, unreachable)]
    assert rules == ["source_not_found", "source_forbidden", "source_unreachable"]


def test_a_secret_without_the_key_is_told(api: Api) -> None:
    api.put_secret(NS, SECRET, {"other": b"x"})
    with pytest.raises(SourceError, match=r"ca\.crt"):
        SecretSource(api.client, NS, "quickstart").read(soon())


def test_the_number_of_endpoints_is_that_of_the_resource(api: Api) -> None:
    source = SecretSource(api.client, NS, "quickstart")
    with pytest.raises(SourceError) as unknown:
        SecretSource(api.client, NS, "nothere").endpoints(soon())
    assert unknown.value.rule == "endpoints_not_told"
    api.put_elasticsearch(NS, "quickstart", 3)
    assert source.endpoints(soon()) == 3


def test_the_watch_rings_at_each_change_deletion_and_re_creation(api: Api, watched: tuple[ObjectWatch, Ears]) -> None:
    _, ears = watched
    for content in (b"1", b"2"):
        api.put_secret(NS, SECRET, {"ca.crt": content})
        assert ears.hear()
        ears.drain()
    api.delete_secret(NS, SECRET)
    assert ears.hear()
    ears.drain()
    api.put_secret(NS, SECRET, {"ca.crt": b"3"})
    assert ears.hear()


def test_the_watch_does_not_ring_for_other_secrets(api: Api, watched: tuple[ObjectWatch, Ears]) -> None:
    _, ears = watched
    api.put_secret(NS, "another", {"ca.crt": time.monotonic_ns().to_bytes(8, "big")})
    assert not ears.hear(0.5)


def test_a_change_while_the_api_was_down_rings_when_it_is_back(api: Api, watched: tuple[ObjectWatch, Ears]) -> None:
    _, ears = watched
    api.stop()
    api.start()
    api.put_secret(NS, SECRET, {"ca.crt": b"after"})
    assert ears.hear(30)


def test_dropped_and_expired_watches_and_passing_refusals_are_survived(demo: DemoKube, tmp_path: Path) -> None:
    demo.put_secret(NS, SECRET, {"ca.crt": b"0"})
    client = KubeClient(str(demo.kubeconfig(tmp_path / "kubeconfig")), None)
    watch, ears = ObjectWatch(client, NS, "secrets", SECRET, "source"), Ears()
    watch.start(ears)
    assert ears.hear()
    for number, fault in enumerate(("drop", "compact", "refuse")):
        ears.drain()
        if fault == "compact":
            demo.store.compact()
        elif fault == "refuse":
            demo.faults += [403, 500]
        demo.drop_connections()
        demo.put_secret(NS, SECRET, {"ca.crt": f"new {number}".encode()})
        assert ears.hear(20), watch.restarts
    watch.stop()


def test_the_watch_stops_at_once_though_it_waits(watched: tuple[ObjectWatch, Ears]) -> None:
    watch, _ = watched
    began = time.monotonic()
    watch.stop()
    assert time.monotonic() - began < 2


class TestConfigMapState(StoreContract):
    @pytest.fixture
    def store(self, api: Api, request: pytest.FixtureRequest) -> StateStore:
        return ConfigMapState(api.client, NS, f"syncd-{abs(hash(request.node.nodeid))}-{time.monotonic_ns()}")

    def test_a_document_that_no_object_can_hold_is_refused_by_name(self, store: StateStore) -> None:
        with pytest.raises(StateError) as refused:
            store.save("x" * 2_000_000, None, soon())
        assert refused.value.rule == "state_too_large"


def test_one_of_two_holds_the_lease_and_the_other_gets_it_when_it_is_given_back(api: Api) -> None:
    """Promise 11."""
    name = f"syncd-{time.monotonic_ns()}"
    first, second = (LeasePermit(api.client, NS, name, duration=2) for _ in range(2))
    first.start(Ears())
    wait_for(first.valid, 5, "the first holds")
    second.start(Ears())
    wait_for(second.holder, 5, "the second sees the first")
    assert not second.valid()
    owner = first.owner
    first.stop()
    assert not first.valid()
    wait_for(second.valid, 5, "the second holds")
    assert second.owner == owner, "the owner is the installation, not the process"
    second.stop()


def test_two_never_hold_the_lease_at_once_though_the_api_comes_and_goes(demo: DemoKube, tmp_path: Path) -> None:
    client = KubeClient(str(demo.kubeconfig(tmp_path / "kubeconfig")), None)
    permits = [LeasePermit(client, NS, "syncd", duration=1) for _ in range(2)]
    for permit in permits:
        permit.start(Ears())
    wait_for(lambda: any(permit.valid() for permit in permits), 5, "one holds")
    end = Deadline.after(4)
    down = False
    while end.left():
        assert not all(permit.valid() for permit in permits)
        if (end.left() % 2 < 1) != down:
            down = not down
            (demo.stop if down else demo.start)()
        time.sleep(0.01)
    if down:
        demo.start()
    for permit in permits:
        permit.stop()


def test_a_holder_that_cannot_reach_the_api_stops_believing_in_time(demo: DemoKube, tmp_path: Path) -> None:
    client = KubeClient(str(demo.kubeconfig(tmp_path / "kubeconfig")), None)
    permit = LeasePermit(client, NS, "syncd", duration=1)
    permit.start(Ears())
    wait_for(permit.valid, 5, "it holds")
    demo.stop()
    began = time.monotonic()
    wait_for(lambda: not permit.valid(), 5, "it stops believing")
    assert time.monotonic() - began < 1.5
    demo.start()
    permit.stop()


@pytest.mark.bed
def test_the_shipped_role_is_enough_and_no_more_is_needed(kube: KubeApi) -> None:
    """Least privilege: get and watch on one Secret, one ConfigMap and one Lease of its own, Events."""
    kube.put_secret(NS, SECRET, {"ca.crt": b"0"})
    kube.put_elasticsearch(NS, "quickstart", 2)
    kube.grant(NS, "syncd", ROLE_AT_THE_SOURCE)
    kube.grant("syncd", "syncd", ROLE_AT_HOME)
    client = KubeClient(str(kube.kubeconfig_for("syncd-token")), None)
    source = SecretSource(client, NS, "quickstart")
    assert (source.read(soon()).content, source.endpoints(soon())) == (b"0", 2)
    ears, watch = Ears(), ObjectWatch(client, NS, "secrets", SECRET, "source")
    watch.start(ears)
    assert ears.hear()
    ears.drain()
    kube.put_secret(NS, SECRET, {"ca.crt": b"1"})
    assert ears.hear(), watch.restarts
    watch.stop()
    state = ConfigMapState(client, "syncd", "syncd-onprem")
    stored = state.load(soon())
    assert state.save("{}", stored.version, soon())
    permit = LeasePermit(client, "syncd", "syncd-onprem", duration=2)
    permit.start(Ears())
    wait_for(permit.valid, 5, "the lease")
    permit.stop()
    with pytest.raises(SourceError) as refused:
        SecretSource(client, NS, "other").read(soon())
    assert refused.value.rule == "source_forbidden"


def test_the_same_event_is_counted_not_multiplied(api: Api) -> None:
    text = f"the CA was renewed {time.monotonic_ns()}"
    notices = EventNotices(api.client, NS, SECRET)
    for _ in range(3):
        notices.tell("Normal", "Renewed", text)
    notices.tell("Warning", "Else", text)
    notices.stop()
    counts = []
    for kind, reason in (("Normal", "Renewed"), ("Warning", "Else")):
        name = f"{SECRET}.{sha256(f'{kind} {reason} {text}'.encode()).hexdigest()[:16]}"
        counts.append(api.client.request("GET", f"/api/v1/namespaces/{NS}/events/{name}", soon()).body["count"])
    assert counts == [3, 1]
