"""Each row of the table is put to real nodes of both versions: they decide, and `core.trust` has to agree (test_trust.py).

A node dials a listener that presents what the row says. Whether the row's trust file is loaded is known by a control
certificate of the row's own in it, which the node must accept before and after.
"""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.bed import paths
from tests.bed.elasticsearch import EsNode
from tests.bed.waiting import wait_for
from tests.java_rules import ROWS
from tests.java_rules.issue import Made, leaf
from tests.java_rules.row import Row

pytestmark = [pytest.mark.bed, pytest.mark.timeout(900)]
FILE, ALIAS = "remote-cluster-ca.crt", "rules"
_YML = f"""\
node.store.allow_mmap: false
resource.reload.interval.high: 100ms
xpack.security.remote_cluster_client.ssl.enabled: true
xpack.security.remote_cluster_client.ssl.certificate_authorities: ["{FILE}"]
xpack.security.remote_cluster_client.ssl.verification_mode: certificate
"""
_PATIENCE = 30.0
ACCEPTED = "accepted"
_NOT_OFFERED = "NO_SUITABLE_SIGNATURE_ALGORITHM"
"""What OpenSSL says where the node does not offer the hash that a certificate is signed with (MD5)."""


def decided(verdicts: list[str]) -> str:
    """Accepted, or the node's alert; empty while it has done neither (a node may hang up for another reason)."""
    return next((said for said in verdicts if said in (ACCEPTED, _NOT_OFFERED) or "ALERT" in said), "")


@dataclass
class Listener:
    """A remote cluster server as far as the handshake: it presents a chain and notes what each client made of it."""

    folder: Path
    presents: str = ""
    seen: list[tuple[str, str]] = field(default_factory=list)
    """(what was presented, what the client made of it), in order."""
    contexts: dict[str, ssl.SSLContext] = field(default_factory=dict)
    server: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    def offer(self, label: str, chain: tuple[Made, ...]) -> None:
        """Present this from now on. A resumed session would not be verified again, so there are none."""
        path = self.folder / "presented.pem"
        path.write_bytes(chain[0].key_pem + b"".join(made.pem for made in chain))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        context.num_tickets = 0
        context.options |= ssl.OP_NO_TICKET
        context.load_cert_chain(path)
        self.contexts[label] = context
        self.presents = label

    def run(self) -> None:
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            label = self.presents
            connection.settimeout(_PATIENCE)
            with connection, suppress(OSError):
                self.seen.append((label, self._judged(connection, self.contexts[label])))

    def _judged(self, connection: socket.socket, context: ssl.SSLContext) -> str:
        try:
            with context.wrap_socket(connection, server_side=True) as secured:
                first = secured.recv(2)
        except ssl.SSLError as error:
            return error.reason or str(error)
        return ACCEPTED if first == b"ES" else f"said {first!r}"

    def verdicts(self, label: str) -> list[str]:
        return [verdict for presented, verdict in self.seen if presented == label]

    def stop(self) -> None:
        with suppress(OSError):
            self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()


@dataclass
class Judge:
    """A real node, and the listener that it dials."""

    node: EsNode
    listener: Listener
    rounds: int = 0

    def asked(self, label: str, chain: tuple[Made, ...]) -> str:
        """What the node makes of a chain with the trust that it has loaded now: accepted, or why not."""
        self.rounds += 1
        label = f"{self.rounds} {label}"
        self.listener.offer(label, chain)

        def answered() -> str:
            self.node.api("GET", f"/_resolve/cluster/{ALIAS}:*")
            return decided(self.listener.verdicts(label))

        return wait_for(answered, _PATIENCE, f"a decision of {self.node.version} on {label}")

    def judges(self, row: Row) -> str:
        """The verdict on a row, between two accepted controls of its own."""
        control = leaf(None, f"control {self.rounds}")
        self.node.write(FILE, b"".join(made.pem for made in (control, *row.anchors)))
        wait_for(lambda: self.asked("control", (control,)) == ACCEPTED, _PATIENCE, f"the trust of: {row.name}")
        said = self.asked(row.name, row.chain)
        assert self.asked("control", (control,)) == ACCEPTED, f"the file was replaced during: {row.name}"
        return said


@pytest.fixture(params=paths.ELASTICSEARCH_VERSIONS)
def judge(request: pytest.FixtureRequest, open_folder: Path, need_elasticsearch: None) -> Iterator[Judge]:
    files = {FILE: leaf(None, "first").pem}
    node = EsNode(open_folder / "es", "es-01", "rules", version=request.param, yml=_YML, files=files)
    listener = Listener(open_folder)
    thread = threading.Thread(target=listener.run, name="listener")
    thread.start()
    try:
        node.create([node]).secure(f"cluster.remote.{ALIAS}.credentials", "cnVsZXM6cnVsZXM=")
        node.start().ready()
        listener.offer("first", (leaf(None, "first"),))
        address = f"127.0.0.1:{listener.server.getsockname()[1]}"
        remote = {"mode": "proxy", "proxy_address": address, "skip_unavailable": True, "proxy_socket_connections": 1}
        node.api("PUT", "/_cluster/settings", {"persistent": {"cluster": {"remote": {ALIAS: remote}}}})
        yield Judge(node, listener)
    finally:
        node.stop()
        listener.stop()
        thread.join()


def test_real_nodes_say_what_the_table_says(judge: Judge) -> None:
    said = {row.name: judge.judges(row) for row in ROWS}
    wrong = [
        f"{row.name}: {said[row.name]}, the table says {'accepted' if row.accepted else 'refused'}"
        for row in ROWS
        if (said[row.name] == ACCEPTED) is not row.accepted
    ]
    assert not wrong, "\n".join(wrong)
