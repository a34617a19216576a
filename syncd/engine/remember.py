"""What a loop knows of the past, and how it is saved: where a CA came from before it is written, the rest after the pass.

A CA whose origin is not known stays on the nodes until a person says whose it is. So a daemon that is killed after the
writing must find the origin saved, though ECK has published another CA meanwhile. The writing does not wait for it for
long: trust comes first.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from syncd.core.afterwards import note_eck_writes
from syncd.core.memory.history import note_reloads, note_written
from syncd.core.model import EckWrite, Memory, Observed, Outcome, Plan, PutFile, Remember
from syncd.engine.acting.act import Actor, outcome_of
from syncd.engine.acting.perform import Performer
from syncd.engine.crew import Crew, Lane
from syncd.engine.looking.look import Looked, Looker
from syncd.engine.world import World


@dataclass(frozen=True, slots=True)
class Past:
    """What a loop knows of the past that the state may not tell."""

    memory: Memory | None = None
    """What was last read or saved."""
    unsaved: tuple[EckWrite, ...] = ()
    """What was written on ECK's side and could not be saved."""
    save_failed: str = ""
    """Why the last save failed; empty: it did not."""


NOTHING = Past()
_AHEAD = 0.5
"""Seconds for which a writing waits at most; a save takes some hundredths."""
_Ahead = Callable[[float], Outcome]


@dataclass
class Remembering:
    """Saves what the passes of one loop learn."""

    world: World
    crew: Crew
    looker: Looker
    actor: Actor
    performer: Callable[[datetime], Performer]
    """Of a pass, by when its cause was noticed."""
    past: Past = NOTHING
    _unsaved: tuple[EckWrite, ...] = field(init=False)
    _save_failed: str = field(init=False)

    def __post_init__(self) -> None:
        self._unsaved, self._save_failed = self.past.unsaved, self.past.save_failed

    def hand_over(self) -> Past:
        """What is known of the past, for whoever keeps this cluster next in this process."""
        self._collect()
        return Past(self.looker.recalled, self._unsaved, self._save_failed)

    def with_unsaved(self, seen: Observed) -> Observed:
        """What was seen, with what this process knows and could not save."""
        self._collect()
        return replace(seen, unsaved=self._unsaved, save_failed=self._save_failed)

    def ahead(self, looked: Looked, plan: Plan, cause_at: datetime) -> _Ahead | None:
        """Save where the CAs came from that are about to be written, or begin to; None: that is known, or must not be."""
        stored = looked.seen.remembered
        if plan.memory is None or looked.seen.damage or not any(isinstance(step, PutFile) for step in plan.now):
            return None
        if {(ca.alias, ca.fingerprint) for ca in plan.memory.cas} <= {(ca.alias, ca.fingerprint) for ca in stored.cas}:
            return None
        step = Remember(replace(stored, cas=plan.memory.cas), looked.state_version, "what is about to be written")
        key = f"remember after {looked.state_version}"
        results = self.crew.begin({key: partial(self.performer(cause_at).perform, step)}, Lane.NEAR)
        results(_AHEAD)
        return lambda patience: outcome_of(step, results(patience)[key])

    def after(self, looked: Looked, plan: Plan, cause_at: datetime, ahead: _Ahead | None) -> tuple[Outcome, ...]:
        """Save what was learnt, if it differs from what is stored."""
        if plan.memory is None:
            return ()
        stored, version = looked.seen.remembered, looked.state_version
        if ahead is not None:
            outcome = ahead(self.world.pace.call)
            if outcome.result != "done" or not isinstance(outcome.step, Remember):
                self._save_failed = outcome.text if outcome.result == "failed" else self._save_failed
                return (outcome,)  # what follows would end alike; what was written is noted in the next pass
            stored, version = outcome.step.memory, outcome.version
            self.looker.recall(stored)
        written = self.actor.written()
        self._collect()
        memory = note_written(note_eck_writes(plan.memory, self._unsaved), written)
        memory = note_reloads(memory, self.actor.reloads)
        if memory == stored and not looked.seen.damage:
            self._unsaved, self._save_failed = (), ""
            return ()
        outcome = self.performer(cause_at).perform(Remember(memory, version, "what was learnt"))
        if outcome.result == "done":
            self.looker.recall(memory)
            self._unsaved, self._save_failed = (), ""
        else:
            self.actor.keep(written)
            self._save_failed = outcome.text
        return (outcome,)

    def _collect(self) -> None:
        """Take what was written on ECK's side, which is told once."""
        self._unsaved += self.actor.eck_writes()
