"""The embedded node does what a real one was seen to do with its trust file, in a process of its own."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from syncd.demo.free_ports import free_ports
from syncd.demo.node import NodeConfig
from syncd.demo.pki import EckCa, Leaf
from syncd.demo.remote import DemoRemote
from syncd.ports import now
from tests.bed.waiting import wait_for

CA = EckCa.create(now())


class Running:
    """A node process, its remote, and its files."""

    def __init__(self, folder: Path, trust: bytes, leaf: Leaf) -> None:
        self.remote = DemoRemote([leaf])
        self.trust, self.log = folder / "ca.crt", folder / "onprem.log"
        self.trust.write_bytes(trust)
        self.log.touch()
        (port,) = free_ports(1)
        self.config = NodeConfig(
            "es-01", port, str(self.trust), str(self.log), {"es-01": port}, str(folder / "settings.json"),
            "key", "eck", self.remote.port, poll=0.05, fresh_every=0.02,
        )  # fmt: skip
        (folder / "node.json").write_text(json.dumps(asdict(self.config)))
        self._process = subprocess.Popen([sys.executable, "-m", "syncd.demo.node", str(folder / "node.json")])

    def write(self, content: bytes) -> None:
        temp = self.trust.with_name("new")
        temp.write_bytes(content)
        temp.rename(self.trust)

    def get(self, path: str, body: object = None, key: str = "key") -> dict[str, object]:
        data = json.dumps(body).encode() if body is not None else None
        url = f"http://127.0.0.1:{self.config.http_port}{path}"
        request = Request(url, data, {"authorization": f"ApiKey {key}"}, method="PUT" if data else "GET")
        with urlopen(request, timeout=5) as answer:  # noqa: S310 - loopback
            answered: dict[str, object] = json.load(answer)
            return answered

    def connects(self) -> bool:
        return self.get("/_resolve/cluster/eck:*")["eck"] == {"connected": True, "skip_unavailable": True}

    def logs(self, text: str) -> bool:
        return text in self.log.read_text()

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        self.remote.stop()


@contextmanager
def running(folder: Path, trust: bytes, leaf: Leaf) -> Iterator[Running]:
    node = Running(folder, trust, leaf)
    try:
        wait_for(lambda: node.get("/_cluster/health"), 20, "the node")
        yield node
    finally:
        node.stop()


def soon(look: Callable[[], bool], what: str) -> None:
    wait_for(look, 10, what)


def test_a_changed_file_is_loaded_and_told_with_its_absolute_path(tmp_path: Path) -> None:
    with running(tmp_path, CA.pem, CA.leaf()) as node:
        assert node.connects()
        node.write(CA.rekey(now()).pem)
        line = f"updated 1 ssl contexts in 6ms for prefix names [] using file [{node.trust}]"
        soon(lambda: node.logs(line), "the log line")
        assert not node.connects()


@pytest.mark.parametrize("bad", [b"", b"oops", CA.pem[:400], CA.pem + CA.pem[:400]])
def test_a_bad_file_keeps_the_old_trust_and_is_told_and_a_good_one_mends_it(tmp_path: Path, bad: bytes) -> None:
    with running(tmp_path, CA.pem, CA.leaf()) as node:
        node.write(bad)
        soon(lambda: node.logs("cannot notify file changes listener"), "the warning")
        assert node.connects()
        assert not node.logs("updated")
        node.write(CA.pem)
        soon(lambda: node.logs("updated 1 ssl contexts"), "the log line")


def test_an_expired_ca_is_trust_and_an_expired_leaf_is_none(tmp_path: Path) -> None:
    """As Java does it: rows of the truth table of a real 8.19.21."""
    expired = EckCa.create(now() - timedelta(days=375), lasts=timedelta(days=365))
    with running(tmp_path, expired.pem, expired.renew(now()).leaf()) as node:
        assert node.connects()
        node.remote.serve([expired.renew(now()).leaf(now=now() - timedelta(days=375))])
        assert not node.connects()
        counts = node.get("/_demo/handshakes")
        soon(lambda: "the leaf is valid" in str(node.get("/_demo/handshakes")["last_error"]), "the reason")
        assert counts["ok"]


def test_settings_are_merged_and_null_removes(tmp_path: Path) -> None:
    with running(tmp_path, CA.pem, CA.leaf()) as node:
        node.get("/_cluster/settings", {"persistent": {"cluster.metadata.a": "1", "cluster.metadata.b": "2"}})
        node.get("/_cluster/settings", {"persistent": {"cluster.metadata.a": None}})
        assert node.get("/_cluster/settings")["persistent"] == {"cluster.metadata.b": "2"}


def test_another_key_is_refused(tmp_path: Path) -> None:
    with running(tmp_path, CA.pem, CA.leaf()) as node, pytest.raises(HTTPError) as refused:
        node.get("/_cluster/health", key="other")
    with refused.value as answer:
        assert answer.code == 401
