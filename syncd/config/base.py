"""What every part of the model is made of: frozen, unknown keys are an error; durations, ports and names."""

import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_LAST_PORT = 65535

Place = tuple[str | int, ...]
"""Where something is in the configuration: keys, and numbers of list entries."""


class Mistake(ValueError):
    """A mistake that only a whole shows, and that one part of it must be blamed for."""

    def __init__(self, text: str, *at: str | int) -> None:
        super().__init__(text)
        self.at = at
        """Where that part is, seen from the whole."""


def place_text(place: Place) -> str:
    """`clusters[0].nodes[1].name`."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in place).lstrip(".")


def parse_duration(value: Any) -> Any:
    """`24h`, `15m`, `1h30m`, `10s`, `250ms`; anything else is a ValueError that says so."""
    if isinstance(value, timedelta):
        return value
    text = str(value).strip()
    parts = _PART.findall(text)
    if isinstance(value, bool) or not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError("a duration such as 10s, 15m, 24h or 1h30m is expected")
    try:
        return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in parts))
    except OverflowError as error:
        raise ValueError("it is too long; a duration such as 10s, 15m, 24h or 1h30m is expected") from error


def _more_than_nothing(span: timedelta) -> timedelta:
    if span <= timedelta(0):
        raise ValueError("a duration of more than 0s is expected")
    return span


def checked_port(address: str) -> str:
    """An address that ends with a port; ValueError where there can be no such port."""
    if not 1 <= int(address.rpartition(":")[2]) <= _LAST_PORT:
        raise ValueError(f"a port from 1 to {_LAST_PORT} is expected")
    return address


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration, json_schema_input_type=str),
    PlainSerializer(lambda span: f"{span.total_seconds():g}s", return_type=str),
]
Positive = Annotated[Duration, AfterValidator(_more_than_nothing)]
"""A duration of which none would mean without pause, or that no time is enough."""


def text_like(pattern: str, expected: str) -> BeforeValidator:
    """Says what is expected, as a person would, of a text that does not match, or that YAML reads as a number.

    Beside the `pattern` of the field, which is for the schema: pydantic's own message quotes the pattern.
    """

    def checked(value: Any) -> Any:
        if not isinstance(value, str) or not re.search(pattern, value):
            raise ValueError(f"{expected} is expected")
        return value

    return BeforeValidator(checked)


_NAME, _ABSOLUTE = r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", r"^/"
_NAME_WORDS = "a name of letters, digits and . _ - (these not at its ends) that is a text for YAML, else in quotes,"
Name = Annotated[str, Field(pattern=_NAME, max_length=200), text_like(_NAME, _NAME_WORDS)]
AbsolutePath = Annotated[str, Field(pattern=_ABSOLUTE), text_like(_ABSOLUTE, "an absolute path")]


class Model(BaseModel):
    """Frozen, and unknown keys are an error."""

    # hidden, as what was found may be a secret, and a traceback would show it
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True)


def must_be_unique(what: str, there: Iterable[tuple[Place, str]]) -> None:
    """Raise a Mistake at the second of two equal values."""
    first: dict[str, Place] = {}
    for at, value in there:
        if value in first:
            raise Mistake(f"the {what} {value} is there twice, first at {place_text(first[value])}", *at)
        first[value] = at
