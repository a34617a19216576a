"""RESULTS.md and its picture, from what the parts measured."""

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path

from bench.budgets import PARTS
from bench.measured import Figures, Measured, load

HERE = Path(__file__).parent
RESULTS = HERE / "RESULTS.md"
PICTURE = HERE / "propagation.svg"
INTRODUCTION = """\
# Measured

`make bench` writes this page; `python -m bench PART...` measures parts of it anew. Hosts are real OpenSSH servers on
loopback; they, the daemon, the bench and the peers share the same cores, so compare the ratios. Only syncd and bare
paramiko compare what was there, fsync, rename and read back; the other peers overwrite.
"""
_TITLES = {
    "copying": "Copying to many hosts",
    "propagation": "From the Secret to the disks",
    "idle": "Idle",
    "thousand": "A thousand nodes",
    "proven": "From the Secret to the proof, on three real Elasticsearch nodes",
    "planning": "A rolling restart planned",
    "handshakes": "Fresh handshakes of simulated nodes",
}
_SMALL = """\
scp and ansible start processes for each host and are measured up to 50 hosts. 1,000 hosts are 1,000 nodes on 50 sshd,
each with a folder and a connection of its own; syncd keeps 100 sessions open by default, so that most of its second copy
to 1,000 connects anew, where the peers keep them all.
"""


def page() -> str:
    """The whole page."""
    return "\n".join(_page({part: load(part) for part in PARTS})) + "\n"


def write() -> None:
    """Write the page, and draw where there is something to draw."""
    RESULTS.write_text(page())
    print(f"written: {RESULTS}")


def draw(figures: Figures, python: Path) -> None:
    """Draw seconds against the number of hosts, with the interpreter that has the peers."""
    command = [str(python), str(HERE / "peers" / "draw.py"), str(PICTURE)]
    subprocess.run(command, input=json.dumps(figures), text=True, check=True)


def _page(parts: dict[str, Measured]) -> Iterable[str]:
    yield INTRODUCTION
    yield from _summary(parts)
    for part, measured in parts.items():
        yield f"\n## {_TITLES[part]}\n"
        if measured.on:
            yield f"`python -m bench {part}`, {measured.took:.0f} s; {measured.date}; {measured.on}\n"
        yield "| what | measured | budget | | why not |\n| --- | --- | --- | --- | --- |"
        yield from (row.line for row in measured.rows)
        if measured.figures:
            yield from _table(measured.figures)


def _summary(parts: dict[str, Measured]) -> Iterable[str]:
    verdicts = [row.verdict for measured in parts.values() for row in measured.rows if row.budget.bound is not None]
    counted = ", ".join(f"{verdicts.count(kind)} {kind}" for kind in ("met", "NOT met", "not measured"))
    yield f"{len(verdicts)} budgets: {counted}. A row without a budget explains another."


def _table(figures: Figures) -> Iterable[str]:
    counts = sorted(figures["syncd"], key=int)
    yield "\nOne small file to many hosts: seconds, times syncd's in brackets.\n"
    yield "| way | " + " | ".join(f"{int(count):,} hosts" for count in counts) + " |\n| --- |" + " --- |" * len(counts)
    for kind in ("cold", "warm"):
        for way, by_count in figures.items():
            if any(kind in took for took in by_count.values()):
                yield f"| {way}, {kind} | " + " | ".join(_cell(figures, way, count, kind) for count in counts) + " |"
    yield f"\n{_SMALL}\n![seconds against number of hosts]({PICTURE.name})"


def _cell(figures: Figures, way: str, count: str, kind: str) -> str:
    seconds = figures[way].get(count, {}).get(kind)
    return f"{seconds:.2f} ({seconds / figures['syncd'][count][kind]:.1f}x)" if seconds is not None else "-"
