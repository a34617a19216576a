"""`python -m tests.defences [--slow] [NAME...]`: names are parts of tests' names; without any, the whole table."""

import argparse
import os
import sys
from collections import Counter
from pathlib import Path

from tests.defences.page import ROOT
from tests.defences.run import Ran, copy_of_the_tree, removed, run
from tests.defences.table import DEFENCES, Defence


def main() -> int:
    """Print a line for each removal; 1 if one was not caught, or could not be tried."""
    parser = argparse.ArgumentParser(prog="python -m tests.defences", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--slow", action="store_true", help="also those that take minutes each")
    parser.add_argument("--quick", action="store_true", help="do not first see each test pass with its defence")
    asked = parser.parse_args()
    chosen = [d for d in DEFENCES if not asked.names or any(name in d.test for name in asked.names)]
    counts: Counter[str] = Counter()
    print("defence | test | caught")
    print("--- | --- | ---")
    with copy_of_the_tree() as copy:
        for defence in sorted(chosen, key=lambda each: each.slow):
            word = (
                "left out: slow (--slow)"
                if defence.slow and not asked.slow
                else _tried(copy, defence, quick=asked.quick)
            )
            counts[word.partition(":")[0]] += 1
            print(f"{defence.file}: {defence.brief} | {defence.test} | {word}", flush=True)
    print(", ".join(f"{count} {word}" for word, count in counts.most_common()))
    good = {"yes", "left out"} | (set() if os.environ.get("SYNCD_BED") == "require" else {"skipped"})
    return 0 if chosen and set(counts) <= good else 1


def _tried(copy: Path, defence: Defence, *, quick: bool) -> str:
    """Whether the test passes with the defence (unless it is quick) and fails without it."""
    there = (ROOT / defence.file).read_text().count(defence.text)
    if there != 1:
        return f"BROKEN: the text occurs {there} times in {defence.file}, not once"
    before = Ran("passed") if quick else run(copy, defence)
    if before.word != "passed":
        return f"skipped: {before.text}" if before.word == "skipped" else f"BROKEN: with the defence too: {before.text}"
    with removed(copy, defence):
        after = run(copy, defence)
    words = {"failed": "yes", "passed": "NO", "skipped": f"skipped: {after.text}"}
    return words.get(after.word, f"BROKEN: {after.text}")


if __name__ == "__main__":
    sys.exit(main())
