"""The certificate model: from an elasticsearch.yml that knows of no remote to a mutual link, and both sides' CAs replaced."""

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass

from syncd.core.bundle import Cert, read_trust_file
from syncd.core.eck.mirror_text import read_mirror
from syncd.core.errors import BundleError
from syncd.demo.eck import DemoEck
from syncd.demo.kube.store import KubeFault
from syncd.demo.mutual import look
from syncd.demo.stage import DemoFailed, Stage
from syncd.demo.world import ALIAS, CERT_ALIAS, NAMES, NAMESPACE, World
from syncd.ports import now

_KUBELET_SECONDS = 5.0
_OURS = "cluster.metadata.syncd."
_ALLOCATION = "cluster.routing.allocation.enable"


def show_certificate_model(stage: Stage) -> None:
    """Play it: after this, `stage.failed` counts the handshakes that failed and should not have."""
    stage.act(
        "A second ECK cluster, by the CERTIFICATE model: mutual TLS between the transport ports. "
        "No elasticsearch.yml knows of it, and it trusts nobody but itself."
    )
    _CertificateModel(stage, stage.world, stage.world.link_by_certificate()).play()


@dataclass
class _CertificateModel:
    stage: Stage
    world: World
    eck: DemoEck

    def __post_init__(self) -> None:
        self._before = self.world.yml(NAMES[0]).read_text().splitlines()

    def play(self) -> None:
        self._publish()
        self._restart()
        self._prove()
        counted = self._counts()
        self._renew_theirs()
        self._replace_ours()
        ok_to, failed_to, ok_from, failed_from = (
            after - before for after, before in zip(self._counts(), counted, strict=True)
        )
        for way, ok, failed in (("to ECK", ok_to, failed_to), ("from ECK", ok_from, failed_from)):
            self.stage.figures.append((f"certificate model, fresh handshakes {way}", f"{ok} ok, {failed} failed"))
            self.stage.failed += failed

    def _publish(self) -> None:
        stage, own = self.stage, self.world.own.ca.cert
        stage.wait("our own CA is in the mirror, the ConfigMap that ECK reads", lambda: own in self._mirror(), 60)
        stage.wait("the Elasticsearch resource names the mirror (resource: managed)", self._is_named, 60)
        stage.wait("ECK's CA is on every disk, in remote-transport-ca.crt", lambda: self._on_disk(self.eck.ca.cert), 60)

    def _restart(self) -> None:
        stage, before = self.stage, {name: self.world.starts(name) for name in NAMES}
        stage.act("The settings of the transport layer are static: each node needs ONE restart, one node at a time.")
        began, done = time.monotonic(), set[str]()
        while len(done) < len(NAMES):
            found = stage.first("the next node's restart", lambda: self._restarted() - done, 90)
            for name in sorted(found):
                done.add(name)
                stage.tell(f"✓ {name} restarted ({len(done)} of {len(NAMES)})")
        stage.wait("allocation is as it was before, no restart is open", self._is_at_rest, 60)
        once = all(self.world.starts(name) == count + 1 for name, count in before.items())
        if not once:
            raise DemoFailed(f"a node was started more than once: {[self.world.starts(name) for name in NAMES]}")
        for line in self._edit():
            stage.tell(line)
        took = f"{time.monotonic() - began:.1f} s, each node once"
        stage.figures.append(("certificate model: rolling restart of 3 nodes", took))
        failed = self.world.handshakes(ALIAS)[1]
        stage.figures.append(("API-key handshakes failed since those restarts", str(failed)))
        stage.failed += failed

    def _prove(self) -> None:
        """By what the ports themselves say, whatever syncd does."""
        stage, theirs, ours = self.stage, self.eck.ca.cert.subject, self.world.own.ca.cert.subject
        ports = self.world.transport_ports
        stage.wait(
            f"the transport port of each node names {theirs}",
            lambda: all(theirs in look(port).accepted for port in ports.values()),
            60,
        )
        stage.wait(f"the transport port of ECK's node names {ours}", lambda: ours in self._accepted(), 60)
        stage.wait("the link is up from every node, proven", lambda: self._trust(self.eck.ca.cert), 60)

    def _renew_theirs(self) -> None:
        stage, old = self.stage, self.eck.ca
        stage.act("ECK's CA is lost and made anew: a NEW KEY. Its node has its leaf five seconds later.")
        follows = time.monotonic() + _KUBELET_SECONDS
        self.eck.publish(old.rekey(now()))
        took = stage.wait("on every disk and proven loaded", lambda: self._trust(self.eck.ca.cert), 60)
        stage.figures.append(
            ("certificate model, new key: to proven loaded", f"{took:.1f} s (nodes look every second)")
        )
        stage.wait("the node's new leaf", lambda: time.monotonic() >= follows, _KUBELET_SECONDS + 1)
        self.eck.follow()
        stage.wait("ECK's old CA is out of every file", lambda: self._on_disk(self.eck.ca.cert, alone=True), 60)

    def _replace_ours(self) -> None:
        stage, world, old = self.stage, self.world, self.world.own.ca.cert
        stage.act("The self-managed CA is replaced: our people let the nodes trust the next one, beside the old.")
        new = world.own.announce()
        stage.wait("it is in the mirror, ahead of any certificate", lambda: {old, new} <= set(self._mirror()), 60)
        stage.wait("ECK's node names it: it has loaded it", lambda: new.subject in self._accepted(), 60)
        stage.act("They issue the nodes' certificates anew, and take the old CA out of the nodes' trust.")
        world.own.issue()
        stage.wait("every node presents a new certificate", lambda: self._present(new), 60)
        world.own.drop()
        took = stage.wait("the old CA is out of the mirror, by proof", lambda: old not in self._mirror(), 60)
        stage.figures.append(("self-managed CA retired from the mirror", f"{took:.1f} s after the nodes let it go"))
        stage.wait("the link is up from every node, proven", lambda: self._trust(self.eck.ca.cert), 60)

    # --- what is seen

    def _mirror(self) -> tuple[Cert, ...]:
        try:
            data = self.world.kube.store.get(("configmaps", NAMESPACE, "remote-certs"))["data"]
        except KubeFault:
            return ()
        return read_mirror(data["ca.crt"]).certs

    def _is_named(self) -> bool:
        spec = self.world.kube.store.get(self.eck.resource)["spec"]
        there = spec.get("transport", {}).get("tls", {}).get("certificateAuthorities", {})
        return bool(there.get("configMapName") == "remote-certs")

    def _file(self, node: str) -> tuple[Cert, ...]:
        try:
            return read_trust_file(self.world.transport_file(node).read_bytes()).certs
        except (OSError, BundleError):
            return ()

    def _on_disk(self, ca: Cert, *, alone: bool = False) -> bool:
        files = [self._file(node) for node in NAMES]
        return all(file == (ca,) if alone else ca in file for file in files)

    def _trust(self, ca: Cert) -> bool:
        return self._on_disk(ca) and self.stage.proven(CERT_ALIAS, {node: self._file(node) for node in NAMES})

    def _restarted(self) -> set[str]:
        """The nodes whose restart has proven itself, as the cluster has it written down."""
        notes = json.loads(self.world.settings().get(f"{_OURS}restarted", '{"nodes": {}}'))["nodes"]
        return {name for name, note in notes.items() if note["result"] == "done"}

    def _is_at_rest(self) -> bool:
        return not {_ALLOCATION, f"{_OURS}restart"} & self.world.settings().keys()

    def _edit(self) -> Iterable[str]:
        """What elasticsearch.yml says now that it did not say before."""
        lines = self.world.yml(NAMES[0]).read_text().splitlines()
        yield from (f"  {NAMES[0]}: + {line.strip()}" for line in lines if line not in self._before)

    def _accepted(self) -> frozenset[str]:
        """Whom ECK's node says that it trusts."""
        return look(self.eck.port.port).accepted

    def _present(self, ca: Cert) -> bool:
        return all(look(port).issuer == ca.subject for port in self.world.transport_ports.values())

    def _counts(self) -> tuple[int, int, int, int]:
        """(ok, failed) fresh handshakes to ECK, and (ok, failed) from there."""
        return *self.world.handshakes(CERT_ALIAS), self.eck.counts.ok, self.eck.counts.failed
