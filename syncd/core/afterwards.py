"""What a plan and what came of it mean for the next one; pure."""

from collections.abc import Iterable
from datetime import datetime

from syncd.core.eck.resource import resource_digest
from syncd.core.memory.history import note_eck
from syncd.core.model import EckWrite, Memory, Observed, Outcome, Plan, PutFile, PutMirror, PutResource


def eck_write(outcome: Outcome) -> EckWrite | None:
    """What was written on ECK's side, if anything was: should somebody undo it, that must be seen."""
    match outcome:
        case Outcome(step=PutMirror() as step, result="done", at=datetime() as at):
            return EckWrite(step.alias, "mirror", step.digest, at)
        case Outcome(step=PutResource() as step, result="done", at=datetime() as at):
            return EckWrite(step.alias, "resource", resource_digest(step), at)
        case _:
            return None


def note_eck_writes(memory: Memory, writes: Iterable[EckWrite]) -> Memory:
    """Each once: a save that was thought to have failed may have succeeded."""
    for write in writes:
        memory = memory if write in memory.eck else note_eck(memory, write)
    return memory


def takes_away(plan: Plan, seen: Observed) -> bool:
    """Whether trust would leave a file, or a CA would be retired."""
    before = seen.remembered.cas
    after = plan.memory.cas if plan.memory else before
    retired = {record for record in after if record.retired_at} != {record for record in before if record.retired_at}
    return retired or any(isinstance(step, PutFile) and step.removed for step in plan.now)
