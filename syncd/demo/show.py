"""`syncd demo`: both security models from the Secret to the proof, on a world that is real but small."""

import logging
import signal
import tempfile
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.live import Live

from syncd.core.bundle import Cert, read_trust_file
from syncd.demo.pki import EckCa
from syncd.demo.show_certificate import show_certificate_model
from syncd.demo.stage import DemoFailed, Stage
from syncd.demo.world import ALIAS, NAMES, World
from syncd.ports import now

_KUBELET_SECONDS = 10.0
"""How long the pods of a real remote take to have a new leaf."""


def show_demo(*, keep: bool) -> bool:
    """Play it; whether every proof arrived and no handshake failed."""
    for number in (signal.SIGINT, signal.SIGTERM):  # whoever ends it, and however it was started: nothing stays behind
        signal.signal(number, signal.default_int_handler)
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # of our hosts: connections that end are part of the play
    console = Console(highlight=False, soft_wrap=True)
    with tempfile.TemporaryDirectory(prefix="syncd-demo-") as folder:
        world = World(Path(folder))
        live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
        try:
            with live or nullcontext():
                return _play(Stage(world, console, live), keep=keep)
        except KeyboardInterrupt:
            console.print("interrupted")
            return False
        except DemoFailed as failed:
            console.print(f"[bold red]FAILED[/] {failed}")
            console.print((Path(folder) / "syncd.log").read_text()[-4000:], markup=False)
            return False
        finally:
            world.stop()


def _play(stage: Stage, *, keep: bool) -> bool:
    """The acts, in order."""
    _ApiKeyModel(stage, stage.world).play()
    show_certificate_model(stage)
    _close(stage, keep=keep)
    return stage.failed == 0


@dataclass
class _ApiKeyModel:
    stage: Stage
    world: World

    def play(self) -> None:
        self._onboard()
        counted = self.world.handshakes()
        self._renew()
        self._rotate()
        self._lose_and_retire()
        ok, failed = (after - before for after, before in zip(self.world.handshakes(), counted, strict=True))
        self.stage.figures.append(("fresh handshakes during both rotations", f"{ok} ok, {failed} failed"))
        self.stage.failed += failed

    def _onboard(self) -> None:
        stage = self.stage
        stage.act("Three nodes whose trust file was copied by hand; on es-03 somebody forgot the remote's CA.")
        self.world.start_nodes()
        self.world.start_daemon()
        took = stage.wait("every node trusts the remote, proven", lambda: self._trust(self.world.ca.cert), 60)
        stage.figures.append(("onboarded, proven by each process", f"{took:.1f} s after the start of syncd"))
        stage.tell("The company's own CA in these files is foreign: syncd keeps it.")

    def _renew(self) -> None:
        self.stage.act("ECK renews its CA with the SAME KEY, as it does each year; leaves follow.")
        self._figure("same-key renewal", self.world.ca.renew(now()))
        self.world.follow()

    def _rotate(self) -> None:
        self.stage.act("ECK's CA is lost and made anew: a NEW KEY. The pods have their leaves ten seconds later.")
        renewed = self.world.ca.rekey(now())
        follows = time.monotonic() + _KUBELET_SECONDS
        self._figure("new key", renewed)
        self.stage.wait("the pods' new leaves", lambda: time.monotonic() >= follows, _KUBELET_SECONDS + 1)
        self.world.follow()

    def _lose_and_retire(self) -> None:
        stage, lost = self.stage, NAMES[-1]
        stage.act(f"{lost} loses its SSH. Its old trust may still be needed: no old CA retires while it is unknown.")
        self.world.hosts[lost].stop()
        stage.wait(f"held by every_node_known ({lost})", lambda: "every_node_known" in stage.rules(), 60)
        stage.act(f"{lost} is back.")
        self.world.hosts[lost].start()
        took = stage.wait("old CAs are out, the new one proven", lambda: self._only(self.world.ca.cert), 60)
        stage.figures.append(("old CAs retired", f"{took:.1f} s after {lost} was back"))

    def _figure(self, name: str, ca: EckCa) -> None:
        """Publish a CA, and measure until it is on disk and until it is loaded."""
        stage, wanted = self.stage, ca.cert
        self.world.publish(ca)
        written = stage.wait("on every disk", lambda: all(wanted in self._file(node) for node in NAMES), 40)
        proven = written + stage.wait("loaded by every process", lambda: self._trust(wanted), 40)
        stage.figures.append((f"{name}: Secret to disk on 3 nodes", f"{written * 1000:.0f} ms"))
        stage.figures.append((f"{name}: Secret to proven loaded", f"{proven:.1f} s (nodes look every 5 s)"))

    def _file(self, node: str) -> tuple[Cert, ...]:
        return read_trust_file(self.world.trust_file(node).read_bytes()).certs

    def _trust(self, ca: Cert) -> bool:
        """Every node has the CA on disk, its process is proven to have loaded the file, and its link is up."""
        files = {node: self._file(node) for node in NAMES}
        return all(ca in file for file in files.values()) and self.stage.proven(ALIAS, files)

    def _only(self, ca: Cert) -> bool:
        return self._trust(ca) and all(set(self._file(node)) == {ca, self.world.company} for node in NAMES)


def _close(stage: Stage, *, keep: bool) -> None:
    stage.console.print()
    for name, value in stage.figures:
        stage.console.print(f"  {name:<52} {value}", markup=False)
    stage.console.print("\nNext: syncd config init > syncd.yaml, then syncd check. How it works: docs/flow.md")
    if keep:
        port = stage.world.telemetry_port
        stage.console.print(f"Up until Ctrl-C: http://127.0.0.1:{port}/status and /metrics")
        stage.console.print(f"Try: syncd status --config {stage.world.config}", markup=False)
        try:
            while True:
                time.sleep(1)
        except KeyboardInterrupt:
            return
