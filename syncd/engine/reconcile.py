"""One pass: read, look, decide, guard, act, remember, report. docs/flow.md walks through it."""

from dataclasses import replace
from datetime import datetime
from functools import partial
from queue import Empty, SimpleQueue

from syncd.core.guard import guard
from syncd.core.memory import note_written
from syncd.core.model import (
    ClaimCluster,
    CloseProof,
    FixOwner,
    Known,
    Memory,
    OpenProof,
    Outcome,
    Plan,
    PutFile,
    Remember,
    Report,
    Written,
)
from syncd.core.plan import make_plan
from syncd.engine.crew import Crew, Done, Failed
from syncd.engine.desk import Desk
from syncd.engine.look import Looked, Looker
from syncd.engine.perform import Performer
from syncd.engine.rings import from_within
from syncd.engine.sighted import Sighted
from syncd.engine.world import World
from syncd.ports import now


class Reconciler:
    """The pass over one cluster. One at a time; everything it needs to know it looks at anew."""

    def __init__(self, world: World, crew: Crew, desk: Desk) -> None:
        self._world = world
        self._desk = desk
        self._crew = crew
        self._looker = Looker(world, crew)
        self._written: SimpleQueue[Written] = SimpleQueue()

    def plan(self, sighted: Sighted, at: datetime, *, anew: bool = True) -> tuple[Looked, Plan]:
        """Read, look, decide, guard: what `syncd plan` prints."""
        looked = self._looker.look(sighted, at, anew=anew)
        policy = replace(self._world.policy, owner=self._world.permit.owner)  # known once the permit was asked for
        looked = replace(looked, seen=replace(looked.seen, proof=self._desk.state))
        plan = make_plan(looked.seen, policy, at, self._desk.marker)
        return looked, guard(plan, looked.seen, at)

    def run(self, sighted: Sighted, rang: tuple[str, ...], cause_at: datetime) -> Report:
        """A whole pass."""
        started = now()
        looked, plan = self.plan(sighted, started, anew=not from_within(rang))
        outcomes = self._act(plan, cause_at)
        outcomes += self._remember(looked, plan, cause_at)
        return Report(plan.cluster, started, now(), looked.seen, plan, outcomes, rang, looked.again)

    def _act(self, plan: Plan, cause_at: datetime) -> tuple[Outcome, ...]:
        """The steps of now: first whose cluster it is, then all nodes at once."""
        performer = Performer(self._world, self._desk, cause_at)
        outcomes = [performer.perform(step) for step in plan.now if isinstance(step, ClaimCluster)]
        if any(outcome.rule == "es_owner" for outcome in outcomes):
            return tuple(outcomes)
        outcomes += [performer.perform(step) for step in plan.now if isinstance(step, OpenProof | CloseProof)]
        steps = {f"write {step.node}": step for step in plan.now if isinstance(step, PutFile | FixOwner)}
        for step in steps.values():
            self._looker.forget(step.node)
        jobs = {key: partial(self._write, performer, step) for key, step in steps.items()}
        for key, result in self._crew.each(jobs, self._world.pace.act).items():
            match result:
                case Done(value=outcome):
                    outcomes.append(outcome)
                case Failed(error=error):
                    outcomes.append(Outcome(steps[key], "failed", error.rule, str(error), now()))
                case _:
                    outcomes.append(Outcome(steps[key], "skipped", "late", "it goes on beside the pass", now()))
        return tuple(outcomes)

    def _write(self, performer: Performer, step: PutFile | FixOwner) -> Outcome:
        outcome = performer.perform(step)
        if outcome.written:
            self._written.put(outcome.written)  # kept also when the pass no longer waits for it
        return outcome

    def _remember(self, looked: Looked, plan: Plan, cause_at: datetime) -> tuple[Outcome, ...]:
        """Save what was learnt, if it differs from what is stored."""
        if plan.memory is None:
            return ()
        written = self._drain()
        memory = note_written(plan.memory, written)
        stored = looked.seen.memory.value if isinstance(looked.seen.memory, Known) else Memory()
        if memory == stored:
            return ()
        performer = Performer(self._world, self._desk, cause_at)
        outcome = performer.perform(Remember(memory, looked.state_version, "what was learnt"))
        if outcome.result != "done":
            for record in written:
                self._written.put(record)
        return (outcome,)

    def _drain(self) -> tuple[Written, ...]:
        records = []
        while True:
            try:
                records.append(self._written.get_nowait())
            except Empty:
                return tuple(records)
