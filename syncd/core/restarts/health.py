"""Whether a cluster is well enough to lose a node for a while; pure."""

from datetime import datetime, timedelta

from syncd.core.model import ClusterState

_REMEMBERED = timedelta(hours=1)
"""So long a restart is waited upon to be made good: shards that are missing after that are missing for another reason."""


def unwell(cluster: ClusterState) -> str | None:
    """Why no node of it may be stopped now, by its health."""
    match cluster.health:
        case "green":
            return None
        case "yellow":
            return _moving(cluster)
        case "red":
            return "the cluster is red: a primary shard is missing. See GET _cluster/allocation/explain"
        case "unknown":
            return "the cluster does not tell its health"


def _moving(cluster: ClusterState) -> str | None:
    shards = cluster.shards
    counts = {
        "initializing shards": shards.initializing,
        "relocating shards": shards.relocating,
        "shards that wait for a node": shards.delayed,
        "pending tasks": shards.pending,
    }
    busy = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    return f"the cluster is yellow with {busy}; lifted when there are none" if busy else None


def unrecovered(cluster: ClusterState, now: datetime) -> str | None:
    """Why it is to be waited for what the last restart took away."""
    last = max(cluster.restarted.values(), key=lambda each: each.at, default=None)
    if last is None or now - last.at >= _REMEMBERED or cluster.shards.unassigned <= last.unassigned:
        return None
    missing = f"{cluster.shards.unassigned} shards are unassigned, {last.unassigned} were before the last restart"
    return f"{missing}; lifted when they are back, or at {last.at + _REMEMBERED:%H:%M:%S}Z"
