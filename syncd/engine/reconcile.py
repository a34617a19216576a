"""One pass: read, look, decide, guard, act, remember, report. docs/flow.md walks through it."""

from dataclasses import replace
from datetime import datetime
from functools import partial

from syncd.core.afterwards import takes_away
from syncd.core.model import ClaimCluster, FixOwner, Observed, Plan, PutFile, RemoveFile, Report
from syncd.core.plan import guarded_plan
from syncd.engine.acting.act import Actor
from syncd.engine.acting.perform import Performer
from syncd.engine.crew import Crew
from syncd.engine.handshake_proofs import HandshakeProofs
from syncd.engine.looking.look import Looked, Looker
from syncd.engine.looking.page import Page
from syncd.engine.remember import NOTHING, Past, Remembering
from syncd.engine.rings import elsewhere
from syncd.engine.world import World
from syncd.ports import now


class Reconciler:
    """The pass over one cluster. One at a time; everything it needs to know it looks at anew."""

    def __init__(self, world: World, crew: Crew, proofs: HandshakeProofs, past: Past = NOTHING) -> None:
        self._world = world
        self._proofs = proofs
        self._looker = Looker(world, crew, past.memory)
        self._actor = Actor(world, crew, proofs)
        self._claimed: datetime | None = None
        performer = partial(Performer, world, proofs)
        self._remembering = Remembering(world, crew, self._looker, self._actor, performer, past)

    def hand_over(self) -> Past:
        """See `Remembering.hand_over`."""
        return self._remembering.hand_over()

    def plan(self, page: Page, at: datetime, *, anew: bool = True) -> tuple[Looked, Plan]:
        """Read, look, decide, guard: what `syncd plan` prints."""
        looked = self._looker.look(page, at, anew=anew)
        policy = replace(self._world.policy, owner=self._world.permit.owner)  # known once the permit was asked for
        looked = replace(looked, seen=self._with_ours(looked.seen))
        return looked, guarded_plan(looked.seen, policy, at, self._proofs.marker)

    def run(self, page: Page, rang: tuple[str, ...], cause_at: datetime) -> Report:
        """A whole pass."""
        started = now()
        looked, plan = self.plan(page, started, anew=not elsewhere(rang))
        if elsewhere(rang) and takes_away(plan, looked.seen):
            looked, plan = self.plan(page, now())  # a node may have gone meanwhile: trust leaves on what is seen now
        for step in plan.now:
            if isinstance(step, PutFile | FixOwner | RemoveFile):
                self._looker.forget(step.node)  # what was seen of it will be true no longer
        ahead = self._remembering.ahead(looked, plan, cause_at)
        outcomes = self._actor.act(plan, cause_at)
        if any(isinstance(outcome.step, ClaimCluster) and outcome.result == "done" for outcome in outcomes):
            self._claimed = now()
        outcomes += self._remembering.after(looked, plan, cause_at, ahead)
        return Report(plan.cluster, started, now(), self._with_ours(looked.seen), plan, outcomes, rang, looked.again)

    def _with_ours(self, seen: Observed) -> Observed:
        """What was seen, and when this process last did what a look before it cannot tell of."""
        actor = self._actor
        seen = self._remembering.with_unsaved(seen)
        ours = replace(seen, proof=self._proofs.state, claimed=self._claimed, acted=actor.acted, editing=actor.editing)
        return replace(ours, reloaded=actor.reloaded, reloads=actor.reloads, told=actor.told)
