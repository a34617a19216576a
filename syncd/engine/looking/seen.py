"""From the result of a job to what was seen: known as of when it was asked, absent, or not known and since when."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Generic, TypeVar

from syncd.core.model import Absent, Known, Seen, Site, Unknown
from syncd.engine.crew import Done, Failed, Result
from syncd.ports import now

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Dated(Generic[T]):
    """An answer, and when it was asked for: it shows nothing that was done later."""

    value: T
    at: datetime


def dated(ask: Callable[[], T]) -> Dated[T]:
    """Ask, with the moment right before."""
    at = now()
    return Dated(ask(), at)


def seen(result: Result[T], before: Seen[T] | None) -> Seen[T]:
    """As of now."""
    return Known(result.value, now()) if isinstance(result, Done) else _unseen(result, before)


def seen_at(result: Result[Dated[T]], before: Seen[T] | None) -> Seen[T]:
    """As of the moment at which it was asked for."""
    return Known(result.value.value, result.value.at) if isinstance(result, Done) else _unseen(result, before)


def present(result: Result[T | None], before: Seen[T] | None) -> Seen[T]:
    """What there is, or that there is nothing."""
    if isinstance(result, Done):
        return Absent(now()) if result.value is None else Known(result.value, now())
    return _unseen(result, before)


def is_older(seen: Seen[T] | None, moment: datetime | None) -> bool:
    """Whether an observation was made at a moment or before, or not at all: it shows nothing of what came after."""
    return not isinstance(seen, Known) or (moment is not None and seen.at <= moment)


def aged(site: Seen[Site], before: Seen[Site] | None) -> Seen[Site]:
    """A look at an installation in which each part that was unseen before, too, is unseen since that earlier moment.

    Each look dates its own unknowns, and a lost host alternates between late and refusing: whatever the reason, the first
    moment counts, or a restart would wait for that host for ever.
    """
    match site:
        case Unknown():
            return _since(site, _whole(before))
        case Known(value=now, at=at):
            yml, unit = (before.value.yml, before.value.unit) if isinstance(before, Known) else (before, before)
            return Known(replace(now, yml=_since(now.yml, yml), unit=_since(now.unit, unit)), at)
        case _:
            return site


def _whole(before: Seen[Site] | None) -> Seen[object] | None:
    """An earlier look as one: not seen, where neither the settings nor the service was."""
    if not isinstance(before, Known):
        return before
    yml, unit = before.value.yml, before.value.unit
    if isinstance(yml, Unknown) and isinstance(unit, Unknown):
        return yml if yml.since > unit.since else unit
    return None


def _since(seen: Seen[T], before: Seen[object] | None) -> Seen[T]:
    if isinstance(seen, Unknown) and isinstance(before, Unknown):
        return replace(seen, since=min(seen.since, before.since))
    return seen


def _unseen(result: object, before: Seen[T] | None) -> Unknown:
    at: datetime = now()
    if not isinstance(result, Failed):
        return Unknown("late", "it has not answered yet", at)
    error = result.error
    since = before.since if isinstance(before, Unknown) and before.rule == error.rule else at
    return Unknown(error.rule, str(error), since)
