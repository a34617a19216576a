"""`syncd demo`: a rotation from the Secret to the proof, on a world that is real but small."""

import signal
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table

from syncd.core.bundle import Cert, bundle_digest, read_trust_file
from syncd.demo.pki import EckCa
from syncd.demo.world import ALIAS, NAMES, World
from syncd.ports import now

_KUBELET_SECONDS = 10.0
"""How long the pods of a real remote take to have a new leaf."""


class DemoFailed(Exception):
    """Something that had to come did not."""


def show_demo(*, keep: bool) -> bool:
    """Play it; whether every proof arrived and no handshake failed."""
    for number in (signal.SIGINT, signal.SIGTERM):  # whoever ends it, and however it was started: nothing stays behind
        signal.signal(number, signal.default_int_handler)
    console = Console(highlight=False, soft_wrap=True)
    with tempfile.TemporaryDirectory(prefix="syncd-demo-") as folder:
        world = World(Path(folder))
        live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
        try:
            with live or nullcontext():
                return _Play(world, console, live).play(keep=keep)
        except KeyboardInterrupt:
            console.print("interrupted")
            return False
        except DemoFailed as failed:
            console.print(f"[bold red]FAILED[/] {failed}")
            console.print((Path(folder) / "syncd.log").read_text()[-4000:], markup=False)
            return False
        finally:
            world.stop()


@dataclass
class _Play:
    world: World
    console: Console
    live: Live | None
    """The table, redrawn in place; None where lines go to a file."""
    began: float = field(default_factory=time.monotonic)
    shown: str = ""
    figures: list[tuple[str, str]] = field(default_factory=list)

    def play(self, *, keep: bool) -> bool:
        """The acts, in order."""
        self._onboard()
        counted = self.world.handshakes()
        self._renew()
        self._rotate()
        self._lose_and_retire()
        ok, failed = (after - before for after, before in zip(self.world.handshakes(), counted, strict=True))
        self.figures.append(("fresh handshakes during both rotations", f"{ok} ok, {failed} failed"))
        self._close(keep=keep)
        return failed == 0

    def _onboard(self) -> None:
        self._act("Three nodes whose trust file was copied by hand; on es-03 somebody forgot the remote's CA.")
        self.world.start_nodes()
        self.world.start_daemon()
        took = self._await("every node trusts the remote, proven", lambda: self._trust(self.world.ca.cert), 30)
        self.figures.append(("onboarded, proven by each process", f"{took:.1f} s after the start of syncd"))
        self._tell("The company's own CA in these files is foreign: syncd keeps it.")

    def _renew(self) -> None:
        self._act("ECK renews its CA with the SAME KEY, as it does each year; leaves follow.")
        self._figure("same-key renewal", self.world.ca.renew(now()))
        self.world.follow()

    def _rotate(self) -> None:
        self._act("ECK's CA is lost and made anew: a NEW KEY. The pods have their leaves ten seconds later.")
        renewed = self.world.ca.rekey(now())
        follows = time.monotonic() + _KUBELET_SECONDS
        self._figure("new key", renewed)
        self._await("the pods' new leaves", lambda: time.monotonic() >= follows, _KUBELET_SECONDS + 1)
        self.world.follow()

    def _lose_and_retire(self) -> None:
        lost = NAMES[-1]
        self._act(f"{lost} loses its SSH. Its old trust may still be needed: no old CA retires while it is unknown.")
        self.world.hosts[lost].stop()
        self._await(f"held by every_node_known ({lost})", lambda: "every_node_known" in self._rules(), 30)
        self._act(f"{lost} is back.")
        self.world.hosts[lost].start()
        took = self._await("old CAs are out, the new one proven", lambda: self._only(self.world.ca.cert), 60)
        self.figures.append(("old CAs retired", f"{took:.1f} s after {lost} was back"))

    def _figure(self, name: str, ca: EckCa) -> None:
        """Publish a CA, and measure until it is on disk and until it is loaded."""
        wanted = ca.cert
        self.world.publish(ca)
        written = self._await("on every disk", lambda: all(wanted in self._file(node) for node in NAMES), 20)
        proven = written + self._await("loaded by every process", lambda: self._trust(wanted), 20)
        self.figures.append((f"{name}: Secret to disk on 3 nodes", f"{written * 1000:.0f} ms"))
        self.figures.append((f"{name}: Secret to proven loaded", f"{proven:.1f} s (nodes look every 5 s)"))

    def _close(self, *, keep: bool) -> None:
        self.console.print()
        for name, value in self.figures:
            self.console.print(f"  {name:<44} {value}", markup=False)
        self.console.print("\nNext: syncd config init > syncd.yaml, then syncd check. How it works: docs/flow.md")
        if keep:
            port = self.world.telemetry_port
            self.console.print(f"Up until Ctrl-C: http://127.0.0.1:{port}/status and /metrics")
            self.console.print(f"Try: syncd status --config {self.world.config}", markup=False)
            try:
                while True:
                    time.sleep(1)
            except KeyboardInterrupt:
                return

    # --- what is seen

    def _file(self, node: str) -> tuple[Cert, ...]:
        return read_trust_file(self.world.trust_file(node).read_bytes()).certs

    def _trust(self, ca: Cert) -> bool:
        """Every node has the CA on disk, its process is proven to have loaded the file, and its link is up."""
        rows = self._rows()
        proven = all(self._proven(row) and row["link"] == "up" for row in rows)
        return len(rows) == len(NAMES) and proven and all(ca in self._file(node) for node in NAMES)

    def _proven(self, row: dict[str, str]) -> bool:
        """Whether the page tells of the file as it is now, and that it is loaded."""
        return row["loaded"].startswith("proven") and row["bundle"] == bundle_digest(self._file(row["node"]))[:16]

    def _only(self, ca: Cert) -> bool:
        return self._trust(ca) and all(set(self._file(node)) == {ca, self.world.company} for node in NAMES)

    def _rows(self) -> list[dict[str, str]]:
        clusters = self.world.status().get("clusters", [])
        return [row for cluster in clusters for row in cluster["rows"] if row["remote"] == ALIAS]

    def _rules(self) -> set[str]:
        return {hold["rule"] for cluster in self.world.status().get("clusters", []) for hold in cluster["holds"]}

    # --- what is shown

    def _act(self, text: str) -> None:
        self.console.print(f"\n[bold]{text}[/]")

    def _tell(self, text: str) -> None:
        self.console.print(f"{time.monotonic() - self.began:6.1f} s  {text}", markup=False)

    def _await(self, what: str, look: Callable[[], bool], seconds: float) -> float:
        """Wait for a thing, showing the table as it changes; seconds that it took."""
        began = time.monotonic()
        while not look():
            if time.monotonic() - began > seconds:
                raise DemoFailed(f"{what} did not come in {seconds:.0f} s; holds: {sorted(self._rules())}")
            self._show_rows()
            time.sleep(0.01)
        took = time.monotonic() - began
        self._show_rows()
        self._tell(f"✓ {what}")
        return took

    def _show_rows(self) -> None:
        rows = [(r["node"], r["file"], r["loaded"], r.get("link", ""), r.get("note", "")) for r in self._rows()]
        text = "   ".join(f"{node}: {file}, {loaded}, link {link}" for node, file, loaded, link, _ in rows)
        if not text or text == self.shown:
            return
        self.shown = text
        if self.live is None:
            self._tell(text)
            return
        table = Table("NODE", "FILE", "LOADED", "LINK", "NOTE", box=None, pad_edge=False)
        for row in rows:
            table.add_row(*row)
        self.live.update(table, refresh=True)
