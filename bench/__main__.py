"""`make bench`: measure, print, and write bench/RESULTS.md with its picture."""

import json
import os
import platform
import subprocess
from collections.abc import Iterable
from pathlib import Path

from bench.compare import Figures, compare
from bench.propagation import Row, measure
from bench.ways import peer_versions, peers_python
from syncd.ports import now

HERE = Path(__file__).parent
_INTRODUCTION = """\
# Measured

`make bench` writes this page. Hosts are real OpenSSH servers on loopback; they, the daemon and the peers share the same
cores, so compare the ratios. Only syncd compares what was there, fsyncs, renames and reads back; the peers overwrite.
"""


def main() -> None:
    """All of it: about fifteen minutes."""
    figures = compare()
    rows = measure()
    rows += _against_peers(figures, rows[0].value / 1000)
    _draw(figures)
    (HERE / "RESULTS.md").write_text("\n".join(_page(figures, rows)))
    print(f"written: {HERE / 'RESULTS.md'}")


def _page(figures: Figures, rows: list[Row]) -> Iterable[str]:
    yield _INTRODUCTION
    machine = f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    yield f"{now():%Y-%m-%d}; {machine}; {', '.join(peer_versions())}\n"
    yield "## syncd's budgets\n\n| what | measured | budget | |\n| --- | --- | --- | --- |"
    yield from (f"| {row.what} | {row.shown} | {row.budget} | {row.verdict} |" for row in rows)
    counts = sorted(figures["syncd"])
    yield "\n## One small file to many hosts (seconds; times syncd's in brackets)\n"
    yield "| way | " + " | ".join(f"{count} hosts" for count in counts) + " |\n| --- |" + " --- |" * len(counts)
    for kind in ("cold", "warm"):
        for way, by_count in figures.items():
            if kind in by_count[counts[0]]:
                cells = (_cell(by_count[count][kind], figures["syncd"][count][kind]) for count in counts)
                yield f"| {way}, {kind} | " + " | ".join(cells) + " |"
    yield "\n![seconds against number of hosts](propagation.svg)\n"


def _against_peers(figures: Figures, propagated: float) -> Iterable[Row]:
    """The budgets that are ratios to a peer, on the largest number of hosts."""
    most = max(figures["syncd"])
    cold = {way: by_count[most]["cold"] for way, by_count in figures.items()}
    yield Row(f"{most} hosts cold, against parallel-ssh cold", cold["syncd"] / cold["parallel-ssh"], "times", 1.2)
    ansible = cold["ansible copy"] / propagated
    yield Row("ansible copy, against Secret changed -> on all disks", ansible, "times as long", 100, least=True)


def _cell(seconds: float, ours: float) -> str:
    return f"{seconds:.2f} ({seconds / ours:.1f}x)"


def _draw(figures: Figures) -> None:
    command = [str(peers_python()), str(HERE / "peers" / "draw.py"), str(HERE / "propagation.svg")]
    subprocess.run(command, input=json.dumps(figures), text=True, check=True)


if __name__ == "__main__":
    main()
