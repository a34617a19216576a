"""docs/faults.md tells of tests that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_row_of_the_faults_page_names_a_test_that_is_there() -> None:
    rows = [
        line
        for line in (ROOT / "docs/faults.md").read_text().splitlines()
        if line.startswith("| ") and "---" not in line
    ]
    there = set(
        re.findall(r"def (test_\w+)", "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py")))
    )
    there |= set(
        re.findall(r"def (test_\w+)", "".join(path.read_text() for path in (ROOT / "tests").rglob("*contract.py")))
    )
    for row in rows:
        named = re.findall(r"`(test_\w+)`", row)
        assert named or "| test |" in row, f"a row without a test: {row}"
        assert set(named) <= there, f"not there: {set(named) - there}"
