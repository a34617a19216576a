"""syncd's own memory as a document that people can read; pure."""

import json
from dataclasses import asdict, fields
from datetime import datetime
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from syncd.core.errors import StateError
from syncd.core.memory.tables import pack, unpack
from syncd.core.model import (
    Answer,
    CaRecord,
    EckWrite,
    Forgotten,
    LogPosition,
    Memory,
    Reloaded,
    Request,
    RestartWish,
    Sighting,
    Written,
)

VERSION = 1
_READABLE = 256 * 1024
"""What is larger is of hundreds of nodes: it is written shorter, since an object of Kubernetes may have a mebibyte."""
_MANY = ("proofs", "writes", "reloads")
"""Of these there is one for each node."""
T = TypeVar("T")


def dump(memory: Memory, cluster: str) -> str:
    """The document, for people as much as for syncd."""
    body = {"version": VERSION, "cluster": cluster, **asdict(memory)}
    text = json.dumps(body, indent=1, default=_plain, sort_keys=True)
    if len(text) > _READABLE:
        plain = json.loads(text)
        packed = plain | {name: pack(plain[name]) for name in _MANY}
        text = json.dumps(packed, separators=(",", ":"), sort_keys=True)
    return text + "\n"


def parse(text: str, where: str) -> Memory:
    """The memory from its document.

    Raises StateError `state_newer` (made by a later syncd: must not be written over) or `state_damaged`.
    """
    try:
        body = json.loads(text)
        version = body.pop("version")
        body.pop("cluster", None)
        body.pop("answered", None)  # how answers were written before they told whether anything was done
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise _damaged(where, error) from error
    if isinstance(version, int) and version > VERSION:
        raise StateError(
            "state_newer",
            f"the state was written by a later syncd (format {version}, this one knows {VERSION})",
            where=where,
            cure="Run that version again, or remove the state to start afresh with caution",
        )
    try:
        return _build(Memory, body | {name: unpack(body[name]) for name in _MANY if name in body})
    except (IndexError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(where, error) from error


def _damaged(where: str, error: Exception) -> StateError:
    text = f"the state cannot be read ({type(error).__name__}: {error})"
    return StateError("state_damaged", text, where=where, cure="syncd starts afresh and keeps what it does not know")


def _plain(value: object) -> object:
    match value:
        case datetime():
            return value.isoformat()
        case frozenset():
            return sorted(value)
        case _:
            raise TypeError(f"cannot store a {type(value).__name__}")


_NESTED = (Answer, CaRecord, EckWrite, Forgotten, LogPosition, Reloaded, Request, RestartWish, Sighting, Written)


def _build(kind: type[T], body: Any) -> T:
    """A frozen record from plain JSON, with every field checked; unknown fields are an error."""
    hints = get_type_hints(kind)
    names = {item.name for item in fields(kind)}  # type: ignore[arg-type]  # every kind here is a dataclass
    if extra := set(body) - names:
        raise ValueError(f"unknown field {min(extra)}")
    return kind(**{name: _value(hints[name], body[name]) for name in names & set(body)})


def _value(hint: Any, value: Any) -> Any:
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return None if value is None else _value(args[0], value)
    if origin is Literal:
        return _checked(value, value in args, hint)
    if origin in (tuple, frozenset):
        items = _checked(value, isinstance(value, list), hint)
        if origin is tuple and args[-1] is not Ellipsis:
            return tuple(_value(arg, item) for arg, item in zip(args, items, strict=True))
        return origin(_value(args[0], item) for item in items)
    return _scalar(hint, value)


def _scalar(hint: Any, value: Any) -> Any:
    hint = getattr(hint, "__supertype__", hint)
    if hint is datetime:
        moment = datetime.fromisoformat(value)
        return _checked(moment, moment.tzinfo is not None, hint)
    if hint in _NESTED:
        return _build(hint, value)
    if issubclass(hint, str) and hint is not str:
        return hint(value)
    return _checked(value, isinstance(value, hint) and (hint is bool) == isinstance(value, bool), hint)


def _checked(value: Any, fits: bool, hint: Any) -> Any:
    if not fits:
        raise ValueError(f"{str(value)[:40]!r} is not a {hint}")
    return value
