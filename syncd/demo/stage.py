"""What the demo's acts stand on: the console, the wait for what must come, the table of what syncd says."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from rich.console import Console
from rich.live import Live
from rich.table import Table

from syncd.core.bundle import Cert, bundle_digest
from syncd.demo.world import NAMES, World

T = TypeVar("T")


class DemoFailed(Exception):
    """Something that had to come did not."""


@dataclass
class Stage:
    """One world, and the screen."""

    world: World
    console: Console
    live: Live | None
    """The table, redrawn in place; None where lines go to a file."""
    began: float = field(default_factory=time.monotonic)
    shown: dict[str, str] = field(default_factory=dict)
    figures: list[tuple[str, str]] = field(default_factory=list)
    failed: int = 0
    """Fresh handshakes that failed where none may."""

    # --- what is seen

    def rows(self, alias: str) -> list[dict[str, str]]:
        """What syncd says of each node's link to a remote."""
        clusters = self.world.status().get("clusters", [])
        return [row for cluster in clusters for row in cluster["rows"] if row["remote"] == alias]

    def proven(self, alias: str, files: Mapping[str, tuple[Cert, ...]]) -> bool:
        """Whether each node is proven to have loaded its file as it is now, and each link is up."""
        rows = self.rows(alias)
        good = [row for row in rows if row["loaded"].startswith("proven") and row["link"] == "up"]
        return len(good) == len(NAMES) and all(row["bundle"] == bundle_digest(files[row["node"]])[:16] for row in good)

    def rules(self) -> set[str]:
        """What holds something."""
        return {hold["rule"] for cluster in self.world.status().get("clusters", []) for hold in cluster["holds"]}

    # --- what is shown

    def act(self, text: str) -> None:
        """What happens now."""
        self.console.print(f"\n[bold]{text}[/]")

    def tell(self, text: str) -> None:
        """What was seen."""
        self.console.print(f"{time.monotonic() - self.began:6.1f} s  {text}", markup=False)

    def wait(self, what: str, look: Callable[[], object], seconds: float) -> float:
        """Wait for a thing, showing the table as it changes; seconds that it took. Raises DemoFailed."""
        began = time.monotonic()
        self.first(what, look, seconds)
        self.tell(f"✓ {what}")
        return time.monotonic() - began

    def first(self, what: str, look: Callable[[], T], seconds: float) -> T:
        """The first true result. Raises DemoFailed."""
        end = time.monotonic() + seconds
        while not (found := look()):
            if time.monotonic() > end:
                raise DemoFailed(f"{what} did not come in {seconds:.0f} s; holds: {sorted(self.rules())}")
            self._show_rows()
            time.sleep(0.01)
        self._show_rows()
        return found

    def _show_rows(self) -> None:
        clusters = self.world.status().get("clusters", [])
        found = [row for cluster in clusters for row in cluster["rows"]]
        rows = [(r["node"], r["remote"], r["file"], r["loaded"], r.get("link", ""), r.get("note", "")) for r in found]
        texts = {f"{row[0]} {row[1]}": "{2}, {3}, link {4}".format(*row) for row in rows}
        if not texts or texts == self.shown:
            return
        news = "   ".join(f"{link}: {text}" for link, text in texts.items() if self.shown.get(link) != text)
        self.shown = texts
        if self.live is None:
            self.tell(news)
            return
        table = Table("NODE", "REMOTE", "FILE", "LOADED", "LINK", "NOTE", box=None, pad_edge=False)
        for row in rows:
            table.add_row(*row)
        self.live.update(table, refresh=True)
