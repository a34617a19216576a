"""When and how nodes are restarted."""

import re
from datetime import time, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, model_validator

from syncd.config.base import Duration, Mistake, Model, parse_duration, text_like
from syncd.core.windows import DAYS, Window

_WINDOW = re.compile(r"(?P<days>\S+) (?P<hour>\d\d):(?P<minute>\d\d) for (?P<span>\S+)(?: (?P<zone>\S+))?")
_EXAMPLE = "a window such as `Sat 02:00 for 4h Europe/Berlin`, `Mon,Thu 22:30 for 90m` or `daily 01:00 for 2h` (UTC)"
_LONGEST = timedelta(days=7)


def parse_window(text: str) -> Window:
    """A window from its text; anything else is a ValueError that shows how one is written."""
    parts = _WINDOW.fullmatch(text.strip())
    if parts is None:
        raise ValueError(f"{_EXAMPLE} is expected")
    try:
        span: timedelta = parse_duration(parts["span"])
        opens, zone = time(int(parts["hour"]), int(parts["minute"])), ZoneInfo(parts["zone"] or "UTC")
    except (ValueError, ZoneInfoNotFoundError, OSError) as error:
        raise ValueError(f"{error}; {_EXAMPLE} is expected") from error
    if not timedelta(0) < span <= _LONGEST:
        raise ValueError(f"a window is open for some time, for a week at most; {_EXAMPLE} is expected")
    return Window(_days(parts["days"]), opens, span, zone, text.strip())


def _days(text: str) -> frozenset[int]:
    if text == "daily":
        return frozenset(range(len(DAYS)))
    names = text.split(",")
    if unknown := [name for name in names if name not in DAYS]:
        raise ValueError(f"{unknown[0]} is none of {', '.join(DAYS)} and daily")
    return frozenset(map(DAYS.index, names))


def _checked(text: str) -> str:
    parse_window(text)
    return text


class Service(Model):
    """How a node is restarted where syncd does not call systemctl itself.

    Both commands run as transport.become says, without a shell.
    """

    restart: tuple[str, ...] = Field(min_length=1)
    """Command that stops and starts the node; it may return before the node is up."""
    status: tuple[str, ...] = Field(min_length=1)
    """Command that ends with 0 while it runs, with 3 while it does not (yet), with anything else when it failed."""


_UNIT, _UNIT_WORDS = r"^[A-Za-z0-9:_.@{}-]+$", "the name of a systemd unit, such as elasticsearch.service,"


class Restart(Model):
    """Rolling restarts: one node at a time, written down in the cluster itself."""

    policy: Literal["never", "rolling"] = "never"
    """rolling: nodes that need it are restarted, one at a time; never: only by `syncd restart`."""
    unit: Annotated[str, Field(pattern=_UNIT), text_like(_UNIT, _UNIT_WORDS)] = "elasticsearch.service"
    """systemd unit of Elasticsearch; {node} in it stands for the node's name."""
    windows: tuple[Annotated[str, AfterValidator(_checked)], ...] = ()
    """Restarts begin only in one of these windows; none: at any time."""
    join_timeout: Duration = timedelta(minutes=15)
    """How long a node may take to be a member again before its change is undone."""
    accept_outage: bool = False
    """Restart even if an index without replicas, or a cluster with one or two master-eligible nodes, is unavailable
    meanwhile."""

    @model_validator(mode="after")
    def _some_time(self) -> "Restart":
        if self.join_timeout < timedelta(seconds=30):
            raise Mistake("join_timeout must be 30s or more: a node needs that long to start", "join_timeout")
        return self
