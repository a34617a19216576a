"""One pass: read, look, decide, guard, act, remember, report. docs/flow.md walks through it."""

from dataclasses import dataclass, replace
from datetime import datetime

from syncd.core.afterwards import note_eck_writes, takes_away
from syncd.core.memory.history import note_reloads, note_written
from syncd.core.model import (
    ClaimCluster,
    EckWrite,
    FixOwner,
    Memory,
    Observed,
    Outcome,
    Plan,
    PutFile,
    Remember,
    RemoveFile,
    Report,
)
from syncd.core.plan import guarded_plan
from syncd.engine.acting.act import Actor
from syncd.engine.acting.perform import Performer
from syncd.engine.crew import Crew
from syncd.engine.handshake_proofs import HandshakeProofs
from syncd.engine.looking.look import Looked, Looker
from syncd.engine.looking.page import Page
from syncd.engine.rings import elsewhere
from syncd.engine.world import World
from syncd.ports import now


@dataclass(frozen=True, slots=True)
class Past:
    """What a loop knows of the past that the state may not tell."""

    memory: Memory | None = None
    """What was last read or saved."""
    unsaved: tuple[EckWrite, ...] = ()
    """What was written on ECK's side and could not be saved."""
    save_failed: str = ""
    """Why the last save failed; empty: it did not."""


_NOTHING = Past()


class Reconciler:
    """The pass over one cluster. One at a time; everything it needs to know it looks at anew."""

    def __init__(self, world: World, crew: Crew, proofs: HandshakeProofs, past: Past = _NOTHING) -> None:
        self._world = world
        self._proofs = proofs
        self._looker = Looker(world, crew, past.memory)
        self._actor = Actor(world, crew, proofs)
        self._claimed: datetime | None = None
        self._unsaved = past.unsaved
        self._save_failed = past.save_failed

    def hand_over(self) -> Past:
        """What is known of the past, for whoever keeps this cluster next in this process."""
        self._collect()
        return Past(self._looker.recalled, self._unsaved, self._save_failed)

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
        outcomes = self._actor.act(plan, cause_at)
        if any(isinstance(outcome.step, ClaimCluster) and outcome.result == "done" for outcome in outcomes):
            self._claimed = now()
        outcomes += self._remember(looked, plan, cause_at)
        return Report(plan.cluster, started, now(), self._with_ours(looked.seen), plan, outcomes, rang, looked.again)

    def _with_ours(self, seen: Observed) -> Observed:
        """What was seen, and when this process last did what a look before it cannot tell of."""
        actor = self._actor
        self._collect()
        seen = replace(seen, unsaved=self._unsaved, save_failed=self._save_failed)
        ours = replace(seen, proof=self._proofs.state, claimed=self._claimed, acted=actor.acted, editing=actor.editing)
        return replace(ours, reloaded=actor.reloaded, reloads=actor.reloads, told=actor.told)

    def _collect(self) -> None:
        """Take what was written on ECK's side, which is told once."""
        self._unsaved += self._actor.eck_writes()

    def _remember(self, looked: Looked, plan: Plan, cause_at: datetime) -> tuple[Outcome, ...]:
        """Save what was learnt, if it differs from what is stored."""
        if plan.memory is None:
            return ()
        written = self._actor.written()
        self._collect()
        memory = note_written(note_eck_writes(plan.memory, self._unsaved), written)
        memory = note_reloads(memory, self._actor.reloads)
        stored = looked.seen.remembered
        if memory == stored and not looked.seen.damage:
            self._unsaved, self._save_failed = (), ""
            return ()
        step = Remember(memory, looked.state_version, "what was learnt")
        outcome = Performer(self._world, self._proofs, cause_at).perform(step)
        if outcome.result == "done":
            self._looker.recall(memory)
            self._unsaved, self._save_failed = (), ""
        else:
            self._actor.keep(written)
            self._save_failed = outcome.text
        return (outcome,)
