"""What people asked for with a command, carried out by whoever holds the permit."""

from dataclasses import dataclass, replace
from datetime import datetime

from syncd.core.bundle import Fingerprint
from syncd.core.memory import certs_on_nodes, note_adopted, note_answers
from syncd.core.model import Alias, Memory, Observed, Request


@dataclass(frozen=True, slots=True)
class Carried:
    """The memory after all requests, and what they ask of this plan."""

    memory: Memory
    take_over: bool = False


def carry_out(memory: Memory, seen: Observed, now: datetime) -> Carried:
    """Fold the open requests into the memory, oldest first, and answer each."""
    answers: dict[str, str] = {}
    take_over = False
    for request in memory.requests:
        memory, answer = _one(memory, request, seen, now)
        take_over = take_over or request.verb == "take_over"
        answers[request.id] = answer
    return Carried(note_answers(memory, answers) if answers else memory, take_over)


def _one(memory: Memory, request: Request, seen: Observed, now: datetime) -> tuple[Memory, str]:
    match request.verb:
        case "approve":
            print_ = Fingerprint(request.argument)
            approved, revoked = memory.approved | {print_}, memory.revoked - {print_}
            return replace(memory, approved=approved, revoked=revoked), f"approved {print_[:8]}"
        case "revoke":
            print_ = Fingerprint(request.argument)
            approved, revoked = memory.approved - {print_}, memory.revoked | {print_}
            return replace(memory, approved=approved, revoked=revoked), f"revoked {print_[:8]}"
        case "adopt":
            return _adopt(memory, request, seen, now)
        case "pause":
            until = datetime.fromisoformat(request.argument)
            return replace(memory, paused_until=until), f"paused until {until:%Y-%m-%d %H:%M}Z"
        case "resume":
            return replace(memory, paused_until=None), "resumed"
        case "take_over":
            return memory, "taking over"


def _adopt(memory: Memory, request: Request, seen: Observed, now: datetime) -> tuple[Memory, str]:
    alias, _, fingerprint = request.argument.partition(" ")
    cert = certs_on_nodes(seen).get(Fingerprint(fingerprint))
    if cert is None:
        return memory, f"no node's file holds {fingerprint[:8]}; nothing was done"
    return note_adopted(memory, Alias(alias), cert, now), f"{cert.short} is now a retiring CA of {alias}"
