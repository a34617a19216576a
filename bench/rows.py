"""What is measured against what: a `Budget` says the bound, a `Row` what came out."""

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["met", "NOT met", "not measured", "-"]
UNEXPLAINED = "not explained yet"


@dataclass(frozen=True)
class Budget:
    """One thing that a part measures, and the most (or least) that it should be."""

    key: str
    """Its name in the code and in what is stored; the same for all time."""
    what: str
    unit: str
    bound: float | None
    """None: measured, since it explains another, but bound by nothing."""
    least: bool = False
    """The bound is the least that it should be, not the most."""

    @property
    def shown(self) -> str:
        """The bound with its unit."""
        if self.bound is None:
            return "-"
        return f"at {'least' if self.least else 'most'} {self.bound:g} {self.unit}"

    def row(self, value: float | None, detail: str = "", why: str = "") -> "Row":
        """What was measured; `why` is told where the budget is not met."""
        return Row(self, value, detail, why)

    def not_measured(self, why: str) -> "Row":
        """Nothing was measured, and why."""
        return Row(self, None, "", why)


@dataclass(frozen=True)
class Row:
    """One budget and what was measured."""

    budget: Budget
    value: float | None
    detail: str = ""
    """Of how many, or over how long."""
    why: str = ""
    """Why it is not met or not measured."""

    @property
    def verdict(self) -> Verdict:
        """Whether the budget is kept."""
        if self.value is None:
            return "not measured"
        if self.budget.bound is None:
            return "-"
        kept = self.value >= self.budget.bound if self.budget.least else self.value <= self.budget.bound
        return "met" if kept else "NOT met"

    @property
    def shown(self) -> str:
        """The value with its unit."""
        if self.value is None:
            return "-"
        number = f"{self.value:.0f}" if self.value >= 100 else f"{self.value:.3g}"  # noqa: PLR2004 - three digits
        return f"{number} {self.budget.unit}" + (f" ({self.detail})" if self.detail else "")

    @property
    def reason(self) -> str:
        """Why it is not met; never silent about it, and silent where there is nothing to explain."""
        if self.verdict in ("met", "-"):
            return ""
        return self.why or UNEXPLAINED

    @property
    def line(self) -> str:
        """As a row of the page's table."""
        cells = (self.budget.what, self.shown, self.budget.shown, self.verdict, self.reason)
        return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
