"""The Secret as a source, and what an API server can answer instead: each fault has its own name."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from syncd.adapters.kubernetes import KubeClient, ObjectWatch, SecretSource
from syncd.core.errors import ConfigError, SourceError
from syncd.ports import Deadline
from tests.bed.lossy import LossyLink
from tests.bed.waiting import ending_by, soon
from tests.contract.kubernetes_contract import NS, SECRET, Api, Ears, Embedded, KubernetesContract
from tests.contract.rest_server import Handle, drips, says, serving

TOKEN = "canary-token-9f3a"


def rule_of(client: KubeClient, seconds: float = 10, cluster: str = "quickstart") -> str:
    with pytest.raises(SourceError) as caught:
        SecretSource(client, NS, cluster).read(Deadline.after(seconds))
    assert caught.value.cure
    assert caught.value.where == f"secret {NS}/{cluster}-es-transport-certs-public"
    return caught.value.rule


class TestSecretSource(KubernetesContract):
    def test_a_secret_is_read_by_name_with_version_and_uid(self, api: Api) -> None:
        api.server.put_secret(NS, SECRET, {"ca.crt": b"one"})
        source = SecretSource(api.client, NS, "quickstart")
        first = source.read(soon())
        api.server.put_secret(NS, SECRET, {"ca.crt": b"two"})
        second = source.read(soon())
        assert (first.content, second.content) == (b"one", b"two")
        assert first.version != second.version
        assert first.uid == second.uid != ""

    def test_a_secret_made_anew_has_another_uid(self, api: Api) -> None:
        source = SecretSource(api.client, NS, "quickstart")
        api.server.put_secret(NS, SECRET, {"ca.crt": b"one"})
        first = source.read(soon())
        api.server.delete_secret(NS, SECRET)
        api.server.put_secret(NS, SECRET, {"ca.crt": b"one"})
        assert source.read(soon()).uid != first.uid

    def test_a_missing_secret_and_a_missing_key_are_two_things(self, api: Api) -> None:
        api.server.put_secret(NS, SECRET, {"other": b"x"})
        assert rule_of(api.client, cluster="nothere") == "source_not_found"
        assert rule_of(api.client) == "source_no_key"

    def test_the_number_of_endpoints_is_that_of_the_resource(self, api: Api) -> None:
        with pytest.raises(SourceError) as unknown:
            SecretSource(api.client, NS, "nothere").endpoints(soon())
        assert unknown.value.rule == "endpoints_not_told"
        api.server.put_elasticsearch(NS, "quickstart", 3)
        assert SecretSource(api.client, NS, "quickstart").endpoints(soon()) == 3

    def test_a_frozen_api_is_a_timeout_within_the_deadline(self, api: Api) -> None:
        api.server.put_secret(NS, SECRET, {"ca.crt": b"one"})
        SecretSource(api.client, NS, "quickstart").read(soon())
        api.server.freeze()
        with ending_by(0.5):
            assert rule_of(api.client, seconds=0.5) == "source_timeout"

    def test_an_api_that_is_down_is_unreachable_and_read_again_when_it_is_back(self, api: Api) -> None:
        api.server.put_secret(NS, SECRET, {"ca.crt": b"one"})
        api.server.stop_api()
        rule = rule_of(api.client)
        api.server.start_api()
        assert rule == "source_unreachable"
        assert SecretSource(api.client, NS, "quickstart").read(soon()).content == b"one"

    @pytest.mark.bed
    @pytest.mark.usefixtures("need_tun")
    def test_an_api_whose_packets_vanish_is_a_timeout_within_the_deadline(
        self, demo_kube: Embedded, tmp_path: Path
    ) -> None:
        """A black hole: no answer, no refusal, not even to the first packet."""
        link = LossyLink(loss=1.0).start()
        try:
            kubeconfig = demo_kube.kubeconfig(tmp_path / "kubeconfig")
            kubeconfig.write_text(kubeconfig.read_text().replace(demo_kube.url, f"http://{link.address}:6443"))
            client = KubeClient(str(kubeconfig), None)
            with ending_by(0.5):
                assert rule_of(client, seconds=0.5) == "source_timeout"
        finally:
            link.stop()

    def test_a_client_that_is_closed_keeps_no_connection(self, api: Api) -> None:
        """Each change of the configuration makes a new client; the old one must not hold on to sockets."""
        api.server.put_secret(NS, SECRET, {"ca.crt": b"0"})
        path, before = f"/api/v1/namespaces/{NS}/secrets/{SECRET}", _connections_to(api.client.host)
        readers = [threading.Thread(target=api.client.request, args=("GET", path, soon())) for _ in range(4)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        opened = _connections_to(api.client.host) - before
        assert opened
        api.client.close()
        assert not opened & _connections_to(api.client.host)

    @pytest.mark.parametrize(
        ("status", "rule"),
        [
            (403, "source_forbidden"),
            (429, "source_busy"),
            (500, "source_busy"),
            (503, "source_busy"),
            (400, "source_refused"),
            (302, "source_refused"),
        ],
    )
    def test_each_refusal_has_its_own_name(
        self, status: int, rule: str, demo_kube: Embedded, demo_client: KubeClient
    ) -> None:
        demo_kube.faults.append(status)
        assert rule_of(demo_client) == rule

    def test_a_renewed_token_file_is_taken_and_an_unknown_one_told(self, demo_kube: Embedded, tmp_path: Path) -> None:
        """A kubeconfig's tokenFile is read once by the client's own loader; its tokens end."""
        demo_kube.put_secret(NS, SECRET, {"ca.crt": b"0"})
        client, token = token_file_client(demo_kube, tmp_path)
        watch, ears = ObjectWatch(client, NS, "secrets", SECRET, "source"), Ears()
        watch.start(ears)
        assert ears.hear()
        demo_kube.token = "the-next-one"
        assert rule_of(client) == "source_unauthorized"
        token.write_text("the-next-one\n")
        assert SecretSource(client, NS, "quickstart").read(soon()).content == b"0"
        demo_kube.drop_connections()
        demo_kube.put_secret(NS, SECRET, {"ca.crt": b"1"})
        assert ears.hear(), watch.restarts
        watch.stop()

    @pytest.mark.parametrize("bad", [f"{TOKEN}\nx", f"{TOKEN}\x00", f"{TOKEN}é"])
    def test_a_damaged_token_is_told_without_being_told(self, bad: str, demo_kube: Embedded, tmp_path: Path) -> None:
        """Promise 8."""
        client, _ = token_file_client(demo_kube, tmp_path, bad)
        with pytest.raises(SourceError) as caught:
            SecretSource(client, NS, "quickstart").read(soon())
        assert caught.value.rule == "source_unauthorized"
        chain: list[str] = []
        error: BaseException | None = caught.value
        while error is not None:
            chain.append(repr(error))
            error = error.__cause__ or error.__context__
        assert TOKEN not in " ".join(chain)


def token_file_client(kube: Embedded, folder: Path, content: str | None = None) -> tuple[KubeClient, Path]:
    token = folder / "token"
    token.write_text(content or kube.token)
    config = json.loads(kube.kubeconfig(folder / "kubeconfig").read_text())
    config["users"][0]["user"] = {"tokenFile": str(token)}
    (folder / "kubeconfig").write_text(json.dumps(config))
    return KubeClient(str(folder / "kubeconfig"), None), token


@pytest.mark.parametrize(
    "content", [None, "", "[]", "text", "{", "a: [", '{"clusters": 1}', '{"current-context": "x", "contexts": []}']
)
def test_a_kubeconfig_that_is_none_is_named_with_a_cure(content: str | None, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError) as caught:
        KubeClient(str(path), None)
    assert (caught.value.rule, caught.value.where) == ("kubernetes", str(path))
    assert "kubeconfig" in caught.value.cure


def secret_with(data: object) -> bytes:
    return json.dumps({"kind": "Secret", "metadata": {"resourceVersion": "1"}, "data": data}).encode()


@contextmanager
def answering(handle: Handle, folder: Path) -> Iterator[KubeClient]:
    """A client of a server that misbehaves."""
    with serving(handle) as url:
        port = int(url.rpartition(":")[2])
        yield KubeClient(str(Embedded(port).kubeconfig(folder / "kubeconfig")), None)


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (b"<html>a login page</html>", "source_unreachable"),
        (b"[]", "source_unreachable"),
        (b"[" * 100_000, "source_unreachable"),
        (b"null", "source_unreachable"),
        (b"{}", "source_no_key"),
        (b'{"metadata": null, "data": [1]}', "source_no_key"),
        (secret_with({"ca.crt": "not base64!"}), "source_unreadable"),
        (secret_with({"ca.crt": 7}), "source_unreadable"),
        (secret_with({"ca.crt": "é"}), "source_unreadable"),
        (secret_with({"ca.crt": base64.b64encode(b"x" * 2_000_000).decode()}), "source_too_large"),
        (secret_with({"other": "x" * 10_000_000}), "source_too_large"),
    ],
    ids=lambda value: value[:12].decode() if isinstance(value, bytes) else value,
)
def test_whatever_is_answered_is_a_named_error(body: bytes, rule: str, tmp_path: Path) -> None:
    with answering(says(body), tmp_path) as client:
        assert rule_of(client) == rule


def test_an_answer_that_drips_ends_with_the_deadline(tmp_path: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n"
    with answering(drips(head, b"x"), tmp_path) as client, ending_by(1):
        assert rule_of(client, seconds=1) == "source_timeout"


def _connections_to(url: str) -> set[str]:
    """The sockets of this process, by inode, that are connected to a port, or were and are not closed yet."""
    port = f":{int(url.rpartition(':')[2]):04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    there = {row[9] for row in rows if row[2].endswith(port) and row[3] in {"01", "08"}}  # ESTABLISHED, CLOSE_WAIT
    return there & set(_own_sockets())


def _own_sockets() -> Iterator[str]:
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # closed by another thread since it was listed
            yield str(descriptor.readlink()).removeprefix("socket:[").removesuffix("]")
