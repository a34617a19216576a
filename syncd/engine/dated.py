"""Answers with the moment at which they were asked for: they show nothing that was done later."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from syncd.ports import now

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Dated(Generic[T]):
    """An answer, and when it was asked for."""

    value: T
    at: datetime


def dated(ask: Callable[[], T]) -> Dated[T]:
    """Ask, with the moment right before."""
    at = now()
    return Dated(ask(), at)
