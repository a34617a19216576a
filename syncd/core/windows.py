"""Times of the week in which restarts may begin: `Sat 02:00 for 4h Europe/Berlin`, `daily 01:30 for 90m UTC`."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True, slots=True)
class Window:
    """A window that opens each week or each day."""

    days: frozenset[int]
    """Weekdays on which it opens, Monday is 0."""
    opens: time
    span: timedelta
    zone: tzinfo
    text: str
    """As the operator wrote it."""

    def opening(self, day: date) -> datetime:
        """When it opens on a day, by the wall clock of its zone.

        Of two such times it is the first; a time that the clock skips comes as much later as the clock skips.
        """
        return datetime.combine(day, self.opens, self.zone).astimezone(UTC)


def is_open(windows: Iterable[Window], now: datetime) -> bool:
    """Whether one of them is open."""
    return any(_is_open(window, now) for window in windows)


def next_opening(windows: Iterable[Window], now: datetime) -> datetime | None:
    """When one of them opens next; None where there are none."""
    return min((opening for window in windows for opening in _openings(window, now) if opening > now), default=None)


def _is_open(window: Window, now: datetime) -> bool:
    return any(opening <= now < opening + window.span for opening in _openings(window, now))


def _openings(window: Window, now: datetime) -> Iterable[datetime]:
    """Those of the week before and the week after, by the calendar of its zone: not all its days have 24 hours."""
    today = now.astimezone(window.zone).date()
    for day in (today + timedelta(days=offset) for offset in range(-8, 9)):
        if day.weekday() in window.days:
            yield window.opening(day)
