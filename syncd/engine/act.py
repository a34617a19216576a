"""The steps of now: whose cluster it is, then all nodes at once; what takes longer goes on beside the pass."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from queue import Empty, SimpleQueue
from typing import TypeVar

from syncd.core.model import (
    ClaimCluster,
    CloseProof,
    FixOwner,
    OpenProof,
    Outcome,
    Plan,
    PutFile,
    Step,
    Written,
)
from syncd.engine.crew import Crew, Done, Failed
from syncd.engine.desk import Desk
from syncd.engine.perform import Performer
from syncd.engine.world import World
from syncd.ports import now

S = TypeVar("S", bound=Step)


class Actor:
    """Acts on one cluster, and keeps what was written until it is remembered."""

    def __init__(self, world: World, crew: Crew, desk: Desk) -> None:
        self._world = world
        self._crew = crew
        self._desk = desk
        self._written: SimpleQueue[Written] = SimpleQueue()

    def act(self, plan: Plan, cause_at: datetime) -> tuple[Outcome, ...]:
        """What came of each step.

        Trust needs nothing of the cluster: where Elasticsearch does not answer at once, no node's file waits for it.
        """
        performer = Performer(self._world, self._desk, cause_at)
        claims = {f"claim {step.owner}": step for step in plan.now if isinstance(step, ClaimCluster)}
        outcomes = self._each(claims, performer.perform, self._world.pace.look)
        if any(outcome.rule == "es_owner" for outcome in outcomes):
            return outcomes
        outcomes += tuple(performer.perform(step) for step in plan.now if isinstance(step, OpenProof | CloseProof))
        writes = {f"write {step.node}": step for step in plan.now if isinstance(step, PutFile | FixOwner)}
        return outcomes + self._each(writes, partial(self._write, performer), self._world.pace.act)

    def written(self) -> tuple[Written, ...]:
        """What was written and is not remembered yet, of late steps of earlier passes too; each is told once."""
        records = []
        while True:
            try:
                records.append(self._written.get_nowait())
            except Empty:
                return tuple(records)

    def keep(self, records: tuple[Written, ...]) -> None:
        """They could not be remembered: they are told again."""
        for record in records:
            self._written.put(record)

    def _write(self, performer: Performer, step: PutFile | FixOwner) -> Outcome:
        outcome = performer.perform(step)
        if outcome.written:
            self.keep((outcome.written,))  # also when the pass no longer waits for it
        return outcome

    def _each(self, steps: Mapping[str, S], perform: Callable[[S], Outcome], patience: float) -> tuple[Outcome, ...]:
        """What came of some steps at once; of one that takes longer than so many seconds, the next pass sees it."""
        outcomes = []
        for key, result in self._crew.each({k: partial(perform, s) for k, s in steps.items()}, patience).items():
            match result:
                case Done(value=outcome):
                    outcomes.append(outcome)
                case Failed(error=error):
                    outcomes.append(Outcome(steps[key], "failed", error.rule, str(error), now()))
                case _:
                    outcomes.append(Outcome(steps[key], "skipped", "late", "it goes on beside the pass", now()))
        return tuple(outcomes)
