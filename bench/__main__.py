"""`make bench`: measure, print, and write bench/RESULTS.md with its picture. `python -m bench PART...`: some parts of it."""

import os
import platform
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace

from bench import copying, handshakes, idle, page, planning, propagation, real, thousand, ways
from bench.budgets import PARTS
from bench.measured import Measured
from syncd.ports import now
from tests.bed import missing, paths


@dataclass(frozen=True)
class Part:
    """How a part is measured, and what the machine must have for it (`tests/bed/missing.py`)."""

    measure: Callable[[], Measured]
    needs: tuple[str, ...] = ()
    peers: bool = False
    elasticsearch: bool = False


MEASURES = {
    "copying": Part(copying.measure, ("sshd",), peers=True),
    "propagation": Part(propagation.measure, ("sshd",), peers=True),
    "idle": Part(idle.measure, ("sshd",)),
    "thousand": Part(thousand.measure, ("sshd",)),
    "proven": Part(real.measure, ("sshd", "kube", "elasticsearch"), elasticsearch=True),
    "handshakes": Part(handshakes.measure),
    "planning": Part(planning.measure),
}


def main(names: list[str]) -> int:
    """All parts, or those named; 1 if one of them could not be measured, 2 if there is no such part."""
    if unknown := [name for name in names if name not in PARTS]:
        print(f"no part {unknown[0]}; there are: {', '.join(PARTS)}")
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whoever ends it: the servers that it started end, too
    whole = True
    for name in names or PARTS:
        measured = run(name)
        measured.save(name)
        for row in measured.rows:
            print(f"  {row.line}", flush=True)
        page.write()  # what was measured is not lost with a later part
        whole = whole and all(row.value is not None for row in measured.rows)
    return 0 if whole else 1


def run(name: str) -> Measured:
    """One part; what keeps it from being measured is told in its rows."""
    part = MEASURES[name]
    print(f"{name} ...", flush=True)
    if lacks := missing.of(*part.needs):
        return replace(Measured.nothing(name, "; ".join(lacks)), date=f"{now():%Y-%m-%d}", on=_machine())
    began = time.monotonic()
    try:
        measured = part.measure()
        if measured.figures:
            page.draw(measured.figures, ways.peers_python())
    except Exception as error:  # noqa: BLE001 - the other parts are measured, and this one's rows say what happened
        traceback.print_exc()
        measured = Measured.nothing(name, f"{type(error).__name__}: {error}".replace("\n", " ")[:300])
    on = ", ".join([_machine(), *_versions(part)])
    return replace(measured, date=f"{now():%Y-%m-%d}", on=on, took=time.monotonic() - began)


def _machine() -> str:
    return f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


def _versions(part: Part) -> list[str]:
    peers = list(ways.peer_versions()) if part.peers else []
    return peers + ([f"Elasticsearch {paths.NEWEST}", f"Kubernetes {paths.KUBE_VERSION}"] if part.elasticsearch else [])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
