"""What docs/faults.md says, and where the tests are that it names."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def rows() -> dict[str, list[str]]:
    """The tests that each row names, by its fault."""
    lines = [line for line in (ROOT / "docs/faults.md").read_text().splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines if "---" not in line]
    return {row[0]: re.findall(r"`(test_\w+)`", row[-1]) for row in cells if row[0] != "fault"}


def places(name: str) -> list[str]:
    """The files that define a test, relative to the root."""
    wanted = re.compile(rf"^\s*def {name}\(", re.MULTILINE)
    files = sorted((ROOT / "tests").rglob("*.py"))
    return [str(path.relative_to(ROOT)) for path in files if wanted.search(path.read_text())]
