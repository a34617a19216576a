"""Writing down restarts: each change of allocation goes with its record, in one request.

Elasticsearch has no compare-and-set for settings: read, compare, put. The permit keeps two of ours from racing.
"""

from dataclasses import replace
from typing import Any, TypeAlias

from syncd.adapters.elasticsearch import answers
from syncd.adapters.elasticsearch.records import (
    ALLOCATION,
    RESTART,
    RESTARTED,
    DamagedError,
    allocation,
    open_restart,
    record_text,
    restarted,
    restarted_text,
)
from syncd.core.errors import ClusterError
from syncd.core.model import Restarted, RestartRecord

Settings: TypeAlias = dict[str, dict[str, Any]]
"""By scope, as `PUT _cluster/settings` takes them."""
RULES = frozenset({"es_owner", "es_restart_open", "es_restart_changed", "es_allocation"})
"""Refusals that another node of the cluster would repeat."""


def begun(body: Any, record: RestartRecord, where: str) -> Settings:
    """The settings that begin a restart; none: it is begun already. Raises ClusterError."""
    keeper = answers.owner(body)
    if keeper != record.owner:
        raise ClusterError("es_owner", f"another syncd ({keeper}) keeps this cluster", where=where, cure=_OWNER)
    there = _open(body, where)
    if there == record:
        return {}
    if there is not None:
        raise ClusterError("es_restart_open", f"{there.node} is being restarted", where=where, cure=_AGAIN)
    now = allocation(body)
    if now != record.allocation:
        text = f"{ALLOCATION} is {now.value} ({now.scope}), not {record.allocation.value} ({record.allocation.scope})"
        raise ClusterError("es_allocation", f"{text}: somebody set it just now", where=where, cure=_AGAIN)
    return _with({"persistent": {RESTART: record_text(record)}}, record.restricted.scope, record.restricted.value)


def freed(body: Any, record: RestartRecord, where: str) -> Settings:
    """The settings that put allocation back while the restart stays open; none: they are back. Raises ClusterError."""
    there = _open(body, where)
    if there != record:
        raise _changed(there, record, where)
    return _as_before({}, body, record)


def noted(body: Any, record: RestartRecord, where: str) -> Settings:
    """The settings that write a fault into the open record; none: it is there. Raises ClusterError."""
    there = _open(body, where)
    if there is None or _bare(there) != _bare(record):
        raise _changed(there, record, where)
    settings: Settings = {} if there == record else {"persistent": {RESTART: record_text(record)}}
    if allocation(body) != record.allocation:  # it is restricted still, or somebody changed it meanwhile
        return settings
    return _with(settings, record.restricted.scope, record.restricted.value)


def ended(body: Any, record: RestartRecord, outcome: Restarted, where: str) -> Settings:
    """The settings that end a restart; none: it is ended already. Raises ClusterError."""
    there = _open(body, where)
    if there is None:
        return {}
    if there != record:
        raise _changed(there, record, where)
    notes = restarted_text({**restarted(body), record.node: outcome})
    return _as_before({"persistent": {RESTART: None, RESTARTED: notes}}, body, record)


_OWNER = "If that one is gone: syncd take-over CLUSTER"
_AGAIN = "Nothing was changed; syncd looks again by itself"


def _open(body: Any, where: str) -> RestartRecord | None:
    try:
        restarted(body)
        return open_restart(body)
    except DamagedError as error:
        cure = f"See that all nodes run, then set that setting to null, and {ALLOCATION} as it should be"
        raise ClusterError("es_restart_changed", str(error), where=where, cure=cure) from error


def _changed(there: RestartRecord | None, record: RestartRecord, where: str) -> ClusterError:
    found = f"{there.node} is being restarted, begun {there.at:%Y-%m-%d %H:%M:%S}Z" if there else "none is open"
    text = f"the open restart is not that of {record.node}, begun {record.at:%Y-%m-%d %H:%M:%S}Z: {found}"
    return ClusterError("es_restart_changed", text, where=where, cure=_AGAIN)


def _bare(record: RestartRecord) -> RestartRecord:
    return replace(record, fault="", refused="", noted=None, refused_process=None)


def _as_before(settings: Settings, body: Any, record: RestartRecord) -> Settings:
    """With allocation as it was, unless it is back already or somebody changed it meanwhile."""
    scope = record.restricted.scope
    if body.get(scope, {}).get(ALLOCATION) != record.restricted.value:
        return settings
    return _with(settings, scope, None if record.allocation.scope == "unset" else record.allocation.value)


def _with(settings: Settings, scope: str, value: str | None) -> Settings:
    return {**settings, scope: {**settings.get(scope, {}), ALLOCATION: value}}
