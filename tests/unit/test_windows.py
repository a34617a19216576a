"""Windows in which restarts may begin, by the wall clock of their zone."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from syncd.core.windows import DAYS, Window, is_open, next_opening

BERLIN, NEW_YORK, KIRITIMATI = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York"), ZoneInfo("Pacific/Kiritimati")


def window(days: str, opens: str, hours: float, zone: ZoneInfo = BERLIN) -> Window:
    numbers = frozenset(range(7)) if days == "daily" else frozenset(DAYS.index(day) for day in days.split(","))
    return Window(
        numbers, time.fromisoformat(opens), timedelta(hours=hours), zone, f"{days} {opens} for {hours}h {zone}"
    )


def at(text: str, zone: ZoneInfo = BERLIN) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-11-28T01:59:59", False),  # a Saturday
        ("2026-11-28T02:00:00", True),
        ("2026-11-28T05:59:59", True),
        ("2026-11-28T06:00:00", False),
        ("2026-11-27T03:00:00", False),
        ("2026-11-29T03:00:00", False),
    ],
)
def test_it_is_open_from_its_first_moment_to_before_its_last(moment: str, expected: bool) -> None:
    assert is_open([window("Sat", "02:00", 4)], at(moment)) is expected


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-11-28T21:59:00", False),
        ("2026-11-28T22:00:00", True),
        ("2026-11-28T23:59:59", True),
        ("2026-11-29T00:00:00", True),
        ("2026-11-29T01:59:59", True),
        ("2026-11-29T02:00:00", False),
        ("2026-11-28T01:00:00", False),  # of Friday's evening, which has none
    ],
)
def test_it_goes_on_past_midnight(moment: str, expected: bool) -> None:
    assert is_open([window("Sat", "22:00", 4)], at(moment)) is expected


def test_it_goes_on_past_the_end_of_the_week() -> None:
    windows = [window("Sun", "23:00", 3)]
    assert is_open(windows, at("2026-11-30T01:59:00"))  # a Monday
    assert not is_open(windows, at("2026-11-30T02:00:00"))
    assert next_opening(windows, at("2026-11-30T01:00:00")) == at("2026-12-06T23:00:00")


def test_the_next_opening_is_the_earliest_of_all_and_never_now() -> None:
    windows = [window("Sat", "02:00", 4), window("Wed", "23:00", 1)]
    assert next_opening(windows, at("2026-11-24T12:00:00")) == at("2026-11-25T23:00:00")
    assert next_opening(windows, at("2026-11-25T23:00:00")) == at("2026-11-28T02:00:00")
    assert next_opening(windows, at("2026-11-28T02:00:00")) == at("2026-12-02T23:00:00")
    assert next_opening([windows[0]], at("2026-11-28T02:00:00")) == at("2026-12-05T02:00:00")
    assert next_opening([], at("2026-11-24T12:00:00")) is None


def test_its_day_is_that_of_its_zone_not_of_utc() -> None:
    windows = [window("Sat", "01:00", 2, KIRITIMATI)]  # UTC+14: Friday 11:00 in UTC
    assert is_open(windows, datetime(2026, 11, 27, 11, tzinfo=UTC))
    assert not is_open(windows, datetime(2026, 11, 28, 11, tzinfo=UTC))


# Berlin goes from 02:00 to 03:00 on Sunday 2026-03-29, and from 03:00 back to 02:00 on Sunday 2026-10-25


@pytest.mark.parametrize("moment", ["2026-03-29T22:30:00", "2026-03-30T00:30:00", "2026-03-30T01:59:00"])
def test_a_day_of_23_hours_is_not_skipped_when_seen_from_the_days_around_it(moment: str) -> None:
    """24 hours before Monday 00:30 it was Saturday 23:30."""
    assert is_open([window("Sun", "22:00", 4)], at(moment))


def test_an_opening_on_a_day_of_23_hours_is_seen_from_late_on_the_day_before() -> None:
    """24 hours after Saturday 23:30 it is Monday 00:30."""
    assert next_opening([window("Sun", "05:00", 4)], at("2026-03-28T23:30:00")) == at("2026-03-29T05:00:00")


def test_a_time_that_the_clock_skips_opens_an_hour_later_by_the_wall_and_lasts_as_long() -> None:
    windows = [window("daily", "02:30", 1)]
    assert not is_open(windows, datetime(2026, 3, 29, 1, 29, tzinfo=UTC))
    assert is_open(windows, datetime(2026, 3, 29, 1, 30, tzinfo=UTC))  # 03:30 by the wall
    assert not is_open(windows, datetime(2026, 3, 29, 2, 30, tzinfo=UTC))


def test_a_time_that_comes_twice_opens_once_and_lasts_as_long() -> None:
    windows = [window("Sun", "02:30", 2)]
    opening = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # the first 02:30
    assert next_opening(windows, opening - timedelta(hours=1)) == opening
    assert is_open(windows, opening + timedelta(hours=1, minutes=59))
    assert not is_open(windows, opening + timedelta(hours=2))
    assert next_opening(windows, opening) == at("2026-11-01T02:30:00")


@pytest.mark.parametrize("zone", [BERLIN, NEW_YORK, KIRITIMATI])
def test_a_daily_window_opens_once_on_each_day_of_a_year(zone: ZoneInfo) -> None:
    windows = [window("daily", "02:30", 1, zone)]
    moment, openings = at("2026-01-01T00:00:00", zone), []
    while moment < at("2027-01-01T00:00:00", zone):
        found = next_opening(windows, moment)
        assert found is not None
        moment = found
        openings.append(moment.astimezone(zone).date())
    assert len(openings) == 366
    assert len(set(openings)) == 366


def test_a_window_of_more_than_a_day_stays_open_meanwhile() -> None:
    windows = [window("Fri", "20:00", 58)]  # until Monday 06:00
    assert is_open(windows, at("2026-11-30T05:59:00"))
    assert not is_open(windows, at("2026-11-30T06:00:00"))
