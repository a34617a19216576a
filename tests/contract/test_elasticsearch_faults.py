"""What may go wrong between syncd and a REST API: told by its rule, in time, and without any credential."""

import json
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from syncd.adapters.elasticsearch import ElasticsearchApi, ElasticsearchSettings
from syncd.core.errors import ClusterError
from syncd.core.model import Alias, NodeName, Unknown
from syncd.demo.pki import EckCa, Leaf
from syncd.engine.crew import Crew, Failed
from syncd.ports import Deadline, now
from tests.bed.waiting import ending_by, soon
from tests.contract.rest_server import Handle, drips, says, serving

CA = EckCa.create(now())
OTHER = CA.rekey(now())
CANARY = "Y2FuYXJ5"
NODE = NodeName("es-01")
GOOD: dict[str, object] = {
    "cluster_name": "onprem",
    "status": "green",
    "initializing_shards": 0,
    "relocating_shards": 0,
    "unassigned_shards": 0,
    "delayed_unassigned_shards": 0,
    "number_of_pending_tasks": 0,
    "nodes": {},
    "cluster_uuid": "u",
    "license": {"type": "trial"},
    "persistent": {},
}
"""One answer to every question about the cluster."""


good = says(json.dumps(GOOD).encode())


@pytest.fixture
def ca_file(tmp_path: Path) -> Path:
    path = tmp_path / "ca.crt"
    path.write_bytes(CA.pem)
    return path


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text(CANARY)
    return path


@contextmanager
def api(urls: Sequence[str], key_file: Path, **more: object) -> Iterator[ElasticsearchApi]:
    settings = ElasticsearchSettings(
        tuple(urls),
        api_key_file=str(key_file),
        node_urls={NODE: urls[0]},
        **more,  # type: ignore[arg-type]  # the caller names fields of the settings
    )
    made = ElasticsearchApi(settings)
    try:
        yield made
    finally:
        made.close()


ASKS: list[Callable[[ElasticsearchApi], object]] = [
    lambda es: es.cluster(soon()),
    lambda es: es.node(NODE, soon()),
    lambda es: es.claim("owner", None, soon()),
    lambda es: es.reconnect(NODE, Alias("eck"), soon()),
]


@pytest.mark.parametrize("body", [b"", b"{oops", b"<html>", b"[]", b"null", b"7", b'"text"', b"\xff\xfe"])
@pytest.mark.parametrize("ask", ASKS, ids=["cluster", "node", "claim", "reconnect"])
def test_an_answer_that_is_not_elasticsearchs_is_told_as_that(
    body: bytes, ask: Callable[[ElasticsearchApi], object], key_file: Path
) -> None:
    with serving(says(body)) as url, api([url], key_file) as es, pytest.raises(ClusterError) as refused:
        ask(es)
    assert refused.value.rule == "es_error"
    assert "something in between" in refused.value.cure


@pytest.mark.parametrize(
    ("status", "rule"),
    [
        ("401 Unauthorized", "es_unauthorized"),
        ("403 Forbidden", "es_forbidden"),
        ("429 Too Many Requests", "es_unhealthy"),
        ("503 Service Unavailable", "es_unhealthy"),
        ("400 Bad Request", "es_error"),
        ("500 Internal Server Error", "es_error"),
    ],
)
def test_each_status_has_its_rule_and_a_cure(status: str, rule: str, key_file: Path) -> None:
    handle = says(b'{"error":{"type":"x","reason":"a\\nb"}}', status)
    with serving(handle) as url, api([url], key_file) as es, pytest.raises(ClusterError) as refused:
        es.cluster(soon())
    assert refused.value.rule == rule
    assert refused.value.cure
    assert "x: a b" in refused.value.text, "the reason is told, on one line"


@pytest.mark.parametrize(
    ("more", "rule"),
    [
        ("API key: invalid credentials for API key [5I3jK6IBMssc3B43T_Uy]", "es_unauthorized"),
        ("API key: apikey authentication for id 5I3jK6IBMssc3B43T_Uy encountered a failure", "es_unhealthy"),
    ],
)
def test_a_key_that_is_refused_is_told_from_one_that_cannot_be_looked_up_yet(
    more: str, rule: str, key_file: Path
) -> None:
    """Both are a 401: for a moment after the start of a cluster its own keys cannot be read. As 8.19.21 answers."""
    reason = "unable to authenticate with provided credentials and anonymous access is not allowed for this request"
    error = {"type": "security_exception", "reason": reason, "additional_unsuccessful_credentials": more}
    handle = says(json.dumps({"error": error, "status": 401}).encode(), "401 Unauthorized")
    with serving(handle) as url, api([url], key_file) as es, pytest.raises(ClusterError) as refused:
        es.cluster(soon())
    assert refused.value.rule == rule
    assert more in refused.value.text


def test_trust_paths_that_a_node_does_not_tell_are_unknown_not_empty(key_file: Path) -> None:
    """Promise 4: a damaged file fails `_ssl/certificates` whole, a version may lack it, a key may not ask."""
    local = {
        "name": NODE,
        "version": "8.19.21",
        "roles": [],
        "jvm": {"start_time_in_millis": 1},
        "settings": {"cluster": {"name": "onprem"}},
    }

    def handle(peer: socket.socket) -> None:
        while request := peer.recv(65_536):
            status, body = b"200 OK", json.dumps({"nodes": {"id": local}})
            if b"/_remote/info" in request:
                body = "{}"
            if b"/_ssl/certificates" in request:
                error = {"type": "ssl_config_exception", "reason": "cannot read [/etc/x.crt]"}
                status, body = b"500 Error", json.dumps({"error": error})
            peer.sendall(b"HTTP/1.1 %s\r\ncontent-length: %d\r\n\r\n%s" % (status, len(body), body.encode()))

    with serving(handle) as url, api([url], key_file) as es:
        answer = es.node(NODE, soon())
    assert isinstance(answer.trust_paths, Unknown)
    assert "ssl_config_exception: cannot read [/etc/x.crt]" in answer.trust_paths.text


def test_a_node_that_does_not_dial_has_no_links_and_is_known_all_the_same(key_file: Path) -> None:
    """A dedicated master, say: 8.19.21 refuses to tell the links of a node without the role `remote_cluster_client`."""
    local = {
        "name": NODE,
        "version": "8.19.21",
        "roles": ["master"],
        "jvm": {"start_time_in_millis": 1},
        "settings": {"cluster": {"name": "onprem"}},
    }

    def handle(peer: socket.socket) -> None:
        while request := peer.recv(65_536):
            status, body = b"200 OK", json.dumps({"nodes": {"id": local}})
            if b"/_remote/info" in request:
                reason = f"node [{NODE}] does not have the [remote_cluster_client] role"
                error = {"type": "illegal_argument_exception", "reason": reason}
                status, body = b"400 Bad Request", json.dumps({"error": error})
            if b"/_ssl/certificates" in request:
                body = "[]"
            peer.sendall(b"HTTP/1.1 %s\r\ncontent-length: %d\r\n\r\n%s" % (status, len(body), body.encode()))

    with serving(handle) as url, api([url], key_file) as es:
        answer = es.node(NODE, soon())
    assert (answer.process.name, answer.process.dials, answer.links) == (NODE, False, ())


def test_another_node_at_a_nodes_address_is_told(key_file: Path) -> None:
    """An address that was given to another node, or two nodes behind one name: what it says is not about ours."""
    local = {
        "name": "another",
        "version": "8.19.21",
        "roles": [],
        "jvm": {"start_time_in_millis": 1},
        "settings": {"cluster": {"name": "onprem"}},
    }

    def handle(peer: socket.socket) -> None:
        while request := peer.recv(65_536):
            rest = "[]" if b"/_ssl/certificates" in request else "{}"
            body = json.dumps({"nodes": {"id": local}}) if b"/_nodes" in request else rest
            peer.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body.encode()))

    with serving(handle) as url, api([url], key_file) as es, pytest.raises(ClusterError) as refused:
        es.node(NODE, soon())
    assert refused.value.rule == "es_no_such_node"
    assert "another answers there" in refused.value.text


# --- time


@pytest.mark.parametrize(
    "handle",
    [
        drips(b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n", b" "),
        drips(b"HTTP/1.1 200 OK\r\n", b"x-a: b\r\n"),
        drips(b"", b""),
    ],
    ids=["body", "headers", "silence"],
)
@pytest.mark.parametrize("leaf", [None, CA.leaf()], ids=["http", "https"])
def test_an_answer_that_never_ends_is_given_up_by_the_deadline(
    handle: Handle, leaf: Leaf | None, key_file: Path, ca_file: Path
) -> None:
    late = pytest.raises(ClusterError, match="in time")
    with serving(handle, leaf) as url, api([url], key_file, ca_file=str(ca_file)) as es, ending_by(0.4), late as told:
        es.cluster(Deadline.after(0.4))
    assert told.value.rule == "es_unreachable"


def test_a_silent_url_leaves_the_others_their_share_of_the_time(key_file: Path) -> None:
    with serving(drips(b"", b"")) as silent, serving(good) as url, api([silent, url], key_file) as es, ending_by(1):
        assert es.cluster(Deadline.after(2)).license == "trial"


def test_the_cluster_is_claimed_by_whichever_url_answers(key_file: Path) -> None:
    with serving(good) as url, api(["http://127.0.0.1:1", url], key_file) as es:
        es.claim("owner", None, soon())


def test_when_no_url_answers_each_says_why(key_file: Path) -> None:
    both = pytest.raises(ClusterError, match=r"127\.0\.0\.1:1/.*refused.*HTTP 401")
    with serving(says(b"{}", "401 Unauthorized")) as url, api(["http://127.0.0.1:1", url], key_file) as es, both:
        es.cluster(soon())


# --- TLS


def test_only_the_cas_of_the_ca_file_are_trusted(key_file: Path, ca_file: Path) -> None:
    """The client library would add certifi's public CAs, any of which could then stand in for the operator's."""
    with serving(good, CA.leaf()) as url, api([url], key_file, ca_file=str(ca_file)) as es:
        es.cluster(soon())
        context = es._client._context
    assert context is not None
    assert len(context.get_ca_certs()) == 1


def test_a_certificate_of_another_ca_is_refused_with_the_cause(key_file: Path, ca_file: Path) -> None:
    cause = pytest.raises(ClusterError, match="certificate verify failed")
    with serving(good, OTHER.leaf()) as url, api([url], key_file, ca_file=str(ca_file)) as es, cause as refused:
        es.cluster(soon())
    assert refused.value.rule == "es_tls"
    assert "ca_file" in refused.value.cure


def test_names_are_verified_unless_the_operator_says_otherwise(key_file: Path, ca_file: Path) -> None:
    with serving(good, CA.leaf(), "127.0.0.2") as url:  # ECK's leaves name 127.0.0.1
        with api([url], key_file, ca_file=str(ca_file)) as es, pytest.raises(ClusterError, match="mismatch") as refused:
            es.cluster(soon())
        with api([url], key_file, ca_file=str(ca_file), verify_hostname=False) as es:
            assert es.cluster(soon()).name == "onprem"
    assert refused.value.rule == "es_tls"


def test_without_names_the_ca_is_still_verified(key_file: Path, ca_file: Path) -> None:
    loose = {"ca_file": str(ca_file), "verify_hostname": False}
    with serving(good, OTHER.leaf()) as url, api([url], key_file, **loose) as es, pytest.raises(ClusterError) as no:
        es.cluster(soon())
    assert no.value.rule == "es_tls"


def test_a_changed_ca_file_is_taken_without_a_restart(key_file: Path, ca_file: Path) -> None:
    with serving(good, OTHER.leaf()) as url, api([url], key_file, ca_file=str(ca_file)) as es:
        with pytest.raises(ClusterError):
            es.cluster(soon())
        ca_file.write_bytes(CA.pem + OTHER.pem)
        assert es.cluster(soon()).name == "onprem"
        ca_file.write_bytes(CA.pem)
        with pytest.raises(ClusterError):
            es.cluster(soon())


# --- credentials


@pytest.mark.parametrize(
    "content",
    [f"{CANARY}\n{CANARY}".encode(), CANARY.encode() + b"\xff", f"{CANARY}\u20ac".encode(), b"", b"\n"],
    ids=["two lines", "not text", "not ascii", "empty", "blank"],
)
def test_a_key_file_that_holds_no_key_is_told_without_its_content(content: bytes, key_file: Path) -> None:
    """Promise 8: also through the crew, which tells every error that it did not expect."""
    key_file.write_bytes(content)
    crew = Crew("test", 1, lambda _: None)
    with serving(good) as url, api([url], key_file) as es:
        result = crew.each({"ask": lambda: es.cluster(soon())}, 5)["ask"]
    crew.close()
    assert isinstance(result, Failed)
    assert result.error.rule == "es_unauthorized"
    assert CANARY not in str(result.error) + repr(result.error.__cause__)
    assert str(key_file) in str(result.error)


def test_a_url_with_a_password_is_refused_without_repeating_it(key_file: Path) -> None:
    with api([f"http://user:{CANARY}@127.0.0.1:1"], key_file) as es, pytest.raises(ClusterError) as refused:
        es.cluster(soon())
    assert refused.value.rule == "es_unauthorized"
    assert CANARY not in str(refused.value)


def test_a_rotated_key_is_used_by_the_next_request(key_file: Path) -> None:
    used: list[bytes] = []

    def handle(peer: socket.socket) -> None:
        while request := peer.recv(65_536):
            used.append(next(line for line in request.split(b"\r\n") if line.lower().startswith(b"authorization")))
            good_once = json.dumps(GOOD).encode()
            peer.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(good_once), good_once))

    with serving(handle) as url, api([url], key_file) as es:
        es.cluster(soon())
        key_file.write_text("cm90YXRlZA==\n")
        es.cluster(soon())
    assert used[0].endswith(b"ApiKey " + CANARY.encode())
    assert used[-1].endswith(b"ApiKey cm90YXRlZA==")
