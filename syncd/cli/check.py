"""One line of `syncd check`, and how lines are put together. Pure."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Literal

_NEXT_TRY = re.compile(r" \(next try in \d+ s\)")
"""What the engine says of its own patience: a command that looks once tries nothing again."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of `syncd check`."""

    group: str
    what: str
    result: Literal["ok", "wrong", "unknown"]
    text: str = ""
    cure: str = ""


def looked_once(text: str) -> str:
    """What is told of a thing that could not be looked at, without when it is tried again."""
    return _NEXT_TRY.sub("", text)


def put_together(found: Iterable[Check], causes: Collection[str]) -> tuple[Check, ...]:
    """Each group once, where its first line is, and in it each cause once: what else it hides was not looked at.

    `causes`: the texts of what could not be looked at. What was seen may be the same of two things, and is told of both.
    """
    groups: dict[str, list[Check]] = {}
    for check in found:
        groups.setdefault(check.group, []).append(replace(check, text=looked_once(check.text)))
    return tuple(check for group in groups.values() for check in _causes_once(group, causes))


def _causes_once(group: Iterable[Check], causes: Collection[str]) -> Iterable[Check]:
    told: dict[str, str] = {}
    for check in group:
        if check.text in told:
            yield replace(check, result="unknown", text=f"not looked at, see above: {told[check.text]}", cure="")
            continue
        if check.result != "ok" and check.text in causes:
            told[check.text] = check.what
        yield check
