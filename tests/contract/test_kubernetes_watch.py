"""The watch as a bell, on the embedded API and on a real kube-apiserver: what it survives, and that it never lies."""

import http.server
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from syncd.adapters.kubernetes import KubeClient, ObjectWatch
from tests.bed.kube import ACCOUNT_TOKEN, KubeApi
from tests.bed.waiting import ending_by, wait_for
from tests.contract.kubernetes_contract import NS, SECRET, Api, Ears, Embedded, KubernetesContract

MakeWatch = Callable[..., tuple[ObjectWatch, Ears]]


def listening(watch: ObjectWatch, ears: Ears) -> None:
    wait_for(lambda: watch.open, 30, "the watch is open")
    ears.drain()


def change(api: Api) -> None:
    api.server.put_secret(NS, SECRET, {"ca.crt": time.monotonic_ns().to_bytes(8, "big")})


class Odd(http.server.BaseHTTPRequestHandler):
    """A server that answers a watch with whatever `said` holds, at once and whole."""

    said = b""
    watches: list[float]

    def do_GET(self) -> None:
        watch = "watch=1" in self.path
        body = self.said if watch else b'{"metadata": {"resourceVersion": "7"}}'
        if watch:
            self.watches.append(time.monotonic())
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


class TestObjectWatch(KubernetesContract):
    @pytest.fixture
    def begin(self) -> Iterator[MakeWatch]:
        """Begin a watch on the Secret; ends it after the test."""
        watches = []

        def make(client: KubeClient, patience: float = 60.0, name: str = SECRET) -> tuple[ObjectWatch, Ears]:
            watch, ears = ObjectWatch(client, NS, "secrets", name, "source", patience), Ears()
            watches.append(watch)
            watch.start(ears)
            return watch, ears

        yield make
        for watch in watches:
            watch.stop()

    @pytest.fixture
    def watched(self, api: Api, begin: MakeWatch) -> tuple[ObjectWatch, Ears]:
        api.server.put_secret(NS, SECRET, {"ca.crt": b"0"})
        watch, ears = begin(api.client)
        listening(watch, ears)
        return watch, ears

    def test_the_watch_rings_at_each_change_deletion_and_re_creation(
        self, api: Api, watched: tuple[ObjectWatch, Ears]
    ) -> None:
        watch, ears = watched
        for _ in range(2):
            change(api)
            assert ears.hear()
            ears.drain()
        api.server.delete_secret(NS, SECRET)
        assert ears.hear()
        ears.drain()
        change(api)
        assert ears.hear()
        assert watch.restarts == {}

    def test_the_watch_does_not_ring_for_other_secrets(self, api: Api, watched: tuple[ObjectWatch, Ears]) -> None:
        _, ears = watched
        api.server.put_secret(NS, "another", {"ca.crt": time.monotonic_ns().to_bytes(8, "big")})
        assert not ears.hear(0.5)

    def test_watches_that_end_in_their_time_ring_for_nothing_and_miss_nothing(self, api: Api, begin: MakeWatch) -> None:
        change(api)
        watch, ears = begin(api.client, patience=4)
        listening(watch, ears)
        api.server.put_secret(NS, "another", {"ca.crt": time.monotonic_ns().to_bytes(8, "big")})  # bookmarks move on
        wait_for(lambda: watch.restarts.get("ended", 0) >= 2, 60, "watches end")
        assert not ears.hear(0.1), "nothing has changed"
        for _ in range(5):
            change(api)
            assert ears.hear()
            ears.drain()
        assert set(watch.restarts) == {"ended"}

    def test_a_secret_that_appears_later_rings(self, api: Api, begin: MakeWatch) -> None:
        name = f"later-{time.monotonic_ns()}"
        watch, ears = begin(api.client, name=name)
        listening(watch, ears)
        api.server.put_secret(NS, name, {"ca.crt": b"0"})
        assert ears.hear()

    def test_a_change_while_the_api_was_down_rings_when_it_is_back(
        self, api: Api, watched: tuple[ObjectWatch, Ears]
    ) -> None:
        _, ears = watched
        api.server.stop_api()
        api.server.start_api()
        change(api)
        assert ears.hear(30)

    def test_a_secret_that_is_older_than_the_servers_memory_is_watched_all_the_same(
        self, api: Api, begin: MakeWatch
    ) -> None:
        """A watch from the version of an old object gets 410 from a restarted server, until the object changes."""
        change(api)
        for number in range(20):
            api.server.put_secret(NS, "another", {"ca.crt": f"{number}".encode()})
        api.server.stop_api()
        api.server.start_api()
        watch, ears = begin(api.client)
        listening(watch, ears)
        change(api)
        assert ears.hear()
        assert watch.restarts == {}

    def test_a_silent_watch_is_noticed_and_begun_anew(self, api: Api, begin: MakeWatch) -> None:
        """A frozen server, as a load balancer that drops a stream: no error, no end, no bytes."""
        change(api)
        watch, ears = begin(api.client, patience=2)
        listening(watch, ears)
        api.server.freeze()
        wait_for(lambda: set(watch.restarts) & {"silent", "timeout"}, 20, "silence is noticed")
        api.server.thaw()
        change(api)
        assert ears.hear(30), watch.restarts

    def test_the_watch_stops_at_once_though_it_waits(self, watched: tuple[ObjectWatch, Ears]) -> None:
        watch, _ = watched
        with ending_by(0.5):
            watch.stop()
        assert not watch.open

    def test_the_watch_stops_within_two_seconds_of_a_frozen_server(
        self, api: Api, watched: tuple[ObjectWatch, Ears]
    ) -> None:
        watch, _ = watched
        api.server.freeze()
        with ending_by(1.5):
            watch.stop()

    @pytest.mark.parametrize(
        ("cause", "answers"), [("dropped", []), ("forbidden", [403, 403]), ("busy", [500]), ("busy", [429])]
    )
    def test_dropped_and_refused_watches_are_survived_and_counted_by_cause(
        self, cause: str, answers: list[int], demo_kube: Embedded, demo_client: KubeClient, begin: MakeWatch
    ) -> None:
        demo_kube.put_secret(NS, SECRET, {"ca.crt": b"0"})
        watch, ears = begin(demo_client)
        listening(watch, ears)
        demo_kube.faults += answers
        demo_kube.drop_connections()
        demo_kube.put_secret(NS, SECRET, {"ca.crt": b"1"})
        assert ears.hear(), watch.restarts
        assert watch.restarts[cause] >= max(1, len(answers))

    def test_a_deletion_while_nobody_watched_rings(
        self, demo_kube: Embedded, demo_client: KubeClient, begin: MakeWatch
    ) -> None:
        demo_kube.put_secret(NS, SECRET, {"ca.crt": b"0"})
        watch, ears = begin(demo_client)
        listening(watch, ears)
        demo_kube.stop_api()
        demo_kube.delete_secret(NS, SECRET)
        demo_kube.start_api()
        assert ears.hear()

    def test_an_expired_watch_is_begun_anew(
        self, demo_kube: Embedded, demo_client: KubeClient, begin: MakeWatch
    ) -> None:
        demo_kube.put_secret(NS, SECRET, {"ca.crt": b"0"})
        watch, ears = begin(demo_client)
        listening(watch, ears)
        demo_kube.store.compact()
        wait_for(lambda: watch.restarts == {"expired": 1}, 20, "410")
        assert not ears.hear(1), "nothing has changed"
        demo_kube.put_secret(NS, SECRET, {"ca.crt": b"1"})
        assert ears.hear()

    @pytest.mark.bed
    def test_a_watch_that_was_forbidden_works_once_it_is_allowed(self, kube: KubeApi, begin: MakeWatch) -> None:
        name = f"granted-{time.monotonic_ns()}"
        kube.put_secret(NS, name, {"ca.crt": b"0"})
        watch, ears = begin(KubeClient(str(kube.kubeconfig_for(ACCOUNT_TOKEN)), None), name=name)
        wait_for(lambda: watch.restarts.get("forbidden"), 30, "a refusal")
        rule = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "watch"], "resourceNames": [name]}
        kube.grant(NS, "syncd", [rule])
        wait_for(lambda: watch.open, 30, "the watch is open")
        ears.drain()
        kube.put_secret(NS, name, {"ca.crt": b"1"})
        assert ears.hear()

    @pytest.fixture
    def odd(self, tmp_path: Path) -> Iterator[tuple[type[Odd], KubeClient]]:
        handler = type("Handler", (Odd,), {"watches": []})
        with http.server.HTTPServer(("127.0.0.1", 0), handler) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.05,))
            thread.start()
            kubeconfig = Embedded(server.server_address[1]).kubeconfig(tmp_path / "odd")
            yield handler, KubeClient(str(kubeconfig), None)
            server.shutdown()
            thread.join()

    def test_watches_that_end_at_once_do_not_become_a_storm(
        self, odd: tuple[type[Odd], KubeClient], begin: MakeWatch
    ) -> None:
        handler, client = odd
        begin(client)
        wait_for(lambda: len(handler.watches) >= 4, 60, "four watches")
        gaps = [late - early for early, late in zip(handler.watches, handler.watches[1:], strict=False)]
        assert gaps[0] > 0.3
        assert gaps[2] > gaps[0], "each wait is longer than the one before"

    @pytest.mark.parametrize(
        ("said", "cause"),
        [
            (b"not json\n", "dropped"),
            (b"[]\n", "dropped"),
            (b'{"type": "MODIFIED"}\n', "ended"),
            (b'{"type": "ADDED", "object": []}\n', "ended"),
            (b'{"type": "ERROR", "object": {"code": 410}}\n', "expired"),
            (b'{"type": "ERROR", "object": {"code": 500}}\n', "error"),
            (b'{"type": "SOMETHING"}\n', "ended"),
        ],
    )
    def test_whatever_a_server_says_the_watch_goes_on(
        self, said: bytes, cause: str, odd: tuple[type[Odd], KubeClient], begin: MakeWatch
    ) -> None:
        handler, client = odd
        handler.said = said
        watch, _ = begin(client)
        wait_for(lambda: watch.restarts.get(cause, 0) >= 2, 30, "it is begun anew twice")
