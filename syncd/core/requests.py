"""What people asked for with a command, carried out by whoever holds the permit."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from syncd.core.bundle import Fingerprint
from syncd.core.memory.history import note_adopted, note_answers
from syncd.core.model import (
    Alias,
    Answer,
    Context,
    Forgotten,
    Known,
    Memory,
    NodeName,
    Observed,
    Policy,
    Request,
    RestartWish,
)
from syncd.core.nodes import leave
from syncd.core.nodes.settings import needs

LIFETIME = timedelta(minutes=15)
"""What nobody could carry out for so long (`mode: observe`, another owner) is not done by surprise when somebody can."""


@dataclass(frozen=True, slots=True)
class Carried:
    """The memory after all requests, and what they ask of this plan."""

    memory: Memory
    take_over: bool = False


class _NotDone(Exception):
    """Why a request is not carried out."""


def carry_out(memory: Memory, policy: Policy, seen: Observed, now: datetime) -> Carried:
    """Fold the open requests into the memory, oldest first, and answer each."""
    answers: list[Answer] = []
    take_over = False
    for request in memory.requests:
        try:
            _in_time(request, now)
            memory, text = _one(memory, request, policy, seen, now)
        except _NotDone as why:
            answers.append(Answer(request.id, f"{why}; nothing was done", done=False))
            continue
        take_over = take_over or request.verb == "take_over"
        answers.append(Answer(request.id, text, done=True))
    return Carried(note_answers(memory, answers) if answers else memory, take_over)


def _in_time(request: Request, now: datetime) -> None:
    age = now - request.at
    if age > LIFETIME:
        minutes = age.total_seconds() / 60
        text = f"{request.by} asked for it {minutes:.0f} minutes ago, by the clock of where it was typed"
        raise _NotDone(f"{text}, and nobody could carry it out in time: ask again")


def _one(  # noqa: PLR0911 - one line for each verb
    memory: Memory, request: Request, policy: Policy, seen: Observed, now: datetime
) -> tuple[Memory, str]:
    match request.verb:
        case "approve" | "revoke":
            return _judged(memory, request)
        case "adopt":
            return _adopt(memory, request, seen, now)
        case "pause":
            until = datetime.fromisoformat(request.argument)
            return replace(memory, paused_until=until), f"paused until {until:%Y-%m-%d %H:%M}Z"
        case "resume":
            return replace(memory, paused_until=None), "resumed"
        case "take_over":
            return memory, "taking over"
        case "restart":
            return _restart(memory, request, policy, seen, now)
        case "forget":
            return _forget(memory, request, policy, seen)
        case "forget_node":
            return _forget_node(memory, request, seen)


def _judged(memory: Memory, request: Request) -> tuple[Memory, str]:
    mark = Fingerprint(request.argument)
    approved, revoked = memory.approved - {mark}, memory.revoked - {mark}
    if request.verb == "approve":
        return replace(memory, approved=approved | {mark}, revoked=revoked), f"approved {mark[:8]}"
    return replace(memory, approved=approved, revoked=revoked | {mark}), f"revoked {mark[:8]}"


def _adopt(memory: Memory, request: Request, seen: Observed, now: datetime) -> tuple[Memory, str]:
    alias, _, fingerprint = request.argument.partition(" ")
    for context in Context:
        cert = seen.within(context).certs.get(Fingerprint(fingerprint))
        if cert is not None:
            memory = note_adopted(memory, Alias(alias), cert, now, context)
            return memory, f"{cert.short} is now a retiring CA of {alias}"
    raise _NotDone(f"no node's file holds {fingerprint[:8]}")


def _restart(memory: Memory, request: Request, policy: Policy, seen: Observed, now: datetime) -> tuple[Memory, str]:
    """A node's name: that one, whatever it runs with; nothing: those that need it, for that; `*`: all of them."""
    anyway = request.argument != ""
    changes = dict.fromkeys(seen.nodes, "") if anyway else _changes(memory, policy, seen, now)
    names = [name for name in seen.nodes if request.argument in ("", "*", name)]
    if not names:
        raise _NotDone(f"there is no node {request.argument}")
    processes = {name: seen.nodes[name].process for name in names}
    wishes = tuple(
        RestartWish(name, process.value.started, request.at, anyway, changes[name])
        for name, process in processes.items()
        if isinstance(process, Known) and name in changes
    )
    silent = [name for name, process in processes.items() if not isinstance(process, Known)]
    if not wishes and silent:
        raise _NotDone(f"{', '.join(silent)} cannot be asked now what runs there: syncd status says why")
    if not wishes:
        return memory, "no node is known to need a restart; nothing is noted for later"
    kept = tuple(wish for wish in memory.wishes if wish.node not in names)
    unasked = f"; {', '.join(silent)} cannot be asked now and is left out" if silent else ""
    which = ", ".join(wish.node for wish in wishes)
    return replace(memory, wishes=kept + wishes), f"a restart is noted for {which}, one at a time{unasked}"


def _changes(memory: Memory, policy: Policy, seen: Observed, now: datetime) -> dict[NodeName, str]:
    """What each node needs a restart for: that, and nothing that comes later, is consented to."""
    return {name: need.change for name, need in needs(policy, seen, memory, now)[0].items()}


def _forget(memory: Memory, request: Request, policy: Policy, seen: Observed) -> tuple[Memory, str]:
    alias = Alias(request.argument)
    configured, left = leave.lives_on(alias, policy), left_models(alias, policy, memory)
    contexts = left if configured else left or _dialed_by(alias, seen)
    if configured and not contexts:
        raise _NotDone(f"{alias} is in the configuration: take it out of there first")
    if not contexts:
        raise _NotDone(f"nothing is known of a remote {alias}")
    new = tuple(Forgotten(alias, context, request.at) for context in sorted(contexts))
    kept = tuple(old for old in memory.forgotten if old.alias != alias)
    what = "settings, credential, trust and, last, the file"
    if configured:
        what = "the trust of the model that it had before, and the file if nothing else is in it. Nothing else of it"
    return replace(memory, forgotten=kept + new), f"{alias} is being left: {what}"


def left_models(alias: Alias, policy: Policy, memory: Memory) -> set[Context]:
    """By which security models a remote is remembered that the configuration does not have (any more)."""
    known = {record.context for record in memory.cas if record.alias == alias and record.origin != "left"}
    return {context for context in known if (alias, context) not in policy.pairs}


def _dialed_by(alias: Alias, seen: Observed) -> set[Context]:
    return {node.links[alias].context for node in seen.nodes.values() if alias in node.links}


def _forget_node(memory: Memory, request: Request, seen: Observed) -> tuple[Memory, str]:
    name = NodeName(request.argument)
    if name not in seen.nodes:
        raise _NotDone(f"the configuration has no node {name}")
    if isinstance(seen.nodes[name].process, Known):
        raise _NotDone(f"{name} answers, it is not dead")
    return replace(memory, dead=memory.dead | {name}), f"nothing waits for {name} any more, until it is seen again"
