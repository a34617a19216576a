"""Carries out a plan: the claim first, then all nodes in parallel, then one after the other what must be in order.

What takes longer goes on beside the pass.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from queue import Empty, SimpleQueue
from typing import TypeAlias, TypeVar, assert_never

from syncd.core.afterwards import eck_write
from syncd.core.model import (
    BeginRestart,
    ClaimCluster,
    CloseProof,
    EckStep,
    EckWrite,
    EndRestart,
    FileStep,
    FixOwner,
    FreeAllocation,
    NodeName,
    NoteFault,
    OpenProof,
    OrderedStep,
    Outcome,
    Plan,
    ProofStep,
    PutFile,
    PutMirror,
    PutResource,
    PutSecret,
    PutYml,
    Reloaded,
    ReloadSecure,
    Remember,
    RemoveFile,
    RemoveRemote,
    RemoveSecret,
    RestartNode,
    RollBack,
    Step,
    SweepCopies,
    Written,
)
from syncd.engine.acting.chain import Chain
from syncd.engine.acting.perform import Performer
from syncd.engine.crew import Crew, Done, Failed, Lane, Result
from syncd.engine.handshake_proofs import HandshakeProofs
from syncd.engine.world import World
from syncd.ports import Deadline, now

S = TypeVar("S", bound=Step)
T = TypeVar("T")
_Write: TypeAlias = FileStep | EckStep | RemoveRemote


@dataclass(slots=True)
class _Turns:
    """The steps of one plan by when they are taken."""

    claims: list[ClaimCluster] = field(default_factory=list)
    proofs: list[ProofStep] = field(default_factory=list)
    writes: list[_Write] = field(default_factory=list)
    """At any time, all at once."""
    keystores: list[OrderedStep] = field(default_factory=list)
    """About the keystores of running nodes; those of a restart come with it."""
    restart: list[OrderedStep] = field(default_factory=list)


def _turns(steps: Iterable[Step]) -> _Turns:
    turns = _Turns()
    for step in steps:
        match step:
            case ClaimCluster():
                turns.claims.append(step)
            case OpenProof() | CloseProof():
                turns.proofs.append(step)
            case PutFile() | FixOwner() | RemoveFile() | PutMirror() | PutResource() | RemoveRemote():
                turns.writes.append(step)
            case ReloadSecure() | RemoveSecret() | PutSecret(within_restart=False):
                turns.keystores.append(step)
            case PutSecret() | PutYml() | RestartNode() | RollBack() | SweepCopies():
                turns.restart.append(step)
            case BeginRestart() | FreeAllocation() | NoteFault() | EndRestart():
                turns.restart.append(step)
            case Remember():
                pass  # the pass itself remembers, last of all
            case _:
                assert_never(step)
    return turns


class Actor:
    """Acts on one cluster, and keeps what was written until it is remembered."""

    def __init__(self, world: World, crew: Crew, proofs: HandshakeProofs) -> None:
        self._world = world
        self._crew = crew
        self._proofs = proofs
        self._written: SimpleQueue[Written] = SimpleQueue()
        self._eck: SimpleQueue[EckWrite] = SimpleQueue()
        self._keystores = Chain("keystores", crew, world.pace.act, strict=False)
        self._restart = Chain("restart", crew, world.pace.act, strict=True)

    @property
    def acted(self) -> datetime | None:
        """When a step of a restart or of a keystore was last taken: what was seen before does not tell of it."""
        return max((at for at in (self._keystores.acted, self._restart.acted) if at), default=None)

    @property
    def editing(self) -> bool:
        """Whether edits of keystores go on beside the passes."""
        return self._keystores.goes_on

    @property
    def reloaded(self) -> datetime | None:
        """When the nodes were last told to read their keystores."""
        return self._keystores.reloaded

    @property
    def reloads(self) -> tuple[Reloaded, ...]:
        """What the nodes have read of their keystores since this process runs."""
        return tuple(self._keystores.reloads.values())

    @property
    def told(self) -> frozenset[tuple[NodeName, int]]:
        """The processes, by their start, that were told to read their keystores the last time."""
        return self._keystores.told

    def act(self, plan: Plan, cause_at: datetime) -> tuple[Outcome, ...]:
        """What came of each step.

        Trust needs nothing of the cluster: where Elasticsearch does not answer at once, no node's file waits for it.
        """
        performer, turns = Performer(self._world, self._proofs, cause_at), _turns(plan.now)
        claims = {f"claim {step.owner}": step for step in turns.claims}
        outcomes = self._begin(claims, performer.perform, Lane.NEAR)(self._world.pace.look)
        if any(outcome.rule == "es_owner" for outcome in outcomes):
            return outcomes
        outcomes += tuple(performer.perform(step) for step in turns.proofs)
        outcomes += self._write_all(performer, turns.writes)
        outcomes += self._keystores.take(performer, turns.keystores)
        return outcomes + self._restart.take(performer, turns.restart)

    def written(self) -> tuple[Written, ...]:
        """What was written and is not remembered yet, of late steps of earlier passes too; each is told once."""
        return _drained(self._written)

    def eck_writes(self) -> tuple[EckWrite, ...]:
        """The same of what was written on ECK's side."""
        return _drained(self._eck)

    def keep(self, records: tuple[Written, ...]) -> None:
        """They could not be remembered: they are told again."""
        for record in records:
            self._written.put(record)

    def _write_all(self, performer: Performer, steps: list[_Write]) -> tuple[Outcome, ...]:
        write, deadline = partial(self._write, performer), Deadline.after(self._world.pace.act)
        near = {_key(step): step for step in steps if not isinstance(step, FileStep)}
        hosts = {_key(step): step for step in steps if isinstance(step, FileStep)}
        near_outcomes = self._begin(near, write, Lane.NEAR)
        host_outcomes = self._begin(hosts, write, Lane.HOSTS)
        return near_outcomes(deadline.left()) + host_outcomes(deadline.left())

    def _write(self, performer: Performer, step: _Write) -> Outcome:
        outcome = performer.perform(step)
        if outcome.written:
            self.keep((outcome.written,))  # also when the pass no longer waits for it
        if write := eck_write(outcome):
            self._eck.put(write)
        return outcome

    def _begin(
        self, steps: Mapping[str, S], perform: Callable[[S], Outcome], lane: Lane
    ) -> Callable[[float], tuple[Outcome, ...]]:
        """Take some steps at once; what is returned takes the patience. What takes longer, the next pass sees."""
        results = self._crew.begin({key: partial(perform, step) for key, step in steps.items()}, lane)
        return lambda patience: tuple(outcome_of(steps[key], result) for key, result in results(patience).items())


def outcome_of(step: Step, result: Result[Outcome]) -> Outcome:
    """What came of a step that a job of its own takes."""
    match result:
        case Done(value=outcome):
            return outcome
        case Failed(error=error):
            return Outcome(step, "failed", error.rule, str(error), now())
        case _:
            return Outcome(step, "skipped", "late", "it goes on beside the pass", now())


def _drained(queue: SimpleQueue[T]) -> tuple[T, ...]:
    records = []
    while True:
        try:
            records.append(queue.get_nowait())
        except Empty:
            return tuple(records)


def _key(step: _Write) -> str:
    """Two steps of one key are never under way at once."""
    match step:
        case PutFile() | FixOwner() | RemoveFile():
            return f"write {step.node} {step.path}"
        case _:
            return f"{type(step).__name__} {step.alias}"
