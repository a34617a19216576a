"""What a part measured, kept in a file of its own: RESULTS.md is assembled from all of them."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from bench.budgets import PARTS
from bench.rows import Row

FOLDER = Path(__file__).parent / "measured"
Figures = dict[str, dict[str, dict[str, float]]]
"""Way -> number of hosts -> `cold` and `warm` seconds, the median of the rounds."""


@dataclass(frozen=True)
class Measured:
    """The rows of one part, when and on what."""

    rows: tuple[Row, ...]
    figures: Figures = field(default_factory=dict)
    date: str = ""
    on: str = ""
    """Machine and versions."""
    took: float = 0.0
    """Seconds."""

    @classmethod
    def nothing(cls, part: str, why: str) -> "Measured":
        """Each budget of a part, not measured, and why."""
        return cls(tuple(each.not_measured(why) for each in PARTS[part]))

    def save(self, part: str) -> None:
        """Write it over what was measured before."""
        rows = {row.budget.key: {"value": row.value, "detail": row.detail, "why": row.why} for row in self.rows}
        body = {"date": self.date, "on": self.on, "took": round(self.took), "rows": rows, "figures": self.figures}
        FOLDER.mkdir(exist_ok=True)
        (FOLDER / f"{part}.json").write_text(json.dumps(body, indent=1) + "\n")


def load(part: str) -> Measured:
    """What was measured last; a budget that was not is named as such."""
    try:
        body = json.loads((FOLDER / f"{part}.json").read_text())
    except FileNotFoundError:
        return Measured.nothing(part, f"not run yet: python -m bench {part}")
    stored = body["rows"]
    rows = tuple(
        Row(each, **stored[each.key]) if each.key in stored else each.not_measured("newer than the last run")
        for each in PARTS[part]
    )
    return Measured(rows, body["figures"], body["date"], body["on"], body["took"])
