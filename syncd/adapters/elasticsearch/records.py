"""What is written down of restarts in the cluster's own settings, as JSON that a person can read.

A later version of syncd may write other fields; what cannot be read is told as such and never taken for nothing.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from syncd.core.bundle import Digest
from syncd.core.model import Allocation, NodeName, Restarted, RestartRecord

T = TypeVar("T")
RESTART = "cluster.metadata.syncd.restart"
RESTARTED = "cluster.metadata.syncd.restarted"
ALLOCATION = "cluster.routing.allocation.enable"
_VERSION = 1
_LONGEST = 400
"""Most characters of a text: the settings are part of every cluster state."""


class DamagedError(ValueError):
    """A record cannot be read."""


@dataclass(frozen=True, slots=True)
class Written:
    """What the cluster's settings say of restarts."""

    allocation: Allocation
    restart: RestartRecord | None = None
    restarted: Mapping[NodeName, Restarted] = field(default_factory=dict)
    damaged: str = ""
    """Not empty: which record cannot be read, and why."""


def written(body: Any) -> Written:
    """Of `GET _cluster/settings?flat_settings=true`."""
    there = allocation(body)
    try:
        return Written(there, open_restart(body), restarted(body))
    except DamagedError as error:
        return Written(there, damaged=str(error))


def allocation(body: Any) -> Allocation:
    """Which shards may be allocated: transient before persistent before what elasticsearch.yml says, or the default."""
    for scope in ("transient", "persistent"):
        value = body.get(scope, {}).get(ALLOCATION)
        if value is not None:
            return Allocation(str(value), "transient" if scope == "transient" else "persistent")
    return Allocation(str(body.get("defaults", {}).get(ALLOCATION, "all")))


def open_restart(body: Any) -> RestartRecord | None:
    """The open restart. Raises DamagedError."""
    text = body["persistent"].get(RESTART)
    return None if text is None else _read(RESTART, text, _record)


def restarted(body: Any) -> Mapping[NodeName, Restarted]:
    """How earlier restarts ended. Raises DamagedError."""
    text = body["persistent"].get(RESTARTED)
    return {} if text is None else _read(RESTARTED, text, _ended)


def record_text(record: RestartRecord) -> str:
    """A record as it is written."""
    fields = {
        "version": _VERSION,
        "node": record.node,
        "change": record.change,
        "process_started": record.started,
        "unit_invocation": record.invocation,
        "allocation_before": {"value": record.allocation.value, "scope": record.allocation.scope},
        "unassigned_before": record.unassigned,
        "owner": record.owner,
        "begun_at": record.at.isoformat(),
        "yml_sha256": record.yml,
        "fault": record.fault[:_LONGEST],
        "refused_invocation": record.refused,
        "noted_at": record.noted.isoformat() if record.noted else None,
        "refused_process": record.refused_process,
    }
    return json.dumps(fields)


def restarted_text(ended: Mapping[NodeName, Restarted]) -> str:
    """How restarts ended, as it is written."""
    nodes = {
        name: {
            "change": each.change,
            "result": each.result,
            "unassigned_before": each.unassigned,
            "ended_at": each.at.isoformat(),
            "text": each.text[:_LONGEST],
        }
        for name, each in sorted(ended.items())
    }
    return json.dumps({"version": _VERSION, "nodes": nodes})


def _read(setting: str, text: Any, reader: Callable[[Any], T]) -> T:
    try:
        body = json.loads(text)
        version = body["version"]
        read = reader(body) if version == _VERSION else None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DamagedError(f"{setting} is not what syncd writes ({type(error).__name__}: {str(error)[:80]})") from error
    if read is None:
        raise DamagedError(f"{setting} was written by another version of syncd ({str(version)[:40]})")
    return read


def _record(body: Any) -> RestartRecord:
    before = body["allocation_before"]
    return RestartRecord(
        node=NodeName(_text(body["node"])),
        change=_text(body["change"]),
        started=int(body["process_started"]),
        invocation=_text(body["unit_invocation"]),
        allocation=Allocation(_text(before["value"]), _one_of(before["scope"], "transient", "persistent", "unset")),
        unassigned=int(body["unassigned_before"]),
        owner=_text(body["owner"]),
        at=_moment(body["begun_at"]),
        yml=Digest(_text(body["yml_sha256"])) if body["yml_sha256"] is not None else None,
        fault=_text(body["fault"]),
        refused=_text(body["refused_invocation"]),
        noted=_moment(body["noted_at"]) if body.get("noted_at") is not None else None,
        refused_process=int(body["refused_process"]) if body.get("refused_process") is not None else None,
    )


def _ended(body: Any) -> Mapping[NodeName, Restarted]:
    return {
        NodeName(name): Restarted(
            change=_text(row["change"]),
            result=_one_of(row["result"], "done", "failed", "given_up"),
            unassigned=int(row["unassigned_before"]),
            at=_moment(row["ended_at"]),
            text=_text(row["text"]),
        )
        for name, row in body["nodes"].items()
    }


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value


def _one_of(value: Any, *words: str) -> Any:
    if value not in words:
        raise ValueError(f"{value!r} is none of {', '.join(words)}")
    return value


def _moment(value: Any) -> datetime:
    moment = datetime.fromisoformat(_text(value))
    if moment.tzinfo is None:
        raise ValueError(f"{value} has no time zone")
    return moment
