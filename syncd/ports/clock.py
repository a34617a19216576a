"""The two clocks: the wall's, and the one by which a call must have returned."""

from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic


def now() -> datetime:
    """The wall clock, the one place that reads it."""
    return datetime.now(UTC)  # noqa: TID251 - this is that place


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on the monotonic clock by which a call must have returned."""

    moment: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        """The moment so many seconds from now."""
        return cls(monotonic() + seconds)

    def left(self) -> float:
        """Seconds left; never negative."""
        return max(0.0, self.moment - monotonic())

    def at_most(self, seconds: float) -> "Deadline":
        """The earlier of this and so many seconds from now."""
        return Deadline(min(self.moment, monotonic() + seconds))
