"""Verbs that change something: a request is appended to the state, and whoever holds the permit carries it out.

The holder is the daemon; where nobody holds the permit, the command takes it and makes the pass itself.
"""

import secrets
from getpass import getuser
from time import sleep
from typing import Literal

from syncd.cli.once import Foreground
from syncd.core.errors import StateConflict, StateError
from syncd.core.memory import ask, dump, parse
from syncd.core.model import Memory, Request
from syncd.ports import Deadline, now

Verb = Literal["approve", "adopt", "revoke", "pause", "resume", "take_over"]
_WAIT = 120.0
"""Seconds that the command waits for the daemon: more than a re-read interval."""


def request(front: Foreground, verb: Verb, argument: str) -> str:
    """Ask for something and wait until it is carried out; what came of it.

    Raises StateError when the request cannot be written, or is not carried out in time (it then stays asked for).
    """
    made = Request(secrets.token_hex(8), verb, argument, _who(), now())
    _append(front, made)
    if front.try_permit():
        front.make_pass()
    deadline = Deadline.after(_WAIT)
    while deadline.left():
        answer = dict(_memory(front).answered).get(made.id)
        if answer is not None:
            return answer
        sleep(0.2)
    cure = "The request stays in the state and is carried out by the next pass; see: syncd status"
    raise StateError("not_yet", "nobody carried it out yet", where=front.world.state.name, cure=cure)


def _append(front: Foreground, made: Request) -> None:
    state = front.world.state
    for _ in range(10):
        stored = state.load(Deadline.after(10))
        memory = parse(stored.text, state.name) if stored.text is not None else Memory()
        try:
            state.save(dump(ask(memory, made), front.world.policy.cluster), stored.version, Deadline.after(10))
        except StateConflict:
            continue  # the daemon wrote meanwhile: read again
        return
    raise StateError("state_conflict", "the state changes all the time", where=state.name, cure="Try again")


def _memory(front: Foreground) -> Memory:
    stored = front.world.state.load(Deadline.after(10))
    return parse(stored.text, front.world.state.name) if stored.text is not None else Memory()


def _who() -> str:
    try:
        return getuser()
    except (OSError, KeyError):
        return "unknown"
