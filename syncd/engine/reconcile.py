"""One pass: read, look, decide, guard, act, remember, report. docs/flow.md walks through it."""

from dataclasses import replace
from datetime import datetime

from syncd.core.guard import guard
from syncd.core.memory import note_written
from syncd.core.model import ClaimCluster, FixOwner, Known, Memory, Observed, Outcome, Plan, PutFile, Remember, Report
from syncd.core.plan import make_plan
from syncd.engine.act import Actor
from syncd.engine.crew import Crew
from syncd.engine.desk import Desk
from syncd.engine.look import Looked, Looker
from syncd.engine.perform import Performer
from syncd.engine.rings import elsewhere
from syncd.engine.sighted import Sighted
from syncd.engine.world import World
from syncd.ports import now


class Reconciler:
    """The pass over one cluster. One at a time; everything it needs to know it looks at anew."""

    def __init__(self, world: World, crew: Crew, desk: Desk) -> None:
        self._world = world
        self._desk = desk
        self._looker = Looker(world, crew)
        self._actor = Actor(world, crew, desk)
        self._claimed: datetime | None = None

    def plan(self, sighted: Sighted, at: datetime, *, anew: bool = True) -> tuple[Looked, Plan]:
        """Read, look, decide, guard: what `syncd plan` prints."""
        looked = self._looker.look(sighted, at, anew=anew)
        policy = replace(self._world.policy, owner=self._world.permit.owner)  # known once the permit was asked for
        looked = replace(looked, seen=replace(looked.seen, proof=self._desk.state, claimed=self._claimed))
        plan = make_plan(looked.seen, policy, at, self._desk.marker)
        return looked, guard(plan, looked.seen, at)

    def run(self, sighted: Sighted, rang: tuple[str, ...], cause_at: datetime) -> Report:
        """A whole pass."""
        started = now()
        looked, plan = self.plan(sighted, started, anew=not elsewhere(rang))
        if elsewhere(rang) and _takes_away(plan, looked.seen):
            looked, plan = self.plan(sighted, now())  # a node may have gone meanwhile: trust leaves on what is seen now
        for step in plan.now:
            if isinstance(step, PutFile | FixOwner):
                self._looker.forget(step.node)  # what was seen of it will be true no longer
        outcomes = self._actor.act(plan, cause_at)
        if any(isinstance(outcome.step, ClaimCluster) and outcome.result == "done" for outcome in outcomes):
            self._claimed = now()
        outcomes += self._remember(looked, plan, cause_at)
        return Report(plan.cluster, started, now(), looked.seen, plan, outcomes, rang, looked.again)

    def _remember(self, looked: Looked, plan: Plan, cause_at: datetime) -> tuple[Outcome, ...]:
        """Save what was learnt, if it differs from what is stored."""
        if plan.memory is None:
            return ()
        written = self._actor.written()
        memory = note_written(plan.memory, written)
        stored = looked.seen.memory.value if isinstance(looked.seen.memory, Known) else Memory()
        if memory == stored:
            return ()
        step = Remember(memory, looked.state_version, "what was learnt")
        outcome = Performer(self._world, self._desk, cause_at).perform(step)
        if outcome.result != "done":
            self._actor.keep(written)
        return (outcome,)


def _takes_away(plan: Plan, seen: Observed) -> bool:
    """Whether trust would leave a file, or a CA would be retired."""
    before = seen.memory.value.cas if isinstance(seen.memory, Known) else ()
    after = plan.memory.cas if plan.memory else before
    retired = {record for record in after if record.retired_at} != {record for record in before if record.retired_at}
    return retired or any(isinstance(step, PutFile) and step.removed for step in plan.now)
