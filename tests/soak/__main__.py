"""`make soak`: an hour of faults; see CONTRIBUTING.md."""

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from tests.bed import missing
from tests.soak.ledger import Ledger
from tests.soak.report import report
from tests.soak.run import FAULTS, run
from tests.soak.world import run_world

_HOUR = 3600.0


def main() -> int:
    """0: all held; 1: it did not, and the folder stays; 2: this machine lacks something."""
    asked = _arguments()
    if lacks := missing.of("kube", "sshd", "elasticsearch"):
        print(*lacks, sep="\n")  # noqa: T201
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ended either way, it ends its servers
    folder = Path(tempfile.mkdtemp(prefix="syncd-soak-"))
    folder.chmod(0o755)
    ledger = Ledger()
    ledger.note(f"seed {asked.seed}, folder {folder}")
    try:
        with run_world(folder, asked.seed, ledger) as world:
            run(world, asked.seconds, asked.only, each_once=asked.each_once, go_on=asked.go_on)
    except KeyboardInterrupt:
        ledger.note("interrupted")
    except Exception as error:
        ledger.violation(f"the soak itself failed: {error!r}")
        raise
    finally:
        _finish(ledger, asked, folder)
    return 1 if ledger.violations else 0


def _finish(ledger: Ledger, asked: argparse.Namespace, folder: Path) -> None:
    text = report(ledger, asked.seed)
    print(text)  # noqa: T201
    if asked.report:
        asked.report.write_text(text)
    if ledger.violations:
        print(f"kept: {folder}")  # noqa: T201
    else:
        shutil.rmtree(folder, ignore_errors=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description="All faults at random on real servers.")
    seconds = float(os.environ.get("SOAK_SECONDS", _HOUR))
    parser.add_argument("seconds", nargs="?", type=float, default=seconds, help="how long (default: an hour)")
    seed = random.randrange(10**6)  # noqa: S311 - guards nothing
    parser.add_argument("--seed", type=int, default=seed, help="of the choice of faults")
    parser.add_argument("--each-once", action="store_true", help="make each fault once, and end")
    parser.add_argument("--go-on", action="store_true", help="go on when something did not hold")
    names = [fault.name for fault in FAULTS]
    parser.add_argument("--only", action="append", default=[], choices=names, metavar="FAULT", help=", ".join(names))
    parser.add_argument("--report", type=Path, help="write the tables to this file, too")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
