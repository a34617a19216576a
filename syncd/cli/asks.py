"""Verbs that change something: a request is appended to the state, and whoever holds the permit carries it out.

The holder is the daemon; where nobody holds the permit, the command takes it and makes the pass itself. A request that
nobody carries out while its command waits is taken back: what a person asked for today must not happen days later.
"""

import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from getpass import getuser
from time import sleep

from syncd.cli import show
from syncd.cli.once import Foreground
from syncd.cli.statuses import fetch
from syncd.core.errors import StateConflict, StateError, SyncdError
from syncd.core.memory.document import dump, parse
from syncd.core.memory.history import ask
from syncd.core.model import Answer, Memory, Report, Request, Verb
from syncd.core.plan import STOPPING
from syncd.ports import Deadline, now

_WAIT = 120.0
"""Seconds that the command waits for the daemon: more than a re-read interval."""
_GO_ON: frozenset[Verb] = frozenset({"restart", "forget", "forget_node"})
"""What goes on after its answer: whoever holds the permit is at it for a while."""
_PASSES = 3
"""Most passes that the command makes itself: somebody else may have written the state during the first."""


def request(front: Foreground, verb: Verb, argument: str, say: Callable[[Iterable[str]], None]) -> str:
    """Ask for something and wait until it is carried out; what came of it.

    Where the command makes the pass itself, it says so, and what is done in it: that may be much more than was asked for.

    Raises StateError when the request cannot be written, or is not carried out in time; it is then taken back.
    Raises SyncdError `not_done` when whoever was to carry it out had a reason not to.
    """
    made = Request(secrets.token_hex(8), verb, argument, _who(), now())
    _append(front, made)
    try:
        here = front.try_permit()
        answer, why = _by_ourselves(front, made, say) if here else _by_another(front, made)
    except SyncdError as error:
        here, answer, why = False, None, str(error)
    except BaseException:  # Ctrl-C above all
        _withdraw(front, made)
        raise
    if answer is None:
        answer, left = _withdraw(front, made)
        why += left
    if answer is None:
        cure = "See syncd status for what keeps it, then ask again"
        raise StateError("not_yet", why, where=front.world.state.name, cure=cure)
    if not answer.done:
        raise SyncdError("not_done", answer.text)
    return answer.text if here or verb not in _GO_ON else f"{answer.text}. Watch: syncd status"


def _by_ourselves(front: Foreground, made: Request, say: Callable[[Iterable[str]], None]) -> tuple[Answer | None, str]:
    """The answer of a pass made here; None: there is none, and why."""

    def tell(report: Report) -> None:
        say(show.progress_text(report))

    cluster = front.world.policy.cluster
    say([f"{cluster}: nobody holds the permit, so this command makes the pass itself, with all that is due in it"])
    for _ in range(_PASSES):
        report = front.make_pass()
        tell(report)
        if front.restarts:
            front.finish(report, tell)
        answer = _answer(front, made)
        if answer is not None or report.plan.memory is None:
            break  # a pass that may not write the state over answers nothing, however often it is made
    failed = [outcome.text for outcome in report.failures]
    held = [hold.text for hold in report.plan.holds if hold.rule in STOPPING or hold.subject == "state"]
    return answer, _sentence("it was not carried through here", [*failed, *held])


def _by_another(front: Foreground, made: Request) -> tuple[Answer | None, str]:
    """The answer of whoever holds the permit; None: none came in time, and what is known of that."""
    deadline = Deadline.after(_WAIT)
    while deadline.left():
        with suppress(StateError):  # out of reach for a moment: whoever carries it out may be able to write it
            if (answer := _answer(front, made)) is not None:
                return answer, ""
        sleep(0.2)
    holder = front.world.permit.holder()
    whom = f"{holder} holds the permit and" if holder else "the permit could not be had, and whoever has it"
    return None, _sentence(f"{whom} did not carry it out within {_WAIT:.0f} s", _told_by_daemon(front))


def _sentence(what: str, reasons: Iterable[str]) -> str:
    return "; ".join((what, *dict.fromkeys(reasons)))


def _told_by_daemon(front: Foreground) -> list[str]:
    """What the daemon that answers here says of the cluster, as far as it concerns requests."""
    cluster = front.world.policy.cluster
    try:
        clusters = {each["cluster"]: each for each in fetch(front.listen)["clusters"]}
    except SyncdError as error:
        return [error.text]
    if cluster not in clusters:
        return [f"the daemon at {front.listen} has made no pass over {cluster}"]
    there = clusters[cluster]
    holds = [hold for hold in there["holds"] if hold["rule"] in STOPPING or hold["subject"] == "state"]
    last = f"the last pass of the daemon at {front.listen} ended at {there['at'][:19]}Z"
    return [last, *(f"{hold['rule']}: {hold['text']}" for hold in holds)]


def _append(front: Foreground, made: Request) -> None:
    _change(front, lambda memory: ask(memory, made))


def _withdraw(front: Foreground, made: Request) -> tuple[Answer | None, str]:
    """Take a request back, unless it was answered at the last moment: its answer, and in words what is left of it."""
    try:
        _change(front, lambda memory: replace(memory, requests=tuple(r for r in memory.requests if r.id != made.id)))
        return _answer(front, made), "; the request is taken back: no pass that begins later carries it out"
    except SyncdError as error:
        return None, f"; the request could not be taken back ({error}): it is carried out as soon as a pass can"


def _change(front: Foreground, change: Callable[[Memory], Memory]) -> None:
    """Write the state with a change made to it, whoever else writes it meanwhile."""
    state = front.world.state
    for _ in range(10):
        stored = state.load(Deadline.after(10))
        memory = parse(stored.text, state.name) if stored.text is not None else Memory()
        changed = change(memory)
        if changed == memory:
            return
        try:
            state.save(dump(changed, front.world.policy.cluster), stored.version, Deadline.after(10))
        except StateConflict:
            continue  # the daemon wrote meanwhile: read again
        return
    raise StateError("state_conflict", "the state changes all the time", where=state.name, cure="Try again")


def _answer(front: Foreground, made: Request) -> Answer | None:
    stored = front.world.state.load(Deadline.after(10))
    memory = parse(stored.text, front.world.state.name) if stored.text is not None else Memory()
    return memory.answer(made.id)


def _who() -> str:
    try:
        return getuser()
    except (OSError, KeyError):
        return "unknown"
