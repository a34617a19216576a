"""Memory, permit and Events in Kubernetes, on the embedded API and on a real kube-apiserver: the same of both."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from syncd.adapters.kubernetes import ConfigMapState, EventNotices, KubeClient, LeasePermit, ObjectWatch, SecretSource
from syncd.adapters.kubernetes.client import APPLY, KubeError
from syncd.core.errors import SourceError, StateConflict, StateError
from syncd.ports import Deadline, StateStore, now
from tests.bed import documented
from tests.bed.kube import ACCOUNT_TOKEN, ADMIN, KubeApi
from tests.bed.pytest_plugin import need
from tests.bed.waiting import ending_by, soon, wait_for
from tests.contract.kubernetes_contract import NS, SECRET, Api, Ears, Embedded, KubernetesContract
from tests.contract.store_contract import StoreContract


def unique(name: str) -> str:
    """A name of this moment: the real server outlives the test."""
    return f"{name}-{time.monotonic_ns()}"


def event_path(kind: str, reason: str, text: str) -> str:
    """Where an Event of this content is: its name is made of it."""
    digest = sha256(f"{kind} {reason} {text}".encode()).hexdigest()[:16]
    return f"/api/v1/namespaces/{NS}/events/{SECRET}.{digest}"


class TestConfigMapState(KubernetesContract, StoreContract):
    @pytest.fixture
    def store(self, api: Api) -> StateStore:
        return ConfigMapState(api.client, NS, unique("syncd"))

    def test_a_document_that_no_object_can_hold_is_refused_by_name(self, store: StateStore) -> None:
        with pytest.raises(StateError) as refused:
            store.save("x" * 2_000_000, None, soon())
        assert refused.value.rule == "state_too_large"
        assert "2000000 bytes" in str(refused.value)
        assert "kind: file" in str(refused.value), "with what to do"

    def test_of_two_who_create_it_at_once_one_is_told(self, api: Api) -> None:
        for _ in range(10):
            name, start, results = unique("syncd"), threading.Barrier(2), list[str]()

            def create(text: str, name: str = name, start: threading.Barrier = start, to: list[str] = results) -> None:
                start.wait(10)
                try:
                    ConfigMapState(api.client, NS, name).save(text, None, soon())
                except StateConflict:
                    return
                to.append(text)

            threads = [threading.Thread(target=create, args=(text,)) for text in ("first", "second")]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert [ConfigMapState(api.client, NS, name).load(soon()).text] == results

    def test_a_save_does_not_bring_back_what_was_deleted(self, api: Api) -> None:
        name = unique("syncd")
        store = ConfigMapState(api.client, NS, name)
        version = store.save("{}", None, soon())
        api.client.request("DELETE", f"/api/v1/namespaces/{NS}/configmaps/{name}", soon())
        with pytest.raises(StateConflict):
            store.save('{"n": 1}', version, soon())
        assert store.load(soon()).version is None

    def test_what_others_keep_in_it_stays(self, api: Api) -> None:
        """Promise 9."""
        name = unique("syncd")
        store = ConfigMapState(api.client, NS, name)
        store.save("{}", None, soon())
        path, theirs = f"/api/v1/namespaces/{NS}/configmaps/{name}", {"data": {"note": "mine"}}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, **theirs}
        api.client.request("PATCH", path, soon(), query={"fieldManager": "other"}, body=body, kind=APPLY)
        store.save('{"n": 1}', store.load(soon()).version, soon())
        assert api.client.request("GET", path, soon()).part("data") == {"note": "mine", "state.json": '{"n": 1}'}

    @pytest.mark.bed
    def test_a_missing_namespace_is_told_as_such(self, kube: KubeApi) -> None:
        store = ConfigMapState(KubeClient(str(kube.kubeconfig), None), "nowhere", "syncd")
        with pytest.raises(StateError, match="Make the namespace"):
            store.save("{}", None, soon())


def holder_of(api: Api, name: str) -> str:
    """Who holds a Lease, as it says; empty: nobody, or there is none."""
    path = f"/apis/coordination.k8s.io/v1/namespaces/{NS}/leases/{name}"
    try:
        return str(api.client.request("GET", path, soon()).part("spec")["holderIdentity"])
    except KubeError:
        return ""


class TestLeasePermit(KubernetesContract):
    """Promise 11: one writer."""

    def test_one_of_two_holds_the_lease_and_the_other_gets_it_when_it_is_given_back(self, api: Api) -> None:
        name = unique("syncd")
        first, second = (LeasePermit(api.client, NS, name, duration=2) for _ in range(2))
        assert first.owner == ""
        first.start(ears := Ears())
        wait_for(first.valid, 20, "the first holds")
        assert ears.hear()
        second.start(Ears())
        wait_for(second.holder, 20, "the second sees the first")
        assert not second.valid()
        owner, held_by = first.owner, holder_of(api, name)
        first.stop()
        assert not first.valid()
        assert holder_of(api, name) != held_by, "it is given back: empty, or the other has it already"
        assert ears.hear()
        wait_for(second.valid, 20, "the second holds")
        assert second.owner == owner, "the owner is the installation, not the process"
        second.stop()

    def test_trouble_with_the_api_is_logged_when_it_begins_changes_and_ends(
        self, demo_kube: Embedded, demo_client: KubeClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        """It is tried again every few seconds, for hours if need be."""
        caplog.set_level("INFO", "syncd")
        permit = LeasePermit(demo_client, NS, "syncd", duration=0.5)
        demo_kube.fail(503, 4)
        permit.start(Ears())
        wait_for(permit.valid, 10, "it holds")
        demo_kube.fail(403, 3)
        wait_for(lambda: len(caplog.records) >= 3 and not permit.trouble(), 10, "it is refused for a while")
        wait_for(lambda: len(caplog.records) >= 4, 10, "it is well again")
        permit.stop()
        assert [record.levelname for record in caplog.records] == ["WARNING", "INFO", "WARNING", "INFO"]
        assert "HTTP 503" in caplog.messages[0]
        assert "HTTP 403" in caplog.messages[2]

    def test_a_frozen_api_ends_the_hold_in_time_and_both_come_back_as_one(self, api: Api) -> None:
        name = unique("syncd")
        permits = [LeasePermit(api.client, NS, name, duration=2) for _ in range(2)]
        for permit in permits:
            permit.start(Ears())
        wait_for(lambda: any(permit.valid() for permit in permits), 20, "one holds")
        api.server.freeze()
        assert self.held_for(permits) < 2
        api.server.thaw()
        self.watch_until(lambda: self.one(permits), permits)
        for permit in permits:
            permit.stop()

    def test_two_never_hold_the_lease_at_once_though_the_api_comes_and_goes(
        self, demo_kube: Embedded, demo_client: KubeClient
    ) -> None:
        permits = [LeasePermit(demo_client, NS, "syncd", duration=1) for _ in range(2)]
        for permit in permits:
            permit.start(Ears())
        self.watch_until(lambda: self.one(permits), permits)
        for fault, mend in ((demo_kube.stop, demo_kube.start), (demo_kube.freeze, demo_kube.thaw)):
            for seconds in (0.6, 1.4):
                fault()
                self.watch_for(permits, seconds)
                mend()
                self.watch_for(permits, 0.8)
        self.watch_until(lambda: self.one(permits), permits)
        for permit in permits:
            permit.stop()

    def test_a_lease_that_is_deleted_is_not_taken_from_who_holds_it(self, api: Api) -> None:
        name = unique("syncd")
        holder, other = (LeasePermit(api.client, NS, name, duration=5) for _ in range(2))
        holder.start(Ears())
        wait_for(holder.valid, 20, "the first holds")
        other.start(Ears())
        wait_for(other.holder, 20, "the second sees the first")
        held_by = holder_of(api, name)
        for _ in range(3):
            api.client.request("DELETE", f"/apis/coordination.k8s.io/v1/namespaces/{NS}/leases/{name}", soon())
            self.watch_until(lambda: bool(holder_of(api, name)), [holder, other])
            assert holder_of(api, name) == held_by
            wait_for(holder.valid, 10, "the first holds")
        holder.stop()
        wait_for(other.valid, 20, "the second holds")
        other.stop()

    @pytest.mark.parametrize("hours", [2, -2])
    def test_the_times_in_a_lease_are_of_somebody_elses_clock_and_count_for_nothing(self, api: Api, hours: int) -> None:
        """A holder whose clock is off is honoured for its duration, as seen from here, and for no longer."""
        name, path = unique("syncd"), f"/apis/coordination.k8s.io/v1/namespaces/{NS}/leases"
        renewed = f"{now() + timedelta(hours=hours):%Y-%m-%dT%H:%M:%S.%fZ}"
        spec = {"holderIdentity": "other", "leaseDurationSeconds": 2, "acquireTime": renewed, "renewTime": renewed}
        body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name}, "spec": spec}
        api.client.request("POST", path, soon(), body=body)
        permit, began = LeasePermit(api.client, NS, name, duration=2), time.monotonic()
        permit.start(Ears())
        wait_for(permit.valid, 20, "it holds when the other's time is over", every=0.01)
        assert time.monotonic() - began > 2
        permit.stop()

    def test_a_lease_that_is_gone_is_not_taken_before_its_holder_has_stopped_believing(
        self, demo_kube: Embedded, demo_client: KubeClient, tmp_path: Path
    ) -> None:
        """Two doors to the same objects; the holder's is frozen, so that it cannot make the Lease again."""
        door = Embedded()
        door.store = demo_kube.store
        door.start()
        holder = LeasePermit(KubeClient(str(door.kubeconfig(tmp_path / "door")), None), NS, "syncd", duration=2)
        other = LeasePermit(demo_client, NS, "syncd", duration=2)
        holder.start(Ears())
        wait_for(holder.valid, 20, "the first holds")
        other.start(Ears())
        wait_for(other.holder, 20, "the second sees the first")
        door.freeze()
        demo_kube.store.delete(("leases", NS, "syncd"))
        self.watch_until(other.valid, [holder, other])
        door.thaw()
        for permit in (holder, other):
            permit.stop()
        door.stop()

    def test_a_process_that_was_frozen_does_not_believe_that_it_still_holds(
        self, demo_kube: Embedded, demo_client: KubeClient, tmp_path: Path
    ) -> None:
        code = (
            "import sys\n"
            "from syncd.adapters.kubernetes import KubeClient, LeasePermit\n"
            f"permit = LeasePermit(KubeClient(sys.argv[1], None), {NS!r}, 'syncd', 1)\n"
            "permit.start(lambda _: None)\n"
            "for _ in sys.stdin: print(permit.valid(), flush=True)\n"
        )
        command = [sys.executable, "-c", code, str(demo_kube.kubeconfig(tmp_path / "kubeconfig"))]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as frozen:
            try:
                wait_for(lambda: self.ask(frozen) == "True", 20, "the process holds")
                frozen.send_signal(signal.SIGSTOP)
                other = LeasePermit(demo_client, NS, "syncd", duration=1)
                other.start(Ears())
                wait_for(other.valid, 20, "the other holds")
                os.kill(frozen.pid, signal.SIGCONT)
                assert self.ask(frozen) == "False"
                other.stop()
            finally:
                frozen.kill()

    @staticmethod
    def one(permits: list[LeasePermit]) -> bool:
        held = [permit for permit in permits if permit.valid()]
        still = [permit for permit in held if permit.valid()]  # it may change hands between the looks at the two
        assert len(still) < 2
        return bool(held)

    def watch_for(self, permits: list[LeasePermit], seconds: float) -> None:
        """Look again and again that no two hold it."""
        end = Deadline.after(seconds)
        while end.left():
            self.one(permits)
            time.sleep(0.005)

    def watch_until(self, ready: Callable[[], bool], permits: list[LeasePermit]) -> None:
        """Look again and again that no two hold it, until it is as it should be."""
        end = Deadline.after(30)
        while not ready():
            assert end.left(), "it did not come"
            self.one(permits)
            time.sleep(0.005)
        self.one(permits)

    @staticmethod
    def held_for(permits: list[LeasePermit]) -> float:
        """For how many seconds from now on somebody is seen to hold it: up to the last look that saw it, not its end."""
        began = last = at = time.monotonic()
        while any(permit.valid() for permit in permits):
            last = at
            assert last - began < 20, "it is held on and on"
            time.sleep(0.01)
            at = time.monotonic()
        return last - began

    @staticmethod
    def ask(process: "subprocess.Popen[str]") -> str:
        assert process.stdin
        assert process.stdout
        process.stdin.write("?\n")
        return process.stdout.readline().strip()


class TestEventNotices(KubernetesContract):
    def test_the_same_event_is_counted_not_multiplied(self, api: Api) -> None:
        text = unique("the CA was renewed")
        notices = EventNotices(api.client, NS, SECRET)
        for _ in range(3):
            notices.tell("Normal", "Renewed", text)
        notices.tell("Warning", "Else", text)
        last, first = event_path("Warning", "Else", text), event_path("Normal", "Renewed", text)
        wait_for(lambda: api.client.request("GET", last, soon()), 20, "the last that was told")
        assert [api.client.request("GET", path, soon()).body["count"] for path in (first, last)] == [3, 1]
        notices.stop()

    def test_a_long_text_in_any_script_is_cut_to_what_an_event_may_hold(self, api: Api) -> None:
        notices, told = EventNotices(api.client, NS, SECRET), unique("") + "\u0436" * 2000
        notices.tell("Normal", "Long", told)
        kept = told.encode()[:1000].decode(errors="ignore")
        path = event_path("Normal", "Long", kept)
        event = wait_for(lambda: api.client.request("GET", path, soon()), 20, "the event")
        notices.stop()
        assert event.body["message"] == kept

    def test_a_missing_right_is_a_warning_with_the_cure_when_it_begins_and_no_more(
        self, demo_kube: Embedded, demo_client: KubeClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO", "syncd")
        notices = EventNotices(demo_client, NS, SECRET)
        demo_kube.fail(403, 3)
        for number in range(4):
            notices.tell("Warning", "Told", f"{number}")
        wait_for(lambda: len(caplog.records) == 2, 20, "the event that could be written")
        notices.stop()
        assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
        assert f"Grant get, create and patch on events in namespace {NS}" in caplog.messages[0]
        assert "written again" in caplog.messages[1]

    def test_telling_never_waits_for_the_api_nor_raises(self, demo_kube: Embedded, demo_client: KubeClient) -> None:
        notices = EventNotices(demo_client, NS, SECRET)
        demo_kube.freeze()
        with ending_by(0.5):
            for number in range(1000):
                notices.tell("Warning", "Busy", f"{number}")
        demo_kube.fail(500, 3)
        demo_kube.thaw()
        wait_for(lambda: len([key for key in demo_kube.store.objects if key[0] == "events"]) > 50, 20, "the events")
        notices.stop()


@pytest.mark.bed
def test_the_role_of_the_docs_is_enough(kube: KubeApi) -> None:
    """Least privilege: get and watch on one Secret, one ConfigMap and one Lease of its own, Events."""
    kube.put_secret(NS, SECRET, {"ca.crt": b"0"})
    kube.put_elasticsearch(NS, "quickstart", 2)
    kube.grant(NS, "syncd", documented.rules(NS, "syncd"))
    kube.grant("syncd", "syncd", documented.rules("syncd", "syncd"))
    client = KubeClient(str(kube.kubeconfig_for(ACCOUNT_TOKEN)), None)
    source = SecretSource(client, NS, "quickstart")
    wait_for(lambda: source.read(soon()), 20, "the Role is in force")
    assert (source.read(soon()).content, source.endpoints(soon())) == (b"0", 2)
    ears, watch = Ears(), ObjectWatch(client, NS, "secrets", SECRET, "source")
    watch.start(ears)
    wait_for(lambda: watch.open, 20, "the watch is open")
    ears.drain()
    kube.put_secret(NS, SECRET, {"ca.crt": b"1"})
    assert ears.hear(), watch.restarts
    watch.stop()
    state = ConfigMapState(client, "syncd", "syncd-onprem")
    stored = state.load(soon())
    assert state.save("{}", state.save("[]", stored.version, soon()), soon())
    permit = LeasePermit(client, "syncd", "syncd-onprem", duration=2)
    permit.start(Ears())
    wait_for(permit.valid, 20, "the lease")
    permit.stop()
    notices = EventNotices(client, NS, SECRET)
    text = unique("told")
    notices.tell("Normal", "Told", text)
    notices.tell("Normal", "Told", text)
    path = event_path("Normal", "Told", text)
    wait_for(lambda: client.request("GET", path, soon()).body["count"] == 2, 20, "the second telling")
    notices.stop()
    with pytest.raises(SourceError) as refused:
        SecretSource(client, NS, "other").read(soon())
    assert refused.value.rule == "source_forbidden"


_IN_A_POD = """
import sys
from syncd.adapters.kubernetes import KubeClient
from syncd.adapters.kubernetes.client import KubeError
from syncd.ports import Deadline
client = KubeClient(None, None)
for path in map(str.strip, sys.stdin):
    try:
        print(client.request("GET", path, Deadline.after(20)).version, flush=True)
    except KubeError as error:
        print(error.fault, flush=True)
"""
_ITS_ROOT = (
    "mount -t tmpfs tmpfs /run && mkdir -p /run/secrets/kubernetes.io && "
    'ln -s "$1" /run/secrets/kubernetes.io/serviceaccount'
)


@pytest.mark.bed
def test_a_pods_own_account_is_used_and_read_anew_when_it_is_refused(
    request: pytest.FixtureRequest, kube: KubeApi, tmp_path: Path
) -> None:
    """The token is a projected file that the kubelet replaces; a Secret that was deleted and made anew ends the old one."""
    need(request, "systemd")  # mount namespaces
    kube.put_secret(NS, SECRET, {"ca.crt": b"0"})
    account = tmp_path / "account"
    account.mkdir()
    (account / "ca.crt").write_bytes(kube.authority)
    (account / "token").write_text("of-nobody\n")
    script = f'{_ITS_ROOT} && exec "$2" -c "$3"'
    command = ["unshare", "--mount", "sh", "-c", script, "sh", str(account), sys.executable, _IN_A_POD]
    environment = os.environ | {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(kube.port)}
    pod = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True)
    assert pod.stdin
    assert pod.stdout
    try:
        answers = []
        for token in ("of-nobody", ADMIN, "of-nobody-else", ADMIN):
            (account / "token").write_text(f"{token}\n")
            print(f"/api/v1/namespaces/{NS}/secrets/{SECRET}", file=pod.stdin, flush=True)
            answers.append(pod.stdout.readline().strip())
    finally:
        pod.communicate(timeout=20)
    version = answers[1]
    assert version.isdigit()
    assert answers == ["unauthorized", version, version, version], "one that works is kept for a while"
