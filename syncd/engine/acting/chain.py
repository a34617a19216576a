"""Steps that are taken one after the other, beside the pass where they take long; a failed one is tried more seldom."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from time import monotonic

from syncd.core.model import KeystoreStep, NodeName, OrderedStep, Outcome, Reloaded, ReloadSecure, Step
from syncd.engine.acting.perform import Performer
from syncd.engine.crew import Crew, Done, Failed, Lane
from syncd.engine.patience import Backoff
from syncd.ports import now

_AT_ONCE = 16
"""Most nodes whose keystores are written at once: each starts a JVM there."""


@dataclass(frozen=True, slots=True)
class _Failure:
    """A step that failed so many times in a row, and when it may be tried again."""

    outcome: Outcome
    times: int
    again: float
    """By the monotonic clock: the other one may be set."""


class Chain:
    """One kind of ordered steps of one cluster; at most one such job runs at a time.

    `strict`: each step needs the one before, so where one fails the rest is left to a later pass; else what fails on one
    node stops nothing on the others.
    """

    def __init__(self, key: str, crew: Crew, patience: float, *, strict: bool) -> None:
        self._key = key
        self._crew = crew
        self._patience = patience
        self._strict = strict
        self._failures: dict[object, _Failure] = {}
        self._late: OrderedStep | None = None
        """The first of the steps that go on beside the passes; None: none does."""
        self.acted: datetime | None = None
        """When one of them last ended: what was seen before does not tell of it."""
        self.reloaded: datetime | None = None
        """When the nodes were last told to read their keystores."""
        self.reloads: Mapping[NodeName, Reloaded] = {}
        """Which of them did, and which keystore."""
        self.told: frozenset[tuple[NodeName, int]] = frozenset()
        """The processes, by their start, that were told so the last time."""

    @property
    def goes_on(self) -> bool:
        """Whether steps of an earlier pass go on, or have ended and what came of them was not told yet."""
        return self._late is not None

    def take(self, performer: Performer, steps: list[OrderedStep]) -> tuple[Outcome, ...]:
        """What came of the steps; what takes longer than the patience goes on, and is told by a later call."""
        waiting = [f.outcome for s in steps if (f := self._failures.get(_same(s))) and monotonic() < f.again]
        ready = self._ready(steps, {_same(outcome.step) for outcome in waiting})
        first = self._late or (ready[0] if ready else None)
        if first is None:
            return tuple(waiting)  # whatever rings meanwhile
        job = {self._key: partial(self._go, performer, ready)}  # unless one is late: then what came of that is told
        patience, self._late = 0.0 if self._late else self._patience, None
        result = self._crew.each(job, patience, Lane.NEAR)[self._key]
        match result:
            case Done(value=outcomes):
                return outcomes
            case Failed(error=error):
                return (Outcome(first, "failed", error.rule, str(error), now()),)
            case _:
                self._late = first
                return (Outcome(first, "skipped", "late", "it goes on beside the pass", now()),)

    def _ready(self, steps: list[OrderedStep], waiting: set[object]) -> list[OrderedStep]:
        if not waiting:
            return steps
        left = [step for step in steps if _same(step) not in waiting]
        return [] if self._strict or all(isinstance(step, ReloadSecure) for step in left) else left

    def _go(self, performer: Performer, steps: list[OrderedStep]) -> tuple[Outcome, ...]:
        outcomes: list[Outcome] = []
        self.acted = now()
        for group in _groups(steps):
            outcomes += _all_at_once(performer, group)
            self.acted = now()
            if any(isinstance(step, ReloadSecure) for step in group):
                self.reloaded = self.acted
                self.told = frozenset(r for step in group if isinstance(step, ReloadSecure) for r in step.running)
            if self._strict and any(outcome.result != "done" for outcome in outcomes):
                break
        self._note(outcomes)
        return tuple(outcomes)

    def _note(self, outcomes: list[Outcome]) -> None:
        """What was read; a step that failed again waits longer, one that was done has forgotten its failures."""
        self.reloads = {**self.reloads, **{read.node: read for outcome in outcomes for read in outcome.reloads}}
        for outcome in outcomes:
            before = self._failures.pop(_same(outcome.step), None)
            if outcome.result == "failed":
                times = before.times + 1 if before else 1
                again = monotonic() + Backoff().delay(times)
                self._failures[_same(outcome.step)] = _Failure(outcome, times, again)


def _same(step: Step) -> object:
    """What makes two steps the same try of one thing."""
    return type(step), getattr(step, "node", None), getattr(step, "setting", None)


def _groups(steps: list[OrderedStep]) -> Iterable[list[OrderedStep]]:
    """Each step by itself, but the keystores of different nodes together."""
    group: list[OrderedStep] = []
    for step in steps:
        apart = not isinstance(step, KeystoreStep) or step.node in {getattr(s, "node", None) for s in group}
        if group and (apart or not isinstance(group[-1], KeystoreStep)):
            yield group
            group = []
        group.append(step)
    yield group


def _all_at_once(performer: Performer, steps: list[OrderedStep]) -> list[Outcome]:
    if len(steps) == 1:
        return [performer.perform(steps[0])]
    with ThreadPoolExecutor(_AT_ONCE, "keystore") as pool:
        return list(pool.map(performer.perform, steps))
